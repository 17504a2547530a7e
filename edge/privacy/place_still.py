"""The approved still of the empty place: the one picture in a seal that this box did not take.

A person made it when the camera was aimed, looked at it and approved it, and the signed policy
names its digest. So nothing of the moment of a hit is in it, and the box decides nothing about it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import final

from edge.errors import RedactionError

PLACE_PICTURE = "place"
"""Name of this picture in the evidence."""

MAX_BYTES = 12 * 1024
MAX_SIDE = 320
"""Longest side in pixels: enough to recognise a junction, too little to recognise a person."""

CURE = "make it with `edge-anpr redact --place`"

_START, _END = b"\xff\xd8", b"\xff\xd9"
_JFIF, _FRAME, _SCAN = 0xE0, 0xC0, 0xDA
_TABLES = frozenset({0xDB, 0xC4, 0xDD})
_APPLICATION_OR_COMMENT = frozenset({*range(0xE0, 0xF0), 0xFE})
_PLAIN_JFIF = re.compile(rb"JFIF\x00.{7}\x00\x00", re.DOTALL)
"""The header that encoders write: version and density, and a thumbnail of 0 x 0 pixels."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""What ends the pixels: there a byte FF is followed by 00 or by the number of a restart."""


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
    width, height = _size(jpeg)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise RedactionError(
            f"is {width} x {height} pixels, and at most {MAX_SIDE} x {MAX_SIDE} may be; {CURE}"
        )


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a baseline JPEG with one scan, and nothing beside the picture.

    Raises:
        RedactionError: it is another file.
    """
    no_picture = RedactionError(f"not a whole baseline JPEG with nothing after it; {CURE}")
    if not jpeg.startswith(_START):
        raise no_picture
    at, size = len(_START), None
    while True:
        mark, kind, length = jpeg[at : at + 1], jpeg[at + 1 : at + 2], _number(jpeg, at + 2)
        content = jpeg[at + 4 : at + 2 + length]
        if mark != b"\xff" or len(content) != length - 2:
            raise no_picture
        code, at = kind[0], at + 2 + length
        if code == _JFIF and _PLAIN_JFIF.fullmatch(content):
            continue
        if code in _APPLICATION_OR_COMMENT:
            raise RedactionError(f"holds metadata such as EXIF, a comment or a thumbnail; {CURE}")
        if code == _FRAME and size is None:
            size = _number(content, 3), _number(content, 1)
        elif code == _SCAN:
            break
        elif code not in _TABLES:
            raise no_picture
    end = _AFTER_SCAN.search(jpeg, at)
    if size is None or end is None or end.group() != _END or end.end() != len(jpeg):
        raise no_picture
    return size


def _number(data: bytes, at: int) -> int:
    """Two bytes, big-endian; 0 where the data has ended."""
    return int.from_bytes(data[at : at + 2], "big")
