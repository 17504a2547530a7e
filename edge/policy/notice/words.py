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
            return self("unit.around_the_clock")
        return ", ".join(one.replace("-", "–") for one in every) or self("unit.closed")

    def week(self, schedule: WeeklySchedule) -> tuple[tuple[str, str], ...]:
        """Groups of consecutive days with the same hours, and these hours; no closed days."""
        weekly = {str(day): hours for day, hours in schedule.weekly.items()}
        found = []
        for hours, group in groupby(DAYS, key=lambda day: weekly.get(day, ())):
            days = tuple(group)
            if hours:
                found.append((self._days_of_week(days), self.hours(hours)))
        return tuple(found)

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
        """The week in one line."""
        return "; ".join(f"{days} {hours}" for days, hours in self.week(schedule)) or self(
            "unit.none"
        )

    def _days_of_week(self, days: Sequence[str]) -> str:
        names = [self(f"day.{day}") for day in days]
        if len(names) == len(DAYS):
            return self("unit.every_day")
        if len(names) < 3:
            return self.all_of(names)
        return self("unit.day_range", first=names[0], last=names[-1])
