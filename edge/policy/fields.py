"""Field types that the parts of a policy share: texts, days, hours, parties, public keys."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edge.domain.schedule import DAYS, DatedHours, Dates, Hours, Schedule
from edge.formats.signing import PublicKey, PublicKeyText
from edge.formats.strict import Strict
from edge.texts import Language


def _hours(text: str) -> str:
    Hours.parse(text)
    return text


def _dates(text: str) -> str:
    Dates.parse(text)
    return text


def _day(text: str) -> str:
    if ".." in text:
        raise ValueError("one day, written as 2026-11-30")
    return _dates(text)


def _real_key(text: str) -> str:
    PublicKey.parse(text)  # the pattern has checked the format, so only the bytes can be wrong
    return text


Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
FilePath = Annotated[str, Field(min_length=1, max_length=1000)]
HoursText = Annotated[str, AfterValidator(_hours), Field(examples=["08:15-08:45"])]
DatesText = Annotated[
    str, AfterValidator(_dates), Field(examples=["2026-12-25", "2026-12-24..2027-01-02"])
]
DayText = Annotated[str, AfterValidator(_day), Field(examples=["2026-11-30"])]
"""A day in the policy's time zone, from its first moment to its last."""
KeyText = Annotated[PublicKeyText, AfterValidator(_real_key)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[Fraction, Fraction], ...], Field(min_length=3, max_length=32)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class DatedException(Strict):
    """The hours of one date, which replace those of week and holidays."""

    date: DayText
    hours: tuple[HoursText, ...] = Field(description="Empty: not in force on this date.")


class WeeklySchedule(Strict):
    """When a rule is in force, on the wall clocks of the policy's time zone."""

    weekly: dict[Weekday, tuple[HoursText, ...]] = Field(
        default={}, description="Hours by day. 22:00-06:00 belongs to the day it begins on."
    )
    holidays: tuple[DatesText, ...] = Field(
        default=(), description="Days or ranges on which the weekly hours do not begin."
    )
    exceptions: tuple[DatedException, ...] = Field(
        default=(), description="Dates with hours of their own; they override holidays."
    )

    def schedule(self, zone: tzinfo) -> Schedule:
        """The schedule as a domain value.

        Raises:
            ScheduleError: hours overlap, or a date has two exceptions.
        """
        by_day = dict(self.weekly)
        return Schedule(
            zone=zone,
            weekly=tuple(tuple(Hours.parse(text) for text in _of(by_day, day)) for day in DAYS),
            holidays=tuple(Dates.parse(text) for text in self.holidays),
            exceptions=tuple(
                DatedHours(
                    Dates.parse(exception.date).first,
                    tuple(Hours.parse(text) for text in exception.hours),
                )
                for exception in self.exceptions
            ),
        )


def _of(weekly: dict[Weekday, tuple[HoursText, ...]], day: str) -> tuple[HoursText, ...]:
    return next((hours for name, hours in weekly.items() if name == day), ())


class Texts(Strict):
    """A text for the public, in the four languages of the notice."""

    nl: Sentence
    fr: Sentence
    de: Sentence
    en: Sentence

    def of(self, language: Language) -> str:
        """The text in one language."""
        text: str = getattr(self, language)
        return text


class Party(Strict):
    """A person, office or company, with an address."""

    name: Sentence
    contact: Sentence = Field(description="Postal address, e-mail or web form.")
