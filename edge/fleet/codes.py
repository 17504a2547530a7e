"""One-time codes: the register keeps a keyed digest of each, so a copy of it gives no code."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.errors import KeyFileError
from edge.fleet.folder import FleetFolder
from edge.formats.atomic_files import create_file, disk_full

_KEY_NAME: Final = "codes.key"
_KEY_BYTES: Final = 32


class CodeDigests:
    """Computes the digests of codes.

    Args:
        key: 32 random bytes, which stay at the authority.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def make(cls, fleet: FleetFolder, random_bytes: Callable[[int], bytes]) -> CodeDigests:
        """Make the key of a new fleet.

        Raises:
            KeyFileError: there is one already, or it cannot be written.
        """
        file = _key_file(fleet)
        try:
            create_file(file, random_bytes(_KEY_BYTES), mode=0o600)
        except OSError as error:
            raise disk_full(file, error) or KeyFileError(
                f"{file}: {error.strerror}; name a new folder"
            ) from None
        return cls.open(fleet)

    @classmethod
    def open(cls, fleet: FleetFolder) -> CodeDigests:
        """Read the key of a fleet.

        Raises:
            KeyFileError: it is missing or damaged.
        """
        file = _key_file(fleet)
        try:
            key = file.read_bytes()
        except OSError as error:
            raise KeyFileError(f"{file}: {error.strerror}; restore it from a copy") from None
        if len(key) != _KEY_BYTES:
            raise KeyFileError(f"{file}: damaged; restore it from a copy")
        return cls(key)

    def of(self, secret: bytes) -> bytes:
        """The digest of a code's secret."""
        return hmac.new(self._key, secret, hashlib.sha256).digest()


def _key_file(fleet: FleetFolder) -> Path:
    return fleet.ca / _KEY_NAME
