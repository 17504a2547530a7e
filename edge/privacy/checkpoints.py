"""Signed checkpoints of an audit log, and the Merkle tree whose root they sign.

A checkpoint is C2SP tlog-checkpoint over C2SP signed-note (https://c2sp.org/tlog-checkpoint,
https://c2sp.org/signed-note). The log's name is the checkpoint's origin and the name of its key.

    edge-anpr/school-street/box-1        origin
    4711                                 size: entries so far, decimal
    CsUYapGG…2I=                         root hash, base64

    — edge-anpr/school-street/box-1 Az3g…8=      key hash (4 bytes) and Ed25519 signature, base64

The key hash is the first 4 bytes of SHA-256 over the name, a newline, the byte 1 and the raw public
key. The signature covers the text above the empty line, its last newline included.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from typing_extensions import Self

from edge.errors import AuditError
from edge.formats.signing import PublicKey
from edge.privacy.audit_events import ORIGIN_PATTERN

_ED25519: Final = b"\x01"
_DASH: Final = "— ".encode()


class MerkleTree:
    """The RFC 6962 tree over the entries so far, as the roots of its complete subtrees.

    RFC 6962, section 2.1: a leaf's hash is SHA-256(0 ‖ entry), a node's SHA-256(1 ‖ left ‖ right).
    """

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []  # largest first; sizes are the set bits of `size`

    def append(self, entry: bytes) -> None:
        node = hashlib.sha256(b"\0" + entry).digest()
        size = self.size
        while size & 1:
            node = _node(self._subtrees.pop(), node)
            size >>= 1
        self._subtrees.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root hash, 32 bytes; for an empty tree the SHA-256 of no bytes."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        *larger, root = self._subtrees
        for left in reversed(larger):
            root = _node(left, root)
        return root

    def copy(self) -> MerkleTree:
        """An independent copy of the tree."""
        twin = MerkleTree()
        twin.size, twin._subtrees = self.size, self._subtrees.copy()
        return twin


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class CheckpointSigner(Protocol):
    """A key that signs a log's checkpoints."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        ...


def box_log(site: str, box: str) -> str:
    """The name of a box's log."""
    return f"edge-anpr/{site}/{box}"


def authority_log(authority: str) -> str:
    """The name of an authority's log."""
    return f"edge-anpr/authority/{authority}"


def desk_log(authority: str) -> str:
    """The name of the log of an authority's desk."""
    return f"edge-anpr/desk/{authority}"


def note_key_hash(name: str, key: PublicKey) -> bytes:
    """The key hash in a signed note, 4 bytes."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw()).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of a log's size and root hash."""

    origin: str
    size: int
    root: bytes = field(repr=False)
    signature: bytes = field(repr=False)  # key hash and Ed25519 signature, 68 bytes

    @classmethod
    def sign(cls, origin: str, tree: MerkleTree, signer: CheckpointSigner) -> Self:
        unsigned = cls(origin, tree.size, tree.root, b"")
        signature = note_key_hash(origin, signer.public) + signer.sign(unsigned.text())
        return cls(origin, tree.size, tree.root, signature)

    def text(self) -> bytes:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\n".encode()

    def note(self) -> bytes:
        """The checkpoint as a signed note: what is published and what a witness keeps."""
        signature = base64.b64encode(self.signature)
        return b"%s\n%s%s %s\n" % (self.text(), _DASH, self.origin.encode(), signature)

    def signed_by(self, key: PublicKey) -> bool:
        """Whether this key made the signature."""
        return self.signature[:4] == note_key_hash(self.origin, key) and key.verify(
            self.signature[4:], self.text()
        )


def parse_checkpoints(data: bytes) -> tuple[Checkpoint, ...]:
    """Parse checkpoints that follow each other in one file; empty lines between them are ignored.

    Signature lines of other keys, such as a witness's own, are ignored, as specified.

    Raises:
        AuditError: `E_AUDIT_WITNESS`: the text is not a sequence of checkpoints.
    """
    lines = data.split(b"\n")
    found: list[Checkpoint] = []
    at = 0
    while True:
        while at < len(lines) and not lines[at]:
            at += 1
        if at == len(lines):
            return tuple(found)
        checkpoint = _checkpoint(lines[at : at + 5])
        if checkpoint is None:
            raise AuditError(
                f"line {at + 1}: not the beginning of a checkpoint; give the checkpoints as they "
                "came on the box's audit topic",
                code="E_AUDIT_WITNESS",
            )
        found.append(checkpoint)
        at += 5
        while at < len(lines) and lines[at].startswith(_DASH):
            at += 1


def _checkpoint(lines: Sequence[bytes]) -> Checkpoint | None:
    """The checkpoint of these five lines: origin, size, root, empty line, signature."""
    if len(lines) != 5 or lines[3]:
        return None
    try:
        origin, size = lines[0].decode("ascii"), lines[1].decode("ascii")
        root = base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error):
        return None
    lead = _DASH + lines[0] + b" "
    signature = signature_bytes(lines[4][len(lead) :]) if lines[4].startswith(lead) else None
    if (
        not re.fullmatch(ORIGIN_PATTERN, origin)
        or not re.fullmatch(r"0|[1-9][0-9]{0,15}", size)
        or len(root) != 32
        or base64.b64encode(root) != lines[2]
        or signature is None
    ):
        return None
    return Checkpoint(origin, int(size), root, signature)


def signature_bytes(text: bytes) -> bytes | None:
    """The 68 bytes of a signature field; None if it is not valid or not canonical base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == 68 and base64.b64encode(raw) == text else None
