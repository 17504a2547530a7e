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
spaces, punctuation, accents and invisible characters, to the order of the words, to titles (Mr,
Mme, dr., ir.) and to what stands in brackets. An initial, or a title with a family name, may stand
for a first name, so such a name is refused beside one that it may abbreviate. Letters of another
alphabet that only look alike are not recognised.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
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
    """As `shared_persons`, of those of whom only one name may abbreviate the other."""
    found = set(shared_persons(policy))
    for pair in _conflicts(policy, _may_abbreviate):
        if pair not in found:
            yield pair


def _conflicts(
    policy: Policy, same: Callable[[_Name, _Name], bool]
) -> Iterator[tuple[Location, Location]]:
    """Each holder that is the same as an earlier one whose duty excludes theirs."""
    seen: list[tuple[str, Location, tuple[_Name, ...]]] = []
    for at, _, holder in policy.key_holders():
        duty = _duty(at, holder)
        names = tuple(map(_compared, sorted({holder.name.of(one) for one in LANGUAGES})))
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
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LN")


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is compared.

    Attributes:
        spellings: its folded forms, of which one in common makes two names one person.
        words: its folded words, without titles and without what stands in brackets.
        titled: whether a title was left out.
    """

    spellings: frozenset[str]
    words: tuple[str, ...]
    titled: bool

    @classmethod
    def of(cls, name: str) -> _Name:
        bare = _IN_BRACKETS.sub(" ", name)
        words, titled = _without_titles(_words(bare) or _words(name))
        spellings = {
            spelling
            for text in (name, bare, *map(_transliterated, (name, bare)))
            for spelling in _spellings(_words(text))
        }
        return cls(frozenset(spellings - {""}) or frozenset({name}), words, titled)


@lru_cache(maxsize=1024)
def _compared(name: str) -> _Name:
    """A name as it is compared; the gate asks for the same ones each second."""
    return _Name.of(name)


def _spellings(words: tuple[str, ...]) -> Iterator[str]:
    """The words in their order and sorted, with their titles and without."""
    for kept in (words, _without_titles(words)[0]):
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


def _without_titles(words: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
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
    if len(person) > 1 and _OF_AN_OFFICE.isdisjoint(person):
        kept = person
    return (kept, kept != words) if kept else (words, False)


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
    )
)
"""Forms of address and academic titles, folded."""


FUNCTIONS: Final = frozenset(
    (
        *("burgemeester", "bourgmestre", "burgermeister", "burgermeisterin", "mayor", "maire"),
        *("schepen", "echevin", "echevine", "schoffe", "alderman", "korpschef", "kommissar"),
        *("commissaris", "hoofdcommissaris", "commissaire", "commissioner", "inspecteur"),
        *("hoofdinspecteur", "inspector", "secretaris", "secretaire", "directeur", "directrice"),
        *("director", "dpo", "fg", "dsb", "datenschutzbeauftragter", "datenschutzbeauftragte"),
    )
)
"""Functions that stand beside a person's name, folded."""

_ARTICLES: Final = frozenset({"de", "le", "la", "der", "die", "the"})

_OF_AN_OFFICE: Final = frozenset(
    (
        *("van", "of", "de", "der", "den", "des", "du", "la", "le", "von", "vom", "for", "voor"),
        *("pour", "fur", "stad", "gemeente", "ville", "commune", "stadt", "gemeinde", "city"),
        *("town", "municipality", "zone", "pz", "zp", "politiezone", "politie", "police"),
        *("polizei", "polizeizone", "lokale", "locale", "local"),
    )
)
"""Words that show that a function is that of an office, so that it counts: Mayor of Ghent."""


def _duty(at: Location, holder: KeyHolder) -> str:
    if isinstance(holder, Signer):
        return holder.role
    return "suspension" if at[0] == "suspension" else "issuer"
