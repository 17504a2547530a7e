from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import cv2
import numpy as np
import pytest

from edge.adapters.cameras import jpeg
from edge.adapters.cameras.jpeg import encode_jpeg
from edge.domain.imaging import Box, Pixels
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.vehicles import KeyFrame
from edge.errors import RedactionError
from edge.privacy.redaction import EvidenceImage, RedactedImage, mask_all, reveal

PLATE = Box(500, 500, 760, 555)
"""In a frame of 1280 x 720: a vehicle seen from near, so that its picture is large."""


def noise(seed: int = 0) -> Pixels:
    """Noise: the worst picture for an encoder."""
    return np.random.default_rng(seed).integers(0, 256, (720, 1280, 3), dtype=np.uint8)


def vehicle_in(frame: Pixels) -> EvidenceImage:
    rule = Rule(
        "bus-lane", RuleKind.PERMIT_ZONE, "safety", "police", RevealLevel.VEHICLE, 0.95, 0.5
    )
    offence = Offence(rule, Candidate(PlateToken(bytes(16)), 0.99), 0.99, 0.98)
    when = datetime(2026, 11, 23, 7, 20, tzinfo=timezone.utc)
    return reveal(offence, KeyFrame(0, when, PLATE, (), frame))[-1]


def decoded(encoded: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)


class LooksLikeOne:
    """A class with all fields of a redacted picture that the redaction did not make."""

    pixels = noise()
    name = "vehicle"
    width = 1280
    height = 720


def of_a_subclass() -> object:
    # Python runs what `@final` forbids, and `object.__new__` skips every check.
    subclass: Any = type("Clear", (RedactedImage,), {"pixels": noise()})
    return object.__new__(subclass)


@pytest.mark.parametrize(
    "image",
    [noise(), LooksLikeOne(), of_a_subclass(), noise().tobytes(), None],
    ids=["frame", "look-alike", "subclass", "bytes", "nothing"],
)
def test_p8_only_a_redacted_picture_is_encoded(image: Any) -> None:
    with pytest.raises(TypeError, match="RedactedImage or an EvidenceImage"):
        encode_jpeg(image, max_bytes=1_000_000)


def test_a_masked_picture_is_encoded_as_it_is() -> None:
    assert (decoded(encode_jpeg(mask_all(noise()), max_bytes=50_000)) == 127).all()


@pytest.mark.parametrize("max_bytes", [400_000, 100_000, 80_000, 60_000, 40_000, 20_000])
def test_a_picture_uses_its_byte_budget_without_exceeding_it(max_bytes: int) -> None:
    image = vehicle_in(noise())
    encoded = encode_jpeg(image, max_bytes=max_bytes)
    assert len(encoded) <= max_bytes
    best = len(encode_jpeg(image, max_bytes=10_000_000))
    assert len(encoded) > 0.5 * min(max_bytes, best)


def test_quality_is_reduced_before_size() -> None:
    image = vehicle_in(noise())
    sizes = [
        decoded(encode_jpeg(image, max_bytes=max_bytes)).shape[1]
        for max_bytes in (10_000_000, 50_000, 20_000, 10_000)
    ]
    assert sizes[0] == sizes[1] == image.width
    assert image.width > sizes[2] > sizes[3]


def test_a_picture_that_fits_at_no_size_is_refused_with_the_remedy() -> None:
    with pytest.raises(RedactionError, match=r"may have 500; raise broker\.payload_cap") as refusal:
        encode_jpeg(vehicle_in(noise()), max_bytes=500)
    assert refusal.value.code == "E_PICTURE_TOO_LARGE"


def test_few_encodings_are_tried() -> None:
    attempts = [len(one) for one in jpeg._attempts(vehicle_in(noise()).pixels, max_bytes=1)]
    assert len(attempts) <= 8
    assert attempts == sorted(attempts, reverse=True)


def test_the_file_holds_no_metadata() -> None:
    encoded = encode_jpeg(vehicle_in(noise()), max_bytes=1_000_000)
    segments, at = [], 2
    while encoded[at + 1] != 0xDA:  # start of scan: from here on it is pixels
        segments.append(encoded[at + 1])
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    # JFIF, quantisation, frame, Huffman: neither EXIF, XMP, ICC (E1 to EF) nor comments (FE).
    assert set(segments) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDD}


def test_masked_pixels_do_not_affect_the_files_bytes() -> None:
    plain, other = noise(1), noise(2)
    black, white = (vehicle_in(np.full_like(plain, value)).pixels for value in (0, 255))
    shown = (black != white).any(axis=2)
    # The crop depends on the plate alone: find it with a frame of consecutive numbers.
    rows, columns = np.mgrid[0:720, 0:1280]
    counting = np.stack([rows % 256, columns % 256, rows // 256 * 16 + columns // 256], axis=2)
    first = vehicle_in(counting.astype(np.uint8)).pixels[tuple(np.argwhere(shown)[0])]
    y, x = np.argwhere((counting == first).all(axis=2))[0] - np.argwhere(shown)[0]
    height, width = shown.shape
    other[y : y + height, x : x + width][shown] = plain[y : y + height, x : x + width][shown]
    assert (plain != other).any(axis=2).sum() > 720 * 1280 / 2
    assert encode_jpeg(vehicle_in(plain), max_bytes=60_000) == encode_jpeg(
        vehicle_in(other), max_bytes=60_000
    )
