"""Temperature scaling of reader and detector."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adapters.models.detector import tempered_score
from edge.adapters.models.reader import tempered
from edge.pipeline.watcher import settings_for_threshold

ROWS = np.array([[0.7, 0.2, 0.1], [0.98, 0.02, 0.0]], np.float32)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.3, 4.0, 100.0])
def test_temperature_scaling_keeps_the_order_of_the_probabilities(temperature: float) -> None:
    after = tempered(ROWS, temperature)

    assert after.dtype == np.float32
    assert after.sum(axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert (after.argmax(axis=1) == ROWS.argmax(axis=1)).all()
    assert (np.diff(after, axis=1) <= 0).all()


def test_a_temperature_of_two_takes_the_root_and_one_changes_nothing() -> None:
    roots = np.sqrt(ROWS.astype(np.float64))

    assert np.allclose(tempered(ROWS, 2.0), roots / roots.sum(axis=1, keepdims=True), atol=1e-6)
    assert tempered(ROWS, 1.0) is ROWS


def test_the_lowest_temperature_leaves_no_row_without_a_probability() -> None:
    flat = np.full((1, 37), 1 / 37, np.float32)

    assert tempered(flat, 0.001) == pytest.approx(flat)


def test_temperature_scaling_divides_the_logits() -> None:
    logits = np.array([[2.0, 0.5, -3.0]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    cooler = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum()

    assert np.allclose(tempered(softmax.astype(np.float32), 1.7), cooler, atol=1e-6)


def test_a_score_of_one_half_stays_and_others_move_towards_it() -> None:
    scores = np.array([0.0, 0.2, 0.5, 0.9, 1.0], np.float32)

    after = tempered_score(scores, 2.0)

    assert after[2] == pytest.approx(0.5)
    assert after[3] == pytest.approx(0.75)  # odds of 9 become odds of 3
    assert after[1] == pytest.approx(1 / 3)  # odds of a quarter become a half
    assert (np.diff(after) > 0).all()
    assert ((after >= 0) & (after <= 1)).all()
    assert tempered_score(scores, 1.0) is scores


def test_the_detectors_threshold_starts_tracks() -> None:
    assert settings_for_threshold(0.27).tracking.strong_score == 0.27
