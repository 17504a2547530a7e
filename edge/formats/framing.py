"""Several byte strings as one, without ambiguity."""

from __future__ import annotations


def framed(*fields: bytes) -> bytes:
    """The fields, each after its length in 4 bytes, big-endian: no two lists look alike."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
