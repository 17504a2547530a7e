"""Separation of duties: which keys and which people may not be the same.

Every key has one duty, so all keys of a policy differ: those of signers, of suspension and of
issuers, and the keys of the box and of the authorities, where their public files are at hand.

A person may have two duties only where this table says so, each with a key of its own:

|            | controller | police | dpo | suspension | issuer |
|------------|------------|--------|-----|------------|--------|
| controller | yes        | no     | no  | no         | yes    |
| police     | no         | yes    | no  | no         | yes    |
| dpo        | no         | no     | yes | yes        | no     |
| suspension | no         | no     | yes | yes        | no     |
| issuer     | yes        | yes    | no  | no         | yes    |

Controller, police and data protection officer decide together, so they are three people. A
suspension order protects people from those who run the cameras and fill the lists, so it is signed
by none of them: the supervisory authority holds the key, or the data protection officer. The data
protection officer has no task that conflicts with supervision (Article 38(6) GDPR) and therefore
issues no list. In a small town the controller's or the police's signer may issue a list.

Two names are one person if they are the same in one of the four languages, without regard to case,
spaces, punctuation, accents and invisible characters, to Greek and Cyrillic letters of Latin shape,
to the order of the words, to titles (Mr, Mme, dr., ir.), functions (mayor, first commissioner) and
to what stands in brackets. Two names are one office if they have the same words, without articles
and prepositions. A name is refused beside one that it may abbreviate or whose words it holds: with
an initial or a title for the first name, with `jr.` or with a second first name. Words of the
controller's name are those of a place, which offices share.

The controller's name stands for no police signer and no data protection officer, and a suspension
key is held by none of its offices nor by the police.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from edge.formats.curve25519 import is_same_key
from edge.formats.problems import Location
from edge.formats.signing import PublicKey, SigningKey
from edge.policy.model import KeyHolder, Policy, Signer
from edge.texts import LANGUAGES

_TOGETHER: Final = frozenset(
    {
        frozenset({"dpo", "suspension"}),
        frozenset({"controller", "issuer"}),
        frozenset({"police", "issuer"}),
    }
)

EXAMPLE_SIGNERS: Final = (
    "mayor", "chief-of-police", "data-protection", "vtc", "mobility-office", "control-room",
)  # fmt: skip
"""Names of the demo keys in the example sites; those of the policy's own ids are known too."""


def shared_keys(policy: Policy) -> Iterator[tuple[Location, Location]]:
    """Each key that an earlier holder of the policy has too: its location, and the earlier one."""
    seen: dict[str, Location] = {}
    for at, _, holder in policy.key_holders():
        key_id = PublicKey.parse(holder.key).key_id
        if key_id in seen:
            yield at, seen[key_id]
        seen.setdefault(key_id, at)


def shared_persons(policy: Policy) -> Iterator[tuple[Location, Location]]:
    """Each holder with a duty that excludes one of the same person's earlier duties."""
    return _conflicts(policy, lambda one, other: not one.spellings.isdisjoint(other.spellings))


def abbreviated_persons(policy: Policy) -> Iterator[tuple[Location, Location]]:
    """As `shared_persons`, of those of whom one name may abbreviate the other, or holds it."""
    found = set(shared_persons(policy))
    for pair in _conflicts(policy, _may_be):
        if pair not in found:
            yield pair


def holders_of_controller(policy: Policy) -> Iterator[Location]:
    """Each holder whose duty the controller may not have, and whose name is the controller's.

    Of a suspension key also each holder with the name of an office that runs the cameras.
    """
    places = _places(policy)
    own = [_compared(policy.controller.name.of(one), places).spellings for one in LANGUAGES]
    for at, _, holder in policy.key_holders():
        duty = _duty(at, holder)
        if duty in {"controller", "issuer"}:
            continue
        names = [_compared(holder.name.of(one), places) for one in LANGUAGES]
        same = any(not name.spellings.isdisjoint(one) for name in names for one in own)
        runs = duty == "suspension" and any(_runs_cameras(name.every, places) for name in names)
        if same or runs:
            yield at


def _conflicts(
    policy: Policy, same: Callable[[_Name, _Name], bool]
) -> Iterator[tuple[Location, Location]]:
    """Each holder that is the same as an earlier one whose duty excludes theirs."""
    places = _places(policy)
    seen: list[tuple[str, Location, tuple[_Name, ...]]] = []
    for at, _, holder in policy.key_holders():
        duty = _duty(at, holder)
        written = sorted({holder.name.of(one) for one in LANGUAGES})
        names = tuple(_compared(one, places) for one in written)
        for other, place, known in seen:
            excluded = other != duty and frozenset({other, duty}) not in _TOGETHER
            if excluded and any(same(*pair) for pair in itertools.product(names, known)):
                yield at, place
                break
        seen.append((duty, at, names))


