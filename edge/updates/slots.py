"""Where versions lie on a box, and the links that say which one is used.

    PROGRAM/releases/0.2.0/      a virtual environment; `complete` in it is written last
    PROGRAM/current              what the box runs
    PROGRAM/proven               what the updater runs: the last version that proved healthy
    WORK/weights/1.4.0/, WORK/words/…, WORK/policy-templates/…, each with `current`

A link is replaced by renaming a new one over it, so there is always one of the two versions.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge.adapters.models.manifest import MANIFEST_FILE, WeightsEntry, read_manifest
from edge.adapters.models.weights import sha256_of
from edge.adapters.state.state_folder import temporary_folder
from edge.errors import ModelError
from edge.formats.atomic_files import sync_folder, write_file
from edge.texts import LANGUAGES, words_problem
from edge.updates.archive import PRODUCT, REQUIREMENTS, unpack
from edge.updates.problems import UpdateError, UpdateStateError, explained
from edge.updates.targets import Kind, TargetFacts, version_key

CURRENT: Final = "current"
PROVEN: Final = "proven"
COMPLETE: Final = "complete"
RELEASES: Final = "releases"
_KEPT: Final = 2
"""How many versions stay besides those that a link names."""


class Slot:
    """The versions of one kind on this box.

    Args:
        kind: what they are.
        program: the program's folder.
        work: the updater's folder.
    """

    def __init__(self, kind: Kind, program: Path, work: Path) -> None:
        self.kind = kind
        self._links = program if kind == "release" else work / kind
        self.versions = program / RELEASES if kind == "release" else work / kind

    @property
    def switched(self) -> bool:
        """Whether a version takes effect by a link; templates are only files."""
        return self.kind != "policy-templates"

    def current(self, link: str = CURRENT) -> str | None:
        """The version that a link names; None if there is no such link.

        Raises:
            UpdateStateError: something else is in its place.
        """
        place = self._links / link
        try:
            version = place.readlink().name
        except FileNotFoundError:
            return None
        except OSError:
            raise UpdateStateError(
                f"{place}: no link to a version; install the box as docs/updates.md describes"
            ) from None
        version_key(version)
        return version

    def point(self, version: str | None, link: str = CURRENT) -> None:
        """Make a link name a version, atomically; None removes the link."""
        place, fresh = self._links / link, self._links / f".{link}.new"
        with explained(place):
            if version is None:
                place.unlink(missing_ok=True)
            else:
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(os.path.relpath(self.versions / version, self._links))
                fresh.replace(place)
            sync_folder(self._links)

    def newest(self) -> str | None:
        """The newest complete version, whatever is in use."""
        return max(self.complete(), key=version_key, default=None)

    def has(self, version: str) -> bool:
        """Whether a version is there as a whole."""
        return (self.versions / version / COMPLETE).is_file()

    def prepare(self, archive: Path, facts: TargetFacts) -> Path:
        """Unpack an archive into the folder of its version, and check it; not in use yet.

        A folder that a killed process left behind is made anew.

        Raises:
            UpdateError: the content is not usable; nothing is left of it.
        """
        folder = self.versions / facts.version
        if self.has(facts.version):
            return folder
        with explained(folder):
            self.versions.mkdir(mode=0o755, parents=True, exist_ok=True)
            if folder.exists():
                shutil.rmtree(folder)
            try:
                _CHECKS[self.kind](archive, folder, facts.version)
                os.sync()  # the files first, then the word that they are complete
                write_file(folder / COMPLETE, b"", mode=0o644)
                sync_folder(self.versions)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return folder

    def prune(self) -> None:
        """Remove old versions; those that a link names and the newest others stay."""
        named = {self.current(), self.current(PROVEN)} if self.switched else set()
        others = sorted(set(self.complete()) - named, key=version_key, reverse=True)
        with explained(self.versions):
            for version in others[_KEPT:]:
                (self.versions / version / COMPLETE).unlink()
                shutil.rmtree(self.versions / version)

    def complete(self) -> list[str]:
        """The versions that are there as a whole."""
        found = (one.parent for one in self.versions.glob(f"*/{COMPLETE}"))
        return [one.name for one in found if not one.is_symlink()]


def require_usable(archive: Path, facts: TargetFacts) -> None:
    """Refuse an archive that a box with this version of the program would refuse.

    Of a release only the list of wheels and the product's wheel are looked for: a box installs it
    to see whether it works.

    Raises:
        UpdateError: the content is not usable, or the archive cannot be read.
    """
    if not archive.is_file():
        return  # whoever copies it says that it is missing
    check = _wheels if facts.kind == "release" else _CHECKS[facts.kind]
    with explained(archive), temporary_folder() as folder:
        check(archive, folder / facts.version, facts.version)


def _wheels(archive: Path, folder: Path, version: str) -> None:
    """Unpack a release; the list of its wheels and the product's wheel are there."""
    names = _listed_wheels(archive, folder)
    if not any(name.startswith(f"{PRODUCT}-{version}-") for name in names):
        raise UpdateError(f"{archive.name}: has no wheel of {PRODUCT} {version}; pack it again")


