"""The anchor of a box's audit log: its newest checkpoint, kept outside the state folder.

    <anchor folder>/audit.anchor     the newest checkpoint; the folder is the keyring's unless
                                     site.yaml names another
    <keys folder>/first-start        lets a box whose keys were just made begin an anchor: it holds
                                     the bytes that the signing key was made from

Whoever deletes the log, cuts off its end or replaces the state folder by an older copy leaves the
anchor behind, and the box refuses to start. An anchor is begun only while the file `first-start`
fits the key in use. The making of keys leaves this file and the first anchor removes it. Nobody can
make it again, not even with the private key, since its bytes cannot be computed from the key (a
hash gives the key). So deleting the anchor too does not help: the keys are then older than anything
that the box still knows. New keys for a box in use need the whole log and its anchor; without them
the box starts again with another id.

The anchor may be behind the log, since it is written after each entry, but never ahead of it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from edge.adapters.host.system import random_bytes
from edge.adapters.state.key_files import load_box_public_keys
from edge.adapters.state.key_sealing import folder_secret
from edge.adapters.state.state_folder import private_folder, read_file, replace_file
from edge.errors import AuditError, KeyFileError, OutboxError
from edge.formats.atomic_files import remove_strays, write_file
from edge.formats.signing import PublicKey
from edge.privacy.audit import Chain
from edge.privacy.checkpoints import Checkpoint, parse_checkpoints
from edge.privacy.key_generation import public_key_of
from edge.privacy.sealed_keys import NONCE_BYTES, hidden, shown
from edge.site.folder import BoxFolders

ANCHOR_NAME: Final = "audit.anchor"
FIRST_START_NAME: Final = "first-start"
NEW_BOX_CURE: Final = "or start again as a new box with another id, as docs/audit.md describes"

_MAX_BYTES: Final = 4096
_NAME: Final = FIRST_START_NAME.encode()
_FIRST_START_TEXT: Final = (
    b"This box has not been in use yet. The box deletes this file when it records its first policy,"
    b" list or order. Keep it secret, like the private key, and keep no copy.\n"
)


class Anchor:
    """The anchor of one box.

    Args:
        box: the box's ids and folders.
    """

    def __init__(self, box: BoxFolders) -> None:
        self.file = box.anchor / ANCHOR_NAME
        self._first_start = box.keys / FIRST_START_NAME
        self._public_keys = box.public_keys

    @property
    def may_begin(self) -> bool:
        """Whether the box's keys are new, so that an anchor may be begun."""
        return origin_of_unused(self._first_start, self._public_keys) is not None

    def read(self, origin: str, keys: Collection[PublicKey]) -> Checkpoint | None:
        """The stored checkpoint; None if there is none.

        With new keys, an anchor of other keys is of an earlier box and counts as none.

        Args:
            origin: the log's name.
            keys: the box's public keys.

        Raises:
            AuditError: `E_ANCHOR`: it is damaged, or is not of this box.
            OutboxError: it cannot be read.
        """
        content = read_file(self.file, _MAX_BYTES)
        if content is None:
            return None
        try:
            found = parse_checkpoints(content)
        except AuditError:
            found = ()
        if len(found) == 1 and found[0].origin == origin:
            if any(found[0].signed_by(key) for key in keys):
                return found[0]
            if self.may_begin:
                return None
        if len(found) == 1 and found[0].origin != origin:
            raise AuditError(
                f"{self.file}: of another box than site.yaml names; correct `site` and `box` "
                "there, or folders.keyring",
                code="E_ANCHOR",
            )
        raise AuditError(
            f"{self.file}: damaged, or of other keys than this box has; restore it from a copy, "
            f"{NEW_BOX_CURE}",
            code="E_ANCHOR",
        )

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the stored checkpoint; the box then counts as used.

        Raises:
            OutboxError: it cannot be written.
        """
        replace_file(self.file, checkpoint.note())
        self._end_first_start()  # the gate refuses a box that keeps it

    def require_used(self) -> None:
        """Refuse a box that has an anchor and still says that it was never in use.

        Raises:
            AuditError: `E_ANCHOR`.
        """
        self._end_first_start()
        if self._first_start.exists():
            raise AuditError(
                f"{self._first_start}: the box is in use and this user may not delete this file; "
                f"run `rm {self._first_start}` as its owner",
                code="E_ANCHOR",
            )

    def _end_first_start(self) -> None:
        """Delete `first-start`, and the copy that a killed process may have left of it."""
        with contextlib.suppress(OSError):
            self._first_start.unlink(missing_ok=True)
            remove_strays(self._first_start.parent, FIRST_START_NAME)

    def missing(self) -> AuditError:
        """The error for a box in use without an anchor."""
        return AuditError(
            f"{self.file}: missing, so nothing shows that the state folder is complete; restore it "
            f"from a copy, {NEW_BOX_CURE}",
            code="E_ANCHOR",
        )


def origin_of_unused(first_start: Path, public_keys: Path) -> bytes | None:
    """The bytes that the signing key of a box was made from; None if the box was in use.

    A `first-start` that does not fit the key in use says nothing.

    Args:
        first_start: the file `first-start` of the box's keys folder.
        public_keys: the box's public file.
    """
    try:
        content = read_file(first_start, _MAX_BYTES)
        if content is None:
            return None
        public = load_box_public_keys(public_keys)
        secret = folder_secret(first_start.parent)
    except (OutboxError, KeyFileError):
        return None
    for line in content.removeprefix(_FIRST_START_TEXT).splitlines():
        with contextlib.suppress(binascii.Error, KeyFileError):
            origin = base64.b64decode(line, validate=True)
            if secret is not None:
                origin = shown(origin, secret, _NAME)
            if public_key_of(origin).key_id == public.signing_key.key_id:
                return origin
    return None


def allow_first_start(keys: Path, *origins: bytes) -> None:
    """Let a box whose keys were just made begin an anchor.

    Args:
        keys: the box's keys folder.
        origins: what the signing key in use, or the next one, was made from.

    Raises:
        KeyFileError: the keys folder cannot be written.
    """
    secret = folder_secret(keys)
    if secret is not None:  # with these bytes anybody could make the signing key
        origins = tuple(hidden(one, secret, _NAME, random_bytes(NONCE_BYTES)) for one in origins)
    lines = b"".join(base64.b64encode(one) + b"\n" for one in origins)
    try:
        private_folder(keys)
        write_file(keys / FIRST_START_NAME, _FIRST_START_TEXT + lines, sole_writer=True)
    except OutboxError as error:
        raise KeyFileError(error.message) from None
    except OSError as error:
        raise KeyFileError(f"{keys}: {error.strerror}; the keys folder must be writable") from None


def require_contains(path: Path, chain: Chain, anchor: Checkpoint, root: bytes | None) -> None:
    """Refuse a log that does not contain what the anchor saw.

    Args:
        path: the log, for the message.
        chain: the log's entries.
        anchor: the box's anchor.
        root: the log's root at the anchor's size; None if the log is shorter.

    Raises:
        AuditError: `E_AUDIT_TRUNCATED` or `E_AUDIT_FORK`.
    """
    if root is None:
        raise AuditError(
            f"{path}: it has {chain.tree.size} entries, the box's anchor says {anchor.size}: the "
            "state folder was deleted, or replaced by an older copy; restore the latest one, "
            f"{NEW_BOX_CURE}",
            code="E_AUDIT_TRUNCATED",
        )
    if root != anchor.root:
        raise AuditError(
            f"{path}: the box's anchor saw other entries than these; restore the state folder that "
            f"belongs to it, {NEW_BOX_CURE}",
            code="E_AUDIT_FORK",
        )