def unmarked_demo_keys(policy: Policy) -> Iterator[Location]:
    """Each key that anyone can compute from a known name, and that is not marked with `demo`."""
    holders = tuple(policy.key_holders())
    names = {*EXAMPLE_SIGNERS, *(name for _, name, _ in holders)}
    public = {SigningKey.demo_of(name).public.key_id for name in names}
    for at, _, holder in holders:
        if not holder.demo and PublicKey.parse(holder.key).key_id in public:
            yield at


@dataclass(frozen=True, slots=True)
class OtherKey:
    """A public key that the policy does not hold, 32 bytes, and whose it is."""

    holder: str
    raw: bytes


def keys_of_others(policy: Policy, others: Iterable[OtherKey]) -> Iterator[tuple[Location, str]]:
    """Each key of the policy that the box or an authority has too: its location, and the holder."""
    known = tuple(others)
    for at, _, holder in policy.key_holders():
        raw = PublicKey.parse(holder.key).raw()
        for other in known:
            if is_same_key(raw, other.raw):
                yield at, other.holder
                break


def folded(name: str) -> str:
    """A name's letters and digits, without case and accents; empty if it has none."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    plain = plain.translate(_LATIN_SHAPES)
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LN")


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is compared.

    Attributes:
        spellings: its folded forms, of which one in common makes two names one person or office.
        words: its folded words, without titles and without what stands in brackets.
        titled: whether a title was left out.
        every: all its folded words.
        person: the words of a person's name in it, two at least; empty if it has none.
    """

    spellings: frozenset[str]
    words: tuple[str, ...]
    titled: bool
    every: tuple[str, ...]
    person: tuple[str, ...]

    @classmethod
    def of(cls, name: str, places: frozenset[str]) -> _Name:
        bare = _IN_BRACKETS.sub(" ", name)
        words, titled = _without_titles(_words(bare) or _words(name), places)
        person = _person(bare, places)
        spellings = {
            spelling
            for text in (name, bare, *map(_transliterated, (name, bare)))
            for spelling in (*_spellings(_words(text), places), _office(_words(text)))
        }
        for text in (bare, _transliterated(bare)):
            spellings.add("".join(sorted(_person(text, places))))
        known = frozenset(spellings - {""}) or frozenset({name})
        return cls(known, words, titled, _words(name), person)


def _person(bare: str, places: frozenset[str]) -> tuple[str, ...]:
    """The words of a person's name, sorted: beside functions and institutions, or without any."""
    parts = [words for words in map(_words, _PARTS.split(bare)) if words]
    beside = tuple(word for part in parts if _IN_OFFICE.isdisjoint(part) for word in part)
    for words in (beside, *parts, _words(bare)):
        if not words or _is_office(words):
            continue
        left = (
            one for one in _without_titles(words, places)[0] if one not in _BESIDE_PERSONS | places
        )
        kept = tuple(sorted(left))
        if len([one for one in kept if len(one) > 1]) > 1:
            return kept
    return ()


def _is_office(words: tuple[str, ...]) -> bool:
    """Whether words are the name of an office or institution, and hold no person's name."""
    if words[0] in _SAINTS or not _INSTITUTIONS.isdisjoint(words):
        return True
    pairs = itertools.pairwise(words)
    return any(one in FUNCTIONS and after in _OF_A_PLACE for one, after in pairs)


def _office(words: tuple[str, ...]) -> str:
    """The words of an office, sorted, without articles and prepositions; empty if it is none."""
    if _IN_OFFICE.isdisjoint(words):
        return ""
    kept = {word for word in words if word not in _PARTICLES}
    if not FUNCTIONS.isdisjoint(kept):
        kept -= _TOWNS
    return "".join(sorted(kept)) if len(kept) > 1 else ""


def _places(policy: Policy) -> frozenset[str]:
    """The words of the controller's name that are those of a place: Gent in Stad Gent."""
    controller = getattr(policy, "controller", None)  # a draft may lack it
    names = () if controller is None else (controller.name.of(one) for one in LANGUAGES)
    found = [_words(name) for name in names]
    return frozenset(
        word
        for words in found
        if not _IN_OFFICE.isdisjoint(words)
        for word in words
        if word not in _IN_OFFICE | _PARTICLES
    )


