"""The fleet's simulator notices each way in which a run can fail."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edge.formats.timestamps import parse_utc
from scripts.benchmarks.fleet_checks import FleetFindings, SentHit, StoredRow, findings, growth
from scripts.benchmarks.fleet_report import FleetSample, lives, write_fleet_plot
from scripts.benchmarks.fleet_servers import FleetKill, kill_plan

STORED = "2026-12-01T12:00:00.250Z"
AT = parse_utc(STORED).timestamp()
IDS = [f"{number:032x}" for number in range(4)]


def digest(hit_id: str) -> bytes:
    return hashlib.sha256(hit_id.encode()).digest()


def sent() -> dict[str, SentHit]:
    return {hit_id: SentHit(digest(hit_id), AT + 0.1, AT) for hit_id in IDS}


def rows() -> list[StoredRow]:
    return [StoredRow(hit_id, digest(hit_id), STORED, AT + 0.01, AT + 0.02) for hit_id in IDS]


def broken(found: FleetFindings) -> dict[str, int]:
    return {name: count for name, count in asdict(found).items() if count and count != len(IDS)}


def test_a_run_in_which_all_is_well_holds() -> None:
    found = findings(sent(), rows())

    assert found.hold
    assert (found.sent, found.stored, broken(found)) == (4, 4, {})


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"sha256": b"other"}, "altered"),
        ({"committed_at": AT + 0.2}, "confirmed_early"),
        ({"receipt_committed_at": AT + 0.2}, "confirmed_early"),
        ({"receipt_committed_at": None}, "without_receipt"),
        ({"stored_at": "2026-12-01T12:00:00.251Z"}, "double"),
    ],
)
def test_a_row_that_is_wrong_is_counted(changed: dict[str, object], name: str) -> None:
    first, *others = rows()
    found = findings(sent(), [replace(first, **changed), *others])  # type: ignore[arg-type]

    assert not found.hold
    assert broken(found)[name] == 1


def test_lost_double_and_foreign_hits_are_counted() -> None:
    first, second, *others = rows()
    foreign = replace(first, hit_id="f" * 32)

    assert broken(findings(sent(), [first, *others])) == {"stored": 3, "lost": 1}
    assert broken(findings(sent(), [first, first, second, *others])) == {"stored": 5, "double": 1}
    assert broken(findings(sent(), [foreign, *rows()])) == {"stored": 5, "foreign": 1}
    for more in ({"other_times": 1}, {"receipts_refused": 1}):
        assert not findings(sent(), rows(), **more).hold


def test_a_box_without_a_receipt_is_counted() -> None:
    hits = sent() | {IDS[0]: SentHit(digest(IDS[0]), 0.0, 0.0)}

    assert broken(findings(hits, rows())) == {"without_receipt": 1}


def test_memory_that_grows_in_each_process_is_no_flat_memory() -> None:
    def life(start: float, mib_an_hour: float) -> list[tuple[float, float]]:
        return [
            (start + second, 100 + mib_an_hour * second / 3600 + (second % 7) / 10)
            for second in range(0, 900, 5)
        ]

    # Every process begins small again, so one line through all would be flat.
    grows = growth([life(0, 60), life(900, 60), life(1800, 60)], 2700)
    stays = growth([life(0, 0), life(900, 0)], 1800)

    assert grows is not None
    assert stays is not None
    assert (grows.flat, stays.flat) == (False, True)
    assert grows.low <= grows.slope <= grows.high
    assert grows.slope == pytest.approx(60, abs=2)
    assert abs(stays.slope) < 1
    assert growth([life(0, 60)[:20]], 100) is None


def test_kills_are_drawn_from_the_seed() -> None:
    plan = kill_plan(7, 1000, 3, 2, 1)

    assert plan == kill_plan(7, 1000, 3, 2, 1) != kill_plan(8, 1000, 3, 2, 1)
    assert sorted(kill.what for kill in plan) == ["broker"] * 2 + ["consumer"] * 3 + ["database"]
    assert all(100 <= kill.second <= 900 for kill in plan)


def test_the_plot_has_a_line_for_each_process_and_kill(tmp_path: Path) -> None:
    samples = [
        FleetSample(float(n), 10 * n, 9 * n, 5, {f"consumer 1 {n // 3}": 80.0, "broker 1": 9.0})
        for n in range(6)
    ]
    write_fleet_plot(samples, [FleetKill(2.0, "consumer")], tmp_path / "plot.svg")
    svg = (tmp_path / "plot.svg").read_text()

    assert [len(line) for line in lives(samples, "consumer").values()] == [3, 3]
    assert svg.count("<polyline") == 1 + 1 + 2 + 1
    assert svg.count("<line") == 4 + 3
    assert "consumer killed: 1" in svg
