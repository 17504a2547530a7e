"""Framing of fields is unambiguous, and only valid padding is removed."""

from __future__ import annotations

import pytest

from edge.formats.framing import framed, padded, unpadded

SIZES = (16, 32)


def test_two_lists_of_fields_never_give_the_same_bytes() -> None:
    assert framed(b"ab", b"c") == b"\0\0\0\2ab\0\0\0\1c"
    assert len({framed(b"ab", b"c"), framed(b"a", b"bc"), framed(b"abc"), framed(b"abc", b"")}) == 4


@pytest.mark.parametrize("body", [b"", b"\0", b"body", b"x" * 12])
def test_unpadding_reverses_padding(body: bytes) -> None:
    data = padded(body, 16)

    assert len(data) == 16
    assert unpadded(data, SIZES) == body


@pytest.mark.parametrize(
    "data",
    [
        padded(b"body", 17),
        padded(b"body", 16)[:-1],
        b"",
        b"\0\0\0\4body" + b"\0" * 7 + b"x",
        b"\0\0\0\x0d" + b"\0" * 12,
        b"\xff\xff\xff\xff" + b"\0" * 12,
    ],
    ids=["no such size", "cut", "nothing", "not zeros", "one too long", "far too long"],
)
def test_invalid_padding_is_refused(data: bytes) -> None:
    assert unpadded(data, SIZES) is None
