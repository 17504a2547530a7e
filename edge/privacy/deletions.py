"""Statements of deletion: what an authority's desk has deleted when retention ended, signed.

A statement is canonical JSON (RFC 8785), and no other spelling is accepted. Its signature is
Ed25519 over `edge-anpr/deletion-statement/1`, a zero byte and the canonical JSON of everything but
the signature, by the key of the desk's audit log. Each names the digest of the one before it, so
none can be left out. It holds no plate, no id of a hit and no time at which a vehicle
passed. Counts are rounded down to tens: a site for which nothing was deleted looks like one with
nine deletions.

A file of statements has one a line, number 1 first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationError

from edge.errors import AuditError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import Id, Sha256
from edge.formats.signing import (
    PublicKey,
    PublicKeyText,
    Signature,
    SigningKey,
    sign,
    verify,
)
from edge.formats.strict import StrictMessage
from edge.formats.timestamps import UtcText

DELETIONS_FILE = "deletions.jsonl"
"""The name of a file of statements, in a site folder and in an evidence pack."""

MAX_DELETIONS_BYTES = 16 * 1024 * 1024
_DAY = Annotated[str, Field(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$")]
_Deleted = Literal["<10"] | Annotated[int, Field(strict=True, ge=10, multiple_of=10, le=2**53 - 1)]


class DeletedAtSite(StrictMessage):
    """What was deleted of one site, and under which terms."""

    site: Id
    waiting_days: Annotated[int, Field(ge=1, le=30, strict=True)]
    kept_days: Annotated[int, Field(ge=1, le=1826, strict=True)]
    terms_sha256: Annotated[
        Sha256 | None, Field(description="Digest of the approved terms; null: the product's own.")
    ]
    not_confirmed: Annotated[_Deleted, Field(description="Hits that no finding had confirmed.")]
    confirmed: _Deleted


class DeletionTerms(StrictMessage):
    """A statement without its signature."""

    SCHEMA: ClassVar[str] = "edge-anpr/deletion-statement/1"

    schema_: Literal["edge-anpr/deletion-statement/1"] = Field(
        default="edge-anpr/deletion-statement/1", alias="schema"
    )
    authority: Id
    number: Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
    predecessor: Sha256 | None
    made_at: UtcText
    day: Annotated[_DAY, Field(description="The UTC day for which terms were compared.")]
    by: Annotated[Id | None, Field(description="Who started it; null: the desk by itself.")]
    sites: Annotated[tuple[DeletedAtSite, ...], Field(strict=False, max_length=1000)]
    key: PublicKeyText


class DeletionStatement(DeletionTerms):
    """A signed statement."""

    signature: Signature

    def to_payload(self) -> bytes:
        """The statement in canonical JSON, the only form that is accepted."""
        return canonical_model(self)

    def sha256(self) -> str:
        """The digest of the whole statement, by which its successor names it."""
        return hashlib.sha256(self.to_payload()).hexdigest()


def sign_deletions(terms: DeletionTerms, key: SigningKey) -> DeletionStatement:
    """Sign a statement with the desk's key."""
    document = terms.model_dump(mode="json", by_alias=True)
    signature = sign(DeletionTerms.SCHEMA, document, key)
    unchecked = DeletionStatement.model_construct(**dict(terms), signature=signature)
    return DeletionStatement.model_validate_json(unchecked.model_dump_json(by_alias=True))


def verify_deletions(
    data: bytes, known: Sequence[PublicKey] | None = None
) -> tuple[DeletionStatement, ...]:
    """Verify a file of statements: forms, signatures, and that each follows the one before.

    Args:
        data: the content of the file.
        known: keys of the desk from another source; None: those that the statements name, which
            shows only that the file is consistent.

    Raises:
        AuditError: `E_DELETIONS`: something is missing, altered or of another key.
    """
    if len(data) > MAX_DELETIONS_BYTES:
        raise _refused(1, "the file is larger than 16 MiB")
    if data and not data.endswith(b"\n"):
        raise _refused(data.count(b"\n") + 1, "it is not complete")
    found: list[DeletionStatement] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        statement = _verified(number, line, known)
        before = found[-1] if found else None
        after = (number, None if before is None else before.sha256())
        if (statement.number, statement.predecessor) != after:
            raise _refused(number, "it does not follow the one before it")
        if before is not None and before.authority != statement.authority:
            raise _refused(number, "it is of another authority than the one before it")
        found.append(statement)
    return tuple(found)


def read_deletions(file: Path) -> tuple[bytes, tuple[DeletionStatement, ...]]:
    """A file of statements, and what it says; verified with the keys that it names.

    Raises:
        AuditError: `E_DELETIONS`: it cannot be read; or as `verify_deletions`.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_DELETIONS_BYTES + 1)
    except OSError as error:
        raise AuditError(
            f"{file}: {error.strerror}; name a file that `edge-anpr desk retain statements` wrote",
            code="E_DELETIONS",
        ) from None
    return data, verify_deletions(data)


def _verified(number: int, line: bytes, known: Sequence[PublicKey] | None) -> DeletionStatement:
    try:
        statement = parse_canonical(DeletionStatement, line)
        key = PublicKey.parse(statement.key)
        document = statement.model_dump(mode="json", by_alias=True, exclude={"signature"})
        verify(DeletionTerms.SCHEMA, document, statement.signature, key)
    except (ValidationError, NotCanonicalError, RecursionError):
        raise _refused(number, "it is no statement in canonical form") from None
    except KeyFileError:
        raise _refused(number, "its key did not sign it, or it was altered") from None
    if known is not None and key not in known:
        raise _refused(number, f"key {key.key_id} is not the one that was given")
    return statement


def _refused(number: int, why: str) -> AuditError:
    return AuditError(
        f"statement {number} of deletion: {why}; get the file from the desk again, with "
        "`edge-anpr desk retain statements`",
        code="E_DELETIONS",
    )
