"""Encodes redacted pictures as JPEG or PNG; no other code writes pictures to files."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2

from edge.domain.imaging import Pixels
from edge.errors import RedactionError
from edge.privacy.redaction import EvidenceImage, RedactedImage

BEST_QUALITY = 90
LOWEST_QUALITY = 40
"""Below this, blocking eats the characters of a plate 40 px wide before it saves much."""

SMALLEST_SCALE = 0.25
"""A picture scaled down further would show neither plate nor bodywork."""

_HEADROOM = 0.9  # the first guess by area comes this close to the wanted size
_SCALINGS = 4


def encode_jpeg(
    image: RedactedImage | EvidenceImage, *, max_bytes: int, max_side: int | None = None
) -> bytes:
    """The best JPEG of at most `max_bytes`: quality is lowered first, then size.

    With `max_side` no side is longer than so many pixels.

    It tries the best quality, then lower ones down to a floor, and only then scales the
    picture down at the floor: at most eight encodings. The file holds no metadata.

    Raises:
        TypeError: `image` is anything but a redacted picture, a subclass included.
        RedactionError: `E_PICTURE_TOO_LARGE`, it does not fit at the smallest useful size.
    """
    _check_type(image)
    smallest = 0
    pixels = image.pixels if max_side is None else shrunk(image.pixels, max_side)
    for encoded in _attempts(pixels, max_bytes):
        if len(encoded) <= max_bytes:
            return encoded
        smallest = len(encoded)
    raise RedactionError(
        f"a picture of {image.width} x {image.height} needs at least {smallest} bytes and may "
        f"have {max_bytes}; raise broker.payload_cap_kib",
        code="E_PICTURE_TOO_LARGE",
    )


def encode_png(image: RedactedImage) -> bytes:
    """A PNG, without loss. The file holds no metadata.

    Raises:
        TypeError: `image` is anything but a redacted picture, a subclass included.
        RedactionError: it cannot be encoded.
    """
    _check_type(image)
    return _encode(image.pixels, ".png")


def _check_type(image: RedactedImage | EvidenceImage) -> None:
    if type(image) not in (RedactedImage, EvidenceImage):
        raise TypeError("only a RedactedImage or an EvidenceImage is ever encoded")


def _attempts(pixels: Pixels, max_bytes: int) -> Iterator[bytes]:
    """Encodings from the best to the smallest."""
    for quality in (BEST_QUALITY, 75, 60):
        yield _jpeg(pixels, quality)
    yield (encoded := _jpeg(pixels, LOWEST_QUALITY))
    scale = 1.0
    for _ in range(_SCALINGS):
        # The size in bytes is about proportional to the area; start from that estimate.
        wanted = scale * math.sqrt(max(max_bytes, 1) / len(encoded)) * _HEADROOM
        scale = max(SMALLEST_SCALE, min(wanted, scale * _HEADROOM))
        yield (encoded := _jpeg(_scaled(pixels, scale), LOWEST_QUALITY))
        if scale == SMALLEST_SCALE:
            return


def shrunk(pixels: Pixels, max_side: int) -> Pixels:
    """The picture, scaled down if a side is longer than `max_side` pixels."""
    scale = max_side / max(pixels.shape[:2])
    return pixels if scale >= 1 else _scaled(pixels, scale)


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    return _encode(pixels, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)


def _encode(pixels: Pixels, ending: str, *options: int) -> bytes:
    done, encoded = cv2.imencode(ending, pixels, options)
    if not done:
        raise RedactionError("a redacted picture could not be encoded")
    return encoded.tobytes()
