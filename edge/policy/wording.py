"""What the texts of a policy must say: no blanks, no placeholders, nothing that cannot be seen.

Each check returns the text as it is kept: in Unicode's composed form (NFC), with one space where
the file has several or a line break. Each refusal is a text of `edge/texts`, section `wording`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from edge.formats.model_problems import FORMAT_ERROR, WORDING_ERROR
from edge.formats.visible import code_point, unseen_at
from edge.policy.placeholders import (
    is_no_name,
    is_no_reference,
    is_numbered_placeholder,
    is_placeholder,
    is_to_come,
)
from edge.texts import text as text_of

MAX_LENGTH = 2000
"""Longest text, characters."""

_SPACES = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[^\W_]+")


def refusal(fault: str, **values: str | int) -> PydanticCustomError:
    """A refusal of a value; `fault` is the name of its text in the section `wording`."""
    key = f"wording.{fault}"
    kind = FORMAT_ERROR if fault == "format" else WORDING_ERROR
    return PydanticCustomError(kind, text_of("en", key, **values), {"text": key, **values})


def is_of_earlier_format(error: ValidationError) -> bool:
    """Whether a document was refused because its policy has an earlier format."""
    details = error.errors(include_url=False, include_input=False)
    return any(detail["type"] == FORMAT_ERROR for detail in details)


def short_text(text: str) -> str:
    """A text of any length that says something.

    Raises:
        PydanticCustomError: it does not.
    """
    return _said(text, letters=2)


def statement(text: str) -> str:
    """A text that must be a sentence or a part of one: a finding, a reason, a measure.

    Raises:
        PydanticCustomError: it says nothing, or is too short to say why.
    """
    kept = _said(text, letters=2)
    letters = _count_letters(kept)
    # A compound of Dutch or German may say in one word what takes three in French.
    if letters < 8 or (len(_WORD.findall(kept)) < 2 and letters < 12):
        raise refusal("statement")
    if all(len(word) < 3 for word in _WORD.findall(kept)):
        raise refusal("placeholder")
    return kept


def is_sentence(text: str, *, words: int, letters: int) -> bool:
    """Whether a text has so many different words, and so many letters in them.

    A word that is repeated says nothing new, and a row of consonants is no word.
    """
    found = {word for word in _WORD.findall(text.casefold()) if _has_vowel(word)}
    return len(found) >= words and sum(map(_count_letters, found)) >= letters


def _has_vowel(word: str) -> bool:
    plain = unicodedata.normalize("NFKD", word)
    return any(letter in "aeiouyæøœ" or not letter.isascii() for letter in plain)


def name(text: str) -> str:
    """The name of a person, office or company: two letters, or a letter and a digit as in 3M.

    Raises:
        PydanticCustomError: it is none.
    """
    kept = _said(text, letters=1)
    if _count_letters(kept) < 2 and not _LETTER_AND_DIGIT.search(kept):
        raise refusal("name")
    if is_no_name(kept):
        raise refusal("placeholder")
    return kept


def reference(text: str) -> str:
    """The reference of a document, or the number of a version: a letter or a digit at least.

    Raises:
        PydanticCustomError: it is none.
    """
    kept = _said(text, letters=0)
    if is_no_reference(kept):
        raise refusal("placeholder")
    return kept


def contact(text: str) -> str:
    """A contact: an e-mail, phone number, web address or postal address.

    Raises:
        PydanticCustomError: nobody can be reached by it.
    """
    kept = _said(text, letters=0)
    if _emails(kept) or _websites(kept) or _phones(kept):
        return kept
    if _is_emergency(kept):
        raise refusal("emergency")
    if is_numbered_placeholder(kept):
        raise refusal("placeholder")
    if _is_postal_address(kept):
        return kept
    site = _WEB.fullmatch(kept)
    if site is not None and _is_public_host(site["host"]) and not _PATH.match(kept):
        raise refusal("scheme", address=_shown(kept))
    if _SHORT_NUMBER.fullmatch(kept):
        raise refusal("short_number", number=kept)
    raise refusal("place" if _is_place(kept) else "contact")


def website(text: str) -> str:
    """An address on the web.

    Raises:
        PydanticCustomError: it is none.
    """
    kept = _said(text, letters=0)
    found = _WEB.fullmatch(kept)
    if found is None or not _is_public_host(found["host"]):
        raise refusal("website")
    return kept


def seen(text: str) -> str:
    """A technical text, such as a path: not blank, no placeholder, and all of it can be seen.

    Raises:
        PydanticCustomError: it is blank or a placeholder, or a character cannot be seen.
    """
    _require_seen(text)
    if not text.strip():
        raise refusal("blank")
    if is_to_come(text):
        raise refusal("technical")
    return text


# --- blanks and placeholders ------------------------------------------------------------------


@lru_cache(maxsize=4096)  # a policy is read several times, and has about 300 texts
def _said(text: str, *, letters: int) -> str:
    """The text as it is kept."""
    _require_seen(text)
    kept = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()
    if len(kept) > MAX_LENGTH:
        raise refusal("long", most=MAX_LENGTH)
    if not _WORD.search(kept):
        raise refusal("blank")
    if is_placeholder(kept):
        raise refusal("placeholder")
    if _count_letters(kept) < letters:
        raise refusal("name")
    for word in _WORD.findall(kept):
        if len(_alphabets(word)) > 1:
            raise refusal("mixed", word=_shown(word))
    _require_ordinary(kept)
    return kept


def _require_seen(text: str) -> None:
    position = unseen_at(text)
    if position is not None:
        raise refusal("unseen", code=code_point(text[position]), place=position + 1)


def _shown(text: str) -> str:
    """A part of a text, all of whose characters can be seen, as messages show it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN = 60
