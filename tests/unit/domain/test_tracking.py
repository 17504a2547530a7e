"""Tracking: association of detections with tracks across frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.domain.assignment import assign
from edge.domain.imaging import Box, Detection
from edge.domain.plates import ALPHABET
from edge.domain.reading import PlateReading
from edge.domain.tracking import Tracker, certainty, edit_distance, text_difference
from tests.support.fakes import noise_reading, reading_of

WIDTH, HEIGHT = 60.0, 14.0

Sighting = tuple[str, float, float, PlateReading | None, float]
"""True plate, x, y, reading, detector score."""


def sighting(
    who: str, x: float, y: float, *, read: str | None = "", score: float = 0.9
) -> Sighting:
    """A plate in one frame; by default the reading is its true text."""
    text = who if read == "" else read
    return who, x, y, reading_of(text) if text is not None else None, score


def follow(frames: Sequence[Sequence[Sighting]], fps: float = 10.0) -> dict[int, list[str]]:
    """The true plates of each track's detections, by track number."""
    tracker = Tracker()
    tracks: dict[int, list[str]] = {}
    for index, frame in enumerate(frames):
        detections = [Detection(_box(x, y), score) for _, x, y, _, score in frame]
        update = tracker.update(index / fps, detections, [reading for *_, reading, _ in frame])
        for track, detection in update.matches:
            tracks.setdefault(track, []).append(frame[detection][0])
    return tracks


def _box(x: float, y: float) -> Box:
    return Box(x - WIDTH / 2, y - HEIGHT / 2, x + WIDTH / 2, y + HEIGHT / 2)


def test_a_plate_whose_boxes_never_overlap_is_one_track() -> None:
    fast = [[sighting("1ABC123", 50 + 90 * i, 200)] for i in range(8)]

    assert follow(fast) == {1: ["1ABC123"] * 8}


def test_motion_alone_separates_two_lanes() -> None:
    frames = [
        [sighting("A", 50 + 40 * i, 200, read=None), sighting("B", 600 - 40 * i, 260, read=None)]
        for i in range(14)
    ]

    assert follow(frames) == {1: ["A"] * 14, 2: ["B"] * 14}


def test_two_plates_that_swap_positions_keep_their_tracks() -> None:
    """They approach, hide each other for three frames, and have passed each other afterwards."""
    frames: list[list[Sighting]] = []
    for i in range(21):
        left = sighting("1ABC123", 200 + 10 * i, 200)
        right = sighting("2XYZ987", 400 - 10 * i, 200)
        frames.append([left, right] if abs(i - 10) > 1 else [])

    tracks = follow(frames)

    assert sorted(tracks.values()) == [["1ABC123"] * 18, ["2XYZ987"] * 18]


def test_an_overtaking_vehicle_never_takes_the_track_that_it_hides() -> None:
    """The fast vehicle hides the slow one and is then at the position predicted for it."""
    frames: list[list[Sighting]] = []
    for i in range(30):
        fast = sighting("2XYZ987", 20 + 25 * i, 210)
        slow = sighting("1ABC123", 300 + 5 * i, 200)
        hidden = abs((20 + 25 * i) - (300 + 5 * i)) < 70
        frames.append([fast] if hidden else [fast, slow])

    tracks = follow(frames)

    assert all(len(set(truth)) == 1 for truth in tracks.values())
    assert len(tracks) == 2


def test_a_legible_contradicting_text_never_joins_a_near_track() -> None:
    frames = [[sighting("1ABC123", 300, 200)]] * 5 + [[sighting("2XYZ987", 300, 200)]] * 5

    assert follow(frames) == {1: ["1ABC123"] * 5, 2: ["2XYZ987"] * 5}


@pytest.mark.parametrize(
    "read",
    ["1ABC12", "1ABC128", "ABC123", "1AB", "", None],
    ids=["last missing", "misread", "first missing", "half hidden", "blank", "not read"],
)
def test_a_bad_reading_does_not_break_a_track(read: str | None) -> None:
    odd = ("1ABC123", 300.0, 200.0, None if read is None else reading_of(read), 0.9)
    frames: list[list[Sighting]] = [[sighting("1ABC123", 300, 200)] for _ in range(9)]
    frames[4] = [odd]

    assert follow(frames) == {1: ["1ABC123"] * 9}