def _runs_cameras(words: tuple[str, ...], places: frozenset[str]) -> bool:
    """Whether a name is that of the town, of its government or of the police."""
    if any(word.startswith(_SUPERVISES) for word in words):
        return False
    kept = {word for word in words if word not in _PARTICLES}
    return not kept.isdisjoint(_RUN) or (bool(places) and kept <= places | _TOWNS)


@lru_cache(maxsize=1024)
def _compared(name: str, places: frozenset[str]) -> _Name:
    """A name as it is compared; the gate asks for the same ones each second."""
    return _Name.of(name, places)


def _spellings(words: tuple[str, ...], places: frozenset[str]) -> Iterator[str]:
    """The words in their order and sorted, with their titles and without."""
    for kept in (words, _without_titles(words, places)[0]):
        yield "".join(kept)
        yield "".join(sorted(kept))


def _words(name: str) -> tuple[str, ...]:
    """The folded words of a name; initials that are written together (JP) are taken apart."""
    found = _WORD.findall(_APOSTROPHES.sub("", unicodedata.normalize("NFKC", name)))
    mixed = any(not word.isupper() for word in found)
    parted = (
        part
        for word in found
        for part in (word if mixed and _JOINED_INITIALS.fullmatch(word) else (word,))
    )
    return tuple(filter(None, map(folded, parted)))


def _without_titles(words: tuple[str, ...], places: frozenset[str]) -> tuple[tuple[str, ...], bool]:
    """The words without titles, unless nothing is left; and whether there was one."""
    kept = tuple(
        word
        for word, after in zip(words, (*words[1:], ""), strict=True)
        if word not in TITLES and (word, after) != ("de", "heer")
    )
    if len(kept) > 2 and kept[0] == "m":  # "M. Jan Peeters"; "M. Peeters" may be an initial
        kept = kept[1:]
    person = tuple(
        word
        for word, after in zip(kept, (*kept[1:], ""), strict=True)
        if word not in FUNCTIONS and not (word in _ARTICLES and after in FUNCTIONS)
    )
    if len(set(person) - places) > 1 and (_INSTITUTIONS | _PARTICLES | _SAINTS).isdisjoint(person):
        kept = person
    return (kept, kept != words) if kept else (words, False)


def _may_be(one: _Name, other: _Name) -> bool:
    """Whether two names may be one person: one abbreviates the other, or holds all its words."""
    return _holds(one, other) or _holds(other, one) or _may_abbreviate(one, other)


def _holds(one: _Name, other: _Name) -> bool:
    return bool(one.person) and not Counter(one.person) - Counter(other.every)


def _may_abbreviate(one: _Name, other: _Name) -> bool:
    """Whether one name may be the other with initials, or with a title for the first name."""
    short, long = sorted((one, other), key=lambda name: len(name.words))
    if _is_family_name_of(one, other) or _is_family_name_of(other, one):
        return True
    common = [word for word in short.words if len(word) > 1 and word in long.words]
    mine = [word for word in short.words if word not in common]
    rest = [word for word in long.words if word not in common]
    for word in mine:
        found = next((w for w in rest if w[0] == word[0] and 1 in {len(w), len(word)}), None)
        if found is None:
            return False
        rest.remove(found)
    # Of two names with the same words only initials may be more: second first names.
    return bool(common) and (bool(mine) or (bool(rest) and all(len(word) == 1 for word in rest)))


def _is_family_name_of(one: _Name, other: _Name) -> bool:
    """Whether a name has only a title and a word of the other: "Mr Peeters", "M. Peeters"."""
    words = one.words[1:] if one.words[0] == "m" else one.words if one.titled else ()
    return len(words) == 1 and words[0] in other.words


def _transliterated(name: str) -> str:
    """Umlauts and their like as two letters: Mueller for Müller."""
    return unicodedata.normalize("NFC", name).casefold().translate(_TWO_LETTERS)


_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>")
_APOSTROPHES = re.compile(r"['\u2019\u02bc`\u00b4]")
_WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")
_JOINED_INITIALS = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{2,3}")

