"""Build a release from the last commit: packages, bill of materials, checksums, signed tag.

Everything is written to dist/edge-anpr-VERSION. docs/release.md explains each step.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.release_tools.build import build, checksums
from scripts.release_tools.changelog import notes_of, obstacles
from scripts.release_tools.errors import ReleaseError
from scripts.release_tools.git import (
    can_sign,
    changed_files,
    commit_time,
    git,
    sign_tag,
    tag_exists,
)
from scripts.release_tools.sbom import bill_of_materials, differences

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LOCK = "requirements/runtime-cpu.txt"
CHECKS = ("scripts/check", "scripts/test")


def committed(name: str) -> str:
    """The text of a file in the last commit."""
    return git(ROOT, "show", f"HEAD:{name}") + "\n"


def not_ready(version: str, tag: str) -> list[str]:
    """What keeps the last commit from being released, one line each with its cure."""
    found = obstacles(version, committed("CHANGELOG.md"))
    changed = changed_files(ROOT)
    if changed:
        found.append(
            f"{len(changed)} files not committed, the first {changed[0].strip()!r}: "
            "commit or remove them"
        )
    if tag_exists(ROOT, tag):
        found.append(f"the tag {tag} exists already: raise the version in pyproject.toml")
    if not can_sign(ROOT):
        found.append('git has no key to sign with: see docs/release.md, "Signing key"')
    return found


def run_checks() -> None:
    """Run the checks and all tests.

    Raises:
        ReleaseError: one of them failed.
    """
    for program in CHECKS:
        print(f"running {program} ...", flush=True)
        if subprocess.run([ROOT / program], cwd=ROOT, check=False).returncode != 0:
            raise ReleaseError(f"{program} failed: see its output above, mend it and commit")


def write_release(version: str) -> Path:
    """The folder with the built files, which replaces an earlier one of the same version.

    Raises:
        ReleaseError: a build failed, two builds differ, or the bill differs from the lock.
    """
    target = ROOT / "dist" / f"edge-anpr-{version}"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary) / "release"
        files = build(ROOT, folder)
        lock = committed(LOCK)
        bill = folder / f"edge-anpr-{version}.cdx.json"
        bill.write_text(bill_of_materials(lock, version, commit_time(ROOT)), encoding="utf-8")
        found = differences(bill.read_text(encoding="utf-8"), lock)
        if found:
            raise ReleaseError("\n".join(found))
        (folder / "SHA256SUMS").write_text(checksums([*files, bill]), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        folder.replace(target)
    return target


def release(*, dry_run: bool) -> None:
    """Build the release and, unless it is a dry run, check everything first and tag it.

    Raises:
        ReleaseError: the commit cannot be released.
    """
    version = tomllib.loads(committed("pyproject.toml"))["project"]["version"]
    tag = f"v{version}"
    found = not_ready(version, tag)
    if dry_run:
        for line in found:
            print(f"not ready: {line}")
    elif found:
        raise ReleaseError("\n".join(found))
    else:
        run_checks()

    folder = write_release(version)
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    print(f"{folder.relative_to(ROOT)}:\n{sums}", end="")
    if dry_run:
        print(f"dry run: {tag} was not made")
        return
    notes = notes_of(version, committed("CHANGELOG.md"))
    sign_tag(ROOT, tag, f"edge-anpr {version}\n\n{notes}\n\nSHA256SUMS\n\n{sums}")
    print(f"made {tag}; publish it with: git push origin {tag}")


def main() -> int:
    """Exit status: 0 done, 1 refused, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="scripts/release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  scripts/release --dry-run",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="build and compare everything, but run no test and make no tag",
    )
    try:
        release(dry_run=parser.parse_args().dry_run)
    except ReleaseError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
