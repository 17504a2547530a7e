"""Which changes of a policy widen or narrow it, and which signatures each needs."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import EdgeError
from edge.formats.problems import path_text
from edge.formats.signing import SigningKey
from edge.policy.change import ChangeEffect
from edge.policy.diff import NEUTRAL, changes
from edge.policy.model import Policy
from edge.policy.succession import require_allowed
from edge.texts import LANGUAGES, catalogue
from tests.support.policies import (
    KEYS,
    Change,
    document,
    new_dpia,
    next_version,
    policy,
    signed,
)
from tests.support.product import REPOSITORY
from tests.support.sites import texts

BEFORE = policy(real=True)


def after(*more: Change) -> Policy:
    return policy(next_version, *more, real=True)


def told(*more: Change) -> list[str]:
    """The changes, without that of the version."""
    return [
        f"{one.direction.value} {one.what}"
        for one in changes(BEFORE, after(*more))
        if one.location != ("version",)
    ]


def edit(path: str, value: object) -> Change:
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))

    def change(content: Any) -> None:
        for step in way:
            content = content[step]
        content[last] = value

    return change


CAMERA = {
    "place": texts("The west corner"),
    "field_of_view": {
        "text": texts("Lane"),
        "bearing_degrees": 1,
        "angle_degrees": 40,
        "reach_m": 30,
    },
    "hours": {"weekly": {"mon": ["06:00-07:00"]}},
}
JOINT = {"name": "Zone", "contact": "zone@a.example", "agreement": "Arrangement 7"}
PROCESSOR = {**JOINT, "name": "Fitter", "task": texts("Mounts the box")}
PURPOSE = document()["purposes"]["quiet"]
HOURS = "cameras/north/hours/weekly/"
TEXTS = texts("Other words")
SIGNER = document(real=True)["approvals"]["signers"]["mayor"]
WIDENINGS = {
    "a camera more": (edit("cameras/west", CAMERA), "camera"),
    "a camera elsewhere": (edit("cameras/north/place", texts("The tower")), "camera"),
    "a camera on another point": (
        edit("cameras/north/position", {"latitude": 51.0, "longitude": 3.7}),
        "camera",
    ),
    "another bearing": (edit("cameras/north/field_of_view/bearing_degrees", 11), "field-of-view"),
    "a wider angle": (edit("cameras/north/field_of_view/angle_degrees", 41), "field-of-view"),
    "a longer reach": (edit("cameras/north/field_of_view/reach_m", 31), "field-of-view"),
    "a mask less": (edit("cameras/south/privacy_masks", []), "field-of-view"),
    "one more hour": (edit(HOURS + "mon", ["06:00-23:00"]), "hours"),
    "one more day": (edit(HOURS + "sun", ["06:00-07:00"]), "hours"),
    "hours on one date": (
        edit("cameras/north/hours/exceptions", [{"date": "2026-05-03", "hours": ["06:00-06:01"]}]),
        "hours",
    ),
    "a rule without its hours": (edit("rules/0/schedule", None), "hours"),
    "a holiday less": (edit("rules/0/schedule/holidays", []), "hours"),
    "another time zone": (edit("timezone", "Europe/Lisbon"), "hours"),
    "a longer list": (edit("lists/permits/max_entries", 4), "list-size"),
    "longer entries": (edit("lists/permits/max_entry_days", 367), "entry-duration"),
    "another kind of list": (edit("lists/permits/kind", "alert"), "list"),
    "a list more": (edit("lists/more", document()["lists"]["permits"]), "list"),
    "more of the picture": (edit("rules/1/reveal", "vehicle"), "reveal"),
    "more of the picture still": (edit("rules/0/reveal", "occupants"), "reveal"),
    "longer retention": (edit("purposes/quiet/retention_hours", 73), "retention"),
    "a lower threshold": (edit("rules/0/min_posterior", 0.94), "threshold"),
    "a smaller margin": (edit("rules/0/min_margin", 0.49), "threshold"),
    "nobody checks": (edit("rules/0/human_check", False), "human-check"),
    "an authority more": (
        edit("authorities/mayor", document()["authorities"]["police"]),
        "recipient",
    ),
    "an authority by another name": (edit("authorities/police/name", "Guards"), "recipient"),
    "an authority with other keys": (edit("authorities/police/keys", "keys/x.json"), "recipient"),
    "a longer mandate": (edit("authorities/police/valid/until", "2029-01-01"), "recipient"),
    "an earlier mandate": (edit("authorities/police/valid/from", "2025-12-31"), "recipient"),
    "a processor more": (
        edit("processors", [PROCESSOR]),
        "recipient",
    ),
    "a purpose more": (edit("purposes/more", PURPOSE), "purpose"),
    "a purpose in other words": (edit("purposes/quiet/text", TEXTS), "purpose"),
    "another line": (edit("rules/2/line", {"from": [0.1, 0.5], "to": [0.9, 0.6]}), "rule"),
    "a rule on every camera": (edit("rules/1/cameras", None), "camera"),
    "a later end": (edit("activation/sunset", "2029-01-01"), "sunset"),
    "a longer lease": (edit("activation/lease_days", 91), "lease"),
    "an evaluation put off": (edit("evaluation/next_due", "2027-01-05"), "evaluation"),
    "a longer epoch": (edit("epoch_minutes", 16), "epoch"),
    "another act": (edit("legal/regime", "gas_speed"), "legal"),
    "another controller": (edit("controller/name", "Village"), "controller"),
    "a signer more": (edit("approvals/signers/second", SIGNER), "approvals"),
    "a signer's other key": (
        edit("approvals/signers/mayor/key", document()["approvals"]["signers"]["chief"]["key"]),
        "approvals",
    ),
    "nobody can suspend": (
        edit("suspension/keys", {"x": document()["issuers"]["office"]}),
        "suspension",
    ),
    "an issuer more": (edit("issuers/second", document()["issuers"]["office"]), "issuer"),
    "an issuer's other key": (
        edit("issuers/office/key", document()["suspension"]["keys"]["vtc"]["key"]),
        "other",
    ),
    "a DPIA that is reviewed later": (edit("dpia/review_date", "2027-10-21"), "dpia"),
    "a risk less": (lambda c: c["dpia"]["risks"].pop(), "dpia"),
}

NARROWINGS = {
    "a camera less": (lambda c: c["cameras"].pop("south"), "camera"),
    "a narrower angle": (edit("cameras/north/field_of_view/angle_degrees", 39), "field-of-view"),
    "one hour less": (edit(HOURS + "mon", ["06:00-21:00"]), "hours"),
    "a holiday": (edit("cameras/north/hours/holidays", ["2026-05-04"]), "hours"),
    "a shorter list": (edit("lists/permits/max_entries", 2), "list-size"),
    "shorter entries": (edit("lists/permits/max_entry_days", 365), "entry-duration"),
    "less of the picture": (edit("rules/0/reveal", "plate"), "reveal"),
    "shorter retention": (edit("purposes/quiet/retention_hours", 71), "retention"),
    "a higher threshold": (edit("rules/0/min_posterior", 0.96), "threshold"),
    "somebody checks": (edit("rules/1/human_check", True), "human-check"),
    "an earlier end": (edit("activation/sunset", "2028-12-30"), "sunset"),
    "an earlier evaluation": (edit("evaluation/next_due", "2027-01-03"), "evaluation"),
    "a rule less": (lambda c: c["rules"].pop(), "rule"),
    "somebody more can suspend": (
        edit("suspension/keys/second", document()["issuers"]["office"]),
        "suspension",
    ),
}


@pytest.mark.parametrize("name", WIDENINGS)
def test_p4_a_widening_is_recognised(name: str) -> None:
    change, what = WIDENINGS[name]

    assert f"WIDENING {what}" in told(change)


@pytest.mark.parametrize("name", NARROWINGS)
def test_p4_a_narrowing_is_recognised_and_is_not_a_widening(name: str) -> None:
    change, what = NARROWINGS[name]

    assert set(told(change)) == {f"NARROWING {what}"}


@pytest.mark.parametrize(
    "change",
    [
        edit("dpo/contact", "new@square.example"),
        edit("rights/contact", "new@square.example"),
        edit("cameras/north/field_of_view/text", texts("The lane")),
        edit("lists/permits/text", TEXTS),
        edit("legal/basis", TEXTS),
        edit("accuracy/method", texts("Other clips")),
        edit("audit/witness", "The archive"),
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


@pytest.mark.parametrize("name", [*WIDENINGS, *NARROWINGS])
def test_each_change_is_told_in_each_language(name: str) -> None:
    change, _ = {**WIDENINGS, **NARROWINGS}[name]
    for one in changes(BEFORE, after(change)):
        lines = [one.text(language) for language in LANGUAGES]

        assert len(set(lines)) == len(LANGUAGES)
        assert all(f": {path_text(one.location)}: " in line for line in lines)
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
    declared = any(
        len(pattern) <= len(leaf)
        and all(one in {"*", step} for one, step in zip(pattern, leaf, strict=False))
        for pattern in NEUTRAL
    )
    assert declared or any(one.what != "text" for one in found)


def test_p4_a_change_of_an_unknown_field_is_a_widening() -> None:
    found = changes(BEFORE, after(edit("finance/vendor_paid_per_fine", True)))

    assert str(found[0]) == ("WIDENING other: finance.vendor_paid_per_fine: changed")


# --- whose signatures -------------------------------------------------------------------------

WIDER = edit(HOURS + "mon", ["06:00-23:00"])
NARROWER = edit(HOURS + "mon", ["06:00-21:00"])


def refused(what: Policy, *signers: str) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        require_allowed(BEFORE, what, signed(what, *signers))
    return caught.value


def test_p4_one_more_hour_needs_the_signature_of_every_role() -> None:
    wider = after(WIDER, new_dpia)

    for signers in (("mayor",), ("chief",), ("mayor", "officer")):
        error = refused(wider, *signers)
        assert error.code == "E_QUORUM"
        assert error.message.startswith("WIDENING hours: cameras.north.hours: ")
    require_allowed(BEFORE, wider, signed(wider))


def test_p4_a_widening_needs_a_new_dpia() -> None:
    assert refused(after(WIDER)).code == "E_DPIA_WIDENING"
    older = after(WIDER, new_dpia, edit("dpia/date", "2025-10-19"))
    assert refused(older).code == "E_DPIA_WIDENING"


def test_p4_a_narrowing_needs_one_signer_of_the_policy_in_force() -> None:
    narrower = after(NARROWER)

    for signer in ("mayor", "chief", "officer"):
        require_allowed(BEFORE, narrower, signed(narrower, signer))
    nobody = signed(narrower, "mayor").model_copy(update={"signatures": {}})
    with pytest.raises(EdgeError) as caught:
        require_allowed(BEFORE, narrower, nobody)
    assert caught.value.code == "E_QUORUM"


def test_p4_a_narrowing_that_hides_a_widening_is_a_widening() -> None:
    both = after(NARROWER, edit("purposes/quiet/retention_hours", 73))

    assert refused(both, "mayor").code == "E_QUORUM"


def test_p4_signers_are_not_replaced_without_the_current_signers() -> None:
    """Three new keys sign for all roles of the new policy and for no role of the one in force."""
    fresh = {name: SigningKey.generate(name) for name in ("mayor", "chief", "officer")}

    def replace(content: dict[str, Any]) -> None:
        for name, key in fresh.items():
            content["approvals"]["signers"][name]["key"] = key.public.text

    taken = after(replace, new_dpia)
    with pytest.raises(EdgeError) as caught:
        require_allowed(BEFORE, taken, signed(taken, keys=fresh))
    assert caught.value.code == "E_SIGNATURE"


def test_p4_a_new_signer_must_sign_besides_the_leaving_one() -> None:
    fresh = SigningKey.generate("chief")

    def replace(content: dict[str, Any]) -> None:
        content["approvals"]["signers"]["chief"]["key"] = fresh.public.text

    assert refused(after(replace, new_dpia)).code == "E_SIGNATURE"


def test_p4_new_and_current_signers_sign_together() -> None:
    second = SigningKey.generate("second")
    holder = {"role": "dpo", "name": "Second", "key": second.public.text}
    joined = after(edit("approvals/signers/second", holder), new_dpia)

    keys = {**KEYS, "second": second}
    require_allowed(BEFORE, joined, signed(joined, "mayor", "chief", "officer", keys=keys))
    only_new = signed(joined, "mayor", "chief", "second", keys=keys)
    with pytest.raises(EdgeError) as caught:
        require_allowed(BEFORE, joined, only_new)
    assert caught.value.code == "E_QUORUM"


@pytest.mark.parametrize("version", [1, 0])
def test_p4_a_version_that_does_not_rise_is_refused(version: int) -> None:
    same = BEFORE.model_copy(update={"version": version})

    assert refused(same).code == "E_VERSION"


def test_p4_a_policy_of_another_site_is_refused() -> None:
    assert refused(after(edit("site", "circle"))).code == "E_VERSION"


@given(st.lists(st.sampled_from(sorted(WIDENINGS)), min_size=1, max_size=3, unique=True))
@settings(max_examples=40, deadline=None)
def test_p4_no_mixture_of_changes_hides_a_widening(names: list[str]) -> None:
    for extra in NARROWINGS.values():
        try:
            mixed = after(extra[0], *(WIDENINGS[name][0] for name in names))
        except (ValueError, KeyError, IndexError):
            continue
        directions = {one.direction for one in changes(BEFORE, mixed)}
        assert ChangeEffect.WIDENING in directions, names