TITLES: Final = frozenset(
    (
        *("dhr", "heer", "hr", "mevr", "mevrouw", "mvr", "mw", "mej", "juffrouw", "meester"),
        *("monsieur", "mr", "mme", "madame", "mlle", "mademoiselle", "me", "maitre"),
        *("herr", "herrn", "frau", "fr", "mister", "mrs", "ms", "miss", "sir", "mx"),
        *("dr", "drs", "doctor", "docteur", "doktor", "prof", "professor", "professeur"),
        *("ir", "ing", "lic", "mag", "dipl", "phd", "msc", "bsc", "ma", "llm", "mba", "jhr"),
        *("jonkheer", "jonkvrouw", "ridder", "baron", "barones", "graaf", "gravin", "chevalier"),
        *("baronne", "comte", "comtesse", "freiherr", "ritter", "grafin", "count", "countess"),
        *("advocaat", "advocate", "avocat", "avocate", "rechtsanwalt", "rechtsanwaltin", "lawyer"),
        *("notaris", "notaire", "notar", "attorney", "pastoor", "abbe", "lord", "lady", "dame"),
        *("commandant", "kapitein", "capitaine", "hauptmann", "captain", "kolonel", "colonel"),
        *("luitenant", "lieutenant", "leutnant", "majoor", "major", "sergeant", "sergent"),
        *("generaal", "general", "adjudant", "brigadier", "inp", "hinp", "inpp", "inppal", "hcp"),
        *("cp", "cdp", "pcp", "opj", "ogp", "polizeirat", "polizeidirektor", "superintendent"),
    )
)
"""Forms of address, academic titles, titles of nobility and ranks, folded."""


FUNCTIONS: Final = frozenset(
    (
        *("burgemeester", "bourgmestre", "burgermeister", "burgermeisterin", "mayor", "maire"),
        *("schepen", "schepene", "echevin", "echevine", "schoffe", "schoffin", "alderman"),
        *("korpschef", "kommissar", "kommissarin", "polizeikommissar", "hauptkommissar", "chief"),
        *("commissaris", "hoofdcommissaris", "commissaire", "commissioner", "inspecteur"),
        *("hoofdinspecteur", "inspectrice", "inspector", "inspektor", "politiecommissaris"),
        *("secretaris", "secretaire", "sekretar", "secretary", "directeur", "directrice"),
        *("director", "direktor", "direktorin", "generaldirektor", "generaldirektorin", "griffier"),
        *("dpo", "fg", "dsb", "datenschutzbeauftragter", "datenschutzbeauftragte", "greffier"),
        *("gouverneur", "gouverneure", "governor", "voorzitter", "voorzitster", "president"),
        *("presidente", "prasident", "prasidentin", "vorsitzender", "vorsitzende", "chair"),
        *("chairman", "chairwoman", "chairperson", "manager", "coordinator", "coordinateur"),
        *("coordinatrice", "koordinator", "koordinatorin", "diensthoofd", "afdelingshoofd"),
        *("hoofd", "amtsleiter", "amtsleiterin", "leiter", "leiterin", "kabinetschef", "minister"),
        *("ministre", "raadslid", "gemeenteraadslid", "conseiller", "conseillere", "councillor"),
        *("ambtenaar", "fonctionnaire", "beamter", "beamtin", "officer", "officier", "wachter"),
        *("politieman", "policier", "policiere", "polizist", "polizistin", "zaakvoerder", "gerant"),
    )
)
"""Functions that stand beside a person's name, folded."""

_BESIDE_FUNCTIONS: Final = frozenset(
    (
        *("eerste", "premier", "premiere", "erster", "erste", "first", "waarnemend", "waarnemende"),
        *("wnd", "wn", "plaatsvervangend", "plv", "faisant", "fonction", "ff", "ai", "interim"),
        *("interimaire", "amtierender", "amtierende", "stellvertretender", "stellvertretende"),
        *("acting", "deputy", "adjunct", "adjoint", "adjointe", "vice", "algemeen", "algemene"),
        *("generale", "financieel", "gemeentelijk", "communal", "communale", "divisionnaire"),
        *("principal", "principale", "ere", "honoraire", "emeritus", "gewezen", "voormalig", "oud"),
        *("ancien", "ancienne", "ehemaliger", "ehemalige", "former", "ex", "extern", "externe"),
        *("externer", "external", "intern", "interne", "titelvoerend", "titulaire", "corps"),
        *("chef", "sp", "zonechef", "hoofdinspektor", "eerstaanwezend", "aanwezend"),
    )
)
"""Words that qualify a function or a task, folded."""

_ARTICLES: Final = frozenset({"de", "le", "la", "der", "die", "the", "het", "das", "den"})

_SAINTS: Final = frozenset({"sint", "saint", "sainte", "sankt", "st", "ste"})
_OF_A_PLACE: Final = _SAINTS | frozenset(
    (
        *("van", "of", "de", "der", "den", "des", "du", "la", "le", "von", "vom", "for", "voor"),
        *("pour", "fur"),
    )
)
"""Words after a function that show that it is that of an office, so that it counts."""

