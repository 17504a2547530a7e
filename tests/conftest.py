"""Settings of all tests."""

from __future__ import annotations

import gc

from hypothesis import settings

# No deadlines: a busy machine is slow, and scripts/bench measures speed.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Leave what was collected out of garbage collections: it stays, and there is much of it."""
    gc.collect()
    gc.freeze()
