"""A clear-text plate is never shown, serialised or copied by accident."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET, MAX_LENGTH, PlateFormatError, PlateText

CLEAR = "1ABC123"
PLATE = PlateText(CLEAR)

SHOWN: dict[str, Callable[[PlateText], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda plate: f"{plate}",
    "f-string with a width": lambda plate: f"{plate:>20}",
    "f-string with !r": lambda plate: f"{plate!r}",
    "percent": lambda plate: "%s %r" % (plate, plate),  # noqa: UP031 - as logging does it
    "inside containers": lambda plate: repr({"plates": [plate, (plate,)]}),
    "an exception": lambda plate: "".join(traceback.format_exception_only(ValueError(plate))),
    "a log record": lambda plate: logging.makeLogRecord(
        {"msg": "seen: %s", "args": (plate,)}
    ).getMessage(),
}


@pytest.mark.parametrize("way", SHOWN)
def test_p8_no_string_form_shows_the_plate(way: str) -> None:
    text = SHOWN[way](PLATE)

    assert CLEAR not in text
    assert "PlateText(…)" in text


@given(st.text(ALPHABET, min_size=1, max_size=MAX_LENGTH))
def test_p8_all_plates_have_the_same_string_form(text: str) -> None:
    plate = PlateText(text)

    assert {repr(plate), str(plate), f"{plate:x}"} == {"PlateText(…)"}
    assert plate.reveal() == text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_p8_a_plate_is_never_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps([PLATE], protocol)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_p8_a_plate_is_never_copied(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="never serialised"):
        copied(PLATE)


def test_p8_a_plate_is_not_a_str_and_not_json() -> None:
    assert not isinstance(PLATE, str)
    with pytest.raises(TypeError) as refused:
        json.dumps({"plate": PLATE})
    assert CLEAR not in str(refused.value)
    with pytest.raises(TypeError) as refused:
        vars(PLATE)
    assert CLEAR not in str(refused.value)


@pytest.mark.parametrize("raw", ["1-ABC-123-456-789", "1ABÇ123", "straße", "", " - ", "1AB/23"])
def test_p8_the_error_for_an_invalid_plate_does_not_repeat_the_text(raw: str) -> None:
    with pytest.raises(PlateFormatError) as refused:
        PlateText.parse(raw)

    assert not raw.strip(" -") or raw not in str(refused.value)


def test_separators_and_case_are_ignored_and_letters_differ_from_digits() -> None:
    assert {PlateText.parse(raw) for raw in ("1-abc-123", "1 ABC 123", "1·ABC·123")} == {PLATE}
    assert PlateText("O1") != PlateText("01")
    assert PlateText("I1") != PlateText("11")
    assert len(PLATE) == 7
