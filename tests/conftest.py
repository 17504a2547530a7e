"""Settings of all tests."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

# No deadlines: a busy machine is slow, and scripts/bench measures speed.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Leave what was collected out of garbage collections: it stays, and there is much of it."""
    gc.collect()
    gc.freeze()


LONGEST = ("test_substream.py",)
"""Files that take minutes: begun last, they would keep one process busy while the others wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the others keep their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
