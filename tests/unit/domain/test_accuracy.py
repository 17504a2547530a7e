"""Matching of detections to labels, and the accuracy figures."""

from __future__ import annotations

import pytest

from edge.domain.accuracy import (
    PlateOutcome,
    ScoredRead,
    accuracy_figures,
    by_country,
    by_height,
    by_light,
    by_lines,
    by_width,
    calibration_error,
    figures_at_thresholds,
    match,
    reliability,
    wrong_and_sure,
)
from edge.domain.imaging import Box, Detection
from edge.domain.intervals import wilson

PLATE = Box(100, 100, 200, 130)


def seen(box: Box, score: float = 0.9) -> Detection:
    return Detection(box, score)


def outcome(
    *,
    country: str = "BE",
    width: float = 100,
    height: float = 25,
    light: float = 120,
    lines: int | None = None,
    length: int = 7,
    found: bool = True,
    exact: bool = True,
    edits: int = 0,
    posterior: float = 0.9,
    exact_given_box: bool = True,
) -> PlateOutcome:
    return PlateOutcome(
        country, width, height, light, lines, length, found, exact, edits, posterior,
        exact_given_box,
    )  # fmt: skip


# --- matching -------------------------------------------------------------------------------


def test_a_detection_matches_a_plate_from_an_iou_of_one_half() -> None:
    half = Box(100, 100, 200, 115)  # half of the plate, all of it inside
    assert half.iou(PLATE) == 0.5

    assert match([PLATE], [seen(half)]) == (0,)
    assert match([PLATE], [seen(Box(100, 100, 200, 114.9))]) == (None,)


def test_one_plate_matches_only_the_detection_with_the_highest_score() -> None:
    off = PLATE.shifted(5, 0)

    assert match([PLATE], [seen(PLATE, 0.5), seen(off, 0.9)]) == (1,)


def test_one_detection_matches_only_the_plate_with_the_greatest_iou() -> None:
    near = PLATE.shifted(10, 0)

    assert match([near, PLATE], [seen(PLATE)]) == (None, 0)
    assert match([near, PLATE], [seen(PLATE, 0.5), seen(near, 0.9)]) == (1, 0)


def test_a_detection_whose_plate_is_taken_may_match_another_one() -> None:
    near = PLATE.shifted(20, 0)

    assert match([PLATE, near], [seen(PLATE, 0.9), seen(PLATE, 0.8)]) == (0, 1)


def test_without_detections_or_labels_there_is_no_match() -> None:
    assert match([PLATE], []) == (None,)
    assert match([], [seen(PLATE)]) == ()


# --- figures --------------------------------------------------------------------------------


def test_exact_counts_all_labelled_plates_and_characters_only_found_ones() -> None:
    outcomes = [
        outcome(),
        outcome(exact=False, edits=2),
        outcome(found=False, exact=False, edits=7, exact_given_box=False),
    ]

    figures = accuracy_figures(outcomes)

    assert figures.plates == 3
    assert figures.recall == wilson(2, 3)
    assert figures.exact == wilson(1, 3)
    assert figures.exact_given_box == wilson(2, 3)
    assert figures.characters == wilson(12, 14)


def test_without_a_found_plate_there_is_no_character_accuracy() -> None:
    assert accuracy_figures([outcome(found=False, exact=False, edits=7)]).characters is None


def test_no_plates_are_refused() -> None:
    with pytest.raises(ValueError, match="total of at least 1"):
        accuracy_figures([])


@pytest.mark.parametrize(
    ("width", "named"),
    [
        (19.9, "<20"), (20, "20-40"), (39.99, "20-40"), (40, "40-60"), (60, "60-100"),
        (100, "100-200"), (200, "100-200"), (200.1, ">200"),
    ],
)  # fmt: skip
def test_a_width_belongs_to_exactly_one_class(width: float, named: str) -> None:
    assert list(by_width([outcome(width=width)])) == [named]


def test_width_classes_are_counted_separately_and_empty_ones_are_omitted() -> None:
    outcomes = [outcome(width=30, exact=False), outcome(width=300), outcome(width=35)]

    classes = by_width(outcomes)

    assert {name: (one.plates, one.exact.share) for name, one in classes.items()} == {
        "20-40": (2, 0.5),
        ">200": (1, 1.0),
    }


def test_countries_are_counted_separately_in_alphabetical_order() -> None:
    outcomes = [outcome(country="NL"), outcome(exact=False), outcome(country="NL")]

    assert [(name, one.plates, one.exact.share) for name, one in by_country(outcomes).items()] == [
        ("BE", 1, 0.0),
        ("NL", 2, 1.0),
    ]


