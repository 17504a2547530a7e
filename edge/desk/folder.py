"""A desk's folder: whose it is, where its database is, the key of its audit log, and the log.

    desk.json                   authority and address of the database; null: desk.sqlite3 beside it
    desk.signer.private.json    signs the audit log
    desk.codes.key              seals the secrets of one-time codes, and keys the digests of names
                                that are typed at a login; made when it is first needed
    desk.typing.key             without it no digest of a typed plate can be tested
    audit.log                   every change of people and rights (docs/audit.md)
    desk.sqlite3                the store, unless it is in PostgreSQL
    desk.unfinished             only while the desk is made

`desk.json` may hold a database password, so it has mode 0600, and no message quotes the address.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.adapters.state.audit_log import FILE_NAME as LOG_NAME
from edge.adapters.state.audit_log import AuditTrail
from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.adapters.state.state_folder import (
    exclusive,
    read_file,
    replace_file,
    storage_error,
)
from edge.desk.cases import needs_secret
from edge.desk.people import DeskPeople
from edge.desk.provider_config import ProviderConfig
from edge.desk.rights import RightTerms
from edge.desk.second_factor import KEY_BYTES, anybody_has_codes
from edge.desk.store.database import DeskDatabase, sqlite_address
from edge.errors import ConfigError, KeyFileError, OutboxError
from edge.formats.atomic_files import sync_folder
from edge.formats.identifiers import Id
from edge.formats.signing import SigningKey
from edge.formats.strict import StrictMessage
from edge.privacy.checkpoints import desk_log

CONFIG_NAME = "desk.json"
DATABASE_NAME = "desk.sqlite3"
CODES_KEY_NAME = "desk.codes.key"
TYPING_KEY_NAME = "desk.typing.key"
UNFINISHED_NAME = "desk.unfinished"
_LOCK_NAME = "desk.secrets.lock"
_KEY_OF = "desk"
_MAX_BYTES = 64 * 1024
_LONGEST_SECRET = 4096
_FIRST_FILES = re.compile(
    r"desk\.(?:unfinished|json|signer\.private\.json|sqlite3(?:-journal|-wal|-shm)?)|audit\.(?:log|checkpoint)"
    r"|\.(?:desk\.json\.[0-9a-f]{8}|audit\.checkpoint\.new)"
)
"""What a desk that is being made has written."""
_FIRST_ENTRIES = 3
"""Entries of the log that the making of a desk writes: its key, the first account, its right."""


class DeskConfig(StrictMessage):
    """The content of `desk.json`."""

    schema_: Literal["edge-anpr/desk/1"] = Field(default="edge-anpr/desk/1", alias="schema")
    authority: Id
    database: str | None = Field(default=None, repr=False)
    payloads: str | None = None
    second_factor: Literal["required", "optional"] = "required"
    oidc: ProviderConfig | None = None


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """The account that is made with the desk."""

    person: str
    full_name: str
    terms: RightTerms


@dataclass(frozen=True, slots=True)
class DeskFolder:
    """A desk's folder that exists. Made by `open_folder` or `make_folder`."""

    path: Path
    config: DeskConfig

    @property
    def address(self) -> str:
        """The address of the database; it may hold a password."""
        return self.config.database or sqlite_address(self.path / DATABASE_NAME)

    def open_database(self) -> DeskDatabase:
        """Open the database.

        Raises:
            OutboxError: it is away, damaged or of another version; `E_NO_DESK`: it is lost.
        """
        try:
            opened = DeskDatabase.open(self.address, self.config.payloads)
        except OutboxError as error:
            if error.code != "E_NO_DESK":
                raise
            raise OutboxError(
                f"{error.message.partition(';')[0]}, but {self.path / CONFIG_NAME} names it; "
                f"{_cure(self.path)}",
                code="E_NO_DESK",
            ) from None
        with contextlib.suppress(OSError):  # only a desk that can write was being made
            (self.path / UNFINISHED_NAME).unlink(missing_ok=True)
        opened.names_key = lambda: self.names_key(opened)
        return opened

    def open_audit(self, utc: Callable[[], datetime]) -> AuditTrail:
        """Open the audit log.

        Raises:
            AuditError: it cannot be written, or was altered.
            KeyFileError: its key is missing or can be read by others.
        """
        return AuditTrail.open(
            self.path,
            desk_log(self.config.authority),
            self.signing_key(),
            utc,
            key_folder=self.path,
        )

    def codes_key(self, database: DeskDatabase) -> bytes:
        """The key that seals the secrets of one-time codes, 32 bytes; made if there is none.

        Raises:
            OutboxError: `E_STORE_MODE`: others can read it; it is damaged, cannot be written, or
                is missing although people of this desk have one-time codes.
        """
        without = "people with one-time codes log in with a recovery code and set them up again"
        return self._secret(CODES_KEY_NAME, without, lambda: anybody_has_codes(database))

    def names_key(self, database: DeskDatabase) -> bytes:
        """The key for digests of names that are typed at a login, 32 bytes, made of `codes_key`.

        Raises:
            OutboxError: as `codes_key`.
        """
        return hmac.digest(self.codes_key(database), b"edge-anpr desk names of logins", "sha256")

    def typing_secret(self, database: DeskDatabase) -> bytes:
        """The secret of the typing keys of cases, 32 bytes; made if there is none.

        Raises:
            OutboxError: `E_STORE_MODE`: others can read it; it is damaged, cannot be written, or
                is missing although cases of this desk need it.
        """
        without = "plates that were typed before are then no longer recognised"
        return self._secret(TYPING_KEY_NAME, without, lambda: needs_secret(database))

    def _secret(self, name: str, without: str, needed: Callable[[], bool]) -> bytes:
        """The secret in a file; made if there is none, unless the database needs the one before.

        Args:
            name: of the file.
            without: what happens with a new one.
            needed: whether the database holds something that was made with it.
        """
        file = self.path / name
        cure = (
            "restore it from a backup; if there is none, run "
            f"`(umask 077; openssl rand -hex 32 > {file})`: {without}"
        )
        with exclusive(self.path / _LOCK_NAME):
            found = _read_secret(file, cure)
            if found is None and needed():
                raise OutboxError(f"{file}: missing, and this desk needs it; {cure}")
            return found or _new_secret(file)

    def provider_secret(self) -> str:
        """The secret of the desk at the provider of logins.

        Raises:
            ConfigError: `E_OIDC`: the file is missing, others can read it, or it holds no secret.
        """
        config = self.config.oidc
        file = self.path / ("" if config is None else config.client_secret_file)
        where = f"{self.path / CONFIG_NAME}: oidc.client_secret_file: {file}"
        content, mode = None, 0
        with contextlib.suppress(OutboxError, OSError):
            content = read_file(file, _MAX_BYTES)
            mode = file.stat().st_mode
        if content is None:
            raise ConfigError(
                f"{where}: cannot be read; write the secret that the provider gave into it",
                code="E_OIDC",
            )
        if mode & 0o077:
            raise ConfigError(
                f"{where}: other users can read it (mode {mode & 0o777:04o}); run "
                f"`chmod 600 {file}`",
                code="E_OIDC",
            )
        secret = content.decode("ascii", "replace").strip()
        if not (secret.isascii() and secret.isprintable() and 0 < len(secret) <= _LONGEST_SECRET):
            raise ConfigError(
                f"{where}: holds no secret on one line; write the one that the provider gave",
                code="E_OIDC",
            )
        return secret

    def signing_key(self) -> SigningKey:
        """The desk's key, which signs the audit log, statements of deletion, and exported cases.

        Raises:
            KeyFileError: it is missing or can be read by others.
        """
        file = self.path / f"{_KEY_OF}.signer.private.json"
        if not file.exists():
            raise KeyFileError(
                f"{file}: missing, and no other key continues the desk's log; restore it from "
                "a backup"
            )
        return load_signer_key(file)

    @contextlib.contextmanager
    def open_people(self, utc: Callable[[], datetime]) -> Iterator[DeskPeople]:
        """The people of the desk, with database and audit log, until the block ends.

        Raises:
            OutboxError: as `open_database`.
            AuditError: as `open_audit`.
        """
        with self.open_database() as database, self.open_audit(utc) as audit:
            yield DeskPeople(database, audit.append, utc)

    def moved_to(self, address: str) -> DeskFolder:
        """Write down that the database is elsewhere now.

        Raises:
            OutboxError: it cannot be written.
        """
        config = self.config.model_copy(update={"database": address})
        _write(self.path, config)
        return DeskFolder(self.path, config)


