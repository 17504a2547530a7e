"""Hits, which the box publishes, and receipts, which the authority returns: signed JSON.

A payload is canonical JSON (RFC 8785), and no other spelling is accepted, so that one hit has
one sequence of bytes. The signature is Ed25519 over `edge-anpr/hit/1`, a zero byte and the
canonical JSON of everything but the signature; receipts likewise under their own name.

`token` is a pseudonym under a key that the box destroys: it links passages of one vehicle within
one epoch, purpose and rule only. It is not anonymous.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from edge.domain.pseudonym import PlateToken
from edge.errors import EdgeError, ExitCode
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Base64, HitId, Id, KeyId, Sha256
from edge.formats.signing import SignatureText, signed_bytes
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText, parse_utc, utc_text
from edge.privacy.keys import AuthorityKey, AuthorityPublicKeys, BoxKeys, BoxPublicKeys
from edge.privacy.sealing import SealContext

MAX_PAYLOAD_BYTES = 1024 * 1024
"""Largest payload of any site, bytes; a larger one is refused before it is parsed."""

HIT_ID_BYTES = 16
_DECIMALS = 4


Moment = Annotated[UtcText, Field(description="UTC, to the millisecond.")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class HitError(EdgeError):
    """A payload that is not a valid hit or receipt of the sender that it names."""

    exit_code = ExitCode.KEYS
    default_code = "E_HIT"


class _Signed(StrictMessage):
    """A message with a schema, signed by its sender."""

    SCHEMA: ClassVar[str]

    schema_: str = Field(alias="schema")
    signature: SignatureText

    def to_payload(self) -> bytes:
        """The message in canonical JSON, the only form that is accepted."""
        return canonical_model(self)

    def is_verified_by(self, verify: Callable[[bytes, bytes], bool]) -> bool:
        """Whether `verify(signature, message)` holds for this message."""
        unsigned = self.model_dump(by_alias=True, exclude={"signature"})
        return verify(base64.b64decode(self.signature), signed_bytes(self.SCHEMA, unsigned))


class Hit(_Signed):
    """One offence, as published. Plate and list entry are inside the seal only."""

    SCHEMA: ClassVar[str] = "edge-anpr/hit/1"

    schema_: Literal["edge-anpr/hit/1"] = Field(alias="schema")
    hit_id: HitId
    site: Id
    box: Id
    camera: Id
    rule: Id
    purpose: Id
    authority: Id
    observed_at: Moment
    epoch: int = Field(
        ge=0, le=2**53 - 1, description="Number of the salt's epoch since the box started."
    )
    counter: int = Field(
        ge=0, le=2**53 - 1, description="Number of the box's hit; a gap means a lost hit."
    )
    token: HitId = Field(description="A pseudonym within one epoch, purpose and rule.")
    posterior: Share = Field(description="Calibrated probability of the read.")
    margin: Share = Field(description="Lead over the next most probable plate.")
    human_check_required: bool
    policy_sha256: Sha256
    sealed: Base64 = Field(description="The evidence, sealed with HPKE to the authority.")
    sealed_sha256: Sha256
    box_key_id: KeyId
    authority_key_id: KeyId

    @property
    def sealed_bytes(self) -> bytes:
        return base64.b64decode(self.sealed)

    @property
    def observed(self) -> datetime:
        return parse_utc(self.observed_at)

    def seal_context(self) -> SealContext:
        """The context that the evidence was sealed under."""
        return SealContext(
            site=self.site,
            box=self.box,
            camera=self.camera,
            rule=self.rule,
            purpose=self.purpose,
            authority=self.authority,
            hit_id=self.hit_id,
            counter=self.counter,
            observed_at=self.observed,
            policy_sha256=self.policy_sha256,
            box_key_id=self.box_key_id,
            authority_key_id=self.authority_key_id,
        )


class Receipt(_Signed):
    """An authority's confirmation that it has stored a hit, still sealed."""

    SCHEMA: ClassVar[str] = "edge-anpr/receipt/1"

    schema_: Literal["edge-anpr/receipt/1"] = Field(alias="schema")
    hit_id: HitId
    sealed_sha256: Sha256
    authority: Id
    authority_key_id: KeyId
    stored_at: Moment

    def confirms(self, hit_payload: bytes) -> bool:
        """Whether it confirms exactly this hit, from the authority it was sealed to."""
        try:
            hit = Hit.model_validate_json(hit_payload)
        except ValidationError:
            return False
        return (self.hit_id, self.sealed_sha256, self.authority, self.authority_key_id) == (
            hit.hit_id,
            hit.sealed_sha256,
            hit.authority,
            hit.authority_key_id,
        )