"""Longest part of a text that a message repeats, characters."""


def _require_ordinary(text: str) -> None:
    """Refuse letters that imitate others, marks that strike out, and numbers that change place."""
    for character in text:
        if character.isascii():
            continue
        imitates = character.isalnum() and (
            unicodedata.decomposition(character).startswith(_IMITATIONS)
            or _LETTER_IMITATES.search(unicodedata.name(character, "")) is not None
        )
        boxed = _LETTER_IN_A_SHAPE.match(unicodedata.name(character, "")) is not None
        struck = character in _STRIKES or unicodedata.category(character) == "Me"
        if imitates or boxed or struck:
            raise refusal("imitation", code=code_point(character))
    for word in _WORD.findall(text):
        raised = [one for one in word if one.isalpha() and _is_raised(one)]
        # "1ᵉʳ" and "Mᵐᵉ" are French; a word of raised letters is a picture of one.
        if len(raised) > _MOST_RAISED or (raised and len(raised) == len(word) > 1):
            raise refusal("imitation", code=code_point(raised[0]))
    _require_one_order(text)


def _require_one_order(text: str) -> None:
    """Refuse a number after a word from right to left, in a text that runs from left to right.

    Screens show such a number on the word's other side (Unicode Standard Annex 9, rule W7), so that
    people read another order than was signed. Other words stay where they are.
    """
    directions = [unicodedata.bidirectional(one) for one in text]
    if "L" not in directions:
        return
    before = ""
    for place, direction in enumerate(directions):
        if direction in _NUMBERS and before in _FROM_RIGHT:
            raise refusal("direction", word=_shown(_word_at(text, place)))
        if direction == "L" or direction in _FROM_RIGHT:
            before = direction


def _word_at(text: str, place: int) -> str:
    return next(one.group() for one in _WORD.finditer(text) if one.end() > place)


_FROM_RIGHT, _NUMBERS = frozenset({"R", "AL"}), frozenset({"EN", "AN"})


