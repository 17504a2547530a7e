"""Dates and plates in lists: what is accepted, what is said about it, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.list_files import at, notes, period, plates, read, refusal, table

# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("01/01/2026", "31/12/2026"),
        ("1/1/2026", "31/12/2026"),
        ("01.01.2026", "31.12.2026"),
        ("1.1.2026", "31.12.2026"),
        ("1.1.2026.", "31.12.2026."),
        ("01-01-2026", "31-12-2026"),
        ("2026/01/01", "2026/12/31"),
        ("2026.01.01", "2026.12.31."),
        ("2026-1-1", "2026-12-31"),
        ("2026-01-01", "31/12/2026"),
        ("01/01/2026", "2026-12-31"),
    ],
)
def test_dates_of_spreadsheets_are_read(tmp_path: Path, start: str, end: str) -> None:
    assert period(read(tmp_path, table({"start": start, "end": end}))) == (
        at("2026-01-01"),
        at("2027-01-01"),
    )


def test_a_date_with_day_and_month_first_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, table({"end": "31/12/2026"}, {"id": "p2"}))
    assert notes(found)["day-first"] == (2,)


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("10/03/2026 08:00", "2026-03-10T08:00"),
        ("10.03.2026 8:00", "2026-03-10T08:00"),
        ("10.3.2026 8:05:09", "2026-03-10T08:05:09"),
        ("2026/3/10 08:00", "2026-03-10T08:00"),
        ("10-03-2026 08:00:00", "2026-03-10T08:00"),
        ("10/03/2026T08:00+01:00", "2026-03-10T08:00"),
    ],
)
def test_times_of_spreadsheets_are_read(tmp_path: Path, typed: str, means: str) -> None:
    proof = {"id": "p2", "plate": "2ABC234", "end": "31/12/2026"}
    hyphen = {"id": "p3", "plate": "3ABC234", "end": "31-12-2026"}
    found = read(tmp_path, table({"start": typed}, proof, hyphen))
    assert found.entries[0].start == at(means)


@pytest.mark.parametrize("sign", ["/", "-"])
def test_p13_day_and_month_are_not_guessed(tmp_path: Path, sign: str) -> None:
    unclear = {"start": f"01{sign}02{sign}2026"}
    message = refusal(tmp_path, table(unclear, {"id": "p2", "end": "31.12.2026"}))
    assert "list.csv:2: start: must be a date with a clear order" in message
    assert "write it like 2026-03-10" in message

    proof = {"id": "p2", "plate": "2ABC234", "end": f"31{sign}12{sign}2026"}
    assert read(tmp_path, table(unclear, proof)).entries[0].start == at("2026-02-01")


def test_an_unclear_date_beside_one_with_its_month_first_gets_the_same_cure(
    tmp_path: Path,
) -> None:
    message = refusal(tmp_path, table({"start": "01/02/2026", "end": "12/31/2026"}))

    assert "start: a date with the month first is not read; write it like 2026-12-31" in message


def test_a_dot_always_follows_the_day(tmp_path: Path) -> None:
    assert period(read(tmp_path, table({"start": "01.02.2026"})))[0] == at("2026-02-01")


@pytest.mark.parametrize(
    ("column", "typed", "says"),
    [
        ("end", "12/31/2026", "end: a date with the month first is not read; write"),
        ("end", "12-31-2026", "end: a date with the month first is not read; write"),
        ("end", "31/13/2026", "end: there is no month 13"),
        ("end", "12.31.2026", "end: no such date or time exists"),
        ("end", "31/12/26", "end: write the year with four digits"),
        ("end", "31.12.26", "end: write the year with four digits"),
        ("start", "26/01/01", "start: write the year with four digits"),
        ("start", "30/02/2026", "start: no such date or time exists"),
        ("start", "46023", "start: must be a date"),
        ("start", "1 Jan 2026", "start: must be a date"),
        ("start", "01.01/2026", "start: must be a date"),
        ("end", "########", "end: must be a date"),
        ("end", "31/12/2032", "end: more than 5 years after start, a permanent entry"),
        ("end", "31/12/9999", "end: more than 5 years after start, a permanent entry"),
        ("start", "01/01/0001", "start: the year must be 2000"),
    ],
)
def test_other_dates_are_refused_with_line_and_cure(
    tmp_path: Path, column: str, typed: str, says: str
) -> None:
    assert f"list.csv:2: {says}" in refusal(tmp_path, table({column: typed}))


@pytest.mark.parametrize("end", ["31/12/2026 00:00", "2026-12-31 00:00:00", "2026-12-31T00:00"])
def test_an_end_at_midnight_is_noted_as_it_leaves_out_the_day(tmp_path: Path, end: str) -> None:
    found = read(tmp_path, table({"end": end}))

    assert period(found)[1] == at("2026-12-31")
    assert notes(found)["midnight"] == (2,)


# --- plates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("plate", ["MUE-AB 123", "GOE-A 1E", "SAEK XY 12", "FUEAB123", "ueb-a-12h"])
def test_a_digraph_in_a_german_district_is_noted_and_not_changed(
    tmp_path: Path, plate: str
) -> None:
    found = read(tmp_path, table({"plate": plate}))

    assert plates(found) == [plate.upper().replace(" ", "").replace("-", "")]
    assert notes(found) == {"digraph": (2,)}


@pytest.mark.parametrize(
    "plate",
    ["1-AEB-234", "UE-AB 123", "OE-A 1", "UER-A 12", "AB-UE 12", "12-AE-34", "AE123BC", "MU-EB 1"],
)
def test_other_plates_with_these_letters_are_not_noted(tmp_path: Path, plate: str) -> None:
    assert notes(read(tmp_path, table({"plate": plate}))) == {}


def test_a_plate_in_another_spelling_is_noted(tmp_path: Path) -> None:
    rows = [
        {"id": f"p{number}", "plate": plate}
        for number, plate in enumerate(
            ["MÜ-AB 123", "2-ABC-234", "mu ab 123", "3-ABC-234", "2ABC234", "M\u0308U AB123"]
        )
    ]
    found = read(tmp_path, table(*rows))

    assert notes(found)["same-plate"] == (2, 3, 4, 6, 7)


def test_overlapping_periods_of_one_plate_are_noted(tmp_path: Path) -> None:
    later = {"id": "p2", "start": "2027-01-01", "end": "2027-12-31"}
    assert notes(read(tmp_path, table({}, later))) == {}
    assert notes(read(tmp_path, table({}, {**later, "start": "2026-12-31"}))) == {"overlap": (2, 3)}
