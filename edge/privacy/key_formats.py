"""Key files: what each kind holds, parsed from bytes and written to bytes.

| file                            | where                     | mode | holds                      |
|---------------------------------|---------------------------|------|----------------------------|
| `<key id>.private.json`         | the box's keys folder     | 0600 | one generation, both keys  |
| `<site>.<box>.public.json`      | there; the authority      | 0644 | all its generations        |
| `<key id>.private.json`         | the authority's folder    | 0600 | one generation, both keys  |
| `<authority>.public.json`       | there; every box          | 0644 | all its generations        |
| `<signer>.signer.private.json`  | the signer's own folder   | 0600 | its signing key            |

The private files of authorities and signers may be encrypted under a passphrase
(`privacy.protected_keys`), those of a box under a secret of its TPM (`privacy.sealed_keys`); their
names stay the same.

Keys are 32 raw bytes in base64 (RFC 7748, RFC 8032); moments are ISO 8601, UTC. This
module reads and writes no file: a `file` argument is only named in error messages.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from edge.errors import KeyFileError
from edge.formats.curve25519 import ed25519_public_key, x25519_public_key
from edge.formats.identifiers import BASE64_12, BASE64_32, Base64, Id, KeyId
from edge.formats.signing import PublicKey, PublicKeyText, SigningKey
from edge.formats.strict import Strict
from edge.privacy.keys import (
    AuthorityKey,
    AuthorityPublicKeys,
    BoxKeys,
    BoxPublicKeys,
    authority_key_id,
    authority_key_sha256,
    box_key_id,
)

PRIVATE_ENDING: Final = ".private.json"
PUBLIC_ENDING: Final = ".public.json"

KeyText = Annotated[str, Field(pattern=f"^{BASE64_32}$")]


class KeyFile(Strict, populate_by_name=True):
    """What every key file holds; `trial` marks trial keys."""

    trial: bool


class _Generation(Strict, populate_by_name=True):
    key_id: KeyId
    created_at: AwareDatetime
    retired_at: AwareDatetime | None = None


class BoxGeneration(_Generation):
    """The public halves of one generation of a box's keys."""

    signing: KeyText
    lists: KeyText | None = None  # missing in keys of version 0.1


class AuthorityGeneration(_Generation):
    """The public halves of one generation of an authority's keys."""

    sealing: KeyText
    receipts: KeyText


class PublicFile(KeyFile):
    """A file of public keys, which everyone may read."""


class BoxPublicFile(PublicFile):
    """`<site>.<box>.public.json`: all generations of a box's keys."""

    schema_: Literal["edge-anpr/box-public-keys/1"] = Field(
        default="edge-anpr/box-public-keys/1", alias="schema"
    )
    site: Id
    box: Id
    generations: tuple[BoxGeneration, ...] = Field(min_length=1)


class AuthorityPublicFile(PublicFile):
    """`<authority>.public.json`: all generations of an authority's keys."""

    schema_: Literal["edge-anpr/authority-public-keys/1"] = Field(
        default="edge-anpr/authority-public-keys/1", alias="schema"
    )
    authority: Id
    generations: tuple[AuthorityGeneration, ...] = Field(min_length=1)


class PrivateFile(KeyFile):
    """A file with private keys of one generation."""

    created_at: AwareDatetime
    key_id: KeyId


class BoxPrivateFile(PrivateFile):
    """`<key id>.private.json` of a box."""

    schema_: Literal["edge-anpr/box-private-key/1"] = Field(
        default="edge-anpr/box-private-key/1", alias="schema"
    )
    site: Id
    box: Id
    signing: KeyText
    lists: KeyText | None = None


class AuthorityPrivateFile(PrivateFile):
    """`<key id>.private.json` of an authority."""

    schema_: Literal["edge-anpr/authority-private-keys/1"] = Field(
        default="edge-anpr/authority-private-keys/1", alias="schema"
    )
    authority: Id
    sealing: KeyText
    receipts: KeyText


class SignerPrivateFile(PrivateFile):
    """`<signer>.signer.private.json`: the signing key of one person or office."""

    schema_: Literal["edge-anpr/signer-private-key/1"] = Field(
        default="edge-anpr/signer-private-key/1", alias="schema"
    )
    signer: Id
    public: PublicKeyText
    signing: KeyText


class PassphraseKey(Strict):
    """How the key of a protected file is made from its passphrase; `privacy.protected_keys`."""

    kdf: Literal["scrypt"] = "scrypt"
    n: Literal[131072] = 131072
    r: Literal[8] = 8
    p: Literal[1] = 1
    salt: Annotated[str, Field(pattern=f"^{BASE64_32}$")]
    cipher: Literal["chacha20-poly1305"] = "chacha20-poly1305"
    nonce: Annotated[str, Field(pattern=f"^{BASE64_12}$")]


