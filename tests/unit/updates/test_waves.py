"""Who may install an archive now, and when a plan goes on or halts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.formats.timestamps import utc_text
from edge.updates.problems import UpdateError
from edge.updates.wave_plan import (
    UpdateReport,
    WavePlan,
    WavePlans,
    counted,
    judged,
    limit_of,
    load_plans,
    new_plan,
    newest_reports,
    read_reports,
    resumed,
    save_plans,
)
from edge.updates.waves import OpenWave, WavesDocument, in_wave, is_open, parse_waves, place_of

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
NAME = "release/0.2.0"
FLEET = [("town", f"box-{number}") for number in range(400)]


def plan(**changed: object) -> WavePlan:
    return new_plan(NOW, hold_hours=2, silent_hours=6).model_copy(update=changed)


def said(box: tuple[str, str], outcome: str, target: str = "release-0.2.0") -> UpdateReport:
    return UpdateReport.model_validate(
        {
            "site": box[0],
            "box": box[1],
            "target": target,
            "outcome": outcome,
            "said_at": utc_text(NOW),
        }
    )


def wave_of(one: WavePlan) -> list[tuple[str, str]]:
    return [box for box in FLEET if in_wave(one.wave(), NAME, *box)]


def look(one: WavePlan, outcomes: dict[tuple[str, str], str], hours: float) -> WavePlan:
    """The plan after a look at the reports, some hours later."""
    now = NOW + timedelta(hours=hours)
    reports = {box: said(box, outcome) for box, outcome in outcomes.items()}
    return judged(one, counted(NAME, one, FLEET, reports, now), now)


def test_waves_only_grow_and_differ_from_archive_to_archive() -> None:
    small, large = OpenWave(percent=5), OpenWave(percent=25)
    first = {box for box in FLEET if in_wave(small, NAME, *box)}
    assert 5 <= len(first) <= 40
    assert first < {box for box in FLEET if in_wave(large, NAME, *box)}
    assert first != {box for box in FLEET if in_wave(small, "release/0.3.0", *box)}
    assert all(0 <= place_of(NAME, *box) < 1 for box in FLEET)
    assert all(in_wave(OpenWave(percent=100), NAME, *box) for box in FLEET)
    assert not any(in_wave(OpenWave(percent=0), NAME, *box) for box in FLEET)


def test_p4_a_named_box_is_of_every_wave_and_a_halted_wave_is_open_to_nobody() -> None:
    wave = OpenWave(percent=0, boxes=("town/box-1",))
    document = WavesDocument(waves={NAME: wave})
    assert is_open(document, NAME, "town", "box-1")
    assert not is_open(document, NAME, "town", "box-2")
    assert not is_open(document, "release/0.3.0", "town", "box-1")
    halted = WavesDocument(waves={NAME: wave.model_copy(update={"halted": True})})
    assert not is_open(halted, NAME, "town", "box-1")
    assert parse_waves(document.to_bytes()) == document


@pytest.mark.parametrize("data", [b"", b"{}x", b'{"waves":{"a":{"percent":101}}}', b"[]"])
def test_waves_of_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(UpdateError, match="not of a form"):
        parse_waves(data)


@pytest.mark.parametrize(
    ("boxes", "limit"), [(1, 1), (2, 1), (3, 2), (20, 2), (40, 2), (41, 3), (200, 10), (0, 1)]
)
def test_two_boxes_of_twenty_halt_a_wave(boxes: int, limit: int) -> None:
    assert limit_of(boxes) == limit


def test_the_next_wave_opens_when_all_are_healthy_and_the_hours_are_over() -> None:
    one = plan()
    healthy = dict.fromkeys(wave_of(one), "installed")
    assert look(one, healthy, 1).step == 0
    assert look(one, healthy, 2).step == 1
    assert look(one, {**healthy, wave_of(one)[0]: "started"}, 3).step == 0
    assert look(one, dict(list(healthy.items())[1:]), 3).step == 0  # one not heard of yet


def test_a_wave_that_was_opened_while_the_clock_was_ahead_counts_as_opened_now() -> None:
    one = plan(opened_at=utc_text(NOW + timedelta(days=400)))
    healthy = dict.fromkeys(wave_of(one), "installed")
    seen = look(one, healthy, 1)
    assert (seen.step, seen.opened_at) == (0, utc_text(NOW + timedelta(hours=1)))
    assert look(seen, healthy, 2).step == 0
    assert look(seen, healthy, 3).step == 1
    failed = dict.fromkeys(wave_of(one), "failed")
    assert look(one, failed, 1).halted is not None


def test_two_of_twenty_that_fail_halt_the_wave_and_one_does_not() -> None:
    boxes = [f"town/box-{number}" for number in range(20)]
    one = plan(steps=(0, 100), first=tuple(boxes))
    outcomes = dict.fromkeys(FLEET[:20], "installed")
    outcomes[FLEET[3]] = "rolled-back"
    assert look(one, outcomes, 3).halted is None
    assert look(one, outcomes, 3).step == 1
    outcomes[FLEET[4]] = "failed"
    halted = look(one, outcomes, 3)
    assert halted.step == 0
    assert halted.halted == (
        "2 boxes failed or are silent, and 2 halt a wave of 20: town/box-3, town/box-4"
    )
    assert halted.wave().halted
    assert look(halted, dict.fromkeys(FLEET[:20], "installed"), 30) == halted  # never by itself


def test_two_of_twenty_that_are_silent_halt_the_wave() -> None:
    one = plan(steps=(0, 100), first=tuple(f"town/box-{number}" for number in range(20)))
    outcomes = dict.fromkeys(FLEET[:18], "installed")
    assert look(one, outcomes, 5).halted is None
    assert look(one, outcomes, 6).halted is not None


def test_failures_of_earlier_waves_count_too() -> None:
    one = plan(step=1)
    first, second = wave_of(plan()), wave_of(one)
    bad = dict.fromkeys(first[:1], "rolled-back")
    new = [box for box in second if box not in first]
    bad |= dict.fromkeys(new[: limit_of(len(new)) - 1], "failed")
    assert look(one, dict.fromkeys(second, "installed") | bad, 3).halted is not None


def test_a_report_of_another_archive_says_nothing() -> None:
    one = plan(steps=(0, 100), first=("town/box-1",))
    report = {("town", "box-1"): said(("town", "box-1"), "installed", "release-0.1.9")}
    assert counted(NAME, one, FLEET, report, NOW).healthy == 0


def test_a_halted_plan_goes_on_by_command_and_the_bad_boxes_no_longer_count() -> None:
    one = plan(steps=(0, 100), first=tuple(f"town/box-{number}" for number in range(20)))
    outcomes = dict.fromkeys(FLEET[:18], "installed") | dict.fromkeys(FLEET[18:20], "failed")
    halted = look(one, outcomes, 3)
    reports = {box: said(box, outcome) for box, outcome in outcomes.items()}
    going = resumed(halted, counted(NAME, halted, FLEET, reports, NOW), NOW)
    assert going.excused == ("town/box-18", "town/box-19")
    assert look(going, outcomes, 3).step == 1
    with pytest.raises(UpdateError, match="not halted"):
        resumed(going, counted(NAME, going, FLEET, reports, NOW), NOW)


@pytest.mark.parametrize("steps", [(), (5, 25), (25, 5, 100), (5, 5, 100), (-1, 100)])
def test_steps_that_do_not_grow_to_all_boxes_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(UpdateError):
        new_plan(NOW, steps=steps)


def test_plans_come_back_from_their_file_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    assert load_plans(tmp_path) == WavePlans()
    plans = WavePlans(plans={NAME: plan()})
    save_plans(tmp_path, plans)
    assert load_plans(tmp_path) == plans
    (tmp_path / "waves.json").write_bytes(b"{")
    with pytest.raises(UpdateError, match="damaged"):
        load_plans(tmp_path)


def test_reports_are_read_from_csv_and_json_and_the_newest_counts(tmp_path: Path) -> None:
    rows = tmp_path / "reports.csv"
    rows.write_text(
        "site,box,target,outcome,said_at\n"
        "town,box-1,release-0.2.0,started,2026-11-29T12:00:00.000Z\n"
        "town,box-1,release-0.2.0,installed,2026-11-29T12:10:00.000Z\n"
    )
    found = read_reports(rows)
    assert newest_reports(reversed(found))["town", "box-1"].outcome == "installed"
    listed = tmp_path / "reports.json"
    listed.write_text("[" + ",".join(one.model_dump_json() for one in found) + "]")
    assert read_reports(listed) == found


@pytest.mark.parametrize(
    ("name", "content", "said_to_be"),
    [
        ("a.csv", "site,box\n", "row 1: write the columns"),
        (
            "a.csv",
            "site,box,target,outcome,said_at\ntown,box-1,x,fine,2026-11-29T12:00:00.000Z\n",
            "row 2: outcome",
        ),
        ("a.json", "[{}]", "row 1: site"),
        ("a.json", "{", "row 1"),
        ("a.csv", "\xff", "not UTF-8"),
        ("none.csv", None, "no such file"),
    ],
)
def test_a_report_that_cannot_be_used_is_named_by_row_and_field(
    tmp_path: Path, name: str, content: str | None, said_to_be: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(UpdateError, match=said_to_be):
        read_reports(file)
