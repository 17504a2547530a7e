"""Schedules: local time, holidays, exceptions, midnight, and the two clock changes a year."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.schedule import DAYS, DatedHours, Dates, Hours, Schedule, ScheduleError

BRUSSELS = ZoneInfo("Europe/Brussels")
SCHOOL_DAY = ("08:15-08:45", "15:30-16:00")


def week(**hours: tuple[str, ...]) -> tuple[tuple[Hours, ...], ...]:
    return tuple(tuple(Hours.parse(text) for text in hours.get(day, ())) for day in DAYS)


def school_street(
    holidays: tuple[str, ...] = (), exceptions: dict[str, tuple[str, ...]] | None = None
) -> Schedule:
    return Schedule(
        zone=BRUSSELS,
        weekly=week(mon=SCHOOL_DAY, tue=SCHOOL_DAY, wed=("08:15-08:45",), fri=SCHOOL_DAY),
        holidays=tuple(Dates.parse(text) for text in holidays),
        exceptions=tuple(
            DatedHours(date.fromisoformat(day), tuple(Hours.parse(text) for text in hours))
            for day, hours in (exceptions or {}).items()
        ),
    )


def every_day(hours: str) -> Schedule:
    return Schedule(BRUSSELS, ((Hours.parse(hours),),) * 7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-03-10T08:14:59+01:00", False),
        ("2026-03-10T08:15:00+01:00", True),
        ("2026-03-10T08:25:00+01:00", True),
        ("2026-03-10T08:44:59.999999+01:00", True),
        ("2026-03-10T08:45:00+01:00", False),
        ("2026-03-10T15:45:00+01:00", True),
        ("2026-03-11T15:45:00+01:00", False),  # Wednesday afternoon
        ("2026-03-12T08:25:00+01:00", False),  # Thursday has no hours
        ("2026-03-14T08:25:00+01:00", False),  # Saturday
    ],
)
def test_hours_include_their_start_and_exclude_their_end(moment: str, active: bool) -> None:
    assert school_street().is_active(at(moment)) is active


@pytest.mark.parametrize(
    "moment",
    [
        "2026-03-10T07:25:00+00:00",
        "2026-03-10T02:25:00-05:00",
        "2026-03-10T16:25:00+09:00",
    ],
)
def test_the_time_zone_of_the_moment_makes_no_difference(moment: str) -> None:
    assert school_street().is_active(at(moment))
    assert not school_street().is_active(at(moment) + timedelta(hours=1))


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        # Local 08:25 is 07:25 UTC in winter and 06:25 UTC in summer.
        ("2026-03-27T07:25:00+00:00", True),  # Friday before the change
        ("2026-03-27T06:25:00+00:00", False),
        ("2026-03-30T06:25:00+00:00", True),  # Monday after it
        ("2026-03-30T07:25:00+00:00", False),
        ("2026-10-23T06:25:00+00:00", True),  # Friday before the change back
        ("2026-10-26T07:25:00+00:00", True),  # Monday after it
        ("2026-10-26T06:25:00+00:00", False),
    ],
)
def test_hours_follow_local_time_across_both_clock_changes(moment: str, active: bool) -> None:
    assert school_street().is_active(at(moment)) is active


# On 29 March 2026 at 02:00 clocks jump to 03:00 (01:00 UTC); on 25 October at 03:00 back to 02:00.
@pytest.mark.parametrize(
    ("hours", "moment", "active"),
    [
        ("01:30-03:30", "2026-03-29T00:45:00+00:00", True),  # 01:45, before the jump
        ("01:30-03:30", "2026-03-29T01:15:00+00:00", True),  # 03:15, after it
        ("01:30-03:30", "2026-03-29T01:30:00+00:00", False),  # 03:30
        ("02:30-03:30", "2026-03-29T01:00:00+00:00", True),  # 03:00 is the first minute that exists
        ("02:30-03:30", "2026-03-29T00:59:59+00:00", False),
        ("01:00-02:30", "2026-03-29T00:59:59+00:00", True),  # 01:59:59
        ("01:00-02:30", "2026-03-29T01:00:00+00:00", False),  # 03:00; 02:30 does not occur
        ("02:15-02:45", "2026-10-25T00:20:00+00:00", True),  # 02:20 for the first time
        ("02:15-02:45", "2026-10-25T00:50:00+00:00", False),  # 02:50
        ("02:15-02:45", "2026-10-25T01:20:00+00:00", True),  # 02:20 for the second time
        ("02:15-02:45", "2026-10-25T01:50:00+00:00", False),
        ("02:30-03:00", "2026-10-25T01:59:59+00:00", True),
        ("02:30-03:00", "2026-10-25T02:00:00+00:00", False),  # 03:00
        ("22:00-06:00", "2026-03-29T03:59:00+00:00", True),  # 05:59, a night of seven hours
        ("22:00-06:00", "2026-03-29T04:00:00+00:00", False),
        ("22:00-06:00", "2026-10-25T04:59:00+00:00", True),  # 05:59, a night of nine hours
        ("22:00-06:00", "2026-10-25T05:00:00+00:00", False),
    ],
)
def test_hours_that_touch_the_skipped_or_repeated_hour(
    hours: str, moment: str, active: bool
) -> None:
    assert every_day(hours).is_active(at(moment)) is active


def test_hours_inside_the_skipped_hour_do_not_occur() -> None:
    start = at("2026-03-28T23:00:00+00:00")  # midnight in Brussels
    minutes = [start + timedelta(minutes=minute) for minute in range(23 * 60)]
    assert not any(every_day("02:15-02:45").is_active(minute) for minute in minutes)
    assert sum(every_day("03:15-03:45").is_active(minute) for minute in minutes) == 30


def test_hours_inside_the_repeated_hour_occur_twice() -> None:
    start = at("2026-10-24T22:00:00+00:00")
    minutes = [start + timedelta(minutes=minute) for minute in range(25 * 60)]
    assert sum(every_day("02:15-02:45").is_active(minute) for minute in minutes) == 60


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-03-09T23:59:00+01:00", True),  # Monday evening
        ("2026-03-10T00:00:00+01:00", True),
        ("2026-03-10T05:59:00+01:00", True),
        ("2026-03-10T06:00:00+01:00", False),
        (
            "2026-03-09T05:00:00+01:00",
            False,
        ),  # Sunday has no hours, so none pass midnight into Monday
        ("2026-03-10T22:30:00+01:00", False),  # Tuesday has no hours either
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_start(
    moment: str, active: bool
) -> None:
    schedule = Schedule(BRUSSELS, week(mon=("22:00-06:00",)))
    assert schedule.is_active(at(moment)) is active


def test_hours_over_midnight_continue_into_a_holiday_but_do_not_start_on_it() -> None:
    schedule = Schedule(
        BRUSSELS, week(mon=("22:00-06:00",), tue=("22:00-06:00",)), (Dates.parse("2026-03-10"),)
    )
    assert schedule.is_active(at("2026-03-10T05:00:00+01:00"))
    assert not schedule.is_active(at("2026-03-10T23:00:00+01:00"))
    assert not schedule.is_active(at("2026-03-11T05:00:00+01:00"))


def test_a_whole_day_ends_at_twenty_four() -> None:
    schedule = Schedule(BRUSSELS, week(sun=("00:00-24:00",)))
    assert schedule.is_active(at("2026-03-15T00:00:00+01:00"))
    assert schedule.is_active(at("2026-03-15T23:59:59+01:00"))
    assert not schedule.is_active(at("2026-03-16T00:00:00+01:00"))


@pytest.mark.parametrize(
    ("day", "active"),
    [
        ("2026-04-03", True),
        ("2026-04-06", False),
        ("2026-04-10", False),
        ("2026-04-17", False),
        ("2026-04-20", True),
        ("2026-05-01", False),
    ],
)
def test_no_hours_start_on_holidays_first_and_last_day_included(day: str, active: bool) -> None:
    schedule = school_street(holidays=("2026-04-06..2026-04-17", "2026-05-01"))
    assert schedule.is_active(at(f"{day}T08:25:00+02:00")) is active


def test_an_exception_overrides_weekly_hours_and_holidays() -> None:
    schedule = school_street(
        holidays=("2026-04-06..2026-04-17",),
        exceptions={
            "2026-04-07": ("09:00-10:00",),
            "2026-03-10": (),
            "2026-03-14": ("08:00-09:00",),
        },
    )
    assert schedule.is_active(at("2026-04-07T09:30:00+02:00"))
    assert not schedule.is_active(at("2026-04-07T08:25:00+02:00"))
    assert not schedule.is_active(at("2026-03-10T08:25:00+01:00"))
    assert schedule.is_active(at("2026-03-14T08:25:00+01:00"))


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = at("2026-03-10T08:25:00+01:00").replace(tzinfo=None)
    with pytest.raises(ScheduleError, match="without a time zone"):
        school_street().is_active(naive)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8:15-8:45",
        "08:15",
        "08:15-08:45 ",
        "08:15–08:45",
        "08:60-09:00",
        "24:00-25:00",
        "24:00-06:00",
        "08:00-24:01",
        "08:00-08:00",
        "00:00-00:00",
        "\u0660\u0668:15-08:45",
    ],
)
def test_other_forms_of_hours_are_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        Hours.parse(text)


@pytest.mark.parametrize(
    "text", ["", "2026-02-30", "2026-1-1", "2026-01-02..2026-01-01", "2026-01-01..", "25/12/2026"]
)
def test_other_forms_of_dates_are_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        Dates.parse(text)


@pytest.mark.parametrize(
    ("days", "first", "second"),
    [
        ({"mon": ("08:00-09:00", "08:30-10:00")}, "mon 08:00-09:00", "mon 08:30-10:00"),
        ({"mon": ("08:30-10:00", "08:00-09:00")}, "mon 08:00-09:00", "mon 08:30-10:00"),
        ({"mon": ("08:00-18:00", "09:00-10:00")}, "mon 08:00-18:00", "mon 09:00-10:00"),
        ({"mon": ("08:00-09:00", "08:00-09:00")}, "mon 08:00-09:00", "mon 08:00-09:00"),
        ({"mon": ("22:00-06:00",), "tue": ("05:00-09:00",)}, "mon 22:00-06:00", "tue 05:00-09:00"),
        ({"sun": ("22:00-06:00",), "mon": ("05:00-09:00",)}, "sun 22:00-06:00", "mon 05:00-09:00"),
    ],
)
def test_the_error_for_overlapping_hours_names_both(
    days: dict[str, tuple[str, ...]], first: str, second: str
) -> None:
    with pytest.raises(ScheduleError, match=f"{first} overlaps {second}"):
        Schedule(BRUSSELS, week(**days))


@pytest.mark.parametrize(
    "days",
    [
        {"mon": ("08:00-09:00", "09:00-10:00")},
        {"mon": ("22:00-06:00",), "tue": ("06:00-09:00",)},
        {"sun": ("22:00-06:00",), "mon": ("06:00-09:00",)},
        {"sun": ("22:00-21:00",)},
    ],
)
def test_hours_that_only_touch_are_accepted(days: dict[str, tuple[str, ...]]) -> None:
    assert Schedule(BRUSSELS, week(**days)).weekly == week(**days)


def test_two_exceptions_for_one_date_are_refused() -> None:
    day = date(2026, 3, 10)
    with pytest.raises(ScheduleError, match="two exceptions for 2026-03-10"):
        Schedule(
            BRUSSELS,
            week(),
            exceptions=(DatedHours(day, ()), DatedHours(day, (Hours.parse("08:00-09:00"),))),
        )


def test_overlapping_hours_of_an_exception_are_refused() -> None:
    hours = (Hours.parse("08:00-09:00"), Hours.parse("08:30-09:30"))
    with pytest.raises(ScheduleError, match="2026-03-10"):
        Schedule(BRUSSELS, week(), exceptions=(DatedHours(date(2026, 3, 10), hours),))


@given(start=st.integers(0, 1439), length=st.integers(1, 1439))
def test_formatted_hours_are_parsed_back(start: int, length: int) -> None:
    end = (start + length) % 1440
    hours = Hours(start, start + length)
    written = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    assert Hours.parse(written) == hours
    assert Hours.parse(str(hours)) == hours


@given(
    moment=st.datetimes(
        min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
        max_value=datetime(2030, 1, 1),  # noqa: DTZ001
        timezones=st.just(timezone.utc),
    ),
    hours=st.builds(Hours, st.integers(0, 1439), st.just(1440)),
)
def test_a_schedule_agrees_with_local_time(moment: datetime, hours: Hours) -> None:
    wall = moment.astimezone(BRUSSELS)
    expected = wall.hour * 60 + wall.minute >= hours.start
    assert Schedule(BRUSSELS, ((hours,),) * 7).is_active(moment) is expected


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-03-09T08:20+01:00", "2026-03-09T15:30+01:00"),
        ("2026-03-09T16:00+01:00", "2026-03-10T08:15+01:00"),
        ("2026-03-11T09:00+01:00", "2026-03-13T08:15+01:00"),  # no hours on Thursday
        ("2026-03-27T17:00+01:00", "2026-03-30T08:15+02:00"),  # the clock changes between them
    ],
)
def test_the_next_opening_is_the_next_start_of_hours(now: str, opening: str) -> None:
    found = school_street().next_opening(datetime.fromisoformat(now))

    assert found is not None
    assert found.isoformat(timespec="minutes") == opening


def test_hours_that_never_occur_have_no_next_opening() -> None:
    assert Schedule(BRUSSELS, week()).next_opening(datetime.now(timezone.utc)) is None


# --- the minutes of a week --------------------------------------------------------------------

MONDAY = date(2026, 3, 9)


def minutes(schedule: Schedule, monday: date | None = None) -> set[int]:
    bits = schedule.minutes_of_week(monday)
    return {minute for minute in range(bits.bit_length()) if bits >> minute & 1}


def test_the_minutes_of_a_week_are_those_in_which_the_schedule_is_active() -> None:
    nightly = Schedule(timezone.utc, week(mon=("08:15-08:45",), sun=("22:00-06:00",)))
    exceptions = (
        DatedHours(MONDAY, ()),
        DatedHours(MONDAY + timedelta(days=2), (Hours.parse("23:00-01:00"),)),
        DatedHours(MONDAY + timedelta(days=6), (Hours.parse("20:00-04:00"),)),
    )
    schedule = Schedule(timezone.utc, nightly.weekly, exceptions=exceptions)

    begin = datetime(2026, 3, 9, tzinfo=timezone.utc)
    for weeks, monday in ((0, MONDAY), (1, MONDAY + timedelta(days=7)), (5, None)):
        assert minutes(schedule, monday) == {
            minute
            for minute in range(7 * 24 * 60)
            if schedule.is_active(begin + timedelta(weeks=weeks, minutes=minute))
        }
    assert schedule.weeks_of_exceptions() == {MONDAY, MONDAY + timedelta(days=7)}
    assert minutes(schedule) == minutes(nightly)


def test_holidays_do_not_shorten_the_minutes_of_a_week() -> None:
    assert minutes(school_street(("2026-03-09..2026-03-15",)), MONDAY) == minutes(school_street())