_PARTICLES: Final = _ARTICLES | frozenset(
    (
        *("van", "of", "des", "du", "von", "vom", "for", "voor", "pour", "fur", "te", "ten", "ter"),
        *("en", "et", "und", "and", "in", "zu", "zum", "zur", "au", "aux", "les", "op"),
    )
)

_TOWNS: Final = frozenset(
    (
        *("stad", "gemeente", "ville", "commune", "stadt", "gemeinde", "city", "town"),
        *("municipality", "lokaal", "bestuur", "stadsbestuur", "gemeentebestuur", "municipalite"),
        *("administration", "verwaltung", "stadtverwaltung", "gemeindeverwaltung", "council"),
    )
)
_POLICE: Final = frozenset(
    (
        *("zone", "pz", "zp", "politiezone", "politie", "police", "polizei", "polizeizone"),
        *("lokale", "locale", "local", "korps", "korpschef", "polizeichef", "politiechef"),
    )
)
_INSTITUTIONS: Final = (
    _TOWNS
    | (_POLICE - FUNCTIONS)
    | frozenset(
        (
            *("dienst", "diensten", "service", "services", "amt", "bureau", "office", "buro"),
            *("afdeling", "departement", "department", "abteilung", "team", "cel", "cellule"),
            *("stelle", "meldkamer", "zentrale", "centrale", "room", "college", "kollegium"),
            *("kabinet", "cabinet", "kabinett", "raad", "conseil", "rat", "commissie"),
            *(
                "commission",
                "kommission",
                "autoriteit",
                "autorite",
                "authority",
                "behorde",
                "toezichtcommissie",
            ),
            *("controleorgaan", "organe", "kontrollorgan", "body", "functionaris", "delegue"),
            *("deleguee", "gegevensbescherming", "protection", "datenschutz", "data", "donnees"),
            *("provincie", "province", "provinz", "intercommunale", "bv", "nv", "sa", "srl"),
            *("gmbh", "vzw", "asbl", "ltd", "stichting", "fondation", "stiftung", "foundation"),
        )
    )
)
_IN_OFFICE: Final = FUNCTIONS | _INSTITUTIONS | _POLICE
_BESIDE_PERSONS: Final = FUNCTIONS | _BESIDE_FUNCTIONS | _PARTICLES

_RUN: Final = frozenset(
    (
        *("burgemeester", "bourgmestre", "burgermeister", "burgermeisterin", "mayor", "maire"),
        *("mayors", "burgermeisters", "schepen", "schepenen", "echevin", "echevins", "echevine"),
        *("schoffe", "schoffen", "schoffin", "alderman", "aldermen", "korpschef", "zonechef"),
        *("kabinet", "cabinet", "kabinett", "college", "collegium", "kollegium"),
        *("politie", "police", "polizei", "politiezone", "polizeizone", "pz", "zp"),
        *("hoofdinspecteur", "hoofdcommissaris", "politiechef", "polizeichef"),
    )
)
"""Offices that run the cameras, or work with what they find."""

_SUPERVISES: Final = (
    *("gegevensbescherm", "datenschutz", "privacy", "donnees", "data", "dpo", "dsb", "toezicht"),
    *("controle", "kontroll", "superv", "surveillance", "aufsicht", "ombud", "mediat", "burgerbe"),
    *("autorit", "authority", "vtc", "gba", "apd", "coc", "comite", "independent", "onafhankelijk"),
    *("independan", "unabhangig"),
)
"""Beginnings of words of those who supervise."""

_PARTS: Final = re.compile(
    r"[,;:/|\u2014]|\s[-\u2013\u2014]+\s"
    r"|\b(?:namens|in opdracht van|au nom d[eu]|par ordre|im auftrag|im namen|on behalf of)\b",
    re.IGNORECASE,
)
"""What parts a person's name from functions and institutions beside it."""

_LATIN_SHAPES: Final = str.maketrans(
    "авеѕіјкмнорстухԛԝԁһαβεζηικμνορτυχıɑɡ",
    "abesijkmhopctyxqwdhabezhikmnoptyxiag",
)
"""Greek and Cyrillic letters, and rare Latin ones, with the ordinary letter of the same shape."""


def _duty(at: Location, holder: KeyHolder) -> str:
    if isinstance(holder, Signer):
        return holder.role
    return "suspension" if at[0] == "suspension" else "issuer"
