"""The public notice: what it says, in four languages, and that nobody can alter it unseen."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError, PolicyError
from edge.policy.fields import WeeklySchedule
from edge.policy.model import ROLES, Policy, PolicyCamera
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.counts import read_counts
from edge.policy.notice.drawings import maps
from edge.policy.notice.publication import (
    BOARD_FILE,
    PAGE_FILE,
    notice_content,
    publication,
    require_genuine,
)
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.product import REPOSITORY, environment
from tests.support.sites import hotlist_rule, policy

SECTIONS = (
    "brief", "why", "rules", "records", "retention", "where", "who", "legal", "lists", "accuracy",
    "alternatives", "dpia", "counts", "dates", "history", "rights", "proof",
)  # fmt: skip
WORD = re.compile(r">[^<>]*?\b([^\W\d_]{4,})\b[^<>]*<")


def model(**changed: Any) -> Policy:
    return Policy.model_validate({**policy(), **changed})


def facts(whole: Policy | None = None, **changed: Any) -> NoticeContent:
    return notice_content(
        whole if whole is not None else model(), frozenset(ROLES), made_by="1.2.3", **changed
    )


def page(shown: NoticeContent | None = None) -> str:
    return publication(shown if shown is not None else facts())[PAGE_FILE]


def section(text: str, language: str, name: str) -> str:
    start = text.index(f'<section id="{language}-{name}"')
    return text[start : text.index("</section>", start)]


def words_of(markup: str) -> str:
    return html.unescape(re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", markup)))


# --- four languages ---------------------------------------------------------------------------


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


# --- what it says -----------------------------------------------------------------------------


def test_p14_the_page_names_the_controller_and_the_other_responsible_parties() -> None:
    whole = model(
        joint_controllers=[
            {"name": "Zone", "contact": "zone@test.example", "agreement": "Arrangement 7"}
        ],
        processors=[
            {"name": "Fitter", "contact": "fit@test.example", "task": "Mounts", "agreement": "C 9"}
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
    assert "no longer period than 720 hours (30 days)" in told
    assert "15 minutes; then its key is destroyed" in told


def test_the_page_gives_the_accuracy_with_its_interval() -> None:
    accuracy = {"date": "2025-10-13", "method": "Clips", "vehicles": 1250, "exact": 1200,
                "interval": [0.947, 0.97]}  # fmt: skip
    told = words_of(section(page(facts(model(accuracy=accuracy))), "nl", "accuracy")).replace(
        "\N{NO-BREAK SPACE}", " "
    )

    assert "Van 1 250 voertuigen werden er 1 200 zonder één fout gelezen: 96 %." in told
    assert "tussen 94,7 % en 97 %" in told
    assert "tot 53 verkeerd" in told


@pytest.mark.parametrize(
    ("reveal", "says", "says_not"),
    [
        ("plate", "the number plate alone", "people in it"),
        ("vehicle", "its windows covered", "people in it"),
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
    assert ("who sits in a vehicle" in told) is (reveal != "occupants")


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


# --- counts -----------------------------------------------------------------------------------


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


# --- history ----------------------------------------------------------------------------------


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


def test_without_earlier_versions_the_page_does_not_claim_a_first_version() -> None:
    told = words_of(section(page(facts(model(version=4))), "en", "history"))

    assert "Version 4" in told
    assert "Earlier versions are not listed here." in told
    assert "First version" not in told


# --- nothing else gets in ---------------------------------------------------------------------


def test_the_page_contains_no_key_file_or_signer() -> None:
    whole = model()
    text = "".join(publication(facts(whole)).values())

    for _, _, holder in whole.key_holders():
        assert holder.key not in text
    for hidden in ("ed25519", "public.json", "lists/", "dpia.md", "mayor", "chief"):
        assert hidden not in text


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip()))
def test_texts_of_a_policy_are_escaped(said: str) -> None:
    marked = f"<script>x</script>\"'<img src=//test.example/{said}"
    whole = model(controller={"name": marked, "contact": marked})

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


# --- the same policy, the same bytes; any other bytes are found -------------------------------


def test_p14_the_same_policy_makes_the_same_bytes_in_every_process() -> None:
    program = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]);"
        "from tests.unit.policy.test_notice import facts, publication;"
        "print(hashlib.sha256(''.join(publication(facts()).values()).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, REPOSITORY],
            env=environment({"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("0", "UTC"), ("7", "Asia/Tokyo"))
    }

    assert len(digests) == 1


def test_p14_an_unchanged_notice_verifies() -> None:
    shown = facts()
    for name, text in publication(shown).items():
        assert require_genuine(text, name, shown) == name


@pytest.mark.parametrize("language", LANGUAGES)
def test_p14_a_changed_word_fails_verification_and_its_section_is_named(
    language: Language,
) -> None:
    shown = facts()
    text = page(shown)
    for name in SECTIONS:
        start = text.index(f'<section id="{language}-{name}"')
        word = WORD.search(text, start)
        assert word is not None
        altered = f"{text[: word.start(1)]}xyzzy{text[word.end(1) :]}"
        with pytest.raises(PolicyError) as refused:
            require_genuine(altered, "page.html", shown)
        assert refused.value.code == "E_NOTICE"
        assert f"section {language}-{name}" in refused.value.message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_p14_any_changed_character_fails_verification(data: st.DataObject) -> None:
    shown = facts()
    text = page(shown)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[at]))

    with pytest.raises(PolicyError) as refused:
        require_genuine(text[:at] + other + text[at + 1 :], "page.html", shown)

    assert refused.value.code == "E_NOTICE"


@pytest.mark.parametrize("added", ["", "<p>More</p>", "<!-- -->", " "])
def test_p14_text_removed_or_added_at_the_end_fails_verification(added: str) -> None:
    shown = facts()
    text = page(shown)

    with pytest.raises(PolicyError, match="not what the policy"):
        require_genuine(text + added if added else text[:-10], "page.html", shown)


def test_p14_a_page_of_another_version_is_distinguished_from_an_altered_one() -> None:
    with pytest.raises(PolicyError, match=r"of another policy, version 1, and not of version 2"):
        require_genuine(page(), "page.html", facts(model(version=2)))


def test_p14_a_page_of_another_release_is_distinguished_from_an_altered_one() -> None:
    other = notice_content(model(), frozenset(ROLES), made_by="9.9")

    with pytest.raises(PolicyError, match=r"made by edge-anpr 9\.9, and this is 1\.2\.3"):
        require_genuine(page(other), "page.html", facts())


def test_p14_a_draft_is_marked_in_every_language_and_never_verifies() -> None:
    draft = facts(draft=True)
    files = publication(draft)

    for language in LANGUAGES:
        words = Words(language)
        assert words("banner.draft") in words_of(files[PAGE_FILE])
        assert words("board.draft") in files[BOARD_FILE.format(language=language)]
    with pytest.raises(PolicyError, match="a draft, which nobody has signed"):
        require_genuine(files[PAGE_FILE], "page.html", facts())


def test_an_invalid_notice_is_refused() -> None:
    for content in ("", "hello", "<html></html>", "\0" * 50):
        with pytest.raises(PolicyError) as refused:
            require_genuine(content, "page.html", facts())
        assert refused.value.code == "E_NOTICE"


def test_demo_keys_are_stated_in_every_language_and_on_every_sign() -> None:
    files = publication(facts())
    for language in LANGUAGES:
        assert Words(language)("banner.demo") in words_of(files[PAGE_FILE])
        assert Words(language)("board.demo") in files[BOARD_FILE.format(language=language)]


# --- signs ------------------------------------------------------------------------------------


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
    whole = model(controller={"name": "Town " * 30, "contact": contact})

    svg = publication(facts(whole))[BOARD_FILE.format(language="nl")]
    drawing = ET.fromstring(svg)  # noqa: S314 - this product has just written it
    told = " ".join(" ".join(drawing.itertext()).split())

    assert contact.strip() in told
    bottoms = [float(one.attrib["y"]) for one in drawing.iter() if "y" in one.attrib]
    assert max(bottoms) <= 400


# --- drawings and words -----------------------------------------------------------------------


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
