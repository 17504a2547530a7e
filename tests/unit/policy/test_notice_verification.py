"""The same policy makes the same notice, and any change of a notice fails verification."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import PolicyError
from edge.policy.model import ROLES
from edge.policy.notice.publication import (
    BOARD_FILE,
    PAGE_FILE,
    notice_content,
    publication,
    require_genuine,
)
from edge.policy.notice.words import Words
from edge.texts import LANGUAGES, Language
from tests.support.notices import facts, model, page, words_of
from tests.support.product import REPOSITORY, environment

SECTIONS = (
    "brief", "why", "rules", "records", "retention", "where", "who", "legal", "lists", "accuracy",
    "alternatives", "dpia", "counts", "dates", "history", "rights", "proof",
)  # fmt: skip

WORD = re.compile(r">[^<>]*?\b([^\W\d_]{4,})\b[^<>]*<")


def test_p14_the_same_policy_makes_the_same_bytes_in_every_process() -> None:
    program = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]);"
        "from edge.policy.notice.publication import publication;"
        "from tests.support.notices import facts;"
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
    text = page()
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
    text = page()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[at]))

    with pytest.raises(PolicyError) as refused:
        require_genuine(text[:at] + other + text[at + 1 :], "page.html", shown)

    assert refused.value.code == "E_NOTICE"


@pytest.mark.parametrize("added", ["", "<p>More</p>", "<!-- -->", " "])
def test_p14_text_removed_or_added_at_the_end_fails_verification(added: str) -> None:
    shown = facts()
    text = page()

    with pytest.raises(PolicyError, match="differs from the policy"):
        require_genuine(text + added if added else text[:-10], "page.html", shown)


def test_p14_a_page_of_another_version_is_distinguished_from_an_altered_one() -> None:
    with pytest.raises(PolicyError, match=r"of another policy, version 1, and not of version 2"):
        require_genuine(page(), "page.html", facts(model(version=2)))


def test_p14_a_page_of_another_release_is_distinguished_from_an_altered_one() -> None:
    other = notice_content(model(), frozenset(ROLES), made_by="9.9")

    with pytest.raises(PolicyError, match=r"made by edge-anpr 9\.9, but this is 1\.2\.3"):
        require_genuine(page(other), "page.html", facts())


def test_p14_a_draft_is_marked_in_every_language_and_never_verifies() -> None:
    draft = facts(draft=True)
    files = publication(draft)

    for language in LANGUAGES:
        words = Words(language)
        assert words("banner.draft") in words_of(files[PAGE_FILE])
        assert words("board.draft") in files[BOARD_FILE.format(language=language)]
    with pytest.raises(PolicyError, match="a draft, which is not signed"):
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
