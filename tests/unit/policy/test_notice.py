"""The public notice: what it says in four languages, and what it never contains."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from edge.errors import ConfigError
from edge.policy import wording
from edge.policy.change import ChangeEffect
from edge.policy.model import Policy
from edge.policy.notice.card_figures import CARD_FIGURES
from edge.policy.notice.counts import read_counts
from edge.policy.notice.history import Version
from edge.policy.notice.publication import (
    PAGE_FILE,
    publication,
)
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.notices import facts, model, page, section, words_of, wrong_way_rule
from tests.support.sites import CAMERA, hotlist_rule, policy, texts

ROOT = Path(__file__).resolve().parents[3]

SECTIONS = (
    "brief", "why", "rules", "records", "retention", "where", "who", "legal", "lists", "accuracy",
    "alternatives", "dpia", "counts", "dates", "history", "rights", "proof",
)  # fmt: skip


# --- four languages --------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SECTIONS)
def test_p14_each_section_exists_in_each_language(name: str, language: Language) -> None:
    text = page()

    assert f'<article id="{language}" lang="{language}"' in text
    assert Words(language)(f"{name}.heading") in words_of(section(text, language, name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_policys_texts_in_that_language(language: Language) -> None:
    own = {"nl": "Doel één", "fr": "But un", "de": "Zweck eins", "en": "Purpose one"}
    content = policy()
    content["purposes"]["wanted-vehicles"]["text"] = own
    text = page(facts(Policy.model_validate(content)))

    article = text[text.index(f'<article id="{language}"') :].partition("</article>")[0]

    assert [one for one, said in own.items() if said in article] == [language]


# --- what it says ----------------------------------------------------------------------------


def test_p14_the_page_names_the_controller_and_the_other_responsible_parties() -> None:
    whole = model(
        joint_controllers=[
            {"name": "Zone", "contact": "zone@test.example", "agreement": "Arrangement 7"}
        ],
        processors=[
            {
                "name": "Fitter",
                "contact": "fit@test.example",
                "task": texts("Mounts"),
                "agreement": "C 9",
            }
        ],
    )

    told = words_of(section(page(facts(whole)), "en", "who"))

    for said in ("Town", "town@test.example", "Officer", "officer@test.example", "Zone",
                 "Arrangement 7", "Fitter", "Mounts", "C 9", "Commission", "vtc@test.example",
                 "Police zone of the test"):  # fmt: skip
        assert said in told


def test_p14_the_page_gives_the_legal_basis_and_the_decisions() -> None:
    told = words_of(section(page(), "en", "legal"))

    for said in ("Belgian camera act", "Council 1", "24 November 2025", "Police 1",
                 "7 November 2025", "Declaration 1", "15 December 2025"):  # fmt: skip
        assert said in told.replace("\N{NO-BREAK SPACE}", " ")


def test_p19_the_page_explains_rights_complaints_supervisor_and_court() -> None:
    for language in LANGUAGES:
        told = section(page(), language, "rights")

        assert 'href="mailto:rights@test.example"' in told
        assert 'href="mailto:ombudsman@test.example"' in told
        assert 'href="mailto:vtc@test.example"' in told
        assert Words(language)("rights.court") in words_of(told)


def test_the_page_gives_the_retention_of_each_purpose_and_the_legal_maximum() -> None:
    told = words_of(section(page(), "en", "retention")).replace("\N{NO-BREAK SPACE}", " ")

    assert "At most 24 hours; then it is erased." in told
    assert "no period longer than 720 hours (30 days)" in told
    assert "15 minutes; then its key is destroyed" in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_p14_the_page_promises_nothing_to_a_vehicle_that_is_looked_for(language: Language) -> None:
    """Whoever drives it breaks no rule, and is reported all the same."""
    words, wanted = Words(language), page()
    lawful = (words("brief.passing"), words("brief.passing_wanted"))

    told = words_of(section(wanted, language, "brief"))
    assert lawful[1] in told
    assert lawful[0] not in told.replace(lawful[1], "")
    no_list = page(facts(model(rules=[wrong_way_rule()])))
    assert lawful[1] not in words_of(section(no_list, language, "brief"))


def test_the_page_gives_the_accuracy_with_its_interval() -> None:
    accuracy = {"date": "2025-10-13", "method": texts("Rendered clips"),
                "vehicles": 1250, "exact": 1200,
                "interval": [0.947, 0.97]}  # fmt: skip
    told = words_of(section(page(facts(model(accuracy=accuracy))), "nl", "accuracy")).replace(
        "\N{NO-BREAK SPACE}", " "
    )

    assert "Van 1 250 voertuigen werden er 1 200 zonder één fout gelezen: 96 %." in told
    assert "tussen 94,7 % en 97 %" in told
    assert "tot 53 verkeerd" in told


PICTURES: dict[str, Any] = {
    "date": "2026-01-10",
    "method": {language: f"Photos of gate 3 ({language})" for language in LANGUAGES},
    "levels": {
        "vehicle": {
            "body_enough": [53, 60],
            "glass_leaks": [1, 58],
            "people": [0, 1250],
            "others_blocks": [2, 4310],
        },
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


def test_p12_the_page_says_if_no_person_checks_a_rules_hits() -> None:
    whole = model(rules=[hotlist_rule(human_check=False)])

    told = words_of(section(page(facts(whole)), "en", "rules"))

    assert "No person checks the reports of this rule." in told
    assert "A person checks" not in told


def test_two_rules_of_one_kind_are_distinguished() -> None:
    whole = model(rules=[hotlist_rule(), hotlist_rule(id="stolen-2")])

    told = words_of(section(page(facts(whole)), "en", "rules"))

    assert "(stolen)" in told
    assert "(stolen-2)" in told


def test_p11_lists_are_described_by_kind_and_maximum_size_and_never_by_content() -> None:
    told = words_of(section(page(), "en", "lists"))

    assert "Vehicles that are looked for" in told
    assert "50 vehicles" in told
    assert "1,830 days" in told
    assert "stolen.csv" not in page()


def test_a_policy_without_lists_says_so() -> None:
    rule = hotlist_rule(
        type="wrong_way", allowed="left_to_right", line={"from": [0, 0.5], "to": [1, 0.5]}
    )
    del rule["list"]

    told = words_of(section(page(facts(model(lists={}, rules=[rule]))), "en", "lists"))

    assert "No lists are used." in told


# --- counts ----------------------------------------------------------------------------------


def counts(tmp_path: Path, content: str) -> Any:
    file = tmp_path / "counts.json"
    file.write_text(content)
    return read_counts(file, "test-street")


def test_p7_counts_under_ten_are_never_stated(tmp_path: Path) -> None:
    found = counts(
        tmp_path,
        '{"schema": "edge-anpr/counts/1", "site": "test-street", "lists": {"stolen": 3},'
        ' "quarters": [{"quarter": "2026-Q1", "vehicles": 41230, "reports": {"stolen": 9}},'
        ' {"quarter": "2026-Q2", "vehicles": "<10", "reports": {"gone": 12}}]}',
    )
    text = page(facts(counts=found))
    rows = [
        " ".join(words_of(row).split()) for row in section(text, "en", "counts").split("<tr>")[2:]
    ]

    assert rows == [
        "2026, quarter 2 fewer than 10 not stated 12",
        "2026, quarter 1 41,230 fewer than 10 not stated",
    ]
    assert "fewer than 10" in words_of(section(text, "en", "lists"))
    assert page(facts()) != text


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "no JSON",
        '{"site": "another"}',
        '{"site": "test-street", "quarters": [{"quarter": "2026-Q5"}]}',
        '{"site": "test-street", "quarters": [{"quarter": "2026-Q1", "vehicles": -1}]}',
        '{"site": "test-street", "quarters": [{"quarter": "2026-Q1", "vehicles": 1.5}]}',
        '{"site": "test-street", "quarters": [{"quarter": "2026-Q2"}, {"quarter": "2026-Q1"}]}',
        '{"site": "test-street", "quarters": [{"quarter": "2026-Q1"}, {"quarter": "2026-Q1"}]}',
        '{"site": "test-street", "plates": ["1-ABC-123"]}',
        '{"site": "test-street", "1ABC123": 1}',
    ],
)
def test_invalid_counts_are_refused_without_repeating_them(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match=r"counts\.json") as refused:
        counts(tmp_path, content)

    assert "ABC" not in str(refused.value)


def test_counts_are_optional(tmp_path: Path) -> None:
    assert read_counts(tmp_path / "counts.json", "test-street") is None


# --- history ---------------------------------------------------------------------------------


def test_p4_the_page_lists_each_widening_of_each_version() -> None:
    first = model()
    content = policy(rules=[hotlist_rule(reveal="occupants")])
    content["purposes"]["wanted-vehicles"]["retention_hours"] = 48
    second = Policy.model_validate({**content, "version": 2})
    content["lists"]["stolen"]["max_entries"] = 10
    third = Policy.model_validate({**content, "version": 3})

    later = Policy.model_validate({**content, "version": 4})
    text = section(page(facts(third, earlier=[first, second, third, later])), "en", "history")
    told = words_of(text)

    assert text.count("<dt>") == 3
    assert told.index("Version 3") < told.index("Version 2") < told.index("Version 1")
    assert "Narrower size of a list" in told
    assert re.search(
        r"Wider (retention and what a picture shows|what a picture shows and ret)", told
    )
    assert "First version." in told
    assert text.count('class="tag widening"') == 1


def test_p4_a_new_assessment_comes_first_and_a_new_start_date_has_its_own_word() -> None:
    kinds = ("controller", "start", "dpia", "legal")
    changed = Version(2, "2026-05-05", "ab" * 32, {ChangeEffect.SUBSTANTIVE: kinds})

    told = words_of(section(page(replace(facts(), versions=(changed,))), "en", "history"))

    words = "data protection impact assessment, start date, legal ground and other things"
    assert f"Changed with all signatures {words}" in told


def test_without_earlier_versions_the_page_does_not_claim_a_first_version() -> None:
    told = words_of(section(page(facts(model(version=4))), "en", "history"))

    assert "Version 4" in told
    assert "Earlier versions are not listed here." in told
    assert "First version" not in told


# --- nothing else gets in --------------------------------------------------------------------


def test_the_page_contains_no_key_file_or_signer() -> None:
    whole = model()
    text = "".join(publication(facts(whole)).values())

    for _, _, holder in whole.key_holders():
        assert holder.key not in text
    for hidden in ("ed25519", "public.json", "lists/", "dpia.md", "mayor", "chief"):
        assert hidden not in text


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=60))
def test_texts_of_a_policy_are_escaped(said: str) -> None:
    written = f"<script>x</script>\"'<img src=//test.example/ Town 1 {said}"
    try:
        marked = wording.contact(written)
    except PydanticCustomError:  # characters that no policy may hold
        reject()
    whole = model(controller={"name": written, "contact": written})

    files = publication(facts(whole))

    assert "<script" not in files[PAGE_FILE]
    assert "<img" not in files[PAGE_FILE]
    assert html.escape(marked, quote=False) in files[PAGE_FILE]
    assert all("<script" not in text for text in files.values())


def test_only_web_and_mail_addresses_become_links() -> None:
    contact = "Square 1, a.b@c.example, https://c.example/x?y=1&z. javascript:alert(1) data:x"
    text = page(facts(model(controller={"name": "Town", "contact": contact})))
    told, _, _ = section(text, "en", "who").partition("</dd>")

    assert re.findall(r'href="([^"]*)"', told) == [
        "mailto:a.b@c.example",
        "https://c.example/x?y=1&amp;z",
    ]
    assert contact in html.unescape(re.sub(r"<[^>]+>", "", told))


def test_the_page_loads_no_resource() -> None:
    text = page()
    style = text[text.index("<style>") : text.index("</style>")]

    assert "default-src 'none'" in html.unescape(text)
    assert re.findall(r"<(script|link|img|iframe|object|embed|form|base|video|audio)\b", text) == []
    assert re.findall(r"\b(?:src|srcset|action|data|poster|xlink:href)=", text) == []
    assert "url(" not in style
    assert "@import" not in style
    assert re.findall(r"\son\w+=", text) == []