class ProtectedFile(PrivateFile):
    """A private file of a signer or an authority, encrypted under a passphrase."""

    schema_: Literal["edge-anpr/protected-private-key/1"] = Field(
        default="edge-anpr/protected-private-key/1", alias="schema"
    )
    holds: Literal["signer", "authority"]
    owner: Id
    public: PublicKeyText | None = None  # a signer's, for the policy
    passphrase: PassphraseKey
    encrypted: Base64


class SealedBoxFile(PrivateFile):
    """A private file of a box, encrypted under a secret of its TPM; `privacy.sealed_keys`."""

    schema_: Literal["edge-anpr/tpm-private-key/1"] = Field(
        default="edge-anpr/tpm-private-key/1", alias="schema"
    )
    site: Id
    box: Id
    nonce: Annotated[str, Field(pattern=f"^{BASE64_12}$")]
    encrypted: Base64


class _AnyFile(BaseModel):
    """Any key file, of which only the schema is read."""

    schema_: str = Field(alias="schema", max_length=80)


AnyKeyFile = TypeVar("AnyKeyFile", bound=KeyFile)
AnyGeneration = TypeVar("AnyGeneration", bound=_Generation)
_PublicKey = TypeVar("_PublicKey", Ed25519PublicKey, X25519PublicKey)

KINDS: Final[dict[type[KeyFile], str]] = {
    BoxPublicFile: "a box's public file",
    AuthorityPublicFile: "an authority's public file",
    BoxPrivateFile: "a box's private file",
    AuthorityPrivateFile: "an authority's private file",
    SignerPrivateFile: "a signer's private file",
    ProtectedFile: "a private file with a passphrase",
    SealedBoxFile: "a box's private file under its TPM",
}
"""Every kind of key file, in words."""


# --- bytes ----------------------------------------------------------------------------------


def parse_key_file(content: bytes, model: type[AnyKeyFile], file: Path) -> AnyKeyFile:
    """Read a key file of the given kind from its bytes.

    Raises:
        KeyFileError: damaged or of another kind.
    """
    try:
        schema = _AnyFile.model_validate_json(content).schema_
        if schema != _schema_of(model):
            raise KeyFileError(
                f"{file}: this is {_kind_name(schema)}, but {KINDS[model]} is needed; "
                "give the right file"
            )
        return model.model_validate_json(content)
    except ValidationError:
        # The error could quote a private key.
        raise damaged(file) from None


def kind_of(content: bytes) -> type[KeyFile] | None:
    """The kind that a key file's schema names; None if its schema is unknown.

    Raises:
        ValueError: it is not JSON with a schema.
    """
    schema = _AnyFile.model_validate_json(content).schema_
    return next((model for model in KINDS if _schema_of(model) == schema), None)


def key_file_bytes(content: KeyFile) -> bytes:
    """A key file's content as it is stored."""
    text = content.model_dump_json(indent=2, exclude_none=True, by_alias=True)
    return text.encode() + b"\n"


# --- from files to keys -------------------------------------------------------------------


def box_keys(public: BoxPublicFile, private: BoxPrivateFile, file: Path) -> BoxKeys:
    """A box's current keys.

    Args:
        public: the box's public file.
        private: the private file of its current generation.
        file: the private file's path.

    Raises:
        KeyFileError: the two do not belong together.
    """
    signing = Ed25519PrivateKey.from_private_bytes(_raw(private.signing))
    lists = None
    if private.lists is not None:
        lists = X25519PrivateKey.from_private_bytes(_raw(private.lists))
    key_id = box_key_id(signing.public_key(), lists.public_key() if lists else None)
    if key_id != current(public.generations, file).key_id or (
        (private.site, private.box) != (public.site, public.box)
    ):
        raise damaged(file)
    return BoxKeys(public.site, public.box, key_id, private.trial, signing, lists)