def _listed_wheels(archive: Path, folder: Path) -> tuple[str, ...]:
    names = unpack(archive, folder)
    if REQUIREMENTS not in names:
        raise UpdateError(f"{archive.name}: has no {REQUIREMENTS}; have it made again")
    return names


def _program(archive: Path, folder: Path, version: str) -> None:
    """Make a virtual environment from the wheels of a release, and start it once."""
    wheels = folder.with_name(f".{folder.name}.wheels")
    if wheels.exists():
        shutil.rmtree(wheels)
    try:
        _listed_wheels(archive, wheels)
        python = getattr(sys, "_base_executable", "") or sys.executable
        _run("venv", python, "-m", "venv", str(folder))
        _run(
            "pip",
            *(str(folder / "bin" / "python"), "-m", "pip", "install", "--isolated", "--quiet"),
            *("--no-index", "--no-deps", "--no-input", "--only-binary", ":all:"),
            *("--disable-pip-version-check", "--no-cache-dir"),
            *("--require-hashes", "--find-links", str(wheels)),
            *("--requirement", str(wheels / REQUIREMENTS)),
        )
        said = _run("it", str(folder / "bin" / "edge-anpr"), "--version").split()
        if said[-1:] != [version]:
            raise UpdateError(
                f"{archive.name}: signed as version {version}, but it says {' '.join(said)[:80]!r};"
                " have it made again"
            )
    finally:
        shutil.rmtree(wheels, ignore_errors=True)


def _weights(archive: Path, folder: Path, _version: str) -> None:
    """Unpack weights; every file has the digest of their manifest."""
    names = unpack(archive, folder)
    if MANIFEST_FILE not in names:
        raise UpdateError(f"{archive.name}: has no {MANIFEST_FILE}; have it made again")
    try:
        entries = read_manifest(folder / MANIFEST_FILE).weights
    except ModelError as error:
        told = error.message.removeprefix(f"{folder}/")
        raise UpdateError(f"{archive.name}: {told}") from None
    named = {MANIFEST_FILE}
    for entry in entries:
        for file, digest in _digests(entry):
            if file not in names or sha256_of(folder / file) != digest:
                raise UpdateError(
                    f"{archive.name}: {file} is missing, or not the file that {MANIFEST_FILE} "
                    "names; have it made again"
                )
            named.add(file)
    if extra := set(names) - named:
        raise UpdateError(f"{archive.name}: {min(extra)} is not in {MANIFEST_FILE}; remove it")


def _digests(entry: WeightsEntry) -> Iterator[tuple[str, str | None]]:
    """The files of an entry with the digests that they must have; None: not pinned."""
    yield entry.file, entry.sha256
    if entry.plate_config is not None:
        yield entry.plate_config.file, entry.plate_config.sha256


def _words(archive: Path, folder: Path, _version: str) -> None:
    """Unpack words; every text of this program is there in every language, and no other."""
    names = unpack(archive, folder)
    if set(names) != {f"{language}.toml" for language in LANGUAGES}:
        raise UpdateError(f"{archive.name}: needs one TOML file for each of {', '.join(LANGUAGES)}")
    if problem := words_problem(folder):
        raise UpdateError(f"{archive.name}: {problem}; complete the texts")


def _templates(archive: Path, folder: Path, _version: str) -> None:
    unpack(archive, folder)


_CHECKS: Final[dict[Kind, Callable[[Path, Path, str], None]]] = {
    "release": _program,
    "weights": _weights,
    "words": _words,
    "policy-templates": _templates,
}


def _run(what: str, *command: str) -> str:
    """Run a command and return what it prints.

    Raises:
        UpdateStateError: there is no room for it on this machine, or no time.
        UpdateError: it failed, with its last line.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell, programs of this machine and of the release
            command, check=False, capture_output=True, text=True, timeout=1800
        )
    except (OSError, subprocess.SubprocessError) as error:
        kind = UpdateStateError if isinstance(error, subprocess.TimeoutExpired) else UpdateError
        raise kind(f"{what} of the new version does not run ({type(error).__name__})") from None
    if done.returncode:
        told = done.stderr or done.stdout
        # Not the version's fault, so it is not given up.
        kind = UpdateStateError if os.strerror(errno.ENOSPC) in told else UpdateError
        last = (told.strip().splitlines() or ["no word"])[-1][:300]
        raise kind(f"{what} of the new version failed: {last}")
    return done.stdout
