"""The cases of hits in the database: who holds one, what was judged, and its findings.

Each function works in the transaction of its caller, who has locked the case.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from edge.desk.decisions import keep_decision
from edge.desk.findings import TYPING_KEY_BYTES, DeskFinding, new_case_key, parse_finding
from edge.desk.outcomes import FindingOutcome, Judgement, OpeningReason
from edge.desk.rights import DeskRole, RightScope
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import no_hit
from edge.desk.store.kept_payloads import payload_of
from edge.desk.store.tables import FINDING, HIT, JUDGEMENT, REVIEW_CASE
from edge.errors import AccessError
from edge.formats.timestamps import parse_utc, utc_text

CLAIMED_FOR: Final = timedelta(minutes=15)
"""A claim that its officer does not renew ends after this time."""

SEEN: Final = "seen"
"""Instead of a judgement: she saw the reading of a decided case, so she gives no finding on it."""


@dataclass(frozen=True, slots=True)
class LockedCase:
    """A case that no other transaction changes now.

    Attributes:
        hit_id: its hit.
        payload: the hit as it was received.
        scope: authority, site and rule that a right must cover.
        case_key: of its row; `findings.typing_key` makes the key of the digests from it.
        claimed_by: who holds it; None if the claim has ended.
        opened_at: when the holder opened it; None if she has not.
        signed: the finding that the holder has signed, and that is not logged and kept yet.
        findings: all so far, oldest first.
    """

    hit_id: str
    payload: bytes = field(repr=False)
    scope: RightScope
    case_key: bytes = field(repr=False)
    claimed_by: str | None
    opened_at: datetime | None
    signed: DeskFinding | None
    findings: tuple[DeskFinding, ...]

    @property
    def number(self) -> int:
        """The number of the next finding."""
        return len(self.findings) + 1

    @property
    def reason(self) -> OpeningReason:
        """Why the next officer opens the hit."""
        return next_reason(self.findings)

    @property
    def decided(self) -> bool:
        """Whether the newest finding decides it."""
        return self.reason is OpeningReason.APPEAL


@dataclass(frozen=True, slots=True)
class KeptJudgement:
    """What a person has judged before the reading was given to her."""

    person: str
    number: int
    word: str
    reason: str | None
    typed: str | None = field(repr=False)
    judged_at: datetime

    @property
    def judgement(self) -> Judgement:
        return Judgement(self.word)


def next_reason(findings: Sequence[DeskFinding]) -> OpeningReason:
    """Why the next officer opens a hit with these findings, oldest first."""
    if not findings:
        return OpeningReason.REVIEW
    referred = findings[-1].outcome is FindingOutcome.REFERRED
    return OpeningReason.SECOND_REVIEW if referred else OpeningReason.APPEAL


def kept_findings(connection: Connection, hit_id: str) -> tuple[bytes, ...]:
    """All findings on a hit, oldest first, as they are signed."""
    rows = connection.execute(
        select(FINDING.c.payload).where(FINDING.c.hit_id == hit_id).order_by(FINDING.c.number)
    ).scalars()
    return tuple(bytes(payload) for payload in rows)


def locked(connection: Connection, hit_id: str, authority: str, now: datetime) -> LockedCase:
    """The case of a hit, made if there is none yet; it stays locked until the transaction ends.

    Raises:
        OutboxError: `E_NO_HIT`: there is no such hit.
    """
    hit = connection.execute(
        select(HIT.c.site, HIT.c.rule, HIT.c.payload).where(HIT.c.hit_id == hit_id)
    ).one_or_none()
    if hit is None:
        raise no_hit(hit_id)
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    fresh = {"hit_id": hit_id, "typing_key": new_case_key()}
    connection.execute(dialect.insert(REVIEW_CASE).values(fresh).on_conflict_do_nothing())
    row = connection.execute(
        select(REVIEW_CASE).where(REVIEW_CASE.c.hit_id == hit_id).with_for_update()
    ).one()
    held = row.claimed_until is not None and holds(parse_utc(row.claimed_until), now)
    return LockedCase(
        hit_id=hit_id,
        payload=payload_of(connection, hit_id, hit.payload),
        scope=RightScope(authority, hit.site, hit.rule),
        case_key=bytes(row.typing_key),
        claimed_by=row.claimed_by if held else None,
        opened_at=None if row.opened_at is None else parse_utc(row.opened_at),
        signed=None if row.signed is None else parse_finding(bytes(row.signed)),
        findings=tuple(map(parse_finding, kept_findings(connection, hit_id))),
    )


def holds(until: datetime, now: datetime) -> bool:
    """Whether a claim that ends then holds now; not one that a clock set ahead has made longer."""
    return timedelta(0) < until - now <= CLAIMED_FOR


def needs_secret(database: DeskDatabase) -> bool:
    """Whether a case of the desk has digests under the secret of its folder."""
    made_with_it = func.length(REVIEW_CASE.c.typing_key) > TYPING_KEY_BYTES
    with database.reading() as connection:
        query = select(REVIEW_CASE.c.hit_id).where(made_with_it).limit(1)
        return connection.execute(query).first() is not None


def write_claim(connection: Connection, case: LockedCase, person: str, now: datetime) -> datetime:
    """Give the case to a person, or renew her claim; returns when it ends."""
    until = now + CLAIMED_FOR
    opened = case.opened_at if case.claimed_by == person else None
    _write(
        connection,
        case,
        claimed_by=person,
        claimed_until=utc_text(until),
        opened_at=None if opened is None else utc_text(opened),
    )
    return until


def write_opened(connection: Connection, case: LockedCase, now: datetime) -> None:
    """Write down that the holder of the claim has been given the pictures."""
    _write(connection, case, opened_at=utc_text(now))


def is_signed(connection: Connection, hit_id: str) -> bool:
    """Whether a person has signed a finding on the hit that is not kept yet."""
    query = select(REVIEW_CASE.c.signed).where(REVIEW_CASE.c.hit_id == hit_id)
    return connection.execute(query).scalar_one_or_none() is not None


def write_signed(connection: Connection, case: LockedCase, finding: DeskFinding) -> None:
    """Write down the finding that the holder has signed."""
    _write(connection, case, signed=finding.to_payload())


def release(connection: Connection, case: LockedCase) -> None:
    """End the claim, once what its holder has signed is kept."""
    _write(connection, case, claimed_by=None, claimed_until=None, opened_at=None, signed=None)


def _write(connection: Connection, case: LockedCase, **values: str | bytes | None) -> None:
    connection.execute(
        REVIEW_CASE.update().where(REVIEW_CASE.c.hit_id == case.hit_id).values(**values)
    )


def judgements(connection: Connection, case: LockedCase) -> tuple[KeptJudgement, ...]:
    """All judgements on the hit."""
    rows = connection.execute(select(JUDGEMENT).where(JUDGEMENT.c.hit_id == case.hit_id)).all()
    return tuple(
        KeptJudgement(
            row.person, row.number, row.judgement, row.reason, row.typed, parse_utc(row.judged_at)
        )
        for row in rows
    )


def own_judgement(connection: Connection, case: LockedCase, person: str) -> KeptJudgement | None:
    """What a person has judged for the next finding on the hit."""
    found = (one for one in judgements(connection, case) if one.person == person)
    return next((one for one in found if one.number == case.number), None)


def keep_judgement(connection: Connection, case: LockedCase, kept: KeptJudgement) -> None:
    """Keep a judgement for good.

    Raises:
        AccessError: `E_CASE`: she has judged for this finding already.
    """
    if any(
        (one.person, one.number) == (kept.person, kept.number)
        for one in judgements(connection, case)
    ):
        raise AccessError(
            f"hit {case.hit_id}: {kept.person} has judged and typed already, and cannot do it "
            "again; go on to the outcome",
            code="E_CASE",
        )
    connection.execute(
        JUDGEMENT.insert().values(
            judgement_id=secrets.token_hex(16),
            hit_id=case.hit_id,
            number=kept.number,
            person=kept.person,
            judgement=kept.word,
            reason=kept.reason,
            typed=kept.typed,
            judged_at=utc_text(kept.judged_at),
        )
    )


def keep_finding(connection: Connection, finding: DeskFinding) -> None:
    """Add a finding, and what it decides to the figures.

    The database refuses a second finding of the same number. The hit waits for a second officer
    afterwards, or for nobody.
    """
    referred = finding.outcome is FindingOutcome.REFERRED
    waits_for = DeskRole.SECOND_OFFICER.value if referred else None
    connection.execute(
        HIT.update().where(HIT.c.hit_id == finding.hit_id).values(waits_for=waits_for)
    )
    connection.execute(
        FINDING.insert().values(
            finding_sha256=finding.sha256(),
            hit_id=finding.hit_id,
            number=finding.number,
            person=finding.person.name,
            outcome=finding.outcome.value,
            decided_at=finding.decided_at,
            payload=finding.to_payload(),
        )
    )
    if finding.outcome is not FindingOutcome.REFERRED:
        keep_decision(connection, finding)
