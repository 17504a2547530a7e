"""Findings: signed documents that say who established what on a hit, and from which pictures.

A finding is canonical JSON (RFC 8785), and no other spelling is accepted. What is signed is its
schema, a zero byte and the canonical JSON of everything but the signature. It has two forms:

    edge-anpr/finding/1    Ed25519 over these bytes, by the personal key of the one who decided
    edge-anpr/finding/2    a WebAuthn assertion of her passkey, with their SHA-256 as challenge

It holds no plate: `typed` and `box_read` are digests

    HMAC-SHA256(typing key of the case, UTF-8 of the normalised plate), in hexadecimal,

so two of one case can be compared, and nothing can be tested once the key is destroyed. The key is
HMAC-SHA256(secret of the desk's folder, random key in the row of the case): a plate is easily
guessed, and who has the database without the folder can try none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from edge.authority.store import Reason
from edge.desk.outcomes import FindingOutcome, Judgement
from edge.desk.passkey_keys import PasskeyKey, refused
from edge.desk.passkey_statements import verify_statement
from edge.desk.rights import DeskRole
from edge.domain.plates import PlateText
from edge.errors import AccessError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Base64, HitId, Id, KeyId, Sha256
from edge.formats.signing import PublicKey, Signature, SigningKey, sign, signed_bytes, verify
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText

TYPING_KEY_BYTES = 32
"""Of a typing key, of the secret of the desk's folder, and of the random key of a case."""

_UNDER_SECRET = b"\x01"
"""Before the random key of a case whose typing key is made with the secret of the folder."""

PASSKEY_SCHEMA: Final = "edge-anpr/finding/2"
"""The schema of a finding that a passkey signs."""

FindingKey = PublicKey | PasskeyKey
"""What verifies a finding. Both kinds have a `key_id` and a `text`."""

_NAME = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,40}$")]


class FindingPerson(StrictMessage):
    """Who decided, and in which capacity: the right that was in force."""

    name: Id
    full_name: Annotated[str, Field(min_length=1, max_length=80)]
    role: DeskRole
    right: KeyId
    right_sha256: Sha256
    mandate: Annotated[str, Field(min_length=1, max_length=60)]


class ShownPicture(StrictMessage):
    """A picture that she saw: its name in the evidence, and the digest of its exact bytes."""

    name: _NAME
    sha256: Sha256


class FindingTerms(StrictMessage):
    """A finding without its signature."""

    SCHEMA: ClassVar[str] = "edge-anpr/finding/1"

    schema_: Literal["edge-anpr/finding/1", "edge-anpr/finding/2"] = Field(
        default="edge-anpr/finding/1", alias="schema"
    )
    authority: Id
    hit_id: HitId
    hit_sha256: Annotated[Sha256, Field(description="Digest of the hit as it was received.")]
    number: Annotated[int, Field(ge=1, le=1000, description="1 for the first on this hit.")]
    predecessor: Sha256 | None
    site: Id
    box: Id
    camera: Id
    rule: Id
    policy_sha256: Sha256
    observed_at: UtcText
    person: FindingPerson
    shown: Annotated[tuple[ShownPicture, ...], Field(strict=False)]
    opened_at: UtcText
    judged_at: UtcText
    decided_at: UtcText
    judgement: Judgement
    typed: Sha256 | None
    box_read: Sha256 | None
    outcome: FindingOutcome
    reason: Reason | None


class PasskeySignature(StrictMessage):
    """A WebAuthn assertion, which signs its challenge: the bytes that browser and passkey gave."""

    key_id: KeyId
    authenticator_data: Annotated[Base64, Field(max_length=4000)]
    client_data: Annotated[Base64, Field(max_length=4000)]
    signature: Annotated[Base64, Field(max_length=4000)]


class DeskFinding(FindingTerms):
    """A signed finding."""

    signature: Signature | PasskeySignature

    @model_validator(mode="after")
    def _signed_as_it_says(self) -> Self:
        by_passkey = isinstance(self.signature, PasskeySignature)
        if by_passkey is not (self.schema_ == PASSKEY_SCHEMA):
            raise ValueError("the signature is not of this form of finding")
        return self

    def to_payload(self) -> bytes:
        """The finding in canonical JSON, the only form that is accepted."""
        return canonical_model(self)

    def sha256(self) -> str:
        """The digest of the whole finding, by which its successor names it."""
        return hashlib.sha256(self.to_payload()).hexdigest()


def sign_finding(terms: FindingTerms, key: SigningKey) -> DeskFinding:
    """Sign a finding with a personal key."""
    return _signed(terms, sign(FindingTerms.SCHEMA, _document(terms), key))


def finding_challenge(terms: FindingTerms) -> bytes:
    """What a passkey signs for a finding of `PASSKEY_SCHEMA`: SHA-256 of the signed bytes."""
    return hashlib.sha256(signed_bytes(PASSKEY_SCHEMA, _document(terms))).digest()


