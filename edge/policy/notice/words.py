"""Words, dates, numbers and hours in the four languages of the notice.

Fixed texts are the section `notice` of `edge/texts`. Texts of the policy are put into their `{…}`
unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby

from edge.domain.schedule import DAYS
from edge.policy.fields import WeeklySchedule
from edge.texts import Language, catalogue

_WHOLE_DAY = ("00:00-24:00",)
_COMPASS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
_NO_BREAK = "\N{NO-BREAK SPACE}"


class Words:
    """Texts, numbers, dates and hours in one language.

    Args:
        language: the language.
        texts: the fixed texts by their full key; None for those of `edge/texts`.
    """

    def __init__(self, language: Language, texts: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._texts = catalogue(language) if texts is None else texts

    def __call__(self, key: str, **values: str | int) -> str:
        """A fixed text of the notice with its values filled in."""
        return self.set(self._texts[f"notice.{key}"].format_map(values))

    def set(self, text: str) -> str:
        """A text with no-break spaces where its language uses them."""
        text = text.replace(" %", f"{_NO_BREAK}%")
        if self.language != "fr":
            return text
        text = re.sub(r" (?=[:;?!»])", _NO_BREAK, text)
        return text.replace("« ", f"«{_NO_BREAK}")

    @property
    def colon(self) -> str:
        return f"{_NO_BREAK}: " if self.language == "fr" else ": "

    @property
    def semicolon(self) -> str:
        return f"{_NO_BREAK}; " if self.language == "fr" else "; "

    # --- numbers and dates ------------------------------------------------------------------

    def number(self, value: int) -> str:
        """A whole number with separated thousands."""
        return f"{value:,}".replace(",", "," if self.language == "en" else _NO_BREAK)

    def percent(self, share: float) -> str:
        """A share as a percentage with at most one decimal."""
        text = f"{share * 100:.1f}".removesuffix(".0")
        return f"{text if self.language == 'en' else text.replace('.', ',')}{_NO_BREAK}%"

    def points(self, share: float) -> str:
        """A difference of shares."""
        return self("rules.points", number=self.percent(share).removesuffix(f"{_NO_BREAK}%"))

    def date(self, day: str) -> str:
        """A date such as 2026-11-30, written out."""
        moment = date.fromisoformat(day)
        number = str(moment.day)
        if self.language == "de":
            number += "."
        if self.language == "fr" and moment.day == 1:
            number = "1er"
        return f"{number}{_NO_BREAK}{self(f'month.{moment.month}')} {moment.year}"

    def dates(self, days: str) -> str:
        """A date, or from one to another as in 2026-12-24..2027-01-02."""
        first, _, last = days.partition("..")
        if not last:
            return self.date(first)
        return self("unit.range", first=self.date(first), last=self.date(last))

    def days(self, count: int) -> str:
        return self("unit.day" if count == 1 else "unit.days", count=self.number(count))

    def duration(self, hours: int) -> str:
        """Hours, and the number of days if it is whole."""
        text = self("unit.hour" if hours == 1 else "unit.hours", count=self.number(hours))
        return f"{text} ({self.days(hours // 24)})" if hours > 24 and hours % 24 == 0 else text

    def compass(self, degrees: int) -> str:
        """The nearest of eight directions."""
        return self(f"compass.{_COMPASS[round(degrees / 45) % 8]}")

    def all_of(self, items: Sequence[str]) -> str:
        """The items joined as in a sentence, such as `one, two and three`."""
        if len(items) < 2:
            return "".join(items)
        return self("unit.and", first=", ".join(items[:-1]), last=items[-1])

    # --- hours ------------------------------------------------------------------------------

    def hours(self, hours: Iterable[str]) -> str:
        """The hours of one day."""
        every = tuple(hours)
        if every == _WHOLE_DAY:
            return self("unit.all_day")
        return ", ".join(map(self._span, every)) or self("unit.not_at_all")

    def _span(self, hours: str) -> str:
        first, last, is_next_day = _ends(hours)
        return self("unit.span_next", first=first, last=last) if is_next_day else f"{first}–{last}"

    def _from_to(self, hours: str) -> str:
        first, last, is_next_day = _ends(hours)
        return self("unit.from_to_next" if is_next_day else "unit.from_to", first=first, last=last)

    def week(self, schedule: WeeklySchedule) -> tuple[tuple[str, str], ...]:
        """Groups of consecutive days with the same hours, and these hours; no closed days."""
        return tuple(
            (self._days_of_week(days), self.hours(hours)) for days, hours in _groups(schedule)
        )

    def exceptions(self, schedule: WeeklySchedule) -> tuple[str, ...]:
        """Sentences about holidays and dates with hours of their own."""
        found = []
        if schedule.holidays:
            days = self.all_of([self.dates(one) for one in schedule.holidays])
            found.append(self("unit.except", dates=days))
        found += [
            self("unit.on", date=self.date(one.date), hours=self.hours(one.hours))
            for one in sorted(schedule.exceptions, key=lambda one: one.date)
        ]
        return tuple(found)

    def sentence(self, schedule: WeeklySchedule) -> str:
        """The week as a phrase, such as `every day from 07:00 to 19:00`."""
        groups = _groups(schedule)
        if groups == ((DAYS, _WHOLE_DAY),):
            return self("unit.always")
        return self.semicolon.join(self._phrase(*group) for group in groups) or self("unit.none")

    def _phrase(self, days: Sequence[str], hours: Sequence[str]) -> str:
        if hours == _WHOLE_DAY:
            told = self("unit.all_day")
        else:
            told = self.all_of([self._from_to(one) for one in hours])
        return self("unit.days_hours", days=self._days_of_week(days), hours=told)

    def _days_of_week(self, days: Sequence[str]) -> str:
        names = [self(f"day.{day}") for day in days]
        if len(names) == len(DAYS):
            return self("unit.every_day")
        if len(names) < 3:
            return self.all_of([self("unit.one_day", day=name) for name in names])
        return self("unit.day_range", first=names[0], last=names[-1])


def _groups(schedule: WeeklySchedule) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Consecutive days with the same hours; days without hours are left out."""
    weekly = {str(day): tuple(hours) for day, hours in schedule.weekly.items()}
    grouped = (
        (tuple(days), hours) for hours, days in groupby(DAYS, lambda day: weekly.get(day, ()))
    )
    return tuple(group for group in grouped if group[1])


def _ends(hours: str) -> tuple[str, str, bool]:
    """First and last moment of hours such as 22:00-06:00; whether they end on the next day."""
    first, _, last = hours.partition("-")
    return first, last, last <= first
