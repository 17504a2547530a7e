"""What a finding rests on: pictures that were seen, and times in their order."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from edge.authority.store import Reason
from edge.desk import cases
from edge.desk.findings import DeskFinding
from edge.formats.timestamps import parse_utc
from tests.integration.test_desk_passkey_findings import Desk
from tests.integration.test_desk_people import refused
from tests.support.parties import Parties, evidence, make_parties
from tests.support.reviews import (
    BOX_READ,
    CANNOT_TELL,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    REFERRED,
    REJECT,
    REJECTED,
    SECOND,
    SECOND_REVIEW,
    TYPED,
    ReviewRoom,
    who,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def without_pictures(room: ReviewRoom) -> None:
    room.hit = room.stored(room.parties.hit(evidence()))


def test_p4_nobody_judges_an_offence_on_a_hit_without_a_picture(room: ReviewRoom) -> None:
    without_pictures(room)
    room.begin(OFFICER)
    for typed in (BOX_READ, TYPED):
        refused(partial(room.judge, OFFICER, typed=typed), "E_USAGE")
    room.judge(OFFICER, CANNOT_TELL)
    room.decide(OFFICER, REFERRED)
    room.begin(SECOND, SECOND_REVIEW)
    refused(partial(room.judge, SECOND), "E_USAGE")
    room.judge(SECOND, CANNOT_TELL)
    assert room.decide(SECOND, NO_WORD).shown == ()

    without_pictures(room)
    room.begin(OFFICER)
    room.judge(OFFICER, REJECT, reason=Reason.EXEMPT)
    assert room.decide(OFFICER, REJECTED).outcome is REJECTED


def in_order(finding: DeskFinding) -> bool:
    times = [finding.opened_at, finding.judged_at, finding.decided_at]
    return [parse_utc(one) for one in times] == sorted(parse_utc(one) for one in times)


def test_p4_a_finding_is_opened_then_judged_then_decided(room: ReviewRoom) -> None:
    room.begin(OFFICER)
    room.now += MINUTE
    room.judge(OFFICER)
    room.now -= MINUTE  # the clock of the machine goes back
    assert "clock" in refused(partial(room.decide, OFFICER), "E_CASE")
    # Her claim ends, and she opens the hit again after she judged.
    room.now += MINUTE + cases.CLAIMED_FOR
    room.begin(OFFICER)
    room.now += MINUTE
    finding = room.decide(OFFICER)
    assert in_order(finding)


def test_p4_a_browser_brings_no_decision_before_the_judgement(room: ReviewRoom) -> None:
    own = Desk(room)
    made, _ = own.passkey(OFFICER)
    own.judged(OFFICER)
    room.now += MINUTE
    asked = own.signing.begin(acting := who(OFFICER), room.hit.hit_id, CONFIRMED)
    answer = made.get(asked.options)
    for earlier in (asked.decided_at - 2 * MINUTE, asked.decided_at + MINUTE):
        refused(
            partial(
                own.signing.finish, acting, room.hit.hit_id, CONFIRMED, answer,
                decided_at=earlier,
            ),
            "E_CASE" if earlier < asked.decided_at else "E_PASSKEY",
        )  # fmt: skip
    finding = own.signing.finish(
        acting, room.hit.hit_id, CONFIRMED, answer, decided_at=asked.decided_at
    )
    assert in_order(finding)
