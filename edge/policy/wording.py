"""What the texts of a policy must say: no blanks, no placeholders, nothing that cannot be seen.

Each check returns the text as it is kept: in Unicode's composed form (NFC), with one space where
the file has several or a line break. Each refusal is a text of `edge/texts`, section `wording`.
"""

from __future__ import annotations

import re
import unicodedata

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from edge.formats.model_problems import FORMAT_ERROR, WORDING_ERROR
from edge.formats.visible import code_point, unseen_at
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
    if _compared(kept) in _NOT_NAMES:
        raise refusal("placeholder")
    return kept


def reference(text: str) -> str:
    """The reference of a document, or the number of a version: a letter or a digit at least.

    Raises:
        PydanticCustomError: it is none.
    """
    kept = _said(text, letters=0)
    if _NOT_REFERENCES.search(kept):
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
    if _EMERGENCY.fullmatch(kept):
        raise refusal("emergency")
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
    if _compared(text) in _TO_COME or _PLACE_TO_FILL_IN.search(text):
        raise refusal("technical")
    return text


# --- blanks and placeholders ------------------------------------------------------------------


def _said(text: str, *, letters: int) -> str:
    """The text as it is kept."""
    _require_seen(text)
    kept = _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()
    if len(kept) > MAX_LENGTH:
        raise refusal("long", most=MAX_LENGTH)
    if not _WORD.search(kept):
        raise refusal("blank")
    if _is_placeholder(kept):
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
            or "LETTER SMALL CAPITAL" in unicodedata.name(character, "")
        )
        if imitates or character in _STRIKES or unicodedata.category(character) == "Me":
            raise refusal("imitation", code=code_point(character))
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


_IMITATIONS = ("<wide>", "<narrow>", "<font>")
# Marks that are drawn through a letter.
_STRIKES = frozenset("\u0334\u0335\u0336\u0337\u0338\u20d2\u20d3\u20e5\u20e6\u20eb")


def _count_letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


# As a text is compared: small letters and digits only.
_PLACEHOLDERS = frozenset(
    "".join(_WORD.findall(phrase))
    for phrase in (
        *("x", "xx", "na", "n a", "nvt", "tbd", "tba", "tbc", "todo", "fixme", "wip", "ntb"),
        *("placeholder", "unknown", "onbekend", "inconnu", "inconnue", "unbekannt"),
        *("none", "nothing", "nil", "null", "undefined", "geen", "rien", "néant", "aucun"),
        *("aucune", "nichts", "keine", "entfällt", "asdf", "asdfgh", "asdfasdf", "qwerty"),
        *("qwertz", "azerty", "foo", "foobar", "bla", "blabla", "test", "testing", "string"),
        *("text", "tekst", "texte", "name", "naam", "nom", "reference", "referentie"),
        *("référence", "referenz", "aktenzeichen", "contact", "kontakt", "dummy", "sample"),
        *("example", "voorbeeld", "exemple", "beispiel", "pending", "coming soon"),
        *("to be determined", "to be done", "to be defined", "to be completed", "to be added"),
        *("to be filled in", "fill in", "not applicable", "not available", "not yet known"),
        *("niet van toepassing", "nader te bepalen", "nog te bepalen", "nog in te vullen"),
        *("in te vullen", "vul in", "volgt", "nog te doen", "niet beschikbaar"),
        *("sans objet", "à compléter", "a completer", "à définir", "a definir", "à déterminer"),
        *("à remplir", "à faire", "non applicable", "non disponible", "en attente"),
        *("nicht zutreffend", "noch offen", "noch festzulegen", "noch zu bestimmen"),
        *("auszufüllen", "noch auszufüllen", "bitte ausfüllen", "wird ergänzt", "folgt"),
        *("wird nachgereicht", "keine angabe", "nicht anwendbar", "nicht bekannt"),
        *("zie later", "zie hieronder", "zie bijlage", "volgt nog", "volgt later", "aan te vullen"),
        *("nog aan te vullen", "uw tekst hier", "see below", "see above", "see annex", "see later"),
        *("to follow", "insert text here", "your text here", "text here", "voir annexe"),
        *("voir ci-dessous", "voir plus loin", "à suivre", "votre texte ici", "siehe unten"),
        *("siehe anhang", "siehe anlage", "folgt noch", "wird noch nachgereicht"),
        *("wird noch ergänzt", "ihr text hier", "da definire", "da definire più tardi"),
        *("por determinar", "por determinar aún", "do uzupełnienia", "do uzupełnienia później"),
        *("abc", "abcdef", "abc def ghi", "xyz"),
    )
)
_STILL_TO_WRITE = re.compile(
    r"^(?i:todo|tbd|tba|tbc|fixme|ntb) ?:|\b(?:TODO|TBD|TBC|FIXME|XXX+)\b"
    r"|(?i:\blorem ipsum\b)|_{3,}|^[\[<{][^\[\]<>{}]*[\]>}]$"
)
# In technical texts: `test` may be a user's name there, and `none` a folder's.
_TO_COME = frozenset({"todo", "tbd", "tba", "tbc", "fixme", "placeholder", "changeme", "fillin"})
_PLACE_TO_FILL_IN = re.compile(
    r"<[A-Za-z][^<>=]*>|_{3,}|\bX{3,}\b|\b(?:TODO|TBD|FIXME|CHANGE_?ME)\b|^[\[{][^\[\]{}]*[\]}]$"
)
_NOT_NAMES = frozenset(
    "".join(phrase.split())
    for phrase in (
        *("ab", "xy", "niemand", "nobody", "personne", "anonymous", "anoniem", "anonyme", "anonym"),
        *("uw naam", "jouw naam", "your name", "votre nom", "ihr name", "full name"),
        *("john doe", "jane doe", "jan modaal", "max mustermann", "erika mustermann"),
    )
)
_NOT_REFERENCES = re.compile(
    r"^0+$|\bx{3,}\b|^(?:nr|no|nummer|number|numéro)[.°: ]*$"
    r"|^(?:pending|n[/.]?a|n[.]?v[.]?t|tbd|tba|tbc|todo|volgt)[.: ]*[0-9]*$",
    re.IGNORECASE,
)
_LETTER_AND_DIGIT = re.compile(r"[^\W\d_][0-9]|[0-9][^\W\d_]")
_IN_BRACKETS = re.compile(r"[\[<{]([^\[\]<>{}]*)[\]>}]")


