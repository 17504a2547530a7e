"""A box's availability message, and its reasons."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from edge.adapters.broker.messages import Availability
from edge.errors import CODES


@pytest.mark.parametrize("reason", [*CODES, "running", "outbox-full"])
def test_every_code_can_be_the_reason_of_a_safe_box(reason: str) -> None:
    assert Availability(site="s", box="b", state="safe", reason=reason).reason == reason


@pytest.mark.parametrize("reason", ["", "Two words", "e_X", "E_", "E_x", "E_A\n", "x" * 61])
def test_a_reason_is_a_fixed_word_or_an_error_code(reason: str) -> None:
    with pytest.raises(ValidationError):
        Availability(site="s", box="b", state="safe", reason=reason)
