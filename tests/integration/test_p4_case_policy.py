"""A hit that the signed policy does not allow becomes no case, whoever has signed it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from edge.authority.policy_checks import require_allowed
from edge.domain.reveal import MaskMethod
from edge.errors import PolicyError
from edge.policy.model import Policy
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from tests.support.cases import SHOTS, for_the_hit, hit_under, jpeg
from tests.support.parties import AUTHORITY, CAMERA, MORNING, PLATE, Parties, evidence, make_parties
from tests.support.policies import document

PATH = Picture("first", jpeg((9, 9, 9)), MaskMethod.MEANING, MORNING)
NAMES = (PLATE.lower(), "a")
WIDE = tuple(Picture(name, one.jpeg, one.mask) for name, one in zip(NAMES, SHOTS, strict=True))


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def allowed(parties: Parties, *changes: Callable[[dict[str, Any]], object]) -> Policy:
    return Policy.model_validate(document(for_the_hit, *changes, real=True))


def refusal(hit: Hit, pictures: tuple[Picture, ...], policy: Policy) -> str:
    with pytest.raises(PolicyError) as refused:
        require_allowed(hit, pictures, policy)
    assert refused.value.code == "E_POLICY"
    return refused.value.message


def camera(content: dict[str, Any], **changed: Any) -> None:
    content["cameras"][CAMERA].update(changed)


def rule(content: dict[str, Any], **changed: Any) -> None:
    content["rules"][0].update(changed)


def authority(content: dict[str, Any], **changed: Any) -> None:
    content["authorities"][AUTHORITY].update(changed)


def competence(content: dict[str, Any], **changed: Any) -> None:
    content["authorities"][AUTHORITY]["competence"].update(changed)


def rule_elsewhere(content: dict[str, Any]) -> None:
    content["cameras"]["other"] = content["cameras"][CAMERA]
    rule(content, cameras=["other"])


def authority_elsewhere(content: dict[str, Any]) -> None:
    content["cameras"]["other"] = content["cameras"][CAMERA]
    competence(content, cameras=["other"])


AT_NIGHT = {"weekly": {"mon": ["01:00-05:00"]}}
POLICIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "begins the day after": (
        lambda one: one["activation"].update(not_before="2026-12-01"), "not yet or no longer",
    ),
    "ended the day before": (
        lambda one: one["activation"].update(sunset="2026-11-29"), "not yet or no longer",
    ),
    "camera closed at this hour": (lambda one: camera(one, hours=AT_NIGHT), "closed"),
    "camera closed on this date": (
        lambda one: camera(one, hours={
            "weekly": {"mon": ["06:00-22:00"]}, "exceptions": [{"date": "2026-11-30", "hours": []}],
        }),
        "closed",
    ),
    "rule not in force at this hour": (lambda one: rule(one, schedule=AT_NIGHT), "not apply"),
    "rule not on this camera": (rule_elsewhere, "not apply"),
    "rule asks for more certainty": (lambda one: rule(one, min_posterior=0.99), "certainty"),
    "rule asks for a larger margin": (lambda one: rule(one, min_margin=0.7), "certainty"),
    "rule shows the plate only": (lambda one: rule(one, reveal="plate"), "the picture 'vehicle'"),
    "authority off duty": (lambda one: competence(one, hours=AT_NIGHT), "not competent"),
    "authority without a mandate": (
        lambda one: authority(one, valid={"from": "2026-01-01", "until": "2026-11-29"}),
        "not competent",
    ),
    "authority of another camera": (authority_elsewhere, "not competent"),
    "authority of another rule": (lambda one: competence(one, rules=["other"]), "not competent"),
    "another purpose": (lambda one: rule(one, purpose="more"), "no such rule"),
    "another rule": (lambda one: rule(one, id="other"), "no such rule"),
    "no such camera": (
        lambda one: one.update(cameras={"other": one["cameras"][CAMERA]}), "no camera",
    ),
    "hours that overlap": (
        lambda one: rule(one, schedule={"weekly": {"mon": ["08:00-09:00", "08:30-10:00"]}}),
        "contradict themselves",
    ),
}  # fmt: skip


def test_a_hit_that_its_policy_allows_may_become_a_case(parties: Parties) -> None:
    policy = allowed(parties)

    require_allowed(hit_under(parties, policy, evidence(*SHOTS)), SHOTS, policy)


@pytest.mark.parametrize("what", POLICIES)
def test_p4_a_hit_under_a_policy_that_does_not_allow_it_is_refused(
    parties: Parties, what: str
) -> None:
    change, why = POLICIES[what]
    hit = hit_under(parties, allowed(parties), evidence(*SHOTS))

    assert why in refusal(hit, SHOTS, allowed(parties, change))


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (MORNING - timedelta(minutes=2), "not apply"),  # 08:14 in Brussels, one minute too early
        (MORNING + timedelta(minutes=28, seconds=55), "not apply"),  # 08:45 and a moment
        (MORNING + timedelta(minutes=28), ""),
        (MORNING - timedelta(days=1), "closed"),
        (datetime(1, 1, 2, tzinfo=timezone.utc), "not yet or no longer"),
        (datetime(9999, 12, 30, tzinfo=timezone.utc), "not yet or no longer"),
    ],
)
def test_p4_a_hit_outside_hours_and_dates_is_refused(
    parties: Parties, moment: datetime, why: str
) -> None:
    policy = allowed(parties)
    hit = parties.hit(
        policy_sha256=policy.sha256(), purpose=policy.rules[0].purpose, observed_at=moment
    )

    if why:
        assert why in refusal(hit, (), policy)
    else:
        require_allowed(hit, (), policy)


@pytest.mark.parametrize("pictures", [(*SHOTS, PATH), WIDE])
def test_p6_a_picture_that_the_rule_has_not_is_refused(
    parties: Parties, pictures: tuple[Picture, ...]
) -> None:
    policy = allowed(parties)

    told = refusal(hit_under(parties, policy, evidence()), pictures, policy)

    assert "has not" in told
    assert PLATE.lower() not in told, "a name that no box gives is not quoted"


def test_p12_a_hit_that_asks_for_no_check_by_people_is_refused(parties: Parties) -> None:
    policy = allowed(parties)
    unchecked = hit_under(parties, policy, evidence()).model_copy(
        update={"human_check_required": False}
    )

    assert "check by people" in refusal(unchecked, (), policy)
    require_allowed(unchecked, (), allowed(parties, lambda one: rule(one, human_check=False)))
