"""What a box and the fleet's server say to each other: the request, the code, the fingerprint.

The protocol is EST (RFC 7030): base64 of DER over HTTPS. A request for a certificate is a PKCS #10
request. Its attribute `unstructuredName` (RFC 2985) holds the box's statement as JSON: its public
key file, a counter, and the digest of the requested key, signed with the box's own signing key. The
request in turn is signed with the requested key. So neither key can be exchanged without the other.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AttributeOID, NameOID
from pydantic import Field, ValidationError

from edge.errors import KeyFileError
from edge.formats.canonical import Json, canonical_json
from edge.formats.identifiers import Id, Sha256
from edge.formats.signing import PublicKey, Signature, signed_bytes, verify
from edge.formats.strict import StrictMessage

EST: Final = "/.well-known/est"
OWN: Final = "/.well-known/edge-anpr"
"""Where the server answers: EST, and what this product adds."""

CA_FILE: Final = "fleet-ca.pem"
IDENTITY_FILE: Final = "mqtt.pem"
"""In a box's keys folder: the trusted authority, and the box's certificate with its key."""

LONGEST_REQUEST: Final = 64 * 1024

_CONTEXT: Final = "edge-anpr/enrolment/1"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CODE: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET)
_FROM_CODE: Final = str.maketrans(_ALPHABET, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_READ_AS: Final = str.maketrans("OIL", "011")

SECRET_BYTES, _CA_BYTES, _CHECK_BYTES = 10, 13, 2
_CODE_BYTES: Final = SECRET_BYTES + _CA_BYTES + _CHECK_BYTES


class RequestError(KeyFileError):
    """A request for a certificate is not what it must be."""

    default_code = "E_ENROL"


def box_name(site: str, box: str) -> str:
    """The name of a box in certificates, commands and files: `site.box`."""
    return f"{site}.{box}"


def ca_digest(ca: bytes) -> bytes:
    """The SHA-256 of an authority's certificate, DER."""
    return hashlib.sha256(ca).digest()


def grouped(raw: bytes) -> str:
    """Bytes as letters and digits that people can read out, in groups of four."""
    text = base64.b32encode(raw).decode("ascii").rstrip("=").translate(_TO_CODE)
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """A code for one enrolment: a secret, and the digest of the authority to trust."""

    secret: bytes
    ca: bytes

    @classmethod
    def of(cls, secret: bytes, ca: bytes) -> OneTimeCode:
        """The code of a secret.

        Args:
            secret: `SECRET_BYTES` random bytes.
            ca: the authority's certificate, DER.
        """
        return cls(secret, ca_digest(ca)[:_CA_BYTES])

    @classmethod
    def parse(cls, text: str) -> OneTimeCode:
        """Read what a person has typed: small letters, spaces and dashes do not matter.

        Raises:
            RequestError: it has a typing mistake; the message does not repeat it.
        """
        typed = re.sub(r"[\s-]", "", text).upper().translate(_READ_AS)
        try:
            raw = base64.b32decode(typed.translate(_FROM_CODE))
        except ValueError:
            raw = b""
        if len(raw) != _CODE_BYTES or _check(raw[:-_CHECK_BYTES]) != raw[-_CHECK_BYTES:]:
            raise RequestError(
                "the one-time code has a typing mistake: it is ten groups of four letters and "
                "digits; type it again"
            )
        return cls(raw[:SECRET_BYTES], raw[SECRET_BYTES:-_CHECK_BYTES])

    def text(self) -> str:
        """The code as people type it: ten groups of four letters and digits."""
        raw = self.secret + self.ca
        return grouped(raw + _check(raw))

    def trusts(self, ca: bytes) -> bool:
        """Whether this is the authority of the code."""
        return ca_digest(ca)[:_CA_BYTES] == self.ca


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(b"edge-anpr/code/1" + raw).digest()[:_CHECK_BYTES]


class BoxStatement(StrictMessage):
    """What a box states in its request: its public key file as text, and how often it has asked."""

    schema_: Literal["edge-anpr/enrolment/1"] = Field(
        default="edge-anpr/enrolment/1", alias="schema"
    )
    site: Id
    box: Id
    keys: str = Field(max_length=32 * 1024)
    counter: int = Field(ge=0, le=2**31)
    requested: Sha256
    signature: Signature | None = None

    def document(self) -> Json:
        """What is signed."""
        whole: Json = self.model_dump(mode="json", by_alias=True, exclude={"signature"})
        return whole


