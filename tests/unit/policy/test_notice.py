"""The public notice: what it says in four languages, and what it never contains."""

from __future__ import annotations

import html
import re
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
from edge.policy.notice.counts import read_counts
from edge.policy.notice.history import Version
from edge.policy.notice.publication import (
    PAGE_FILE,
    publication,
)
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.notices import facts, model, page, section, words_of, wrong_way_rule
from tests.support.sites import hotlist_rule, policy, texts

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
