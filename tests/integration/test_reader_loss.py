"""The reader's loss: texts, hidden characters, and countries."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")

import numpy as np  # noqa: E402

from scripts.training.plate_crops import RealPlate  # noqa: E402
from scripts.training.reader_batches import target_of  # noqa: E402
from scripts.training.reader_net import ALPHABET, PAD, SLOTS, encoded, reader_loss  # noqa: E402

TEXT = "AB12CD"


def plate(text: str = TEXT, answer: np.ndarray | None = None) -> RealPlate:
    return RealPlate("a.jpg", np.zeros((1, 1, 3), np.uint8), (0, 0, 1, 1), text, None, answer)


def answering(sure: float) -> Any:
    """The logits of an answer that gives TEXT."""
    logits = torch.zeros(1, SLOTS, len(ALPHABET))
    for slot, index in enumerate(encoded(TEXT)):
        logits[0, slot, index] = sure
    return logits


def loss(logits: Any, target: np.ndarray, region: int = -1) -> float:
    value, _ = reader_loss(
        logits, torch.zeros(1, 3), torch.from_numpy(target)[None], torch.tensor([region])
    )
    return float(value)


def test_a_right_text_has_a_lower_loss_the_surer_it_is() -> None:
    right = target_of(plate())

    assert loss(answering(6.0), right) < loss(answering(3.0), right) < loss(answering(0.0), right)


def test_a_sure_character_where_it_is_hidden_has_a_higher_loss_than_doubt() -> None:
    hidden = target_of(plate(), [True])
    doubting = answering(6.0)
    doubting[0, 0] = 0.0
    doubting[0, 0, PAD] = -6.0

    assert loss(doubting, hidden) < loss(answering(6.0), hidden)
    figures = reader_loss(
        doubting, torch.zeros(1, 3), torch.from_numpy(hidden)[None], torch.tensor([-1])
    )[1]
    assert figures["exact"] == 1.0  # a hidden character cannot be wrong


def test_of_a_plate_without_a_text_the_teachers_doubt_is_learnt() -> None:
    answer = np.eye(len(ALPHABET), dtype=np.float32)[encoded(TEXT)]
    answer[1, ALPHABET.index("B")] = answer[1, ALPHABET.index("8")] = 0.5
    doubting = answering(6.0)
    doubting[0, 1, ALPHABET.index("8")] = 6.0
    target = target_of(plate("", answer))

    assert loss(doubting, target) < loss(answering(6.0), target)
    assert target.sum(axis=1) == pytest.approx(np.ones(SLOTS), abs=1e-5)


def test_the_teachers_doubt_counts_half_where_it_reads_the_known_text() -> None:
    known = encoded(TEXT)
    answer = np.full((SLOTS, len(ALPHABET)), 0.4 / (len(ALPHABET) - 1), np.float32)
    answer[range(SLOTS), known] = 0.6
    without, with_it = target_of(plate()), target_of(plate(TEXT, answer))
    right = range(SLOTS), known

    assert with_it[right] == pytest.approx((without[right] + 0.6) / 2, abs=1e-5)
    answer[0] = answer[1]  # now it reads another text
    assert (target_of(plate(TEXT, answer)) == without).all()


def test_an_unknown_country_changes_nothing() -> None:
    right = target_of(plate())

    assert loss(answering(6.0), right) < loss(answering(6.0), right, region=1)