def test_noise_on_a_small_plate_does_not_break_a_track() -> None:
    frames: list[list[Sighting]] = [
        [("A", 300 + 8.0 * i, 200, noise_reading(i, quality=0.3), 0.8)] for i in range(20)
    ]

    assert follow(frames) == {1: ["A"] * 20}


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    weak = [sighting("1ABC123", 300, 200, read=None, score=0.2)]

    assert follow([weak] * 5) == {}
    assert follow([[sighting("1ABC123", 300, 200)], *[weak] * 5]) == {1: ["1ABC123"] * 6}


def test_a_weak_detection_with_a_legible_text_starts_a_track() -> None:
    assert follow([[sighting("1ABC123", 300, 200, score=0.2)]]) == {1: ["1ABC123"]}


def test_a_plate_hidden_for_more_than_a_second_is_recovered_by_its_text() -> None:
    frames: list[list[Sighting]] = [[sighting("1ABC123", 100, 200)] for _ in range(5)]
    frames += [[]] * 15
    frames += [[sighting("1ABC123", 260, 200)] for _ in range(5)]

    assert follow(frames) == {1: ["1ABC123"] * 10}


def test_an_unread_plate_at_the_position_of_a_lost_track_starts_a_new_one() -> None:
    frames: list[list[Sighting]] = [[sighting("A", 100, 200, read=None)] for _ in range(5)]
    frames += [[]] * 15
    frames += [[sighting("B", 100, 200, read=None)] for _ in range(5)]

    assert follow(frames) == {1: ["A"] * 5, 2: ["B"] * 5}


def test_a_track_never_jumps_across_the_picture() -> None:
    """One leaves; half a second later an unread plate appears ten widths away."""
    frames: list[list[Sighting]] = [[sighting("A", 40, 440, read=None)] for _ in range(2)]
    frames += [[]] * 4
    frames += [[sighting("B", 540, 100, read=None)] for _ in range(3)]

    assert follow(frames) == {1: ["A"] * 2, 2: ["B"] * 3}


def test_a_track_ends_once_after_max_age() -> None:
    tracker = Tracker()
    detection = Detection(_box(100, 100), 0.9)
    assert tracker.update(0.0, [detection], [None]).matches == ((1, 0),)

    ended = [tracker.update(t / 2, [], []).ended for t in range(1, 9)]

    assert [numbers for numbers in ended if numbers] == [(1,)]
    assert tracker.finish() == ()


def test_a_stream_with_a_low_frame_rate_keeps_its_tracks() -> None:
    """At one frame a second the plate is still tracked by its motion."""
    frames = [[sighting("A", 300 + 4 * i, 200, read=None)] for i in range(6)]

    assert follow(frames, fps=1.0) == {1: ["A"] * 6}


@pytest.mark.parametrize("gap_s", [2.5, 4.0, 8.0, 60.0, 3600.0, 5 * 3600.0])
def test_a_single_gap_does_not_lengthen_the_life_of_a_track(gap_s: float) -> None:
    tracker = Tracker()
    detection, reading = Detection(_box(100, 100), 0.9), reading_of("1ABC123")
    times = [*(index / 10 for index in range(10)), 0.9 + gap_s, 1.0 + gap_s]

    updates = [tracker.update(time, [detection], [reading]) for time in times]

    assert {track for update in updates[:10] for track, _ in update.matches} == {1}
    assert updates[10].ended == (1,)
    assert {track for update in updates[10:] for track, _ in update.matches} == {2}


@pytest.mark.parametrize(("interval_s", "tracks"), [(0.5, 1), (1.0, 1), (2.0, 1), (6.0, 4)])
def test_a_track_outlives_the_interval_of_a_slow_stream_up_to_five_seconds(
    interval_s: float, tracks: int
) -> None:
    standing = [[sighting("A", 300, 200, read="1ABC123")]] * 4

    assert len(follow(standing, fps=1 / interval_s)) == tracks


