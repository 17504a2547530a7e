"""Makes the file of a confirmed case from the desk's database, its audit log and its keys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from edge.adapters.state.audit_log import FILE_NAME as LOG_FILE
from edge.adapters.state.key_files import public_files, read_key_file
from edge.adapters.state.state_folder import storage_error
from edge.authority.opening import opened_bytes
from edge.authority.policies import find_policy
from edge.desk.accounts import ActingPerson
from edge.desk.court.package import (
    AUDIT,
    AUTHORITY_KEYS,
    BOX_KEYS,
    EVIDENCE,
    HIT,
    OPENED,
    PEOPLE,
    POLICY,
    POLICY_SIGNATURES,
    RECEIPT,
    CasePeople,
    CaseRight,
    CaseSigner,
    finding_name,
    write_package,
)
from edge.desk.court.report import ReportFacts, render_report
from edge.desk.court.verifying import verify_case
from edge.desk.decoys import require_real
from edge.desk.findings import DeskFinding, parse_finding
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.people import rights_of_ids
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import CaseReviews, finding_payloads
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits, no_hit
from edge.desk.store.tables import RECEIPT as RECEIPT_TABLE
from edge.errors import KeyFileError, UsageError
from edge.formats.canonical import canonical_model
from edge.privacy.audit_events import (
    CaseExported,
    CaseOpened,
    Entry,
    Event,
    FindingSigned,
    PasskeyChanged,
    PersonKeyAdded,
    PersonKeyRevoked,
    ReadingShown,
    RightChanged,
)
from edge.privacy.audit_proofs import prove_entries
from edge.privacy.checkpoints import desk_log
from edge.privacy.hit import HitError, parse_hit
from edge.privacy.key_formats import (
    AuthorityPublicFile,
    BoxPublicFile,
    box_public_keys,
    key_file_bytes,
)
from edge.privacy.keys import AuthorityPrivateKeys
from edge.privacy.sealing import open_body
from edge.texts import Language

REASONS: Mapping[OpeningReason, Literal["court", "data-subject"]] = {
    OpeningReason.COURT: "court",
    OpeningReason.DATA_SUBJECT: "data-subject",
}
"""For whom a case is exported, with the word of the audit log."""


@dataclass(frozen=True, slots=True)
class CaseSources:
    """Where the parts of a case file come from.

    Attributes:
        desk: the desk's folder.
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        keys: the authority's private keys.
        keys_folder: where its public file lies, for the receipt.
        box_keys: the public file of the box, or a folder with those of all boxes.
        policy: where the policy is, see `find_policy`.
        reviews: open decided cases.
    """

    desk: DeskFolder
    database: DeskDatabase
    record: Callable[[Event], object]
    keys: AuthorityPrivateKeys = field(repr=False)
    keys_folder: Path
    box_keys: Path
    policy: Path
    reviews: CaseReviews


@dataclass(frozen=True, slots=True)
class ExportedCase:
    """A case file that may be written, because the audit log has it."""

    package: bytes = field(repr=False)
    sha256: str
    desk_key: str


def export_case(
    sources: CaseSources,
    acting: ActingPerson,
    hit_id: str,
    reason: OpeningReason,
    languages: Sequence[Language],
    sign_report: Callable[[bytes], bytes] | None = None,
) -> ExportedCase:
    """Make the file of a confirmed case; the audit log has opening and export before it returns.

    Args:
        sources: where the parts come from.
        acting: an officer or second officer with a right for the site and rule of the hit.
        hit_id: the whole id of the hit.
        reason: `court` or `data-subject`.
        languages: of the reports; one for each.
        sign_report: signs a PDF; None leaves it to the desk's signature of the case file.

    Raises:
        OutboxError: `E_NO_HIT`, or the database is away.
        AccessError: `E_RIGHT`; `E_CASE`: undecided, or decided otherwise than confirmed.
        ConfigError: the policy is not there.
        EdgeError: a part is missing, or the case file does not prove the case.
    """
    why = REASONS.get(reason)
    if why is None:
        raise UsageError(f"--reason: one of {', '.join(one.value for one in REASONS)}")
    payload = DeskHits(sources.database).payload(hit_id)
    if payload is None:
        raise no_hit(hit_id)
    hit = parse_hit(payload)
    policy, policy_bytes, signatures = find_policy(sources.policy, hit.policy_sha256)
    try:
        opened = sources.reviews.open_decided(acting, hit_id, reason, confirmed=True)
    except HitError:
        require_real(sources.database, hit_id)  # decided by now, so a clearer answer tells nothing
        raise
    payloads = finding_payloads(sources.database, hit_id)
    findings = tuple(parse_finding(each) for each in payloads)
    key = sources.desk.signing_key()
    contents = {
        HIT: payload,
        BOX_KEYS: _box_file(sources.box_keys, hit.site, hit.box),
        EVIDENCE: open_body(hit.sealed_bytes, hit.seal_context(), authority=sources.keys),
        OPENED: opened_bytes(opened),
        POLICY: policy_bytes,
        POLICY_SIGNATURES: signatures,
        PEOPLE: canonical_model(_people(sources.database, findings)),
        AUDIT: _audit(sources.desk, hit_id, findings),
        **{finding_name(at + 1): each for at, each in enumerate(payloads)},
        **{f"pictures/{one.name}.jpg": one.jpeg for one in opened.content.pictures},
        **_receipt(sources, hit_id),
    }
    facts = ReportFacts(opened.hit, opened.content, policy, findings, key.public)
    for language in dict.fromkeys(languages):
        report = render_report(facts, language)
        contents[f"report.{language}.pdf"] = report if sign_report is None else sign_report(report)
    package = write_package(contents, hit.authority, hit_id, key)
    verdict = verify_case(package)
    if verdict.failure is not None:
        raise verdict.failure
    digest = hashlib.sha256(package).hexdigest()
    sources.record(CaseExported(hit_id, acting.name, why, digest))
    return ExportedCase(package, digest, key.public.text)


def _box_file(path: Path, site: str, box: str) -> bytes:
    files = public_files(path, BoxPublicFile) if path.is_dir() else [path]
    for file in files:
        content = read_key_file(file, BoxPublicFile)
        if (content.site, content.box) == (site, box):
            box_public_keys(content, file)
            return key_file_bytes(content)
    raise KeyFileError(f"{path}: no public file of box {box} of site {site}; copy it there")


def _receipt(sources: CaseSources, hit_id: str) -> dict[str, bytes]:
    """The receipt with the authority's public file; nothing if the desk has no receipt."""
    with sources.database.reading() as connection:
        receipt = connection.execute(
            select(RECEIPT_TABLE.c.payload).where(RECEIPT_TABLE.c.hit_id == hit_id)
        ).scalar_one_or_none()
    if receipt is None:
        return {}
    for file in public_files(sources.keys_folder, AuthorityPublicFile):
        content = read_key_file(file, AuthorityPublicFile)
        if content.authority == sources.keys.authority:
            return {RECEIPT: bytes(receipt), AUTHORITY_KEYS: key_file_bytes(content)}
    raise KeyFileError(
        f"{sources.keys_folder}: no public file of authority {sources.keys.authority}; copy it "
        "there"
    )


