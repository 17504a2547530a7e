"""Orders that suspend a box, and those that resume it.

An order is canonical JSON (RFC 8785): site and box, action, reason (one word), counter and
signatures, each Ed25519 over everything but the signatures. The policy names the keys that may
suspend. One of them suspends; the same key and a controller of the policy resume, together.

A suspension belongs to the key that ordered it. Two authorities may suspend one box, and it stays
shut until each has resumed. The key is kept with the order, so the suspension remains even if
a new policy no longer names the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from edge.errors import KeyFileError, PolicyError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Id
from edge.formats.signing import PublicKey, PublicKeyText, Signature, SigningKey, sign, verify
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText, milliseconds, utc_text
from edge.policy.model import Policy

SCHEMA: Literal["edge-anpr/suspension/1"] = "edge-anpr/suspension/1"
"""The order's schema, and the context that its signatures are made under."""

STATE_SCHEMA: Literal["edge-anpr/suspension-state/1"] = "edge-anpr/suspension-state/1"

EVERY_BOX = "*"
MAX_ORDER_BYTES = 4096
"""Longest order, bytes; a longer file or message is refused before it is parsed."""

MAX_STATE_BYTES = 256 * 1024
_MAX_SIGNATURES = 8

Action = Literal["suspend", "resume"]

_ID = "of a-z, 0-9 and -"
_CURES = {
    "reason": f"--reason: one word {_ID}, such as dpia-missing",
    "site": f"SITE: the id in the policy, {_ID}",
    "counter": "--after: a smaller one, or name another folder with --out if an order in this one "
    "has the largest counter",
    "box": f"--box: the id in site.yaml, {_ID}; * means all boxes",
}


class SuspensionError(PolicyError):
    """An order that is refused; the suspension state does not change."""

    default_code = "E_SUSPENSION"


