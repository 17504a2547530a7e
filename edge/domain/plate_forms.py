"""Which texts a country's number plates can have, and which characters readers take for others.

The forms of the plates, and the sources with which they were compared, are in `plate_registers`.
Where a source is unclear the form is the wider one: a form that is too wide costs an unnecessary
doubt, one that is too narrow can give a wrong hit, because the true plate is then excluded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from edge.domain.plate_registers import CLASSES, REGISTERS
from edge.domain.plates import ALPHABET, MAX_LENGTH

FORMS: Mapping[str, tuple[str, ...]] = {
    country: tuple(form for forms in register.forms.values() for form in forms.split())
    for country, register in REGISTERS.items()
}
"""Country, as fast-plate-ocr's readers spell it, to the forms of its plates without separators."""

TWINS = ("0DOQ", "1I", "8B", "5S", "2Z", "6G", "VY", "KX", "IT", "MW")
"""Characters that a reader takes for each other in every picture of a plate.

The first six are the same or nearly the same shape in many typefaces. The others are the pairs that
the embedded reader confused most often with a posterior of 0.95 or more (docs/accuracy.md)."""

_LETTER_ODDS, _DIGIT_ODDS = 0.01, 0.003
_RARE_LETTER_ODDS = {"I": 0.15, "O": 0.1, "Q": 0.1}
_FITTING_ODDS = 0.002
_BETTER_FORM_ODDS = 0.5

MAX_VARIANTS = 512
"""Largest number of variants of one text. Those with the fewest changes come first."""

_MATES: Mapping[str, str] = {
    one: "".join(sorted({other for group in TWINS if one in group for other in group} - {one}))
    for one in sorted(set("".join(TWINS)))
}


@lru_cache(maxsize=128)
def _pattern(region: str) -> re.Pattern[str] | None:
    """The forms of a country as one regular expression; None if they are not known."""
    return _spelled(FORMS[region]) if region in FORMS else None


def _spelled(forms: Iterable[str]) -> re.Pattern[str]:
    spelled = ("".join(CLASSES.get(one, one) for one in form) for form in forms)
    return re.compile("|".join(f"(?:{form})" for form in spelled))


def fits(text: str, region: str | None) -> bool | None:
    """Whether a text has a form of this country; None if the country or its forms are unknown.

    Args:
        text: capitals and digits without separators.
        region: the country's name as the readers spell it.
    """
    test = form_test(region)
    return None if test is None else test(text) is not None


def form_test(region: str | None) -> Callable[[str], object | None] | None:
    """What returns None for a text without a form of this country; None if there is no such test.

    Args:
        region: the country's name as the readers spell it.
    """
    pattern = _pattern(region) if region is not None else None
    return None if pattern is None else pattern.fullmatch


@lru_cache(maxsize=1)
def _any_form() -> re.Pattern[str]:
    """The forms of all countries as one regular expression."""
    return _spelled(sorted({form for forms in FORMS.values() for form in forms}))


def is_part(text: str) -> bool:
    """Whether a text may be a plate of some country of which one character at an end is hidden.

    Args:
        text: capitals and digits without separators.
    """
    forms = _any_form()
    whole = (one for more in ALPHABET for one in (more + text, text + more))
    return any(forms.fullmatch(one) for one in whole)


def variants(text: str, region: str | None) -> Iterator[str]:
    """The texts for which a reader may have taken this one, without the text itself.

    Each character may be one of its `TWINS`, and several characters at once. A variant is left out
    only where the country is known, the text has a form of it, and the variant has none.

    Args:
        text: capitals and digits without separators.
        region: the country, if the reader is certain of it; else None.

    Returns:
        At most `MAX_VARIANTS` texts, those with the fewest changed characters first.
    """
    places = [at for at, one in enumerate(text) if one in _MATES]
    changed = (
        chosen for n in range(1, len(places) + 1) for chosen in itertools.combinations(places, n)
    )
    return itertools.islice(
        (one for chosen in changed for one in _changed(text, chosen, region)), MAX_VARIANTS
    )


def _changed(text: str, places: Sequence[int], region: str | None) -> Iterator[str]:
    """The variants in which just these places differ."""
    resolvable = fits(text, region) is True
    for mates in itertools.product(*(_MATES[text[at]] for at in places)):
        characters = list(text)
        for at, mate in zip(places, mates, strict=True):
            characters[at] = mate
        variant = "".join(characters)
        if not resolvable or fits(variant, region):
            yield variant


def misreads(text: str, region: str | None, *, changed: bool = False) -> Iterator[str]:
    """The plates that may really have been seen: variants, and one character more or less.

    Something in front of a plate often hides one character, or is read as one. The forms exclude
    plates as in `variants`.

    Args:
        text: capitals and digits without separators.
        region: the country, if the reader is certain of it; else None.
        changed: whether also those with any one character in place of another: a ball in front of a
            3 makes an 8 of it.
    """
    twins = list(variants(text, region))
    yield from twins
    resolvable = fits(text, region) is True
    others = {text[:at] + text[at + 1 :] for at in range(len(text))} - {""}
    if len(text) < MAX_LENGTH:
        others |= {text[:at] + more + text[at:] for at in range(len(text) + 1) for more in ALPHABET}
    if changed:
        others |= {text[:at] + c + text[at + 1 :] for at in range(len(text)) for c in ALPHABET}
    for one in sorted(others - {text, *twins}):
        if not resolvable or fits(one, region):
            yield one


def twin_odds(text: str, region: str | None) -> dict[str, float]:
    """Odds, against the text, of each variant with one changed character.

    They say how often a vehicle bears the variant although all its readings agree on the text, and
    were measured on photographs, each read in twelve slightly different cuts (docs/accuracy.md).
    Where the country is known and the text has a form of it, readers rarely err in this way. Where
    the text has no form and the variant has one, the variant is nearly as probable.

    Args:
        text: capitals and digits without separators.
        region: the country, if the reader is certain of it; else None.
    """
    fitting = fits(text, region)
    odds: dict[str, float] = {}
    for at, one in enumerate(text):
        found = list(_changed(text, (at,), region)) if one in _MATES else []
        if fitting:
            share = _FITTING_ODDS
        else:
            share = _RARE_LETTER_ODDS.get(one, _DIGIT_ODDS if one.isdigit() else _LETTER_ODDS)
        for variant in found:
            better = fitting is False and fits(variant, region)
            odds[variant] = _BETTER_FORM_ODDS if better else share / len(found)
    return odds
