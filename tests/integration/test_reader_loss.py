"""The reader's loss: texts, hidden characters, and countries."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")

from scripts.training.reader_net import (  # noqa: E402
    ALPHABET,
    PAD,
    SLOTS,
    UNREADABLE,
    encoded,
    reader_loss,
)

TEXT = "AB12CD"


def loss(sure: float, texts: list[int], regions: int = -1) -> float:
    """The loss of an answer that gives TEXT with these logits, against a target."""
    plate = torch.zeros(1, SLOTS, len(ALPHABET))
    for slot, index in enumerate(encoded(TEXT)):
        plate[0, slot, index] = sure
    value, _ = reader_loss(plate, torch.zeros(1, 3), torch.tensor([texts]), torch.tensor([regions]))
    return float(value)


def test_a_right_text_has_a_lower_loss_the_surer_it_is() -> None:
    right = encoded(TEXT)

    assert loss(6.0, right) < loss(3.0, right) < loss(0.0, right)


def test_a_sure_character_where_it_is_hidden_has_a_higher_loss_than_doubt() -> None:
    hidden = [UNREADABLE, *encoded(TEXT)[1:]]
    doubting = torch.zeros(1, SLOTS, len(ALPHABET))
    for slot, index in enumerate(encoded(TEXT)):
        doubting[0, slot, index] = 6.0
    doubting[0, 0] = 0.0
    doubting[0, 0, PAD] = -6.0
    value, figures = reader_loss(
        doubting, torch.zeros(1, 3), torch.tensor([hidden]), torch.tensor([-1])
    )

    assert float(value) < loss(6.0, hidden)
    assert figures["exact"] == 1.0  # a hidden character cannot be wrong


def test_an_unknown_country_changes_nothing() -> None:
    right = encoded(TEXT)

    assert loss(6.0, right, regions=-1) < loss(6.0, right, regions=1)