def new_hit_id(random_bytes: Callable[[int], bytes]) -> str:
    """A hit's id: 16 random bytes in hex."""
    return random_bytes(HIT_ID_BYTES).hex()


def build_hit(
    context: SealContext,
    sealed: bytes,
    *,
    epoch: int,
    token: PlateToken,
    posterior: float,
    margin: float,
    human_check_required: bool,
    keys: BoxKeys,
) -> Hit:
    """Sign a hit as the box; `context` is the one its evidence was sealed under.

    Probabilities are rounded to four decimals: more would carry no information, and each
    value then has one spelling in canonical JSON.

    Raises:
        HitError: a value is out of its bounds.
    """
    fields: dict[str, str | int | float] = {
        "schema": Hit.SCHEMA,
        "hit_id": context.hit_id,
        "site": context.site,
        "box": context.box,
        "camera": context.camera,
        "rule": context.rule,
        "purpose": context.purpose,
        "authority": context.authority,
        "observed_at": utc_text(context.observed_at),
        "epoch": epoch,
        "counter": context.counter,
        "token": token.hex(),
        "posterior": round(posterior, _DECIMALS),
        "margin": round(margin, _DECIMALS),
        "human_check_required": human_check_required,
        "policy_sha256": context.policy_sha256,
        "sealed": base64.b64encode(sealed).decode("ascii"),
        "sealed_sha256": hashlib.sha256(sealed).hexdigest(),
        "box_key_id": context.box_key_id,
        "authority_key_id": context.authority_key_id,
    }
    return _signed(Hit, fields, keys.sign)


def parse_hit(payload: bytes) -> Hit:
    """Parse a hit without verifying it: well-formed, but nothing in it is proven.

    Raises:
        HitError: not a hit, or not in canonical form.
    """
    return _parsed(Hit, payload)


def verify_hit(payload: bytes, box: BoxPublicKeys) -> Hit:
    """Parse a hit and verify the box's signature and the digest of the evidence.

    The receiver must check whether that key is still accepted: `BoxPublicKeys.accepts`.

    Raises:
        HitError: not a hit, not in canonical form, of another box, or with a wrong signature
            or digest.
    """
    hit = _parsed(Hit, payload)
    require_signed(hit, box)
    return hit


def require_signed(hit: Hit, box: BoxPublicKeys) -> None:
    """Verify the box's signature and the digest of the evidence of a hit that was parsed.

    Raises:
        HitError: of another box, or with a wrong signature or digest.
    """
    if (hit.site, hit.box) != (box.site, box.box):
        raise HitError(f"hit {hit.hit_id}: not of box {box.box} of site {box.site}; refused")
    if not hit.is_verified_by(
        lambda signature, message: box.verify(hit.box_key_id, signature, message)
    ):
        raise HitError(
            f"hit {hit.hit_id}: key {hit.box_key_id} of box {box.box} has not signed it; if the "
            "box's key was rotated, get its new public file",
            code="E_SIGNATURE",
        )
    if hashlib.sha256(hit.sealed_bytes).hexdigest() != hit.sealed_sha256:
        raise HitError(f"hit {hit.hit_id}: its digest is not that of its evidence; refused")


