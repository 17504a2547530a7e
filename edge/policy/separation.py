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
spaces, punctuation, accents and invisible characters. Letters of another alphabet that only look
alike are not recognised.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

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
    seen: dict[str, list[tuple[str, Location]]] = {}
    for at, _, holder in policy.key_holders():
        duty = _duty(at, holder)
        names = {folded(name) or name for name in map(holder.name.of, LANGUAGES)}
        earlier = [one for name in sorted(names) for one in seen.get(name, ())]
        for other, place in earlier:
            if other != duty and frozenset({other, duty}) not in _TOGETHER:
                yield at, place
                break
        for name in names:
            seen.setdefault(name, []).append((duty, at))


def unmarked_demo_keys(policy: Policy) -> Iterator[Location]:
    """Each key that anyone can compute from a known name, and that is not marked with `demo`."""
    holders = tuple(policy.key_holders())
    names = {*EXAMPLE_SIGNERS, *(name for _, name, _ in holders)}
    public = {SigningKey.demo_of(name).public.key_id for name in names}
    for at, _, holder in holders:
        if not holder.demo and PublicKey.parse(holder.key).key_id in public:
            yield at


def keys_of_others(policy: Policy, others: Iterable[PublicKey]) -> Iterator[Location]:
    """Each key of the policy that is also one of these keys, of the box or of an authority."""
    taken = {key.key_id for key in others}
    for at, _, holder in policy.key_holders():
        if PublicKey.parse(holder.key).key_id in taken:
            yield at


def folded(name: str) -> str:
    """A name's letters and digits, without case and accents; empty if it has none."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] in "LN")


def _duty(at: Location, holder: KeyHolder) -> str:
    if isinstance(holder, Signer):
        return holder.role
    return "suspension" if at[0] == "suspension" else "issuer"
