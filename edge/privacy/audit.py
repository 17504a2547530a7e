"""The audit log: what the box was told to do and did, in a form that nobody can change unseen.

Entries are the leaves of a Merkle tree (RFC 6962, section 2.1; SHA-256). Each entry is followed
at once by a checkpoint, which is the tree's size and root signed with the box's key: C2SP
tlog-checkpoint over C2SP signed-note (https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note),
so any tool that knows these can keep and compare them. The log's name is the checkpoint's origin
and the name of its key.

    edge-anpr/school-street/box-1        origin
    4711                                 size: entries so far, decimal
    CsUYapGG…2I=                         root hash, base64

    — edge-anpr/school-street/box-1 Az3g…8=      key hash (4 bytes) and Ed25519 signature, base64

The key hash is the first 4 bytes of SHA-256 over the name, a newline, the byte 1 and the raw public
key. The signature covers the text above the empty line, its last newline included.

The file has one line for each entry: the signature field of the checkpoint that the entry
completes, a space, the entry as canonical JSON (RFC 8785). All else of a checkpoint follows from
the lines before. So there is no entry without a signature over it and everything before it, and a
line that was not finished can be told from one that was changed.

Which key signs is itself an entry, the first in each log and the first after each rotation: it is
signed with the key that it names. Whoever knows the newest key therefore needs no other.

What can stand in an entry is the closed set of events below. None has room for a plate, a token, a
picture, the time of a passage or free text; counts are coarse (`edge.domain.counting`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, get_args

from pydantic import ConfigDict, Field, StrictBool, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import Self

from edge.errors import AuditError, KeyFileError
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import HitId, Id, KeyId, Sha256
from edge.formats.signing import PublicKey, PublicKeyText
from edge.formats.timestamps import UTC_PATTERN, parse_utc, utc_text

_ED25519: Final = b"\x01"
_SIGNATURE_TEXT = 92  # base64 of 4 + 64 bytes
_DASH: Final = "— ".encode()
_ORIGIN_PATTERN = r"^[a-z0-9][a-z0-9/-]{0,149}$"

Origin = Annotated[str, Field(pattern=_ORIGIN_PATTERN)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,60}$")]
Number = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
Coarse = Literal["<10"] | Annotated[int, Field(strict=True, ge=10, multiple_of=10, le=2**53 - 1)]
"""A count as `edge.domain.counting.coarse` gives it."""

_CHECKED = ConfigDict(extra="forbid", hide_input_in_errors=True)


# --- what may be recorded ---------------------------------------------------------------------


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class KeyInUse:
    """The log's name and the key that signs from this entry on."""

    kind: ClassVar[str] = "key"
    log: Origin
    key: PublicKeyText


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Started:
    """The box began to run: which program, under which policy, with which list of weights."""

    kind: ClassVar[str] = "started"
    version: Word
    policy_sha256: Sha256
    weights_sha256: Sha256


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Stopped:
    """The box ended: `end`, `interrupted`, or the code of what stopped it."""

    kind: ClassVar[str] = "stopped"
    reason: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class StateChanged:
    """Cameras were shut (`safe`), or opened again (`online`), and why."""

    kind: ClassVar[str] = "state"
    state: Literal["online", "safe"]
    reason: Word


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class EpochClosed:
    """An epoch's keys were destroyed. What it saw, and what was deleted meanwhile, in tens."""

    kind: ClassVar[str] = "epoch"
    epoch: Number
    vehicles: Coarse
    hits: Coarse
    deleted: Coarse


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class PolicyChanged:
    """Another policy came into force, or the same for longer; or it was taken out of force.

    `widening` says whether it allows more than the one before; the first allows more than none.
    """

    kind: ClassVar[str] = "policy"
    action: Literal["activated", "renewed", "withdrawn"]
    policy_sha256: Sha256
    widening: StrictBool


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class ListChanged:
    """A bundle of list entries was taken or turned away; its counter as the issuer numbered it."""

    kind: ClassVar[str] = "list"
    action: Literal["installed", "refused", "removed"]
    list: Id
    counter: Number
    bundle_sha256: Sha256


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class SuspensionChanged:
    """An authority shut the cameras, or let them be opened again."""

    kind: ClassVar[str] = "suspension"
    action: Literal["suspended", "resumed"]
    order_sha256: Sha256
    key_id: KeyId


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Deleted:
    """Hits and their keys were erased by a person, or could not be opened any more."""

    kind: ClassVar[str] = "deleted"
    cause: Literal["erased", "unreadable"]
    purpose: Id | None
    hits: Coarse


