"""Which texts a country's number plates can have, and which characters readers take for others.

A form is the order of letters and digits on the plates of a country: two letters, three digits, two
letters. The forms are those of the registration rules: for Belgium the royal decree of 20 July
2001, for Germany the FZV, for France the order of 9 February 2009, for the Netherlands RDW's
sidecodes 1 to 14, for the United Kingdom DVLA's INF104, for the others what is commonly published.
They were written down from memory, and nobody has compared them with these texts yet. Older series
that are still on the road are included, and so are trade, trailer and special plates where their
form is fixed. Plates with a text of the owner's choice have no form, except where the law gives
them one. Where a source is unclear the form is the wider one: a form that is too wide costs an
unnecessary doubt, one that is too narrow a wrong hit.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from edge.domain.plates import ALPHABET, MAX_LENGTH

_CLASSES = {
    "a": "[A-Z]",
    "d": "[0-9]",
    "f": "[A-HJ-NP-TV-Z]",  # France since 2009: no I, O, U
    "i": "[A-HJ-NPR-TV-Z]",  # Italy since 1994: no I, O, Q, U
    "p": "[AC-CE-HJ-NPR-Y]",  # serial letters of Poland since 2000: no B, D, I, O, Q, Z
    "s": "[BCDF-HJ-NPR-TV-Z]",  # serial letters of Spain since 2000: no vowels, no Q
    "x": "[0-9A-Z]",
}
"""Lower-case letters of the forms below; capitals stand for themselves, `{1,3}` for a number."""

FORMS: Mapping[str, tuple[str, ...]] = {
    "Albania": ("aadddaa", "aadddda"),
    "Andorra": ("adddd",),
    "Armenia": ("ddaaddd", "dddaadd"),
    "Austria": ("a{1,2}d{1,6}a{1,3}", "a{1,2}a{1,5}d{1,4}", "a{1,2}d{2,6}"),
    "Azerbaijan": ("ddaaddd",),
    "Belarus": ("ddddaad", "adddaad", "addddaad", "aadddd", "adddda"),
    "Belgium": ("daaaddd", "aaaddd", "dddaaa", "[EGMOQSTUWXYZ]aaaddd", "CDaaddd", "aaadddd"),
    "Bosnia and Herzegovina": ("addaddd", "dddaddd", "aadddddd"),
    "Bulgaria": ("a{1,2}d{4}a{1,2}", "a{1,2}d{6}"),
    "Croatia": ("aad{3,4}a{1,2}", "aad{5}"),
    "Cyprus": ("a{1,3}d{1,4}",),
    "Czech Republic": ("daxdddd", "aa{1,2}d{4}", "ELdddaa", "ELxdddd", "ddVdddd"),
    "Denmark": ("aad{3,5}",),
    "Estonia": ("d{2,3}a{2,3}", "d{4}a{2}"),
    "Finland": ("a{2,3}d{1,3}", "Caad{1,5}", "CDd{1,5}"),
    "France": ("ffdddff", "Wdddff", "d{1,4}a{1,3}dd", "d{1,4}a{1,3}2[AB]", "d{1,4}a{1,3}97d"),
    "Georgia": ("aadddaa", "aaaddd"),
    "Germany": (
        "a{1,3}a{1,2}d{1,4}[EH]?",
        "a{1,3}0[34567]d{2,4}",
        "a{1,3}d{1,4}a",
        "a{1,3}d{1,6}",
        "Yd{5,6}",
    ),
    "Gibraltar": ("Gd{4}a", "Gd{1,5}"),
    "Greece": ("a{2,3}d{1,4}",),
    "Guernsey": ("d{1,5}",),
    "Hungary": ("aaaddd", "aaaaddd", "ad{5}", "aadddd"),
    "Iceland": ("aaxdd", "aaddd"),
    "Ireland": ("d{2,3}a{1,2}d{1,6}", "ZVd{4,5}", "a{2,3}d{1,4}", "d{1,4}a{2,3}"),
    "Italy": ("iidddii", "iid{5}", "Xidddii", "aaxxdddd", "ROMAxxdddd", "CCdddaa", "EIaddd"),
    "Latvia": ("aad{1,4}",),
    "Liechtenstein": ("FLd{1,5}",),
    "Lithuania": ("aaaddd", "aaadd", "aaddd", "aadddd", "dddaa"),
    "Luxembourg": ("aadddd", "addddd?", "d{2,5}", "aaddd"),
    "Malta": ("aaaddd",),
    "Moldova": ("aaaddd", "a{3,4}ddd", "aadddd"),
    "Monaco": ("x{4}", "dddd?"),
    "Montenegro": ("aaaaddd", "aaaddd"),
    "Netherlands": (
        "aadddd",
        "ddddaa",
        "ddaadd",
        "aaddaa",
        "aaaadd",
        "ddaaaa",
        "ddaaad",
        "daaadd",
        "aaddda",
        "adddaa",
        "aaadda",
        "addaaa",
        "daaddd",
        "dddaad",
    ),
    "North Macedonia": ("aad{3,4}aa",),
    "Norway": ("aad{4,5}",),
    "Poland": (
        "a{2}ddddd",
        "a{2}ddddp",
        "a{2}dddpp",
        "a{2}dpddd",
        "a{2}dppdd",
        "a{2}pddd",
        "a{2}dddd",
        "a{2}dddp",
        "a{2}ddp",
        "a{3}pddd",
        "a{3}ddpp",
        "a{3}dpdd",
        "a{3}ddpd",
        "a{3}dppd",
        "a{3}ppdd",
        "a{3}d{4,5}",
        "a{3}ddddp",
        "a{3}dddpp",
        "a{3}dddp",
        "ada{3,5}",
        "ada{3}d{1,2}",
        "a{2}dddda",
    ),
    "Portugal": ("aadddd", "ddddaa", "ddaadd", "aaddaa", "a{1,2}d{5,6}"),
    "Romania": ("Bd{2,3}aaa", "aaddaaa", "a{1,2}d{3,6}"),
    "San Marino": ("addd?d", "adddd"),
    "Serbia": ("aad{3,4}aa",),
    "Slovakia": ("aadddaa", "aaaaadd", "aad{5}"),
    "Slovenia": ("aax{3,6}",),
    "Spain": ("ddddsss", "[A-Z]ddddsss", "a{1,2}d{4}a{1,2}", "a{1,2}d{5,6}"),
    "Sweden": ("aaaddx",),
    "Switzerland": ("aad{1,6}",),
    "Turkey": ("dda{1,3}d{2,5}",),
    "Ukraine": ("aaddddaa", "d{4,5}aa", "ddddda{2}"),
    "United Kingdom": ("aaddaaa", "ad{1,3}aaa", "aaad{1,3}a", "a{1,3}d{1,4}", "d{1,4}a{1,3}"),
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
    forms = FORMS.get(region)
    if forms is None:
        return None
    spelled = ("".join(_CLASSES.get(one, one) for one in form) for form in forms)
    return re.compile("|".join(f"(?:{form})" for form in spelled))


def fits(text: str, region: str | None) -> bool | None:
    """Whether a text has a form of this country; None if the country or its forms are unknown.

    Args:
        text: capitals and digits without separators.
        region: the country's name as the readers spell it.
    """
    pattern = _pattern(region) if region is not None else None
    return None if pattern is None else pattern.fullmatch(text) is not None


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


def misreads(text: str, region: str | None) -> Iterator[str]:
    """The plates that may really have been seen: variants, and one character more or less.

    Something in front of a plate often hides one character, or is read as one. The forms exclude
    plates as in `variants`.

    Args:
        text: capitals and digits without separators.
        region: the country, if the reader is certain of it; else None.
    """
    yield from variants(text, region)
    resolvable = fits(text, region) is True
    shorter = {text[:at] + text[at + 1 :] for at in range(len(text))} - {""}
    longer = (
        {text[:at] + more + text[at:] for at in range(len(text) + 1) for more in ALPHABET}
        if len(text) < MAX_LENGTH
        else set()
    )
    for one in sorted(shorter | longer):
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
