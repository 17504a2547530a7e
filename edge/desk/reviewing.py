"""Reviewing a hit: claim, open, judge and type, be given the box's reading, decide.

Each step is one transaction with the case locked, so of two people who act at the same time one
succeeds and the other is told why not. The state of a case follows from its findings: none, the
newest refers it, or it is decided. A decided case is never changed; an appeal adds a finding, if
there is an open one.

What is opened stays in memory. The order of the steps is kept here and nowhere else: the reading is
given only to a person whose judgement and typed plate are committed, and a person types once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from edge.authority.opening import OpenedHit, open_hit
from edge.authority.store import Reason
from edge.desk import cases
from edge.desk.accounts import ActingPerson, find_person
from edge.desk.appeals import has_open_appeal
from edge.desk.cases import KeptJudgement, LockedCase
from edge.desk.desk_keys import with_desk_keys
from edge.desk.drafting import Decision, finding_terms, given_reason
from edge.desk.findings import (
    DeskFinding,
    FindingTerms,
    sign_finding,
    typing_digest,
    typing_key,
)
from edge.desk.keeping import keep_signed
from edge.desk.outcomes import (
    BEFORE_READING,
    FindingOutcome,
    Judgement,
    OpeningReason,
    outcomes,
)
from edge.desk.people import rights_in_force
from edge.desk.personal_keys import require_newest
from edge.desk.refusals import RefusalRecorder
from edge.desk.rights import JUDGES, DeskRight, DeskRole
from edge.desk.store.database import DeskDatabase
from edge.domain.appearance import UNKNOWN, Appearance
from edge.domain.plates import PlateText
from edge.errors import AccessError, UsageError
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.privacy.audit_events import CaseOpened, Event, ReadingShown
from edge.privacy.hit import Hit
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.sealing import Picture

AFTERWARDS = (OpeningReason.COURT, OpeningReason.DATA_SUBJECT, OpeningReason.FINE)
"""Why a decided case is opened."""


@dataclass(frozen=True, slots=True)
class CaseClaim:
    """A case that a person holds.

    Attributes:
        hit_id: its hit.
        number: of the finding that she will give; 1 is the first.
        reason: why she opens the hit.
        until: when the claim ends, unless she claims again.
        judged: whether she has judged and typed already, before an earlier claim ended.
    """

    hit_id: str
    number: int
    reason: OpeningReason
    until: datetime
    judged: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """What a person sees before she judges: the pictures and what the header says. No reading."""

    hit: Hit = field(repr=False)
    pictures: tuple[Picture, ...] = field(repr=False)
    number: int


@dataclass(frozen=True, slots=True)
class BoxReading:
    """The box's reading and what it took the vehicle for, and the outcomes that remain."""

    plate: PlateText = field(repr=False)
    agrees: bool
    choices: tuple[FindingOutcome, ...]
    appearance: Appearance = UNKNOWN


