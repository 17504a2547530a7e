"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine is slow, which is no failure; what is slow is measured by scripts/bench.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
