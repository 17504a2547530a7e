"""Random designs of plates for tests of the training data, and whether they can be drawn."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest

from scripts.fixtures import fonts
from scripts.training import plates
from scripts.training.countries import COUNTRIES, REGIONS
from scripts.training.plate_design import Design

DRAWN = 400
"""Designs of each region that a test draws."""


def _missing() -> str:
    """Missing fonts and programs; empty if there are none."""
    if importlib.util.find_spec("PIL") is None:
        return "Pillow is not installed (pip install -e '.[fixtures]')"
    try:
        plates.require_fonts()
    except fonts.MissingFontError as error:
        return str(error)
    return ""


MISSING = _missing()
can_draw = pytest.mark.skipif(bool(MISSING), reason=MISSING or "all there")


def designs(region: str) -> list[Design]:
    """DRAWN random designs of a region, always the same ones."""
    rng = np.random.default_rng(REGIONS.index(region))
    return [COUNTRIES[region](rng) for _ in range(DRAWN)]


@cache
def many_designs(region: str) -> tuple[Design, ...]:
    """Ten times as many, so that rare plates are among them."""
    rng = np.random.default_rng(REGIONS.index(region))
    return tuple(COUNTRIES[region](rng) for _ in range(10 * DRAWN))
