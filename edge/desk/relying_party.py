"""Passkeys (WebAuthn Level 3): what the desk asks of a browser, and the checks of its answers.

A passkey belongs to the host name under which the desk is opened, and is accepted from one origin
only. The authenticator must have verified its person, by a PIN, a finger or the like.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from edge.desk.passkey_keys import PasskeyKey, RelyingParty, refused
from edge.desk.passkey_statements import cose_public_key

_MINUTES_MS: Final = 300_000


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    desk: str,
    person: tuple[str, str, bytes],
    known: Iterable[bytes],
) -> str:
    """What a browser is asked to make a passkey, in JSON.

    Args:
        party: where it will be valid.
        challenge: random bytes.
        desk: whose desk it is, shown by the browser.
        person: account, full name, and the bytes by which authenticators know her.
        known: ids of her passkeys; an authenticator that has one makes no second.
    """
    name, full_name, handle = person
    options = generate_registration_options(
        rp_id=party.rp_id,
        rp_name=desk,
        user_name=name,
        user_id=handle,
        user_display_name=full_name,
        challenge=challenge,
        timeout=_MINUTES_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    return options_to_json(options)


def request_options(party: RelyingParty, challenge: bytes, known: Iterable[bytes] = ()) -> str:
    """What a browser is asked to prove a passkey, in JSON.

    Args:
        party: where it is valid.
        challenge: random bytes, or the digest of what is signed.
        known: the ids that are accepted; none: the person chooses among all for this host.
    """
    options = generate_authentication_options(
        rp_id=party.rp_id,
        challenge=challenge,
        timeout=_MINUTES_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """An answer of a browser that was parsed, and not verified yet.

    Attributes:
        credential: the id of the passkey.
        challenge: which it answers.
        handle: the bytes by which it knows its person, if the authenticator gave them.
        framed: whether it was given in a frame of another site.
    """

    credential: bytes
    challenge: bytes
    handle: bytes | None
    framed: bool
    parsed: AuthenticationCredential | RegistrationCredential


def parse_creation(answer: str) -> PasskeyAnswer:
    """Parse the answer to `creation_options`.

    Raises:
        AccessError: `E_PASSKEY`.
    """
    try:
        made = parse_registration_credential_json(answer)
        return _answer(made, made.response.client_data_json, None)
    except Exception:  # noqa: BLE001 - whatever a browser sends
        raise refused() from None


def parse_assertion(answer: str) -> PasskeyAnswer:
    """Parse the answer to `request_options`.

    Raises:
        AccessError: `E_PASSKEY`.
    """
    try:
        given = parse_authentication_credential_json(answer)
        return _answer(given, given.response.client_data_json, given.response.user_handle)
    except Exception:  # noqa: BLE001 - whatever a browser sends
        raise refused() from None


def _answer(
    parsed: AuthenticationCredential | RegistrationCredential,
    client_data: bytes,
    handle: bytes | None,
) -> PasskeyAnswer:
    told = parse_client_data_json(client_data)
    return PasskeyAnswer(parsed.raw_id, told.challenge, handle, bool(told.cross_origin), parsed)


def verified_creation(answer: PasskeyAnswer, party: RelyingParty) -> tuple[PasskeyKey, int]:
    """The new passkey, and the count of its signatures.

    The caller has checked the challenge.

    Raises:
        AccessError: `E_PASSKEY`: another origin or host, no verification of the person, damaged.
    """
    if answer.framed:
        raise refused()
    try:
        made = verify_registration_response(
            credential=answer.parsed,  # type: ignore[arg-type]  # refused below if it is no creation
            expected_challenge=answer.challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
        cose_public_key(made.credential_public_key)  # else no court could verify what it signs
    except Exception:  # noqa: BLE001 - the library raises what its parsers raise
        raise refused() from None
    return PasskeyKey(made.credential_id, made.credential_public_key, party), made.sign_count


def verified_assertion(answer: PasskeyAnswer, key: PasskeyKey, count: int) -> int:
    """Verify that this passkey signed the answer's challenge; returns the new count.

    The caller has checked the challenge.

    Args:
        answer: of the browser.
        key: the passkey that is claimed.
        count: of its signatures so far; 0 if it is not known.

    Raises:
        AccessError: `E_PASSKEY`: another key, origin or host, no verification of the person, or a
            count that did not grow, as of a copied authenticator.
    """
    if answer.credential != key.credential or answer.framed:
        raise refused()
    try:
        given = verify_authentication_response(
            credential=answer.parsed,  # type: ignore[arg-type]  # refused below if it is no assertion
            expected_challenge=answer.challenge,
            expected_rp_id=key.party.rp_id,
            expected_origin=key.party.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - the library raises what its parsers raise
        raise refused() from None
    return given.new_sign_count


def statement_of(answer: PasskeyAnswer) -> tuple[bytes, bytes, bytes]:
    """What `verify_statement` verifies: authenticator data, client data and signature.

    Raises:
        AccessError: `E_PASSKEY`: the answer made a passkey instead.
    """
    response = answer.parsed.response
    if not isinstance(response, AuthenticatorAssertionResponse):
        raise refused()
    return response.authenticator_data, response.client_data_json, response.signature


def b64(content: bytes) -> str:
    """Bytes in base64url without padding, as WebAuthn writes them."""
    return bytes_to_base64url(content)


def from_b64(content: str) -> bytes:
    """The bytes of a text in base64url."""
    return base64url_to_bytes(content)