def _people(database: DeskDatabase, findings: Sequence[DeskFinding]) -> CasePeople:
    """The keys and rights with which the findings were signed."""
    known = personal_keys(database)
    used: dict[str, set[str]] = {}
    for one in findings:
        for key in known.get(one.person.name, ()):
            if key.key_id == one.signature.key_id:
                used.setdefault(one.person.name, set()).add(key.text)
    with database.reading() as connection:
        rights = rights_of_ids(connection, {one.person.right for one in findings})
    return CasePeople(
        people=tuple(
            CaseSigner(name=name, keys=tuple(sorted(used[name]))) for name in sorted(used)
        ),
        rights=tuple(
            CaseRight(
                right=one.right_id,
                person=one.terms.person,
                role=one.terms.role,
                authority=one.terms.scope.authority,
                site=one.terms.scope.site,
                rule=one.terms.scope.rule,
                first_day=one.terms.first_day.isoformat(),
                last_day=one.terms.last_day.isoformat(),
                mandate=one.terms.mandate,
            )
            for one in sorted(rights, key=lambda one: one.right_id)
        ),
    )


def _audit(desk: DeskFolder, hit_id: str, findings: Sequence[DeskFinding]) -> bytes:
    """The entries of the log on the case up to its newest finding, and on those who signed.

    Later entries are left out, so that a second export gives the same bytes.
    """
    people = {one.person.name for one in findings}
    rights = {one.person.right for one in findings}
    newest = findings[-1].sha256()

    def wanted(entries: Sequence[Entry]) -> list[int]:
        chosen: list[int] = []
        for entry in entries:
            event = entry.event
            if (
                (
                    isinstance(event, CaseOpened | ReadingShown | FindingSigned)
                    and event.hit_id == hit_id
                )
                or (
                    isinstance(event, PasskeyChanged | PersonKeyAdded | PersonKeyRevoked)
                    and event.person in people
                )
                or (isinstance(event, RightChanged) and event.right in rights)
            ):
                chosen.append(entry.number)
            if isinstance(event, FindingSigned) and event.finding_sha256 == newest:
                return chosen
        return []

    path = desk.path / LOG_FILE
    try:
        log = path.read_bytes()
    except OSError as error:
        raise storage_error(path, error) from error
    keys = (desk.signing_key().public,)
    mentions = {hit_id, *people, *rights}
    return prove_entries(log, desk_log(desk.config.authority), keys, mentions, wanted).canonical()
