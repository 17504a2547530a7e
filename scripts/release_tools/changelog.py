"""Versions, dates and notes of CHANGELOG.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADING = re.compile(
    r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2})(?: \[YANKED\])?)?$", re.MULTILINE
)
ENTRY = re.compile(r"^- ", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """What the changelog says of one version."""

    version: str
    date: str | None
    notes: str

    @property
    def entries(self) -> int:
        """How many changes it lists."""
        return len(ENTRY.findall(self.notes))


def sections(changelog: str) -> list[Section]:
    """Every version in the order of the file, the newest first; `Unreleased` counts as one."""
    headings = list(HEADING.finditer(changelog))
    starts = [*(heading.start() for heading in headings), len(changelog)]
    return [
        Section(heading["version"], heading["date"], changelog[heading.end() : end].strip())
        for heading, end in zip(headings, starts[1:], strict=True)
    ]


def notes_of(version: str, changelog: str) -> str:
    """The notes of a version; empty when the changelog does not list it."""
    return next((each.notes for each in sections(changelog) if each.version == version), "")


def obstacles(version: str, changelog: str) -> list[str]:
    """What keeps this version from being released, one line each with its cure."""
    unreleased = [each for each in sections(changelog) if each.version == "Unreleased"]
    released = [each for each in sections(changelog) if each.version != "Unreleased"]
    found = []
    if any(each.entries for each in unreleased):
        found.append(
            "CHANGELOG.md lists changes under Unreleased: move them below a new version with a date"
        )
    if not released or released[0].version != version:
        newest = released[0].version if released else "no version"
        found.append(
            f"CHANGELOG.md begins with {newest}, but pyproject.toml says {version}: make them equal"
        )
    elif released[0].date is None:
        found.append(f"CHANGELOG.md has no date for {version}: write ## [{version}] - YYYY-MM-DD")
    elif not released[0].entries:
        found.append(f"CHANGELOG.md lists no change for {version}: say what is new")
    return found