def box_public_keys(content: BoxPublicFile, file: Path) -> BoxPublicKeys:
    """A box's public keys, all generations.

    Raises:
        KeyFileError: a key id is not that of its keys, a key is of low order, or not exactly one
            generation is in use.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for generation in content.generations:
        key = _of_file(file, ed25519_public_key, generation.signing)
        if box_key_id(key, _list_key(generation, file)) != generation.key_id:
            raise damaged(file)
        keys[generation.key_id] = key
    newest = current(content.generations, file)
    retired = {
        one.key_id: one.retired_at for one in content.generations if one.retired_at is not None
    }
    return BoxPublicKeys(
        content.site,
        content.box,
        content.trial,
        newest.key_id,
        keys,
        retired,
        _list_key(newest, file),
    )


def parse_box_public_keys(content: bytes, file: Path) -> BoxPublicKeys:
    """A box's public keys from the bytes of its public file.

    Raises:
        KeyFileError: damaged or of another kind.
    """
    return box_public_keys(parse_key_file(content, BoxPublicFile, file), file)


def authority_public_keys(content: AuthorityPublicFile, file: Path) -> AuthorityPublicKeys:
    """An authority's public keys, all generations.

    Raises:
        KeyFileError: a key id is not that of its keys, a key is of low order, or not exactly one
            generation is in use.
    """
    receipts: dict[str, Ed25519PublicKey] = {}
    digests = []
    for generation in content.generations:
        sealing = _of_file(file, x25519_public_key, generation.sealing)
        key = _of_file(file, ed25519_public_key, generation.receipts)
        if authority_key_id(sealing, key) != generation.key_id:
            raise damaged(file)
        receipts[generation.key_id] = key
        digests.append(authority_key_sha256(sealing, key))
    newest = current(content.generations, file)
    return AuthorityPublicKeys(
        content.authority,
        content.trial,
        newest.key_id,
        _of_file(file, x25519_public_key, newest.sealing),
        receipts,
        tuple(digests),
    )


def authority_key(content: AuthorityPrivateFile, file: Path) -> AuthorityKey:
    """One generation of an authority's private keys.

    Raises:
        KeyFileError: the key id is not that of the keys.
    """
    sealing = X25519PrivateKey.from_private_bytes(_raw(content.sealing))
    receipts = Ed25519PrivateKey.from_private_bytes(_raw(content.receipts))
    key_id = authority_key_id(sealing.public_key(), receipts.public_key())
    if key_id != content.key_id:
        raise damaged(file)
    return AuthorityKey(content.authority, key_id, content.created_at, sealing, receipts)


def signer_key(content: SignerPrivateFile, file: Path) -> SigningKey:
    """A signer's key.

    Raises:
        KeyFileError: the public half or the id in the file is not that of the key.
    """
    key = SigningKey.from_raw(content.signer, _raw(content.signing))
    if (key.public.key_id, key.public.text, key.demo) != (
        content.key_id,
        content.public,
        content.trial,
    ):
        raise damaged(file)
    return key


def current(generations: tuple[AnyGeneration, ...], file: Path) -> AnyGeneration:
    """The generation in use.

    Raises:
        KeyFileError: there is none, or more than one.
    """
    found = [generation for generation in generations if generation.retired_at is None]
    if len(found) != 1:
        raise damaged(file)
    return found[0]


# --- public facts about a key file --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Generation:
    """One key of a file; `retired_at` is None while it is in use."""

    key_id: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The owner and the generations of a key file, oldest first; never a private key.

    `policy_key` is a signer's public key, in the form of a policy; `key_sha256` has the digest of
    each generation of an authority, by which a policy names it.
    """

    file: Path
    kind: str
    owner: str
    trial: bool
    generations: tuple[Generation, ...]
    policy_key: str | None = None
    key_sha256: tuple[str, ...] = ()


def facts_of(content: KeyFile, file: Path) -> KeyFacts:
    """Everything in a key file that is not a key.

    Raises:
        KeyFileError: not a key file of this product.
    """
    if isinstance(content, BoxPublicFile | BoxPrivateFile | SealedBoxFile):
        owner = f"box {content.box} at {content.site}"
    elif isinstance(content, AuthorityPublicFile | AuthorityPrivateFile):
        owner = f"authority {content.authority}"
    elif isinstance(content, SignerPrivateFile):
        owner = f"signer {content.signer}"
    elif isinstance(content, ProtectedFile):
        owner = f"{content.holds} {content.owner}"
    else:
        raise damaged(file)
    if isinstance(content, BoxPublicFile | AuthorityPublicFile):
        generations = tuple(
            Generation(each.key_id, each.created_at, each.retired_at)
            for each in content.generations
        )
    else:
        generations = (Generation(content.key_id, content.created_at, None),)
    policy_key = None
    if isinstance(content, SignerPrivateFile | ProtectedFile):
        policy_key = content.public
        if policy_key is not None and PublicKey.parse(policy_key).key_id != content.key_id:
            raise damaged(file)
    digests: tuple[str, ...] = ()
    if isinstance(content, AuthorityPublicFile):
        digests = authority_public_keys(content, file).digests
    kind = KINDS[type(content)]
    return KeyFacts(file, kind, owner, content.trial, generations, policy_key, digests)


def damaged(file: Path) -> KeyFileError:
    """The error about a file that is not a valid key file."""
    return KeyFileError(
        f"{file}: damaged or not a key file; restore it from a copy, or make new keys"
    )


def _list_key(generation: BoxGeneration, file: Path) -> X25519PublicKey | None:
    if generation.lists is None:
        return None
    return _of_file(file, x25519_public_key, generation.lists)


def _of_file(file: Path, parse: Callable[[bytes], _PublicKey], text: str) -> _PublicKey:
    """A public key of a file; one that is refused names the file."""
    try:
        return parse(_raw(text))
    except KeyFileError as error:
        raise KeyFileError(f"{file}: damaged: {error.message}") from None


def _schema_of(model: type[KeyFile]) -> str:
    return str(model.model_fields["schema_"].default)


def _kind_name(schema: str) -> str:
    """A kind of file in words; only schemas of this product are repeated."""
    known = {_schema_of(model): kind for model, kind in KINDS.items()}
    return known.get(schema, "not a key file of this product")


def _raw(text: str) -> bytes:
    # The pattern of `KeyText` leaves nothing but 32 bytes.
    return base64.b64decode(text, validate=True)
