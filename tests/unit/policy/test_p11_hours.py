"""P11: hours at one place and of one purpose add up, and a sentence justifies the many."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge.policy.flaws import flaws
from edge.policy.model import Policy
from tests.support.notices import said
from tests.unit.policy.test_p11_p12_limits import (
    WEEK,
    WHY,
    busy_once,
    lawful,
    per_rule,
    weekly,
    wrong,
)

DAY, NIGHT = [
    {"weekly": {day: [hours] for day in WEEK}} for hours in ("00:00-12:00", "12:00-24:00")
]
"""Half of the week each; the ceiling allows it to one of them."""
NEAR, FAR = 51.0508, 51.0511
"""Latitudes 89 and 122 m from the south camera."""


def two_cameras(**north: Any) -> dict[str, Any]:
    """Two cameras that share the week between them, each with a rule of its own purpose."""
    content = lawful()
    content["cameras"]["south"]["hours"] = NIGHT
    content["cameras"]["north"].update(hours=DAY, **north)
    return content


def others_in(content: dict[str, Any]) -> set[tuple[str, str]]:
    """The place of each refusal for hours that were added, and the names of the others."""
    return {
        (".".join(map(str, one.location)), one.values["others"])
        for one in flaws(Policy.model_validate(content))
        if one.fault in {"camera_hours_together", "rule_hours_together"}
    }


BOTH_CAMERAS = {("cameras.north.hours", "south"), ("cameras.south.hours", "north")}


@pytest.mark.parametrize(
    "north",
    [
        {"position": {"latitude": 51.05, "longitude": 3.725}},
        {"position": {"latitude": NEAR, "longitude": 3.725}},
        {"position": None},
        {"place": said("A corner") | {"nl": "de  ZUIDHOEK!"}},
    ],
    ids=["position", "near", "no-position", "place"],
)
def test_p11_hours_of_cameras_at_one_place_add_up(north: dict[str, Any]) -> None:
    content = two_cameras(**north)

    assert others_in(content) == BOTH_CAMERAS
    assert {code for _, code in wrong(content)} == {"E_HOURS"}
    content["cameras"]["north"]["hours_justification"] = WHY
    assert others_in(content) == {("cameras.south.hours", "north")}
    content["cameras"]["south"]["hours_justification"] = WHY
    assert wrong(content) == set()


def test_p11_cameras_whose_views_may_meet_film_one_place() -> None:
    content = two_cameras(position={"latitude": FAR, "longitude": 3.725})

    assert wrong(content) == set()
    content["cameras"]["south"]["field_of_view"]["reach_m"] = 100  # and 30 m from the other side
    assert others_in(content) == BOTH_CAMERAS


def test_p11_hours_of_cameras_at_two_places_do_not_add_up() -> None:
    assert wrong(two_cameras()) == set()
    assert wrong(two_cameras(position={"latitude": FAR, "longitude": 3.725})) == set()
    across = {"latitude": 0, "longitude": 179.9999}
    content = two_cameras(position=across)
    content["cameras"]["south"]["position"] = {"latitude": 0, "longitude": -179.9999}
    assert others_in(content) == BOTH_CAMERAS  # 22 m apart, over the date line


def test_p11_hours_in_which_several_cameras_are_open_count_once() -> None:
    content = two_cameras(position=None)
    content["cameras"]["south"]["hours"] = DAY
    assert wrong(content) == set()
    late = {"weekly": {**DAY["weekly"], "sun": ["00:00-12:01"]}}
    content["cameras"]["south"]["hours"] = late
    assert wrong(content) == {("cameras.south.hours", "E_HOURS")}
    # Hours of a camera that says why are said; the other one adds none.
    content["cameras"]["south"]["hours_justification"] = WHY
    assert wrong(content) == set()


def test_p11_hours_of_one_week_only_add_up_too() -> None:
    content = two_cameras(position=None)
    content["cameras"]["north"]["hours"] = busy_once(7 * 12 * 60)
    content["cameras"]["south"]["hours"] = {"weekly": {"sat": ["12:00-24:00"]}}

    assert others_in(content) == {
        ("cameras.north.hours", "south"),
        ("cameras.south.hours", "north"),
    }


def two_rules(**second: Any) -> dict[str, Any]:
    """Two rules on a camera that says why it is always open, each for half of the week."""
    content = lawful()
    content["cameras"]["north"].update(hours=weekly(7 * 24 * 60), hours_justification=WHY)
    first = {**content["rules"][0], "schedule": DAY, "hours_justification": None}
    content["rules"] = [first, {**first, "id": "second", "schedule": NIGHT, **second}]
    content["authorities"]["police"]["competence"]["rules"] = [first["id"], "second"]
    return content


def another_purpose(content: dict[str, Any], text: str) -> None:
    purposes = content["purposes"]
    known = purposes[content["rules"][0]["purpose"]]
    purposes["another"] = {**known, "text": {**said(text), "en": text}}
    content["dpia"]["purposes"] += ["another"]
    content["rules"][1]["purpose"] = "another"


BOTH_RULES = {("rules.0.schedule", "second"), ("rules.1.schedule", "looked-for")}


def test_p11_hours_of_rules_of_one_purpose_add_up() -> None:
    content = two_rules()

    assert others_in(content) == BOTH_RULES
    assert {code for _, code in wrong(content)} == {"E_HOURS"}
    content["rules"][0]["hours_justification"] = WHY
    assert others_in(content) == {("rules.1.schedule", "looked-for")}
    content["rules"][1]["hours_justification"] = WHY
    assert wrong(content) == set()


def test_p11_a_purpose_written_twice_is_one_purpose() -> None:
    content = two_rules(list="permits", type="permit_zone")
    known = content["purposes"][content["rules"][0]["purpose"]]
    another_purpose(content, known["text"]["en"].upper())
    assert others_in(content) == BOTH_RULES
    another_purpose(content, "Something else altogether")
    assert wrong(content) == set()


def test_p11_hours_of_rules_that_look_for_one_list_add_up() -> None:
    content = two_rules()
    another_purpose(content, "Something else altogether")

    assert others_in(content) == BOTH_RULES


OTHER_NAMES = {
    "a purpose at night": "Something else altogether (at night)",
    "the first with a number": "The first purpose once more, part 2",
}


@pytest.mark.parametrize("text", OTHER_NAMES.values(), ids=OTHER_NAMES)
@pytest.mark.parametrize("cameras", [None, ["north"], ["south", "north"]])
@pytest.mark.parametrize("kind", ["hotlist", "permit_zone", "wrong_way"])
def test_p11_hours_of_rules_of_one_kind_on_one_camera_add_up_whatever_their_purpose(
    kind: str, cameras: list[str] | None, text: str
) -> None:
    """Another purpose, another list and another name share the week between the same people."""
    content = two_rules(cameras=cameras)
    listed = {"hotlist": ("stolen", "again"), "permit_zone": ("permits", "more"), "wrong_way": ()}
    for rule, name in zip(content["rules"], listed[kind] or (None, None), strict=True):
        rule.update(type=kind, list=name)
        if kind == "wrong_way":
            rule.update(line={"from": [0, 0.5], "to": [1, 0.5]}, allowed="left_to_right")
            rule.pop("list")
    if listed[kind]:
        first, second = listed[kind]
        known = content["lists"][first]
        content["lists"][second] = {**known, "text": said("Other vehicles"), "file": None}
    another_purpose(content, text)

    assert others_in(content) == BOTH_RULES
    for rule in content["rules"]:
        rule["hours_justification"] = WHY
    assert others_in(content) == set()


def test_p11_hours_of_rules_on_two_cameras_or_of_two_kinds_do_not_add_up() -> None:
    content = two_rules(list="again", cameras=["south"])
    content["cameras"]["south"].update(hours=weekly(7 * 24 * 60), hours_justification=WHY)
    content["lists"]["again"] = {**content["lists"]["stolen"], "text": said("Other vehicles")}
    content["rules"][0]["cameras"] = ["north"]
    another_purpose(content, "Something else altogether")

    assert others_in(content) == set()
    content["rules"][1]["cameras"] = ["north"]
    assert others_in(content) == BOTH_RULES
    content["rules"][1].update(list="permits", type="permit_zone")
    assert others_in(content) == set()


def test_p11_the_hours_of_a_rule_add_up_over_its_cameras() -> None:
    content = two_cameras()
    rule = content["rules"][0]
    rule.update(cameras=None, hours_justification=None, schedule=weekly(7 * 24 * 60))

    assert wrong(content) == {(per_rule("schedule"), "E_HOURS")}
    rule["schedule"] = DAY
    assert wrong(content) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Always needed",
        "because reasons because reasons because reasons because reasons",
        "It must be as it is",
        "Verkeersveiligheidsmaatregelen noodzakelijkerwijs",
        "brr tsk pst xyz qwrt sdfghjkl zxcvbnm qwrtpsdf",
    ],
)
@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
@pytest.mark.parametrize("place", [("rules", 0), ("cameras", "north")])
def test_p11_a_justification_is_a_sentence_in_each_language(
    place: tuple[str, Any], language: str, text: str
) -> None:
    content = lawful()
    holder = content[place[0]][place[1]]
    holder["hours_justification"] = {**WHY, language: text}

    at = ".".join(map(str, (*place, "hours_justification", language)))
    assert wrong(content) == {(at, "E_HOURS")}
    holder["hours_justification"] = {**WHY, language: "Who drives in at night wakes the street"}
    assert wrong(content) == set()


@pytest.mark.parametrize(
    ("zone", "accepted"),
    [
        ("Europe/Brussels", True),
        ("UTC", True),
        ("localtime", False),
        ("posixrules", False),
        ("Factory", False),
        ("right/Europe/Brussels", False),
        ("Europe", False),
        ("../../etc/localtime", False),
    ],
)
def test_p11_the_signed_hours_do_not_depend_on_a_file_of_the_machine(
    zone: str, *, accepted: bool
) -> None:
    content = {**lawful(), "timezone": zone}

    if accepted:
        assert Policy.model_validate(content).timezone == zone
        return
    with pytest.raises(ValidationError, match="must be a time zone"):
        Policy.model_validate(content)
