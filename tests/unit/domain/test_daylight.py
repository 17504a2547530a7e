"""Whether a moment lies in daylight: compared with published times of sunrise and sunset."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from edge.domain.daylight import light_at, sun_elevation

# Sunrise and sunset at Brussels, in UTC.
DAYS = [
    ("2026-03-20", "05:46", "17:55"),
    ("2026-06-21", "03:29", "20:00"),
    ("2026-12-21", "07:42", "15:38"),
]


@pytest.mark.parametrize(("day", "rise", "sets"), DAYS)
def test_day_begins_and_ends_with_the_sun(day: str, rise: str, sets: str) -> None:
    begins, ends = (
        datetime.fromisoformat(f"{day}T{one}").replace(tzinfo=timezone.utc) for one in (rise, sets)
    )
    near = timedelta(minutes=8)
    assert light_at(begins - near) == light_at(ends + near) == "night"
    assert light_at(begins + near) == light_at(ends - near) == "day"


def test_the_sun_stands_highest_at_noon_and_as_high_as_the_latitude_allows() -> None:
    noon = datetime(2026, 6, 21, 11, 43, tzinfo=timezone.utc)
    assert sun_elevation(noon) == pytest.approx(90 - 50.6 + 23.44, abs=0.3)
    assert sun_elevation(noon + timedelta(hours=12)) < -15