def _is_raised(letter: str) -> bool:
    return unicodedata.decomposition(letter).startswith(("<super>", "<sub>"))


_IMITATIONS = ("<wide>", "<narrow>", "<font>")
_LETTER_IMITATES = re.compile(
    r"LETTER SMALL CAPITAL|\b(?:TURNED|REVERSED|INVERTED|SIDEWAYS)\b"
    r"|^LATIN SMALL LETTER (?:ALPHA|SCRIPT G)$"
)
_LETTER_IN_A_SHAPE = re.compile(
    r"(?:NEGATIVE )?(?:CIRCLED|SQUARED|PARENTHESIZED) LATIN|REGIONAL INDICATOR"
)
_MOST_RAISED = 3
"""Most raised letters of a word, as in nᵒˢ."""
# Marks that are drawn through a letter.
_STRIKES = frozenset("\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20e5\u20e6\u20eb")


def _count_letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


_LETTER_AND_DIGIT = re.compile(r"[^\W\d_][0-9]|[0-9][^\W\d_]")
_ALPHABETS = frozenset(
    {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "FULLWIDTH", "MATHEMATICAL"}
    | {"HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO"}
)


def _alphabets(word: str) -> frozenset[str]:
    """The alphabets of a word, of those whose letters look alike or run from right to left."""
    if word.isascii():
        return frozenset()
    names = (unicodedata.name(letter, "") for letter in word if letter.isalpha())
    return frozenset(name.partition(" ")[0] for name in names) & _ALPHABETS


# --- contacts ---------------------------------------------------------------------------------

_HOST = r"(?P<host>[\w-]+(?:\.[\w-]+)+)"
_EMAIL = re.compile(rf"(?P<mailbox>[\w.%+'-]+)@{_HOST}")
_WEB = re.compile(rf"(?:https?://)?{_HOST}(?::[0-9]{{1,5}})?(?:[/?#]\S*)?")
_WEB_IN_TEXT = re.compile(rf"(?:https?://|\b(?=www\.)){_HOST}")
_BARE_SITE = re.compile(
    r"(?<![\w@./\\-])[\w-]+(?:\.[\w-]+)*"
    r"\.(?:at|be|brussels|ch|com|de|eu|example|fr|gent|info|lu|net|nl|org|vlaanderen)\b"
)
_PHONE = re.compile(r"\+?\(?[0-9][0-9 ./()\u00a0\u202f\u2013-]{4,}[0-9]")
_NO_PHONE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}|@\[[^\]]*\]"
    r"|\b(?:0|10|127|255|169\.254|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))(?:\.[0-9]{1,3}){2,3}\b"
)
"""Dates, and addresses of machines."""
_PATH = re.compile(r"[/~.\\]|dev/|[A-Za-z]:\\|file:", re.IGNORECASE)
_NOBODY = re.compile(
    r"(?:(?:do[-_.]?not|no|ne[-_.]?pas|niet)[-_.]?(?:reply|respond|repondre|antwoord\w*)|dev[-_.]?null"
    r"|no[-_.]?one|nobody|niemand|personne|null|none|geen|trash|spam|test|fake|dummy|example|user"
    r"|username|name|naam|nom|mail|email|e-mail|address|adres|voornaam|firstname|prenom|vorname"
    r"|(?:first[-_]?name|voornaam|prenom|vorname)[-_.](?:last[-_]?name|achternaam|familienaam|nom"
    r"|nachname))(?:[0-9]*|[._+-].*)",
    re.IGNORECASE,
)
"""Mailboxes that nobody reads, and names of fields."""
_NO_ADDRESS = re.compile(
    r"(?:geen|no|aucune?|pas d['’e]|sans|zonder|ohne|keine?n?)\W*(?:adres|address|adresse|anschrift"
    r"|contact|kontakt|telefoon|telephone|téléphone|telefon|phone|e-?mail|straat|nummer|number)\b"
    r"|(?:nergens|nowhere|nulle part|nirgends|dev[ /._-]*null)\b",
    re.IGNORECASE,
)
_SHORT_NUMBER = re.compile(r"1[0-9]{3}|0?8[0-9]{2}")
"""Short public numbers, such as 1700 in Belgium: alone they may be anything."""
_EMERGENCY = re.compile(r"1[5-8]|10[0-2]|11[0-24-7]|119|122|144|911|999")
"""Numbers of the police, firemen and ambulances of Belgium and its neighbours."""
_BESIDE_EMERGENCY = frozenset(
    (
        *("bel", "call", "dial", "tel", "telefoon", "phone", "téléphone", "telephone", "telefon"),
        *("appelez", "appeler", "composez", "rufen", "ruf", "noodnummer", "nummer", "numéro"),
        *("number", "urgence", "urgences", "notruf", "emergency", "politie", "police", "polizei"),
        *("pompiers", "brandweer", "feuerwehr", "ambulance", "samu", "rettung", "spoed", "nu"),
        *("now", "jetzt", "maintenant", "dringend", "urgent", "dringende", "noodgeval", "nood"),
        *("geval", "notfall", "gevallen", "case", "cas", "le", "la", "les", "de", "het", "der"),
        *("die", "the", "in", "en", "im", "of", "or", "ou", "oder", "voor", "pour", "für", "for"),
        *("bij", "an", "au", "via", "naar", "altijd", "toujours", "always", "immer", "24", "7"),
    )
)
_NOT_PUBLIC = frozenset({"invalid", "localhost", "local", "localdomain", "lan", "internal", "test"})
_OF_EXAMPLES = frozenset({"example.com", "example.net", "example.org"})
_DIGITS_IN_ORDER = ("01234567890123456789", "98765432109876543210")


