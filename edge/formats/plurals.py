"""Counts in English sentences of programs and errors."""

from __future__ import annotations


def quantity(count: int, one: str, more: str | None = None) -> str:
    """A count with its noun, such as `1 hit` and `2 hits`.

    Args:
        count: how many.
        one: the words for one.
        more: those for any other count; None: the same with an `s`.
    """
    return f"{count} {one if count == 1 else more or f'{one}s'}"
