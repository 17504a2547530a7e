"""Times of live frames from the camera's timestamps and the arrival times."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.stream_time import (
    LOGIN_REFUSED_RETRY_S,
    LONG_OUTAGE_RETRY_S,
    MAX_CORRECTION_S,
    SHORT_OUTAGE_RETRY_S,
    FrameRate,
    StreamTime,
    retry_delay_s,
)

FRAME_S = 0.04


def test_network_jitter_is_removed() -> None:
    rng = random.Random(1)
    times = StreamTime()
    times_s = [
        times.frame_time_s(index * FRAME_S, 100 + index * FRAME_S + rng.uniform(0, 0.08))
        for index in range(200)
    ]

    gaps = [after - before for before, after in itertools.pairwise(times_s[20:])]
    assert max(abs(gap - FRAME_S) for gap in gaps) < 0.01


def test_a_frame_without_a_timestamp_gets_its_arrival_time() -> None:
    times = StreamTime()
    assert [times.frame_time_s(None, 5.0), times.frame_time_s(None, 5.5)] == [5.0, 5.5]


@pytest.mark.parametrize(
    "timestamps",
    [
        [0.0, 0.04, 3600.0, 3600.04],
        [3600.0, 3600.04, 0.0, 0.04],
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 0.96, 0.92, 0.88],
    ],
    ids=["jump forwards", "jump back", "repeat", "run backwards"],
)
def test_a_wrong_timestamp_moves_a_frame_by_at_most_the_maximum_correction(
    timestamps: list[float],
) -> None:
    times = StreamTime()
    for index, timestamp_s in enumerate(timestamps):
        arrival_s = 50 + index * FRAME_S
        assert (
            arrival_s - MAX_CORRECTION_S
            <= times.frame_time_s(timestamp_s, arrival_s)
            <= arrival_s + 0.01
        )


@given(
    st.lists(
        st.tuples(st.none() | st.floats(-1e6, 1e6, allow_nan=False), st.floats(0.001, 30.0)),
        min_size=2,
        max_size=60,
    )
)
def test_frame_times_increase_and_stay_near_arrival_for_all_timestamps(
    frames: list[tuple[float | None, float]],
) -> None:
    times = StreamTime()
    arrival_s, before = 1000.0, -1.0
    for timestamp_s, gap_s in frames:
        arrival_s += gap_s
        time_s = times.frame_time_s(timestamp_s, arrival_s)
        assert time_s > before
        assert arrival_s - MAX_CORRECTION_S - 1e-6 <= time_s <= arrival_s + 0.002
        before = time_s


def test_the_frame_rate_is_measured_from_arrivals() -> None:
    rate = FrameRate()
    assert rate.per_second() is None
    for index in range(100):
        rate.add(index / 7)
    assert rate.per_second() == pytest.approx(7)


def test_arrivals_outside_the_window_do_not_count() -> None:
    rate = FrameRate(window_s=5)
    for index in range(100):
        rate.add(index / 25)
    for index in range(30):
        rate.add(4 + index)
    assert rate.per_second() == pytest.approx(1)


@pytest.mark.parametrize(
    ("outage_s", "refused", "longest"),
    [
        (0, False, SHORT_OUTAGE_RETRY_S),
        (59, False, SHORT_OUTAGE_RETRY_S),
        (61, False, LONG_OUTAGE_RETRY_S),
        (0, True, LOGIN_REFUSED_RETRY_S),
    ],
)
def test_the_retry_delay_grows_after_a_minute_and_has_jitter(
    outage_s: float, refused: bool, longest: float
) -> None:
    delays = [retry_delay_s(outage_s, jitter / 10, refused=refused) for jitter in range(11)]
    assert max(delays) == longest
    assert min(delays) == longest / 2
    assert len(set(delays)) == 11
