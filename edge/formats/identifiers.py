"""Names, digests and ids as documents write them: each pattern is defined here, once."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

ID_PATTERN = r"^[a-z0-9-]{1,40}$"

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""A name chosen by a person: of a site, box, camera, rule, purpose, list, authority or signer."""

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""The id of a key: 8 bytes in hexadecimal."""

HitId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""A hit's id or a token: 16 bytes in hexadecimal."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in hexadecimal."""

# The character before the padding has bits that belong to no byte. They are 0 here (RFC 4648,
# section 3.5), so that bytes have one spelling: nobody can change a signed text and keep it valid.
_LAST_OF_1, _LAST_OF_2 = "[AQgw]==", "[AEIMQUYcgkosw048]="

BASE64_12 = "[A-Za-z0-9+/]{16}"
"""A pattern of 12 bytes in base64, such as a nonce."""

BASE64_32 = "[A-Za-z0-9+/]{42}" + _LAST_OF_2
"""A pattern of 32 bytes in base64, such as a key."""

BASE64_64 = "[A-Za-z0-9+/]{85}" + _LAST_OF_1
"""A pattern of 64 bytes in base64, such as a signature."""

Base64 = Annotated[
    str,
    Field(
        pattern="^(?:[A-Za-z0-9+/]{4})*"
        f"(?:[A-Za-z0-9+/]{_LAST_OF_1}|[A-Za-z0-9+/]{{2}}{_LAST_OF_2})?$"
    ),
]
"""Bytes in base64 (RFC 4648, section 4), with padding."""


def shown_id(text: str) -> str:
    """An id of a hit, case or request as errors quote it.

    A text that is no such id may be a plate that somebody typed there, so it is not quoted.
    """
    return text if re.fullmatch("[0-9a-f]{16,64}", text) else "what you gave as id"


def typed_id(text: str) -> str:
    """An id in hexadecimal as a person has typed it, in the form of documents.

    Capitals and spaces around it are accepted; whether it is an id is not looked at.
    """
    return text.strip().lower()


def is_id(text: str) -> bool:
    """Whether a text can be the id of a site, box or authority."""
    return re.fullmatch(ID_PATTERN, text) is not None
