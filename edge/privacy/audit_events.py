"""The events that an audit log can record, a closed set, and the entry that holds one.

No event has room for a plate, a token, a picture, the time of a passage or free text; counts are
coarse (`edge.domain.counting`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import ConfigDict, Field, StrictBool, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import Self

from edge.formats.canonical import canonical_json
from edge.formats.identifiers import HitId, Id, KeyId, Sha256
from edge.formats.signing import PublicKeyText
from edge.formats.timestamps import UTC_PATTERN, parse_utc, utc_text

ORIGIN_PATTERN = r"^[a-z0-9][a-z0-9/-]{0,149}$"
Origin = Annotated[str, Field(pattern=ORIGIN_PATTERN)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,60}$")]
Number = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
Coarse = Literal["<10"] | Annotated[int, Field(strict=True, ge=10, multiple_of=10, le=2**53 - 1)]
"""A count as rounded by `edge.domain.counting.coarse`."""

_CHECKED = ConfigDict(extra="forbid", hide_input_in_errors=True)


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class KeyInUse:
    """The log's name and the key that signs from this entry on."""

    kind: ClassVar[str] = "key"
    log: Origin
    key: PublicKeyText


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Started:
    """The box started: program version, policy and manifest of weights."""

    kind: ClassVar[str] = "started"
    version: Word
    policy_sha256: Sha256
    weights_sha256: Sha256


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Stopped:
    """The box stopped: `end`, `interrupted`, or the code of the error."""

    kind: ClassVar[str] = "stopped"
    reason: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class StateChanged:
    """Cameras were shut (`safe`), or opened again (`online`), and why."""

    kind: ClassVar[str] = "state"
    state: Literal["online", "safe"]
    reason: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class EpochClosed:
    """An epoch's keys were destroyed. Counts of its vehicles and deletions, in tens."""

    kind: ClassVar[str] = "epoch"
    epoch: Number
    vehicles: Coarse
    hits: Coarse
    deleted: Coarse


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PolicyChanged:
    """A policy was activated, renewed or withdrawn.

    `widening` says whether it allows more than the one before; it is true for the first policy.
    """

    kind: ClassVar[str] = "policy"
    action: Literal["activated", "renewed", "withdrawn"]
    policy_sha256: Sha256
    widening: StrictBool


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class ListChanged:
    """A list bundle was installed, refused or removed; with the issuer's counter.

    An installed permit list has besides `plates`, the number of its valid plates in tens, and
    `shrinks`, whether its issuer has signed that it has far fewer than before.
    """

    kind: ClassVar[str] = "list"
    action: Literal["installed", "refused", "removed"]
    list: Id
    counter: Number
    bundle_sha256: Sha256
    plates: Coarse | None = None
    shrinks: StrictBool | None = None


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class RuleStopped:
    """A rule stopped itself, and the code of the reason: an implausible share of hits.

    It stays stopped until a controller activates or renews the policy after this entry.
    """

    kind: ClassVar[str] = "rule"
    rule: Id
    reason: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class SuspensionChanged:
    """An authority suspended the cameras, or resumed them."""

    kind: ClassVar[str] = "suspension"
    action: Literal["suspended", "resumed"]
    order_sha256: Sha256
    key_id: KeyId


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Deleted:
    """Hits and their keys were erased by a person, or could not be opened any more."""

    kind: ClassVar[str] = "deleted"
    cause: Literal["erased", "unreadable"]
    purpose: Id | None
    hits: Coarse


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Unsealed:
    """An authority opened a hit. The id is random and says nothing of the vehicle."""

    kind: ClassVar[str] = "unsealed"
    hit_id: HitId


Event = (
    KeyInUse
    | Started
    | Stopped
    | StateChanged
    | EpochClosed
    | PolicyChanged
    | ListChanged
    | RuleStopped
    | SuspensionChanged
    | Deleted
    | Unsealed
)
"""All kinds of event."""

EVENTS: Final[dict[str, type[Any]]] = {event.kind: event for event in get_args(Event)}
_ADAPTERS: Final = {kind: TypeAdapter[Any](event) for kind, event in EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place in the log, when it was written, and what happened."""

    number: int
    at: datetime
    event: Event

    def canonical(self) -> bytes:
        """The canonical JSON that is hashed and stored."""
        return canonical_json(
            {
                "n": self.number,
                "at": utc_text(self.at),
                "event": self.event.kind,
                **event_fields(self.event),
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read an entry that `canonical` has written.

        Raises:
            ValueError: it is not an entry, or not in canonical form.
        """
        content = _OBJECT.validate_json(raw)
        number, at, kind = (content.pop(name, None) for name in ("n", "at", "event"))
        if type(number) is not int or not isinstance(at, str) or not isinstance(kind, str):
            raise ValueError("n, at or event is missing")
        if not re.fullmatch(UTC_PATTERN, at, re.ASCII) or kind not in _ADAPTERS:
            raise ValueError("at or event has an unknown form")
        entry = cls(number, parse_utc(at), _ADAPTERS[kind].validate_python(content))
        if entry.canonical() != raw:
            raise ValueError("not the canonical spelling")
        return entry


_OBJECT = TypeAdapter(dict[str, Any])


def event_fields(event: Event) -> dict[str, Any]:
    """An event's fields by name, as JSON values."""
    fields = _ADAPTERS[event.kind].dump_python(event, mode="json")
    return {
        name: value for name, value in fields.items() if value is not None or name not in _LEFT_OUT
    }


_LEFT_OUT: Final = frozenset({"plates", "shrinks"})
"""Fields that an entry lacks where there is nothing to say, as entries of earlier versions do."""
