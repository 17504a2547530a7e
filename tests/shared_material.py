"""Material that lies beside the checkout and is never copied into it.

Tests that need some of it carry `@needs_shared` (or set `pytestmark = needs_shared`), so that they
skip, saying so, where it is absent. Tests that need eyes and nothing else of it carry
`@needs_weights`: the default pair may lie elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.weights import Contract, Manifest
from edge.errors import ModelError

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "models").is_dir(),
    reason="the shared material (../shared: weights and footage) is not on this machine",
)


def _default_weights() -> bool:
    own = Manifest.load()
    try:
        own.find(own.default_detector, Contract.DETECTOR)
        own.find(own.default_reader, Contract.READER)
    except ModelError as error:
        # Altered weights are no reason to skip: the tests shall fail.
        return error.code != "E_MODEL_MISSING"
    return True


needs_weights = pytest.mark.skipif(
    not _default_weights(),
    reason="the default weights (`edge-anpr models list`) are not on this machine",
)
