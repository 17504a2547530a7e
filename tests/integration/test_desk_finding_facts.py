"""What a finding rests on: pictures that were seen, and times in their order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from edge.authority.store import Reason
from edge.desk import cases
from edge.desk.findings import DeskFinding, FindingTerms, parse_finding, sign_finding
from edge.desk.store.tables import PERSONAL_KEY, REVIEW_CASE
from edge.formats.signing import SigningKey
from edge.formats.timestamps import parse_utc, utc_text
from tests.integration.test_desk_passkey_findings import Desk
from tests.integration.test_desk_people import recorded, refused
from tests.support.desks import make_desk
from tests.support.parties import Parties, evidence, make_parties
from tests.support.reviews import (
    BOX_READ,
    CANNOT_TELL,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
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


@pytest.fixture
def own(tmp_path: Path, parties: Parties) -> Iterator[Desk]:
    with ReviewRoom.of(make_desk(tmp_path / "desk"), parties) as room:
        yield Desk(room)


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


# --- what is signed and not stored yet ------------------------------------------------------------


def altered(finding: DeskFinding, key: SigningKey, **changed: object) -> bytes:
    """Another finding, which this key has signed."""
    terms = FindingTerms.model_validate(
        {**finding.model_dump(exclude={"signature"}, by_alias=True), **changed}
    )
    return sign_finding(terms, key).to_payload()


@pytest.mark.parametrize(
    "lie",
    [
        "no key", "another key", "a revoked key", "hit_id", "hit_sha256", "number", "predecessor",
        "site", "rule", "authority", "unsigned change", "no finding",
    ],
)  # fmt: skip
def test_p4_what_nobody_has_signed_for_the_case_is_neither_logged_nor_stored(
    own: Desk, lie: str
) -> None:
    room = own.room
    hers = room.keys[OFFICER]
    own.judged(OFFICER)
    room.interrupted(OFFICER)
    with room.database.reading() as connection:
        row = connection.execute(select(REVIEW_CASE.c.signed)).scalar_one()
    finding = parse_finding(bytes(row))
    name = finding.person.model_copy(update={"name": OTHER})
    others: dict[str, bytes] = {
        "no key": altered(finding, SigningKey.generate("thief")),
        "another key": altered(finding, hers, person=name),
        "a revoked key": bytes(row),
        "hit_id": altered(finding, hers, hit_id="0" * 32),
        "number": altered(finding, hers, number=2),
        "unsigned change": bytes(row).replace(b'"confirmed"', b'"cannot-tell"'),
        "no finding": b"{}",
    }
    digest = lie.endswith("sha256") or lie == "predecessor"
    payload = others.get(lie) or altered(finding, hers, **{lie: "0" * 64 if digest else "another"})
    with room.database.writing() as connection:
        connection.execute(REVIEW_CASE.update().values(signed=payload))
        if lie == "a revoked key":
            connection.execute(PERSONAL_KEY.update().values(revoked_at=utc_text(room.now)))
    before = recorded(room.desk)

    assert room.hit.hit_id in refused(partial(room.reviews.keep, room.hit.hit_id), "E_FINDING")
    assert (room.findings(), recorded(room.desk)) == ((), before)


def test_p4_a_decision_that_is_kept_is_not_taken_for_one_with_another_reason(own: Desk) -> None:
    room = own.room
    for outcome, reason in ((REJECTED, Reason.NO_OFFENCE), (REJECTED, None), (CONFIRMED, None)):
        own.judged(OFFICER)
        room.interrupted(OFFICER, REJECTED, Reason.EXEMPT)
        assert "signed another" in refused(partial(room.decide, OFFICER, outcome, reason), "E_CASE")
        kept = parse_finding(room.findings()[-1])
        assert (kept.outcome, kept.reason) == (REJECTED, Reason.EXEMPT)
        room.hit = room.stored()
    own.judged(OFFICER)
    room.interrupted(OFFICER, REJECTED, Reason.EXEMPT)
    assert room.decide(OFFICER, REJECTED, Reason.EXEMPT).reason is Reason.EXEMPT
    room.hit = room.stored()
    room.begin(OFFICER)
    room.judge(OFFICER, REJECT, reason=Reason.NO_OFFENCE)
    room.interrupted(OFFICER, REJECTED)
    assert room.decide(OFFICER, REJECTED).reason is Reason.NO_OFFENCE  # that of the judgement
