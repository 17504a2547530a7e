"""The still of a place holds the approved bytes, and these are a small JPEG and nothing else."""

from __future__ import annotations

import hashlib

import pytest

from edge.errors import RedactionError
from edge.privacy.place_still import MAX_BYTES, MAX_SIDE, PlaceStill, require_plain
from tests.support.place_stills import APPROVED, still_jpeg

JPEG = still_jpeg()
DIGEST = hashlib.sha256(JPEG).hexdigest()
QUANTISATION = JPEG.index(b"\xff\xdb")


def refusal(jpeg: bytes) -> str:
    with pytest.raises(RedactionError) as caught:
        require_plain(jpeg)
    return caught.value.message


def segment(kind: int, content: bytes) -> bytes:
    """The JPEG with one more segment before its tables."""
    added = bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2, "big") + content
    return JPEG[:QUANTISATION] + added + JPEG[QUANTISATION:]


def test_p6_only_the_approved_bytes_become_a_still() -> None:
    assert PlaceStill(JPEG, DIGEST, APPROVED).jpeg == JPEG
    for other in (still_jpeg(grey=91), JPEG + b"\0", JPEG[:-1], b""):
        with pytest.raises(RedactionError, match="not the picture that was approved") as caught:
            PlaceStill(other, DIGEST, APPROVED)
        assert hashlib.sha256(other).hexdigest() in caught.value.message


def test_p6_an_approved_file_that_is_no_plain_jpeg_becomes_no_still() -> None:
    told = segment(0xFE, b"taken by Els Wouters")
    with pytest.raises(RedactionError, match="metadata"):
        PlaceStill(told, hashlib.sha256(told).hexdigest(), APPROVED)


@pytest.mark.parametrize("size", [(1, 1), (MAX_SIDE, MAX_SIDE), (240, MAX_SIDE), (MAX_SIDE, 17)])
def test_a_small_jpeg_is_taken(size: tuple[int, int]) -> None:
    require_plain(still_jpeg(*size))
    require_plain(still_jpeg(*size, restart_marker_blocks=1))


@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 100), (100, MAX_SIDE + 1)])
def test_a_larger_picture_is_refused(size: tuple[int, int]) -> None:
    assert f"{size[0]} x {size[1]} pixels" in refusal(still_jpeg(*size))


def test_a_larger_file_is_refused() -> None:
    jpeg = still_jpeg(noise=True)
    assert len(jpeg) > MAX_BYTES
    assert "bytes" in refusal(jpeg)


@pytest.mark.parametrize(
    "jpeg",
    [
        segment(0xE1, b"Exif\0\0II*\0GPS"),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xED, b"Photoshop 3.0\0"),
        segment(0xEE, b"Adobe\0d\0\0\0\0\0\0"),
        segment(0xFE, b"taken by Els Wouters"),
        segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1abc"),  # a thumbnail of 1 x 1
        segment(0xE0, b"JFXX\0\x10"),
        still_jpeg(exif=b"Exif\0\0II*\0"),
        still_jpeg(comment=b"taken by Els Wouters"),
    ],
)
def test_p6_a_still_with_metadata_is_refused(jpeg: bytes) -> None:
    assert "metadata" in refusal(jpeg)


@pytest.mark.parametrize(
    "other",
    [
        still_jpeg(progressive=True),
        JPEG + b"\0",
        JPEG + JPEG,  # another picture behind it
        JPEG[:-2] + b"\xff\xfe\0\4ab\xff\xd9",  # a comment behind the pixels
        segment(0xC0, JPEG[JPEG.index(b"\xff\xc0") + 4 :][:15]),  # two sizes
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"",
    ],
)
def test_p6_another_file_or_one_with_something_behind_the_picture_is_refused(other: bytes) -> None:
    assert "not a whole baseline JPEG" in refusal(other)


def test_a_file_that_ends_anywhere_is_refused() -> None:
    for end in range(len(JPEG)):
        refusal(JPEG[:end])