@pytest.mark.parametrize(
    ("height", "named"),
    [(9.9, "<10"), (10, "10-15"), (15, "15-20"), (20, "20-40"), (40, "20-40"), (40.1, ">40")],
)
def test_a_height_belongs_to_exactly_one_class(height: float, named: str) -> None:
    assert list(by_height([outcome(height=height)])) == [named]


@pytest.mark.parametrize(
    ("level", "named"), [(0, "dark"), (49, "dark"), (50, "dim"), (100, "bright"), (255, "bright")]
)
def test_a_light_belongs_to_exactly_one_class(level: float, named: str) -> None:
    assert list(by_light([outcome(light=level)])) == [named]


def test_classes_of_height_and_light_come_in_order_without_empty_ones() -> None:
    outcomes = [outcome(height=50, light=200), outcome(height=8, light=10, exact=False)]

    assert [(name, one.exact.share) for name, one in by_height(outcomes).items()] == [
        ("<10", 0.0),
        (">40", 1.0),
    ]
    assert [(name, one.exact.share) for name, one in by_light(outcomes).items()] == [
        ("dark", 0.0),
        ("bright", 1.0),
    ]


def test_lines_are_those_of_the_label_and_else_follow_from_the_shape() -> None:
    outcomes = [
        outcome(lines=2, width=100, height=20),
        outcome(lines=1, width=100, height=90),
        outcome(width=249, height=100),
        outcome(width=250, height=100),
    ]

    assert {name: one.plates for name, one in by_lines(outcomes).items()} == {
        "1": 1,
        "2": 1,
        "square": 1,
        "long": 1,
    }


# --- calibration ----------------------------------------------------------------------------


def reads(*pairs: tuple[float, bool]) -> list[ScoredRead]:
    return [ScoredRead(posterior, exact) for posterior, exact in pairs]


def test_the_calibration_error_is_the_weighted_gap_over_the_bins() -> None:
    sure = [(0.95, True)] * 3 + [(0.95, False)]
    unsure = [(0.35, False)] * 4

    # Three of four are right at 0.95 and none at 0.35; each bin has half of the readings.
    assert calibration_error(reads(*sure, *unsure)) == pytest.approx((0.2 + 0.35) / 2)


def test_overconfidence_and_underconfidence_do_not_cancel_out() -> None:
    assert calibration_error(reads((0.95, False), (0.05, True))) == pytest.approx(0.95)


def test_a_calibrated_reader_has_no_calibration_error() -> None:
    assert calibration_error(reads(*[(0.75, True)] * 3, (0.75, False))) == pytest.approx(0)
    assert calibration_error([]) is None


def test_bins_include_their_lower_edge_and_the_last_one_includes_one() -> None:
    bins = reliability(reads((0.0, False), (0.1, True), (0.9, True), (1.0, True)))

    assert [(one.low, one.high, one.count) for one in bins] == [
        (0.0, 0.1, 1),
        (0.1, 0.2, 1),
        (0.9, 1.0, 2),
    ]
    assert bins[-1].mean_posterior == pytest.approx(0.95)


def test_a_threshold_accepts_posteriors_at_least_as_high() -> None:
    figures = figures_at_thresholds(
        reads((0.5, False), (0.9, True), (0.9, False), (0.99, True)), (0, 0.9, 0.995)
    )

    assert [(one.threshold, one.coverage) for one in figures] == [
        (0, 1.0),
        (0.9, 0.75),
        (0.995, 0.0),
    ]
    assert [one.exact and one.exact.share for one in figures] == [0.5, pytest.approx(2 / 3), None]
    assert figures_at_thresholds([], (0.5,)) == ()


def test_wrong_and_sure_is_the_share_of_all_readings_that_are_wrong_at_the_threshold() -> None:
    few = reads((0.95, False), (0.949, False), (0.99, True), (0.5, True))

    share = wrong_and_sure(few, 0.95)

    assert share is not None
    assert share.share == 0.25
    assert share.high > 0.25
    assert wrong_and_sure([], 0.95) is None


def test_no_wrong_reading_still_leaves_an_upper_bound() -> None:
    share = wrong_and_sure(reads(*[(0.99, True)] * 100), 0.95)

    assert share is not None
    assert share.share == 0
    assert 0.03 < share.high < 0.04  # about 3.8 of 100, Wilson