def _read_secret(file: Path, cure: str) -> bytes | None:
    """The secret in a file; None: there is no such file."""
    content = read_file(file, _MAX_BYTES)
    if content is None:
        return None
    if (mode := file.stat().st_mode) & 0o077:
        raise OutboxError(
            f"{file}: other users can read it (mode {mode & 0o777:04o}); run `chmod 600 {file}`",
            code="E_STORE_MODE",
        )
    if re.fullmatch(rb"[0-9a-f]{64}\n", content) is None:
        raise OutboxError(f"{file}: not 64 hexadecimal digits; {cure}")
    return bytes.fromhex(content.decode())


def _new_secret(file: Path) -> bytes:
    made = secrets.token_bytes(KEY_BYTES)
    replace_file(file, made.hex().encode() + b"\n")
    return made


def _cure(path: Path) -> str:
    """What to do about a desk that lacks a file or its tables."""
    if (path / UNFINISHED_NAME).exists():
        return "`edge-anpr desk init` was interrupted, run it again"
    return "restore it from a backup"


def open_folder(path: Path) -> DeskFolder:
    """Open a desk's folder.

    Raises:
        OutboxError: `E_NO_DESK`: there is no desk in it; `E_STORE_MODE`: others can read it; its
            `desk.json` is damaged.
        ConfigError: `E_OIDC`: a field of its section `oidc` has a wrong form.
    """
    file = path / CONFIG_NAME
    content = read_file(file, _MAX_BYTES)
    if content is None and (path / DATABASE_NAME).exists():
        raise OutboxError(f"{file}: missing; {_cure(path)}", code="E_NO_DESK")
    if content is None:
        raise OutboxError(
            f"{path}: no desk in this folder; `edge-anpr desk init {path}` makes one",
            code="E_NO_DESK",
        )
    for private in (path, file):
        if (mode := private.stat().st_mode) & 0o077:
            bits = 700 if private is path else 600
            raise OutboxError(
                f"{private}: other users can read it (mode {mode & 0o777:04o}); run "
                f"`chmod {bits} {private}`",
                code="E_STORE_MODE",
            )
    try:
        config = DeskConfig.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or "the document"
        if first["loc"][:1] == ("oidc",):
            raise ConfigError(
                f"{file}: {field}: {first['msg']}; correct it as docs/desk.md shows, or remove the "
                "section oidc",
                code="E_OIDC",
            ) from None
        raise OutboxError(
            f"{file}: {field}: {first['msg']}; restore the file from a backup", code="E_NO_DESK"
        ) from None
    return DeskFolder(path, config)


