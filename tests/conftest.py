"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No deadlines: a busy machine is slow, and scripts/bench measures speed.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
