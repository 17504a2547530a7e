"""Archives of updates: a ZIP of flat files, made here and unpacked on the box.

The archive of a release holds one wheel for each package, the product's own among them, and
`requirements.txt`, which names each with its version and digest. The box needs no network for it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.formats.atomic_files import replacing, sync_folder
from edge.updates.problems import UpdateError, explained
from edge.updates.targets import LARGEST_BYTES

REQUIREMENTS: Final = "requirements.txt"
PRODUCT: Final = "edge_anpr"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_WHEEL: Final = re.compile(
    r"([A-Za-z0-9._]+)-([A-Za-z0-9._+!]+)(-[0-9][^-]*)?-[^-]+-[^-]+-[^-]+\.whl"
)
_MOST_FILES: Final = 500
_BLOCK: Final = 1024 * 1024
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def pack_release(wheels: Sequence[Path], version: str, out: Path) -> None:
    """Pack wheels into the archive of a release.

    Args:
        wheels: one for each package; the product's own, of this version, among them.
        version: the version of the product.
        out: the archive's file.

    Raises:
        UpdateError: a file is no wheel, a package is there twice, or the product's is missing.
    """
    lines: dict[str, str] = {}
    for wheel in sorted(wheels):
        named = _WHEEL.fullmatch(wheel.name)
        if named is None:
            raise UpdateError(f"{wheel}: no wheel; give a folder with wheels only")
        package = re.sub(r"[-_.]+", "-", named[1]).lower()
        if package in lines:
            raise UpdateError(f"{wheel}: a second wheel of {package}; keep the one for the boxes")
        with explained(wheel), wheel.open("rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        lines[package] = f"{package}=={named[2]} --hash=sha256:{digest}\n"
    own = lines.get(PRODUCT.replace("_", "-"), "")
    if f"=={version} " not in own:
        raise UpdateError(
            f"there is no wheel of {PRODUCT} {version}; copy the one of this release there"
        )
    pack_files([*wheels], out, {REQUIREMENTS: "".join(lines.values()).encode()})


def pack_files(files: Sequence[Path], out: Path, more: dict[str, bytes] | None = None) -> None:
    """Pack files into an archive, the same bytes each time.

    Raises:
        UpdateError: two files have the same name, or a name cannot be used.
        UpdateStateError: a file cannot be read or written.
    """
    names = [*(one.name for one in files), *(more or {})]
    wrong = next((one for one in names if not _NAME.fullmatch(one) or names.count(one) > 1), None)
    if wrong is not None:
        raise UpdateError(f"{wrong}: twice, or a name that no archive can have; rename the file")
    with (
        explained(out),
        replacing(out, mode=0o644) as stream,
        zipfile.ZipFile(stream, "w") as made,
    ):
        for name, content in sorted((more or {}).items()):
            made.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        for file in sorted(files, key=lambda one: one.name):
            with file.open("rb") as source, made.open(_entry(file), "w") as entry:
                while block := source.read(_BLOCK):
                    entry.write(block)


def unpack(archive: Path, folder: Path) -> tuple[str, ...]:
    """Unpack an archive into a new folder; returns the names of its files.

    Raises:
        UpdateError: no archive of this form, or it would become too large.
        UpdateStateError: it cannot be read or written.
    """
    try:
        with explained(folder), zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            names = [one.filename for one in entries]
            if len(names) > _MOST_FILES or len(set(names)) < len(names):
                raise _unusable(archive, "too many files, or one twice")
            if any(not _NAME.fullmatch(name) for name in names):
                raise _unusable(archive, "a file with a path or an odd name")
            if sum(one.file_size for one in entries) > LARGEST_BYTES:
                raise _unusable(archive, f"more than {LARGEST_BYTES} bytes")
            folder.mkdir(mode=0o755)
            for one in entries:
                with packed.open(one) as source, (folder / one.filename).open("xb") as file:
                    shutil.copyfileobj(source, file, _BLOCK)
            sync_folder(folder)
            return tuple(names)
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        raise _unusable(archive, "damaged, or no ZIP") from None


def _entry(file: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(file.name, _EPOCH)
    entry.file_size = file.stat().st_size
    return entry


def _unusable(archive: Path, why: str) -> UpdateError:
    return UpdateError(f"{archive.name}: not an archive of updates ({why}); have it made again")