def test_track_numbers_are_local_to_one_tracker() -> None:
    first, second = Tracker(), Tracker()
    detection = Detection(_box(100, 100), 0.9)

    assert first.update(0.0, [detection], [None]).matches == ((1, 0),)
    assert second.update(0.0, [detection], [None]).matches == ((1, 0),)
    assert first.finish() == (1,)


@given(
    st.floats(2, 40),
    st.floats(2, 40),
    st.integers(0, 4),
    st.floats(-12, 12),
    st.floats(5, 25),
)
@settings(max_examples=60, deadline=None)
def test_plates_that_pass_each_other_keep_their_tracks_at_all_speeds(
    right: float, left: float, hidden: int, drop: float, fps: float
) -> None:
    """Speeds in pixels a frame; `hidden` frames around the meeting; `drop` separates the lanes."""
    meeting = 400 / (right + left)
    frames = [
        [
            sighting("1ABC123", 100 + right * i, 200),
            sighting("2XYZ987", 500 - left * i, 200 + drop),
        ]
        if abs(i - meeting) > hidden / 2
        else []
        for i in range(int(2 * meeting) + 2)
    ]

    tracks = follow(frames, fps)

    assert all(len(set(truth)) == 1 for truth in tracks.values())


# --- assignment and text comparison ---------------------------------------------------------

costs = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    elements=st.one_of(st.floats(-20, 20), st.just(np.inf)),
)


@given(costs)
@settings(max_examples=150, deadline=None)
def test_the_assignment_is_maximal_and_has_minimum_cost(table: npt.NDArray[np.float64]) -> None:
    pairs = assign(table)

    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(np.isfinite(table[pair]) for pair in pairs)
    size, cost = _best_by_force(table)
    assert len(pairs) == size
    assert sum(table[pair] for pair in pairs) == pytest.approx(cost, abs=1e-6)


def _best_by_force(table: npt.NDArray[np.float64]) -> tuple[int, float]:
    """Size and cost of the best assignment by brute force: most pairs first, then least cost."""
    if table.shape[0] > table.shape[1]:
        return _best_by_force(table.T)
    rows, columns = table.shape
    found = (0, 0.0)
    for chosen in itertools.permutations(range(columns), rows):
        cells = [table[row, column] for row, column in enumerate(chosen)]
        finite = [float(cell) for cell in cells if np.isfinite(cell)]
        if (-len(finite), sum(finite)) < (-found[0], found[1]):
            found = (len(finite), sum(finite))
    return found


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("ABC", "ABC", 0), ("ABC", "AC", 1), ("ABC", "XABC", 1), ("AB", "BA", 2),
     ("ABC", "XYZ", 3), ("", "ABC", 3)],
)  # fmt: skip
def test_the_edit_distance_counts_insertions_deletions_and_substitutions(
    one: str, other: str, distance: int
) -> None:
    assert edit_distance(one.encode(), other.encode()) == distance


@given(*[st.text(alphabet=ALPHABET, max_size=8)] * 3)
@settings(max_examples=100, deadline=None)
def test_the_edit_distance_is_a_metric(a: str, b: str, c: str) -> None:
    one, two, three = a.encode(), b.encode(), c.encode()

    assert edit_distance(one, two) == edit_distance(two, one)
    assert (edit_distance(one, two) == 0) == (one == two)
    assert edit_distance(one, three) <= edit_distance(one, two) + edit_distance(two, three)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), 0.0),
        ((1, 2, 3, 4), (1, 2, 3, 9), 0.25),
        ((1, 2, 3, 4), (5, 6, 7, 8), 1.0),
        ((1, 2, 3, 4), (1, 2, 3), 0.25),
        ((1, 2, 3, 4, 5, 6), (3, 4, 5), None),
    ],
    ids=["equal", "one of four", "all", "one missing", "half hidden"],
)
def test_the_text_difference_of_a_half_hidden_plate_is_unknown(
    one: tuple[int, ...], other: tuple[int, ...], share: float | None
) -> None:
    assert text_difference(one, other) == text_difference(other, one) == share


def test_a_poor_view_has_a_low_certainty() -> None:
    assert certainty(reading_of("1ABC123", quality=0.1)) < 0.25
    assert certainty(reading_of("1ABC123", quality=0.9)) > 0.98
