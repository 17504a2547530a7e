"""P11 and P12: floors and ceilings, at the limit and just past it, by regime and kind of rule."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.domain.intervals import wilson
from edge.errors import ConfigError
from edge.policy.change import ChangeEffect
from edge.policy.checklist import unready
from edge.policy.diff import changes
from edge.policy.duties import Severity
from edge.policy.flaws import flaws
from edge.policy.limits import (
    HIT_SHARES,
    JUSTIFICATION_LETTERS,
    JUSTIFICATION_WORDS,
    LIMITS,
    ONE_PLACE_M,
    TRIAL_ACCURACY_LOW,
    TRIAL_DAYS,
    TRIAL_LEASE_DAYS,
    is_trial,
)
from edge.policy.model import Policy
from edge.policy.rule_models import hit_share
from edge.site.folder import load_site_folder, read_policy
from tests.support.notices import said
from tests.support.policies import DOCUMENT, document
from tests.support.product import REPOSITORY
from tests.support.sites import make_site
from tests.support.sites import policy as site_policy

KINDS = ("hotlist", "permit_zone", "wrong_way")
PLACE = {"permit_zone": 0, "hotlist": 1, "wrong_way": 2}
"""Where the example has a rule of each kind."""
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHY = said("Somebody may drive into this street at any hour")


def lawful(regime: str = "police_function_act", kind: str = "hotlist") -> dict[str, Any]:
    """A policy under a regime with one rule of a kind, and nothing wrong or worth a warning.

    Its cameras stand 300 m apart, so their hours do not add up.
    """
    content = document(real=True)
    content["legal"]["regime"] = regime
    content["cameras"]["north"]["position"] = {"latitude": 51.0527, "longitude": 3.725}
    content["cameras"]["south"]["position"] = {"latitude": 51.05, "longitude": 3.725}
    rule = content["rules"][PLACE[kind]]
    rule.update(cameras=["north"], reveal="plate", human_check=True, min_posterior=0.99)
    content["rules"] = [rule]
    content["authorities"]["police"]["competence"]["rules"] = [rule["id"]]
    content["authorities"]["police"]["key_sha256"] = ["ab" * 32]
    return content


def found(content: dict[str, Any]) -> set[tuple[str, str, Severity]]:
    """Field, code and severity of each flaw."""
    return {
        (".".join(map(str, one.location)), one.code, one.severity)
        for one in flaws(Policy.model_validate(content))
    }


def wrong(content: dict[str, Any]) -> set[tuple[str, str]]:
    return {(at, code) for at, code, severity in found(content) if severity is Severity.WRONG}


def per_rule(name: str) -> str:
    return f"rules.0.{name}"


BOTH = [(regime, kind) for regime in LIMITS for kind in KINDS]


@pytest.mark.parametrize(("regime", "kind"), BOTH)
def test_the_policy_that_these_tests_change_has_no_flaw(regime: str, kind: str) -> None:
    assert found(lawful(regime, kind)) == set()


def test_p12_the_floors_are_those_of_the_documents() -> None:
    """docs/sites.md states each number, so a change of either must be made in both."""
    text = (REPOSITORY / "docs" / "sites.md").read_text("utf-8")
    for name, figure in (
        ("min_posterior", "min_posterior"),
        ("min_margin", "min_margin"),
        ("epoch_minutes", "epoch_minutes"),
        ("hours a week", "hours_per_week"),
        ("vehicles measured", "vehicles"),
        ("lower bound", "accuracy_low"),
    ):
        (row,) = re.findall(rf"(?m)^\| [^|]*{name}[^|]*\|(.*)\|$", text)
        cells = [cell.strip() for cell in row.split("|")][: len(LIMITS)]
        assert cells == [f"{getattr(limits, figure):g}" for limits in LIMITS.values()], name
    assert f"at least {JUSTIFICATION_WORDS} different words and {JUSTIFICATION_LETTERS}" in text
    assert f"within {ONE_PLACE_M} m" in text
    assert f"`lease_days` of at most {TRIAL_LEASE_DAYS}." in text
    assert f"A trial ends {TRIAL_DAYS} days after" in text
    assert f"| likewise, of a trial |{f' {TRIAL_ACCURACY_LOW:g} |' * len(LIMITS)}" in text
    for kind, share in HIT_SHARES.items():
        assert f"| `{kind}` | {share.usual:g} | {share.most:g} |" in text


@pytest.mark.parametrize(("regime", "kind"), BOTH)
@pytest.mark.parametrize("name", ["min_posterior", "min_margin"])
def test_p12_a_threshold_below_the_floor_of_the_regime_is_refused(
    name: str, regime: str, kind: str
) -> None:
    floor = getattr(LIMITS[regime], name)  # type: ignore[index]
    content = lawful(regime, kind)

    content["rules"][0][name] = floor
    assert wrong(content) == set()
    content["rules"][0][name] = floor - 0.001
    assert wrong(content) == {(per_rule(name), "E_CERTAINTY")}


@pytest.mark.parametrize("regime", LIMITS)
def test_p5_an_epoch_beyond_the_ceiling_is_refused(regime: str) -> None:
    content = lawful(regime)

    content["epoch_minutes"] = LIMITS[regime].epoch_minutes  # type: ignore[index]
    assert wrong(content) == set()
    content["epoch_minutes"] += 1
    assert wrong(content) == {("epoch_minutes", "E_EPOCH")}


@pytest.mark.parametrize(("regime", "kind"), BOTH)
def test_p12_a_person_checks_wherever_a_sanction_may_follow(regime: str, kind: str) -> None:
    content = lawful(regime, kind)
    content["rules"][0]["human_check"] = False

    # Only at a hotlist of the police an officer sees the vehicle before anything follows.
    if (regime, kind) == ("police_function_act", "hotlist"):
        assert found(content) == {(per_rule("human_check"), "W_HUMAN_CHECK", Severity.WARNING)}
    else:
        assert wrong(content) == {(per_rule("human_check"), "E_HUMAN_CHECK")}


@pytest.mark.parametrize("reveal", ["driver", "occupants"])
@pytest.mark.parametrize(("regime", "kind"), BOTH)
def test_p6_occupants_are_shown_only_where_the_offence_needs_it(
    regime: str, kind: str, reveal: str
) -> None:
    content = lawful(regime, kind)
    content["rules"][0]["reveal"] = reveal

    if regime == "police_function_act" and kind != "permit_zone":
        assert found(content) == {(per_rule("reveal"), "W_OCCUPANTS", Severity.WARNING)}
        content["rules"][0]["human_check"] = False
        assert (per_rule("reveal"), "E_OCCUPANTS") in wrong(content)
    else:
        assert wrong(content) == {(per_rule("reveal"), "E_OCCUPANTS")}


# --- hours ------------------------------------------------------------------------------------


def weekly(minutes: int) -> dict[str, Any]:
    """Hours of so many minutes a week, beginning on Monday."""
    days: dict[str, list[str]] = {}
    for day in WEEK:
        here = min(minutes, 24 * 60)
        minutes -= here
        if here:
            days[day] = [f"00:00-{here // 60:02}:{here % 60:02}"]
    return {"weekly": days}


def busy_once(minutes: int) -> dict[str, Any]:
    """The same minutes in one week only, as dated exceptions."""
    dates = [f"2026-03-{9 + number:02}" for number in range(7)]
    hours = weekly(minutes)["weekly"]
    pairs = zip(WEEK, dates, strict=True)
    return {"exceptions": [{"date": date, "hours": hours.get(day, [])} for day, date in pairs]}


@pytest.mark.parametrize("regime", LIMITS)
@pytest.mark.parametrize("hours", [weekly, busy_once])
def test_p11_a_camera_that_is_open_for_long_needs_a_justification(hours: Any, regime: str) -> None:
    content = lawful(regime)
    ceiling = LIMITS[regime].hours_per_week * 60  # type: ignore[index]

    content["cameras"]["north"]["hours"] = hours(ceiling)
    assert wrong(content) == set()
    content["cameras"]["north"]["hours"] = hours(ceiling + 1)
    assert wrong(content) == {("cameras.north.hours", "E_HOURS")}
    content["cameras"]["north"]["hours_justification"] = WHY
    assert wrong(content) == set()


@pytest.mark.parametrize(("regime", "kind"), BOTH)
def test_p11_a_rule_without_schedule_or_in_force_for_long_needs_a_justification(
    regime: str, kind: str
) -> None:
    content = lawful(regime, kind)
    ceiling = LIMITS[regime].hours_per_week * 60  # type: ignore[index]
    content["cameras"]["north"].update(hours=weekly(ceiling + 60), hours_justification=WHY)
    rule = content["rules"][0]
    rule["hours_justification"] = None

    rule["schedule"] = weekly(ceiling)
    assert wrong(content) == set()
    rule["schedule"] = weekly(ceiling + 1)
    assert wrong(content) == {(per_rule("schedule"), "E_HOURS")}
    rule["schedule"] = None
    assert wrong(content) == {("rules.0", "E_HOURS")}
    rule["cameras"] = None
    assert wrong(content) == {("rules.0", "E_HOURS")}
    rule["hours_justification"] = WHY
    assert wrong(content) == set()


def test_p11_a_rule_is_in_force_no_longer_than_its_cameras_are_open() -> None:
    content = lawful()
    content["cameras"]["north"]["hours"] = weekly(60)
    content["rules"][0].update(hours_justification=None, schedule=weekly(7 * 24 * 60))

    assert wrong(content) == set()


def test_a_justification_in_one_language_is_refused(tmp_path: Path) -> None:
    content = site_policy()
    del content["rules"][0]["hours_justification"]["de"]
    with pytest.raises(ConfigError, match="hours_justification: 'de' is missing"):
        load_site_folder(make_site(tmp_path, policy_yaml=content).folder)


# --- the measured accuracy --------------------------------------------------------------------


def measured(content: dict[str, Any], exact: int, vehicles: int) -> dict[str, Any]:
    interval = wilson(exact, vehicles)
    bounds = [round(interval.low, 3), round(interval.high, 3)]
    content["accuracy"].update(exact=exact, vehicles=vehicles, interval=bounds)
    return content


SMALL_OR_BAD = [(4, 4), (24, 24), (24, 25), (550, 1000)]
TOO_BAD = [(1, 1), (3, 3), (12, 25), (500, 1000), (1, 1000)]


@pytest.mark.parametrize("regime", LIMITS)
@pytest.mark.parametrize(("exact", "vehicles"), SMALL_OR_BAD)
def test_p12_a_small_or_bad_measurement_allows_only_a_trial(
    exact: int, vehicles: int, regime: str
) -> None:
    content = measured(lawful(regime), exact, vehicles)

    assert wrong(content) == {("activation.lease_days", "E_ACCURACY")}
    content["activation"]["lease_days"] = TRIAL_LEASE_DAYS
    assert found(content) == {("accuracy", "W_TRIAL", Severity.WARNING)}
    content["rules"][0]["human_check"] = False
    assert (per_rule("human_check"), "E_ACCURACY") in wrong(content)
    content["rules"][0]["human_check"] = True
    content["activation"]["lease_days"] += 1
    assert wrong(content) == {("activation.lease_days", "E_ACCURACY")}


@pytest.mark.parametrize("regime", LIMITS)
def test_p12_a_large_and_good_measurement_allows_normal_operation(regime: str) -> None:
    for exact, vehicles in ((25, 25), (48, 50), (900, 1000)):
        assert not is_trial(regime, exact, vehicles)  # type: ignore[arg-type]
        assert found(measured(lawful(regime), exact, vehicles)) == set()


@pytest.mark.parametrize("regime", LIMITS)
@pytest.mark.parametrize(("exact", "vehicles"), TOO_BAD)
def test_p12_a_measurement_in_which_most_may_be_wrong_allows_no_trial(
    exact: int, vehicles: int, regime: str
) -> None:
    content = measured(lawful(regime), exact, vehicles)
    content["activation"]["lease_days"] = 1

    assert wrong(content) == {("accuracy.exact", "E_ACCURACY")}


@pytest.mark.parametrize("vehicles", [1, 25, 1000])
def test_p12_without_one_exact_read_not_even_a_trial_is_allowed(vehicles: int) -> None:
    content = measured(lawful(), 0, vehicles)
    content["activation"]["lease_days"] = 1

    assert wrong(content) == {("accuracy.exact", "E_ACCURACY")}


# --- the share of hits ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_p11_a_share_of_hits_above_the_ceiling_of_the_kind_is_refused(kind: str) -> None:
    limits = HIT_SHARES[kind]  # type: ignore[index]
    content = lawful(kind=kind)
    assert hit_share(Policy.model_validate(content).rules[0]) == limits.usual

    content["rules"][0]["max_hit_share"] = limits.most
    assert wrong(content) == set()
    assert Policy.model_validate(content).domain_rules()[0].max_hit_share == limits.most
    content["rules"][0]["max_hit_share"] = limits.most + 0.001
    assert wrong(content) == {(per_rule("max_hit_share"), "E_HIT_SHARE")}


def directions(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, ChangeEffect]]:
    both = (Policy.model_validate(one) for one in (before, after))
    return [(one.what, one.direction) for one in changes(*both)]


def test_p4_a_higher_share_of_hits_and_a_new_justification_are_widenings() -> None:
    before = lawful(kind="permit_zone")
    for share, effect in ((0.51, "WIDENING"), (0.49, "NARROWING"), (0.5, "NEUTRAL")):
        after = copy.deepcopy(before)
        after["rules"][0]["max_hit_share"] = share
        assert directions(before, after) == [("hit-share", ChangeEffect[effect])]
    for place in ("rules", "cameras"):
        after = copy.deepcopy(before)
        changed = after["rules"][0] if place == "rules" else after["cameras"]["north"]
        changed["hours_justification"] = WHY
        assert directions(before, after) == [("hours", ChangeEffect.WIDENING)]
        assert directions(after, before) == [("hours", ChangeEffect.NARROWING)]
        reworded = copy.deepcopy(after)
        changed = reworded["rules"][0] if place == "rules" else reworded["cameras"]["north"]
        changed["hours_justification"] = said("Vehicles drive too fast here at night as well")
        assert directions(after, reworded) == [("hours", ChangeEffect.WIDENING)]


# --- a policy of mass surveillance ------------------------------------------------------------


def past_each_limit() -> Iterator[tuple[str, dict[str, Any]]]:
    """A policy with one limit passed, for each limit, and the code of its refusal."""
    day_and_night = weekly(7 * 24 * 60)
    for code, where, value in (
        ("E_CERTAINTY", ("rules", 0, "min_posterior"), 0.5),
        ("E_CERTAINTY", ("rules", 0, "min_margin"), 1e-9),
        ("E_EPOCH", ("epoch_minutes",), 24 * 60),
        ("E_HUMAN_CHECK", ("rules", 0, "human_check"), False),
        ("E_OCCUPANTS", ("rules", 0, "reveal"), "occupants"),
        ("E_OCCUPANTS", ("rules", 0, "reveal"), "driver"),
        ("E_HOURS", ("cameras", "north", "hours"), day_and_night),
        ("E_HOURS", ("rules", 0, "schedule"), None),
        ("E_HOURS", ("rules", 0, "hours_justification"), said("Always needed")),
        ("E_HIT_SHARE", ("rules", 0, "max_hit_share"), 0.99),
    ):
        content = lawful("camera_act", "permit_zone")
        *way, last = where
        inner: Any = content
        for step in way:
            inner = inner[step]
        inner[last] = value
        yield code, content
    yield "E_ACCURACY", measured(lawful(), 0, 1)
    yield "E_ACCURACY", measured(lawful(), 1, 1)


@pytest.mark.parametrize(("code", "content"), list(past_each_limit()))
def test_p11_p12_no_policy_past_a_limit_may_be_signed_or_in_force(
    code: str, content: dict[str, Any]
) -> None:
    refused = unready(Policy.model_validate(content), DOCUMENT)

    assert refused is not None
    assert refused.code == code
    assert "\n" not in refused.message


@pytest.mark.parametrize("name", ["school-street", "car-free-zone", "demo"])
def test_the_examples_keep_to_every_limit(name: str) -> None:
    policy = read_policy(REPOSITORY / "config" / name / "policy.yaml").model
    assert {one.code for one in flaws(policy)} <= {"W_ALWAYS_OPEN", "W_DEMO_KEYS"}
