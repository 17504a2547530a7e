"""Epochs, lists, validity and competence: tokens change with the epoch, matching continues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edge.adapters.host.system import random_bytes
from edge.domain.competence import Competence
from edge.domain.imaging import Box
from edge.domain.lists import ListEntry
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.reading import PlateConsensus, fuse
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.schedule import Hours, Schedule
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.errors import ConfigError
from edge.pipeline.rule_book import RuleBook
from edge.privacy.pseudonyms import SaltChain, SaltChainDestroyedError
from tests.support.fakes import competent, reading_of
from tests.support.plate_lists import in_clear

NOON = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
COMPETENCES = {"police": competent("stolen", "a", "a2", "b")}
LISTED, OTHER = PlateText("1ABC123"), PlateText("1ABC128")


def rule(rule_id: str = "stolen", purpose: str = "wanted") -> Rule:
    return Rule(
        id=rule_id,
        kind=RuleKind.HOTLIST,
        purpose=purpose,
        authority="police",
        reveal=RevealLevel.PLATE,
        min_posterior=0.9,
        min_margin=0.5,
        list_id="list",
    )


def entry(start: datetime = NOON - timedelta(days=1), end: datetime = NOON) -> ListEntry:
    return ListEntry("entry-1", LISTED, start, end, "law", "stolen", "police")


def seen(
    *hypotheses: tuple[PlateText, float], at: datetime = NOON - timedelta(hours=1)
) -> VehicleSeen:
    return VehicleSeen(
        camera="cam-1",
        number=1,
        final=True,
        first_seen=at,
        last_seen=at,
        trajectory=(),
        consensus=PlateConsensus(tuple(Hypothesis(*one) for one in hypotheses), reads=5),
        key_frame=KeyFrame(0, at, Box(1, 1, 9, 3), (), np.zeros((10, 10, 3), np.uint8)),
    )


def chain() -> SaltChain:
    return SaltChain("street", "box-1", random_bytes)


def book(
    *rules: Rule,
    listed: ListEntry | None = None,
    epoch_s: float = 900,
    competences: Mapping[str, Competence] | None = None,
) -> RuleBook:
    made = RuleBook(
        rules or (rule(),),
        chain(),
        in_clear(lambda _list: (listed or entry(),)),
        epoch_s,
        COMPETENCES if competences is None else competences,
    )
    made.advance(0)
    return made


@pytest.mark.parametrize(
    ("at", "fires"),
    [
        (NOON - timedelta(days=1, milliseconds=1), False),
        (NOON - timedelta(days=1), True),
        (NOON - timedelta(milliseconds=1), True),
        (NOON, False),
        (NOON + timedelta(seconds=1), False),
    ],
)
def test_p13_an_entry_is_valid_from_its_start_until_just_before_its_end(
    at: datetime, fires: bool
) -> None:
    assert bool(book().judge(seen((LISTED, 0.99), at=at)).offences) is fires


def test_p12_a_read_ambiguous_between_8_and_b_makes_no_hit_and_is_counted() -> None:
    ruling = book().judge(seen((LISTED, 0.55), (OTHER, 0.44)))
    assert (ruling.offences, ruling.ambiguous) == ((), True)


def test_a_read_of_another_plate_is_not_ambiguous() -> None:
    ruling = book().judge(seen((OTHER, 0.99)))
    assert (ruling.offences, ruling.ambiguous) == ((), False)


@pytest.mark.parametrize(
    ("passing", "read", "region"),
    [
        ("KA412OT", "KA4120T", "Croatia"),
        ("KA412OT", "KA4120T", None),
        ("LD615BG", "LD6158G", "Serbia"),
        ("LD615BG", "LD6158G", None),
        ("1ABC123", "IA8CI23", None),
        ("1ETB392", "ETB392", "Belgium"),
        ("7K28154", "7K2I8154", None),
    ],
)
def test_p12_a_plate_read_as_its_twin_never_makes_a_hit_of_a_listed_vehicle(
    passing: str, read: str, region: str | None
) -> None:
    consensus = fuse([reading_of(read, region=region)] * 24)
    vehicle = replace(seen((OTHER, 0.9)), consensus=consensus)
    permits = replace(rule(), kind=RuleKind.PERMIT_ZONE)
    for judged in (permits, rule()):
        made = book(judged, listed=replace(entry(), plate=PlateText(passing)))
        ruling = made.judge(vehicle)
        assert (ruling.offences, ruling.ambiguous) == ((), True), judged.kind


@pytest.mark.parametrize("region", ["Belgium", None])
@pytest.mark.parametrize("permit", ["1ETB392", "2ETB892", "1ETB890", "1XTB892"])
def test_p12_a_permit_protects_a_plate_that_reads_with_one_other_character(
    permit: str, region: str | None
) -> None:
    """A ball in front of a 3 makes an 8 of it, in every view and with a high posterior."""
    consensus = fuse([reading_of("1ETB892", region=region)] * 24)
    vehicle = replace(seen((OTHER, 0.9)), consensus=consensus)
    zone = replace(rule(), kind=RuleKind.PERMIT_ZONE)

    ruling = book(zone, listed=replace(entry(), plate=PlateText(permit))).judge(vehicle)

    assert (ruling.offences, ruling.ambiguous) == ((), True)


def test_a_permit_of_another_plate_does_not_protect_a_certain_offender() -> None:
    consensus = fuse([reading_of("1DLK482", region="Belgium")] * 24)
    vehicle = replace(seen((OTHER, 0.9)), consensus=consensus)
    made = book(replace(rule(), kind=RuleKind.PERMIT_ZONE))

    assert len(made.judge(vehicle).offences) == 1


def test_p5_two_rules_or_purposes_give_one_plate_two_tokens() -> None:
    three = book(rule("a", "wanted"), rule("b", "wanted"), rule("a2", "other"))
    offences = three.judge(seen((LISTED, 0.99))).offences
    assert len({offence.candidate.token.value for offence in offences}) == 3


def test_p5_two_epochs_and_two_boxes_give_one_plate_different_tokens() -> None:
    first, second = book(), book()
    tokens = {first.judge(seen((LISTED, 0.99))).offences[0].candidate.token.value}
    tokens.add(second.judge(seen((LISTED, 0.99))).offences[0].candidate.token.value)
    assert first.advance(900)
    tokens.add(first.judge(seen((LISTED, 0.99))).offences[0].candidate.token.value)
    assert len(tokens) == 3


def test_an_epoch_lasts_epoch_s_and_a_gap_counts_all_its_epochs() -> None:
    made = book(epoch_s=60)
    assert [made.advance(at) for at in (0, 59.9, 60, 61, 119)] == [False, False, True, False, False]
    assert made.epoch == 1
    made.advance(60 * 10 + 1)
    assert made.epoch == 10


def test_a_large_jump_of_the_clock_rotates_the_salt_once() -> None:
    requested: list[str] = []

    def entries(list_id: str) -> tuple[ListEntry, ...]:
        requested.append(list_id)
        return ()

    made = RuleBook((rule(),), chain(), in_clear(entries), 60, COMPETENCES)
    made.advance(0)
    assert made.advance(1e11)
    assert (made.epoch, len(requested)) == (int(1e11 // 60), 2)


def test_each_epoch_reads_the_lists_again() -> None:
    answers = [(entry(),), ()]
    made = RuleBook((rule(),), chain(), in_clear(lambda _list: answers.pop(0)), 900, COMPETENCES)
    made.advance(0)
    assert made.judge(seen((LISTED, 0.99))).offences
    made.advance(900)
    assert not made.judge(seen((LISTED, 0.99))).offences


def test_an_unreadable_list_raises_at_the_start_of_an_epoch() -> None:
    def broken(list_id: str) -> tuple[ListEntry, ...]:
        raise ConfigError(f"{list_id}.csv:3: end: is missing")

    made = RuleBook((rule(),), chain(), in_clear(broken), 900, COMPETENCES)
    with pytest.raises(ConfigError, match=r"list\.csv:3"):
        made.advance(0)


# --- a rule that stops itself -----------------------------------------------------------------

NOBODY = PlateText("9ZZZ999")


ZONE = replace(rule("zone"), kind=RuleKind.PERMIT_ZONE, max_hit_share=0.5)


def stopping(*rules: Rule, least: int = 10, stops: list[str] | None = None) -> RuleBook:
    names = [one.id for one in rules]
    made = RuleBook(
        rules,
        chain(),
        in_clear(lambda _list: (replace(entry(), plate=NOBODY),)),
        900,
        {"police": competent(*names)},
        on_stop=(stops if stops is not None else []).append,
        least_judged=least,
    )
    made.advance(0)
    return made


def test_p11_a_rule_that_makes_an_offender_of_everybody_stops_itself() -> None:
    stops: list[str] = []
    made = stopping(ZONE, rule(), least=50, stops=stops)

    hits = [len(made.judge(seen((LISTED, 0.99))).offences) for _ in range(80)]

    assert sum(hits) == 49, "the vehicle that proves it is no hit, nor is any after it"
    assert (stops, made.stopped) == (["zone"], frozenset({"zone"}))
    assert [one.id for one in made.rules_due(seen((LISTED, 0.99)), early=False)] == ["stolen"]
    made.advance(900)
    assert made.judge(seen((LISTED, 0.99))).offences == (), "a new epoch does not start it again"


def test_p11_doubtful_vehicles_and_those_out_of_hours_do_not_count() -> None:
    closed = Schedule(timezone.utc, ((),) * 7)
    unread = replace(seen(), consensus=None)
    for one, vehicle in (
        (ZONE, seen((LISTED, 0.5))),
        (ZONE, unread),
        (replace(ZONE, schedule=closed), seen((LISTED, 0.99))),
        (replace(ZONE, cameras=frozenset({"cam-2"})), seen((LISTED, 0.99))),
    ):
        made = stopping(one, least=1)
        for _ in range(20):
            made.judge(vehicle)
        assert made.stopped == frozenset()
        # None of them made the share smaller either.
        other = replace(one, schedule=None, cameras=frozenset())
        again = stopping(other, least=10)
        for _ in range(100):
            again.judge(vehicle if one.schedule is None and not one.cameras else unread)
        for _ in range(12):
            again.judge(seen((LISTED, 0.99)))
        assert again.stopped == {"zone"}


def test_p11_offences_outside_the_competence_count_too() -> None:
    made = RuleBook(
        (ZONE,),
        chain(),
        in_clear(lambda _list: (replace(entry(), plate=NOBODY),)),
        900,
        {},
        least_judged=10,
    )
    made.advance(0)
    for _ in range(20):
        made.judge(seen((LISTED, 0.99)))

    assert made.stopped == {"zone"}


def test_p11_a_rule_that_had_stopped_before_judges_nothing() -> None:
    made = RuleBook(
        (rule(),),
        chain(),
        in_clear(lambda _list: (entry(),)),
        900,
        COMPETENCES,
        stopped=["stolen"],
    )
    made.advance(0)

    assert made.judge(seen((LISTED, 0.99))).offences == ()


def test_p11_a_permit_zone_without_permits_makes_no_hits_and_says_so() -> None:
    lists = [(), (replace(entry(), plate=NOBODY),), ()]
    competences = {"police": competent("zone")}
    made = RuleBook((ZONE,), chain(), in_clear(lambda _list: lists.pop(0)), 900, competences)

    for at, permits in ((0, False), (900, True), (1800, False)):
        made.advance(at)
        ruling = made.judge(seen((LISTED, 0.99)))
        assert (len(ruling.offences), ruling.ambiguous) == ((1, False) if permits else (0, True))
        assert made.without_permits == (frozenset() if permits else {"zone"})


@pytest.mark.parametrize(("asked", "left", "hits"), [(0, 1, 1), (5, 5, 1), (5, 4, 0), (5, 1, 0)])
def test_p11_when_permits_end_together_nobody_becomes_an_offender(
    asked: int, left: int, hits: int
) -> None:
    """They end while the epoch goes on, and within it: the list itself stays as it was."""
    start, soon = NOON - timedelta(days=1), NOON - timedelta(minutes=61)
    entries = tuple(
        ListEntry(
            f"e-{number}", PlateText(f"1QQQ{number:03}"), start, NOON if number < left else soon,
            "law", "resident", "town",
        )
        for number in range(10)
    )  # fmt: skip
    made = RuleBook(
        (ZONE,),
        chain(),
        in_clear(lambda _list: entries),
        900,
        {"police": competent("zone")},
        permits_asked=lambda _list: asked,
    )
    made.advance(0)

    before = made.judge(seen((LISTED, 0.99), at=soon - timedelta(minutes=1)))
    assert (len(before.offences), before.ambiguous) == (1, False)
    after = made.judge(seen((LISTED, 0.99)))
    assert (len(after.offences), after.ambiguous) == (hits, not hits)
    assert made.without_permits == frozenset()
    holder = made.judge(seen((PlateText("1QQQ000"), 0.99)))
    assert (holder.offences, holder.ambiguous) == ((), False)


def test_p11_a_permit_counts_once_however_many_periods_it_has() -> None:
    start = NOON - timedelta(days=1)
    entries = tuple(
        ListEntry(f"e-{number}", NOBODY, start, NOON, "law", "resident", "town")
        for number in range(10)
    )
    made = RuleBook(
        (ZONE,),
        chain(),
        in_clear(lambda _list: entries),
        900,
        {"police": competent("zone")},
        permits_asked=lambda _list: 2,
    )
    made.advance(0)

    assert made.without_permits == {"zone"}
    assert made.judge(seen((LISTED, 0.99))).offences == ()


# --- competence -------------------------------------------------------------------------------

NIGHT = Schedule(
    timezone.utc, tuple((Hours.parse("22:00-24:00"),) if day == 1 else () for day in range(7))
)
WHOLE = competent("stolen")


def test_p4_a_hit_within_its_authority_s_competence_is_a_hit() -> None:
    made = book(competences={"police": WHOLE})

    assert len(made.judge(seen((LISTED, 0.99))).offences) == 1
    assert made.outside_competence == 0


@pytest.mark.parametrize(
    "competences",
    [
        {"police": competent("speeding")},
        {"police": competent("stolen", cameras=("cam-2",))},
        {"police": replace(WHOLE, hours=NIGHT)},
        {"police": replace(WHOLE, until=NOON - timedelta(hours=1))},
        {"police": replace(WHOLE, since=NOON - timedelta(minutes=59))},
        {"municipality": WHOLE},
        {},
    ],
    ids=["rule", "place", "hours", "mandate ended", "mandate not begun", "another's", "nobody's"],
)
def test_p4_a_hit_outside_its_authority_s_competence_is_counted_and_dropped(
    competences: Mapping[str, Competence],
) -> None:
    made = book(competences=competences)

    ruling = made.judge(seen((LISTED, 0.99)))

    assert ruling.offences == ()
    assert not ruling.ambiguous
    assert made.outside_competence == 1


def test_p4_competence_is_judged_at_the_moment_of_the_passage() -> None:
    tonight = datetime(2026, 3, 10, 22, 30, tzinfo=timezone.utc)
    listed = entry(end=tonight + timedelta(days=1))
    made = book(competences={"police": replace(WHOLE, hours=NIGHT)}, listed=listed)

    assert len(made.judge(seen((LISTED, 0.99), at=tonight)).offences) == 1


def test_p17_after_forget_no_plate_can_be_matched() -> None:
    made = book()

    made.forget()

    with pytest.raises(SaltChainDestroyedError):
        made.judge(seen((LISTED, 0.99)))
