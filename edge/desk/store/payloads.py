"""Keeps sealed hits beside the desk's database: in a folder, or in an object store (`s3`).

A payload is written first, then the row with its key, digest and size is committed, then the hit is
acknowledged. Its key is `DESK/DAY/HIT.DIGEST`. So when a consumer has died in between, the next
delivery writes the same bytes to the same place. `DESK` is random, made with the first payload: two
desks that are given the same place never delete each other's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from edge.adapters.state.state_folder import private_folder, read_file, storage_error
from edge.errors import ConfigError, EdgeError, OutboxError
from edge.formats.atomic_files import sync_folder, write_file

LARGEST_BYTES = 2 * 1024 * 1024
"""More than the largest payload that `site.yaml` allows."""

WRITERS = 8
"""So many payloads are written at a time: an object store takes tens of milliseconds each."""

_OBJECT_NAME = re.compile(r"[0-9a-f]{16}/\d{4}-\d{2}-\d{2}/[0-9a-f]{32}\.[0-9a-f]{16}")

_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{16}\.(?:new|[0-9a-f]{8})")
"""What `write_file` calls a file until it is complete."""


class SealedPayloads(Protocol):
    """Where payloads are; `place` names it in messages.

    Every method raises `OutboxError` `E_PAYLOADS` if the store cannot be used.
    """

    place: str

    def put(self, key: str, payload: bytes) -> None:
        """Write a payload; it is on disk when this returns."""

    def get(self, key: str) -> bytes | None:
        """A payload, at most `LARGEST_BYTES` + 1 bytes of it; None: there is none."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete payloads for good; one that is not there is passed over."""

    def keys(self, desk: str) -> Iterator[str]:
        """The keys of all payloads of a desk, and of what a put that was killed has left."""


def put_together(store: SealedPayloads, payloads: Mapping[str, bytes]) -> None:
    """Write payloads by key, several at the same time; all are on disk when this returns.

    Raises:
        OutboxError: `E_PAYLOADS`: one could not be written. Others may have been.
    """
    first, *others = payloads.items()
    store.put(*first)  # it makes the folder of the day
    if others:
        with ThreadPoolExecutor(min(WRITERS, len(others))) as writers:
            for _ in writers.map(lambda one: store.put(*one), others):
                pass  # a failure is raised here


def is_key(text: str) -> bool:
    """Whether a text has the form of a key, so that it leads nowhere else."""
    return _OBJECT_NAME.fullmatch(text) is not None


def open_payloads(address: str) -> SealedPayloads:
    """Open a store of payloads.

    Args:
        address: `file:///FOLDER`, or `s3://BUCKET/PREFIX` as `edge.desk.store.s3` takes it.

    Raises:
        ConfigError: the address has another form.
        OutboxError: `E_PAYLOADS`: it cannot be used.
    """
    refused = ConfigError(
        "payloads: write file:///FOLDER or s3://BUCKET/PREFIX, without user and password"
    )
    try:
        parts = urlsplit(address)
    except ValueError:
        raise refused from None
    further = bool(parts.query or parts.fragment)
    if parts.scheme == "file" and parts.path.startswith("/") and not (parts.netloc or further):
        return FolderPayloads(Path(parts.path))
    if parts.scheme == "s3" and parts.hostname and not parts.username and not parts.password:
        from edge.desk.store.s3 import S3Payloads  # noqa: PLC0415 - needs the extra `s3`

        return S3Payloads(parts.hostname, parts.path.strip("/"), parts.query)
    raise refused


def unusable(place: str, why: str) -> OutboxError:
    """The error of a store that cannot be used."""
    return OutboxError(
        f"{place}: payloads of hits cannot be kept or read there: {why}", code="E_PAYLOADS"
    )


class FolderPayloads:
    """Payloads as files of mode 0600, in one folder for each day."""

    def __init__(self, folder: Path) -> None:
        self.place = f"file://{folder}"
        self._folder = folder
        try:
            private_folder(folder)
            if folder.stat().st_mode & 0o077:
                raise unusable(self.place, f"other users can read it; run `chmod 700 {folder}`")
        except OSError as error:
            raise self._error(storage_error(folder, error)) from error

    def put(self, key: str, payload: bytes) -> None:
        file = self._folder / key
        try:
            if not file.parent.exists():
                private_folder(file.parent)
                sync_folder(file.parent.parent)
                sync_folder(self._folder)
            write_file(file, payload)
        except OSError as error:
            raise self._error(storage_error(file, error)) from error

    def get(self, key: str) -> bytes | None:
        try:
            return read_file(self._folder / key, LARGEST_BYTES)
        except OutboxError as error:
            raise self._error(error) from error

    def delete(self, keys: Iterable[str]) -> None:
        touched: set[Path] = set()
        try:
            for key in keys:
                file = self._folder / key
                file.unlink(missing_ok=True)
                touched.add(file.parent)
            for folder in touched:
                if folder.exists():
                    sync_folder(folder)
        except OSError as error:
            raise self._error(storage_error(self._folder, error)) from error

    def keys(self, desk: str) -> Iterator[str]:
        try:
            for day in sorted((self._folder / desk).glob("????-??-??")):
                for file in sorted(day.iterdir()):
                    key = f"{desk}/{day.name}/{file.name}"
                    if is_key(key) or _HALF_WRITTEN.fullmatch(file.name):
                        yield key
        except OSError as error:
            raise self._error(storage_error(self._folder, error)) from error

    def _error(self, error: EdgeError) -> OutboxError:
        return unusable(self.place, error.message)
