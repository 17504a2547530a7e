"""The case file: one zip file with everything that proves a confirmed case.

| name                                     | holds                                                |
|------------------------------------------|------------------------------------------------------|
| `manifest.json`, `manifest.signature`    | digests of all other files, signed by the desk       |
| `hit.json`                               | the hit as it was received, still sealed             |
| `receipt.json`, `authority.public.json`  | the authority's receipt and its public keys          |
| `box.public.json`                        | the box's public keys, all generations               |
| `evidence.bin`                           | what was inside the seal, as the box signed it       |
| `opened.json`                            | the same in readable form; it holds the plate        |
| `pictures/<name>.jpg`                    | the pictures of the evidence                         |
| `policy.json`, `policy.signatures.json`  | the policy that the hit names, and its signatures    |
| `findings/<number>.json`                 | all findings on the hit                              |
| `people.json`                            | public keys and rights of the people who signed them |
| `audit.json`                             | entries of the desk's audit log on the case, proven  |
| `report.<language>.pdf`                  | the case for people to read                          |

The zip file has one form only (`adapters.state.pack_zip`). This module needs no database.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from edge.adapters.state.pack_zip import read_plain_zip, write_zip
from edge.desk.rights import DeskRole, RightScope, RightTerms
from edge.errors import AuditError, KeyFileError
from edge.formats.canonical import NotCanonicalError, canonical_model, parse_canonical
from edge.formats.identifiers import BASE64_32, HitId, Id, KeyId, Sha256
from edge.formats.signing import PublicKey, PublicKeyText, SigningKey, signed_bytes
from edge.formats.strict import StrictMessage

CONTEXT: Final = "edge-anpr/case/1"
MAX_CASE_BYTES: Final = 64 * 2**20
"""Above any real case: pictures are below 1 MiB, and a report holds them once more."""

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.signature"
HIT: Final = "hit.json"
RECEIPT: Final = "receipt.json"
AUTHORITY_KEYS: Final = "authority.public.json"
BOX_KEYS: Final = "box.public.json"
EVIDENCE: Final = "evidence.bin"
OPENED: Final = "opened.json"
POLICY: Final = "policy.json"
POLICY_SIGNATURES: Final = "policy.signatures.json"
PEOPLE: Final = "people.json"
AUDIT: Final = "audit.json"

NEEDED: Final = frozenset({
    MANIFEST, SIGNATURE, HIT, BOX_KEYS, EVIDENCE, OPENED, POLICY, POLICY_SIGNATURES, PEOPLE, AUDIT,
})  # fmt: skip
_BELONGS: Final = re.compile(
    r"pictures/[a-z0-9-]{1,40}\.jpg|findings/[0-9]{4}\.json|report\.(nl|fr|de|en)\.pdf"
)


class CaseFile(StrictMessage):
    """One file in the case file."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0, le=MAX_CASE_BYTES)]


class CaseManifest(StrictMessage):
    """All other files in a case file; the desk signs this list."""

    schema_: Literal["edge-anpr/case/1"] = Field(default="edge-anpr/case/1", alias="schema")
    authority: Id
    hit_id: HitId
    desk_key: PublicKeyText
    files: dict[Annotated[str, Field(max_length=80)], CaseFile]

    def signed(self) -> bytes:
        """The bytes that the desk signs."""
        return signed_bytes(CONTEXT, self.model_dump(mode="json", by_alias=True))


FindingKeyText = Annotated[
    str,
    Field(
        max_length=8000,
        pattern=rf"^(ed25519:{BASE64_32}|passkey:[A-Za-z0-9+/]+={{0,2}})$",
        description="A personal key or a passkey, as `desk.findings.parse_finding_key` reads it.",
    ),
]


class CaseSigner(StrictMessage):
    """A person who signed findings on the case, with the keys that she used."""

    name: Id
    keys: Annotated[tuple[FindingKeyText, ...], Field(strict=False, min_length=1)]


