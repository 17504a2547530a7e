"""A desk with officers, their keys and a stored hit, for tests of reviews."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import Any

from typing_extensions import Self

from edge.authority.opening import OpenedHit
from edge.authority.store import Reason
from edge.desk.accounts import ActingPerson, DeskPerson, insert_person
from edge.desk.cases import is_signed
from edge.desk.findings import (
    DeskFinding,
)
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import (
    FindingOutcome,
    Judgement,
    OpeningReason,
)
from edge.desk.people import DeskPeople
from edge.desk.personal_keys import add_personal_key
from edge.desk.retention_terms import HitHold, HoldReason, RetentionTerms, holds_of
from edge.desk.reviewing import CaseReviews, finding_payloads
from edge.desk.rights import DeskRight, DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.domain.plates import PlateText
from edge.domain.reveal import MaskMethod
from edge.errors import AuditError
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import Event
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from tests.support.desks import FIRST, NOW, terms
from tests.support.parties import PLATE, Parties, evidence
from tests.support.receiving import boxes_of

OFFICER, OTHER, SECOND, THIRD = "els-wouters", "ann-smet", "tom-claes", "bo-second"
BOX_READ, TYPED, THIRD_READ = PlateText(PLATE), PlateText("9ZZZ876"), PlateText("8YYY543")
PICTURES = (
    Picture("vehicle", b"\xff\xd8 a vehicle", MaskMethod.MEANING),
    Picture("plate", b"\xff\xd8 a plate", MaskMethod.GEOMETRY),
)
OFFENCE, CANNOT_TELL, REJECT = Judgement.OFFENCE, Judgement.CANNOT_TELL, Judgement.REJECT
CONFIRMED, REJECTED = FindingOutcome.CONFIRMED, FindingOutcome.REJECTED
NO_WORD, REFERRED = FindingOutcome.CANNOT_TELL, FindingOutcome.REFERRED
REVIEW, SECOND_REVIEW = OpeningReason.REVIEW, OpeningReason.SECOND_REVIEW


class ReviewRoom:
    """A desk with officers and their keys, one stored hit, and a clock that tests set."""

    def __init__(self, desk: DeskFolder, database: DeskDatabase, parties: Parties) -> None:
        self.desk, self.database, self.parties = desk, database, parties
        self.now = NOW
        self.audit = desk.open_audit(self.utc)
        self.secret = desk.typing_secret(database)
        self.people = DeskPeople(database, self.audit.append, self.utc)
        with database.writing() as connection:
            for name in ("jan-maes", OFFICER, OTHER, SECOND, THIRD, "no-right"):
                # Nobody logs in here, so no passphrase is hashed.
                insert_person(connection, DeskPerson(name, name.title(), FIRST, NOW), "none")
        right = self.people.propose(who(FIRST), terms("jan-maes", DeskRole.SUPERVISOR))
        self.people.approve(who("jan-maes"), right.right_id)
        for person in (OFFICER, OTHER):
            self.give(person, DeskRole.OFFICER)
        for person in (SECOND, THIRD):
            self.give(person, DeskRole.SECOND_OFFICER)
        self.keys = {one: SigningKey.generate(one) for one in (OFFICER, OTHER, SECOND, THIRD)}
        for person, key in self.keys.items():
            add_personal_key(database, self.audit.append, who(person), key.public, NOW)
        self.hit = self.stored()
        self.reviews = self.reviews_with()

    @classmethod
    @contextmanager
    def of(cls, desk: DeskFolder, parties: Parties, *more: Any) -> Iterator[Self]:
        """The room at a desk, with its database and log, until the block ends."""
        with desk.open_database() as database:
            made = cls(desk, database, parties, *more)
            with made.audit:
                yield made

    def utc(self) -> datetime:
        return self.now

    def give(self, person: str, role: DeskRole, **limits: Any) -> DeskRight:
        right = self.people.propose(who(FIRST), terms(person, role, **limits))
        return self.people.approve(who("jan-maes"), right.right_id)

    def stored(self, hit: Hit | None = None) -> Hit:
        hit = hit or self.parties.hit(evidence(*PICTURES))
        DeskHits(self.database).put(hit, hit.to_payload(), self.now)
        return hit

    def reviews_with(
        self,
        parties: Parties | None = None,
        record: Callable[[Event], object] | None = None,
        compare: Callable[[OpenedHit], object] | None = None,
    ) -> CaseReviews:
        return CaseReviews(
            self.database,
            record or self.audit.append,
            self.utc,
            boxes_of(parties or self.parties),
            (parties or self.parties).authority,
            self.secret,
            compare,
        )

    def appealed(self) -> None:
        """Hold the hit for an appeal, unless it is held."""
        with self.database.reading() as connection:
            held = holds_of(connection, self.hit.hit_id)
        if not held:
            self.hold()

    def hold(
        self,
        by: str = FIRST,
        reason: HoldReason = HoldReason.APPEAL,
        last_day: date | None = None,
    ) -> HitHold:
        terms = RetentionTerms(self.database, self.audit.append, self.utc)
        day = last_day or self.now.date()
        return terms.hold(who(by), self.hit.hit_id, reason, "PV-2026/88", day)

    def begin(self, person: str, reason: OpeningReason = REVIEW) -> None:
        appeal = reason is OpeningReason.APPEAL
        if appeal:
            self.appealed()
        self.reviews.claim(who(person), self.hit.hit_id, appeal=appeal)
        self.reviews.open(who(person), self.hit.hit_id, reason)

    def judge(
        self,
        person: str,
        judgement: Judgement = OFFENCE,
        typed: PlateText | None = BOX_READ,
        reason: Reason | None = None,
    ) -> None:
        self.reviews.judge(
            who(person),
            self.hit.hit_id,
            judgement,
            typed=typed if judgement is OFFENCE else None,
            reason=reason,
        )

    def decide(
        self, person: str, outcome: FindingOutcome = CONFIRMED, reason: Reason | None = None
    ) -> DeskFinding:
        return self.reviews.decide(
            who(person), self.hit.hit_id, outcome, self.keys[person], reason=reason
        )

    def interrupted(
        self, person: str, outcome: FindingOutcome = CONFIRMED, reason: Reason | None = None
    ) -> None:
        """She signs, and the desk ends before her finding is logged and stored."""

        def ending(_: Event) -> None:
            raise AuditError("the desk ends here")

        before = len(self.findings())
        with suppress(AuditError):
            self.reviews_with(record=ending).decide(
                who(person), self.hit.hit_id, outcome, self.keys[person], reason=reason
            )
        assert (self.waits(), len(self.findings())) == (True, before)

    def waits(self) -> bool:
        """Whether a finding on the hit is signed and not stored."""
        with self.database.reading() as connection:
            return is_signed(connection, self.hit.hit_id)

    def through(
        self,
        person: str,
        outcome: FindingOutcome,
        typed: PlateText | None = BOX_READ,
        opening: OpeningReason = REVIEW,
    ) -> DeskFinding:
        """All steps of one person; without a typed plate she cannot tell."""
        self.begin(person, opening)
        self.judge(person, CANNOT_TELL if typed is None else OFFENCE, typed)
        return self.decide(person, outcome)

    def reject(
        self, person: str, reason: Reason = Reason.NO_OFFENCE, opening: OpeningReason = REVIEW
    ) -> DeskFinding:
        """All steps of a person who rejects the hit before she was given the reading."""
        self.begin(person, opening)
        self.judge(person, REJECT, reason=reason)
        return self.decide(person, REJECTED)

    def findings(self) -> tuple[bytes, ...]:
        return finding_payloads(self.database, self.hit.hit_id)


def who(person: str) -> ActingPerson:
    return ActingPerson(person)


def at_once(*acts: Callable[[], None]) -> None:
    """Run these in threads, and wait for them."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
