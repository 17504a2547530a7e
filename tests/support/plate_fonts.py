"""Fonts of number plates, which this repository does not hold.

Tests that draw plates carry `needs_fonts(...)`, so that they are skipped where one is absent.
`.ci/run` installs the packages of those that the suite uses.
"""

from __future__ import annotations

import pytest

from scripts.fixtures.fonts import MissingFontError, require_fonts


def needs_fonts(*names: str) -> pytest.MarkDecorator:
    """Skip a test where one of these font files is not installed."""
    missing = ""
    try:
        require_fonts(*names)
    except MissingFontError as error:
        missing = str(error)
    return pytest.mark.skipif(bool(missing), reason=missing or "all there")
