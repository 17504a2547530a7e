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


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PersonChanged:
    """A person got an account at an authority's desk, or a new passphrase; `by` acted."""

    kind: ClassVar[str] = "person"
    action: Literal["added", "passphrase"]
    person: Id
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class RightChanged:
    """A right at an authority's desk was proposed, approved or revoked; `by` acted.

    `right_sha256` is the digest of the whole right, with its limits, days and mandate. `alone` says
    that the first account gave it to herself, which nobody else could approve.
    """

    kind: ClassVar[str] = "right"
    action: Literal["proposed", "approved", "revoked"]
    right: KeyId
    right_sha256: Sha256
    role: Id
    person: Id
    by: Id
    alone: StrictBool


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PersonKeyAdded:
    """A person at an authority's desk signs findings with this key from now on."""

    kind: ClassVar[str] = "person-key"
    person: Id
    key: PublicKeyText


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PersonKeyRevoked:
    """A key under which a person at an authority's desk signed findings signs no more; `by` acted.

    Findings that it signed before stay valid.
    """

    kind: ClassVar[str] = "person-key-revoked"
    person: Id
    key: KeyId
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PasskeyChanged:
    """A passkey of a person at an authority's desk was added or removed; `by` acted.

    It logs her in and signs findings. `key_sha256` is the digest of its public key and of where it
    is valid.
    """

    kind: ClassVar[str] = "passkey"
    action: Literal["added", "removed"]
    person: Id
    key_sha256: Sha256
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class EnrolmentChanged:
    """A supervisor made a code for enrolment at an authority's desk, or its person used it.

    With the code she adds a passkey, and every earlier way to log in is removed.
    """

    kind: ClassVar[str] = "enrolment"
    action: Literal["made", "used"]
    person: Id
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class SecondFactorChanged:
    """A person at an authority's desk set up or removed one-time codes, or recovery codes.

    `recovered` says that she logged in with a recovery code, which is spent.
    """

    kind: ClassVar[str] = "second-factor"
    action: Literal["set-up", "removed", "recovery-codes", "recovered"]
    person: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class AccountLinkChanged:
    """A link of a person at a desk with an account elsewhere was proposed, approved or removed.

    The account logs her in once it is approved. `account_sha256` is the digest of its issuer and
    subject; `by` acted.
    """

    kind: ClassVar[str] = "account-link"
    action: Literal["proposed", "approved", "removed"]
    link: KeyId
    account_sha256: Sha256
    person: Id
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class CaseOpened:
    """A person at a desk opened a sealed hit, and why, or was refused.

    `result` is `opened`, or the code of the error.
    """

    kind: ClassVar[str] = "case-opened"
    hit_id: HitId
    person: Id
    reason: Literal["review", "second-review", "appeal", "court", "data-subject", "fine"]
    result: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class ReadingShown:
    """A person at a desk was shown the box's reading, after she had judged and typed."""

    kind: ClassVar[str] = "reading-shown"
    hit_id: HitId
    person: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class FindingSigned:
    """A person at a desk signed a finding on a hit; digest of the whole finding."""

    kind: ClassVar[str] = "finding"
    hit_id: HitId
    number: Number
    person: Id
    outcome: Literal["confirmed", "rejected", "cannot-tell", "referred"]
    finding_sha256: Sha256


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class CaseExported:
    """A person at a desk exported a confirmed case, and why; digest of the file that holds it."""

    kind: ClassVar[str] = "exported"
    hit_id: HitId
    person: Id
    reason: Literal["court", "data-subject", "fine"]
    file_sha256: Sha256


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class SessionChanged:
    """A person logged in at an authority's desk or out, or a login was refused.

    `person` is None where the refused name belongs to nobody: it may be a passphrase, typed there
    by mistake.
    """

    kind: ClassVar[str] = "session"
    action: Literal["login", "refused", "logout"]
    person: Id | None


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class StoreMoved:
    """An authority's store was moved to another database; digest of all its rows."""

    kind: ClassVar[str] = "moved"
    rows_sha256: Sha256
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class TermChanged:
    """A term of retention at a desk was proposed or approved; `by` acted. Digest of the term."""

    kind: ClassVar[str] = "retention-term"
    action: Literal["proposed", "approved"]
    term: KeyId
    term_sha256: Sha256
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class HoldChanged:
    """A hold of a hit beyond its term was set or ended at a desk; digest of the whole hold."""

    kind: ClassVar[str] = "hold"
    action: Literal["set", "ended"]
    hit_id: HitId
    reason: Literal["appeal", "court"]
    hold_sha256: Sha256
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class RetentionRun:
    """A desk deleted hits that were due; digest of the signed statement, and state of the clock.

    `by` is None if the desk began by itself.
    """

    kind: ClassVar[str] = "retention"
    statement: Number
    statement_sha256: Sha256
    clock: Literal["trusted", "ahead", "behind", "confirmed"]
    by: Id | None


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class RequestChanged:
    """A person's request at a desk was recorded, approved or answered; `by` acted.

    `request_sha256` is the digest of its limits and reference. `plate_hmac` is the digest of the
    plate that the person gave, under a key that only her answer holds; None until it is answered.
    """

    kind: ClassVar[str] = "request"
    action: Literal["opened", "approved", "answered"]
    request: KeyId
    request_sha256: Sha256
    asks: Literal["access", "rectification", "erasure", "objection"]
    plate_hmac: Sha256 | None
    by: Id


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class LogSearched:
    """A person searched the log of an authority's desk, for a person, a hit, both or neither."""

    kind: ClassVar[str] = "log-searched"
    by: Id
    person: Id | None
    hit_id: HitId | None


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class DecoysAdded:
    """A person put decoys of a site among the hits of an authority's desk; how many, in tens."""

    kind: ClassVar[str] = "decoys"
    site: Id
    decoys: Coarse
    by: Id


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
    | PersonChanged
    | RightChanged
    | SessionChanged
    | StoreMoved
    | PersonKeyAdded
    | PersonKeyRevoked
    | PasskeyChanged
    | EnrolmentChanged
    | SecondFactorChanged
    | AccountLinkChanged
    | CaseOpened
    | ReadingShown
    | FindingSigned
    | CaseExported
    | TermChanged
    | HoldChanged
    | RetentionRun
    | RequestChanged
    | LogSearched
    | DecoysAdded
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
