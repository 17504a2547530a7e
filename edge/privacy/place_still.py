"""The approved still of the empty place: the one picture in a seal that this box did not take.

A person made it when the camera was aimed, looked at it and approved it, and the signed policy
names its digest. So nothing of the moment of a hit is in it, and the box decides nothing about it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import final

from edge.errors import RedactionError
from edge.privacy.plain_jpeg import NotPlainError, plain_size

PLACE_PICTURE = "place"
"""Name of this picture in the evidence."""

MAX_BYTES = 12 * 1024
MAX_SIDE = 320
"""Longest side in pixels: enough to recognise a junction, too little to recognise a person."""

CURE = "make it with `edge-anpr redact --place`"


@final
@dataclass(frozen=True, slots=True)
class PlaceStill:
    """The approved still of one camera's place; there is none with other bytes than the approved.

    Attributes:
        jpeg: the file's content: a baseline JPEG without metadata, at most `MAX_BYTES` long and
            `MAX_SIDE` pixels wide and high.
        sha256: its digest in the signed policy, hexadecimal.
        approved: the day on which a person approved it, such as 2026-11-30.

    Raises:
        RedactionError: it is another file than the approved one, or no such JPEG.
    """

    jpeg: bytes = field(repr=False)
    sha256: str
    approved: str

    def __post_init__(self) -> None:
        found = hashlib.sha256(self.jpeg).hexdigest()
        if found != self.sha256:
            raise RedactionError(
                f"not the picture that was approved: its SHA-256 is {found}, and policy.yaml names "
                f"{self.sha256}; restore the approved file, or have a policy with this one signed"
            )
        require_plain(self.jpeg)


def require_plain(jpeg: bytes) -> None:
    """Refuse a file that cannot be the still of a place.

    Raises:
        RedactionError: it is too large, no baseline JPEG, or holds more than a picture.
    """
    if len(jpeg) > MAX_BYTES:
        raise RedactionError(f"has {len(jpeg)} bytes, and at most {MAX_BYTES} may be; {CURE}")
    try:
        width, height = plain_size(jpeg)
    except NotPlainError as error:
        other = "is not a whole baseline JPEG with nothing else in it"
        told = "holds metadata such as EXIF, a comment or a thumbnail" if error.metadata else other
        raise RedactionError(f"{told}; {CURE}") from None
    if width > MAX_SIDE or height > MAX_SIDE:
        raise RedactionError(
            f"is {width} x {height} pixels, and at most {MAX_SIDE} x {MAX_SIDE} may be; {CURE}"
        )
