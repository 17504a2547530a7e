"""Reviews at the desk: the steps and their order, the outcomes, findings, and no plate anywhere."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from edge.authority.store import Reason
from edge.desk import cases
from edge.desk.findings import (
    verify_findings,
)
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import (
    BEFORE_READING,
    FindingOutcome,
    Judgement,
    OpeningReason,
    outcomes,
)
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import CaseReviews
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.domain.plates import PlateText
from edge.errors import AuditError, EdgeError, OutboxError
from edge.privacy.audit_events import CaseOpened, Event, FindingSigned, ReadingShown
from tests.integration.test_desk_people import recorded, refused
from tests.support.desks import FIRST, NOW
from tests.support.parties import Parties, evidence, make_parties
from tests.support.receiving import boxes_of
from tests.support.reviews import (
    BOX_READ,
    CANNOT_TELL,
    CONFIRMED,
    NO_WORD,
    OFFENCE,
    OFFICER,
    OTHER,
    PICTURES,
    REFERRED,
    REJECT,
    REJECTED,
    REVIEW,
    SECOND,
    SECOND_REVIEW,
    THIRD,
    THIRD_READ,
    TYPED,
    ReviewRoom,
    at_once,
    who,
)

ON_BOTH = {  # tests that run on PostgreSQL too
    "test_of_two_officers_at_once_one_gets_the_case", "test_of_two_decisions_at_once_one_is_kept",
    "test_p4_a_decided_case_is_followed_by_an_appeal_and_never_overwritten",
    "test_p4_the_database_refuses_to_change_a_finding",
    "test_p21_a_finding_that_cannot_be_logged_is_not_stored",
}  # fmt: skip


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[ReviewRoom]:
    with ReviewRoom.of(desk, parties) as made:
        yield made


def openings(room: ReviewRoom) -> list[CaseOpened]:
    return [one for one in recorded(room.desk) if isinstance(one, CaseOpened)]


# --- opening --------------------------------------------------------------------------------------


def test_an_opening_is_logged_with_the_person_before_the_pictures_are_given(
    room: ReviewRoom,
) -> None:
    seen: list[Event] = []

    def record(event: Event) -> None:
        seen.append(event)
        if isinstance(event, CaseOpened):
            raise AuditError("the disk is full")

    room.reviews.claim(who(OFFICER), room.hit.hit_id)
    unlogged = room.reviews_with(record=record)
    refused(lambda: unlogged.open(who(OFFICER), room.hit.hit_id, REVIEW), "E_AUDIT")
    assert seen == [CaseOpened(room.hit.hit_id, OFFICER, "review", "opened")]
    refused(lambda: room.judge(OFFICER), "E_CASE")

    view = room.reviews.open(who(OFFICER), room.hit.hit_id, REVIEW)
    assert [(one.name, one.jpeg) for one in view.pictures] == [
        (one.name, one.jpeg) for one in PICTURES
    ]
    assert openings(room) == seen


@pytest.mark.parametrize("person", ["no-right", FIRST])
def test_who_is_no_officer_opens_nothing_and_the_attempt_is_logged(
    room: ReviewRoom, person: str
) -> None:
    hit_id = room.hit.hit_id
    refused(lambda: room.reviews.claim(who(person), hit_id), "E_RIGHT")
    for reason in (REVIEW, SECOND_REVIEW):
        refused(partial(room.reviews.open, who(person), hit_id, reason), "E_RIGHT")
    refused(lambda: room.reviews.open_decided(who(person), hit_id, OpeningReason.COURT), "E_RIGHT")
    assert openings(room) == [
        CaseOpened(hit_id, person, reason, "E_RIGHT")
        for reason in ("review", "second-review", "court")
    ]


@pytest.mark.parametrize(
    "limits",
    [
        {"site": "another-site"},
        {"rule": "another-rule"},
        {"first": NOW.date() + timedelta(days=1)},
    ],
)
def test_a_right_with_other_limits_opens_nothing(
    room: ReviewRoom, limits: Mapping[str, object]
) -> None:
    room.give("no-right", DeskRole.OFFICER, **limits)

    refused(lambda: room.reviews.claim(who("no-right"), room.hit.hit_id), "E_RIGHT")


def test_a_right_for_the_site_and_rule_of_the_hit_opens_it(room: ReviewRoom) -> None:
    hit = room.hit
    right = room.give("no-right", DeskRole.OFFICER, site=hit.site, rule=hit.rule)

    assert room.reviews.claim(who("no-right"), hit.hit_id).number == 1
    room.people.revoke(who("jan-maes"), right.right_id)
    refused(lambda: room.reviews.open(who("no-right"), hit.hit_id, REVIEW), "E_RIGHT")


def test_a_hit_that_cannot_be_opened_is_one_line_in_the_log_too(
    room: ReviewRoom, tmp_path: Path
) -> None:
    altered = room.parties.hit(evidence(*PICTURES))
    payload = altered.to_payload().replace(b'"counter":1', b'"counter":2')
    DeskHits(room.database).put(altered, payload, NOW)
    others = make_parties(tmp_path / "others", box="box-2")
    cases_ = [
        (altered.hit_id, room.reviews, "E_SIGNATURE"),
        (room.hit.hit_id, room.reviews_with(others), "E_HIT"),
    ]
    wrong_key = CaseReviews(
        room.database,
        room.audit.append,
        room.utc,
        boxes_of(room.parties),
        others.authority,
        room.secret,
    )
    cases_.append((room.hit.hit_id, wrong_key, "E_NO_KEY"))
    for hit_id, reviews, code in cases_:
        reviews.claim(who(OFFICER), hit_id)
        refused(partial(reviews.open, who(OFFICER), hit_id, REVIEW), code)
        assert openings(room)[-1] == CaseOpened(hit_id, OFFICER, "review", code)
        refused(partial(reviews.judge, who(OFFICER), hit_id, OFFENCE, typed=BOX_READ), "E_CASE")
    with pytest.raises(OutboxError) as error:
        room.reviews.claim(who(OFFICER), "0" * 32)
    assert error.value.code == "E_NO_HIT"


def test_the_reading_for_a_court_is_given_only_of_a_decided_case(room: ReviewRoom) -> None:
    hit_id, court = room.hit.hit_id, OpeningReason.COURT
    refused(lambda: room.reviews.open_decided(who(OTHER), hit_id, court), "E_CASE")
    room.through(OFFICER, CONFIRMED)
    refused(lambda: room.reviews.open_decided(who(OTHER), hit_id, REVIEW), "E_CASE")

    opened = room.reviews.open_decided(who(THIRD), hit_id, court)
    assert opened.content.plate == BOX_READ
    assert openings(room)[-1] == CaseOpened(hit_id, THIRD, "court", "opened")
    # She knows the reading now.
    refused(lambda: room.reviews.claim(who(THIRD), hit_id, appeal=True), "E_FOUR_EYES")
    room.appealed()
    assert room.reviews.claim(who(SECOND), hit_id, appeal=True).number == 2


# --- the order of the steps -----------------------------------------------------------------------


def test_p4_the_box_reading_is_given_only_after_the_typing(room: ReviewRoom) -> None:
    reviews, hit_id = room.reviews, room.hit.hit_id
    steps: list[Callable[[], object]] = [
        lambda: reviews.open(who(OFFICER), hit_id, REVIEW),
        lambda: room.judge(OFFICER),
        lambda: reviews.reading(who(OFFICER), hit_id),
        lambda: reviews.choices(who(OFFICER), hit_id),
        lambda: room.decide(OFFICER),
    ]
    for step in steps:
        refused(step, "E_CASE")
    reviews.claim(who(OFFICER), hit_id)
    for step in steps[1:]:
        refused(step, "E_CASE")
    reviews.open(who(OFFICER), hit_id, REVIEW)
    for step in steps[2:]:
        refused(step, "E_CASE")
    room.judge(OFFICER)

    reading = reviews.reading(who(OFFICER), hit_id)
    assert (reading.plate, reading.agrees) == (BOX_READ, True)
    assert reading.choices == (CONFIRMED, REJECTED, REFERRED)
    assert recorded(room.desk)[-1] == ReadingShown(hit_id, OFFICER)


def test_p4_who_cannot_tell_or_rejects_is_not_given_the_reading(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER, CANNOT_TELL)
    refused(lambda: room.reviews.reading(who(OFFICER), room.hit.hit_id), "E_CASE")


def test_p4_nobody_types_again_after_she_was_given_the_reading(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER, typed=TYPED)
    assert not room.reviews.reading(who(OFFICER), room.hit.hit_id).agrees
    refused(lambda: room.judge(OFFICER), "E_CASE")

    # Nor after her claim has ended, nor under a claim of somebody else.
    room.now += cases.CLAIMED_FOR
    assert room.reviews.claim(who(OFFICER), room.hit.hit_id).judged
    room.reviews.open(who(OFFICER), room.hit.hit_id, REVIEW)
    refused(lambda: room.judge(OFFICER), "E_CASE")
    refused(lambda: room.decide(OFFICER), "E_CASE")
    assert room.decide(OFFICER, REFERRED).outcome is REFERRED


def test_a_claim_holds_for_one_person_and_ends(room: ReviewRoom) -> None:
    hit_id = room.hit.hit_id
    room.begin(OFFICER)
    assert "els-wouters" in refused(lambda: room.reviews.claim(who(OTHER), hit_id), "E_CASE")
    refused(lambda: room.reviews.open(who(OTHER), hit_id, REVIEW), "E_CASE")
    room.judge(OFFICER)

    room.now += cases.CLAIMED_FOR
    refused(lambda: room.decide(OFFICER), "E_CASE")
    assert not room.reviews.claim(who(OTHER), hit_id).judged
    refused(lambda: room.decide(OFFICER), "E_CASE")
    refused(lambda: room.judge(OTHER), "E_CASE")  # not opened by her
    room.reviews.open(who(OTHER), hit_id, REVIEW)
    room.judge(OTHER, CANNOT_TELL)
    room.decide(OTHER, REFERRED)


def test_a_claim_can_be_renewed_without_opening_again(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.now += cases.CLAIMED_FOR / 2
    room.reviews.claim(who(OFFICER), room.hit.hit_id)
    room.now += cases.CLAIMED_FOR * 0.75
    room.judge(OFFICER)


@pytest.mark.parametrize(
    ("judgement", "typed", "reason"),
    [
        (OFFENCE, None, None),
        (OFFENCE, BOX_READ, Reason.EXEMPT),
        (CANNOT_TELL, BOX_READ, None),
        (CANNOT_TELL, None, Reason.EXEMPT),
        (REJECT, None, None),
        (REJECT, BOX_READ, Reason.EXEMPT),
        (REJECT, None, Reason.MISREAD),
    ],
)
def test_a_judgement_has_what_it_needs_and_nothing_else(
    room: ReviewRoom, judgement: Judgement, typed: PlateText | None, reason: Reason | None
) -> None:
    room.begin(OFFICER)
    refused(
        lambda: room.reviews.judge(
            who(OFFICER), room.hit.hit_id, judgement, typed=typed, reason=reason
        ),
        "E_USAGE",
    )


# --- outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", BEFORE_READING)
def test_one_officer_rejects_with_a_reason(room: ReviewRoom, reason: Reason) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER, REJECT, reason=reason)
    assert room.reviews.choices(who(OFFICER), room.hit.hit_id) == (REJECTED,)
    refused(lambda: room.decide(OFFICER, CONFIRMED), "E_CASE")
    refused(lambda: room.decide(OFFICER, REJECTED, Reason.EXEMPT), "E_USAGE")

    finding = room.decide(OFFICER, REJECTED)
    assert (finding.outcome, finding.reason, finding.typed) == (REJECTED, reason, None)


def test_who_agrees_may_still_reject_with_a_reason_or_refer(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER)
    refused(lambda: room.decide(OFFICER, REJECTED), "E_USAGE")
    refused(lambda: room.decide(OFFICER, REJECTED, Reason.MISREAD), "E_USAGE")
    refused(lambda: room.decide(OFFICER, CONFIRMED, Reason.EXEMPT), "E_USAGE")
    refused(lambda: room.decide(OFFICER, NO_WORD), "E_CASE")
    assert room.decide(OFFICER, REJECTED, Reason.DUPLICATE).reason is Reason.DUPLICATE


@pytest.mark.parametrize(
    ("first", "second", "allowed", "reason"),
    [
        (TYPED, BOX_READ, (CONFIRMED, REJECTED), None),
        (TYPED, TYPED, (REJECTED,), Reason.MISREAD),
        (TYPED, THIRD_READ, (NO_WORD,), None),
        (TYPED, None, (NO_WORD,), None),
        (None, BOX_READ, (CONFIRMED, REJECTED), None),
        (None, TYPED, (NO_WORD,), None),
        (None, None, (NO_WORD,), None),
    ],
)
def test_a_second_officer_decides_by_the_table(
    room: ReviewRoom,
    first: PlateText | None,
    second: PlateText | None,
    allowed: tuple[FindingOutcome, ...],
    reason: Reason | None,
) -> None:
    one = room.through(OFFICER, REFERRED, first)
    room.begin(SECOND, SECOND_REVIEW)
    room.judge(SECOND, CANNOT_TELL if second is None else OFFENCE, second)
    assert room.reviews.choices(who(SECOND), room.hit.hit_id) == allowed

    two = room.decide(SECOND, allowed[0])
    assert (two.number, two.predecessor) == (2, one.sha256())
    assert (two.outcome, two.reason) == (allowed[0], reason)
    assert (two.typed == one.typed) is (first == second)
    refused(lambda: room.reviews.claim(who(THIRD), room.hit.hit_id), "E_CASE")


def test_every_judgement_has_an_outcome_and_only_an_agreeing_one_confirms() -> None:
    for judgement in Judgement:
        for first in (True, False):
            for as_box in (True, False, None):
                for as_earlier in (True, False):
                    found = outcomes(judgement, first=first, as_box=as_box, as_earlier=as_earlier)
                    assert found
                    assert first or REFERRED not in found
                    assert (CONFIRMED in found) is (judgement is OFFENCE and as_box is True)


# --- four eyes ------------------------------------------------------------------------------------


def test_p4_the_second_officer_is_another_person(room: ReviewRoom) -> None:
    room.give(OFFICER, DeskRole.SECOND_OFFICER)
    room.through(OFFICER, REFERRED, TYPED)

    refused(lambda: room.reviews.claim(who(OFFICER), room.hit.hit_id), "E_FOUR_EYES")
    refused(lambda: room.reviews.claim(who(OTHER), room.hit.hit_id), "E_RIGHT")
    assert room.reviews.claim(who(SECOND), room.hit.hit_id).reason is SECOND_REVIEW


def test_p4_who_typed_and_left_the_case_is_no_second_officer(room: ReviewRoom) -> None:
    room.begin(SECOND)
    room.judge(SECOND)
    room.now += cases.CLAIMED_FOR
    room.through(OFFICER, REFERRED, TYPED)

    refused(lambda: room.reviews.claim(who(SECOND), room.hit.hit_id), "E_FOUR_EYES")


def test_p4_the_second_officer_gets_nothing_of_the_first(room: ReviewRoom) -> None:
    first = room.through(OFFICER, REFERRED, TYPED)
    claim = room.reviews.claim(who(SECOND), room.hit.hit_id)
    view = room.reviews.open(who(SECOND), room.hit.hit_id, SECOND_REVIEW)
    room.judge(SECOND)
    reading = room.reviews.reading(who(SECOND), room.hit.hit_id)

    assert first.typed is not None
    for given_to_her in (claim, view, reading):
        for word in (OFFICER, first.typed, first.sha256()):
            assert word not in repr(given_to_her)
    assert claim.judged is False


# --- two at once, and never overwritten -----------------------------------------------------------


def test_of_two_officers_at_once_one_gets_the_case(room: ReviewRoom) -> None:
    for _ in range(5):
        room.hit = room.stored()
        barrier = threading.Barrier(2)
        got: list[str] = []

        def claim(person: str, barrier: threading.Barrier = barrier, got: list = got) -> None:  # type: ignore[type-arg]
            barrier.wait()
            try:
                room.reviews.claim(who(person), room.hit.hit_id)
                got.append(person)
            except EdgeError as error:
                got.append(error.code)

        at_once(partial(claim, OFFICER), partial(claim, OTHER))
        assert sorted(one in {OFFICER, OTHER} for one in got) == [False, True]
        assert "E_CASE" in got


def test_of_two_decisions_at_once_one_is_kept(room: ReviewRoom) -> None:
    """The same officer in two windows: a double click."""
    for _ in range(5):
        room.hit = room.stored()
        room.begin(OFFICER)
        room.judge(OFFICER)
        barrier = threading.Barrier(2)
        got: list[str] = []

        def decide(
            outcome: FindingOutcome,
            barrier: threading.Barrier = barrier,
            got: list[str] = got,
        ) -> None:
            barrier.wait()
            try:
                got.append(room.decide(OFFICER, outcome).sha256())
            except EdgeError as error:
                got.append(error.code)

        at_once(partial(decide, CONFIRMED), partial(decide, REFERRED))
        (payload,) = room.findings()
        assert sorted(one == hashlib.sha256(payload).hexdigest() for one in got) == [False, True]
        signed = [one for one in recorded(room.desk) if isinstance(one, FindingSigned)]
        assert len([one for one in signed if one.hit_id == room.hit.hit_id]) == 1


def test_p4_a_decided_case_is_followed_by_an_appeal_and_never_overwritten(room: ReviewRoom) -> None:
    refused(lambda: room.reviews.claim(who(THIRD), room.hit.hit_id, appeal=True), "E_CASE")
    first = room.through(OFFICER, CONFIRMED)
    before = room.findings()
    for person in (OTHER, SECOND):
        refused(partial(room.reviews.claim, who(person), room.hit.hit_id), "E_CASE")
    refused(lambda: room.decide(OFFICER, REFERRED), "E_RIGHT")

    second = room.through(SECOND, NO_WORD, TYPED, OpeningReason.APPEAL)
    assert (second.number, second.predecessor) == (2, first.sha256())
    third = room.through(THIRD, REJECTED, TYPED, OpeningReason.APPEAL)
    assert (third.predecessor, third.reason) == (second.sha256(), Reason.MISREAD)
    assert room.findings()[:1] == before
    keys = tuple(one for each in personal_keys(room.database).values() for one in each)
    found = verify_findings(room.findings(), keys)
    assert [one.outcome for one in found] == [CONFIRMED, NO_WORD, REJECTED]


ANOTHER_ROW = "SELECT 'other', hit_id, number, person, 'rejected', decided_at, payload FROM finding"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE finding SET outcome = 'rejected'",
        "DELETE FROM finding",
        "INSERT OR REPLACE INTO finding SELECT * FROM finding",
        f"REPLACE INTO finding {ANOTHER_ROW}",
        f"INSERT INTO finding {ANOTHER_ROW}",
        "TRUNCATE finding",
        "DELETE FROM hit",
    ],
)
def test_p4_the_database_refuses_to_change_a_finding(room: ReviewRoom, statement: str) -> None:
    room.through(OFFICER, CONFIRMED)
    before = room.findings()

    with pytest.raises(OutboxError), room.database.writing() as connection:
        connection.execute(text(statement))
    assert room.findings() == before


def test_p21_a_finding_that_cannot_be_logged_is_not_stored(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.judge(OFFICER)

    def record(event: Event) -> None:
        raise AuditError("the disk is full")

    unlogged = room.reviews_with(record=record)
    args = (who(OFFICER), room.hit.hit_id, CONFIRMED, room.keys[OFFICER])
    refused(lambda: unlogged.decide(*args), "E_AUDIT")
    assert room.findings() == ()
    assert room.decide(OFFICER).outcome is CONFIRMED
