"""One-time codes notice typing mistakes, and a request cannot be taken apart."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AttributeOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.enrolling import verified
from edge.formats.enrolment import (
    SECRET_BYTES,
    OneTimeCode,
    RequestError,
    fingerprint,
    parse_request,
    request_of,
)
from edge.formats.signing import SigningKey
from edge.privacy.key_formats import BoxPublicFile, key_file_bytes
from edge.privacy.key_generation import ORIGIN_BYTES, new_box_generation

NOW = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES), st.binary(max_size=40))
def test_a_code_is_read_as_it_was_written_however_it_is_typed(secret: bytes, ca: bytes) -> None:
    code = OneTimeCode.of(secret, ca)
    text = code.text()

    assert OneTimeCode.parse(text) == code
    assert OneTimeCode.parse(f" {text.lower().replace('-', ' ')}\n") == code
    assert OneTimeCode.parse(text.replace("1", "l").replace("0", "O")) == code
    assert code.trusts(ca)
    assert not code.trusts(ca + b"x")
    assert [len(group) for group in text.split("-")] == [4] * 10


def test_each_single_typing_mistake_is_noticed_and_the_code_is_not_repeated() -> None:
    plain = OneTimeCode.of(bytes(range(SECRET_BYTES)), b"ca").text().replace("-", "")
    for at, right in enumerate(plain):
        wrong = plain[:at] + DIGITS[(DIGITS.index(right) + 1) % 32] + plain[at + 1 :]
        with pytest.raises(RequestError) as refused:
            OneTimeCode.parse(wrong)
        assert wrong not in refused.value.message
    for other in ("", plain[:-1], plain + "0", "é" * 40, "U" * 40):
        with pytest.raises(RequestError):
            OneTimeCode.parse(other)


KEY = ec.generate_private_key(ec.SECP256R1())


def made(*, trial: bool = False, box: str = "box-1", signer: SigningKey | None = None) -> bytes:
    """A request of `box-1`, whose public file is of `box`."""
    private, generation = new_box_generation(
        "street", box, NOW, trial=trial, origin=bytes(ORIGIN_BYTES)
    )
    public = BoxPublicFile(site="street", box=box, trial=trial, generations=(generation,))
    own = SigningKey.from_raw("box", base64.b64decode(private.signing))
    keys = key_file_bytes(public).decode()
    return request_of(KEY, signer or own, "street", "box-1", keys, 3)


def with_statement(
    der: bytes, change: Callable[[str], str], key: ec.EllipticCurvePrivateKey
) -> bytes:
    """The same request with a changed statement, signed with a key."""
    request = x509.load_der_x509_csr(der)
    stated = request.attributes.get_attribute_for_oid(AttributeOID.UNSTRUCTURED_NAME)
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(request.subject)
        .add_attribute(AttributeOID.UNSTRUCTURED_NAME, change(stated.value.decode()).encode())
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def test_a_right_request_says_whose_it_is() -> None:
    found = verified(made())

    assert (found.statement.site, found.statement.box, found.statement.counter) == (
        "street", "box-1", 3,
    )  # fmt: skip
    assert found.public == KEY.public_key()
    assert found.fingerprint == fingerprint(found.der)


def test_p10_a_request_is_refused_unless_both_keys_have_signed_it() -> None:
    right = made()
    other = ec.generate_private_key(ec.SECP256R1())
    same = with_statement(right, str, KEY)
    assert verified(same).statement == verified(right).statement

    stolen = with_statement(right, str, other)  # the statement of a box, with another's key
    with pytest.raises(RequestError, match="for another key"):
        verified(stolen)
    renumbered = with_statement(right, lambda text: text.replace('"counter":3', '"counter":4'), KEY)
    with pytest.raises(RequestError, match="statement"):
        verified(renumbered)
    with pytest.raises(RequestError, match="statement"):
        verified(made(signer=SigningKey.generate("somebody")))
    broken = bytearray(right)
    broken[-1] ^= 1
    with pytest.raises(RequestError):
        verified(bytes(broken))


@pytest.mark.parametrize(
    ("der", "told"),
    [
        (b"", "not a request of a box"),
        (b"0" * 200, "not a request of a box"),
        (made(trial=True), "trial keys"),
        (made(box="box-2"), "are of another box"),
        (with_statement(made(), lambda _: "{}", KEY), "not a request of a box"),
        (with_statement(made(), lambda text: text.replace("box-1", "box-2"), KEY), "subject"),
    ],
)
def test_what_is_no_request_of_the_box_is_refused_in_one_line(der: bytes, told: str) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        verified(der)
    assert "\n" not in refused.value.message


def test_a_request_for_another_kind_of_key_is_refused() -> None:
    request = x509.load_der_x509_csr(made())
    stated = request.attributes.get_attribute_for_oid(AttributeOID.UNSTRUCTURED_NAME)
    larger = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "street.box-1")]))
        .add_attribute(AttributeOID.UNSTRUCTURED_NAME, stated.value)
        .sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
        .public_bytes(serialization.Encoding.DER)
    )
    assert parse_request(larger)[1].box == "box-1"
    with pytest.raises(RequestError, match="another kind of key than P-256"):
        verified(larger)
