"""Whose signatures a new version of a policy needs, and what its DPIA and evaluation must say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.policy.change import ChangeEffect
from edge.policy.diff import changes
from edge.policy.model import Policy
from edge.policy.succession import require_allowed, require_authorised
from tests.support.policies import (
    KEYS,
    Change,
    assess,
    assessed,
    next_version,
    policy,
    signed,
)
from tests.support.policy_changes import BEFORE, HOURS, NARROWINGS, TEXTS, WIDENINGS, after, edit

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
    for day in ("2025-10-19", BEFORE.dpia.date):
        older = reviewed(assessed(BEFORE, WIDER), edit("date", day))
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


@pytest.mark.parametrize("day", ["2025-10-27", "2026-01-04", "2026-01-14"])
def test_p2_an_old_opinion_does_not_cover_a_new_draft(day: str) -> None:
    """The digest of a new draft beside the day of an opinion on another one."""
    old = reviewed(assessed(BEFORE, WIDER), edit("dpo_opinion/date", day))

    error = refused(old)
    assert error.code == "E_DPIA_WIDENING"
    assert f"dpia.dpo_opinion.date: {day} is before the new DPIA (2026-01-15)" in error.message
    on_the_day = reviewed(assessed(BEFORE, WIDER), edit("dpo_opinion/date", "2026-01-15"))
    require_allowed(BEFORE, on_the_day, signed(on_the_day))


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


def test_p20_a_later_start_two_versions_ago_is_no_evaluation() -> None:
    """The year counts from the first version in force, whatever start later versions name."""
    second = after(edit("activation/not_before", "2026-11-20"))
    content = second.document()
    next_version(content)
    content["evaluation"]["next_due"] = "2027-11-19"
    assess(content, ["evaluation.next_due"])
    third = Policy.model_validate(content)
    history = [(second, signed(second)), (BEFORE, signed(BEFORE))]

    require_authorised(*history[0], history[1:])
    with pytest.raises(EdgeError, match=r"next_due: later than 2027-01-06, a year") as caught:
        require_authorised(third, signed(third), history)
    assert caught.value.code == "E_EVALUATION"

    evaluated("2026-10-01", "2027-10-01")(content)
    assess(content, [])
    worked = Policy.model_validate(content)
    require_authorised(worked, signed(worked), history)


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


@pytest.mark.parametrize("day", ["2029-01-01", "2025-12-31"])
def test_p4_hours_after_the_sunset_need_every_role(day: str) -> None:
    """Else they would be neutral now, and in force once the start or the sunset has moved."""
    exceptions = [{"date": day, "hours": ["02:00-14:00"]}]
    hidden = after(edit("cameras/north/hours/exceptions", exceptions))

    error = refused(hidden, "mayor")
    assert error.code == "E_QUORUM"
    assert error.message.startswith("WIDENING hours: cameras.north.hours: ")
    assert refused(hidden).code == "E_DPIA_WIDENING"
    fewer = after(edit("cameras/north/hours/exceptions", [{"date": day, "hours": []}]))
    require_allowed(BEFORE, fewer, signed(fewer, "mayor"))


def test_p4_weekly_hours_hidden_by_exceptions_need_every_role() -> None:
    """A policy of a few days: on none of them do other weekly hours begin, until it is longer."""
    short = (
        edit("activation", {"not_before": "2026-03-09", "sunset": "2026-03-10", "lease_days": 1}),
        edit(HOURS + "thu", ["06:00-07:00"]),
    )
    known = policy(*short, real=True)
    hidden = policy(next_version, *short, edit(HOURS + "thu", ["06:00-23:00"]), real=True)

    with pytest.raises(EdgeError, match=r"WIDENING hours: .*: 16 h more") as caught:
        require_allowed(known, hidden, signed(hidden, "mayor"))
    assert caught.value.code == "E_QUORUM"


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
