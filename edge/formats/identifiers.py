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

Base64 = Annotated[
    str, Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
]
"""Bytes in base64 (RFC 4648, section 4), with padding."""


def shown_id(text: str) -> str:
    """An id of a hit, case or request as errors quote it.

    A text that is no such id may be a plate that somebody typed there, so it is not quoted.
    """
    return text if re.fullmatch("[0-9a-f]{16,64}", text) else "what you gave as id"


def is_id(text: str) -> bool:
    """Whether a text can be the id of a site, box or authority."""
    return re.fullmatch(ID_PATTERN, text) is not None
