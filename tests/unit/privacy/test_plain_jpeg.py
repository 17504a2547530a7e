"""Each byte of a plain JPEG is a part of the picture: nothing else fits into it."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.privacy.plain_jpeg import NotPlainError, plain_size
from tests.support.place_stills import still_jpeg

JPEG = still_jpeg()
SECRET = b"1-ABC-234 was here "
TABLES, FRAME, SCAN = (JPEG.index(mark) for mark in (b"\xff\xdb", b"\xff\xc0", b"\xff\xda"))
PIXELS = SCAN + 14
"""Where the pixels begin: behind the header of a scan of three colours."""
END = len(JPEG) - 2
RESTARTS = still_jpeg(restart_marker_blocks=8)


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2, "big") + content


def inserted(at: int, added: bytes) -> bytes:
    return JPEG[:at] + added + JPEG[at:]


def longer(at: int, added: bytes) -> bytes:
    """The JPEG with more content in the segment that begins at `at`."""
    length = int.from_bytes(JPEG[at + 2 : at + 4], "big")
    end = at + 2 + length
    grown = (length + len(added)).to_bytes(2, "big")
    return JPEG[: at + 2] + grown + JPEG[at + 4 : end] + added + JPEG[end:]


def refused(jpeg: bytes) -> bool:
    try:
        plain_size(jpeg)
    except NotPlainError:
        return True
    return False


def encoded(mode: str, size: tuple[int, int], **options: Any) -> bytes:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (33, 17), (64, 48)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": 0},
        {"subsampling": 1, "optimize": True},
        {"quality": 5, "restart_marker_blocks": 1},
        {"quality": 100, "restart_marker_rows": 1},
    ],
)
def test_what_encoders_write_is_plain(
    mode: str, size: tuple[int, int], options: dict[str, Any]
) -> None:
    assert plain_size(encoded(mode, size, **options)) == size


def test_what_opencv_writes_is_plain() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    for options in ([], [cv2.IMWRITE_JPEG_OPTIMIZE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]):
        done, jpeg = cv2.imencode(".jpg", noise, options)
        assert done
        assert plain_size(jpeg.tobytes()) == (90, 50)


@pytest.mark.parametrize(
    "jpeg",
    [
        inserted(TABLES, segment(0xDB, SECRET * 9)),
        inserted(TABLES, segment(0xDB, b"\2" + (SECRET * 4)[:64])),  # a table that no colour uses
        inserted(TABLES, segment(0xDB, b"\0" + (SECRET * 4)[:64])),  # replaced by the next one
        inserted(TABLES, segment(0xC4, SECRET * 9)),
        inserted(TABLES, segment(0xC4, b"\2\0\0\0\0\x13" + bytes(11) + SECRET)),
        inserted(TABLES, segment(0xDD, SECRET)),
        inserted(TABLES, segment(0xDD, b"\0\0" + SECRET)),
        inserted(TABLES, segment(0xE0, b"JFIF\0\1\1\0abcd\0\0")),  # a second one
        JPEG[:2] + segment(0xE0, b"JFIF\0" + SECRET[:7] + b"\0\0") + JPEG[TABLES:],
        longer(TABLES, SECRET),
        longer(FRAME, SECRET),
        longer(SCAN, SECRET),
        inserted(END, SECRET),
        inserted(END, b"\xff\xd0" + SECRET),
        inserted(END, b"\xff\0"),
        inserted(END, b"\xff\xff"),
        JPEG + JPEG,
        JPEG + SECRET + b"\xff\xd9",
        RESTARTS.replace(b"\xff\xd1", SECRET + b"\xff\xd1", 1),
    ],
)
def test_p6_other_bytes_find_no_place_in_a_plain_jpeg(jpeg: bytes) -> None:
    assert refused(jpeg)


@pytest.mark.parametrize(
    "jpeg",
    [
        JPEG[:PIXELS] + b"\xff\xd9",
        JPEG[: PIXELS + 40].rstrip(b"\xff") + b"\xff\xd9",
        JPEG[:TABLES] + JPEG[FRAME:],
        JPEG[: JPEG.index(b"\xff\xc4")] + JPEG[SCAN:],
        JPEG[:FRAME] + JPEG[FRAME + 19 :],
        RESTARTS.replace(b"\xff\xd1", b"\xff\xd2", 1),
        RESTARTS.replace(b"\xff\xd1", b"", 1),
        JPEG[: FRAME + 5] + b"\xff\xff\xff\xff" + JPEG[FRAME + 9 :],  # 65535 x 65535 pixels
        JPEG[: FRAME + 5] + bytes(4) + JPEG[FRAME + 9 :],
        JPEG[:FRAME] + b"\xff\xc2" + JPEG[FRAME + 2 :],
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\2\xff\xd9",
        b"",
    ],
)
def test_a_picture_that_is_not_whole_is_not_plain(jpeg: bytes) -> None:
    assert refused(jpeg)


def test_a_changed_byte_is_refused_or_leaves_a_whole_picture() -> None:
    small = still_jpeg(24, 24)
    taken = 0
    for at in range(len(small)):
        for byte in (0, 0x7F, 0xFF):
            changed = small[:at] + bytes([byte]) + small[at + 1 :]
            if refused(changed):
                continue
            taken += 1
            with Image.open(io.BytesIO(changed)) as picture:
                picture.load()
                assert picture.size == plain_size(changed)
    assert taken > 100
