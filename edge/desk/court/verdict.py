"""The result of verifying a case file, and the keys that a verifier brings along."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from edge.desk.findings import DeskFinding, FindingKey, parse_finding_key
from edge.errors import EdgeError, UsageError
from edge.formats.identifiers import is_id
from edge.formats.signing import PublicKey
from edge.privacy.checkpoints import Checkpoint
from edge.privacy.hit import Hit
from edge.privacy.keys import AuthorityPublicKeys, BoxPublicKeys


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Keys that the verifier has from elsewhere than the case file, each for one purpose only.

    Attributes:
        box: of the box; None: not given.
        authority: of the authority, for its receipt; None: not given.
        desk: of the desk, also earlier ones; empty: not given.
        people: of those who signed findings, by the names of their accounts.
        witness: checkpoints of the desk's audit log that were kept elsewhere.
    """

    box: BoxPublicKeys | None = None
    authority: AuthorityPublicKeys | None = None
    desk: frozenset[PublicKey] = frozenset()
    people: Mapping[str, frozenset[FindingKey]] = field(default_factory=dict)
    witness: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseCheck:
    """One line of the result: what was checked, whether it is proven, and how.

    `proven` is None where an earlier check failed, so that this one was not made.
    """

    what: str
    proven: bool | None
    told: str


@dataclass(frozen=True, slots=True)
class CaseKey:
    """A key that the proof rests on.

    Attributes:
        whose: for people to read.
        key: its text, or its id.
        confirmed: whether the verifier gave it.
        option: with which it is given; None: nothing needs it, because what another key signed
            names it.
    """

    whose: str
    key: str
    confirmed: bool
    option: str | None


@dataclass(slots=True)
class CaseVerdict:
    """The result of all checks.

    Attributes:
        checks: in their order.
        keys: those that the proof rests on.
        failure: the error of the check that failed; None if all is proven.
        demo: whether demo keys signed the policy, which everybody has.
        findings: on the case, oldest first; empty unless all is proven.
    """

    checks: list[CaseCheck] = field(default_factory=list)
    keys: list[CaseKey] = field(default_factory=list)
    failure: EdgeError | None = None
    demo: bool = False
    hit: Hit | None = field(default=None, repr=False)
    findings: tuple[DeskFinding, ...] = ()

    @property
    def unconfirmed(self) -> tuple[CaseKey, ...]:
        """Keys that must be known from elsewhere, and were not given: box, desk, and people."""
        return tuple(one for one in self.keys if one.option is not None and not one.confirmed)

    @property
    def confirmed(self) -> bool:
        """Whether all is proven, with keys that the verifier gave, and none of a demo."""
        return self.failure is None and not self.unconfirmed and not self.demo


def known_desk_keys(texts: Collection[str]) -> frozenset[PublicKey]:
    """Keys of the desk as the verifier wrote them.

    Raises:
        KeyFileError: one is no key.
    """
    return frozenset(PublicKey.parse(_compact(text)) for text in texts)


def known_people(texts: Collection[str]) -> dict[str, frozenset[FindingKey]]:
    """Keys of people by name, from `NAME=KEY` as the verifier wrote it.

    Raises:
        UsageError: one has another form.
        KeyFileError: one is no key.
    """
    found: dict[str, frozenset[FindingKey]] = {}
    for text in texts:
        name, _, key = _compact(text).partition("=")
        if not is_id(name) or not key:
            raise UsageError(
                "--person-key: write NAME=KEY, with the name of her account, such as "
                "els-wouters=ed25519:AbC…="
            )
        found[name] = found.get(name, frozenset()) | {parse_finding_key(key)}
    return found


def _compact(text: str) -> str:
    return re.sub(r"\s", "", text)