class CaseReviews:
    """The reviews of a desk, with the keys that open its hits.

    Args:
        database: of the desk.
        record: adds an event to the desk's audit log; raises if it cannot.
        utc: the wall clock.
        boxes: the public keys of the boxes.
        keys: the authority's private keys; they stay in this process.
        secret: of the desk's folder, for digests of typed plates.
        compare: raises `PolicyError` for a hit that its policy does not allow; None: nothing does.

    Every method raises `OutboxError`: `E_NO_HIT`, or the database is away; and `AccessError`:
    `E_RIGHT`: the person has no right in force for the site and rule of the hit; `E_CASE`: it is
    not the turn of this step, or somebody else holds the case.
    """

    def __init__(
        self,
        database: DeskDatabase,
        record: Callable[[Event], object],
        utc: Callable[[], datetime],
        boxes: Mapping[tuple[str, str], BoxPublicKeys],
        keys: AuthorityPrivateKeys,
        secret: bytes,
        compare: Callable[[OpenedHit], object] | None = None,
    ) -> None:
        self._database = database
        self._record = record
        self._utc = utc
        self._boxes = boxes
        self._keys = keys
        self._secret = secret
        self._compare = compare
        self._authority = database.authority()

    def claim(self, acting: ActingPerson, hit_id: str, *, appeal: bool = False) -> CaseClaim:
        """Take a case, or renew one's own claim; it ends after `cases.CLAIMED_FOR`.

        Args:
            acting: an officer for the first finding, a second officer for a later one.
            hit_id: the whole id of the hit.
            appeal: give another finding on a decided case, against which somebody has appealed.

        Raises:
            AccessError: `E_FOUR_EYES`: she took part in an earlier finding on this hit; `E_CASE`:
                there is no open appeal.
        """
        now = self._utc()
        with self.writing(hit_id) as connection:
            case = self._locked(connection, hit_id, now)
            self._right(connection, acting, case, JUDGES, now)  # before anything is said of it
            if case.decided and not appeal:
                raise _not_now(case, "is decided; only an appeal adds a finding to it")
            if appeal and not case.decided:
                raise _not_now(case, "is not decided, so there is no appeal; review it")
            if case.claimed_by not in {None, acting.name}:
                raise _not_now(case, f"is held by {case.claimed_by}; take another one")
            self._require_turn(connection, acting, case, now)
            until = cases.write_claim(connection, case, acting.name, now)
            judged = cases.own_judgement(connection, case, acting.name) is not None
        return CaseClaim(hit_id, case.number, case.reason, until, judged)

    def open(self, acting: ActingPerson, hit_id: str, reason: OpeningReason) -> CaseView:
        """Open the hit of a claimed case. The opening is in the audit log before this returns.

        Raises:
            HitError: its box is unknown, or did not sign it.
            SealError: the key for it is not here, or it was altered.
        """
        now = self._utc()
        with self._recorded(acting, hit_id, reason), self.writing(hit_id) as connection:
            case = self._held(connection, acting, hit_id, now)
            if reason is not case.reason:
                raise _not_now(case, f"is opened for the reason {case.reason.value} now")
            opened = self._opened(connection, case)
            self._record(CaseOpened(hit_id, acting.name, reason.value, "opened"))
            cases.write_opened(connection, case, case.opened_at or now)
        return CaseView(opened.hit, opened.content.pictures, case.number)

    def open_decided(
        self,
        acting: ActingPerson,
        hit_id: str,
        reason: OpeningReason,
        *,
        confirmed: bool = False,
    ) -> OpenedHit:
        """Open the hit of a decided case, with the reading, for a court, a data subject or a fine.

        She can give no finding on this hit afterwards, because she knows the reading. A hit that
        this desk has made itself, and no key of the box has signed, is not opened here.

        Args:
            acting: an officer or second officer.
            hit_id: the hit.
            reason: `court`, `data-subject` or `fine`; a fine needs a confirmed case.
            confirmed: refuse a case that its newest finding does not confirm: for an export.

        Raises:
            HitError: as `open`.
            SealError: as `open`.
        """
        now = self._utc()
        with self._recorded(acting, hit_id, reason), self.writing(hit_id) as connection:
            case = self._locked(connection, hit_id, now)
            self._right(connection, acting, case, JUDGES, now)
            if reason not in AFTERWARDS:
                raise _not_now(case, f"is opened for {reason.value} by its officer, step by step")
            if not case.decided:
                raise _not_now(case, "is not decided, so its reading is not given; review it first")
            outcome = case.findings[-1].outcome
            if outcome is not FindingOutcome.CONFIRMED and (
                confirmed or reason is OpeningReason.FINE
            ):
                raise _not_now(case, f"is decided as {outcome.value}; only confirmed ones leave it")
            opened = open_hit(case.payload, self._boxes, self._keys)
            self._record(CaseOpened(hit_id, acting.name, reason.value, "opened"))
            if cases.own_judgement(connection, case, acting.name) is None:
                seen = KeptJudgement(acting.name, case.number, cases.SEEN, None, None, now)
                cases.keep_judgement(connection, case, seen)
        return opened

    def judge(
        self,
        acting: ActingPerson,
        hit_id: str,
        judgement: Judgement,
        *,
        typed: PlateText | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Commit what a person judges and the plate that she types, once and for good.

        Args:
            acting: holds and has opened the case.
            hit_id: the hit.
            judgement: hers.
            typed: the plate as she reads it; only with `offence`, and needed there.
            reason: why it is rejected; only with `reject`, and needed there; not `misread`, which
                needs the box's reading.

        Raises:
            UsageError: typed plate or reason is missing, or not allowed; `offence` on a hit
                without a picture.
        """
        if (typed is None) == (judgement is Judgement.OFFENCE):
            raise UsageError("type the plate if you judge `offence`, and only then")
        if (reason is None) == (judgement is Judgement.REJECT):
            raise UsageError("give a reason if you judge `reject`, and only then")
        if reason is not None and reason not in BEFORE_READING:
            raise UsageError(
                f"{reason.value}: needs the box's reading; judge `offence` and type what you read"
            )
        now = self._utc()
        with self.writing(hit_id) as connection:
            case = self._seen_pictures(connection, acting, hit_id, now)
            if judgement is Judgement.OFFENCE and all(
                one.approved is not None for one in self._opened(connection, case).content.pictures
            ):
                raise UsageError(
                    "the hit has no picture of its moment, so nobody can see an offence; judge "
                    "`cannot-tell`, or `reject` it with a reason"
                )
            kept = KeptJudgement(
                acting.name,
                case.number,
                judgement.value,
                None if reason is None else reason.value,
                None if typed is None else self._digest(case, typed),
                now,
            )
            cases.keep_judgement(connection, case, kept)

    def reading(self, acting: ActingPerson, hit_id: str) -> BoxReading:
        """Give the box's reading to a person who has typed hers; the audit log names her first."""
        now = self._utc()
        with self.writing(hit_id) as connection:
            case = self._seen_pictures(connection, acting, hit_id, now)
            kept = cases.own_judgement(connection, case, acting.name)
            if kept is None or kept.typed is None:
                raise _not_now(case, "gives its reading only after you typed the plate; type it")
            _require_later(case, kept, now)
            told = self._opened(connection, case).content
            self._record(ReadingShown(hit_id, acting.name))
        read = self._digest(case, told.plate)
        choices = _choices(case, kept, read)
        return BoxReading(told.plate, kept.typed == read, choices, told.appearance)

    def choices(self, acting: ActingPerson, hit_id: str) -> tuple[FindingOutcome, ...]:
        """The outcomes that a person may choose after her judgement."""
        now = self._utc()
        with self.writing(hit_id) as connection:
            case = self._seen_pictures(connection, acting, hit_id, now)
            kept = _judged(connection, case, acting)
            read = self._digest(case, self._opened(connection, case).content.plate)
        return _choices(case, kept, read)

    def decide(
        self,
        acting: ActingPerson,
        hit_id: str,
        outcome: FindingOutcome,
        key: SigningKey,
        *,
        reason: Reason | None = None,
    ) -> DeskFinding:
        """Sign the finding and store it; the claim ends.

        Args:
            acting: holds the case, and has judged.
            hit_id: the hit.
            outcome: one of `choices`.
            key: her personal key.
            reason: of a rejection after the reading; else it is that of the judgement.

        Raises:
            AccessError: `E_CASE`: another outcome than those of `choices`, or she has signed
                another finding already; `E_RIGHT`: not her key.
            UsageError: the reason is missing, or not allowed.
            PolicyError: `E_POLICY`: the hit would be confirmed, and its policy does not allow it.
        """
        before = self.keep(hit_id)
        if before is not None and before.person.name == acting.name:
            if (before.outcome, given_reason(before)) != (outcome, reason):
                raise AccessError(
                    f"the case of hit {hit_id}: {acting.name} has signed another outcome or reason "
                    "already, and that finding is kept; look at it",
                    code="E_CASE",
                )
            return before
        now = self._utc()
        with self.writing(hit_id) as connection:
            case, terms = self.draft(connection, acting, hit_id, outcome, reason, now)
            require_newest(connection, acting, key)
            finding = sign_finding(terms, key)
            cases.write_signed(connection, case, finding)
        self.keep(hit_id)
        return finding

    def draft(
        self,
        connection: Connection,
        acting: ActingPerson,
        hit_id: str,
        outcome: FindingOutcome,
        reason: Reason | None,
        now: datetime,
    ) -> tuple[LockedCase, FindingTerms]:
        """The finding as a person would sign it now, within the caller's transaction.

        Raises:
            AccessError: as `decide`.
            UsageError: as `decide`.
            PolicyError: as `decide`.
        """
        case = self._seen_pictures(connection, acting, hit_id, now)
        if case.signed is not None:
            raise _not_now(case, "is being decided; look at it again")
        kept = _judged(connection, case, acting)
        _require_later(case, kept, now)
        opened = self._opened(connection, case)
        read = self._digest(case, opened.content.plate)
        allowed = _choices(case, kept, read)
        if outcome not in allowed:
            words = " or ".join(one.value for one in allowed)
            raise _not_now(case, f"cannot be {outcome.value} after this judgement, but {words}")
        if outcome is FindingOutcome.CONFIRMED and self._compare is not None:
            self._compare(opened)
        right = self._require_turn(connection, acting, case, now)
        person = find_person(connection, acting.name)
        assert person is not None  # noqa: S101 - a right names a person of the table
        decision = Decision(outcome, reason, now, read)
        return case, finding_terms(self._authority, case, opened, kept, (person, right), decision)

    def keep(self, hit_id: str) -> DeskFinding | None:
        """Log and store the finding that the holder of a case has signed; the claim ends."""
        return keep_signed(self._database, self._record, self._authority, hit_id, self._utc())

    @contextmanager
    def writing(self, hit_id: str) -> Iterator[Connection]:
        """A write transaction on a case, after what its holder has signed is kept."""
        self.keep(hit_id)
        with self._database.writing() as connection:
            yield connection

    def _locked(self, connection: Connection, hit_id: str, now: datetime) -> LockedCase:
        return cases.locked(connection, hit_id, self._authority, now)

    def _held(
        self, connection: Connection, acting: ActingPerson, hit_id: str, now: datetime
    ) -> LockedCase:
        """The case, if the person holds it and still may."""
        case = self._locked(connection, hit_id, now)
        self._require_turn(connection, acting, case, now)
        if case.claimed_by != acting.name:
            held = "nobody" if case.claimed_by is None else case.claimed_by
            raise _not_now(case, f"is held by {held}, not by {acting.name}; claim it first")
        return case

    def _seen_pictures(
        self, connection: Connection, acting: ActingPerson, hit_id: str, now: datetime
    ) -> LockedCase:
        case = self._held(connection, acting, hit_id, now)
        if case.opened_at is None:
            raise _not_now(case, "was not opened since it was claimed; open it first")
        return case

    def _require_turn(
        self, connection: Connection, acting: ActingPerson, case: LockedCase, now: datetime
    ) -> DeskRight:
        """The right under which she may give the next finding."""
        roles = (DeskRole.SECOND_OFFICER,) if case.findings else JUDGES
        right = self._right(connection, acting, case, roles, now)
        took_part = {one.person.name for one in case.findings} | {
            one.person
            for one in cases.judgements(connection, case)
            if one.number < case.number or one.word == cases.SEEN
        }
        if acting.name in took_part:
            raise AccessError(
                f"hit {case.hit_id}: {acting.name} has judged it before, or has seen its reading; "
                "another officer gives this finding",
                code="E_FOUR_EYES",
            )
        if case.decided and not has_open_appeal(connection, case, acting.name, now):
            raise _not_now(
                case,
                "is decided, and nobody else has appealed since; have it held for the appeal "
                "(`edge-anpr desk retain hold`), or a clerk answer the objection",
            )
        return right

    def _right(
        self,
        connection: Connection,
        acting: ActingPerson,
        case: LockedCase,
        roles: tuple[DeskRole, ...],
        now: datetime,
    ) -> DeskRight:
        rights = rights_in_force(connection, acting.name, roles, now.date(), case.scope)
        if not rights:
            needed = " or ".join(role.value for role in roles)
            raise AccessError(
                f"{acting.name} has no right in force for {case.scope}; that needs the role "
                f"{needed}, which a supervisor proposes"
            )
        return rights[0]

    def _digest(self, case: LockedCase, plate: PlateText) -> str:
        return typing_digest(typing_key(self._secret, case.case_key), plate)

    def _opened(self, connection: Connection, case: LockedCase) -> OpenedHit:
        boxes = with_desk_keys(connection, self._boxes, case.payload)
        return open_hit(case.payload, boxes, self._keys)

    def _recorded(
        self, acting: ActingPerson, hit_id: str, reason: OpeningReason
    ) -> RefusalRecorder:
        return RefusalRecorder(self._record, acting.name, hit_id, reason)


def finding_payloads(database: DeskDatabase, hit_id: str) -> tuple[bytes, ...]:
    """All findings on a hit, oldest first, as they are signed.

    For those who export or verify: a second officer is not shown the first's.
    """
    with database.reading() as connection:
        return cases.kept_findings(connection, hit_id)


def _judged(connection: Connection, case: LockedCase, acting: ActingPerson) -> KeptJudgement:
    kept = cases.own_judgement(connection, case, acting.name)
    if kept is None:
        raise _not_now(case, "was not judged yet; judge it first")
    return kept


def _require_later(case: LockedCase, kept: KeptJudgement, now: datetime) -> None:
    """Refuse a step that the clock puts before the judgement which it follows."""
    if now < kept.judged_at:
        raise _not_now(
            case,
            f"was judged at {utc_text(kept.judged_at)}, and nothing follows before that; correct "
            "the clock of this machine, or wait",
        )


def _choices(case: LockedCase, kept: KeptJudgement, read: str) -> tuple[FindingOutcome, ...]:
    return outcomes(
        kept.judgement,
        first=not case.findings,
        as_box=None if kept.typed is None else kept.typed == read,
        as_earlier=kept.typed is not None and kept.typed in {one.typed for one in case.findings},
    )


def _not_now(case: LockedCase, why: str) -> AccessError:
    return AccessError(f"the case of hit {case.hit_id} {why}", code="E_CASE")