class CaseRight(StrictMessage):
    """A right under which a finding was made."""

    right: KeyId
    person: Id
    role: DeskRole
    authority: Id
    site: Id | None
    rule: Id | None
    first_day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    last_day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    mandate: Annotated[str, Field(min_length=1, max_length=60)]

    def terms(self) -> RightTerms:
        """The terms whose digest the audit log records.

        Raises:
            ValueError: a day does not exist.
        """
        scope = RightScope(self.authority, self.site, self.rule)
        first, last = date.fromisoformat(self.first_day), date.fromisoformat(self.last_day)
        return RightTerms(self.person, self.role, scope, first, last, self.mandate)


class CasePeople(StrictMessage):
    """`people.json`."""

    schema_: Literal["edge-anpr/case-people/1"] = Field(
        default="edge-anpr/case-people/1", alias="schema"
    )
    people: Annotated[tuple[CaseSigner, ...], Field(strict=False)]
    rights: Annotated[tuple[CaseRight, ...], Field(strict=False)]


def write_package(
    contents: Mapping[str, bytes], authority: str, hit_id: str, key: SigningKey
) -> bytes:
    """The bytes of the case file. The same contents and key always give the same bytes."""
    manifest = CaseManifest(
        authority=authority,
        hit_id=hit_id,
        desk_key=key.public.text,
        files={
            name: CaseFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for name, content in sorted(contents.items())
        },
    )
    return write_zip({
        **contents,
        MANIFEST: canonical_model(manifest),
        SIGNATURE: base64.b64encode(key.sign(manifest.signed())),
    })  # fmt: skip


def read_case(file: Path) -> bytes:
    """Read a case file.

    Raises:
        AuditError: `E_CASE_FILE`: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_CASE_BYTES + 1)
    except OSError as error:
        raise AuditError(
            f"{file}: {error.strerror}; give the file that `edge-anpr desk export` wrote",
            code="E_CASE_FILE",
        ) from error


def read_package(data: bytes) -> tuple[CaseManifest, dict[str, bytes]]:
    """Unpack a case file in memory, and compare its files with the manifest.

    No signature is verified yet.

    Raises:
        AuditError: `E_CASE_FILE`: it has another form, or a file was changed, removed or added.
    """
    contents = read_plain_zip(
        data,
        MAX_CASE_BYTES,
        belongs=lambda name: (
            name in {*NEEDED, RECEIPT, AUTHORITY_KEYS} or _BELONGS.fullmatch(name) is not None
        ),
        refused=refused,
    )
    missing = sorted(NEEDED - contents.keys())
    if missing:
        raise refused(f"{missing[0]} is missing")
    try:
        manifest = parse_canonical(CaseManifest, contents[MANIFEST])
    except (ValidationError, NotCanonicalError, RecursionError):
        raise refused(f"{MANIFEST} is no manifest in its canonical form") from None
    if contents.keys() - {MANIFEST, SIGNATURE} != manifest.files.keys():
        raise refused(f"it does not hold exactly the files that {MANIFEST} names")
    for name, facts in manifest.files.items():
        digest = hashlib.sha256(contents[name]).hexdigest()
        if (digest, len(contents[name])) != (facts.sha256, facts.bytes):
            raise refused(f"{name} is not the file that {MANIFEST} names")
    return manifest, contents


def require_signed(manifest: CaseManifest, signature: bytes) -> PublicKey:
    """The desk's key, which has signed the manifest.

    Raises:
        AuditError: `E_CASE_FILE`: it has not.
    """
    try:
        key = PublicKey.parse(manifest.desk_key)
        raw = base64.b64decode(signature, validate=True)
    except (KeyFileError, ValueError):
        raise refused(f"{SIGNATURE} is no signature") from None
    if base64.b64encode(raw) != signature or not key.verify(raw, manifest.signed()):
        raise refused(f"{MANIFEST} is not what key {key.key_id} signed")
    return key


def finding_name(number: int) -> str:
    """The name of a finding in the case file."""
    return f"findings/{number:04}.json"


def refused(why: str) -> AuditError:
    """The error of a case file that is not complete, or contradicts itself."""
    return AuditError(f"{why}; ask the desk for the case again", code="E_CASE_FILE")
