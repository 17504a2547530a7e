"""Reads and writes the zip file of an evidence pack or a case, uncompressed and in canonical form.

It has no dates: the same contents give the same bytes, and a file in any other form is refused. So
nothing can be hidden in it, and reading it cannot take more memory than its size. It is never
unpacked to disk.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from edge.adapters.state.archive import KEPT
from edge.adapters.state.audit_log import FILE_NAME as LOG_FILE
from edge.adapters.state.statistics import FILE_NAME as STATISTICS_FILE
from edge.errors import AuditError, EdgeError
from edge.formats.plurals import quantity
from edge.privacy.deletions import DELETIONS_FILE

MAX_PACK_BYTES: Final = 512 * 1024 * 1024
MAX_FILES: Final = 2000

_MAX_DIRECTORY = MAX_FILES * 256  # bytes; the longest name has 87
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.signature"
BOX_KEYS: Final = "box.public.json"
ACCURACY: Final = "accuracy.json"
_SINGLE: Final = {
    MANIFEST, SIGNATURE, LOG_FILE, BOX_KEYS, STATISTICS_FILE, ACCURACY, DELETIONS_FILE,
}  # fmt: skip


def write_zip(contents: Mapping[str, bytes]) -> bytes:
    """The zip file of these contents, in canonical form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=False) as pack:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            pack.writestr(entry, contents[name])
    return buffer.getvalue()


def read_zip(data: bytes) -> dict[str, bytes]:
    """The contents of an evidence pack's file.

    Raises:
        AuditError: `E_PACK`: it is too large, not a zip file, or not in canonical form.
    """
    return read_plain_zip(
        data,
        MAX_PACK_BYTES,
        belongs=lambda name: name in _SINGLE or KEPT.fullmatch(name) is not None,
        refused=refused,
    )


def read_plain_zip(
    data: bytes,
    max_bytes: int,
    *,
    belongs: Callable[[str], bool],
    refused: Callable[[str], EdgeError],
) -> dict[str, bytes]:
    """The contents of a file that `write_zip` has written; nothing else is accepted.

    Args:
        data: the file's content.
        max_bytes: a larger file is refused.
        belongs: whether a file of this name may be in it.
        refused: makes the error that is raised, from what is wrong.
    """
    if len(data) > max_bytes:
        raise refused(f"larger than {max_bytes // 2**20} MiB, the limit of such a file")
    # The last record of a zip file without a comment: PK 5 6, …, the directory's size, offset, 0.
    if data[-22:-18] != b"PK\5\6" or int.from_bytes(data[-10:-6], "little") > _MAX_DIRECTORY:
        raise refused("not a zip file in the form in which it is written")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as pack:
            entries = pack.infolist()
            _require_plain(entries, len(data), belongs, refused)
            contents = {entry.filename: pack.read(entry) for entry in entries}
            same = write_zip(contents) == data
    except (
        zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, NotImplementedError, EOFError,
        KeyError, OSError, OverflowError, RuntimeError, ValueError,
    ):  # fmt: skip
        raise refused("not a zip file, or damaged") from None
    if not same:
        raise refused("not in the form in which it is written")
    return contents


def _require_plain(
    entries: Sequence[zipfile.ZipInfo],
    size: int,
    belongs: Callable[[str], bool],
    refused: Callable[[str], EdgeError],
) -> None:
    """Refuse compressed, hidden, repeated or linked files before any content is read."""
    names = [entry.filename for entry in entries]
    if foreign := [name for name in names if not belongs(name)]:
        told = quantity(len(foreign), "file that does", "files that do")
        raise refused(f"it has {told} not belong in it")
    if len(set(names)) != len(names):
        raise refused("it has two files of the same name")
    if len(names) > MAX_FILES:
        raise refused(f"it has more than {MAX_FILES} files")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits:
            raise refused("it has a compressed or encrypted file")
        if entry.file_size != entry.compress_size:
            raise refused("it has a file with two different sizes")
    if sum(entry.file_size for entry in entries) > size:
        raise refused("its files are larger than the file itself")


def refused(why: str) -> AuditError:
    """The error of a pack that is not valid: what is wrong, and the cure."""
    return AuditError(f"{why}; ask the box for another evidence pack", code="E_PACK")
