"""Field types that the parts of a policy share: texts, days, hours, parties, public keys."""

from __future__ import annotations

import re
from datetime import date, tzinfo
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import Self

from edge.domain.schedule import DAYS, DatedHours, Dates, Hours, Schedule
from edge.errors import KeyFileError
from edge.formats.signing import PUBLIC_KEY_PATTERN, PublicKey
from edge.formats.strict import Strict
from edge.policy import wording
from edge.policy.placeholders import compared
from edge.texts import LANGUAGES, Language

FIRST_YEAR, LAST_YEAR = 1990, 2099
"""Days outside these years are typing errors: no document of a camera is older."""


def _hours(text: str) -> str:
    Hours.parse(text)
    return text


def _dates(text: str) -> str:
    days = Dates.parse(text)
    for day in (days.first, days.last):
        _require_plausible(day)
    return text


def _require_plausible(day: date) -> None:
    if day.year < FIRST_YEAR:
        raise wording.refusal("early", year=FIRST_YEAR)
    if day.year > LAST_YEAR:
        raise wording.refusal("late", year=LAST_YEAR)


def _day(text: str) -> str:
    if ".." in text:
        raise ValueError("one day, written as 2026-11-30")
    return _dates(text)


def _real_key(text: str) -> str:
    try:
        if not re.fullmatch(PUBLIC_KEY_PATTERN, text, re.ASCII):
            raise wording.refusal("public_key")
        PublicKey.parse(text)
    except KeyFileError:
        raise wording.refusal("public_key") from None
    return text


_LENGTH = {"minLength": 1, "maxLength": wording.MAX_LENGTH}

ShortText = Annotated[
    str, AfterValidator(wording.short_text), Field(json_schema_extra=dict(_LENGTH))
]
Statement = Annotated[
    str, AfterValidator(wording.statement), Field(json_schema_extra=dict(_LENGTH))
]
Name = Annotated[str, AfterValidator(wording.name), Field(json_schema_extra=dict(_LENGTH))]
Reference = Annotated[
    str, AfterValidator(wording.reference), Field(json_schema_extra=dict(_LENGTH))
]
Contact = Annotated[str, AfterValidator(wording.contact), Field(json_schema_extra=dict(_LENGTH))]
Website = Annotated[str, AfterValidator(wording.website), Field(json_schema_extra=dict(_LENGTH))]
SeenText = Annotated[str, AfterValidator(wording.seen)]
"""A technical text: not blank, and without characters that cannot be seen."""
FilePath = Annotated[SeenText, Field(min_length=1, max_length=1000)]
HoursText = Annotated[str, AfterValidator(_hours), Field(examples=["08:15-08:45"])]
DatesText = Annotated[
    str, AfterValidator(_dates), Field(examples=["2026-12-25", "2026-12-24..2027-01-02"])
]
DayText = Annotated[str, AfterValidator(_day), Field(examples=["2026-11-30"])]
"""A day in the policy's time zone, from its first moment to its last."""
KeyText = Annotated[
    str,
    AfterValidator(_real_key),
    Field(
        description="A public key, as `edge-anpr keys new signer` prints it.",
        json_schema_extra={"pattern": PUBLIC_KEY_PATTERN},
    ),
]
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

    nl: ShortText
    fr: ShortText
    de: ShortText
    en: ShortText

    def of(self, language: Language) -> str:
        """The text in one language."""
        text: str = getattr(self, language)
        return text

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return cls._from_one(value) if isinstance(value, str | int | float) else handler(value)

    @classmethod
    def _from_one(cls, value: str | float) -> Self:
        del value
        raise wording.refusal("languages")


class Statements(Texts):
    """A sentence or a part of one for the public, in four languages."""

    nl: Statement
    fr: Statement
    de: Statement
    en: Statement

    @model_validator(mode="after")
    def _require_translated(self) -> Self:
        if len({compared(self.of(language)) for language in LANGUAGES}) == 1:
            raise wording.refusal("untranslated")
        return self


class SameOrTexts(Texts):
    """A name, reference or contact: one text if it is the same in every language, else four."""

    @classmethod
    def _from_one(cls, value: str | float) -> Self:
        if not isinstance(value, str):
            raise wording.refusal("quotes")
        kept = cls._checked(value)
        return cls(nl=kept, fr=kept, de=kept, en=kept)

    @staticmethod
    def _checked(text: str) -> str:
        return wording.short_text(text)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The JSON Schema: one text, or an object with four."""
        four = handler(schema)
        return {"anyOf": [{"type": "string", **_LENGTH}, four]}


class Names(SameOrTexts):
    """A name."""

    nl: Name
    fr: Name
    de: Name
    en: Name
    _checked = staticmethod(wording.name)


class References(SameOrTexts):
    """The reference of a document."""

    nl: Reference
    fr: Reference
    de: Reference
    en: Reference
    _checked = staticmethod(wording.reference)


class Contacts(SameOrTexts):
    """How somebody can be reached."""

    nl: Contact
    fr: Contact
    de: Contact
    en: Contact
    _checked = staticmethod(wording.contact)


class Party(Strict):
    """A person, office or company, with an address."""

    name: Names
    contact: Contacts = Field(
        description="E-mail, phone number, web form or postal address; not a person's own."
    )
