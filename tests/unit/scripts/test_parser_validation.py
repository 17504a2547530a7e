"""Which pixels of a label count when the scene parser is measured; skipped without PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from scripts.training.parser_validation import _surely
from scripts.training.parser_views import BODY, GLASS, HEAD


def test_a_pixel_counts_only_if_nothing_else_is_possible_there() -> None:
    allowed = np.array([0, GLASS, HEAD, GLASS | HEAD, GLASS | BODY, BODY, 255], np.uint8)

    sure = _surely(allowed, GLASS | HEAD)

    assert sure.tolist() == [False, True, True, True, False, False, False]