def make_folder(
    path: Path,
    config: DeskConfig,
    first: FirstAccount,
    passphrase: str,
    utc: Callable[[], datetime],
) -> DeskFolder:
    """Make a desk with its first account; if anything fails, nothing remains.

    If the process is killed, the same call makes the desk anew.

    Args:
        path: the folder; it must be missing or empty, and gets mode 0700.
        config: authority and address of the database.
        first: the first account and its right.
        passphrase: of the first account.
        utc: the wall clock.

    Raises:
        OutboxError: `E_DESK_EXISTS`: the folder or the database holds something; the database is
            away.
        ConfigError: the address has an unknown form.
        UsageError: a field of the account has a wrong form.
        KeyFileError: the passphrase is too short.
    """
    existed = path.exists()
    with _empty(path):
        return _made(path, config, first, passphrase, utc, existed=existed)


@contextlib.contextmanager
def _empty(path: Path) -> Iterator[None]:
    """Make an empty folder, and keep other processes from making a desk there meanwhile.

    Raises:
        OutboxError: `E_DESK_EXISTS`: it holds something.
    """
    try:
        if path.exists() and not path.is_dir():
            raise OutboxError(f"{path}: no folder; name another one", code="E_DESK_EXISTS")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        _clear(path, descriptor)
        yield
    finally:
        os.close(descriptor)


def _clear(path: Path, descriptor: int) -> None:
    """Lock a folder, and remove what a killed process has left there of a desk."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = sorted(path.iterdir())
        if left and not _is_unfinished(path, left):
            what = "a desk already; use it" if path / CONFIG_NAME in left else "not empty; empty it"
            raise OutboxError(f"{path}: {what}, or name another folder", code="E_DESK_EXISTS")
        for one in sorted(path.iterdir(), key=lambda one: one.name == UNFINISHED_NAME):
            one.unlink()  # the mark last, or a killed command could not be given again
        path.chmod(0o700)
    except BlockingIOError:
        told = f"{path}: another command makes a desk there now; wait for it"
        raise OutboxError(told, code="E_DESK_EXISTS") from None
    except OSError as error:
        raise storage_error(path, error) from error


def _is_unfinished(path: Path, left: Sequence[Path]) -> bool:
    """Whether all files of a folder are of a desk that was being made when the process was killed.

    Then nobody has used that desk: its mark is there, its database has no tables, and its log no
    further entries. A desk without the mark was complete once: its database may be lost or away.
    """
    if path / UNFINISHED_NAME not in left:
        return False
    if not all(_FIRST_FILES.fullmatch(one.name) for one in left):
        return False
    log = read_file(path / LOG_NAME, _MAX_BYTES) or b""
    if log.count(b"\n") > _FIRST_ENTRIES:
        return False
    address = sqlite_address(path / DATABASE_NAME)
    if path / CONFIG_NAME in left:
        address = open_folder(path).address
    with DeskDatabase.reach(address) as database:
        return database.is_empty()


def _made(
    path: Path,
    config: DeskConfig,
    first: FirstAccount,
    passphrase: str,
    utc: Callable[[], datetime],
    *,
    existed: bool,
) -> DeskFolder:
    folder = DeskFolder(path, config)
    mark = path / UNFINISHED_NAME
    try:
        with _told(mark):
            mark.touch(mode=0o600)
            sync_folder(path)
        new_signer_key(path, _KEY_OF, utc())
        with (
            folder.open_audit(utc) as audit,
            DeskDatabase.reach(folder.address) as database,
            database.transaction() as connection,
        ):
            database.make_tables(connection, config.authority)
            people = DeskPeople(database, audit.append, utc)
            people.begin(connection, first.person, first.full_name, passphrase, first.terms)
            _write(path, config)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        if existed:
            with contextlib.suppress(OSError):
                path.mkdir(mode=0o700)
        raise
    with contextlib.suppress(OSError):
        mark.unlink()  # else the first command that opens the desk does it
    return folder


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(file, error) from error


def _write(path: Path, config: DeskConfig) -> None:
    text = json.dumps(config.model_dump(by_alias=True), indent=2, ensure_ascii=False)
    replace_file(path / CONFIG_NAME, text.encode() + b"\n")
