"""Material beside the checkout that is never copied into it.

Tests that need some of it carry `@needs_shared` (or set `pytestmark = needs_shared`), so that they
are skipped where it is absent. The default weights are in the repo, so tests of models need
none of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "models").is_dir(),
    reason="the shared material (../shared: weights and footage) is not on this machine",
)
