"""Our Ed25519 keys as keys and signers of TUF metadata."""

from __future__ import annotations

from typing import Any

from securesystemslib.signer import Key, Signature, Signer, SSlibKey
from tuf.api.metadata import Metadata
from typing_extensions import Self

from edge.errors import KeyFileError
from edge.formats.signing import PublicKey, SigningKey

_ED25519 = "ed25519"


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