class SuspensionOrder(StrictMessage):
    """One order, as it is sent. It is not trusted until `obeyed` has accepted it."""

    schema_: Literal["edge-anpr/suspension/1"] = Field(default=SCHEMA, alias="schema")
    site: Id
    box: Id | Literal["*"] = Field(description="One box, or * for all of the site.")
    action: Action
    reason: Id = Field(description="Why, in one word of a-z, 0-9 and -; never about a person.")
    counter: int = Field(
        ge=1,
        le=2**53 - 1,
        description="Milliseconds since 1970, or one more than the last; rises with each of a key.",
    )
    issued_at: UtcText
    signatures: tuple[Signature, ...] = Field(default=(), max_length=_MAX_SIGNATURES)

    def to_bytes(self) -> bytes:
        """The order in canonical JSON, the only form that is accepted."""
        return canonical_model(self)

    def signed_by(self, key: SigningKey) -> SuspensionOrder:
        """The order with this key's signature added.

        Raises:
            SuspensionError: this key has signed it already, or it has the most signatures possible.
        """
        if any(one.key_id == key.public.key_id for one in self.signatures):
            raise SuspensionError(f"{key.signer} has signed this order already; send it")
        if len(self.signatures) == _MAX_SIGNATURES:
            raise SuspensionError("the order has too many signatures; make a new one")
        signature = sign(SCHEMA, self._unsigned(), key)
        return self.model_copy(update={"signatures": (*self.signatures, signature)})

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether the order has a valid signature of this key.

        Raises:
            KeyFileError: `E_SIGNATURE`: it has one that is not valid.
        """
        for signature in self.signatures:
            if signature.key_id == key.key_id:
                verify(SCHEMA, self._unsigned(), signature, key)
                return True
        return False

    def without_signatures(self) -> SuspensionOrder:
        """What is signed."""
        return self.model_copy(update={"signatures": ()})

    def _unsigned(self) -> dict[str, object]:
        return self.model_dump(by_alias=True, exclude={"signatures"})


def new_order(
    site: str,
    action: Action,
    reason: str,
    issued_at: datetime,
    *,
    box: str = EVERY_BOX,
    after: int = 0,
) -> SuspensionOrder:
    """A new order without signatures.

    Args:
        site: the site's id.
        action: what it orders.
        reason: why, in one word.
        issued_at: now.
        box: one box, or `EVERY_BOX`.
        after: the highest counter of an earlier order. A clock that has gone back gives no lower
            one.

    Raises:
        SuspensionError: a name is not valid.
    """
    try:
        return SuspensionOrder(
            site=site,
            box=box,
            action=action,
            reason=reason,
            counter=max(milliseconds(issued_at), after + 1),
            issued_at=utc_text(issued_at),
        )
    except ValidationError as error:
        raise _misfit(error) from None


def parse_order(data: bytes) -> SuspensionOrder:
    """Parse an order without verifying it: well-formed, but nothing in it is proven.

    Raises:
        SuspensionError: not an order, or not in canonical form.
    """
    if len(data) > MAX_ORDER_BYTES:
        raise SuspensionError(f"{len(data)} bytes are more than any order has; refused")
    try:
        return parse_canonical(SuspensionOrder, data)
    except ValidationError as error:
        raise _misfit(error) from None
    except NotCanonicalError:
        raise SuspensionError(f"not in the canonical form of {SCHEMA}; refused") from None


# --- what is in force -------------------------------------------------------------------------


class Obeyed(StrictMessage):
    """The last order of one key that this box has obeyed."""

    key: PublicKeyText
    order: SuspensionOrder

    @property
    def suspends(self) -> bool:
        return self.order.action == "suspend"


class SuspensionState(StrictMessage):
    """The last order of each key. Empty at first."""

    schema_: Literal["edge-anpr/suspension-state/1"] = Field(default=STATE_SCHEMA, alias="schema")
    obeyed: tuple[Obeyed, ...] = ()

    @property
    def suspended(self) -> bool:
        """Whether the cameras must stay shut: one key's order is enough."""
        return any(one.suspends for one in self.obeyed)

    def last(self, key: PublicKey) -> SuspensionOrder | None:
        """The last order of this key that was obeyed."""
        return next((one.order for one in self.obeyed if one.key == key.text), None)

    def to_bytes(self) -> bytes:
        """The state as it is stored."""
        return canonical_model(self)


@dataclass(frozen=True, slots=True)
class SuspensionTerms:
    """The keys whose orders a box obeys.

    Args:
        site: the site's id.
        box: the box's id.
        suspending: the policy's suspension keys, by id.
        controllers: the keys of its signers in the role of controller, by id.
    """

    site: str
    box: str
    suspending: Mapping[str, PublicKey]
    controllers: Mapping[str, PublicKey]


def suspension_terms(policy: Policy, box: str) -> SuspensionTerms:
    """The keys whose orders a box of a policy's site obeys."""
    suspending = [PublicKey.parse(holder.key) for holder in policy.suspension.keys.values()]
    controllers = [
        PublicKey.parse(signer.key)
        for signer in policy.approvals.signers.values()
        if signer.role == "controller"
    ]
    return SuspensionTerms(
        site=policy.site,
        box=box,
        suspending={key.key_id: key for key in suspending},
        controllers={key.key_id: key for key in controllers},
    )


