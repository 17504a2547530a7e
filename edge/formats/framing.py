"""Joins byte strings unambiguously, and pads them to a size that hides their length."""

from __future__ import annotations

from collections.abc import Collection

LENGTH_BYTES = 4


def framed(*fields: bytes) -> bytes:
    """The fields, each preceded by its length (4 bytes, big-endian).

    Two different lists of fields never give the same bytes.
    """
    return b"".join(len(field).to_bytes(LENGTH_BYTES, "big") + field for field in fields)


def padded(body: bytes, size: int) -> bytes:
    """The body preceded by its length and followed by zeros, `size` bytes in all.

    Args:
        body: at most `size - LENGTH_BYTES` bytes.
        size: of the result, bytes.
    """
    return framed(body).ljust(size, b"\0")


def unpadded(data: bytes, sizes: Collection[int]) -> bytes | None:
    """The body that `padded` was given.

    Args:
        data: what `padded` returned.
        sizes: the lengths that it may have.

    Returns:
        None if the length is not one of these, or anything but zeros follows the body.
    """
    length = int.from_bytes(data[:LENGTH_BYTES], "big")
    end = LENGTH_BYTES + length
    # A length beyond the end makes this size negative, and no count of zeros is.
    if len(data) not in sizes or data.count(0, end) != len(data) - end:
        return None
    return data[LENGTH_BYTES:end]
