"""Joins byte strings unambiguously, for hashing and signing."""

from __future__ import annotations


def framed(*fields: bytes) -> bytes:
    """The fields, each preceded by its length (4 bytes, big-endian).

    Two different lists of fields never give the same bytes.
    """
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