@checked_dataclass(frozen=True, slots=True, config=_CHECKED)
class Unsealed:
    """An authority opened a hit. The id is random and says nothing of the vehicle."""

    kind: ClassVar[str] = "unsealed"
    hit_id: HitId


Event = (
    KeyInUse
    | Started
    | Stopped
    | StateChanged
    | EpochClosed
    | PolicyChanged
    | ListChanged
    | SuspensionChanged
    | Deleted
    | Unsealed
)
"""Everything that can be recorded."""

EVENTS: Final[dict[str, type[Any]]] = {event.kind: event for event in get_args(Event)}
_ADAPTERS: Final = {kind: TypeAdapter[Any](event) for kind, event in EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place in the log, when it was written, and what happened."""

    number: int
    at: datetime
    event: Event

    def canonical(self) -> bytes:
        """The one spelling that is hashed and stored."""
        return canonical_json(
            {
                "n": self.number,
                "at": utc_text(self.at),
                "event": self.event.kind,
                **told(self.event),
            }
        )

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read an entry that `canonical` has written.

        Raises:
            ValueError: it is none, or spelled in another way.
        """
        content = _OBJECT.validate_json(raw)
        number, at, kind = (content.pop(name, None) for name in ("n", "at", "event"))
        if type(number) is not int or not isinstance(at, str) or not isinstance(kind, str):
            raise ValueError("n, at or event is missing")
        if not re.fullmatch(UTC_PATTERN, at, re.ASCII) or kind not in _ADAPTERS:
            raise ValueError("at or event is of no known form")
        entry = cls(number, parse_utc(at), _ADAPTERS[kind].validate_python(content))
        if entry.canonical() != raw:
            raise ValueError("not the canonical spelling")
        return entry


_OBJECT = TypeAdapter(dict[str, Any])


# --- the tree -----------------------------------------------------------------------------------


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
        """The root hash, 32 bytes; of an empty tree that of nothing."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        *larger, root = self._subtrees
        for left in reversed(larger):
            root = _node(left, root)
        return root

    def copy(self) -> MerkleTree:
        """The same tree, to be grown on its own."""
        twin = MerkleTree()
        twin.size, twin._subtrees = self.size, self._subtrees.copy()
        return twin


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


# --- checkpoints ----------------------------------------------------------------------------


class CheckpointSigner(Protocol):
    """Who signs a log's checkpoints."""

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


def note_key_hash(name: str, key: PublicKey) -> bytes:
    """The 4 bytes by which a signed note names its key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw()).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: the log of this name had this size and this root."""

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
        """What is signed."""
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
    """Checkpoints one after the other, as a witness has kept them; empty lines between are free.

    Signature lines of others (a witness's own) are passed over, as the specification asks.

    Raises:
        AuditError: `E_AUDIT_WITNESS`: something else stands there.
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
                f"line {at + 1}: no checkpoint begins here; give the checkpoints as they came "
                "on the box's audit topic",
                code="E_AUDIT_WITNESS",
            )
        found.append(checkpoint)
        at += 5
        while at < len(lines) and lines[at].startswith(_DASH):
            at += 1


def _checkpoint(lines: Sequence[bytes]) -> Checkpoint | None:
    """The checkpoint of these five lines: origin, size, root, nothing, the log's signature."""
    if len(lines) != 5 or lines[3]:
        return None
    try:
        origin, size = lines[0].decode("ascii"), lines[1].decode("ascii")
        root = base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error):
        return None
    lead = _DASH + lines[0] + b" "
    signature = _signature(lines[4][len(lead) :]) if lines[4].startswith(lead) else None
    if (
        not re.fullmatch(_ORIGIN_PATTERN, origin)
        or not re.fullmatch(r"0|[1-9][0-9]{0,15}", size)
        or len(root) != 32
        or signature is None
    ):
        return None
    return Checkpoint(origin, int(size), root, signature)