def _is_emergency(text: str) -> bool:
    """Whether a text is an emergency number, with words around it that add nothing."""
    words = _WORD.findall(text.casefold())
    numbers = [word for word in words if _EMERGENCY.fullmatch(word)]
    return bool(numbers) and {*words} <= {*numbers} | _BESIDE_EMERGENCY


def _is_public_host(host: str) -> bool:
    labels = host.lower().split(".")
    last = labels[-1]
    if not {"invalid", "localhost"}.isdisjoint(labels) or ".".join(labels[-2:]) in _OF_EXAMPLES:
        return False
    return len(last) > 1 and not last.isdecimal() and last not in _NOT_PUBLIC


def _emails(text: str) -> bool:
    return any(
        _is_public_host(found["host"]) and not _NOBODY.fullmatch(found["mailbox"])
        for found in _EMAIL.finditer(text)
    )


def _websites(text: str) -> bool:
    named = any(_is_public_host(found["host"]) for found in _WEB_IN_TEXT.finditer(text))
    return named or _BARE_SITE.search(text) is not None


def _phones(text: str) -> bool:
    numbers = (re.sub("[^0-9]", "", one) for one in _PHONE.findall(_NO_PHONE.sub(" ", text)))
    return any(
        len(number) >= 6
        and len(number.lstrip("0")) >= 5
        and len(set(number)) > 1
        and not any(number in row for row in _DIGITS_IN_ORDER)
        for number in numbers
    )


def _is_place(text: str) -> bool:
    """Whether a text may be an address that only lacks its number."""
    return (
        not _PATH.match(text)
        and "@" not in text
        and "://" not in text
        and len(_WORD.findall(text)) >= 2
        and not any(character.isdecimal() for character in text)
    )


def _is_postal_address(text: str) -> bool:
    """A street or box with a number; the least that a letter needs."""
    return (
        not _PATH.match(text)
        and not _NO_ADDRESS.match(text)
        and "@" not in text
        and "://" not in text
        and len(_WORD.findall(text)) >= 2
        and _count_letters(text) >= 3
        and any(character.isdecimal() and character != "0" for character in text)
    )
