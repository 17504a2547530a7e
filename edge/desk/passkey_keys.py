"""Passkeys as keys: where one is valid, its text, and its id.

What one has signed is verified in `passkey_statements`; its first answer and its count at the desk,
in `relying_party`, need a library that only a desk installs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field
from typing_extensions import Self

from edge.errors import AccessError, KeyFileError, UsageError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Base64
from edge.formats.strict import StrictMessage

_LONGEST_ORIGIN: Final = 200
_PREFIX: Final = "passkey:"
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Where passkeys are valid.

    Attributes:
        rp_id: the host name.
        origin: the beginning of the desk's addresses, as browsers write it.
    """

    rp_id: str
    origin: str

    @classmethod
    def parse(cls, origin: str) -> Self:
        """The relying party of an origin.

        Raises:
            UsageError: it is no `https://HOST[:PORT]`, nor `http://localhost[:PORT]`.
        """
        split = urlsplit(origin)
        host = split.hostname or ""
        try:
            port = split.port
        except ValueError:
            port = -1
        default = {"https": 443, "http": 80}.get(split.scheme)
        written = f"{split.scheme}://{host}" + ("" if port is None else f":{port}")
        secure = split.scheme == "https" and re.fullmatch(_HOST, host, re.ASCII) is not None
        own = split.scheme in {"http", "https"} and host == "localhost"
        if origin != written or port == default or len(origin) > _LONGEST_ORIGIN:
            secure = own = False
        if not (secure or own):
            raise UsageError(
                "--origin: write what browsers show before the first single slash, in small "
                "letters, such as https://desk.example; passkeys need a host name and TLS"
            )
        return cls(host, origin)


class _PasskeyText(StrictMessage):
    """What the text of a passkey holds."""

    credential: Annotated[Base64, Field(min_length=1, max_length=1400)]
    origin: Annotated[str, Field(max_length=_LONGEST_ORIGIN)]
    public_key: Annotated[Base64, Field(min_length=1, max_length=4000)]


@dataclass(frozen=True, slots=True)
class PasskeyKey:
    """What verifies the answers of one passkey.

    Attributes:
        credential: the id that its authenticator gave it.
        public_key: COSE key (RFC 9052).
        party: where it was added.
    """

    credential: bytes
    public_key: bytes
    party: RelyingParty

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that `text` gives.

        Raises:
            KeyFileError: it is none; the message does not repeat it.
        """
        try:
            raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
            told = parse_canonical(_PasskeyText, raw)
            party = RelyingParty.parse(told.origin)
            key = cls(base64.b64decode(told.credential), base64.b64decode(told.public_key), party)
        except (ValueError, NotCanonicalError, UsageError):
            key = None
        if key is None or key.text != text:
            raise KeyFileError(
                f"not a passkey; it must be {_PREFIX} and base64, as the desk exports it"
            )
        return key

    @property
    def text(self) -> str:
        """Public key and place in one word: `passkey:` and canonical JSON in base64."""
        told = _PasskeyText(
            credential=_base64(self.credential),
            origin=self.party.origin,
            public_key=_base64(self.public_key),
        )
        return _PREFIX + _base64(canonical_model(told))

    def sha256(self) -> str:
        """The digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of that digest."""
        return key_id_of(self.sha256())


def key_id_of(key_sha256: str) -> str:
    """The id of the passkey with this digest."""
    return key_sha256[:16]


def refused() -> AccessError:
    """The one refusal of all passkeys, which says nothing of persons."""
    return AccessError(
        "the answer of the passkey is not valid here, or the passkey is not known; open the page "
        "again and repeat, or log in with your passphrase",
        code="E_PASSKEY",
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
