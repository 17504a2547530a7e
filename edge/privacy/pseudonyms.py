"""Pseudonyms of plates, under a secret that exists only in RAM and is destroyed on schedule.

    S(0)          32 random bytes, new at each start
    S(i+1)        HKDF-Extract(salt = 32 fresh random bytes, ikm = S(i))
    K(i, p, r)    HKDF-Expand(S(i), site ‖ box ‖ purpose p ‖ rule r ‖ i, 32 bytes)
    token         HMAC-SHA-256(K, "v1" ‖ plate), first 16 bytes

Every field is length-prefixed. RFC 5869 (HKDF), RFC 2104 (HMAC).

The fresh salt is not kept. So S(i) cannot be computed from S(i+1), nor S(i+1) from a copy of S(i).
The number of possible plates is small enough to try them all: a token protects a plate only once
its secret has been destroyed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from edge.domain.lists import ListEntry
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import TOKEN_BYTES, Candidate, ListedPeriod, PlateToken
from edge.domain.rules import ListTokens
from edge.errors import EdgeError, ExitCode
from edge.formats.framing import framed

SECRET_BYTES = 32
_VERSION = b"v1"


class SaltChainDestroyedError(EdgeError):
    """The secret was destroyed; the box must be started again to get a new one."""

    exit_code = ExitCode.KEYS
    default_code = "E_SALT_DESTROYED"


class SaltChain:
    """The secrets of one box, one epoch at a time. Used by one thread.

    Secrets are held in `bytearray`s and overwritten. Python cannot promise more: the
    libraries below may have made copies that last until their memory is used again.

    Args:
        site: the site's id.
        box: the box's id.
        random_bytes: unpredictable bytes, as many as asked for.

    Raises:
        ValueError: the source of randomness gave another number of bytes.
    """

    __slots__ = ("_box", "_epoch", "_random_bytes", "_secret", "_site")

    def __init__(self, site: str, box: str, random_bytes: Callable[[int], bytes]) -> None:
        self._site = site.encode()
        self._box = box.encode()
        self._random_bytes = random_bytes
        self._epoch = 0
        self._secret = bytearray(self._fresh())

    @property
    def epoch(self) -> int:
        """Number of the current epoch, 0 at the start."""
        return self._epoch

    def rotate(self, epochs: int = 1) -> None:
        """Begin the next epoch; the secret of the current one is overwritten.

        Args:
            epochs: how many have gone by; one rotation serves them all.

        Raises:
            SaltChainDestroyedError: after `destroy`.
        """
        self._require_secret()
        # Same length, so this writes over the old secret's own memory.
        self._secret[:] = hkdf_extract(self._fresh(), self._secret)
        self._epoch += epochs

    def key(self, purpose: str, rule: str) -> bytearray:
        """The key K of this epoch, purpose and rule; the caller overwrites it after use.

        Raises:
            SaltChainDestroyedError: after `destroy`.
        """
        self._require_secret()
        info = framed(
            self._site, self._box, purpose.encode(), rule.encode(), self._epoch.to_bytes(8, "big")
        )
        key = bytearray(SECRET_BYTES)
        hkdf_expand_into(key, self._secret, info)
        return key

    def token(self, purpose: str, rule: str, plate: PlateText) -> PlateToken:
        """The plate's pseudonym in this epoch, for this purpose and rule.

        Raises:
            SaltChainDestroyedError: after `destroy`.
        """
        key = self.key(purpose, rule)
        try:
            return token_under(key, plate)
        finally:
            key[:] = bytes(len(key))

    def tokens(
        self, purpose: str, rule: str, hypotheses: Sequence[Hypothesis]
    ) -> tuple[Candidate, ...]:
        """The hypotheses without their clear text, same order.

        Raises:
            SaltChainDestroyedError: after `destroy`.
        """
        self._require_secret()
        return tuple(
            Candidate(self.token(purpose, rule, hypothesis.text), hypothesis.probability)
            for hypothesis in hypotheses
        )

    def destroy(self) -> None:
        """Overwrite the secret; a second call does nothing."""
        self._secret[:] = bytes(len(self._secret))
        self._secret = bytearray()

    def _fresh(self) -> bytes:
        fresh = self._random_bytes(SECRET_BYTES)
        if len(fresh) != SECRET_BYTES:
            message = f"the source of randomness gave {len(fresh)} bytes, not {SECRET_BYTES}"
            raise ValueError(message)
        return fresh

    def _require_secret(self) -> None:
        if not self._secret:
            raise SaltChainDestroyedError("the salt chain was destroyed; start the box again")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a salt chain is never copied or serialised")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


def token_under(key: bytes | bytearray, plate: PlateText) -> PlateToken:
    """The plate's pseudonym under a key K, see `SaltChain.key`."""
    digest = hmac_sha256(key, framed(_VERSION, plate.reveal().encode()))
    return PlateToken(digest[:TOKEN_BYTES])


def listed_under(key: bytes | bytearray, entries: Iterable[ListEntry]) -> ListTokens:
    """The entries of a list without their plates: their periods by token under a key K."""
    listed: dict[PlateToken, tuple[ListedPeriod, ...]] = {}
    for entry in entries:
        token = token_under(key, entry.plate)
        period = ListedPeriod(entry.entry_id, entry.start, entry.end, entry.stated)
        listed[token] = (*listed.get(token, ()), period)
    return listed


def hmac_sha256(key: bytes | bytearray, message: bytes | bytearray) -> bytes:
    """HMAC-SHA-256, 32 bytes (RFC 2104)."""
    return hmac.digest(key, message, "sha256")


def hkdf_extract(salt: bytes, ikm: bytes | bytearray) -> bytes:
    """HKDF-Extract with SHA-256, 32 bytes (RFC 5869, section 2.2)."""
    return hmac_sha256(salt, ikm)


def hkdf_expand_into(buffer: bytearray, key: bytes | bytearray, info: bytes) -> None:
    """HKDF-Expand with SHA-256 until the buffer is full (RFC 5869, section 2.3)."""
    HKDFExpand(algorithm=SHA256(), length=len(buffer), info=info).derive_into(key, buffer)
