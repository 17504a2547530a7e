"""What the id and the texts of a list's entries must say, and that they show no plate.

The id of an entry stands in the hit that it makes, and its issuer's letters and files repeat all of
them. So they must say something, hold nothing that cannot be seen, and name no plate. A plate of
the list is found in every spelling. Another text is taken for a plate only if it is written as one
and has a form of `edge.domain.plate_forms` with letters and digits in three groups; forms of two
groups, such as MOB-2025, are those of references too. No text holds a national register number of
Belgium or France, whose check digits fit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

from pydantic_core import PydanticCustomError

from edge.domain.lists import ListEntry
from edge.domain.plate_forms import FORMS, fits
from edge.domain.plates import MAX_LENGTH, PlateText, fold
from edge.formats.visible import code_point, unseen_at
from edge.policy import wording
from edge.policy.list_file import plain

_CHECKS = {
    "basis": wording.reference,
    "reason": wording.reference,
    "issuer": wording.name,
}
# What `wording` says of a policy's text may repeat a part of it, or does not fit a list.
_CURES = {
    "wording.blank": "says nothing; write it out",
    "wording.placeholder": "is a placeholder; write what holds for this entry",
    "wording.name": "says too little; write it in full",
    "wording.mixed": "a word mixes letters of several alphabets; type it again",
    "wording.direction": "a number follows a word that is written from right to left, and is "
    "shown on its other side; put another word between them",
}
_PLATE = "is the plate, or holds it; give the entry a number of your own"
_LISTED = "holds a plate of this list; leave it out"
_PERSON = "holds a person's national register number; leave it out, or name the file that has it"
_LIKE_A_PLATE = (
    "holds a text with the form of a number plate; leave it out, or write a reference with "
    "slashes, such as MOB/123"
)

_WORD = re.compile(r"[^\W_]+")
# Words with the signs that stand within plates; a slash or a comma stands in none.
_STRETCH = re.compile(r"[^\W_]+(?:[ ._·•-]+[^\W_]+)*")
_SIGNS = re.compile(r"[ ._·•-]+")
_BETWEEN_GROUPS = re.compile(r" +- +")
_MOST_GROUPS = 4
_MONTH = (
    "jan|feb|fév|mrt|mar|mär|apr|avr|mei|mai|may|jun|juin|jul|juil|aug|aoû|août|sept?|okt|oct|nov"
    "|dec|déc|dez"
)
# Dates, references that begin or end with a year, British postcodes: no plate is written so.
_OTHERWISE = re.compile(
    rf"[0-9]{{1,2}}[ .-]?(?:{_MONTH})[ .-]?[0-9]{{2,4}}"
    r"|(?:19|20)[0-9]{2}[ .-].*|.*[ .-](?:19|20)[0-9]{2}"
    r"|[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}",
    re.IGNORECASE,
)
# Plates of few groups, which look like references unless they are written as on the plate:
# Belgium before 2010, Germany, Spain.
_AS_WRITTEN = re.compile(
    r"[A-Z]{3}-[0-9]{3}|[0-9]{3}-[A-Z]{3}|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} ?[0-9]{1,4}[EH]?"
    r"|[0-9]{4}[ -]?[BCDF-HJ-NP-TV-Z]{3}"
)
# A slash in place of one sign of a plate, as in 1.DEF/235; two slashes are those of a reference.
_HALF_SLASHED = re.compile(
    r"\b(?:[1-9][ ._·•-][A-Za-z]{3}/[0-9]{3}|[1-9]/[A-Za-z]{3}[ ._·•-][0-9]{3})\b"
)
# 85.07.30-033.28, without signs too.
_REGISTER_NUMBER = re.compile(
    r"(?<![0-9])[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]{0,3}[0-9]{3}[ .-]?[0-9]{2}(?![0-9])"
)
_FRENCH_NUMBER = re.compile(
    r"(?<![0-9])[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB])"
    r" ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9])",
    re.IGNORECASE,
)
_MONTHS, _MONTHS_OF_BIS, _DAYS = 12, 53, 31
_CHANGES = re.compile(r"(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Z])")
_FEWEST, _FEWEST_OF_FORM = 4, 6
"""Fewest characters of a plate that is looked for in texts, and of one known by its form alone."""


def word_faults(entries: Sequence[ListEntry]) -> Iterator[tuple[int, str]]:
    """What is wrong with ids and texts: the entry's place, and column and message.

    Args:
        entries: all of a list, as they were read from a file or a bundle.
    """
    plates = {entry.plate for entry in entries}
    # Most entries of a list share their basis and issuer. Only texts without a plate are kept.
    good: set[tuple[str, str]] = set()
    for place, entry in enumerate(entries):
        columns = {
            "id": entry.entry_id,
            "basis": entry.basis,
            "reason": entry.reason,
            "issuer": entry.issuer,
        }
        for column, text in columns.items():
            fault = _own_plate(column, text, entry.plate)
            if fault is None and (column, text) not in good:
                fault = _unsaid(column, text) or _shown_plate(column, text, plates)
                if fault is None and column != "id":
                    good.add((column, text))
            if fault is not None:
                yield place, f"{column}: {fault}"
                break


def _unsaid(column: str, text: str) -> str | None:
    """Why a text says nothing; None if it does."""
    at = unseen_at(text)
    if at is not None:
        code = code_point(text[at])
        return f"character {at + 1} cannot be seen ({code}); remove it"
    check = _CHECKS.get(column)
    if check is None:
        return None
    try:
        check(text)
    except PydanticCustomError as error:
        key = str((error.context or {}).get("text"))
        return _CURES.get(key, error.message())
    return None


def _own_plate(column: str, text: str, plate: PlateText) -> str | None:
    """How an id or reason shows the plate of its entry; None if it does not."""
    if column == "id" and (_is_plate(fold(text), plate) or _holds(text, plate)):
        return _PLATE
    if column == "reason" and _holds(_plain(text), plate):
        return _LISTED
    return None


def _shown_plate(column: str, text: str, plates: Collection[PlateText]) -> str | None:
    """How a text shows any plate; None if it shows none."""
    if not any(one.isdigit() for one in text):
        return None
    plain_text = _plain(text)
    slashed = plain_text.replace("/", "-")
    if any(_is_listed(run, plates) for one in {plain_text, slashed} for run in _runs(one)):
        return _LISTED
    if _holds_person_number(plain_text):
        return _PERSON
    has_form = _is_separated_form if column == "id" else _has_form
    if has_form(plain_text) or _HALF_SLASHED.search(plain_text):
        return _LIKE_A_PLATE
    return None


def _holds_person_number(text: str) -> bool:
    """Whether a text holds a national register number of Belgium (RRN, BIS) or France (NIR)."""
    for found in _REGISTER_NUMBER.finditer(text):
        digits = re.sub("[^0-9]", "", found.group())
        number, check = int(digits[:9]), int(digits[9:])
        month, day = int(digits[2:4]), int(digits[4:6])
        # A BIS number has 20 or 40 more in its month; both may lack the day of birth.
        if (
            month % 20 <= _MONTHS
            and month < _MONTHS_OF_BIS
            and day <= _DAYS
            and check in {97 - number % 97, 97 - (2_000_000_000 + number) % 97}
        ):
            return True
    return any(
        97 - int(digits[:13]) % 97 == int(digits[13:])
        for digits in map(_french_digits, _FRENCH_NUMBER.findall(text))
    )


def _french_digits(number: str) -> str:
    """The digits that the check digits are computed from: Corsica (2A, 2B) counts as 19 and 18."""
    return re.sub("[^0-9]", "", number.upper().replace("2A", "19").replace("2B", "18"))


def _plain(text: str) -> str:
    """A text with ordinary letters, digits, spaces and hyphens."""
    return _BETWEEN_GROUPS.sub("-", plain(unicodedata.normalize("NFKC", text)))


def _holds(text: str, plate: PlateText) -> bool:
    """Whether a text holds a plate as words of their own or, if it is no short one, within one."""
    length = len(plate)
    if length >= _FEWEST and any(_is_plate(run, plate) for run in _runs(text)):
        return True
    if length < _FEWEST_OF_FORM:
        return False
    parts = (_folded("".join(_WORD.findall(part))) for part in text.split())
    windows = (part[at : at + length] for part in parts for at in range(len(part) - length + 1))
    return any(_CHANGES.search(one) and _is_plate(one, plate) for one in windows)


def _is_plate(characters: str, plate: PlateText) -> bool:
    return (
        len(characters) == len(plate) and _is_plain(characters) and PlateText(characters) == plate
    )


def _is_listed(characters: str, plates: Collection[PlateText]) -> bool:
    """Whether words are a plate of the list; a word or number alone is one only by chance."""
    return (
        _FEWEST <= len(characters) <= MAX_LENGTH
        and _is_plain(characters)
        and _CHANGES.search(characters) is not None
        and PlateText(characters) in plates
    )


def _folded(word: str) -> str:
    return word.upper() if word.isascii() else fold(word)


def _is_plain(characters: str) -> bool:
    return characters.isascii() and characters.isalnum()


def _runs(text: str) -> Iterator[str]:
    """Words that follow each other, together as a plate is read, of a plate's length at most."""
    for stretch in _STRETCH.findall(text):
        words = [_folded(word) for word in _WORD.findall(stretch)]
        for first in range(len(words)):
            run = ""
            for word in words[first:]:
                run += word
                if len(run) > MAX_LENGTH:
                    break
                yield run


def _has_form(text: str) -> bool:
    """Whether a part of a text is written as plates are: in one piece, or spaced in capitals."""
    for stretch in _STRETCH.findall(text):
        pieces = stretch.split()
        if not any(one.isdigit() for one in stretch):
            continue
        if any(map(_is_form, pieces)):
            return True
        for first in range(len(pieces)):
            for last in range(first + 2, min(first + _MOST_GROUPS, len(pieces)) + 1):
                spaced = " ".join(pieces[first:last])
                if spaced == spaced.upper() and _is_form(spaced):
                    return True
    return False


def _is_separated_form(entry_id: str) -> bool:
    """Whether an id as a whole is a plate with its separators: without, it may be a random one."""
    return not entry_id.isalnum() and _is_form(entry_id)


def _is_form(text: str) -> bool:
    """Whether a text as a whole has the form of a plate and not that of a date or reference."""
    characters = _folded(_SIGNS.sub("", text))
    if not _is_plain(characters) or _OTHERWISE.fullmatch(text):
        return False
    if _AS_WRITTEN.fullmatch(text):
        return True
    return (
        len(characters) >= _FEWEST_OF_FORM
        and len(_CHANGES.findall(characters)) >= 2
        and any(fits(characters, region) for region in FORMS)
    )
