"""Confirmed findings for a fines system, each case once, as CSV or JSON.

Each hit is opened for this export only, and the audit log has person and reason for each before any
plate is written. A case is noted as exported before its file is written: after a crash between the
two it is exported again only if a person asks for it, so nobody is fined twice by mistake.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, true

from edge.authority.opening import OpenedHit
from edge.authority.policies import SignedPolicies
from edge.desk import cases
from edge.desk.accounts import ActingPerson
from edge.desk.court.mapping import FORMULA, FineField, FineMapping
from edge.desk.decoys import is_real, require_real
from edge.desk.findings import DeskFinding, parse_finding
from edge.desk.outcomes import FindingOutcome, OpeningReason
from edge.desk.people import rights_in_force
from edge.desk.reviewing import CaseReviews, finding_payloads
from edge.desk.rights import JUDGES, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits, no_hit
from edge.desk.store.tables import FINDING, FINE_EXPORT, FINE_WITHDRAWAL, HIT
from edge.errors import AccessError, PolicyError
from edge.formats.identifiers import shown_id
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.visible import visible
from edge.privacy.audit_events import CaseExported, Event
from edge.privacy.hit import parse_hit

SCHEMA = "edge-anpr/fines/1"


@dataclass(frozen=True, slots=True)
class FinesExport:
    """What was exported.

    Attributes:
        sha256: of the file; None: there was nothing to export.
        hit_ids: the cases in it.
        elsewhere: confirmed cases that wait, but for which the person has no right.
        withdrawn: cases that were exported before and are no longer confirmed, after an appeal;
            tell the person, then call `FinesDesk.named`.
        not_allowed: confirmed cases that wait and that the signed policy does not allow, with why.
        last: if there was nothing to export, her newest export: where the process was killed before
            its file was written, nobody has these cases.
    """

    sha256: str | None
    hit_ids: tuple[str, ...]
    elsewhere: int
    withdrawn: tuple[str, ...]
    not_allowed: tuple[tuple[str, str], ...] = ()
    last: LastExport | None = None


@dataclass(frozen=True, slots=True)
class LastExport:
    """An export that was noted: when, the SHA-256 of its file, and the cases in it."""

    exported_at: str
    sha256: str
    hit_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Noted:
    """What was written down for an export, and what that has replaced.

    Attributes:
        export_id: of the export.
        told: rows of `FINE_WITHDRAWAL` that it has deleted.
        before: ids of the exports of its cases before it.
    """

    export_id: str
    told: list[dict[str, Any]]
    before: set[str]


class FinesDesk:
    """Exports confirmed findings of a desk.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        reviews: open decided cases.
        policies: with which each hit is compared; no fine follows from a hit that its signed policy
            does not allow.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        reviews: CaseReviews,
        policies: SignedPolicies,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._reviews = reviews
        self._policies = policies
        self._authority = database.authority()

    def export(
        self,
        acting: ActingPerson,
        mapping: FineMapping,
        write: Callable[[bytes], object],
        *,
        only: Collection[str] = (),
        again: bool = False,
    ) -> FinesExport:
        """Export the confirmed cases of the mapping's rules that her rights cover, oldest first.

        Args:
            acting: an officer or second officer.
            mapping: whose hits are exported, and which fields go into which columns.
            write: writes the file; raises if it cannot.
            only: ids of hits; empty: all.
            again: also those that were exported before.

        Raises:
            AccessError: `E_RIGHT`: no right for any of them; `E_CASE`: one of `only` is not
                confirmed, is of a rule that the mapping does not name, or was exported before, or
                changed meanwhile.
            OutboxError: the database is away.
        """
        waiting = self._waiting(mapping.rules, only, again=again)
        mine = self._covered(acting, waiting)
        if waiting and not mine:
            raise AccessError(
                f"{acting.name} has no right in force for the sites and rules of the confirmed "
                "cases; that needs the role officer or second-officer"
            )
        elsewhere, withdrawn = len(waiting) - len(mine), self._withdrawn()
        if not mine:
            return FinesExport(None, (), elsewhere, withdrawn, last=self._last(acting))
        rows: list[dict[str, str]] = []
        findings: dict[str, DeskFinding] = {}
        not_allowed: list[tuple[str, str]] = []
        for hit_id in mine:
            try:
                opened = self._opened(acting, hit_id)
            except PolicyError as error:
                not_allowed.append((hit_id, error.message))
                continue
            findings[hit_id] = parse_finding(finding_payloads(self._database, hit_id)[-1])
            rows.append(_row(opened, findings[hit_id], mapping))
        if not rows:
            return FinesExport(None, (), elsewhere, withdrawn, tuple(not_allowed))
        content = written(rows, mapping, self._authority)
        digest = hashlib.sha256(content).hexdigest()
        noted = self._note(acting, findings, digest, again=again)
        try:
            write(content)
        except BaseException:
            self._take_back(noted)
            raise
        return FinesExport(digest, tuple(findings), elsewhere, withdrawn, tuple(not_allowed))

    def _opened(self, acting: ActingPerson, hit_id: str) -> OpenedHit:
        """Open a confirmed case that its signed policy allows.

        Raises:
            PolicyError: `E_POLICY`: it does not; where the header shows that, nothing is opened.
        """
        payload = DeskHits(self._database).payload(hit_id)
        if payload is None:
            raise no_hit(hit_id)
        self._policies.require_allowed(parse_hit(payload))
        opened = self._reviews.open_decided(acting, hit_id, OpeningReason.FINE)
        self._policies.require_opened(opened)
        return opened

    def named(self, acting: ActingPerson, withdrawn: Collection[str]) -> None:
        """Write down that a person was told to withdraw these fines; then retention goes on.

        A case of a site or rule for which she has no right still waits for somebody else.

        Raises:
            OutboxError: the database is away.
        """
        now = self._utc()
        with self._database.writing() as connection:
            waiting = _exported(connection)
            known = {row.case_id: row for row in connection.execute(select(FINE_WITHDRAWAL))}
            kept = connection.execute(
                select(HIT.c.hit_id, HIT.c.site, HIT.c.rule).where(HIT.c.hit_id.in_(withdrawn))
            )
            here = {row.hit_id: row for row in kept}
            for case_id in sorted(set(withdrawn) & (known.keys() | waiting.keys())):
                row = here.get(case_id) or known[case_id]
                scope = RightScope(self._authority, row.site, row.rule)
                if not rights_in_force(connection, acting.name, JUDGES, now.date(), scope):
                    continue
                values = {"named_at": utc_text(now)}
                if case_id in known:
                    same = FINE_WITHDRAWAL.c.case_id == case_id
                    connection.execute(FINE_WITHDRAWAL.update().where(same).values(values))
                else:
                    values |= {"case_id": case_id, "site": row.site, "rule": row.rule}
                    values["finding_sha256"] = waiting[case_id]
                    connection.execute(FINE_WITHDRAWAL.insert().values(values))

    def _note(
        self,
        acting: ActingPerson,
        findings: dict[str, DeskFinding],
        digest: str,
        *,
        again: bool,
    ) -> _Noted:
        """Write down which cases are exported; the audit log has each before the commit."""
        now, export_id = self._utc(), secrets.token_hex(8)
        with self._database.writing() as connection:
            locked = {
                hit_id: cases.locked(connection, hit_id, self._authority, now)
                for hit_id in sorted(findings)
            }
            # Only now: while it waited for the locks, somebody else may have exported some.
            done = set() if again else _standing(connection)
            told = FINE_WITHDRAWAL.c.case_id.in_(findings)
            rows = connection.execute(select(FINE_WITHDRAWAL).where(told)).mappings()
            noted = _Noted(
                export_id, [dict(row) for row in rows], _export_ids(connection, findings)
            )
            connection.execute(FINE_WITHDRAWAL.delete().where(told))
            for hit_id, case in locked.items():
                newest = case.findings[-1]
                # The row was made from this finding, and an appeal may have come before it.
                stands = newest.outcome is FindingOutcome.CONFIRMED and case.signed is None
                same = newest.sha256() == findings[hit_id].sha256()
                if hit_id in done or not (stands and same):
                    raise AccessError(
                        f"the case of hit {hit_id} was exported or appealed meanwhile; run the "
                        "command again",
                        code="E_CASE",
                    )
                connection.execute(
                    FINE_EXPORT.insert().values(
                        row_id=secrets.token_hex(16),
                        export_id=export_id,
                        hit_id=hit_id,
                        finding_sha256=findings[hit_id].sha256(),
                        person=acting.name,
                        exported_at=utc_text(now),
                        file_sha256=digest,
                    )
                )
            for hit_id in findings:
                self._record(CaseExported(hit_id, acting.name, "fine", digest))
        return noted

    def _take_back(self, noted: _Noted) -> None:
        """Leave everything as it was before an export whose file was not written.

        A fine that a person was told to withdraw does not stand again, unless somebody else has
        exported the case meanwhile.
        """
        with self._database.writing(alone=True) as connection:
            mine = FINE_EXPORT.c.export_id == noted.export_id
            connection.execute(FINE_EXPORT.delete().where(mine))
            for row in noted.told:
                case_id = row["case_id"]
                here = select(FINE_WITHDRAWAL.c.case_id).where(FINE_WITHDRAWAL.c.case_id == case_id)
                meanwhile = _export_ids(connection, [case_id]) - noted.before
                if not meanwhile and connection.execute(here).first() is None:
                    connection.execute(FINE_WITHDRAWAL.insert().values(row))

    def _waiting(
        self, rules: Collection[str], only: Collection[str], *, again: bool
    ) -> dict[str, RightScope]:
        """The confirmed cases to export, oldest first, with the scope that a right must cover."""
        with self._database.reading() as connection:
            confirmed = _confirmed(connection)
            decoys_too = _confirmed(connection, with_decoys=True) if only else {}
            exported = _standing(connection)
        for hit_id in sorted(only):
            if hit_id not in confirmed:
                if hit_id in decoys_too:
                    require_real(
                        self._database, hit_id
                    )  # decided, so a clearer answer tells no more
                raise AccessError(
                    f"{shown_id(hit_id)}: not a confirmed case of a rule whose hits a person must "
                    "check; give the id of one",
                    code="E_CASE",
                )
            if (rule := confirmed[hit_id][1]) not in rules:
                raise AccessError(
                    f"hit {hit_id}: the mapping does not name its rule, {rule}; no fine follows "
                    "from other rules",
                    code="E_CASE",
                )
            if hit_id in exported and not again:
                raise AccessError(
                    f"hit {hit_id}: exported before; give --again to export it once more",
                    code="E_CASE",
                )
        return {
            hit_id: RightScope(self._authority, site, rule)
            for hit_id, (site, rule) in confirmed.items()
            if rule in rules and (not only or hit_id in only) and (again or hit_id not in exported)
        }

    def _covered(self, acting: ActingPerson, waiting: dict[str, RightScope]) -> tuple[str, ...]:
        day = self._utc().date()
        with self._database.reading() as connection:
            allowed = {
                scope: bool(rights_in_force(connection, acting.name, JUDGES, day, scope))
                for scope in set(waiting.values())
            }
        return tuple(hit_id for hit_id, scope in waiting.items() if allowed[scope])

    def _last(self, acting: ActingPerson) -> LastExport | None:
        hers = select(FINE_EXPORT).where(FINE_EXPORT.c.person == acting.name)
        order = (FINE_EXPORT.c.exported_at.desc(), FINE_EXPORT.c.row_id)
        with self._database.reading() as connection:
            newest = connection.execute(hers.order_by(*order).limit(1)).one_or_none()
            if newest is None:
                return None
            rows = connection.execute(hers.where(FINE_EXPORT.c.export_id == newest.export_id))
            hit_ids = tuple(sorted(row.hit_id for row in rows))
        return LastExport(newest.exported_at, newest.file_sha256, hit_ids)

    def _withdrawn(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            deleted = select(FINE_WITHDRAWAL.c.case_id).where(FINE_WITHDRAWAL.c.named_at.is_(None))
            overturned = _exported(connection).keys() - _confirmed(connection).keys()
            return tuple(sorted(overturned | set(connection.execute(deleted).scalars())))


def _exported(connection: Connection) -> dict[str, str]:
    """The digest of the finding that was exported last, of each hit that was exported."""
    order = (FINE_EXPORT.c.exported_at, FINE_EXPORT.c.row_id)
    rows = connection.execute(
        select(FINE_EXPORT.c.hit_id, FINE_EXPORT.c.finding_sha256).order_by(*order)
    )
    return {row.hit_id: row.finding_sha256 for row in rows}


def _export_ids(connection: Connection, hit_ids: Collection[str]) -> set[str]:
    """The ids of all exports of these hits."""
    query = select(FINE_EXPORT.c.export_id).where(FINE_EXPORT.c.hit_id.in_(hit_ids))
    return set(connection.execute(query).scalars())


def _standing(connection: Connection) -> set[str]:
    """Hits that were exported, and whose fine nobody was told to withdraw since."""
    told = select(FINE_WITHDRAWAL.c.case_id).where(FINE_WITHDRAWAL.c.named_at.is_not(None))
    query = select(FINE_EXPORT.c.hit_id).where(FINE_EXPORT.c.hit_id.not_in(told))
    return set(connection.execute(query).scalars())


def _confirmed(connection: Connection, *, with_decoys: bool = False) -> dict[str, tuple[str, str]]:
    """Site and rule of each hit whose newest finding confirms it, oldest first.

    Not of rules whose hits nobody must check: by their policy no sanction follows from them.
    """
    chosen = true() if with_decoys else is_real(HIT.c.hit_id)
    newest = (
        select(FINDING.c.hit_id, func.max(FINDING.c.number).label("number"))
        .group_by(FINDING.c.hit_id)
        .subquery()
    )
    query = (
        select(HIT.c.hit_id, HIT.c.site, HIT.c.rule)
        .join(FINDING, FINDING.c.hit_id == HIT.c.hit_id)
        .join(
            newest,
            (newest.c.hit_id == FINDING.c.hit_id) & (newest.c.number == FINDING.c.number),
        )
        .where(
            FINDING.c.outcome == FindingOutcome.CONFIRMED.value,
            HIT.c.human_check_required,
            chosen,
        )
        .order_by(HIT.c.observed_at, HIT.c.hit_id)
    )
    return {row.hit_id: (row.site, row.rule) for row in connection.execute(query)}


def _row(opened: OpenedHit, finding: DeskFinding, mapping: FineMapping) -> dict[str, str]:
    """One case in the columns of the mapping."""
    hit, zone = opened.hit, ZoneInfo(mapping.timezone)
    fields: dict[FineField, str] = {
        "case": hit.hit_id,
        "finding": finding.sha256(),
        "finding_number": str(finding.number),
        "plate": opened.content.plate.reveal(),
        "region": opened.content.region or "",
        "observed_at": hit.observed_at,
        "observed_local": _local(hit.observed_at, zone),
        "site": hit.site,
        "box": hit.box,
        "camera": hit.camera,
        "rule": hit.rule,
        "purpose": hit.purpose,
        "authority": hit.authority,
        "policy": hit.policy_sha256,
        "officer": finding.person.name,
        "officer_name": finding.person.full_name,
        "role": finding.person.role.value,
        "mandate": finding.person.mandate,
        "decided_at": finding.decided_at,
        "decided_local": _local(finding.decided_at, zone),
    }
    return {one.column: visible(fields[one.field]) for one in mapping.columns}


def _local(text: str, zone: ZoneInfo) -> str:
    """A moment on the clocks of the place, with its distance from UTC, as ISO 8601."""
    moment = parse_utc(text).astimezone(timezone.utc)
    return moment.astimezone(zone).isoformat(timespec="seconds")


def written(rows: Sequence[dict[str, str]], mapping: FineMapping, authority: str) -> bytes:
    """The file: JSON, or CSV (RFC 4180, UTF-8) in which no value is a formula."""
    if mapping.format == "json":
        document = {"schema": SCHEMA, "authority": authority, "fines": list(rows)}
        return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mapping.delimiter, lineterminator="\r\n")
    writer.writerow(one.column for one in mapping.columns)
    for row in rows:
        writer.writerow(_no_formula(value) for value in row.values())
    return text.getvalue().encode()


def _no_formula(value: str) -> str:
    """A value that no spreadsheet program takes for a formula: with an apostrophe before it."""
    return f"'{value}" if value.startswith((*FORMULA, "\t", "\r")) else value
