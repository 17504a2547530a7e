"""All computed vectors, and the program part that writes them anew."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.unit.vectors import documents, pages, state
from tests.unit.vectors.cast import COMPUTED, VECTORS
from tests.unit.vectors.documents import Files
from tests.unit.vectors.stored import make_missing

SUMS = VECTORS / "SHA256SUMS"

SETS: dict[str, Callable[[Path], Files]] = {
    one.__name__: one
    for one in (
        documents.signed_documents,
        documents.orders,
        documents.lists,
        documents.status,
        documents.hits,
        documents.tokens,
        documents.audit,
        documents.findings,
        documents.deletions,
        state.key_files,
        state.retention,
        state.databases,
        state.box_state,
        state.evidence_pack,
        state.opened_hits,
        pages.messages,
        pages.metrics,
        pages.schemas,
        pages.summary,
        pages.codes,
        pages.notices,
    )
}
"""What makes a set of files, by its name. Each gets an empty folder to work in."""


def make(name: str, folder: Path) -> Files:
    """The files of one set.

    Args:
        name: which set.
        folder: an empty one, which may not exist yet, for what is made on the way.
    """
    before = os.umask(0o022)  # the modes that are written down are those under the usual mask
    try:
        folder.mkdir(exist_ok=True)
        return SETS[name](folder)
    finally:
        os.umask(before)


def sums() -> str:
    """SHA-256 and name of every vector, by name, as `sha256sum` prints them."""
    files = sorted(path for part in ("computed", "input", "stored")
                   for path in (VECTORS / part).rglob("*") if path.is_file())  # fmt: skip
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(VECTORS).as_posix()}\n"
        for file in files
    )


def write_anew() -> None:
    """Write every computed vector; stored artefacts are made only where they are missing."""
    with tempfile.TemporaryDirectory() as base:
        make_missing(Path(base) / "stored")
        made = {name: make(name, Path(base) / name) for name in SETS}
    shutil.rmtree(COMPUTED, ignore_errors=True)
    for files in made.values():
        for name, content in files.items():
            file = COMPUTED / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    SUMS.write_text(sums(), encoding="utf-8")
