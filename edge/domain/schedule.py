"""Schedules: weekly hours, holidays and dated exceptions, in local time.

Hours are the hours on the road sign, so they are compared with the local wall clock. On the two
days a year when the clocks change this means:

- Hours inside the skipped hour (02:15-02:45 on the last Sunday of March) do not occur on that
  day. Hours that overlap it (01:30-03:30) apply before and after it.
- Hours inside the repeated hour (02:15-02:45 on the last Sunday of October) occur twice.

Hours that pass midnight (22:00-06:00) belong to the day on which they start. If that day is a
holiday, they do not start. A holiday on the next day does not shorten them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from itertools import pairwise

DAY_MINUTES = 24 * 60
YEAR_DAYS = 366
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Names of the weekdays, in the order of `date.weekday()`."""

_WHOLE_WEEK = (1 << len(DAYS) * DAY_MINUTES) - 1

_HOURS = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DATES = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.\.([0-9]{4}-[0-9]{2}-[0-9]{2}))?")


class ScheduleError(ValueError):
    """Invalid hours or dates. The message is one plain line."""


@dataclass(frozen=True, slots=True, order=True)
class Hours:
    """Part of a day, in minutes after midnight, from `start` until `end` (exclusive).

    `end` is greater than 1440 when the hours pass midnight.

    Raises:
        ScheduleError: `start` is outside the day, `end` is not after it, or the hours are longer
            than a day.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not (0 <= self.start < DAY_MINUTES and self.start < self.end):
            raise ScheduleError("hours must start within the day and end after they start")
        if self.end - self.start > DAY_MINUTES:
            raise ScheduleError("hours cannot be longer than a day")

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Parse `08:15-08:45`. `24:00` may be the end, and `22:00-06:00` passes midnight.

        Raises:
            ScheduleError: another form, or start and end are equal.
        """
        match = _HOURS.fullmatch(text)
        if match is None:
            raise ScheduleError('hours are written as "08:15-08:45"')
        start_hour, start_minute, end_hour, end_minute = (int(group) for group in match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        if start_minute > 59 or end_minute > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
            raise ScheduleError("hours run from 00:00 to 24:00, minutes from 00 to 59")
        if start == end:
            raise ScheduleError('start and end are equal; write a whole day as "00:00-24:00"')
        return cls(start, end if end > start else end + DAY_MINUTES)

    def __str__(self) -> str:
        end = self.end if self.end <= DAY_MINUTES else self.end - DAY_MINUTES
        return f"{self.start // 60:02}:{self.start % 60:02}-{end // 60:02}:{end % 60:02}"


@dataclass(frozen=True, slots=True)
class Dates:
    """Days from `first` to `last`, both included.

    Raises:
        ScheduleError: `last` is before `first`.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ScheduleError("the last date is before the first")

    @classmethod
    def parse(cls, text: str) -> Dates:
        """Parse `2026-12-25` or `2026-12-24..2027-01-02`.

        Raises:
            ScheduleError: another form, a day that does not exist, or an end before the start.
        """
        match = _DATES.fullmatch(text)
        if match is None:
            raise ScheduleError("dates are written as 2026-12-25 or 2026-12-24..2027-01-02")
        first, last = match.group(1), match.group(2) or match.group(1)
        try:
            return cls(date.fromisoformat(first), date.fromisoformat(last))
        except ScheduleError:
            raise
        except ValueError:
            raise ScheduleError("the date is not in the calendar") from None

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class DatedHours:
    """The hours of one date, in place of weekly hours and holidays. An empty tuple means closed."""

    day: date
    hours: tuple[Hours, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Weekly hours with holidays and exceptions, in the local time of `zone`.

    Attributes:
        zone: the time zone.
        weekly: seven tuples of hours, Monday first.
        holidays: days on which no hours start.
        exceptions: dates with their own hours; they take precedence over week and holidays.

    Raises:
        ScheduleError: not seven days, hours that overlap, or two exceptions for one date.
    """

    zone: tzinfo
    weekly: tuple[tuple[Hours, ...], ...]
    holidays: tuple[Dates, ...] = ()
    exceptions: tuple[DatedHours, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weekly) != len(DAYS):
            raise ScheduleError("a week has seven days")
        _check_no_overlaps(self.weekly, DAYS)
        for exception in self.exceptions:
            _check_no_overlaps((exception.hours,), (exception.day.isoformat(),))
        days = sorted(exception.day for exception in self.exceptions)
        for day, following in pairwise(days):
            if day == following:
                raise ScheduleError(f"two exceptions for {day.isoformat()}; keep one")

    def is_active(self, moment: datetime) -> bool:
        """Whether the schedule is in force at this moment.

        Args:
            moment: an aware datetime of any time zone.

        Raises:
            ScheduleError: the moment is naive, so it has no local time.
        """
        if moment.utcoffset() is None:
            raise ScheduleError("a moment without a time zone has no local time")
        local = moment.astimezone(self.zone)
        today = local.date()
        # Hours are half-open and start on whole minutes, so seconds do not matter.
        minute = local.hour * 60 + local.minute
        return any(hours.start <= minute < hours.end for hours in self.hours_on(today)) or any(
            minute + DAY_MINUTES < hours.end for hours in self.hours_on(today - timedelta(days=1))
        )

    def next_opening(self, moment: datetime) -> datetime | None:
        """The next start of hours after this moment, in local time; None if not within a year.

        Raises:
            ScheduleError: the moment is naive, so it has no local time.
        """
        if moment.utcoffset() is None:
            raise ScheduleError("a moment without a time zone has no local time")
        today = moment.astimezone(self.zone).date()
        for day in (today + timedelta(days=count) for count in range(YEAR_DAYS + 1)):
            for hours in sorted(self.hours_on(day)):
                at = time(hours.start // 60, hours.start % 60)
                start = datetime.combine(day, at, self.zone).astimezone(timezone.utc)
                # Hours inside the skipped hour of spring do not occur.
                if start > moment and self.is_active(start):
                    return start.astimezone(self.zone)
        return None

    def weeks_of_exceptions(self) -> frozenset[date]:
        """The Mondays of the weeks that an exception changes; one on a Sunday may change two."""
        days = (one.day + timedelta(days=more) for one in self.exceptions for more in (0, 1))
        return frozenset(day - timedelta(days=day.weekday()) for day in days)

    def minutes_of_week(self, monday: date | None = None) -> int:
        """The minutes in force in a week, as the bits of a number; holidays are not counted.

        Bit 0 is Monday at 00:00. The numbers of several schedules can be joined with `|` and
        intersected with `&`; `bit_count` counts the minutes.

        Args:
            monday: the week; None for one without exceptions.
        """
        dated = {} if monday is None else {one.day: one.hours for one in self.exceptions}
        found = 0
        for number in range(-1, len(DAYS)):  # hours of the Sunday before may pass midnight
            hours = self.weekly[number]
            if monday is not None:
                hours = dated.get(monday + timedelta(days=number), hours)
            for one in hours:
                span = (1 << (one.end - one.start)) - 1
                start = number * DAY_MINUTES + one.start
                found |= span << start if start >= 0 else span >> -start
        return found & _WHOLE_WEEK

    def hours_on(self, day: date) -> tuple[Hours, ...]:
        """The hours that start on this day."""
        for exception in self.exceptions:
            if exception.day == day:
                return exception.hours
        if any(day in holiday for holiday in self.holidays):
            return ()
        return self.weekly[day.weekday()]


def closed_until(opening: datetime | None) -> str:
    """Until when a camera is closed, for people: its next opening, in its own time zone."""
    return "for a year or longer" if opening is None else f"until {opening:%Y-%m-%d %H:%M %Z}"


def _check_no_overlaps(days: tuple[tuple[Hours, ...], ...], names: Sequence[str]) -> None:
    """Raise if hours overlap, across Sunday night and Monday morning too.

    Hours that touch (08:00-09:00 and 09:00-10:00) are allowed. Overlapping hours would be harmless,
    but they are almost certainly a mistake.
    """
    spans = sorted(
        (day * DAY_MINUTES + hours.start, day * DAY_MINUTES + hours.end, day, hours)
        for day, all_hours in enumerate(days)
        for hours in all_hours
    )
    if spans and len(days) == len(DAYS):
        # The week is cyclic: its first hours follow its last ones.
        start, end, day, hours = spans[0]
        week = len(DAYS) * DAY_MINUTES
        spans.append((start + week, end + week, day, hours))
    for (_, end, day, hours), (start, _, next_day, next_hours) in pairwise(spans):
        if start < end:
            raise ScheduleError(
                f"{names[day]} {hours} overlaps {names[next_day]} {next_hours}; "
                "join or shorten them"
            )
