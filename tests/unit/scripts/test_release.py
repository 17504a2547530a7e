"""Parts of scripts/release that need no build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.release_tools.build import checksums, compare
from scripts.release_tools.changelog import notes_of, obstacles, sections
from scripts.release_tools.errors import ReleaseError
from scripts.release_tools.sbom import bill_of_materials, differences, read_lock
from tests.support.source_tree import ROOT

LOCK = (ROOT / "requirements" / "runtime-cpu.txt").read_text(encoding="utf-8")
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-10-01

### Added

- A door.

## [1.1.0] - 2026-09-01

- A window.
"""


def bill(lock: str = LOCK) -> str:
    return bill_of_materials(lock, "1.2.0", 1_790_000_000)


def test_the_sbom_contains_exactly_the_locked_versions() -> None:
    listed = {(each["name"], each["version"]) for each in json.loads(bill())["components"]}
    pinned = {
        tuple(line.split(" ")[0].split("=="))
        for line in LOCK.splitlines()
        if line and not line.startswith(" ")
    }

    assert len(pinned) > 30
    assert listed == pinned
    assert differences(bill(), LOCK) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("segno==1.6.6", "segno==1.6.7", "the bill of materials lacks segno 1.6.7"),
        ("segno==1.6.6", "segno==1.6.7", "the lock lacks segno 1.6.6"),
        ("segno==1.6.6", "segnu==1.6.6", "the bill of materials lacks segnu 1.6.6"),
    ],
)
def test_a_lock_that_changed_after_the_sbom_is_detected(old: str, new: str, found: str) -> None:
    assert old in LOCK
    assert found in differences(bill(), LOCK.replace(old, new))


def test_a_package_missing_from_or_added_to_the_sbom_is_detected() -> None:
    document = json.loads(bill())
    removed = document["components"].pop()
    document["components"].append({"type": "library", "name": "stranger", "version": "1"})

    assert differences(json.dumps(document), LOCK) == [
        f"the bill of materials lacks {removed['name']} {removed['version']}",
        "the lock lacks stranger 1",
    ]


def test_the_sbom_names_the_product_and_each_packages_platforms() -> None:
    document = json.loads(bill())

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["version"] == "1.2.0"
    (tomli,) = [each for each in document["components"] if each["name"] == "tomli"]
    assert tomli["properties"][0]["value"] == 'python_full_version < "3.11"'
    assert tomli["purl"] == f"pkg:pypi/tomli@{tomli['version']}"


def test_the_same_lock_version_and_time_give_the_same_sbom() -> None:
    assert bill() == bill()
    assert bill() != bill(LOCK.replace("segno==1.6.6", "segno==1.6.7"))


@pytest.mark.parametrize("line", ["segno>=1.6", "segno", "segno==1.6,!=1.7", "./segno.whl"])
def test_a_lock_without_exact_versions_is_refused(line: str) -> None:
    with pytest.raises(ReleaseError, match="run scripts/lock"):
        read_lock(f"{line}\n")


def test_a_yanked_version_is_still_a_version() -> None:
    withdrawn = CHANGELOG.replace("2026-10-01", "2026-10-01 [YANKED]")

    assert notes_of("1.2.0", withdrawn) == "### Added\n\n- A door."
    assert notes_of("1.1.0", withdrawn) == "- A window."


def test_a_dated_version_with_changes_may_be_released() -> None:
    assert obstacles("1.2.0", CHANGELOG) == []
    assert notes_of("1.2.0", CHANGELOG) == "### Added\n\n- A door."


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("[Unreleased]\n", "[Unreleased]\n\n- A roof.\n", "Unreleased"),
        ("## [1.2.0] - 2026-10-01", "## [1.2.0]", "no date for 1.2.0"),
        ("## [1.2.0]", "## [1.3.0]", "begins with 1.3.0, but pyproject.toml says 1.2.0"),
        ("- A door.\n", "", "no change for 1.2.0"),
        ("## [", "# ", "begins with no version"),
    ],
)
def test_the_error_for_an_unready_changelog_gives_the_reason(
    old: str, new: str, found: str
) -> None:
    (line,) = obstacles("1.2.0", CHANGELOG.replace(old, new))

    assert found in line
    assert ": " in line  # the remedy


def test_builds_that_differ_in_a_byte_or_a_file_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "package.whl").write_bytes(b"same")
    compare(first, second)

    (second / "package.whl").write_bytes(b"sane")
    (first / "package.tar.gz").write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"package\.tar\.gz, package\.whl"):
        compare(first, second)


def test_checksums_have_the_format_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    assert checksums([path]) == f"{empty}  empty\n"


def test_the_changelog_has_dated_versions_and_known_kinds_of_changes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *released = sections(changelog)

    assert unreleased.version == "Unreleased"
    assert released
    assert [each.version for each in released if each.date is None] == []
    assert {line for line in changelog.splitlines() if line.startswith("### ")} <= {
        f"### {kind}" for kind in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }
    assert sum(each.entries for each in (unreleased, *released)) == changelog.count("\n- ")
