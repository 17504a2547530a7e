"""The audit log: orders to the box and its actions; every later change to it is detected.

Entries (`privacy.audit_events`) are the leaves of a Merkle tree (RFC 6962, section 2.1; SHA-256).
Each entry is followed at once by a checkpoint, which is the tree's size and root signed with the
box's key (`privacy.checkpoints`), so any tool that knows that format can keep and compare them.

The file has one line for each entry: the signature field of the checkpoint that the entry
completes, a space, the entry as canonical JSON (RFC 8785). The rest of a checkpoint
follows from the lines before. So every entry has a signature over itself and everything before it,
and an unfinished line can be distinguished from a changed one.

The key that signs is named in an entry of its own, the first of each log and the first after each
rotation, which is signed with that key. A verifier needs to know only the newest key.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from edge.errors import AuditError, KeyFileError
from edge.formats.signing import PublicKey
from edge.privacy.audit_events import Entry, Event, KeyInUse
from edge.privacy.checkpoints import Checkpoint, CheckpointSigner, MerkleTree, signature_bytes
from edge.privacy.safeguards import Safeguards

ENTRY_AT: Final = 93
"""Where the entry begins on a line: after a signature, base64 of 4 + 64 bytes, and a space."""

# --- writing --------------------------------------------------------------------------------


class Chain:
    """The state that adding an entry needs: the tree, the key and the last checkpoint.

    Args:
        origin: the log's name.

    Attributes:
        proven: what the entries so far prove.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.tree = MerkleTree()
        self.key: PublicKey | None = None
        self.keys: frozenset[PublicKey] = frozenset()
        self.last: Checkpoint | None = None
        self.proven = Safeguards()

    def sign(
        self, event: Event, at: datetime, signer: CheckpointSigner
    ) -> tuple[bytes, Checkpoint]:
        """The line that adds this event, and its checkpoint; `take` it once it is on disk."""
        entry = Entry(self.tree.size, at, event).canonical()
        tree = self.tree.copy()
        tree.append(entry)
        checkpoint = Checkpoint.sign(self.origin, tree, signer)
        return base64.b64encode(checkpoint.signature) + b" " + entry + b"\n", checkpoint

    def take(self, line: bytes, *, check_signature: bool = True) -> Entry:
        """Add a line that is on disk.

        Args:
            line: without its newline.
            check_signature: whether to verify the signature with the key in use.

        Raises:
            AuditError: `E_AUDIT_EDITED`: the line was changed or is in another place;
                `E_AUDIT_KEYS`: the first line is that of another log.
        """
        number = self.tree.size + 1
        signature = signature_bytes(line[: ENTRY_AT - 1])
        if signature is None or line[ENTRY_AT - 1 : ENTRY_AT] != b" ":
            raise _edited(number, "it does not begin with a signature")
        raw = line[ENTRY_AT:]
        try:
            entry = Entry.parse(raw)
        except (ValueError, ValidationError, RecursionError):
            # The exception's text would quote the line.
            raise _edited(number, "it holds no entry of a known form") from None
        if entry.number != self.tree.size:
            raise _edited(
                number, f"this is entry {entry.number}, but entry {self.tree.size} belongs here"
            )
        key = self.key
        if isinstance(entry.event, KeyInUse):
            if entry.event.log != self.origin and self.key is None:
                raise AuditError(
                    f"another log: this is {entry.event.log}, and not {self.origin}; name the "
                    "keys, or the site, of this log",
                    code="E_AUDIT_KEYS",
                )
            if entry.event.log != self.origin:
                raise _edited(number, "it belongs to another log")
            try:
                key = PublicKey.parse(entry.event.key)
            except KeyFileError:
                raise _edited(number, "it names no key") from None
        if key is None:
            raise _edited(number, "a log begins with the key that signs it")
        tree = self.tree.copy()
        tree.append(raw)
        checkpoint = Checkpoint(self.origin, tree.size, tree.root, signature)
        if check_signature and not checkpoint.signed_by(key):
            raise _edited(number, "its signature does not match the log up to this line")
        self.tree, self.key, self.last = tree, key, checkpoint
        self.proven = self.proven.after(entry)
        self.keys |= {key}
        return entry

    def take_all(self, lines: Sequence[bytes], wanted: int) -> bytes | None:
        """Add lines that are on disk; the signature of the last one covers them all.

        Args:
            lines: without their newlines.
            wanted: a number of entries.

        Returns:
            The root of the tree when it had this number of entries; None if it was not passed.

        Raises:
            AuditError: as for `take`.
        """
        root = None
        for position, line in enumerate(lines, start=1):
            self.take(line, check_signature=position == len(lines))
            if self.tree.size == wanted:
                root = self.tree.root
        return root


def _edited(line: int, why: str) -> AuditError:
    return AuditError(
        f"line {line}: {why}; the log was changed after it was written, so keep this copy and "
        "compare it with the witness's checkpoints",
        code="E_AUDIT_EDITED",
    )


