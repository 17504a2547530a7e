"""What the notice says of released pictures: what was measured, and what each rule shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.policy.model import Policy
from edge.policy.notice.card_figures import CARD_FIGURES
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.notices import (
    SHOWN_OF_VEHICLES,
    facts,
    model,
    page,
    section,
    words_of,
    wrong_way_rule,
)
from tests.support.sites import CAMERA, hotlist_rule, policy

ROOT = Path(__file__).resolve().parents[3]

PICTURES: dict[str, Any] = {
    "date": "2026-01-10",
    "method": {language: f"Photos of gate 3 ({language})" for language in LANGUAGES},
    "levels": {
        "vehicle": SHOWN_OF_VEHICLES,
        "driver": {"body_enough": [50, 60], "glass_leaks": [2, 58], "heads": [12, 14]},
        "occupants": {"body_enough": [53, 60], "glass_leaks": [58, 58], "heads": [30, 32]},
    },
}


def plain_words(language: Language) -> Callable[[str], str]:
    """Texts of the notice as `words_of` gives them, with ordinary spaces."""
    return lambda key: words_of(Words(language)(key)).replace("\N{NO-BREAK SPACE}", " ")


def shows(reveal: str, language: str, pictures: dict[str, Any] | None) -> str:
    """What the page says about how well it reads and what a picture shows."""
    content = policy(rules=[hotlist_rule(reveal=reveal)])
    if pictures is not None:
        content["accuracy"]["pictures"] = pictures
    told = words_of(section(page(facts(Policy.model_validate(content))), language, "accuracy"))
    return told.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reveal", ["vehicle", "driver", "occupants"])
def test_p6_the_page_says_what_pictures_of_the_place_were_measured_to_show(
    reveal: str, language: Language
) -> None:
    words = plain_words(language)
    told = shows(reveal, language, PICTURES)

    assert words("accuracy.pictures_own") in told
    assert words("accuracy.pictures_card") not in told
    assert words(f"rules.{reveal}") in told
    assert PICTURES["method"][language] in told
    others = {"vehicle", "driver", "occupants"} - {reveal}
    assert not any(words(f"rules.{other}") in told for other in others)


def test_p6_the_shares_of_released_pictures_have_their_intervals() -> None:
    vehicle, driver, occupants = (
        shows(level, "en", PICTURES) for level in ("vehicle", "driver", "occupants")
    )

    assert "can be seen in 53 of 60 pictures: 88.3 % (77.8 % to 94.2 %)" in vehicle
    assert "can be seen in 1 of 58 pictures: 1.7 % (0.3 % to 9.1 %)" in vehicle
    assert "a part of 0 can be seen: 0 % (0 % to 0.3 %)" in vehicle
    assert " small squares of other vehicles, a part of 2 can be seen." in vehicle
    assert "small squares" not in driver
    assert "whom the picture may show" not in vehicle
    assert "can be seen in 2 of 58 pictures" in driver
    assert "Of 14 people in a vehicle whom the picture may show, 12 can be seen" in driver
    assert "58 pictures" not in occupants  # at this level windows are meant to be seen


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reveal", ["vehicle", "driver", "occupants"])
def test_p6_without_a_measurement_the_page_says_that_the_figures_are_from_elsewhere(
    reveal: str, language: Language
) -> None:
    words = plain_words(language)
    told = shows(reveal, language, None)

    assert words("accuracy.pictures_card") in told
    assert words("accuracy.pictures_own") not in told
    count, total = CARD_FIGURES[reveal].body_enough
    assert str(count) in told
    assert str(total) in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_p6_of_a_level_that_the_site_has_not_measured_the_page_gives_the_cards_figures(
    language: Language,
) -> None:
    """A site must not drop the figures of a level by measuring another one."""
    words = plain_words(language)
    own = PICTURES | {"levels": {"vehicle": PICTURES["levels"]["vehicle"]}}
    told = shows("occupants", language, own)
    assert words("accuracy.pictures_card") in told
    assert words("accuracy.pictures_own") not in told
    assert " 53 " not in told

    content = policy(
        rules=[hotlist_rule(reveal="vehicle"), hotlist_rule(id="second", reveal="occupants")]
    )
    content["accuracy"]["pictures"] = own
    whole = page(facts(Policy.model_validate(content)))
    both = words_of(section(whole, language, "accuracy")).replace("\N{NO-BREAK SPACE}", " ")
    places = [
        both.index(one)
        for one in (
            words("accuracy.pictures_own"),
            words("rules.vehicle"),
            PICTURES["method"][language],
            words("accuracy.pictures_rest"),
            words("rules.occupants"),
        )
    ]
    assert places == sorted(places)
    assert words("accuracy.pictures_card") not in both


@pytest.mark.parametrize("pictures", [None, PICTURES])
def test_of_rules_that_show_the_plate_alone_nothing_was_to_be_measured(
    pictures: dict[str, Any] | None,
) -> None:
    assert Words("en")("accuracy.pictures") not in shows("plate", "en", pictures)


def test_the_figures_from_elsewhere_are_those_of_the_model_card() -> None:
    card = (ROOT / "models" / "scene_parser.md").read_text("utf-8")
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:3]]
        for cells in (line.strip("| ").split("|") for line in card.splitlines() if "| " in line)
        if len(cells) == 3
    }

    def counts(row: str, column: int) -> list[int]:
        count, total = re.findall(r"[0-9]+ of [0-9]+", rows[row][column])[0].split(" of ")
        return [int(count), int(total)]

    for column, level in enumerate(("vehicle", "occupants")):
        figures = CARD_FIGURES[level]
        assert list(figures.body_enough) == counts("at least 60 % of the bodywork shown", column)
        assert figures.people is not None
        outside = counts("people outside of whom anything is shown", column)
        assert list(figures.people) == outside
        assert figures.others_blocks is not None
        others = counts("blocks of other vehicles shown", column)
        assert list(figures.others_blocks) == others
    vehicle, occupants = CARD_FIGURES["vehicle"], CARD_FIGURES["occupants"]
    assert vehicle.glass_leaks is not None
    assert list(vehicle.glass_leaks) == counts("more than 3 % of the glass shown", 0)
    assert occupants.heads is not None
    assert list(occupants.heads) == counts("heads shown", 1)


@pytest.mark.parametrize(
    ("reveal", "says", "says_not"),
    [
        ("plate", "the number plate alone", "people in it"),
        ("vehicle", "its windows covered", "people in it"),
        ("driver", "the driver's side of its windscreen", "people in it"),
        ("occupants", "people in it can be seen", "who sits in a vehicle"),
    ],
)
def test_p6_the_page_says_what_a_picture_shows_under_each_rule(
    reveal: str, says: str, says_not: str
) -> None:
    whole = model(rules=[hotlist_rule(reveal=reveal)])

    told = words_of(section(page(facts(whole)), "en", "records"))

    assert says in told
    assert says_not not in told
    assert ("who sits in a vehicle" in told) is (reveal in ("plate", "vehicle"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_p6_the_page_says_that_a_rule_of_movement_has_more_pictures(language: Language) -> None:
    words = Words(language)
    said = words("records.hit_path", rule=words("rules.wrong_way"))

    with_rule, without = (
        words_of(section(page(facts(whole)), language, "records"))
        for whole in (Policy.model_validate(policy(rules=[wrong_way_rule()])), model())
    )

    assert words_of(said) in with_rule
    assert words_of(said) not in without


@pytest.mark.parametrize("language", LANGUAGES)
def test_p6_the_page_says_that_an_approved_picture_of_the_place_goes_along(
    language: Language,
) -> None:
    words = Words(language)
    still = {"sha256": "ab" * 32, "approved": "2026-01-10"}
    place = {CAMERA: {**policy()["cameras"][CAMERA], "place_picture": still}}
    day = words.date("2026-01-10")

    told, of_plates_only, without = (
        words_of(section(page(facts(whole)), language, "records"))
        for whole in (
            model(cameras=place),
            model(cameras=place, rules=[hotlist_rule(reveal="plate")]),
            model(),
        )
    )

    said = words_of(words("records.hit_place", camera="", date=day))
    assert said in told
    assert said not in of_plates_only + without
