"""How far posteriors can be trusted, as `evaluate images` and `evaluate clips` say it."""

from __future__ import annotations

from edge.cli.certainty import FLOORS, certainty_json, certainty_lines
from edge.domain.accuracy import ScoredRead
from edge.policy.limits import LIMITS

READS = [ScoredRead(0.97, exact=True)] * 18 + [
    ScoredRead(0.93, exact=False),
    ScoredRead(0.42, exact=False),
]


def test_the_floors_are_those_of_the_legal_regimes() -> None:
    assert set(FLOORS) == {one.min_posterior for one in LIMITS.values()}


def test_wrong_and_sure_readings_are_counted_at_each_floor_with_an_interval() -> None:
    result = certainty_json(READS)

    assert [(one["min_posterior"], one["share"]) for one in result["wrong_and_sure"]] == [
        (0.9, 0.05),
        (0.95, 0.0),
    ]
    assert all(one["ci95"][0] <= one["share"] < one["ci95"][1] for one in result["wrong_and_sure"])
    assert [(one["low"], one["count"]) for one in result["bins"]] == [(0.4, 1), (0.9, 19)]


def test_the_terminal_shows_each_bin_the_calibration_error_and_the_upper_bound() -> None:
    text = "\n".join(certainty_lines(certainty_json(READS), "reports of vehicles"))

    assert "0.4-0.5                        said 0.420, exact 0.000 (1)" in text
    assert "0.9-1.0  ███████████████████   said 0.968, exact 0.947 (19)" in text
    assert "calibration error 0.041" in text
    assert "at least 0.95: 0.0000 of the reports of vehicles (at most 0.1611)" in text


def test_nothing_read_says_nothing_about_posteriors() -> None:
    assert certainty_lines(certainty_json([]), "reports of vehicles") == [
        "posteriors: no reports of vehicles, so nothing can be said of them"
    ]
