"""Keys as values and as files.

A box has an Ed25519 key that signs hits and an X25519 key that lists are sealed to. An
authority has generations of keys: an X25519 key that hits are sealed to and an Ed25519 key that
signs receipts. A signer of policies, lists or orders has one Ed25519 key; its public half stands
in the policy itself.

| file                            | where                     | mode | holds                      |
|---------------------------------|---------------------------|------|----------------------------|
| `<key id>.private.json`         | the box's keys folder     | 0600 | one generation, both keys  |
| `<site>.<box>.public.json`      | there; the authority      | 0644 | all its generations        |
| `<key id>.private.json`         | the authority's folder    | 0600 | one generation, both keys  |
| `<authority>.public.json`       | there; every box          | 0644 | all its generations        |
| `<signer>.signer.private.json`  | the signer's own folder   | 0600 | its signing key            |

A private file is written once and never overwritten. A new generation is added to the public
file. Of the retired ones the authority keeps the private files, which open what was sealed to
them; the box deletes its own, so that nobody signs with it any more, and no list that was sealed
to it is ever opened again. Keys are 32 raw bytes in
base64 (RFC 7748, RFC 8032); moments are ISO 8601, UTC.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from typing_extensions import Self

from edge.errors import KeyFileError
from edge.formats.framing import framed
from edge.formats.identifiers import Id, KeyId
from edge.formats.signing import PublicKey, PublicKeyText, SigningKey
from edge.formats.strict import Strict

RETIRED_KEY_GRACE = timedelta(days=31)
"""A hit may wait on the box for its whole retention, at most 30 days. What comes later than
this after its key was retired is not accepted any more."""

_MAX_FILE_BYTES = 256 * 1024
_PRIVATE = ".private.json"
_PUBLIC = ".public.json"
_OTHERS = 0o077
_OTHERS_WRITE = 0o022

KeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]


# --- the box ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoxKeys:
    """The box's own keys. `trial` says that they were made for trying out."""

    site: str
    box: str
    key_id: str
    trial: bool
    _signing: Ed25519PrivateKey = field(repr=False, compare=False)
    _lists: X25519PrivateKey | None = field(repr=False, compare=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the current keys from the box's keys folder.

        Raises:
            KeyFileError: no key, a file that others can read, or one that is damaged or of
                another kind.
        """
        public = _the_public_file(folder, _BoxPublicFile, "box")
        generation = _current(folder, public.generations)
        file = folder / f"{generation.key_id}{_PRIVATE}"
        if not file.exists():
            raise KeyFileError(
                f"{file}: the box's private file is missing; restore it, or run "
                "`edge-anpr keys rotate box`"
            )
        _refuse_foreign_private_files(folder)
        private = _read_private(file, _BoxPrivateFile)
        signing = Ed25519PrivateKey.from_private_bytes(_raw(private.signing))
        lists = None
        if private.lists is not None:
            lists = X25519PrivateKey.from_private_bytes(_raw(private.lists))
        key_id = _box_key_id(signing.public_key(), lists.public_key() if lists else None)
        if key_id != generation.key_id or (
            (private.site, private.box) != (public.site, public.box)
        ):
            raise _damaged(file)
        return cls(public.site, public.box, generation.key_id, private.trial, signing, lists)

    @property
    def public(self) -> PublicKey:
        """The key's public half."""
        return PublicKey.from_raw(self._signing.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._signing.sign(message)

    @property
    def lists(self) -> X25519PrivateKey:
        """What opens the lists that were sealed to this box.

        Raises:
            KeyFileError: the keys were made by a version that knew no sealed lists.
        """
        return _made_for_lists(self._lists)


@dataclass(frozen=True, slots=True)
class BoxPublicKeys:
    """All a box has ever signed with, as the authority knows it, and what to seal lists to."""

    site: str
    box: str
    trial: bool
    current: str
    _keys: Mapping[str, Ed25519PublicKey] = field(repr=False, compare=False)
    _retired_at: Mapping[str, datetime] = field(repr=False)
    _lists: X25519PublicKey | None = field(repr=False, compare=False)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a box's public file.

        Raises:
            KeyFileError: missing, unreadable, damaged or of another kind.
        """
        return cls._of(file, _read(file, _BoxPublicFile))

    @classmethod
    def load_all(cls, path: Path) -> dict[tuple[str, str], Self]:
        """Read one public file, or those of all boxes in a folder, by site and box.

        Raises:
            KeyFileError: a file cannot be used, there is none, or two are of one box.
        """
        files = sorted(path.glob(f"*{_PUBLIC}")) if path.is_dir() else [path]
        found: dict[tuple[str, str], Self] = {}
        for file in files:
            if path.is_dir() and not _is_of(file, _BoxPublicFile):
                continue
            keys = cls.load(file)
            if (keys.site, keys.box) in found:
                raise KeyFileError(
                    f"{file}: a second file of box {keys.box} of site {keys.site}; keep the newer"
                )
            found[keys.site, keys.box] = keys
        if not found:
            raise KeyFileError(
                f"{path}: no box's public keys; put the box's <site>.<box>{_PUBLIC} there"
            )
        return found

    @classmethod
    def parse(cls, content: bytes, file: Path) -> Self:
        """Read a box's public file from its bytes; `file` is only named in complaints.

        Raises:
            KeyFileError: damaged or of another kind.
        """
        try:
            return cls._of(file, _BoxPublicFile.model_validate_json(content))
        except ValidationError:
            raise _damaged(file) from None

    @classmethod
    def _of(cls, file: Path, content: _BoxPublicFile) -> Self:
        keys: dict[str, Ed25519PublicKey] = {}
        for generation in content.generations:
            key = Ed25519PublicKey.from_public_bytes(_raw(generation.signing))
            if _box_key_id(key, _list_key(generation)) != generation.key_id:
                raise _damaged(file)
            keys[generation.key_id] = key
        current = _current(file, content.generations)
        return cls(
            site=content.site,
            box=content.box,
            trial=content.trial,
            current=current.key_id,
            _keys=keys,
            _retired_at=_retired(content.generations),
            _lists=_list_key(current),
        )

    @property
    def lists(self) -> X25519PublicKey:
        """What lists for this box are sealed to; its id is `current`.

        Raises:
            KeyFileError: the keys were made by a version that knew no sealed lists.
        """
        return _made_for_lists(self._lists)

    def knows(self, key_id: str) -> bool:
        """Whether the key is the box's, current or retired."""
        return key_id in self._keys

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All of them, current and retired."""
        return tuple(PublicKey.from_raw(key.public_bytes_raw()) for key in self._keys.values())

    def accepts(self, key_id: str, now: datetime) -> bool:
        """Whether the key is the box's, and current or not long retired."""
        retired_at = self._retired_at.get(key_id)
        return key_id in self._keys and (retired_at is None or now < retired_at + RETIRED_KEY_GRACE)

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Whether this is the box's signature under that key, current or retired."""
        return key_id in self._keys and _verified(self._keys[key_id], signature, message)


def new_box_keys(folder: Path, site: str, box: str, now: datetime, *, trial: bool = False) -> Path:
    """Make a box's first keys; returns its public file, for the authority and for list issuers.

    Raises:
        KeyFileError: the folder already holds a box's keys, or cannot be written.
    """
    if _public_files(folder, _BoxPublicFile):
        raise KeyFileError(
            f"{folder}: the box has keys already; run `edge-anpr keys rotate box` for new ones"
        )
    public = _BoxPublicFile(
        site=site,
        box=box,
        trial=trial,
        generations=(_new_box_generation(folder, site, box, now, trial=trial),),
    )
    file = folder / f"{site}.{box}{_PUBLIC}"
    _create(file, public, mode=0o644)
    return file


def rotate_box_keys(folder: Path, now: datetime, *, disown: bool = False) -> Path:
    """Make the box's next keys and delete the private part of all before them.

    With `disown` the public file no longer names the keys before it, so that the authority
    takes nothing more that they have signed: for a key that was stolen.

    A kill in between leaves the old key in use, or an old private file that the next
    rotation deletes. Returns the public file, which goes to the authority anew.

    Raises:
        KeyFileError: there are no keys to rotate, or the folder cannot be written.
    """
    public = _the_public_file(folder, _BoxPublicFile, "box")
    fresh = _new_box_generation(folder, public.site, public.box, now, trial=public.trial)
    retired = () if disown else tuple(_all_retired(public.generations, now))
    generations = (*retired, fresh)
    file = folder / f"{public.site}.{public.box}{_PUBLIC}"
    _replace(file, public.model_copy(update={"generations": generations}))
    for private in folder.glob(f"*{_PRIVATE}"):
        if private.name != f"{fresh.key_id}{_PRIVATE}":
            private.unlink()
    _sync(folder)
    return file


def _new_box_generation(
    folder: Path, site: str, box: str, now: datetime, *, trial: bool
) -> _BoxGeneration:
    signing = Ed25519PrivateKey.generate()
    lists = X25519PrivateKey.generate()
    key_id = _box_key_id(signing.public_key(), lists.public_key())
    private = _BoxPrivateFile(
        site=site,
        box=box,
        trial=trial,
        created_at=now,
        key_id=key_id,
        signing=_text(signing.private_bytes_raw()),
        lists=_text(lists.private_bytes_raw()),
    )
    _create(folder / f"{key_id}{_PRIVATE}", private, mode=0o600)
    return _BoxGeneration(
        key_id=key_id,
        created_at=now,
        signing=_text(signing.public_key().public_bytes_raw()),
        lists=_text(lists.public_key().public_bytes_raw()),
    )


def _box_key_id(signing: Ed25519PublicKey, lists: X25519PublicKey | None) -> str:
    keys = [signing.public_bytes_raw()]
    if lists is not None:
        keys.append(lists.public_bytes_raw())
    return _key_id(b"box", *keys)


def _list_key(generation: _BoxGeneration) -> X25519PublicKey | None:
    if generation.lists is None:
        return None
    return X25519PublicKey.from_public_bytes(_raw(generation.lists))


def _made_for_lists(key: _AnyKey | None) -> _AnyKey:
    if key is None:
        raise KeyFileError(
            "the box's keys were made by an earlier version and have none for lists; run "
            "`edge-anpr keys rotate box` on the box and give its public file to the authority and "
            "to those who issue its lists"
        )
    return key


# --- the authority ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuthorityPublicKeys:
    """An authority as the box knows it: what to seal to, and whose receipts to believe."""

    authority: str
    trial: bool
    key_id: str
    sealing: X25519PublicKey = field(repr=False, compare=False)
    _receipts: Mapping[str, Ed25519PublicKey] = field(repr=False, compare=False)

    @classmethod
    def load(cls, file: Path, *, authority: str | None = None) -> Self:
        """Read an authority's public file.

        Args:
            file: its path.
            authority: the id that the policy gives it; None takes any.

        Raises:
            KeyFileError: missing, unreadable, damaged, of another kind or another authority.
        """
        content = _read(file, _AuthorityPublicFile)
        if authority is not None and content.authority != authority:
            raise KeyFileError(
                f"{file}: these are the keys of authority {content.authority}, not {authority}; "
                "correct the policy's authorities or the file"
            )
        receipts: dict[str, Ed25519PublicKey] = {}
        for generation in content.generations:
            sealing = X25519PublicKey.from_public_bytes(_raw(generation.sealing))
            key = Ed25519PublicKey.from_public_bytes(_raw(generation.receipts))
            if _authority_key_id(sealing, key) != generation.key_id:
                raise _damaged(file)
            receipts[generation.key_id] = key
        current = _current(file, content.generations)
        return cls(
            authority=content.authority,
            trial=content.trial,
            key_id=current.key_id,
            sealing=X25519PublicKey.from_public_bytes(_raw(current.sealing)),
            _receipts=receipts,
        )

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys that sign its receipts and its audit log, all generations."""
        return tuple(PublicKey.from_raw(key.public_bytes_raw()) for key in self._receipts.values())

    def verify_receipt(self, key_id: str, signature: bytes, message: bytes) -> bool:
        """Whether this is the authority's signature under that generation of its keys."""
        return key_id in self._receipts and _verified(self._receipts[key_id], signature, message)


@dataclass(frozen=True, slots=True)
class AuthorityKey:
    """One generation of an authority's private keys."""

    authority: str
    key_id: str
    created_at: datetime
    sealing: X25519PrivateKey = field(repr=False, compare=False)
    _receipts: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def public(self) -> PublicKey:
        """The public half of the key that signs receipts and the authority's audit log."""
        return PublicKey.from_raw(self._receipts.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature for the authority's audit log, 64 bytes."""
        return self._receipts.sign(message)

    def sign_receipt(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._receipts.sign(message)


@dataclass(frozen=True, slots=True)
class AuthorityPrivateKeys:
    """All generations of an authority's keys that it still has."""

    authority: str
    trial: bool
    _generations: Mapping[str, AuthorityKey] = field(repr=False, compare=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read every private file of the authority's folder.

        Raises:
            KeyFileError: no key, keys of two authorities, a file that others can read, or one
                that is damaged or of another kind.
        """
        _require_folder(folder)
        files = sorted(folder.glob(f"*{_PRIVATE}"))
        if not files:
            raise KeyFileError(
                f"{folder}: no private keys; give the authority's folder, or make one with "
                "`edge-anpr keys new authority`"
            )
        generations: dict[str, AuthorityKey] = {}
        contents = [(file, _read_private(file, _AuthorityPrivateFile)) for file in files]
        first = contents[0][1]
        for file, content in contents:
            if content.authority != first.authority:
                raise KeyFileError(
                    f"{folder}: keys of the authorities {first.authority} and "
                    f"{content.authority}; give each a folder of its own"
                )
            sealing = X25519PrivateKey.from_private_bytes(_raw(content.sealing))
            receipts = Ed25519PrivateKey.from_private_bytes(_raw(content.receipts))
            key_id = _authority_key_id(sealing.public_key(), receipts.public_key())
            if key_id != content.key_id:
                raise _damaged(file)
            generations[key_id] = AuthorityKey(
                content.authority, key_id, content.created_at, sealing, receipts
            )
        return cls(first.authority, any(content.trial for _, content in contents), generations)

    @property
    def newest(self) -> AuthorityKey:
        """The generation that was made last."""
        return max(self._generations.values(), key=lambda key: (key.created_at, key.key_id))

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The public halves of all generations' signing keys."""
        return tuple(key.public for key in self._generations.values())

    def generation(self, key_id: str) -> AuthorityKey | None:
        """The keys of this id, or None if they are not, or no longer, there."""
        return self._generations.get(key_id)


def new_authority_keys(folder: Path, authority: str, now: datetime, *, trial: bool = False) -> Path:
    """Make an authority's first keys; returns its public file, which goes to every box.

    Raises:
        KeyFileError: the folder already holds an authority's keys, or cannot be written.
    """
    if _public_files(folder, _AuthorityPublicFile) or any(folder.glob(f"*{_PRIVATE}")):
        raise KeyFileError(
            f"{folder}: there are keys already; run `edge-anpr keys rotate authority` for new ones"
        )
    public = _AuthorityPublicFile(
        authority=authority,
        trial=trial,
        generations=(_new_authority_generation(folder, authority, now, trial=trial),),
    )
    file = folder / f"{authority}{_PUBLIC}"
    _create(file, public, mode=0o644)
    return file


def rotate_authority_keys(folder: Path, now: datetime) -> Path:
    """Make the authority's next keys; the private parts of those before stay.

    Returns the public file, which goes to every box anew.

    Raises:
        KeyFileError: there are no keys to rotate, or the folder cannot be written.
    """
    public = _the_public_file(folder, _AuthorityPublicFile, "authority")
    fresh = _new_authority_generation(folder, public.authority, now, trial=public.trial)
    generations = (*_all_retired(public.generations, now), fresh)
    file = folder / f"{public.authority}{_PUBLIC}"
    _replace(file, public.model_copy(update={"generations": generations}))
    return file


def _new_authority_generation(
    folder: Path, authority: str, now: datetime, *, trial: bool
) -> _AuthorityGeneration:
    sealing = X25519PrivateKey.generate()
    receipts = Ed25519PrivateKey.generate()
    key_id = _authority_key_id(sealing.public_key(), receipts.public_key())
    private = _AuthorityPrivateFile(
        authority=authority,
        trial=trial,
        created_at=now,
        key_id=key_id,
        sealing=_text(sealing.private_bytes_raw()),
        receipts=_text(receipts.private_bytes_raw()),
    )
    _create(folder / f"{key_id}{_PRIVATE}", private, mode=0o600)
    return _AuthorityGeneration(
        key_id=key_id,
        created_at=now,
        sealing=_text(sealing.public_key().public_bytes_raw()),
        receipts=_text(receipts.public_key().public_bytes_raw()),
    )


def _authority_key_id(sealing: X25519PublicKey, receipts: Ed25519PublicKey) -> str:
    return _key_id(b"authority", sealing.public_bytes_raw(), receipts.public_bytes_raw())


def install_public_keys(file: Path, place: Path) -> None:
    """Copy a public file to where it is looked for.

    Raises:
        KeyFileError: there is a file already, or it cannot be written.
    """
    content = _read(file, _AuthorityPublicFile)
    _create(place, content, mode=0o644)


# --- signers of policies, lists and orders ----------------------------------------------------


def new_signer_key(folder: Path, signer: str, now: datetime, *, demo: bool = False) -> Path:
    """Make a signer's key; returns its private file. What goes into the policy is in it too.

    Raises:
        KeyFileError: there is a key of that name already, or the folder cannot be written.
    """
    key = SigningKey.demo_of(signer) if demo else SigningKey.generate(signer)
    content = _SignerPrivateFile(
        signer=signer,
        trial=demo,
        created_at=now,
        key_id=key.public.key_id,
        public=key.public.text,
        signing=_text(key.raw()),
    )
    file = folder / f"{signer}.signer{_PRIVATE}"
    _create(file, content, mode=0o600)
    return file


def load_signer_key(file: Path) -> SigningKey:
    """Read a signer's private file.

    Raises:
        KeyFileError: missing, readable by others, damaged or of another kind.
    """
    content = _read_private(file, _SignerPrivateFile)
    key = SigningKey.from_raw(content.signer, _raw(content.signing))
    if (key.public.key_id, key.public.text, key.demo) != (
        content.key_id,
        content.public,
        content.trial,
    ):
        raise _damaged(file)
    return key


def signing_keys(file: Path) -> tuple[PublicKey, ...]:
    """The public keys in a box's or an authority's public file that sign audit logs.

    Raises:
        KeyFileError: missing, unreadable, damaged or of another kind.
    """
    if file.is_file() and _is_of(file, _AuthorityPublicFile):
        return AuthorityPublicKeys.load(file).public_keys()
    return BoxPublicKeys.load(file).public_keys()


# --- what anyone may know of a key file ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Generation:
    """One key of a file; `retired_at` is None while it is in use."""

    key_id: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Whose keys a file holds, oldest first; never a private key."""

    file: Path
    kind: str
    owner: str
    trial: bool
    generations: tuple[Generation, ...]


def key_facts(path: Path) -> tuple[KeyFacts, ...]:
    """What a key file, or every key file of a folder, holds.

    Raises:
        KeyFileError: a file cannot be used, or there is none.
    """
    files = [path]
    if path.is_dir():
        files = sorted([*path.glob(f"*{_PRIVATE}"), *path.glob(f"*{_PUBLIC}")])
    if not files:
        raise KeyFileError(f"{path}: no keys; make keys with `edge-anpr keys new`")
    return tuple(_facts(file) for file in files)


def _facts(file: Path) -> KeyFacts:
    models = (
        _BoxPublicFile,
        _AuthorityPublicFile,
        _BoxPrivateFile,
        _AuthorityPrivateFile,
        _SignerPrivateFile,
    )
    model: type[_File] = next((each for each in models if _is_of(file, each)), _BoxPublicFile)
    private = issubclass(model, _PrivateFile)
    content = _read_private(file, model) if private else _read(file, model)
    if isinstance(content, _BoxPublicFile | _BoxPrivateFile):
        owner = f"box {content.box} at {content.site}"
    elif isinstance(content, _AuthorityPublicFile | _AuthorityPrivateFile):
        owner = f"authority {content.authority}"
    elif isinstance(content, _SignerPrivateFile):
        owner = f"signer {content.signer}"
    else:
        raise _damaged(file)
    if isinstance(content, _BoxPublicFile | _AuthorityPublicFile):
        generations = tuple(
            Generation(each.key_id, each.created_at, each.retired_at)
            for each in content.generations
        )
    else:
        generations = (Generation(content.key_id, content.created_at, None),)
    return KeyFacts(file, _spoken(_schema_of(model)), owner, content.trial, generations)


# --- what the files hold --------------------------------------------------------------------


class _File(Strict, populate_by_name=True):
    pass


class _Generation(_File):
    key_id: KeyId
    created_at: AwareDatetime
    retired_at: AwareDatetime | None = None


class _BoxGeneration(_Generation):
    signing: KeyText
    lists: KeyText | None = None  # keys of version 0.1 had none


class _AuthorityGeneration(_Generation):
    sealing: KeyText
    receipts: KeyText


class _PublicFile(_File):
    trial: bool


class _BoxPublicFile(_PublicFile):
    schema_: Literal["edge-anpr/box-public-keys/1"] = Field(
        default="edge-anpr/box-public-keys/1", alias="schema"
    )
    site: Id
    box: Id
    generations: tuple[_BoxGeneration, ...] = Field(min_length=1)


class _AuthorityPublicFile(_PublicFile):
    schema_: Literal["edge-anpr/authority-public-keys/1"] = Field(
        default="edge-anpr/authority-public-keys/1", alias="schema"
    )
    authority: Id
    generations: tuple[_AuthorityGeneration, ...] = Field(min_length=1)


class _PrivateFile(_File):
    trial: bool
    created_at: AwareDatetime
    key_id: KeyId


class _BoxPrivateFile(_PrivateFile):
    schema_: Literal["edge-anpr/box-private-key/1"] = Field(
        default="edge-anpr/box-private-key/1", alias="schema"
    )
    site: Id
    box: Id
    signing: KeyText
    lists: KeyText | None = None


class _AuthorityPrivateFile(_PrivateFile):
    schema_: Literal["edge-anpr/authority-private-keys/1"] = Field(
        default="edge-anpr/authority-private-keys/1", alias="schema"
    )
    authority: Id
    sealing: KeyText
    receipts: KeyText


class _SignerPrivateFile(_PrivateFile):
    schema_: Literal["edge-anpr/signer-private-key/1"] = Field(
        default="edge-anpr/signer-private-key/1", alias="schema"
    )
    signer: Id
    public: PublicKeyText
    signing: KeyText


class _AnyFile(BaseModel):
    """Any key file, looked at for its schema only."""

    schema_: str = Field(alias="schema", max_length=80)


_Model = TypeVar("_Model", bound=_File)
_AnyKey = TypeVar("_AnyKey", X25519PrivateKey, X25519PublicKey)
_Public = TypeVar("_Public", bound=_PublicFile)
_AnyGeneration = TypeVar("_AnyGeneration", bound=_Generation)


def _all_retired(
    generations: tuple[_AnyGeneration, ...], now: datetime
) -> Iterator[_AnyGeneration]:
    for generation in generations:
        yield generation.model_copy(update={"retired_at": generation.retired_at or now})


def _retired(generations: tuple[_AnyGeneration, ...]) -> dict[str, datetime]:
    return {
        generation.key_id: generation.retired_at
        for generation in generations
        if generation.retired_at is not None
    }


def _current(file: Path, generations: tuple[_AnyGeneration, ...]) -> _AnyGeneration:
    current = [generation for generation in generations if generation.retired_at is None]
    if len(current) != 1:
        raise _damaged(file)
    return current[0]


# --- reading and writing --------------------------------------------------------------------


def _read(file: Path, model: type[_Model]) -> _Model:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyFileError(
            f"{file}: no such key file; make keys with `edge-anpr keys new`, or copy it there"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"{file}: {error.strerror}; it must be a file that this user can read"
        ) from None
    try:
        schema = _AnyFile.model_validate_json(content).schema_
        if schema != _schema_of(model):
            raise KeyFileError(
                f"{file}: this is {_spoken(schema)}, and {_spoken(_schema_of(model))} is needed; "
                "give the right file"
            )
        return model.model_validate_json(content)
    except ValidationError:
        # The error could quote a private key.
        raise _damaged(file) from None


def _read_private(file: Path, model: type[_Model]) -> _Model:
    try:
        status = file.stat()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; it must be readable") from None
    if status.st_mode & _OTHERS:
        raise KeyFileError(
            f"{file}: others can read this private key (mode {status.st_mode & 0o777:04o}); "
            f"run `chmod 600 {file}`, and `edge-anpr keys rotate` if somebody may have read it",
            code="E_KEY_MODE",
        )
    return _read(file, model)


def _is_of(file: Path, model: type[_File]) -> bool:
    try:
        schema = _AnyFile.model_validate_json(file.read_bytes()).schema_
    except (OSError, ValidationError):
        return True  # its own reading then says what is wrong
    return schema == _schema_of(model)


def _schema_of(model: type[_File]) -> str:
    return str(model.model_fields["schema_"].default)


def _spoken(schema: str) -> str:
    """A kind of file in words; only schemas of ours are repeated."""
    known = {
        "edge-anpr/box-public-keys/1": "a box's public file",
        "edge-anpr/authority-public-keys/1": "an authority's public file",
        "edge-anpr/box-private-key/1": "a box's private file",
        "edge-anpr/authority-private-keys/1": "an authority's private file",
        "edge-anpr/signer-private-key/1": "a signer's private file",
    }
    return known.get(schema, "no key file of this product")


def _require_folder(folder: Path) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError:
        raise KeyFileError(
            f"{folder}: no such keys folder; make keys with `edge-anpr keys new`"
        ) from None
    if not folder.is_dir():
        raise KeyFileError(f"{folder}: not a folder; give the folder that holds the keys")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise KeyFileError(f"{folder}: cannot be read by this user; check its owner and mode")
    if mode & _OTHERS_WRITE:
        raise KeyFileError(
            f"{folder}: others can put keys into this folder (mode {mode & 0o777:04o}); "
            f"run `chmod 700 {folder}`",
            code="E_KEY_MODE",
        )


def _public_files(folder: Path, model: type[_Public]) -> list[Path]:
    return [file for file in sorted(folder.glob(f"*{_PUBLIC}")) if _is_of(file, model)]


def _the_public_file(folder: Path, model: type[_Public], owner: str) -> _Public:
    """The content of the folder's one public file of that kind."""
    _require_folder(folder)
    files = _public_files(folder, model)
    if len(files) > 1:
        for file in files:
            _read(file, model)  # one that is damaged must be told as that
        raise KeyFileError(
            f"{folder}: both {files[0].name} and {files[1].name}; keep the {owner}'s own only"
        )
    if not files:
        raise KeyFileError(f"{folder}: no {owner} keys; run `edge-anpr keys new {owner}`")
    return _read(files[0], model)


def _refuse_foreign_private_files(folder: Path) -> None:
    """A box that holds an authority's private key could open what it has sealed."""
    for file in folder.glob(f"*{_PRIVATE}"):
        if not _is_of(file, _BoxPrivateFile):
            raise KeyFileError(
                f"{file}: not the box's own key; move it away, an authority's private keys "
                "never lie on a box"
            )


def _create(file: Path, content: _File, *, mode: int) -> None:
    """Write a file that does not exist yet: whole, on disk, or not at all."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _beside(file, content, mode) as fresh:
            os.link(fresh, file)  # unlike a rename, this refuses to overwrite
    except FileExistsError:
        raise KeyFileError(f"{file}: exists already; nothing was overwritten") from None
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; the keys folder must be writable") from None


def _replace(file: Path, content: _File) -> None:
    try:
        with _beside(file, content, 0o644) as fresh:
            fresh.replace(file)
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; the keys folder must be writable") from None


@contextlib.contextmanager
def _beside(file: Path, content: _File, mode: int) -> Iterator[Path]:
    """A finished file in the same folder, to be moved into its place."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(
                content.model_dump_json(indent=2, exclude_none=True, by_alias=True).encode() + b"\n"
            )
            stream.flush()
            os.fsync(stream.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(file: Path) -> KeyFileError:
    return KeyFileError(f"{file}: damaged or no key file; restore it from a copy, or make new keys")


# --- bytes ----------------------------------------------------------------------------------


def _key_id(owner: bytes, *keys: bytes) -> str:
    """First 16 hex digits of SHA-256 over the owner's kind and the raw public keys."""
    return hashlib.sha256(framed(b"edge-anpr/key-id/1", owner, *keys)).hexdigest()[:16]


def _verified(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _raw(text: str) -> bytes:
    # The pattern of `KeyText` leaves nothing but 32 bytes (the last digit may have spare bits).
    return base64.b64decode(text, validate=True)
