"""`scripts/bench peers`: statistics, the figures that must hold, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.peer_figures import (
    CAMERAS,
    FIXED_CAMERA,
    FLOOR,
    OWN,
    PEER,
    SAME,
    TRAFFIC,
    Case,
    Row,
    Spread,
    figures_of,
    rows_of,
)
from scripts.benchmarks.peer_report import as_document, write_plots

LABEL = "1ABC234"


def run(cpu_s: float, **more: Any) -> dict[str, Any]:
    """What one process says of a film of half a minute."""
    said = {
        "name": "weights",
        "cpu_s": cpu_s,
        "wall_s": cpu_s,
        "startup_cpu_s": 0.5,
        "peak_mib": 200.0,
        "film_s": 30.0,
        "exact": 1,
        "twice": 0,
        "others": 0,
        "inference_s": 1.0,
        "first_frame_s": 0.8,
    }
    return {**said, **more}


def fixed_camera(
    peer: list[dict[str, Any]], same: list[dict[str, Any]], own: list[dict[str, Any]]
) -> list[Row]:
    case = Case(FIXED_CAMERA, ("film.mp4",), (LABEL,))
    floor = [{"cpu_s": 1.5, "wall_s": 1.5, "decode_s": 1.0, "startup_cpu_s": 0.5, "peak_mib": 90.0}]
    return rows_of(case, {PEER: peer, SAME: same, OWN: own, FLOOR: floor * len(own)})


def test_a_spread_is_the_median_with_the_smallest_and_the_largest_value() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([3.0, 1.0, 2.0]).text() == "2.0 (1.0 to 3.0)"
    assert Spread.of([2.01, 2.02]).text() == "2.0"
    with pytest.raises(ValueError, match="no value"):
        Spread.of([])


def test_a_ratio_compares_the_runs_of_one_repetition() -> None:
    # The machine is twice as slow in the second repetition; the ratio is the same.
    rows = fixed_camera([run(40), run(80)], [run(10), run(20)], [run(4), run(8)])

    by_program = {row.program: row for row in rows}
    assert by_program[SAME].ratio == Spread(0.25, 0.25, 0.25)
    assert by_program[OWN].ratio == Spread(0.1, 0.1, 0.1)
    assert by_program[PEER].ratio is None
    assert by_program[PEER].cpu_s_per_minute == Spread(120, 80, 160)


def test_work_outside_decoding_and_inference_is_what_is_left_of_our_own_time() -> None:
    (own,) = (row for row in fixed_camera([run(40)], [run(10)], [run(4)]) if row.program == OWN)

    assert own.beside_decoding == pytest.approx((4 - 1) / 40)
    assert own.outside == pytest.approx((4 - 1 - 1) / 40)


@pytest.mark.parametrize(("own_s", "holds"), [(3.0, True), (4.0, False)])
def test_a_figure_holds_up_to_its_limit(own_s: float, holds: bool) -> None:
    rows = fixed_camera([run(40)], [run(6)], [run(own_s)])

    figures = {one.text: one.holds for one in figures_of(rows)}
    assert figures["fixed camera, embedded weights"] is holds
    assert figures["fixed camera, same weights"] is True


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    figures = {
        one.text: one.holds for one in figures_of(fixed_camera([run(9)], [run(1)], [run(1)]))
    }

    assert figures["eight cameras, relative to one"] is None
    assert figures["idle 1080p road, beside decoding"] is None


@pytest.mark.parametrize(
    ("ours", "figure"),
    [
        ({"exact": 0}, "vehicles that only fast-alpr read exactly"),
        ({"twice": 1}, "vehicles reported twice"),
    ],
)
def test_a_vehicle_that_is_lost_or_counted_twice_fails(ours: dict[str, int], figure: str) -> None:
    rows = fixed_camera([run(40)], [run(1)], [run(1, **ours)])

    assert {one.text: one.holds for one in figures_of(rows)}[figure] is False


def test_eight_cameras_may_cost_eight_times_one() -> None:
    rows = [
        row
        for number, cpu_s in ((1, 2.0), (8, 16.1))
        for row in rows_of(
            Case(f"{number} cameras", ("film.mp4",) * number, (), CAMERAS, number),
            {PEER: [run(9)], SAME: [run(cpu_s)], OWN: [run(cpu_s)]},
        )
    ]

    figures = {one.text: one for one in figures_of(rows)}
    assert figures["eight cameras, relative to one"].value == pytest.approx(8.05)
    assert figures["eight cameras, relative to one"].holds is False


def test_the_document_holds_neither_a_plate_nor_a_path() -> None:
    rows = fixed_camera([run(40)], [run(10)], [run(4)])

    document = json.dumps(as_document(rows, figures_of(rows), 1, "cpu"))

    assert LABEL not in document
    assert "film.mp4" not in document
    assert json.loads(document)["schema"] == "edge-anpr/bench-peers/1"


def test_the_plot_has_a_line_for_each_program(tmp_path: Path) -> None:
    rows = [
        row
        for density in (0, 60)
        for row in rows_of(
            Case(f"{density}", ("film.mp4",), (), TRAFFIC, density),
            {PEER: [run(9)], SAME: [run(3)], OWN: [run(2)], FLOOR: [run(1, decode_s=1.0)]},
        )
    ]

    write_plots(rows, "a CPU", tmp_path / "plot.svg")

    assert (tmp_path / "plot.svg").read_text("utf-8").count("<polyline") >= 4
