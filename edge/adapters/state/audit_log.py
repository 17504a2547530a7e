"""The audit log on disk: an append-only file, synced after each line.

`audit.log` holds the entries, `audit.checkpoint` the newest checkpoint. If a process was killed
while it wrote a line, that entry was never reported as written; the unfinished line is cut off when
the log is opened again. Any other mismatch is refused: the box does not continue a log that was
changed.

Several programs may add entries at the same time (`run` and other commands). Each locks the file
for one entry and first reads the entries that others have added.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from typing_extensions import Self

from edge.adapters.host.system import SystemClock
from edge.adapters.state.anchor import Anchor, require_contains
from edge.adapters.state.key_files import signing_keys
from edge.adapters.state.state_folder import storage_error
from edge.errors import AuditError, OutboxError
from edge.formats.atomic_files import sync_folder, write_file
from edge.formats.signing import PublicKey
from edge.privacy.audit import Chain, VerifiedLog, split_lines, verify_log
from edge.privacy.audit_events import Event, KeyInUse
from edge.privacy.checkpoints import Checkpoint, CheckpointSigner, box_log, parse_checkpoints
from edge.privacy.keys import BoxKeys
from edge.privacy.safeguards import Safeguards
from edge.site.folder import BoxFolders

FILE_NAME = "audit.log"
CHECKPOINT_NAME = "audit.checkpoint"
log = logging.getLogger(__name__)


class AuditTrail:
    """Adds entries to a log; safe to use from several threads. Made by `AuditTrail.open`."""

    def __init__(
        self,
        path: Path,
        descriptor: int,
        chain: Chain,
        signer: CheckpointSigner,
        utc: Callable[[], datetime],
        anchor: Anchor | None = None,
    ) -> None:
        self._path = path
        self._descriptor = descriptor
        self._chain = chain
        self._signer = signer
        self._utc = utc
        self._anchor = anchor
        self._anchored = False
        self._lock = threading.Lock()
        self._read_bytes = 0
        self._followers: list[Callable[[Checkpoint], None]] = []

    @classmethod
    def open(
        cls,
        folder: Path,
        origin: str,
        signer: CheckpointSigner,
        utc: Callable[[], datetime],
        *,
        known: Collection[PublicKey] = (),
        anchor: Anchor | None = None,
        key_folder: Path | None = None,
    ) -> Self:
        """Open or create the log in a folder; a new key of the signer is recorded first.

        Args:
            folder: the state folder; created with mode 0700 if it is missing.
            origin: the log's name.
            signer: signs the checkpoints.
            utc: the wall clock.
            known: earlier keys of the signer; a log signed with any other key is refused.
            anchor: where the newest checkpoint is kept in addition, once the log records a
                policy, a list or an order.
            key_folder: where these keys are, for the error.

        Raises:
            AuditError: it cannot be read or written, it was altered, or it lacks what the anchor
                saw; `E_AUDIT_KEYS`: it is kept with other keys; `E_AUDIT_FORK`: another key has
                continued it.
        """
        path = folder / FILE_NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            sync_folder(folder)
        except OSError as error:
            raise _unwritable(path, error) from error
        trail = cls(path, descriptor, Chain(origin), signer, utc, anchor)
        try:
            trail._begin(known, key_folder)
        except BaseException:
            trail.close()
            raise
        return trail

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint."""
        with self._lock:
            return _known(self._chain.last)

    def follow(self, follower: Callable[[Checkpoint], None]) -> None:
        """Call a function with the newest checkpoint, now and after each entry."""
        with self._lock:
            self._followers.append(follower)
            follower(_known(self._chain.last))

    def proven(self) -> Safeguards:
        """What the log proves now, with the entries that other processes have added.

        Raises:
            AuditError: it cannot be read, or it was altered.
        """
        with self._lock, _file_lock(self._path, self._descriptor):
            self._take_in()
            return self._chain.proven

    def append(self, event: Event) -> Checkpoint:
        """Add a signed entry; it is on disk when this returns.

        Raises:
            AuditError: it could not be written; the recorded action must then not happen.
        """
        with self._lock, _file_lock(self._path, self._descriptor):
            self._take_in()
            if self._chain.key != self._signer.public:
                raise AuditError(
                    f"{self._path}: the key was rotated meanwhile; run the command again"
                )
            checkpoint = self._add(event)
            for follower in self._followers:
                follower(checkpoint)
        return checkpoint

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self, known: Collection[PublicKey], key_folder: Path | None) -> None:
        with self._lock, _file_lock(self._path, self._descriptor):
            anchor = self._read_anchor((self._signer.public, *known))
            root = self._take_in(0 if anchor is None else anchor.size)
            if anchor is not None:
                require_contains(self._path, self._chain, anchor, root)
            self._compare_with_checkpoint()
            key = self._chain.key
            if key is not None and key != self._signer.public and key not in known:
                where = "the keys in use" if key_folder is None else f"the keys in {key_folder}"
                if self._chain.keys.isdisjoint({self._signer.public, *known}):
                    raise AuditError(
                        f"{self._path}: {where} are not those of this audit log, which key "
                        f"{key.key_id} has signed; name the folder with that key",
                        code="E_AUDIT_KEYS",
                    )
                raise AuditError(
                    f"{self._path}: key {key.key_id}, which is not among {where}, has continued "
                    "this log; leave it where it is, and compare it with the witness's checkpoints",
                    code="E_AUDIT_FORK",
                )
            if key != self._signer.public:
                self._add(KeyInUse(self._chain.origin, self._signer.public.text))
            elif anchor != self._chain.last:  # a process was killed before it wrote the anchor
                self._write_anchor(_known(self._chain.last))

    def _read_anchor(self, keys: Collection[PublicKey]) -> Checkpoint | None:
        if self._anchor is None:
            return None
        try:
            anchor = self._anchor.read(self._chain.origin, keys)
        except OutboxError as error:
            raise AuditError(error.message) from None
        self._anchored = anchor is not None or self._anchor.may_begin
        return anchor

    def _write_anchor(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint in the anchor, if the log records something that must not get lost.

        Without an anchor none is begun unless the box's keys are new: whoever has deleted the
        anchor must not be able to begin another one.
        """
        if self._anchor is not None and self._anchored and self._chain.proven.any:
            try:
                self._anchor.write(checkpoint)
            except OutboxError as error:
                raise AuditError(
                    f"{error.message} (the box does nothing that it cannot record)",
                    code="E_DISK_FULL" if error.code == "E_DISK_FULL" else "E_AUDIT",
                ) from None

    def _take_in(self, wanted: int = 0) -> bytes | None:
        """Read the lines that were added since, and cut off an unfinished last line.

        Returns the root of the log's first `wanted` entries, if it has just read the last of them.

        The newest signature covers all entries before it, so only that one is verified here;
        `edge-anpr audit verify` verifies each.
        """
        try:
            unread = os.fstat(self._descriptor).st_size - self._read_bytes
            data = os.pread(self._descriptor, max(0, unread), self._read_bytes)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        if unread < 0:
            raise AuditError(
                f"{self._path}: it became shorter while it was in use; keep it, and compare it "
                "with the witness's checkpoints",
                code="E_AUDIT_TRUNCATED",
            )
        lines, rest = split_lines(data)
        try:
            root = self._chain.take_all(lines, wanted)
        except AuditError as error:
            raise AuditError(f"{self._path}: {error.message}", code=error.code) from None
        self._read_bytes += len(data) - len(rest)
        if not rest:
            return root
        try:
            os.ftruncate(self._descriptor, self._read_bytes)
            os.fsync(self._descriptor)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        log.warning("%s: an unfinished last entry was cut off", self._path)
        return root

    def _compare_with_checkpoint(self) -> None:
        place = self._path.with_name(CHECKPOINT_NAME)
        try:
            known = parse_checkpoints(place.read_bytes())
        except FileNotFoundError:
            return
        except AuditError:
            known = ()  # damaged: it is ignored, and the next entry replaces it
        except OSError as error:
            raise _unwritable(place, error) from error
        if known and known[-1].size > self._chain.tree.size:
            raise AuditError(
                f"{self._path}: it has {self._chain.tree.size} entries, {place.name} says "
                f"{known[-1].size}; restore the longer log from a copy (docs/audit.md says what "
                "to do if there is none)",
                code="E_AUDIT_TRUNCATED",
            )

    def _add(self, event: Event) -> Checkpoint:
        line, checkpoint = self._chain.sign(event, self._utc(), self._signer)
        try:
            try:
                _write_all(self._descriptor, line, self._read_bytes)
                os.fsync(self._descriptor)
            except OSError:
                # Remove the part of the line that was written before the disk was full.
                os.ftruncate(self._descriptor, self._read_bytes)
                raise
            self._chain.take(line[:-1], check_signature=False)
            self._read_bytes += len(line)
            write_file(self._path.with_name(CHECKPOINT_NAME), checkpoint.note(), sole_writer=True)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self._write_anchor(checkpoint)
        return checkpoint


def open_box_audit(
    box: BoxFolders, keys: BoxKeys, *, before: Collection[PublicKey] = ()
) -> AuditTrail:
    """Open the box's audit log, which records every change on the box.

    Args:
        box: the box's ids and folders.
        keys: sign the checkpoints.
        before: earlier keys that the box's public file no longer names.

    Raises:
        AuditError: it cannot be written, or it was altered.
        KeyFileError: the box's public file cannot be used.
    """
    known = (*signing_keys(box.public_keys), *before)
    log = box_log(box.site, box.box)
    return AuditTrail.open(
        box.state,
        log,
        keys,
        SystemClock().utc,
        known=known,
        anchor=Anchor(box),
        key_folder=box.keys,
    )


def read_log(
    folder: Path,
    *,
    origin: str | None = None,
    keys: tuple[PublicKey, ...] | None = None,
    witness: tuple[Checkpoint, ...] = (),
) -> VerifiedLog:
    """Verify the log of a folder, or a copy of its file, with its own newest checkpoint.

    Args:
        folder: a state folder, or a copy of `audit.log`.
        origin: the name that the log must have; None accepts any.
        keys: see `verify_log`.
        witness: see `verify_log`.

    Raises:
        AuditError: it is missing, or it was altered.
    """
    path = folder / FILE_NAME if folder.is_dir() else folder
    own = path.with_name(CHECKPOINT_NAME)
    try:
        with path.open("rb") as file:
            # A running box may be writing a line now.
            fcntl.flock(file.fileno(), fcntl.LOCK_SH)
            data = file.read()
            beside = parse_checkpoints(own.read_bytes()) if folder.is_dir() and own.exists() else ()
    except FileNotFoundError:
        raise AuditError(
            f"{path}: no audit log here; a box creates one in its first run", code="E_NO_AUDIT"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        verified = verify_log(data, origin=origin, keys=keys, witness=(*witness, *beside))
    except AuditError as error:
        raise AuditError(f"{path}: {error.message}", code=error.code) from None
    return verified


def read_witness(file: Path) -> tuple[Checkpoint, ...]:
    """Read checkpoints that were kept elsewhere, from one file or all files of a folder.

    Raises:
        AuditError: a file cannot be read, or holds something else.
    """
    try:
        files = (
            sorted(each for each in file.iterdir() if each.is_file()) if file.is_dir() else [file]
        )
        found: list[Checkpoint] = []
        for each in files:
            try:
                found += parse_checkpoints(each.read_bytes())
            except AuditError as error:
                raise AuditError(f"{each}: {error.message}", code=error.code) from None
    except OSError as error:
        raise AuditError(
            f"{file}: {error.strerror}; name a file of checkpoints", code="E_AUDIT_WITNESS"
        ) from error
    if not found:
        raise AuditError(
            f"{file}: holds no checkpoint; name a file of checkpoints", code="E_AUDIT_WITNESS"
        )
    return tuple(found)


@contextlib.contextmanager
def _file_lock(path: Path, descriptor: int) -> Iterator[None]:
    """Hold the file's exclusive lock while the block runs; waits for other processes."""
    if descriptor < 0:
        raise AuditError(f"{path}: the audit log is closed")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done


def _known(checkpoint: Checkpoint | None) -> Checkpoint:
    if checkpoint is None:  # not reached: opening records a key
        raise AuditError("the audit log is empty")
    return checkpoint


def _unwritable(path: Path, error: OSError) -> AuditError:
    problem = storage_error(path, error)
    code = "E_DISK_FULL" if problem.code == "E_DISK_FULL" else "E_AUDIT"
    return AuditError(f"{problem.message} (the box does nothing that it cannot record)", code=code)
