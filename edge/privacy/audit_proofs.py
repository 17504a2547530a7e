"""Proofs that entries are in an audit log, for people who must not see the rest of the log.

A proof holds some entries and one signed checkpoint. For each entry it has the hashes by which the
checkpoint's root follows from it: an inclusion proof of RFC 6962, section 2.1.1. So each entry is
proven to be in the signed log, at its place, without any other entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edge.errors import AuditError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Sha256
from edge.formats.signing import PublicKey
from edge.formats.strict import StrictMessage
from edge.privacy.audit import ENTRY_AT, split_lines
from edge.privacy.audit_events import Entry, KeyInUse
from edge.privacy.checkpoints import Checkpoint, parse_checkpoints, signature_bytes


class ProvenEntry(StrictMessage):
    """One entry and the hashes from it up to the root, the nearest first."""

    entry: Annotated[str, Field(max_length=4096, description="Canonical JSON of the entry.")]
    path: Annotated[tuple[Sha256, ...], Field(strict=False, max_length=53)]


class AuditProof(StrictMessage):
    """Entries of a log with one signed checkpoint, all entries of which they are a part."""

    schema_: Literal["edge-anpr/audit-proof/1"] = Field(
        default="edge-anpr/audit-proof/1", alias="schema"
    )
    checkpoint: Annotated[str, Field(max_length=1024, description="A signed note.")]
    entries: Annotated[tuple[ProvenEntry, ...], Field(strict=False, max_length=10_000)]

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return canonical_model(self)


def prove_entries(
    log: bytes,
    origin: str,
    keys: Collection[PublicKey],
    mentions: Collection[str],
    wanted: Callable[[Sequence[Entry]], Sequence[int]],
) -> AuditProof:
    """Prove the entries that are wanted, and those that name the log's keys.

    The checkpoint is that of the last wanted entry, so entries that are added later change nothing.

    Args:
        log: the content of the log's file; an unfinished last line is left out.
        origin: the name that the log must have.
        keys: one of them signed the checkpoint.
        mentions: ids of which one is in each wanted entry; no other entry is read.
        wanted: the numbers of the entries to prove, in order, from those that have such an id.

    Raises:
        AuditError: the log was altered, or is another one; `E_NO_AUDIT`: nothing in it is wanted;
            `E_AUDIT_KEYS`: another key signed it.
    """
    lines, _ = split_lines(log)
    raw = [line[ENTRY_AT:] for line in lines]
    marks = [one.encode() for one in (*mentions, '"event":"key"')]
    try:
        entries = [Entry.parse(one) for one in raw if any(mark in one for mark in marks)]
    except (ValidationError, ValueError, RecursionError):
        raise _edited("the log holds an entry of an unknown form") from None
    chosen = list(wanted(entries))
    if not chosen:
        raise AuditError(
            f"the audit log {origin} records nothing of this; restore the log that belongs to it",
            code="E_NO_AUDIT",
        )
    size = chosen[-1] + 1
    named = {one.number for one in entries if isinstance(one.event, KeyInUse) and one.number < size}
    levels = _levels(raw[:size])
    signature = signature_bytes(lines[size - 1][: ENTRY_AT - 1]) or bytes(68)
    checkpoint = Checkpoint(origin, size, levels[-1][0], signature)
    proof = AuditProof(
        checkpoint=checkpoint.note().decode(),
        entries=tuple(
            ProvenEntry(entry=raw[number].decode(), path=_path(levels, number))
            for number in sorted(named.union(chosen))
        ),
    )
    # The signature of this checkpoint covers all entries before it, also those that were not read.
    _, key, _ = verify_proof(proof.canonical(), origin)
    if key not in keys:
        raise AuditError(
            f"the audit log {origin} is signed with another key than the desk's; restore the key "
            "and the log that belong together",
            code="E_AUDIT_KEYS",
        )
    return proof


def verify_proof(data: bytes, origin: str) -> tuple[Checkpoint, PublicKey, tuple[Entry, ...]]:
    """Verify a proof; whether its key is the right one is for the caller to say.

    Returns:
        The checkpoint, the key that signed it, and the entries, oldest first.

    Raises:
        AuditError: `E_AUDIT_EDITED`: an entry is not in the log at its place; `E_AUDIT_FORK`: the
            checkpoint is of another log, or no key that the log names has signed it.
    """
    try:
        proof = parse_canonical(AuditProof, data)
        (checkpoint,) = parse_checkpoints(proof.checkpoint.encode())
        entries = tuple(Entry.parse(one.entry.encode()) for one in proof.entries)
    except (ValidationError, NotCanonicalError, ValueError, AuditError, RecursionError):
        raise _edited("it is no proof in its canonical form") from None
    numbers = [entry.number for entry in entries]
    if checkpoint.note().decode() != proof.checkpoint or numbers != sorted(set(numbers)):
        raise _edited("it is no proof in its canonical form")
    for one, entry in zip(proof.entries, entries, strict=True):
        path = [bytes.fromhex(each) for each in one.path]
        if _root(one.entry.encode(), entry.number, checkpoint.size, path) != checkpoint.root:
            raise _edited(f"entry {entry.number} is not in the log at this place")
    named = [one.event for one in entries if isinstance(one.event, KeyInUse)]
    if checkpoint.origin != origin or {event.log for event in named} != {origin}:
        raise AuditError(
            f"the proof is of another log than {origin}; ask for the proof of this one",
            code="E_AUDIT_FORK",
        )
    try:
        key = PublicKey.parse(named[-1].key)
    except KeyFileError:
        raise _edited("it names no key") from None
    if not checkpoint.signed_by(key):
        raise AuditError(
            f"the checkpoint is not signed with the key that the log {origin} names last; ask for "
            "the proof again",
            code="E_AUDIT_FORK",
        )
    return checkpoint, key, entries


# --- the tree (RFC 6962, section 2.1) -------------------------------------------------------------


def _leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _levels(entries: list[bytes]) -> list[list[bytes]]:
    """The hashes of the tree by level, leaves first; one without a neighbour moves up as it is."""
    levels = [[_leaf(entry) for entry in entries]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_node(left, right) for left, right in zip(below[::2], below[1::2], strict=False)]
        levels.append(above + below[2 * len(above) :])
    return levels


def _path(levels: list[list[bytes]], number: int) -> tuple[str, ...]:
    path = []
    for level in levels[:-1]:
        neighbour = number ^ 1
        if neighbour < len(level):
            path.append(level[neighbour].hex())
        number //= 2
    return tuple(path)


def _root(entry: bytes, number: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that follows from an entry (RFC 9162, section 2.1.3.2); None if it cannot be."""
    last = size - 1
    if number > last:
        return None
    node = _leaf(entry)
    for other in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            node = _node(other, node)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            node = _node(node, other)
        number, last = number >> 1, last >> 1
    return node if last == 0 else None


def _edited(why: str) -> AuditError:
    return AuditError(f"the audit proof: {why}; ask for it again", code="E_AUDIT_EDITED")