# --- reading --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log whose every line was verified.

    Attributes:
        origin: the log's name.
        entries: oldest first.
        last: the newest checkpoint.
        key: the key that signed it.
        vouched: whether that key is one of the given keys, which come from another source.
        witnessed: how many checkpoints of a witness agreed.
    """

    origin: str
    entries: tuple[Entry, ...]
    last: Checkpoint
    key: PublicKey
    vouched: bool
    witnessed: int


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Complete lines without their newlines, and the rest after the last one."""
    *lines, rest = data.split(b"\n")
    return lines, rest


def verify_log(
    data: bytes,
    *,
    origin: str | None = None,
    keys: Collection[PublicKey] | None = None,
    witness: Sequence[Checkpoint] = (),
) -> VerifiedLog:
    """Verify every signature of a log, and compare the log with a witness's checkpoints.

    Args:
        data: the log's file.
        origin: the name that it must have; None accepts the name in the log.
        keys: the keys that its newest checkpoint may be signed with; None accepts the one
            that the log names, which proves only that the log is consistent.
        witness: checkpoints that were kept elsewhere.

    Raises:
        AuditError: `E_AUDIT_EDITED` for a line that was changed, moved, added or removed;
            `E_AUDIT_TRUNCATED` if the end is missing; `E_AUDIT_FORK` if a checkpoint is of a
            different log of this name; `E_AUDIT_WITNESS` if one is of another log or key.
    """
    lines, rest = split_lines(data)
    if rest:
        raise AuditError(
            f"line {len(lines) + 1}: it is incomplete; the box repairs this at its next start if "
            "it was killed while writing, otherwise something is missing here",
            code="E_AUDIT_TRUNCATED",
        )
    if not lines:
        raise AuditError("it is empty; a log begins with a key", code="E_AUDIT_TRUNCATED")
    chain = Chain(origin if origin is not None else _origin_of(lines[0]))
    entries: list[Entry] = []
    key_texts: list[PublicKey] = []
    roots: dict[int, bytes] = {}
    wanted = {checkpoint.size for checkpoint in witness}
    for line in lines:
        entries.append(chain.take(line))
        if isinstance(entries[-1].event, KeyInUse) and chain.key is not None:
            key_texts.append(chain.key)
        if chain.tree.size in wanted:
            roots[chain.tree.size] = chain.tree.root
    if chain.key is None or chain.last is None:
        raise _edited(1, "a log begins with the key that signs it")
    vouched = keys is not None and chain.key in keys
    if keys is not None and chain.keys.isdisjoint(keys):
        raise AuditError(
            f"the given keys are not those of this audit log {chain.origin}, which key "
            f"{chain.key.key_id} has signed; give the public file of the log's owner",
            code="E_AUDIT_KEYS",
        )
    if keys is not None and not vouched:
        raise AuditError(
            f"its newest key {chain.key.key_id} is not one of the box's public file; give the "
            "newest public file; if it is the newest, someone else continued this log",
            code="E_AUDIT_FORK",
        )
    known = [*key_texts, *(keys or ())]
    for checkpoint in witness:
        _compare(checkpoint, chain, known, roots)
    return VerifiedLog(chain.origin, tuple(entries), chain.last, chain.key, vouched, len(witness))


def _compare(
    checkpoint: Checkpoint, chain: Chain, keys: Sequence[PublicKey], roots: dict[int, bytes]
) -> None:
    if checkpoint.origin != chain.origin:
        raise AuditError(
            f"the witness holds a checkpoint of {checkpoint.origin}, and this is the log "
            f"{chain.origin}; give the checkpoints of this log only",
            code="E_AUDIT_WITNESS",
        )
    if not any(checkpoint.signed_by(key) for key in keys):
        raise AuditError(
            f"the witness's checkpoint of size {checkpoint.size} is signed with none of the box's "
            "keys; give the box's public file, and if it is current, the checkpoint is forged",
            code="E_AUDIT_WITNESS",
        )
    if checkpoint.size > chain.tree.size:
        raise AuditError(
            f"the log has {chain.tree.size} entries and the witness saw {checkpoint.size}: its end "
            "was cut off, or the log was started again",
            code="E_AUDIT_TRUNCATED",
        )
    if checkpoint.size and roots[checkpoint.size] != checkpoint.root:
        raise AuditError(
            f"the witness saw another log of {checkpoint.size} entries under this name: there are "
            "two logs, and this is one of them",
            code="E_AUDIT_FORK",
        )


def _origin_of(line: bytes) -> str:
    """The log's name in its first line."""
    try:
        event = Entry.parse(line[ENTRY_AT:]).event
    except (ValueError, ValidationError, RecursionError):
        raise _edited(1, "it holds no entry of a known form") from None
    if not isinstance(event, KeyInUse):
        raise _edited(1, "a log begins with the key that signs it")
    return event.log
