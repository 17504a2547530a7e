"""Our Ed25519 keys as keys and signers of TUF metadata, and which signatures metadata lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from securesystemslib.signer import Key, Signature, Signer, SSlibKey
from tuf.api.metadata import Metadata, Root, Targets
from typing_extensions import Self

from edge.errors import KeyFileError
from edge.formats.signing import PublicKey, SigningKey
from edge.updates.problems import UpdateError
from edge.updates.waves import ROLE

_ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class ReleaseKeys:
    """The public keys of a repository."""

    vendor: PublicKey
    controller: PublicKey
    online: PublicKey

    def require_separate(self) -> None:
        """Refuse one key for two of them.

        Raises:
            UpdateError: two of them are the same key.
        """
        if len({self.vendor.key_id, self.controller.key_id, self.online.key_id}) < 3:
            raise UpdateError(
                "vendor, controller and online key must be three different keys; make each with "
                "`edge-anpr keys new signer`, on the machine of its owner"
            )


def tuf_key(key: PublicKey) -> Key:
    """A public key as TUF metadata names it, under the id that all our files give it."""
    return SSlibKey(key.key_id, _ED25519, _ED25519, {"public": key.raw().hex()})


def sign_metadata(metadata: Metadata[Any], key: SigningKey) -> None:
    """Add the signature of a key to metadata; those of other keys stay.

    Raises:
        KeyFileError: it is a demo key, under which anybody can sign.
    """
    if key.demo:
        raise KeyFileError(
            f"key {key.public.key_id} of {key.signer} is a demo key, under which anybody can sign; "
            "make one with `edge-anpr keys new signer`"
        )
    metadata.sign(_KeySigner(key), append=True)


def counts(root: Metadata[Any], key: PublicKey) -> bool:
    """Whether a root names a key as one that signs roots."""
    return key.key_id in root.signed.roles["root"].keyids


def lacks_signatures(judge: Root | Targets, role: str, metadata: Metadata[Any]) -> str | None:
    """Which signatures metadata lacks, or None."""
    result = judge.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if result.verified:
        return None
    missing = ", ".join(sorted(result.unsigned)) or "a valid one"
    return (
        f"{role} needs {result.threshold} signatures and has {len(result.signed)}; missing: "
        f"{missing}; sign it with `edge-anpr fleet release sign`"
    )


def lacks_online(root: Root, targets: Targets, online: SigningKey) -> str | None:
    """Why an online key does not count under this root and these targets, or None."""
    key = online.public.key_id
    waves = (targets.delegations.roles or {}).get(ROLE) if targets.delegations else None
    for one in (root.roles["snapshot"], root.roles["timestamp"], waves):
        if one is None or key not in one.keyids:
            return f"the online key {key} is another one than they name; give that one"
    return None


class _KeySigner(Signer):
    """Signs with a key that stays within its own class."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def public_key(self) -> Key:
        return tuf_key(self._key.public)

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,
        public_key: Key,
        secrets_handler: Any = None,  # noqa: ANN401 - the library's signature
    ) -> Self:
        """Not used: keys are read by `edge.adapters.state.key_files`."""
        raise NotImplementedError

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._key.public.key_id, self._key.sign(payload).hex())
