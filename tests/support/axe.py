"""axe-core in a real Chromium: what of a page does not conform to WCAG 2.2, levels A and AA."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import pytest

from tests.support.browser import Browser

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def _source() -> str:
    """The script that the package `axe-playwright-python` brings."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core is not installed (the extra `dev` has it)")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(tab: Browser) -> list[str]:
    """The rules that the open page breaks, each with the elements concerned."""
    if tab.value("typeof axe") == "undefined":  # a page keeps it
        tab.value(f"{_source()}; 0")
    options = json.dumps({"runOnly": {"type": "tag", "values": _TAGS}})
    found = tab.value(
        f"axe.run(document, {options}).then(done => done.violations.map("
        "one => one.id + ': ' + one.nodes.map(node => node.html).join(' ')))"
    )
    return [str(one) for one in found]
