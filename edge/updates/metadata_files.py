"""Reads and writes files of metadata; nothing in them is proven here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata
from tuf.api.serialization.json import JSONSerializer

from edge.formats.atomic_files import write_file
from edge.formats.regular_files import open_regular_file
from edge.updates.problems import UpdateStateError, explained

LARGEST_METADATA: Final = 5_000_000


def read_metadata(file: Path) -> Metadata[Any]:
    """Metadata from a file; nothing in it is proven.

    Raises:
        UpdateStateError: it cannot be read, or is no metadata.
    """
    try:
        return Metadata.from_bytes(read_bytes(file))
    except RepositoryError:
        raise UpdateStateError(
            f"{file}: no metadata of updates; get the file again from who sent it"
        ) from None


def write_signed(file: Path, metadata: Metadata[Any]) -> None:
    """Write metadata back to the file that it was read from."""
    with explained(file):
        write_file(file, metadata_bytes(metadata), mode=0o644)


def metadata_bytes(metadata: Metadata[Any]) -> bytes:
    """Metadata as it is written."""
    return metadata.to_bytes(JSONSerializer(compact=False))


def read_bytes(file: Path) -> bytes:
    """The content of a file, at most `LARGEST_METADATA` bytes.

    Raises:
        UpdateStateError: it cannot be read.
    """
    with explained(file), open_regular_file(file) as stream:
        return stream.read(LARGEST_METADATA)