def sign_receipt(hit: Hit, stored_at: datetime, key: AuthorityKey) -> Receipt:
    """Confirm a stored hit with the generation of keys that it was sealed to.

    Raises:
        HitError: the key is of another generation or authority, so the box would refuse it.
    """
    if (hit.authority, hit.authority_key_id) != (key.authority, key.key_id):
        raise HitError(f"hit {hit.hit_id}: sealed to other keys than those of this receipt")
    fields: dict[str, str | int | float] = {
        "schema": Receipt.SCHEMA,
        "hit_id": hit.hit_id,
        "sealed_sha256": hit.sealed_sha256,
        "authority": hit.authority,
        "authority_key_id": hit.authority_key_id,
        "stored_at": utc_text(stored_at),
    }
    return _signed(Receipt, fields, key.sign_receipt)


def verify_receipt(payload: bytes, authority: AuthorityPublicKeys) -> Receipt:
    """Parse a receipt and verify the authority's signature; then ask `Receipt.confirms`.

    Raises:
        HitError: not a receipt, not in canonical form, of another authority, or wrongly signed.
    """
    receipt = _parsed(Receipt, payload)
    if receipt.authority != authority.authority or not receipt.is_verified_by(
        lambda signature, message: authority.verify_receipt(
            receipt.authority_key_id, signature, message
        )
    ):
        raise HitError(
            f"receipt for hit {receipt.hit_id}: authority {authority.authority} has not signed it "
            "with a key that is known here; if its keys were rotated, get its new public file",
            code="E_SIGNATURE",
        )
    return receipt


class ReceiptVerifier:
    """Verifies receipts of a site's authorities for the publisher that waits for them.

    A receipt is valid only from the authority that the hit was sealed to. At a site with two
    authorities, neither can make the box delete a hit for the other.

    Args:
        authorities: all that the policy names.
        waiting: the payload of a hit that waits for its receipt; None if it does not.
    """

    def __init__(
        self,
        authorities: Iterable[AuthorityPublicKeys],
        waiting: Callable[[str], bytes | None],
    ) -> None:
        self._authorities = {keys.authority: keys for keys in authorities}
        self._waiting = waiting

    def __call__(self, payload: bytes) -> tuple[str, str] | None:
        """The hit_id and sealed_sha256 that a receipt confirms; None if it is not valid."""
        try:
            claimed = _parsed(Receipt, payload)
            keys = self._authorities.get(claimed.authority)
            receipt = None if keys is None else verify_receipt(payload, keys)
        except HitError:
            return None
        hit = None if receipt is None else self._waiting(receipt.hit_id)
        if receipt is None or hit is None or not receipt.confirms(hit):
            return None
        return receipt.hit_id, receipt.sealed_sha256


_Message = TypeVar("_Message", bound=_Signed)
_NO_SIGNATURE = base64.b64encode(bytes(64)).decode("ascii")


def _signed(
    model: type[_Message], fields: Mapping[str, str | int | float], sign: Callable[[bytes], bytes]
) -> _Message:
    try:
        draft = model.model_validate({**fields, "signature": _NO_SIGNATURE})
    except ValidationError as error:
        names = ", ".join(str(part) for problem in error.errors() for part in problem["loc"])
        raise HitError(f"hit: {names} out of bounds; it was not signed") from None
    signature = base64.b64encode(sign(signed_bytes(model.SCHEMA, fields))).decode("ascii")
    return draft.model_copy(update={"signature": signature})


def _parsed(model: type[_Message], payload: bytes) -> _Message:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise HitError(f"a payload of {len(payload)} bytes is larger than any message of a box")
    try:
        return parse_canonical(model, payload)
    except NotCanonicalError:
        raise HitError(f"payload is not in the canonical form of {model.SCHEMA}; refused") from None
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        # An unknown key's name comes from the sender, so it is not repeated.
        names = {*model.model_fields, "schema"}
        where = ".".join(str(part) for part in problem["loc"] if part in names) or "payload"
        raise HitError(f"{where}: does not fit {model.SCHEMA}; refused") from None
