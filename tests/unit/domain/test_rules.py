"""Verdicts of each rule kind; an ambiguous read never makes a hit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.appearance import Colour, Description, VehicleKind
from edge.domain.geometry import Direction, Line
from edge.domain.imaging import Box
from edge.domain.pseudonym import TOKEN_BYTES, Candidate, ListedPeriod, PlateToken
from edge.domain.reveal import RevealLevel
from edge.domain.rules import (
    Ambiguous,
    ListTokens,
    NoOffence,
    Offence,
    Rule,
    RuleKind,
    Sighting,
    Verdict,
    judge,
)
from edge.domain.schedule import Hours, Schedule
from edge.domain.vehicles import TrackPoint

NOW = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)  # Tuesday 08:25 in Brussels
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def token(name: str) -> PlateToken:
    return PlateToken(name.encode().ljust(TOKEN_BYTES, b"."))


A, B, C, D = token("A"), token("B"), token("C"), token("D")


def rule(kind: RuleKind, min_posterior: float = 0.9, min_margin: float = 0.5) -> Rule:
    return Rule(
        id="rule",
        kind=kind,
        purpose="purpose",
        authority="authority",
        reveal=RevealLevel.VEHICLE,
        min_posterior=min_posterior,
        min_margin=min_margin,
        line=Line((0.1, 0.5), (0.9, 0.5)),
        allowed=Direction.LEFT_TO_RIGHT,
    )


HOTLIST = rule(RuleKind.HOTLIST)
PERMIT_ZONE = rule(RuleKind.PERMIT_ZONE)
WRONG_WAY = rule(RuleKind.WRONG_WAY)


def seen(
    *candidates: tuple[PlateToken, float],
    at: datetime = NOW,
    heights: tuple[float, ...] = (),
    camera: str = "cam-1",
    twins: tuple[PlateToken, ...] = (),
) -> Sighting:
    return Sighting(
        twins=frozenset(twins),
        camera=camera,
        observed_at=at,
        candidates=tuple(Candidate(name, probability) for name, probability in candidates),
        trajectory=tuple(
            TrackPoint(index / 10, Box(450, y - 10, 550, y + 10)) for index, y in enumerate(heights)
        ),
        width=1000,
        height=500,
    )


def listed(
    *names: PlateToken, start: datetime = NOW - DAY, end: datetime = NOW + DAY
) -> ListTokens:
    return {
        name: (ListedPeriod(f"entry-{number}", start, end),) for number, name in enumerate(names)
    }


UP, DOWN = (400, 350, 150, 100), (100, 150, 350, 400)


@pytest.mark.parametrize(
    ("what", "candidates", "names", "expected"),
    [
        ("certain and listed", [(A, 0.97), (B, 0.02)], [A], Offence),
        ("at both thresholds exactly", [(A, 0.9), (B, 0.4)], [A], Offence),
        ("a single candidate: the margin is its probability", [(A, 0.95)], [A], Offence),
        ("not listed", [(A, 0.97), (B, 0.02)], [C], NoOffence),
        ("no list entry at all", [(A, 0.97)], [], NoOffence),
        ("nothing read", [], [A], NoOffence),
        ("8 or B: listed, too little margin", [(A, 0.55), (B, 0.45)], [A], Ambiguous),
        ("8 or B: the other one is listed", [(A, 0.55), (B, 0.45)], [B], Ambiguous),
        (
            "8 or B: both listed, probabilities are never added",
            [(A, 0.55), (B, 0.45)],
            [A, B],
            Ambiguous,
        ),
        ("posterior too low", [(A, 0.89), (B, 0.01)], [A], Ambiguous),
        ("margin too small", [(A, 0.9), (B, 0.41)], [A], Ambiguous),
        ("a probable second candidate is listed", [(A, 0.95), (B, 0.05)], [B], Ambiguous),
        (
            "an improbable second candidate is listed",
            [(A, 0.96), (B, 0.04)],
            [B],
            NoOffence,
        ),
        ("both listed, the first certain", [(A, 0.96), (B, 0.04)], [A, B], Offence),
    ],
)
def test_p12_a_hotlist_fires_on_a_certain_first_candidate_only(
    what: str,
    candidates: list[tuple[PlateToken, float]],
    names: list[PlateToken],
    expected: type[Verdict],
) -> None:
    assert type(judge(HOTLIST, seen(*candidates), listed(*names))) is expected, what


def test_two_listed_candidates_of_one_entry_do_not_add_up() -> None:
    period = (ListedPeriod("entry", NOW - DAY, NOW + DAY),)
    verdict = judge(HOTLIST, seen((A, 0.5), (B, 0.5)), {A: period, B: period})
    assert verdict == Ambiguous()


def test_a_hotlist_offence_has_its_posterior_margin_and_entry() -> None:
    verdict = judge(HOTLIST, seen((A, 0.95), (B, 0.02)), listed(C, A))
    assert isinstance(verdict, Offence)
    assert verdict.rule is HOTLIST
    assert verdict.candidate == Candidate(A, 0.95)
    assert verdict.posterior == 0.95
    assert verdict.margin == pytest.approx(0.93)
    assert [one.entry_id for one in verdict.entries] == ["entry-1"]


def test_the_repr_of_an_offence_hides_token_and_entry() -> None:
    verdict = judge(HOTLIST, seen((A, 0.95)), listed(A))
    assert "entry-0" not in repr(verdict)
    assert "A..." not in repr(verdict)


@pytest.mark.parametrize(
    ("start", "end", "hotlist", "permit_zone"),
    [
        (NOW - DAY, NOW + SECOND, Offence, NoOffence),
        (NOW, NOW + DAY, Offence, NoOffence),
        (NOW - DAY, NOW, NoOffence, Offence),
        (NOW - DAY, NOW - SECOND, NoOffence, Offence),
        (NOW + SECOND, NOW + DAY, NoOffence, Offence),
    ],
)
def test_an_entry_is_valid_from_its_start_until_just_before_its_end(
    start: datetime, end: datetime, hotlist: type[Verdict], permit_zone: type[Verdict]
) -> None:
    entries = listed(A, start=start, end=end)
    assert type(judge(HOTLIST, seen((A, 0.95)), entries)) is hotlist
    somebody_else = listed(D)
    assert type(judge(PERMIT_ZONE, seen((A, 0.95)), {**somebody_else, **entries})) is permit_zone


def test_the_period_that_covers_the_moment_is_used() -> None:
    periods = (
        ListedPeriod("over", NOW - 2 * DAY, NOW - DAY),
        ListedPeriod("now", NOW - DAY, NOW + DAY),
        ListedPeriod("later", NOW + DAY, NOW + 2 * DAY),
    )
    verdict = judge(HOTLIST, seen((A, 0.95)), {A: periods})
    assert isinstance(verdict, Offence)
    assert [one.entry_id for one in verdict.entries] == ["now"]


@pytest.mark.parametrize(
    ("what", "candidates", "names", "expected"),
    [
        ("certain and no permit", [(A, 0.97), (B, 0.02)], [C], Offence),
        ("nobody has a permit", [(A, 0.97)], [], Ambiguous),
        ("a permit", [(A, 0.97), (B, 0.02)], [A], NoOffence),
        ("a permit, poorly read", [(A, 0.4), (B, 0.35)], [A], NoOffence),
        ("8 or B: the other one has a permit", [(A, 0.55), (B, 0.45)], [B], Ambiguous),
        ("8 or B: nobody has a permit", [(A, 0.55), (B, 0.45)], [D], Ambiguous),
        ("posterior too low", [(A, 0.89), (B, 0.01)], [D], Ambiguous),
        ("margin too small", [(A, 0.9), (B, 0.45)], [D], Ambiguous),
        ("a permit just within the margin", [(A, 0.9), (B, 0.4)], [B], Ambiguous),
        ("a permit just outside the margin", [(A, 0.9), (B, 0.39)], [B], Offence),
        ("unreadable", [], [A], Ambiguous),
    ],
)
def test_p12_a_permit_zone_fires_only_if_no_likely_candidate_is_exempt(
    what: str,
    candidates: list[tuple[PlateToken, float]],
    names: list[PlateToken],
    expected: type[Verdict],
) -> None:
    assert type(judge(PERMIT_ZONE, seen(*candidates), listed(*names))) is expected, what


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW - DAY, NOW), (NOW + SECOND, NOW + DAY), (NOW - 2 * DAY, NOW - DAY)],
)
def test_p11_a_permit_list_without_a_valid_entry_makes_nobody_an_offender(
    start: datetime, end: datetime
) -> None:
    over = listed(B, C, start=start, end=end)
    assert type(judge(PERMIT_ZONE, seen((A, 0.99)), over)) is Ambiguous
    assert type(judge(PERMIT_ZONE, seen((A, 0.99)), {**over, **listed(D)})) is Offence


@pytest.mark.parametrize(
    ("what", "names", "hotlist", "permit_zone"),
    [
        ("a twin is listed", [C], Ambiguous, Ambiguous),
        ("only another plate is listed", [token("D")], NoOffence, Offence),
        ("the text and a twin are listed", [A, C], Offence, NoOffence),
        ("the text is listed", [A], Offence, NoOffence),
    ],
)
def test_p12_a_listed_twin_ends_ambiguous_however_certain_the_read_is(
    what: str, names: list[PlateToken], hotlist: type[Verdict], permit_zone: type[Verdict]
) -> None:
    vehicle = seen((A, 0.998), twins=(B, C))

    assert type(judge(HOTLIST, vehicle, listed(*names))) is hotlist, what
    assert type(judge(PERMIT_ZONE, vehicle, listed(*names))) is permit_zone, what


def test_an_entry_of_a_twin_that_is_not_valid_now_changes_nothing() -> None:
    vehicle = seen((A, 0.998), twins=(B, C))
    over = listed(C, end=NOW)

    assert judge(HOTLIST, vehicle, over) == NoOffence()
    assert isinstance(judge(PERMIT_ZONE, vehicle, {**over, **listed(token("D"))}), Offence)


def test_a_permit_zone_offence_has_no_entry() -> None:
    verdict = judge(PERMIT_ZONE, seen((A, 0.95)), listed(B))
    assert isinstance(verdict, Offence)
    assert verdict.entries == ()


@pytest.mark.parametrize(
    ("what", "candidates", "heights", "expected"),
    [
        ("against the direction", [(A, 0.97), (B, 0.02)], UP, Offence),
        ("with the direction", [(A, 0.97), (B, 0.02)], DOWN, NoOffence),
        ("never over the line", [(A, 0.97)], (100, 120, 140, 160), NoOffence),
        ("no trajectory", [(A, 0.97)], (), NoOffence),
        ("against it, margin too small", [(A, 0.55), (B, 0.45)], UP, Ambiguous),
        ("against it, posterior too low", [(A, 0.89)], UP, Ambiguous),
        ("against it, unreadable", [], UP, Ambiguous),
        ("with the direction, unreadable", [], DOWN, NoOffence),
    ],
)
def test_wrong_way_needs_a_clear_crossing_and_a_certain_read(
    what: str,
    candidates: list[tuple[PlateToken, float]],
    heights: tuple[float, ...],
    expected: type[Verdict],
) -> None:
    assert type(judge(WRONG_WAY, seen(*candidates, heights=heights), {})) is expected, what


def test_the_opposite_allowed_direction_reverses_wrong_way() -> None:
    turned = replace(WRONG_WAY, allowed=Direction.RIGHT_TO_LEFT)
    assert type(judge(turned, seen((A, 0.97), heights=DOWN), {})) is Offence
    assert type(judge(turned, seen((A, 0.97), heights=UP), {})) is NoOffence


FIRES = [
    (HOTLIST, listed(A)),
    (PERMIT_ZONE, listed(B)),
    (WRONG_WAY, {}),
]


@pytest.mark.parametrize(("fires", "entries"), FIRES)
def test_a_rule_does_not_apply_at_other_cameras(fires: Rule, entries: ListTokens) -> None:
    here = replace(fires, cameras=frozenset({"cam-1", "cam-2"}))
    vehicle = seen((A, 0.97), heights=UP)
    assert type(judge(here, vehicle, entries)) is Offence
    elsewhere = seen((A, 0.97), heights=UP, camera="cam-3")
    assert judge(here, elsewhere, entries) == NoOffence()


@pytest.mark.parametrize(("fires", "entries"), FIRES)
def test_a_rule_does_not_apply_outside_its_schedule(fires: Rule, entries: ListTokens) -> None:
    hours = (Hours.parse("08:15-08:45"),)
    scheduled = replace(fires, schedule=Schedule(ZoneInfo("Europe/Brussels"), (hours,) * 7))
    assert type(judge(scheduled, seen((A, 0.97), heights=UP), entries)) is Offence
    later = seen((A, 0.97), heights=UP, at=NOW + timedelta(minutes=20))
    assert judge(scheduled, later, entries) == NoOffence()


def test_outside_its_schedule_a_permit_zone_is_never_ambiguous() -> None:
    never = replace(PERMIT_ZONE, schedule=Schedule(ZoneInfo("Europe/Brussels"), ((),) * 7))
    assert judge(never, seen((A, 0.55), (B, 0.45)), {}) == NoOffence()
    assert judge(never, seen(), {}) == NoOffence()


def test_a_wrong_way_rule_without_line_or_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="line"):
        replace(WRONG_WAY, line=None)
    with pytest.raises(ValueError, match="direction"):
        replace(WRONG_WAY, allowed=None)


# --- properties -----------------------------------------------------------------------------

TOKENS = [token(name) for name in "ABCDEF"]
FRACTION = st.floats(0, 1)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    """Up to six candidates with falling probabilities that sum to at most one."""
    weights = draw(st.lists(st.floats(0.001, 1), max_size=len(TOKENS)))
    total = max(1.0, sum(weights))
    probabilities = sorted((weight / total for weight in weights), reverse=True)
    heights = draw(st.sampled_from([UP, DOWN, ()]))
    names = draw(st.permutations(TOKENS))
    twins = tuple(draw(st.sets(st.sampled_from(TOKENS), max_size=3)))
    return seen(*zip(names, probabilities, strict=False), heights=heights, twins=twins)


RULES = st.builds(rule, st.sampled_from(RuleKind), FRACTION, FRACTION)
PERIODS = st.sampled_from(
    [(NOW - DAY, NOW + DAY), (NOW - DAY, NOW), (NOW + SECOND, NOW + DAY), (NOW, NOW + SECOND)]
)
LISTS = st.dictionaries(
    st.sampled_from(TOKENS),
    st.lists(PERIODS, min_size=1, max_size=2).map(
        lambda periods: tuple(ListedPeriod("entry", start, end) for start, end in periods)
    ),
)


def is_hit(rule: Rule, sighting: Sighting, entries: ListTokens) -> bool:
    return isinstance(judge(rule, sighting, entries), Offence)


@given(rule=RULES, sighting=sightings(), entries=LISTS, posterior=FRACTION, margin=FRACTION)
def test_a_higher_threshold_never_creates_a_hit(
    rule: Rule, sighting: Sighting, entries: ListTokens, posterior: float, margin: float
) -> None:
    stricter = replace(
        rule,
        min_posterior=max(rule.min_posterior, posterior),
        min_margin=max(rule.min_margin, margin),
    )
    if is_hit(stricter, sighting, entries):
        assert is_hit(rule, sighting, entries)


@given(
    posterior=FRACTION,
    margin=FRACTION,
    sighting=sightings(),
    entries=LISTS,
    more=LISTS,
)
def test_an_additional_exempt_entry_never_creates_a_hit(
    posterior: float, margin: float, sighting: Sighting, entries: ListTokens, more: ListTokens
) -> None:
    zone = replace(PERMIT_ZONE, min_posterior=posterior, min_margin=margin)
    entries = {**entries, **listed(D)}  # without any valid entry there is no hit at all
    longer = {name: (*entries.get(name, ()), *more.get(name, ())) for name in {*entries, *more}}
    if is_hit(zone, sighting, longer):
        assert is_hit(zone, sighting, entries)


@given(posterior=FRACTION, margin=FRACTION, sighting=sightings(), entries=LISTS, data=st.data())
def test_removing_a_hotlist_entry_never_creates_a_hit(
    posterior: float, margin: float, sighting: Sighting, entries: ListTokens, data: st.DataObject
) -> None:
    hotlist = replace(HOTLIST, min_posterior=posterior, min_margin=margin)
    kept = data.draw(st.sets(st.sampled_from(TOKENS)))
    shorter = {name: periods for name, periods in entries.items() if name in kept}
    if is_hit(hotlist, sighting, shorter):
        assert is_hit(hotlist, sighting, entries)


@given(rule=RULES, sighting=sightings(), entries=LISTS)
def test_a_hit_always_reaches_both_thresholds_and_has_the_first_candidate(
    rule: Rule, sighting: Sighting, entries: ListTokens
) -> None:
    verdict = judge(rule, sighting, entries)
    if isinstance(verdict, Offence):
        assert verdict.candidate == sighting.candidates[0]
        assert verdict.posterior >= rule.min_posterior
        assert verdict.margin >= rule.min_margin


def test_a_hotlist_offence_has_every_valid_entry_of_its_plate() -> None:
    """Each may state another vehicle, so that it is known later which one the hit is of."""
    red = Description(VehicleKind.VAN, Colour.RED)
    entries = (
        ListedPeriod("over", NOW - 2 * DAY, NOW - DAY, red),
        ListedPeriod("first", NOW - DAY, NOW + DAY, red),
        ListedPeriod("second", NOW - DAY, NOW + DAY),
    )
    verdict = judge(HOTLIST, seen((A, 0.95)), {A: entries})

    assert isinstance(verdict, Offence)
    assert verdict.entries == entries[1:]
