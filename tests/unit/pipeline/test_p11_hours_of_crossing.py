"""A line that was crossed outside a rule's hours is no offence, however long the vehicle stays."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edge.adapters.host.system import random_bytes
from edge.domain.geometry import Direction, Line
from edge.domain.imaging import Box
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.reading import PlateConsensus
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.schedule import Hours, Schedule
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen
from edge.pipeline.rule_book import RuleBook
from edge.privacy.pseudonyms import SaltChain
from tests.support.fakes import competent

EIGHT = datetime(2026, 3, 10, 8, tzinfo=timezone.utc)
HOURS = Schedule(timezone.utc, ((Hours.parse("08:15-08:45"),),) * 7)
TWICE = Schedule(timezone.utc, ((Hours.parse("08:15-08:20"), Hours.parse("08:30-08:45")),) * 7)
START = 5000.0
"""Seconds of the stream at eight o'clock: a box has run for a while."""


def book(hours: Schedule | None) -> RuleBook:
    rule = Rule(
        id="one-way",
        kind=RuleKind.WRONG_WAY,
        purpose="safety",
        authority="police",
        reveal=RevealLevel.VEHICLE,
        min_posterior=0.9,
        min_margin=0.5,
        schedule=hours,
        line=Line((0.5, 0.0), (0.5, 1.0)),
        allowed=Direction.LEFT_TO_RIGHT,
    )
    chain = SaltChain("street", "box-1", random_bytes)
    made = RuleBook((rule,), chain, lambda _list, _key: {}, 900, {"police": competent("one-way")})
    made.advance(0)
    return made


def point(at: timedelta, x: float) -> TrackPoint:
    return TrackPoint(START + at.total_seconds(), Box(x - 20, 200, x + 20, 210))


def parked(crossed: timedelta, left: timedelta, pictured: timedelta) -> VehicleSeen:
    """It drives over the line, from left to right in the picture, stops, and leaves later.

    Args:
        crossed: when it is on the line, since eight o'clock.
        left: when it is last seen.
        pictured: when the best picture of it was taken.
    """
    path = [
        point(crossed + timedelta(seconds=0.2 * step), 320 + 25 * step) for step in range(-5, 6)
    ]
    stands = [point(crossed + timedelta(seconds=number), 445) for number in range(2, 4000)]
    trajectory = (*path, *(one for one in stands if one.stream_s <= START + left.total_seconds()))
    first, last = trajectory[0].stream_s - START, trajectory[-1].stream_s - START
    pixels = np.zeros((480, 640, 3), np.uint8)
    return VehicleSeen(
        camera="cam-1",
        number=1,
        final=True,
        first_seen=EIGHT + timedelta(seconds=first),
        last_seen=EIGHT + timedelta(seconds=last),
        trajectory=trajectory,
        consensus=PlateConsensus((Hypothesis(PlateText("1ABC123"), 0.99),), reads=5),
        key_frame=KeyFrame(0, EIGHT + pictured, Box(425, 200, 465, 210), (), pixels),
    )


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("crossed", "left", "pictured", "fires"),
    [
        (16, 30, 20, True),
        (44, 44.9, 44.5, True),
        (16, 16.5, 16.2, True),
        (5, 30, 20, False),  # crossed before the hours, photographed in them
        (14.9, 15.5, 15.2, False),
        (5, 10, 8, False),
        (44, 60, 50, False),  # photographed after the hours: in doubt no hit
        (46, 60, 50, False),
    ],
)
def test_p11_a_line_crossed_outside_the_hours_of_the_rule_is_no_offence(
    crossed: float, left: float, pictured: float, *, fires: bool
) -> None:
    vehicle = parked(minutes(crossed), minutes(left), minutes(pictured))

    assert bool(book(HOURS).judge(vehicle).offences) is fires


def test_p11_between_two_periods_of_a_rule_a_crossing_is_no_offence() -> None:
    assert not book(TWICE).judge(parked(minutes(25), minutes(40), minutes(35))).offences
    assert book(TWICE).judge(parked(minutes(17), minutes(40), minutes(35))).offences


def test_a_rule_without_a_schedule_judges_the_whole_path() -> None:
    assert book(None).judge(parked(minutes(5), minutes(30), minutes(20))).offences