def _signature(text: bytes) -> bytes | None:
    """The 68 bytes of a signature field; None if it is none, or spelled in another way."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == 68 and base64.b64encode(raw) == text else None


# --- writing --------------------------------------------------------------------------------


class Chain:
    """A log's end, to which entries are added: tree, key and the last checkpoint.

    Args:
        origin: the log's name.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.tree = MerkleTree()
        self.key: PublicKey | None = None
        self.last: Checkpoint | None = None

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
            check_signature: whether to hold the signature against the key in use.

        Raises:
            AuditError: `E_AUDIT_EDITED`: it is not the line that was written here.
        """
        number = self.tree.size + 1
        signature = _signature(line[:_SIGNATURE_TEXT])
        if signature is None or line[_SIGNATURE_TEXT : _SIGNATURE_TEXT + 1] != b" ":
            raise _edited(number, "it does not begin with a signature")
        raw = line[_SIGNATURE_TEXT + 1 :]
        try:
            entry = Entry.parse(raw)
        except (ValueError, ValidationError, RecursionError):
            # Their text would quote the line.
            raise _edited(number, "it holds no entry of a known form") from None
        if entry.number != self.tree.size:
            raise _edited(number, f"entry {entry.number} stands where {self.tree.size} belongs")
        key = self.key
        if isinstance(entry.event, KeyInUse):
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
            raise _edited(number, "its signature does not cover what stands up to here")
        self.tree, self.key, self.last = tree, key, checkpoint
        return entry


def _edited(line: int, why: str) -> AuditError:
    return AuditError(
        f"line {line}: {why}; the log was changed after it was written, so keep this copy and "
        "compare it with the witness's checkpoints",
        code="E_AUDIT_EDITED",
    )


# --- reading --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """A log in which every line is as it was written.

    Attributes:
        origin: the log's name.
        entries: oldest first.
        last: the newest checkpoint.
        key: the key that signed it.
        vouched: whether that key is one of those that were known from elsewhere.
        witnessed: how many checkpoints of a witness agreed.
    """

    origin: str
    entries: tuple[Entry, ...]
    last: Checkpoint
    key: PublicKey
    vouched: bool
    witnessed: int


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines without their newlines, and what follows the last of them."""
    *lines, rest = data.split(b"\n")
    return lines, rest


def verify_log(
    data: bytes,
    *,
    origin: str | None = None,
    keys: Collection[PublicKey] | None = None,
    witness: Sequence[Checkpoint] = (),
) -> VerifiedLog:
    """Hold every line of a log against the signatures, and the whole against a witness.

    Args:
        data: the log's file.
        origin: the name that it must have; None takes the one it gives itself.
        keys: the keys that its newest checkpoint may be signed with; None takes the one that the
            log names, which says only that the log agrees with itself.
        witness: checkpoints that were kept elsewhere.

    Raises:
        AuditError: `E_AUDIT_EDITED` for a line that was changed, moved, put in or taken out;
            `E_AUDIT_TRUNCATED` if the end is missing; `E_AUDIT_FORK` if a checkpoint tells of
            another log of this name; `E_AUDIT_WITNESS` if one is of another log or key.
    """
    lines, rest = split_lines(data)
    if rest:
        raise AuditError(
            f"line {len(lines) + 1}: it breaks off; the box mends this at its next start if it was "
            "killed while writing, otherwise something is missing here",
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
    if keys is not None and not vouched:
        raise AuditError(
            f"its newest key {chain.key.key_id} is not one of the box's public file; give the "
            "newest public file, and if it is, somebody else went on with this log",
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
            "was cut off, or it was begun anew",
            code="E_AUDIT_TRUNCATED",
        )
    if checkpoint.size and roots[checkpoint.size] != checkpoint.root:
        raise AuditError(
            f"the witness saw another log of {checkpoint.size} entries under this name: there are "
            "two histories, and one of them was shown to you",
            code="E_AUDIT_FORK",
        )


def _origin_of(line: bytes) -> str:
    """The name that a log's first line gives it."""
    try:
        event = Entry.parse(line[_SIGNATURE_TEXT + 1 :]).event
    except (ValueError, ValidationError, RecursionError):
        raise _edited(1, "it holds no entry of a known form") from None
    if not isinstance(event, KeyInUse):
        raise _edited(1, "a log begins with the key that signs it")
    return event.log


def told(event: Event) -> dict[str, Any]:
    """An event's fields by name, as JSON has them."""
    return dict(_ADAPTERS[event.kind].dump_python(event, mode="json"))
