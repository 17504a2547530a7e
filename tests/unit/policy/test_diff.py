"""Which changes of a policy widen or narrow it, and which signatures each needs."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from edge.formats.problems import path_text
from edge.policy.change import ChangeEffect
from edge.policy.contradictions import contradictions
from edge.policy.diff import changes
from edge.policy.model import Policy
from edge.texts import LANGUAGES, catalogue
from tests.support.policies import (
    Change,
    document,
    policy,
)
from tests.support.policy_changes import (
    BEFORE,
    HOURS,
    JOINT,
    NARROWINGS,
    PROCESSOR,
    PURPOSE,
    SUBSTANTIVE,
    TEXTS,
    WIDENINGS,
    after,
    edit,
    told,
)
from tests.support.product import REPOSITORY


@pytest.mark.parametrize("name", WIDENINGS)
def test_p4_a_widening_is_recognised(name: str) -> None:
    change, what = WIDENINGS[name]

    assert f"WIDENING {what}" in told(change)


@pytest.mark.parametrize("name", NARROWINGS)
def test_p4_a_narrowing_is_recognised_and_is_not_a_widening(name: str) -> None:
    change, what = NARROWINGS[name]

    assert set(told(change)) == {f"NARROWING {what}"}


def test_p3_a_purpose_less_with_its_rule_is_a_narrowing_while_the_dpia_still_names_it() -> None:
    def two(content: dict[str, Any]) -> None:
        content["purposes"]["more"] = PURPOSE
        content["dpia"]["purposes"] = ["quiet", "more"]
        content["rules"][-1]["purpose"] = "more"

    def one(content: dict[str, Any]) -> None:
        two(content)
        del content["purposes"]["more"]
        rule = content["rules"].pop()
        content["authorities"]["police"]["competence"]["rules"].remove(rule["id"])

    def one_in_the_dpia(content: dict[str, Any]) -> None:
        one(content)
        content["dpia"]["purposes"] = ["quiet"]

    before, kept = policy(two), policy(one)

    assert {item.direction for item in changes(before, kept)} == {ChangeEffect.NARROWING}
    assert list(contradictions(kept)) == []
    cut = changes(before, policy(one_in_the_dpia))
    assert ChangeEffect.SUBSTANTIVE in {item.direction for item in cut}


@pytest.mark.parametrize("name", SUBSTANTIVE)
def test_p4_a_change_of_what_rights_rest_on_is_substantive(name: str) -> None:
    change, what = SUBSTANTIVE[name]

    assert set(told(change)) == {f"SUBSTANTIVE {what}"}


@pytest.mark.parametrize(
    "change",
    [
        edit(HOURS + "mon", ["06:00-12:00", "12:00-22:00"]),
        lambda c: c["rules"].reverse(),
    ],
)
def test_p4_a_change_without_effect_is_neutral(change: Change) -> None:
    assert {line.split()[0] for line in told(change)} <= {"neutral"}


def test_p4_a_widened_rule_is_found_after_reordering() -> None:
    def change(content: dict[str, Any]) -> None:
        content["rules"].reverse()
        content["rules"][0]["min_posterior"] = 0.6

    assert told(change) == ["WIDENING threshold"]


def test_p20_a_completed_evaluation_may_postpone_the_next_one() -> None:
    last = {"reference": "Report", "date": "2026-12-01", "outcome": TEXTS}
    later = edit("evaluation/next_due", "2027-11-30")

    assert told(later) == ["WIDENING evaluation"]
    assert "WIDENING evaluation" not in told(later, edit("evaluation/last", last))


def test_p4_hours_are_compared_day_by_day_and_the_difference_is_listed() -> None:
    (line,) = [
        str(one)
        for one in changes(BEFORE, after(edit(HOURS + "mon", ["06:00-23:00"])))
        if one.what == "hours"
    ]

    # 156 Mondays from 2026-01-05 to 2028-12-31.
    assert line == ("WIDENING hours: cameras.north.hours: 156 h more until 2028-12-31")


# --- in four languages ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*WIDENINGS, *SUBSTANTIVE, *NARROWINGS])
def test_each_change_is_told_in_each_language(name: str) -> None:
    change, _ = {**WIDENINGS, **SUBSTANTIVE, **NARROWINGS}[name]
    for one in changes(BEFORE, after(change)):
        lines = [one.text(language) for language in LANGUAGES]

        assert len(set(lines)) == len(LANGUAGES)
        for language, line in zip(LANGUAGES, lines, strict=True):
            mark = " : " if language == "fr" else ": "
            assert f"{mark}{path_text(one.location)}{mark}" in line
            assert language == "fr" or " : " not in line
        assert one.text("en") == str(one)
        assert not any("{" in line for line in lines)


def test_every_phrase_and_kind_of_change_in_the_code_has_its_text() -> None:
    """`Change(effect, what, location, phrase)`, and the functions that make one of `what`."""
    phrases: set[object] = set()
    kinds: set[object] = set()
    for file in ("change.py", "diff.py"):
        tree = ast.parse((REPOSITORY / "edge" / "policy" / file).read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", "")
            given = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
            if name == "Change":
                kinds.add(given[1])
                phrases.add(given[3])
            elif name in {"widening", "named", "grows", "more"}:
                kinds.add(given[0])
    told = catalogue("en")

    assert len(phrases) > 15
    assert {f"diff.detail.{phrase}" for phrase in phrases - {None}} - told.keys() == set()
    assert {f"diff.what.{kind}" for kind in kinds - {None}} - told.keys() == set()


# --- what nobody thought of -------------------------------------------------------------------


def leaves(node: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in leaves(value, (*at, key))]
    return [at]


EVERYTHING = document(
    edit("joint_controllers", [JOINT]),
    edit("processors", [PROCESSOR]),
    edit("cameras/north/position", {"latitude": 51.0, "longitude": 3.7}),
    edit("evaluation/last", {"reference": "R 1", "date": "2025-01-01", "outcome": TEXTS}),
    edit("audit/witness", "Archive"),
    real=True,
)


def other_value(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1 if value < 1 or isinstance(value, int) else value - 0.01
    if isinstance(value, list):
        return value[:-1]
    return None if value is None else f"{value}x"


@pytest.mark.parametrize("leaf", leaves(EVERYTHING), ids=lambda leaf: ".".join(map(str, leaf)))
def test_p4_a_change_of_any_field_is_detected(leaf: tuple[str | int, ...]) -> None:
    before = Policy.model_validate(EVERYTHING)
    content: Any = before.document()
    target = content
    for step in leaf[:-1]:
        target = target[step]
    target[leaf[-1]] = other_value(target[leaf[-1]])
    if content == before.document():
        pytest.skip("nothing to change: the example leaves it out")
    try:
        changed = Policy.model_validate(content)
    except ValueError:
        pytest.skip("no other value of that kind is allowed there")

    found = changes(before, changed)

    assert found
    if leaf != ("version",):
        assert any(one.direction is not ChangeEffect.NEUTRAL for one in found)


def test_p4_a_change_of_an_unknown_field_is_a_widening() -> None:
    found = changes(BEFORE, after(edit("finance/vendor_paid_per_fine", True)))

    assert str(found[0]) == ("WIDENING other: finance.vendor_paid_per_fine: changed")