def finding_of_passkey(
    terms: FindingTerms, key: PasskeyKey, data: bytes, client: bytes, signature: bytes
) -> DeskFinding:
    """The finding that a passkey has signed.

    Args:
        terms: whose `finding_challenge` it was asked to sign.
        key: the passkey.
        data: what the authenticator has signed.
        client: JSON of the browser, with challenge and origin.
        signature: of both.

    Raises:
        AccessError: `E_PASSKEY`: it has signed something else, or not in the way that is asked.
    """
    verify_statement(key, finding_challenge(terms), data, client, signature)
    kept = PasskeySignature(
        key_id=key.key_id,
        authenticator_data=_base64(data),
        client_data=_base64(client),
        signature=_base64(signature),
    )
    return _signed(terms, kept)


def _signed(terms: FindingTerms, signature: Signature | PasskeySignature) -> DeskFinding:
    return DeskFinding.model_validate_json(
        DeskFinding.model_construct(**dict(terms), signature=signature).model_dump_json(
            by_alias=True
        )
    )


def _document(terms: FindingTerms) -> dict[str, Any]:
    return terms.model_dump(mode="json", by_alias=True, exclude={"signature"})


def parse_finding_key(text: str) -> FindingKey:
    """Read the `text` of a personal key or passkey.

    Raises:
        KeyFileError: it is neither.
    """
    return PasskeyKey.parse(text) if text.startswith("passkey:") else PublicKey.parse(text)


def parse_finding(payload: bytes) -> DeskFinding:
    """Parse a finding without verifying it.

    Raises:
        AccessError: `E_FINDING`: not a finding, or not in canonical form.
    """
    try:
        return parse_canonical(DeskFinding, payload)
    except (ValidationError, NotCanonicalError):
        raise AccessError(
            "the document is no finding in the canonical form of edge-anpr/finding/1 or /2; get "
            "it again from the desk",
            code="E_FINDING",
        ) from None


def verify_finding(payload: bytes, public: FindingKey) -> DeskFinding:
    """Parse a finding and verify that this personal key or passkey has signed it.

    Raises:
        AccessError: `E_FINDING`: not a finding, not in canonical form, altered, or of another key.
    """
    finding = parse_finding(payload)
    try:
        _verify(finding, public)
    except (KeyFileError, AccessError) as error:
        raise AccessError(
            f"finding {finding.number} on hit {finding.hit_id}: key {public.key_id} has not signed "
            "it, or it was altered; get it again from the desk",
            code="E_FINDING",
        ) from error
    return finding


def _verify(finding: DeskFinding, key: FindingKey) -> None:
    signature = finding.signature
    if isinstance(signature, Signature) and isinstance(key, PublicKey):
        verify(FindingTerms.SCHEMA, _document(finding), signature, key)
        return
    if not isinstance(signature, PasskeySignature) or not isinstance(key, PasskeyKey):
        raise refused()
    kept = (signature.authenticator_data, signature.client_data, signature.signature)
    content = [base64.b64decode(text) for text in kept]
    # In base64 some last characters have bits that nothing uses; one spelling is accepted.
    if signature.key_id != key.key_id or kept != tuple(map(_base64, content)):
        raise refused()
    verify_statement(key, finding_challenge(finding), *content)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def verify_findings(
    payloads: Sequence[bytes], keys: Sequence[FindingKey] | Mapping[str, Sequence[FindingKey]]
) -> list[DeskFinding]:
    """Verify all findings on one hit, oldest first: signatures, and that each names the one before.

    Whether a key was revoked before, the desk's log says (`court.people_checks`).

    Args:
        payloads: all findings on the hit.
        keys: that may have signed; by person: each must have signed with her own.

    Raises:
        AccessError: `E_FINDING`.
    """
    found: list[DeskFinding] = []
    for payload in payloads:
        claimed = parse_finding(payload)
        hers = keys.get(claimed.person.name, ()) if isinstance(keys, Mapping) else keys
        key = {one.key_id: one for one in hers}.get(claimed.signature.key_id)
        if key is None:
            raise AccessError(
                f"finding {claimed.number} on hit {claimed.hit_id}: signed with key "
                f"{claimed.signature.key_id}, which is not known; add the person's public key",
                code="E_FINDING",
            )
        finding = verify_finding(payload, key)
        before = found[-1] if found else None
        wanted = (len(found) + 1, None if before is None else before.sha256())
        if (finding.number, finding.predecessor) != wanted or (
            before is not None and before.hit_id != finding.hit_id
        ):
            raise AccessError(
                f"finding {finding.number} on hit {finding.hit_id}: it does not follow the one "
                "before it; give all findings on the hit, oldest first",
                code="E_FINDING",
            )
        found.append(finding)
    return found


def new_case_key() -> bytes:
    """A random key for the row of a case."""
    return _UNDER_SECRET + secrets.token_bytes(TYPING_KEY_BYTES)


def typing_key(secret: bytes, case_key: bytes) -> bytes:
    """The typing key of a case.

    Args:
        secret: of the desk's folder.
        case_key: of the case's row. 32 bytes, as earlier versions made it, are the key themselves.
    """
    if len(case_key) == TYPING_KEY_BYTES:
        return case_key
    return hmac.new(secret, case_key, hashlib.sha256).digest()


def typing_digest(key: bytes, plate: PlateText) -> str:
    """The digest of a typed or read plate under the typing key of a case."""
    return hmac.new(key, plate.reveal().encode(), hashlib.sha256).hexdigest()
