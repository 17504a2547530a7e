"""Times of live frames from the camera's timestamps and the arrival times."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.stream_time import (
    LOGIN_REFUSED_RETRY_S,
    LONG_OUTAGE_RETRY_S,
    MAX_CORRECTION_S,
    SHORT_OUTAGE_RETRY_S,
    WRAP_S,
    FrameRate,
    RecordedTime,
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


def recorded(stamps: list[float | None], interval_s: float = FRAME_S) -> tuple[list[float], int]:
    """The times of a recording's frames, and the number of its last section."""
    times = RecordedTime(interval_s)
    return [times.frame_time_s(stamp) for stamp in stamps], times.section


@pytest.mark.parametrize("gap_s", [0.04, 1.0, 8.0, 60.0, 3600.0, 5 * 3600.0, 23 * 3600.0])
def test_a_gap_in_a_recording_is_kept(gap_s: float) -> None:
    times, section = recorded([7.0, 7.04, 7.04 + gap_s, 7.08 + gap_s])

    assert times == pytest.approx([0, 0.04, 0.04 + gap_s, 0.08 + gap_s])
    assert section == 0


@pytest.mark.parametrize(
    "jump_s", [-1.5, -8.0, -60.0, -3600.0, -5 * 3600.0, -80_000.0, 25 * 3600.0, 1e7]
)
def test_after_a_jump_of_unknown_length_time_goes_on_by_one_interval(jump_s: float) -> None:
    times, section = recorded([9.0, 9.04, 9.08 + jump_s, 9.13 + jump_s, 9.17 + jump_s])

    assert times == pytest.approx([0, 0.04, 0.08, 0.13, 0.17])
    assert section == 1


def test_a_recording_may_jump_back_again_and_again() -> None:
    times, section = recorded([0.0, 0.9, 1.8] * 5)

    assert times == pytest.approx([index * 0.9 for index in range(15)])
    assert section == 4


@pytest.mark.parametrize("pause_s", [0.04, 2.0, 30.0])
def test_an_overflow_of_mpegs_counter_is_no_jump(pause_s: float) -> None:
    stamps: list[float | None] = [WRAP_S - 0.05, WRAP_S - 0.01, pause_s - 0.01, pause_s + 0.03]
    times, section = recorded(stamps)

    assert times == pytest.approx([0, 0.04, 0.04 + pause_s, 0.08 + pause_s])
    assert section == 0


@pytest.mark.parametrize(
    "stamps",
    [[0.0, 0.04, 0.04, 0.08, 0.12], [0.0, 0.04, 0.02, 0.12, 0.16], [0.0, 0.04, None, 0.12, 0.16]],
    ids=["repeated", "a little back", "missing"],
)
def test_a_single_bad_time_stamp_begins_no_section(stamps: list[float | None]) -> None:
    times, section = recorded(stamps)

    assert all(after > before for before, after in itertools.pairwise(times))
    assert times[-1] <= 0.2
    assert section == 0


def test_a_recording_without_time_stamps_runs_at_its_nominal_rate() -> None:
    assert recorded([None] * 3, 0.2)[0] == pytest.approx([0, 0.2, 0.4])


@given(st.lists(st.none() | st.floats(-1e6, 1e6, allow_nan=False), min_size=2, max_size=60))
def test_the_times_of_a_recording_increase_for_all_time_stamps(stamps: list[float | None]) -> None:
    times, _ = recorded(stamps)

    assert all(after > before for before, after in itertools.pairwise(times))
    assert all(math.isfinite(time) for time in times)
