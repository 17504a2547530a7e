"""The notice's signs and maps, and how it writes dates, numbers and hours in each language."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

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
        ("Friday", "22:00–06:00"),
        ("Saturday", "day and night"),
    )
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in words.exceptions(schedule)] == [
        "Not on 1 July 2026 to 31 August 2026 and 11 November 2026.",
        "On 30 June 2026: closed.",
    ]


def test_french_uses_a_no_break_space_before_a_colon() -> None:
    assert Words("fr")("where.masks_many", count=2).endswith("regardées.")
    assert "\N{NO-BREAK SPACE}:" in Words("fr")("rights.complaint_text")
    assert "\N{NO-BREAK SPACE}:" not in Words("de")("rights.complaint_text")