def _is_placeholder(text: str) -> bool:
    words = _WORD.findall(text.casefold())
    characters = _compared(text)
    repeated = len(set(characters)) == 1 and len(characters) > 2 and not "1" <= characters[0] <= "9"
    return (
        characters in _PLACEHOLDERS
        or repeated
        or (len(words) > 1 and all(word.isalpha() and _is_repeated(word) for word in words))
        or (len(set(words)) == 1 and (len(words) > 2 or words[0] in _PLACEHOLDERS))
        or _STILL_TO_WRITE.search(text) is not None
        or any(_compared(inside) in _PLACEHOLDERS for inside in _IN_BRACKETS.findall(text))
    )


def _is_repeated(word: str) -> bool:
    return len(word) > 2 and len(set(word)) == 1


def _compared(text: str) -> str:
    """Small letters and digits only."""
    return "".join(_WORD.findall(text.casefold()))


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
_NO_PHONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|@\[[^\]]*\]|\b127(?:\.[0-9]{1,3}){3}\b")
"""Dates, and addresses of machines."""
_PATH = re.compile(r"[/~.\\]|dev/|[A-Za-z]:\\|file:", re.IGNORECASE)
_NOBODY = re.compile(r"(?:do[-_.]?not|no)[-_.]?reply[0-9]*|nobody|null", re.IGNORECASE)
_NO_ADDRESS = re.compile(
    r"(?:geen|nergens|nowhere|no address|aucune|nulle part|pas d|kein|keine|nirgends)\b",
    re.IGNORECASE,
)
_SHORT_NUMBER = re.compile(r"1[0-9]{3}|0?8[0-9]{2}")
"""Short public numbers, such as 1700 in Belgium: alone they may be anything."""
_EMERGENCY = re.compile(
    r"(?:(?:bel|call|dial|tel\w*|phone|t[ée]l[ée]\w*|appele[rz]|composez|le|ruf\w*|noodnummer|urgences?"
    r"|notruf|emergency|politie|police|polizei|pompiers|brandweer|feuerwehr)\W{0,3})*"
    r"(?:1[5-8]|10[0-2]|11[0-24-7]|119|122|144|911|999)",
    re.IGNORECASE,
)
"""Numbers of the police, firemen and ambulances of Belgium and its neighbours."""
_NOT_PUBLIC = frozenset({"invalid", "localhost", "local", "localdomain", "lan", "internal", "test"})


def _is_public_host(host: str) -> bool:
    labels = host.lower().split(".")
    last = labels[-1]
    if not {"invalid", "localhost"}.isdisjoint(labels):
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
        len(number) >= 6 and len(number.lstrip("0")) >= 5 and len(set(number)) > 1
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
