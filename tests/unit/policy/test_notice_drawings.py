"""The notice's signs and maps, and how it writes dates, numbers and hours in each language."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.schedule import DAYS
from edge.policy.fields import WeeklySchedule
from edge.policy.model import PolicyCamera
from edge.policy.notice.drawings import maps
from edge.policy.notice.publication import (
    BOARD_FILE,
    publication,
)
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.notices import facts, model
from tests.support.sites import policy

# --- signs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sign_has_the_content_that_the_decree_requires(language: Language) -> None:
    svg = publication(facts())[BOARD_FILE.format(language=language)]
    drawing = ET.fromstring(svg)  # noqa: S314 - this product has just written it
    told = " ".join(drawing.itertext())

    assert drawing.attrib["width"] == "600mm"
    assert drawing.attrib["height"] == "400mm"
    for said in ("ANPR", "2007", "Town", "town@test.example", "Officer", "officer@test.example",
                 "https://test.example"):  # fmt: skip
        assert said in told
    assert Words(language)("board.camera_act").split(" – ")[0] in told


def test_a_long_address_on_a_sign_is_printed_smaller_and_never_cut() -> None:
    contact = " ".join(f"Part{number} of a very long postal address," for number in range(40))
    whole = model(
        controller={"name": " ".join(f"Town{number}" for number in range(30)), "contact": contact}
    )

    svg = publication(facts(whole))[BOARD_FILE.format(language="nl")]
    drawing = ET.fromstring(svg)  # noqa: S314 - this product has just written it
    told = " ".join(" ".join(drawing.itertext()).split())

    assert contact.strip() in told
    bottoms = [float(one.attrib["y"]) for one in drawing.iter() if "y" in one.attrib]
    assert max(bottoms) <= 400


# --- drawings and words ----------------------------------------------------------------------


def camera(latitude: float | None, longitude: float = 3.72) -> PolicyCamera:
    position = None if latitude is None else {"latitude": latitude, "longitude": longitude}
    content = {**policy()["cameras"]["cam-1"], "position": position}
    return PolicyCamera.model_validate(content)


def test_cameras_of_one_place_share_a_map_and_others_have_their_own() -> None:
    found = maps([camera(51.05), camera(51.051), camera(52.0), camera(None)])

    assert [[spot.number for spot in spots] for spots in found] == [[1, 2], [3], [4]]


def test_a_map_is_to_scale() -> None:
    (spots,) = maps([camera(51.05), camera(51.051, 3.722)])
    east, north = spots[1].at

    # A thousandth of a degree of latitude is 111.2 m; of longitude that times cos 51.05 degrees.
    assert north == pytest.approx(111.2, abs=0.2)
    assert east == pytest.approx(2 * 111.2 * 0.6286, abs=0.5)


@pytest.mark.parametrize(
    ("language", "day", "told"),
    [
        ("nl", "2026-11-30", "30 november 2026"),
        ("fr", "2026-05-01", "1er mai 2026"),
        ("de", "2026-03-05", "5. März 2026"),
        ("en", "2026-01-02", "2 January 2026"),
    ],
)
def test_a_date_is_written_as_in_its_language(language: Language, day: str, told: str) -> None:
    assert Words(language).date(day).replace("\N{NO-BREAK SPACE}", " ") == told


@pytest.mark.parametrize(
    ("language", "number", "share"),
    [
        ("nl", "12 345", "86,7 %"),
        ("fr", "12 345", "86,7 %"),
        ("de", "12 345", "86,7 %"),
        ("en", "12,345", "86.7 %"),
    ],
)
def test_a_number_is_written_as_in_its_language(
    language: Language, number: str, share: str
) -> None:
    words = Words(language)

    assert words.number(12345).replace("\N{NO-BREAK SPACE}", " ") == number
    assert words.percent(0.867).replace("\N{NO-BREAK SPACE}", " ") == share


def test_days_with_the_same_hours_are_grouped() -> None:
    schedule = WeeklySchedule.model_validate(
        {
            "weekly": {
                **{day: ["08:15-08:45", "15:30-16:00"] for day in ("mon", "tue", "wed")},
                "fri": ["22:00-06:00"],
                "sat": ["00:00-24:00"],
            },
            "holidays": ["2026-07-01..2026-08-31", "2026-11-11"],
            "exceptions": [{"date": "2026-06-30", "hours": []}],
        }
    )
    words = Words("en")

    assert words.week(schedule) == (
        ("Monday to Wednesday", "08:15–08:45, 15:30–16:00"),
        ("Friday", "22:00–06:00 (next day)"),
        ("Saturday", "all day"),
    )
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in words.exceptions(schedule)] == [
        "Not on these days: 1 July 2026 to 31 August 2026 and 11 November 2026.",
        "On 30 June 2026: not at all.",
    ]


WHOLE = ["00:00-24:00"]
SCHOOL = ["08:15-08:45", "15:30-16:00"]
NIGHT = ["22:00-06:00"]
BY_DAY = ["07:00-19:00"]
PHRASES: dict[str, tuple[dict[str, list[str]], dict[Language, str]]] = {
    "every day, all hours": (
        dict.fromkeys(DAYS, WHOLE),
        {
            "nl": "dag en nacht, elke dag",
            "fr": "jour et nuit, tous les jours",
            "de": "Tag und Nacht, jeden Tag",
            "en": "day and night, every day",
        },
    ),
    "every day, some hours": (
        dict.fromkeys(DAYS, BY_DAY),
        {
            "nl": "elke dag van 07:00 tot 19:00",
            "fr": "tous les jours de 07:00 à 19:00",
            "de": "jeden Tag von 07:00 bis 19:00",
            "en": "every day from 07:00 to 19:00",
        },
    ),
    "every night": (
        dict.fromkeys(DAYS, NIGHT),
        {
            "nl": "elke dag van 22:00 tot 06:00 de volgende dag",
            "fr": "tous les jours de 22:00 à 06:00 le lendemain",
            "de": "jeden Tag von 22:00 bis 06:00 am nächsten Tag",
            "en": "every day from 22:00 to 06:00 the next day",
        },
    ),
    "school days, twice": (
        dict.fromkeys(DAYS[:5], SCHOOL),
        {
            "nl": "maandag tot en met vrijdag van 08:15 tot 08:45 en van 15:30 tot 16:00",
            "fr": "du lundi au vendredi de 08:15 à 08:45 et de 15:30 à 16:00",
            "de": "Montag bis Freitag von 08:15 bis 08:45 und von 15:30 bis 16:00",
            "en": "Monday to Friday from 08:15 to 08:45 and from 15:30 to 16:00",
        },
    ),
    "one whole day": (
        {"sat": WHOLE},
        {
            "nl": "zaterdag de hele dag",
            "fr": "le samedi toute la journée",
            "de": "Samstag ganztägig",
            "en": "Saturday all day",
        },
    ),
    "two whole days": (
        {"sat": WHOLE, "sun": WHOLE},
        {
            "nl": "zaterdag en zondag de hele dag",
            "fr": "le samedi et le dimanche toute la journée",
            "de": "Samstag und Sonntag ganztägig",
            "en": "Saturday and Sunday all day",
        },
    ),
    "all hours from Monday to Saturday": (
        dict.fromkeys(DAYS[:6], WHOLE),
        {
            "nl": "maandag tot en met zaterdag de hele dag",
            "fr": "du lundi au samedi toute la journée",
            "de": "Montag bis Samstag ganztägig",
            "en": "Monday to Saturday all day",
        },
    ),
    "different days": (
        {"mon": SCHOOL[:1], "fri": NIGHT, "sat": WHOLE},
        {
            "nl": "maandag van 08:15 tot 08:45; vrijdag van 22:00 tot 06:00 de volgende dag; "
            "zaterdag de hele dag",
            "fr": "le lundi de 08:15 à 08:45\N{NO-BREAK SPACE}; "
            "le vendredi de 22:00 à 06:00 le lendemain\N{NO-BREAK SPACE}; "
            "le samedi toute la journée",
            "de": "Montag von 08:15 bis 08:45; Freitag von 22:00 bis 06:00 am nächsten Tag; "
            "Samstag ganztägig",
            "en": "Monday from 08:15 to 08:45; Friday from 22:00 to 06:00 the next day; "
            "Saturday all day",
        },
    ),
    "never": (
        {"mon": []},
        {
            "nl": "op geen enkel uur",
            "fr": "à aucune heure",
            "de": "zu keiner Stunde",
            "en": "at no hour",
        },
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PHRASES)
def test_hours_are_told_in_the_grammar_of_each_language(name: str, language: Language) -> None:
    weekly, told = PHRASES[name]
    schedule = WeeklySchedule.model_validate({"weekly": weekly})

    assert Words(language).sentence(schedule) == told[language]


HOURS_OF_A_DAY = st.sampled_from([[], WHOLE, SCHOOL, NIGHT, ["07:00-19:00"]])


@pytest.mark.parametrize("language", LANGUAGES)
@given(weekly=st.fixed_dictionaries({}, optional=dict.fromkeys(DAYS, HOURS_OF_A_DAY)))
def test_no_combination_of_days_and_hours_repeats_a_word(
    language: Language, weekly: dict[str, list[str]]
) -> None:
    """As `elke dag dag en nacht` did, and its sisters in the other languages."""
    schedule = WeeklySchedule.model_validate({"weekly": weekly})
    told = Words(language).sentence(schedule)

    for phrase in told.split(Words(language).semicolon):
        words = re.findall(r"[^\W\d_]+", phrase)
        assert all(one != other for one, other in pairwise(words)), told
        assert phrase.strip() == phrase != ""
    opened = {day for day, hours in weekly.items() if hours}
    assert (told == Words(language)("unit.none")) == (not opened)


def test_french_uses_a_no_break_space_before_a_colon() -> None:
    assert Words("fr")("where.masks_many", count=2).endswith("regardées.")
    assert "\N{NO-BREAK SPACE}:" in Words("fr")("rights.complaint_text")
    assert "\N{NO-BREAK SPACE}:" not in Words("de")("rights.complaint_text")
