"""A box's signed statement about itself: `edge-anpr/box-status/1`.

    statement = canonical JSON (RFC 8785): schema, site, box, counter, said_at, version, state,
                reason, weights_sha256, policy, lists, clock, temperature_c, disk_percent, update,
                box_key_id, signature

The signature is the box's, Ed25519 over the context `edge-anpr/box-status/1`, a zero byte and the
canonical JSON of all other fields. The counter rises with each statement, also over restarts, and
the time never goes back. So two statements of which the later one has the lower counter come from
two boxes with the same keys, or from an older copy of the state folder.

Nothing in it counts vehicles or hits. It comes at a fixed rhythm, and besides that only when
something in it has changed that does not depend on the traffic.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edge.errors import KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Id, KeyId, Sha256
from edge.formats.signing import SignatureText, signed_bytes
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText, parse_utc, utc_text
from edge.privacy.keys import BoxKeys, BoxPublicKeys

SCHEMA: Literal["edge-anpr/box-status/1"] = "edge-anpr/box-status/1"
MAX_BYTES = 8192
MOST_LISTS = 64
MAX_COUNTER = 2**53 - 1
TEMPERATURE_STEP_C = 10
DISK_STEP_PERCENT = 10

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,60}$")]
"""The version of a program, or the name of what was installed."""

Outcome = Literal["started", "installed", "rolled-back", "failed"]
"""How an update ended; `started`: the new version has not proved yet that it works."""


class PolicyInForce(StrictMessage):
    """The policy of a box: its digest, its version, and when its lease ends, if it has one."""

    sha256: Sha256
    version: Annotated[int, Field(ge=1, le=MAX_COUNTER)]
    lease_ends: UtcText | None


class ListInForce(StrictMessage):
    """The last list that a box has accepted: its id and its issuer's counter."""

    list_: Id = Field(alias="list")
    counter: Annotated[int, Field(ge=1, le=MAX_COUNTER)]


class BoxClock(StrictMessage):
    """The box's clock: whether a time service keeps it, and whether it was stepped since the start.

    `synchronised` is None where the system does not say it.
    """

    synchronised: bool | None
    steps: Literal["none", "one", "several"]


class UpdateResult(StrictMessage):
    """The last update: what was to be installed, and how that ended."""

    target: Version
    outcome: Outcome


class StatusFacts(StrictMessage):
    """What a statement says of a box besides its identity and the time.

    Attributes:
        version: of the product.
        state: `safe`: it runs and makes no hits.
        reason: one word, or the code of a refusal.
        weights_sha256: the digest of all weights in use; None: none are loaded.
        policy: None: it cannot be read.
        lists: those that the policy names and the box has accepted, by id.
        clock: the box's clock.
        temperature_c: the lowest reading since the statement before, of the warmest place, rounded
            down to tens of degrees Celsius; None: the machine has no thermometer.
        disk_percent: how full the disk of the state folder is, rounded down to tens.
        update: the last update; None: there was none.
    """

    version: Version
    state: Literal["online", "safe"]
    reason: Annotated[str, Field(pattern=r"^(?:[a-z0-9_.-]{1,60}|E_[A-Z0-9_]{1,58})$")]
    weights_sha256: Sha256 | None
    policy: PolicyInForce | None
    lists: Annotated[tuple[ListInForce, ...], Field(max_length=MOST_LISTS)]
    clock: BoxClock
    temperature_c: Annotated[int, Field(ge=-100, le=200, multiple_of=TEMPERATURE_STEP_C)] | None
    disk_percent: Annotated[int, Field(ge=0, le=100, multiple_of=DISK_STEP_PERCENT)] | None
    update: UpdateResult | None


class BoxStatus(StatusFacts):
    """What a box says about itself; nothing in it is proven before `verified_status`."""

    schema_: Literal["edge-anpr/box-status/1"] = Field(default=SCHEMA, alias="schema")
    site: Id
    box: Id
    counter: Annotated[int, Field(ge=1, le=MAX_COUNTER)]
    said_at: UtcText
    box_key_id: KeyId
    signature: SignatureText

    @property
    def said(self) -> datetime:
        return parse_utc(self.said_at)

    def to_bytes(self) -> bytes:
        """The statement in canonical JSON, the only form that is accepted."""
        return canonical_model(self)


class BoxStatusError(KeyFileError):
    """A message that is no statement of this box."""

    default_code = "E_SIGNATURE"


def sign_status(facts: StatusFacts, counter: int, at: datetime, keys: BoxKeys) -> BoxStatus:
    """State these facts as the box.

    Args:
        facts: what the box says of itself.
        counter: higher than in every statement before.
        at: the box's wall clock, aware.
        keys: the box's own.
    """
    draft = BoxStatus(
        **{name: getattr(facts, name) for name in StatusFacts.model_fields},
        site=keys.site,
        box=keys.box,
        counter=counter,
        said_at=utc_text(at),
        box_key_id=keys.key_id,
        signature=base64.b64encode(bytes(64)).decode("ascii"),
    )
    signature = base64.b64encode(keys.sign(_signed(draft))).decode("ascii")
    return draft.model_copy(update={"signature": signature})


def verified_status(payload: bytes, box: BoxPublicKeys, now: datetime) -> BoxStatus:
    """Parse a statement and verify the box's signature.

    Args:
        payload: the message.
        box: the keys of the box on whose topic it came.
        now: the wall clock; a key that was retired too long ago signs nothing.

    Raises:
        BoxStatusError: it is no statement in canonical form, or of another box, or it is signed by
            a key that is not the box's.
    """
    try:
        if len(payload) > MAX_BYTES:
            raise NotCanonicalError("too long")  # noqa: TRY301 - one way out
        status = parse_canonical(BoxStatus, payload)
    except (ValidationError, NotCanonicalError):
        raise BoxStatusError(
            f"a message on the topic of status statements does not fit {SCHEMA}; it was ignored"
        ) from None
    if (
        (status.site, status.box) != (box.site, box.box)
        or not box.accepts(status.box_key_id, now)
        or not box.verify(status.box_key_id, base64.b64decode(status.signature), _signed(status))
    ):
        raise BoxStatusError(
            f"a status statement is not signed by a key of box {box.box} of {box.site} that is "
            "known here; if its keys were rotated, get its new public file"
        )
    return status


def _signed(status: BoxStatus) -> bytes:
    document = status.model_dump(mode="json", by_alias=True, exclude={"signature"})
    return signed_bytes(SCHEMA, document)
