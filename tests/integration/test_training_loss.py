"""The detector's loss: missed plates, false detections, and ignored regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")

from scripts.training.detector_net import cell_centres, detector_loss, padded  # noqa: E402

SIDE = 64
PLATE = [16.0, 24.0, 48.0, 34.0]
INSIDE, ELSEWHERE = 3 * 8 + 3, 7 * 8 + 7
"""Cells of 8 pixels, row by row: one on the plate, one in a corner."""


def answers(score: dict[int, float] | None = None) -> tuple[Tensor, Tensor]:
    """Logits and boxes of one picture: low scores, and every box 32 x 10 around its cell."""
    logits = torch.full((1, (SIDE // 8) ** 2), -4.0)
    for cell, value in (score or {}).items():
        logits[0, cell] = value
    centres = cell_centres(SIDE, SIDE)
    half = torch.tensor([16.0, 5.0])
    return logits, torch.cat((centres - half, centres + half), -1)[None]


def loss(truths: list[list[float]], score: dict[int, float] | None = None) -> tuple[float, float]:
    rows = torch.tensor(truths).reshape(-1, 5)
    losses = detector_loss(*answers(score), padded([rows]), (SIDE, SIDE))
    return float(losses.score), float(losses.box)


def test_a_detected_plate_has_a_lower_loss_than_a_missed_one() -> None:
    assert loss([[*PLATE, 1]], {INSIDE: 3.0})[0] < loss([[*PLATE, 1]])[0]


def test_a_false_detection_is_penalised_outside_ignored_regions() -> None:
    corner = [56.0, 56.0, 64.0, 64.0]
    for truths in ([], [[*PLATE, 1]]):
        assert loss(truths, {ELSEWHERE: 2.0})[0] > loss(truths)[0] + 0.1
        doubtful = [*truths, [*corner, 0]]
        assert loss(doubtful, {ELSEWHERE: 2.0})[0] == pytest.approx(loss(doubtful)[0])


def test_a_misplaced_box_has_a_higher_loss_than_a_matching_one() -> None:
    beside = [v + 4 for v in PLATE]

    assert loss([[*PLATE, 1]])[1] < loss([[*beside, 1]])[1]


def test_without_a_plate_there_is_no_box_loss() -> None:
    assert loss([])[1] == 0


def test_the_pictures_of_a_batch_are_independent() -> None:
    one, other = torch.tensor([[*PLATE, 1.0]]), torch.zeros((0, 5))
    logits, boxes = answers({INSIDE: 1.0})

    alone = detector_loss(logits, boxes, padded([one]), (SIDE, SIDE))
    twice = detector_loss(
        logits.repeat(2, 1), boxes.repeat(2, 1, 1), padded([one, one]), (SIDE, SIDE)
    )
    beside = detector_loss(
        torch.cat((logits, torch.full_like(logits, -50.0))),
        boxes.repeat(2, 1, 1),
        padded([one, other]),
        (SIDE, SIDE),
    )

    assert float(twice.total) == pytest.approx(float(alone.total), rel=0.05)
    assert float(beside.total) == pytest.approx(float(alone.total))
    assert beside.positives == alone.positives
