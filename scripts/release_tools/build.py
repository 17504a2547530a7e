"""Wheel and source distribution, built twice from the last commit and compared byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from scripts.release_tools.errors import ReleaseError
from scripts.release_tools.git import commit_time, git


def build(root: Path, into: Path) -> list[Path]:
    """The wheel and the source distribution of the last commit, as files of `into`.

    Both are built a second time in another folder, with another umask, hash seed, locale and time
    zone. SOURCE_DATE_EPOCH is the time of the commit.

    Raises:
        ReleaseError: a build failed, or the two builds differ.
    """
    commit = git(root, "rev-parse", "HEAD")
    epoch = commit_time(root)
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary) / "again"
        _build_once(
            _checkout(root, commit, Path(temporary) / "first", umask=0o022),
            into,
            {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
        )
        _build_once(
            _checkout(root, commit, Path(temporary) / "a" / "longer" / "path", umask=0o077),
            again,
            {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu"},
        )
        compare(into, again)
    return sorted(into.iterdir())


def compare(first: Path, second: Path) -> None:
    """Hold two folders of built files against each other.

    Raises:
        ReleaseError: they do not hold the same files with the same bytes.
    """
    one, other = _digests(first), _digests(second)
    differing = sorted(name for name in one | other if one.get(name) != other.get(name))
    if differing:
        raise ReleaseError(
            f"two builds of the same commit differ in {', '.join(differing)}: unpack both and "
            "compare them; a time, a path or an order got in"
        )


def checksums(files: list[Path]) -> str:
    """Lines of SHA256SUMS, as `sha256sum --check` reads them."""
    return "".join(
        f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(files)
    )


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _checkout(root: Path, commit: str, folder: Path, *, umask: int) -> Path:
    """A clone at `commit`: what git does not hold cannot get into the build."""
    for arguments in (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(root), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", commit],
    ):
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, umask=umask)
        if done.returncode != 0:
            raise ReleaseError(f"{' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return folder


def _build_once(checkout: Path, into: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(into)],
        cwd=checkout,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ReleaseError(f"hatchling could not build the package:\n{done.stderr.strip()}")
