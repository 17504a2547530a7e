"""Words of the desk's pages: the section `desk` of `edge/texts`, dates and ages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from edge.domain.appearance import Appearance
from edge.formats.timestamps import parse_utc
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language, catalogue

FALLBACK: Language = "en"


class DeskWords:
    """Texts and moments in one language.

    Args:
        language: the language.
        texts: the texts by their full key; None for those of `edge/texts`.
    """

    def __init__(self, language: Language, texts: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._texts = catalogue(language) if texts is None else texts
        self._words = Words(language)

    def __call__(self, key: str, **values: str | int) -> str:
        """A text of the desk with its values filled in."""
        return self._words.set(self._texts[f"desk.{key}"].format_map(values))

    def picture(self, name: str) -> str:
        """What a picture of a hit shows, as the report of its case says it."""
        known = self._texts.get(f"court.picture.{name}")
        return self._words.set(known or self._texts["court.picture.other"])

    def vehicle(self, appearance: Appearance) -> str:
        """The most probable kind and colour with their probabilities; empty if none is known."""
        return ", ".join(
            f"{self(f'vehicle.{name}')} ({self._words.percent(round(share, 2))})"
            for name, share in appearance.most_probable()
        )

    def day(self, day: str) -> str:
        """A date such as 2026-11-30, written out."""
        return self._words.date(day)

    def moment(self, moment: datetime) -> str:
        """A moment in UTC, to the minute."""
        utc = moment.astimezone(timezone.utc)
        return f"{self._words.date(utc.date().isoformat())}, {utc:%H:%M} UTC"

    def exact(self, moment: datetime, zone: ZoneInfo | None = None) -> str:
        """A moment to the second, in a time zone or in UTC."""
        local = moment.astimezone(zone or timezone.utc)
        return f"{self._words.date(local.date().isoformat())}, {local:%H:%M:%S} {local.tzname()}"

    def instant(self, moment: datetime, zone: ZoneInfo | None = None) -> str:
        """A time of day to the tenth of a second, in a time zone or in UTC."""
        local = moment.astimezone(zone or timezone.utc)
        mark = "." if self.language == "en" else ","
        return f"{local:%H:%M:%S}{mark}{local.microsecond // 100_000} {local.tzname()}"

    def parsed(self, text: str) -> datetime:
        """A moment as documents write it."""
        return parse_utc(text)

    def age(self, age: timedelta) -> str:
        """How long ago; a moment in the future, of a clock that differs, is now."""
        minutes = max(0, int(age.total_seconds())) // 60
        days, hours = minutes // 1440, minutes // 60 % 24
        if days:
            return self("age.days", days=days, hours=hours)
        if hours:
            return self("age.hours", hours=hours, minutes=minutes % 60)
        return self("age.minutes", minutes=minutes)


def preferred(chosen: str | None, accepted: str) -> Language:
    """The language for a reader.

    Args:
        chosen: what she has chosen before; None if she has not.
        accepted: the header `Accept-Language` of her browser.
    """
    wishes = [(2.0, chosen or "")]
    for part in accepted[:500].split(","):
        name, _, quality = part.partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)\s*", quality, re.ASCII)
        wishes.append((float(found[1]) if found else 1.0, name.strip().lower()[:2]))
    for weight, wish in sorted(wishes, key=lambda one: -one[0]):
        for language in LANGUAGES:
            if language == wish and weight > 0:
                return language
    return FALLBACK
