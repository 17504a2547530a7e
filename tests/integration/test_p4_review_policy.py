"""The page of a review says if the signed policy does not allow the hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.desk.policies import compared_with
from edge.errors import PolicyError
from edge.policy.model import Policy
from edge.texts import LANGUAGES
from tests.support.cases import SHOTS, closed, for_the_hit, hit_under
from tests.support.desk_web import line_of, says
from tests.support.desks import make_desk
from tests.support.parties import PLATE, Parties, evidence, make_parties
from tests.support.policies import document
from tests.support.review_web import ReviewOffice, opened_office
from tests.support.reviews import CONFIRMED, OFFICER, who


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def office(tmp_path: Path, parties: Parties) -> Iterator[ReviewOffice]:
    yield from opened_office(make_desk(tmp_path / "desk"), parties)


def plate_only(content: dict[str, Any]) -> None:
    content["rules"][0]["reveal"] = "plate"


@pytest.mark.parametrize(
    ("changes", "warned"),
    [((), False), ((closed,), True), ((plate_only,), True)],
    ids=["allowed", "camera closed", "plate only"],
)
def test_p4_the_officer_is_told_of_a_hit_that_its_policy_does_not_allow(
    office: ReviewOffice,
    parties: Parties,
    changes: tuple[Callable[[dict[str, Any]], None], ...],
    *,
    warned: bool,
) -> None:
    policy = Policy.model_validate(document(for_the_hit, *changes, real=True))
    office.room.hit = office.room.stored(hit_under(parties, policy, evidence(*SHOTS)))
    seat = office.seat(OFFICER, replace(office.desk, policies={policy.sha256(): policy}))
    seat.claim()

    for language in LANGUAGES:
        seat.client.get(f"/language/{language}")
        page = seat.get(seat.case).replace("\N{NO-BREAK SPACE}", " ")
        assert (says("case.not_allowed", language) in page) is warned


def test_p4_no_finding_confirms_a_hit_that_its_policy_does_not_allow(
    office: ReviewOffice, parties: Parties
) -> None:
    policy = Policy.model_validate(document(for_the_hit, closed, real=True))
    room = office.room
    room.hit = room.stored(hit_under(parties, policy, evidence(*SHOTS)))
    reviews = room.reviews_with(compare=compared_with({policy.sha256(): policy}))
    seat = office.seat(OFFICER, replace(office.desk, reviews=reviews))
    seat.claim()
    seat.judge("offence", PLATE)

    page = seat.decide("confirmed")
    assert (seat.status, line_of(page)) == (409, says("case.not_allowed"))
    with pytest.raises(PolicyError, match="closed"):
        reviews.decide(who(OFFICER), room.hit.hit_id, CONFIRMED, room.keys[OFFICER])
    assert room.findings() == ()
    assert not room.waits()

    seat.decide("rejected", reason="no-offence")
    (finding,) = office.findings()
    assert finding.outcome.value == "rejected"
