"""A clear-text plate is never shown, serialised or copied by accident."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET, MAX_LENGTH, PlateFormatError, PlateText, is_folded

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


@pytest.mark.parametrize("raw", ["1-ABC-123-456-789", "1ABÞ123", "straße", "", " - ", "1AB/23"])
def test_p8_the_error_for_an_invalid_plate_does_not_repeat_the_text(raw: str) -> None:
    with pytest.raises(PlateFormatError) as refused:
        PlateText.parse(raw)

    assert not raw.strip(" -") or raw not in str(refused.value)


def test_separators_and_case_are_ignored_and_letters_differ_from_digits() -> None:
    assert {PlateText.parse(raw) for raw in ("1-abc-123", "1 ABC 123", "1·ABC·123")} == {PLATE}
    assert PlateText("O1") != PlateText("01")
    assert PlateText("I1") != PlateText("11")
    assert len(PLATE) == 7


# --- letters with marks and of other alphabets --------------------------------------------------

WITH_MARKS = {
    "A": "ÄÅÁÀÂÃĂĀĄ",
    "AE": "Æ",
    "C": "ČĆÇĊĈ",
    "D": "ĐÐĎ",
    "E": "ÉÈÊËĚĒĖĘ",
    "G": "ĞĢĠĜ",
    "H": "ĦĤ",
    "I": "ÍÌÎÏİĪĮ",
    "K": "Ķ",
    "L": "ŁĽĹĻ",
    "N": "ÑŃŇŅ",
    "O": "ÖØÓÒÔÕŐŌ",
    "R": "ŘŔŖ",
    "S": "ŠŚŞȘŜ",
    "T": "ŤŢȚ",
    "U": "ÜÚÙÛŰŪŮŲŬ",
    "W": "Ŵ",
    "Y": "ÝŸŶ",
    "Z": "ŽŹŻ",
}
GREEK = {
    "ALPHA": "A", "BETA": "B", "EPSILON": "E", "ZETA": "Z", "ETA": "H", "IOTA": "I", "KAPPA": "K",
    "MU": "M", "NU": "N", "OMICRON": "O", "RHO": "P", "TAU": "T", "UPSILON": "Y", "CHI": "X",
}  # fmt: skip
CYRILLIC = {
    "A": "A", "VE": "B", "IE": "E", "KA": "K", "EM": "M", "EN": "H", "O": "O", "ER": "P", "ES": "C",
    "TE": "T", "U": "Y", "HA": "X", "BYELORUSSIAN-UKRAINIAN I": "I", "JE": "J",
}  # fmt: skip


def spellings(letter: str) -> set[str]:
    """The letter in capitals and small, each as one character and with its mark apart."""
    return {
        unicodedata.normalize(form, case)
        for form in ("NFC", "NFD")
        for case in (letter, letter.lower())
    }


@pytest.mark.parametrize("base", WITH_MARKS)
def test_a_letter_with_a_mark_is_its_base_letter_however_it_is_typed(base: str) -> None:
    for letter in WITH_MARKS[base]:
        for typed in spellings(letter):
            raw = f"M{typed}-AB 123"
            assert PlateText.parse(raw) == PlateText(f"M{base}AB123"), ascii(typed)
            assert is_folded(raw)


@pytest.mark.parametrize(("script", "letters"), [("GREEK", GREEK), ("CYRILLIC", CYRILLIC)])
def test_a_greek_or_cyrillic_letter_is_the_latin_one_of_its_shape(
    script: str, letters: dict[str, str]
) -> None:
    for name, latin in letters.items():
        letter = unicodedata.lookup(f"{script} CAPITAL LETTER {name}")
        for typed in (letter, letter.lower()):
            assert PlateText.parse(f"1{typed}2") == PlateText(f"1{latin}2"), name
            assert is_folded(typed)


@pytest.mark.parametrize(
    "letter",
    [
        *"ßẞſıﬃÞŒŊΣΩБДЙЖﾊ٣²",
        "\N{FULLWIDTH LATIN CAPITAL LETTER A}",
        "\N{COMBINING ACUTE ACCENT}",
        "7\N{COMBINING DIAERESIS}",
        "A\N{COMBINING ENCLOSING CIRCLE}",
        "\N{RIGHT-TO-LEFT OVERRIDE}",
    ],
)
def test_a_letter_that_may_be_another_one_is_refused_with_the_cure(letter: str) -> None:
    with pytest.raises(PlateFormatError, match="write the letters A-Z and the digits"):
        PlateText.parse(f"1{letter}2")


@pytest.mark.parametrize(
    "name",
    [
        "SPACE",
        "NO-BREAK SPACE",
        "NARROW NO-BREAK SPACE",
        "THIN SPACE",
        "FIGURE SPACE",
        "EM SPACE",
        "HYPHEN-MINUS",
        "HYPHEN",
        "NON-BREAKING HYPHEN",
        "SOFT HYPHEN",
        "FIGURE DASH",
        "EN DASH",
        "EM DASH",
        "MINUS SIGN",
        "ZERO WIDTH SPACE",
        "WORD JOINER",
        "ZERO WIDTH NO-BREAK SPACE",
        "MIDDLE DOT",
        "BULLET",
        "FULL STOP",
        "LOW LINE",
    ],
)
def test_every_kind_of_space_and_hyphen_is_a_separator(name: str) -> None:
    separator = unicodedata.lookup(name)
    raw = separator.join(("1", "ABC", "123"))

    assert PlateText.parse(f"{separator}{raw}{separator}") == PLATE
    assert not is_folded(raw)


@given(st.text(max_size=16))
def test_any_text_is_refused_or_becomes_letters_and_digits(raw: str) -> None:
    try:
        plate = PlateText.parse(raw)
    except PlateFormatError:
        return
    assert set(plate.reveal()) <= set(ALPHABET)
    assert PlateText.parse(unicodedata.normalize("NFD", raw)) == plate
    assert PlateText.parse(unicodedata.normalize("NFC", raw)) == plate