def obeyed(
    order: SuspensionOrder, state: SuspensionState, terms: SuspensionTerms
) -> SuspensionState:
    """The state after an order; the same state if it is the one obeyed last.

    Raises:
        SuspensionError: for another site or box, replayed (`E_SUSPENSION_REPLAY`), or there is
            nothing to resume.
        KeyFileError: `E_SIGNATURE`: not signed by the keys that the action needs.
    """
    if order.site != terms.site or order.box not in {terms.box, EVERY_BOX}:
        raise SuspensionError("the order is for another site or box; it changes nothing here")
    if order.action == "suspend":
        key = _signer(order, terms.suspending.values())
    else:
        ordered = [PublicKey.parse(one.key) for one in state.obeyed]
        key = _signer(order, [*ordered, *terms.suspending.values()])
    if key is None:
        raise _unsigned("a suspension key of the policy")
    before = state.last(key)
    if order == before:
        return state
    if before is not None and order.counter <= before.counter:
        raise SuspensionError(
            f"an order with counter {order.counter} is not newer than the last one of its key "
            f"({before.counter}); make a new one with `edge-anpr suspend new --after "
            f"{before.counter}`",
            code="E_SUSPENSION_REPLAY",
        )
    if order.action == "resume":
        if before is None or before.action != "suspend":
            raise SuspensionError("this key has not suspended this box, so it cannot resume it")
        others = [one for one in terms.controllers.values() if one.key_id != key.key_id]
        if _signer(order, others) is None:
            raise _unsigned("a controller of the policy in addition to the suspending key")
    kept = tuple(one for one in state.obeyed if one.key != key.text)
    return SuspensionState(obeyed=(*kept, Obeyed(key=key.text, order=order)))


def restored(
    order: SuspensionOrder, state: SuspensionState, key_id: str, terms: SuspensionTerms
) -> SuspensionState:
    """The state after an order that this box obeyed before and has lost.

    Args:
        order: the last order of its key, as the audit log names it.
        state: the state without it.
        key_id: the key that the log names.
        terms: the keys whose orders this box obeys.

    Raises:
        SuspensionError: the policy no longer names the key, so the order cannot be verified.
        KeyFileError: `E_SIGNATURE`: not signed by that key.
    """
    key = terms.suspending.get(key_id)
    if key is None:
        raise SuspensionError(
            f"the policy no longer names key {key_id}, so its order cannot be verified; restore "
            "the record of suspensions from a copy"
        )
    if not order.is_signed_by(key):
        raise _unsigned("a suspension key of the policy")
    kept = tuple(one for one in state.obeyed if one.key != key.text)
    return SuspensionState(obeyed=(*kept, Obeyed(key=key.text, order=order)))


def replayed() -> SuspensionError:
    """The error for an order that this box has obeyed before, and that is not its key's last."""
    return SuspensionError(
        "the audit log records this order already, and a later one of its key; make a new one with "
        "`edge-anpr suspend new`",
        code="E_SUSPENSION_REPLAY",
    )


def parse_state(data: bytes) -> SuspensionState:
    """Read the stored state; each order must be signed by the key that it is stored under.

    Raises:
        SuspensionError: `E_SUSPENSION_STATE`: the state was changed. It is then
            unknown whether the box is suspended, so the cameras stay shut.
    """
    try:
        state = parse_canonical(SuspensionState, data)
        sound = all(one.order.is_signed_by(PublicKey.parse(one.key)) for one in state.obeyed)
    except (ValidationError, NotCanonicalError, KeyFileError):
        raise _damaged() from None
    if not sound:
        raise _damaged()
    return state


def _signer(order: SuspensionOrder, keys: Iterable[PublicKey]) -> PublicKey | None:
    return next((key for key in keys if order.is_signed_by(key)), None)


def _unsigned(by: str) -> KeyFileError:
    return KeyFileError(
        f"the order is not signed by {by}; have it signed with `edge-anpr suspend sign`",
        code="E_SIGNATURE",
    )


def _misfit(error: ValidationError) -> SuspensionError:
    """The error that names the wrong field; it repeats neither its value nor an unknown key."""
    names = {"schema", *SuspensionOrder.model_fields}
    location = error.errors(include_input=False, include_url=False)[0]["loc"]
    where = next((str(step) for step in location if step in names), "order")
    cure = _CURES.get(where, "make it again with `edge-anpr suspend new`")
    return SuspensionError(f"{where}: does not fit {SCHEMA}; {cure}")


def _damaged() -> SuspensionError:
    return SuspensionError(
        "the record of suspensions is damaged, so the box stays shut; restore it from a copy, or "
        "have the order sent again",
        code="E_SUSPENSION_STATE",
    )
