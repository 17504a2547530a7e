"""An officer of one site learns nothing of a case of another one, even if she knows its id."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.desk.outcomes import OpeningReason
from edge.desk.rights import DeskRole
from edge.errors import AccessError
from tests.support.desk_web import line_of, says
from tests.support.desks import make_desk
from tests.support.parties import make_parties
from tests.support.review_web import ReviewOffice, Seat, opened_office
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, REFERRED, THIRD, who

STATES = ["waiting", "held", "referred", "decided", "appealed"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[ReviewOffice]:
    yield from opened_office(make_desk(tmp_path / "desk"), make_parties(tmp_path / "parties"))


def bring(office: ReviewOffice, state: str) -> None:
    """Bring the case of the hit into a state."""
    if state == "held":
        office.room.reviews.claim(who(OFFICER), office.room.hit.hit_id)
    elif state == "referred":
        office.room.through(OFFICER, REFERRED)
    elif state in {"decided", "appealed"}:
        office.room.through(OFFICER, CONFIRMED)
        if state == "appealed":
            office.room.appealed()


def told(seat: Seat, case: str) -> list[tuple[int, str]]:
    """All that the pages say of a case to somebody who tries each step of it."""
    token = seat.token()
    forms: dict[str, dict[str, str]] = {
        "/case/claim": {"hit": case},
        f"/case/{case}/judge": {"judgement": "cannot-tell"},
        f"/case/{case}/decide": {"outcome": "confirmed", "passphrase": "guessed"},
        f"/case/{case}/sign": {"outcome": "confirmed", "decided_at": "2026-12-01T09:00:00.000Z"},
    }
    said = [(seat.client.get(f"/case/{case}/ready").status_code, "")]
    for path in (f"/case/{case}", f"/case/{case}/file"):
        line = line_of(seat.get(path))
        said.append((seat.status, line))
    for path, form in forms.items():
        for appeal in ({}, {"appeal": "yes"}):
            line = line_of(seat.post(path, token=token, **form, **appeal))
            said.append((seat.status, line))
    return said


@pytest.mark.parametrize("role", [DeskRole.OFFICER, DeskRole.SECOND_OFFICER])
@pytest.mark.parametrize("limits", [{"site": "another-site"}, {"rule": "another-rule"}])
@pytest.mark.parametrize("state", STATES)
def test_p4_a_case_of_another_site_is_as_one_that_does_not_exist(
    office: ReviewOffice, state: str, limits: dict[str, str], role: DeskRole
) -> None:
    for right in office.room.people.rights(OTHER):
        office.room.people.revoke(who("jan-maes"), right.right_id)
    office.room.give(OTHER, role, **limits)
    bring(office, state)
    stranger = office.seat(OTHER)

    found = told(stranger, office.room.hit.hit_id)

    assert found == told(stranger, "0" * 32)
    assert {line for _, line in found} == {"", says("case.missing"), says("file.missing")}


@pytest.mark.parametrize("state", STATES)
def test_p4_whoever_has_no_right_there_is_refused_for_that_before_anything_else(
    office: ReviewOffice, state: str
) -> None:
    office.room.give("no-right", DeskRole.SECOND_OFFICER, site="another-site")
    bring(office, state)
    reviews, hit_id = office.room.reviews, office.room.hit.hit_id

    for step in (
        partial(reviews.claim, who("no-right"), hit_id),
        partial(reviews.claim, who("no-right"), hit_id, appeal=True),
        partial(reviews.open_decided, who("no-right"), hit_id, OpeningReason.COURT),
    ):
        with pytest.raises(AccessError) as refusal:
            step()
        assert refusal.value.code == "E_RIGHT"
        assert OFFICER not in str(refusal.value)


def test_who_may_review_there_is_still_told_who_holds_the_case(office: ReviewOffice) -> None:
    office.room.give(THIRD, DeskRole.OFFICER, site=office.room.hit.site)
    bring(office, "held")

    assert OFFICER in line_of(office.seat(THIRD).get(f"/case/{office.room.hit.hit_id}"))
