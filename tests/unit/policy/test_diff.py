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
from edge.policy.diff import changes
from edge.policy.model import Policy
from edge.policy.succession import require_allowed
from edge.texts import LANGUAGES, catalogue
from tests.support.policies import (
    KEYS,
    Change,
    assessed,
    document,
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
    "an earlier start": (edit("activation/not_before", "2026-01-04"), "start"),
    "a list about other vehicles": (edit("lists/stolen/text", TEXTS), "list"),
    "a list from another file": (edit("lists/stolen/file", "lists/permits.csv"), "list"),
}

SUBSTANTIVE = {
    "a signer more": (edit("approvals/signers/second", SIGNER), "approvals"),
    "a signer's other key": (
        edit("approvals/signers/mayor/key", document()["approvals"]["signers"]["chief"]["key"]),
        "approvals",
    ),
    "the officer's other contact": (edit("dpo/contact", "new@square.example"), "contact"),
    "another contact for rights": (edit("rights/contact", "new@square.example"), "contact"),
    "complaints to the mayor": (
        edit("rights/complaint/contact", "mayor@square.example"),
        "contact",
    ),
    "another legal basis": (edit("legal/basis", TEXTS), "legal"),
    "an invented council": (edit("legal/council_decision/reference", "Council 99"), "legal"),
    "other measurements": (edit("accuracy/method", TEXTS), "accuracy"),
    "a view in other words": (edit("cameras/north/field_of_view/text", TEXTS), "field-of-view"),
    "a witness": (edit("audit/witness", "The archive"), "audit"),
    "an evaluation": (
        edit("evaluation/last", {"reference": "E 1", "date": "2026-06-01", "outcome": TEXTS}),
        "evaluation",
    ),
    "a later start": (edit("activation/not_before", "2026-01-06"), "start"),
    "a measure in other words": (edit("dpia/risks/0/measure", TEXTS), "dpia"),
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
    if leaf != ("version",):
        assert any(one.direction is not ChangeEffect.NEUTRAL for one in found)


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
    wider = assessed(BEFORE, WIDER)

    for signers in (("mayor",), ("chief",), ("mayor", "officer")):
        error = refused(wider, *signers)
        assert error.code == "E_QUORUM"
        assert error.message.startswith("WIDENING hours: cameras.north.hours: ")
    require_allowed(BEFORE, wider, signed(wider))


def test_p4_a_widening_needs_a_new_dpia() -> None:
    assert refused(after(WIDER)).code == "E_DPIA_WIDENING"
    older = reviewed(assessed(BEFORE, WIDER), edit("date", "2025-10-19"))
    assert "the DPIA is the one of version 1" in refused(older).message


def reviewed(what: Policy, change: Change) -> Policy:
    """The policy with another DPIA; the opinion is on it."""
    content = what.document()
    change(content["dpia"])
    opinion = content["dpia"]["dpo_opinion"]
    opinion["draft_sha256"] = Policy.model_validate(content).draft_sha256()
    return Policy.model_validate(content)


def test_p2_a_dpia_for_a_widening_names_each_change_that_it_covers() -> None:
    wider = assessed(BEFORE, WIDER, edit("rules/1/reveal", "vehicle"))

    assert wider.dpia.covers == ("cameras.north.hours", "rules.looked-for.reveal")
    require_allowed(BEFORE, wider, signed(wider))
    for left_out, kept in (wider.dpia.covers, wider.dpia.covers[::-1]):
        error = refused(reviewed(wider, edit("covers", [kept])))
        assert error.code == "E_DPIA_WIDENING"
        assert f"does not cover {left_out}; " in error.message


def test_p2_the_opinion_is_on_exactly_this_draft() -> None:
    wider = assessed(BEFORE, WIDER)

    for change in (
        edit("dpia/dpo_opinion/draft_sha256", None),
        edit("dpia/dpo_opinion/draft_sha256", BEFORE.draft_sha256()),
        edit(HOURS + "mon", ["05:00-23:00"]),  # later than the opinion
        edit("dpia/covers", [*wider.dpia.covers, "cameras"]),
    ):
        content = wider.document()
        change(content)
        error = refused(Policy.model_validate(content))
        assert error.code == "E_DPIA_WIDENING"
        assert "opinion is not on this draft" in error.message
        assert Policy.model_validate(content).draft_sha256() in error.message


def test_p2_a_later_version_keeps_the_dpia_that_covers_an_earlier_widening() -> None:
    wider = assessed(BEFORE, WIDER)
    content = wider.document()
    next_version(content)
    content["purposes"]["quiet"]["retention_hours"] = 71
    narrower = Policy.model_validate(content)

    require_allowed(wider, narrower, signed(narrower, "officer"))
    edit(HOURS + "tue", ["06:00-23:00"])(content)
    again = Policy.model_validate(content)
    with pytest.raises(EdgeError, match="the DPIA is the one of version 2"):
        require_allowed(wider, again, signed(again))


# --- evaluations ------------------------------------------------------------------------------


def evaluated(date: str, due: str) -> Change:
    def change(content: Any) -> None:
        last = {"reference": "Evaluation", "date": date, "outcome": TEXTS}
        content["evaluation"] = {"last": last, "next_due": due}

    return change


def test_p20_an_evaluation_needs_every_role_and_gives_another_year() -> None:
    later = after(evaluated("2026-12-01", "2027-11-30"))

    for signers in (("mayor",), ("chief",), ("mayor", "officer")):
        error = refused(later, *signers)
        assert error.code == "E_EVALUATION"
        assert error.message.startswith("SUBSTANTIVE evaluation: evaluation.")
    require_allowed(BEFORE, later, signed(later))


@pytest.mark.parametrize("date", ["2025-12-01", "2026-01-04"])
def test_p20_an_evaluation_before_the_camera_could_work_is_none(date: str) -> None:
    early = after(evaluated(date, "2026-12-01"))

    assert refused(early).code == "E_EVALUATION"


def test_p20_an_evaluation_follows_the_last_one() -> None:
    known = policy(evaluated("2026-12-01", "2027-11-30"), real=True)
    for change in (
        evaluated("2026-11-30", "2027-11-30"),
        edit("evaluation", {"last": None, "next_due": "2027-01-05"}),
    ):
        what = after(change)
        with pytest.raises(EdgeError, match="keep that evaluation, or name a later one") as caught:
            require_allowed(known, what, signed(what))
        assert caught.value.code == "E_EVALUATION"


def test_p20_a_later_start_is_no_evaluation() -> None:
    """Also with all signatures and a new DPIA the next evaluation is due within the year."""
    change = (
        edit("activation/not_before", "2026-12-01"),
        edit("evaluation/next_due", "2027-11-30"),
    )
    put_off = assessed(BEFORE, *change)

    assert refused(put_off).code == "E_EVALUATION"
    within = assessed(BEFORE, edit("evaluation/next_due", "2027-01-06"))
    require_allowed(BEFORE, within, signed(within))


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

    taken = assessed(BEFORE, replace)
    with pytest.raises(EdgeError) as caught:
        require_allowed(BEFORE, taken, signed(taken, keys=fresh))
    assert caught.value.code == "E_SIGNATURE"


def test_p4_a_new_signer_must_sign_besides_the_leaving_one() -> None:
    fresh = SigningKey.generate("chief")

    def replace(content: dict[str, Any]) -> None:
        content["approvals"]["signers"]["chief"]["key"] = fresh.public.text

    assert refused(assessed(BEFORE, replace)).code == "E_SIGNATURE"


def test_p4_new_and_current_signers_sign_together() -> None:
    second = SigningKey.generate("second")
    holder = {"role": "dpo", "name": "Second", "key": second.public.text}
    joined = after(edit("approvals/signers/second", holder))

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
        except (ValueError, KeyError, IndexError, TypeError):
            continue  # one change has taken away what the other changes
        directions = {one.direction for one in changes(BEFORE, mixed)}
        assert ChangeEffect.WIDENING in directions, names