class StatementSigner(Protocol):
    """What signs a statement: the keys of a box."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


def request_of(
    key: ec.EllipticCurvePrivateKey,
    signing: StatementSigner,
    site: str,
    box: str,
    keys: str,
    counter: int,
) -> bytes:
    """A request for a certificate, DER.

    Args:
        key: the key that is to have the certificate.
        signing: the box's signing key.
        site: its site's id.
        box: its id.
        keys: its public key file.
        counter: how many requests it has made before.
    """
    bare = BoxStatement(
        site=site,
        box=box,
        keys=keys,
        counter=counter,
        requested=_digest_of(key.public_key()),
    )
    made = base64.b64encode(signing.sign(signed_bytes(_CONTEXT, bare.document())))
    signature = Signature(key_id=signing.public.key_id, signature=made.decode("ascii"))
    signed = bare.model_copy(update={"signature": signature})
    text = canonical_json(signed.model_dump(mode="json", by_alias=True))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, box_name(site, box))])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_attribute(AttributeOID.UNSTRUCTURED_NAME, text)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """A request that is signed by both keys.

    Attributes:
        der: the request.
        statement: what the box states; its signature is verified with `signing`.
        public: the key that is to have a certificate.
    """

    der: bytes
    statement: BoxStatement
    public: ec.EllipticCurvePublicKey

    @property
    def sha256(self) -> str:
        """The digest of the request, which tells two requests apart."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def fingerprint(self) -> str:
        """What operator and box compare: four groups of four."""
        return fingerprint(self.der)


def fingerprint(der: bytes) -> str:
    """The first 80 bits of a request's SHA-256, in four groups of four."""
    return grouped(hashlib.sha256(der).digest()[:10])


def parse_request(der: bytes) -> tuple[x509.CertificateSigningRequest, BoxStatement]:
    """Read a request whose own signature is right; its statement is not verified yet.

    Raises:
        RequestError: it is not one.
    """
    try:
        request = x509.load_der_x509_csr(der)
        stated = request.attributes.get_attribute_for_oid(AttributeOID.UNSTRUCTURED_NAME)
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        statement = BoxStatement.model_validate_json(stated.value)
        valid = _is_signed(request)
    except (
        *(ValueError, ValidationError, UnsupportedAlgorithm),
        *(x509.AttributeNotFound, x509.InvalidVersion),
    ):
        raise RequestError(
            "not a request of a box: it must be PKCS #10 with the box's statement as "
            "unstructuredName; enrol with `edge-anpr fleet enrol`"
        ) from None
    if not valid:
        raise RequestError("the request is not signed with its own key; make a new one")
    if [one.value for one in names] != [box_name(statement.site, statement.box)]:
        raise RequestError(
            "the request's subject is not the box that it states; make a new one with "
            "`edge-anpr fleet enrol`"
        )
    return request, statement


def _is_signed(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except InvalidSignature:
        return False


def verified_request(der: bytes, signing: PublicKey) -> EnrolmentRequest:
    """Read a request and verify both signatures.

    Args:
        der: the request.
        signing: the box's signing key, from the public file that the statement holds.

    Raises:
        RequestError: it is not signed by both keys, or for another kind of key than P-256.
    """
    request, statement = parse_request(der)
    public = request.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise RequestError("the request is for another kind of key than P-256; make a new one")
    if statement.signature is None or statement.requested != _digest_of(public):
        raise RequestError(
            "the box's statement is for another key than the one requested; make a new request"
        )
    try:
        verify(_CONTEXT, statement.document(), statement.signature, signing)
    except KeyFileError as error:
        raise RequestError(f"the box's statement: {error.message}") from None
    return EnrolmentRequest(der, statement, public)


def _digest_of(public: ec.EllipticCurvePublicKey) -> str:
    raw = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(raw).hexdigest()


def is_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a third of a certificate's life, or less, is left."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now <= life / 3
