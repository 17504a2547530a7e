"""Reads a box's audit log while others write to it, and compares it with the box's anchor."""

from __future__ import annotations

import os
from typing import Final

from edge.adapters.state.anchor import NEW_BOX_CURE, Anchor, require_contains
from edge.adapters.state.audit_log import FILE_NAME
from edge.adapters.state.key_files import signing_keys
from edge.adapters.state.state_folder import file_look, storage_error
from edge.errors import AuditError, EdgeError
from edge.privacy.audit import Chain, split_lines
from edge.privacy.checkpoints import Checkpoint, box_log
from edge.privacy.safeguards import Safeguards
from edge.site.folder import BoxFolders


class LogReader:
    """What a box's audit log proves; only new lines are read at each call.

    Args:
        box: the box's ids and folders.
    """

    def __init__(self, box: BoxFolders) -> None:
        self._box = box
        self._path = box.state / FILE_NAME
        self._anchor = Anchor(box)
        self._origin = box_log(box.site, box.box)
        self._seen: object = None
        self._error: EdgeError | None = None
        self._begin_again()

    def proven(self, *, in_use: bool) -> Safeguards:
        """What the log proves; nothing if there is none yet.

        Args:
            in_use: whether the box must have an anchor, unless its keys are new.

        Raises:
            AuditError: `E_AUDIT_EDITED`, `E_AUDIT_TRUNCATED` or `E_AUDIT_FORK`: the log was
                changed, or is older than the anchor; `E_ANCHOR`: the anchor is missing or damaged.
            EdgeError: log, anchor or the box's public keys cannot be read.
        """
        seen = (file_look(self._path), file_look(self._anchor.file), in_use, self._anchor.may_begin)
        if seen != self._seen:
            self._error = None
            try:
                self._read(in_use=in_use)
            except EdgeError as error:
                self._begin_again()
                self._error = error
            self._seen = seen
        if self._error is not None:
            raise self._error
        return self._chain.proven

    def _begin_again(self) -> None:
        self._chain = Chain(self._origin)
        self._read_bytes = 0
        self._inode = 0
        self._agreed: Checkpoint | None = None

    def _read(self, *, in_use: bool) -> None:
        # The anchor first: the log is never behind it, whatever is written in between.
        public = self._box.public_keys
        keys = signing_keys(public) if public.exists() else ()
        anchor = self._anchor.read(self._origin, keys)
        if anchor is not None and anchor != self._agreed and anchor.size <= self._chain.tree.size:
            self._begin_again()  # the root at that size is not known any more
        found = self._take_in(0 if anchor is None else anchor.size)
        if self._chain.key is not None and self._chain.key not in keys:
            raise AuditError(
                f"{self._path}: it was last signed with key {self._chain.key.key_id}, which is not "
                "among the box's keys; restore the keys or the log that belong together, "
                f"{NEW_BOX_CURE}",
                code="E_AUDIT_FORK",
            )
        if anchor is not None:
            if anchor != self._agreed:
                require_contains(self._path, self._chain, anchor, found)
            self._agreed = anchor
            self._anchor.require_used()
        elif in_use and not self._anchor.may_begin:
            raise self._anchor.missing()

    def _take_in(self, wanted: int) -> bytes | None:
        """Read new lines; returns the root of the log's first `wanted` entries, if it passed it."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._read_bytes:
                    self._begin_again()
                self._inode = status.st_ino
                file.seek(self._read_bytes)
                data = file.read()
        except FileNotFoundError:
            self._begin_again()
            return None
        except OSError as error:
            raise AuditError(storage_error(self._path, error).message) from error
        lines, rest = split_lines(data)  # another process may be writing the rest now
        try:
            root = self._chain.take_all(lines, wanted)
        except AuditError as error:
            raise AuditError(f"{self._path}: {error.message}", code=error.code) from None
        self._read_bytes += len(data) - len(rest)
        return root


def proven_by(box: BoxFolders, *, in_use: bool = False) -> Safeguards:
    """What a box's audit log proves now; see `LogReader.proven`."""
    return LogReader(box).proven(in_use=in_use)


def require_unused(box: BoxFolders) -> None:
    """Refuse to make the first keys of a box that was in use: it needs another id.

    Raises:
        AuditError: `E_ANCHOR`: there is a log, an anchor, or a record of policies, lists or orders.
    """
    in_use = (Anchor(box).file, *(box.state / name for name in _OF_A_BOX_IN_USE))
    found = next((file for file in in_use if file.exists()), None)
    if found is not None:
        raise AuditError(
            f"{found}: box {box.box} was in use, so it gets no first keys; restore its keys, or "
            "move the state folder and the anchor away and give the box an id in site.yaml that "
            "no box of the site ever had",
            code="E_ANCHOR",
        )


_OF_A_BOX_IN_USE: Final = (
    FILE_NAME, "activation.json", "policies", "suspension.json", "list-counters.json",
)  # fmt: skip
