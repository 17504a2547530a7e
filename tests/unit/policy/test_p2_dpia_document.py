"""The DPIA's document: what it must hold, and what each lack is called."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from edge.policy.checklist import unready
from edge.policy.dpia_document import MAX_TEXT_BYTES, MIN_BYTES, MIN_WORDS, DpiaDocument, dpia_flaws
from edge.policy.gate import refusal
from edge.policy.model import Policy
from edge.texts import LANGUAGES
from tests.support.assessments import assessment
from tests.support.policies import NOON, facts, policy

GOOD = assessment("quiet")
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
ZIP = b"PK\x03\x04" + bytes(range(256)) * 40
CONFIG = Path(__file__).resolve().parents[3] / "config"


def pinned(content: bytes, *covers: str, real: bool = False) -> tuple[Policy, DpiaDocument]:
    """A policy that pins a document with this content."""
    document = DpiaDocument.of(io.BytesIO(content))
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    what = policy(lambda c: c["dpia"].update(sha256=document.sha256, covers=covers), real=real)
    return what, document


def faults(content: bytes, *covers: str) -> set[str]:
    return {flaw.fault for flaw in dpia_flaws(*pinned(content, *covers))}


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.upper(),
        GOOD.replace(b"error-margins", b"*error\nmargins*"),
        PDF,
        ZIP,
    ],
    ids=["text", "mark", "dos", "capitals", "wrapped", "pdf", "office"],
)
def test_p2_an_assessment_is_accepted_as_text_or_as_a_document(content: bytes) -> None:
    assert faults(content) == set()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {"dpia_short", "dpia_silent"}),
        (b"ok", {"dpia_short", "dpia_silent"}),
        (b"\n" * 20_000, {"dpia_short", "dpia_silent"}),
        (b"quiet excessive-monitoring error-margins permanent-lists", {"dpia_short"}),
        (b"word " * MIN_WORDS, {"dpia_silent"}),
        (b"0 " * 20_000, {"dpia_short", "dpia_silent"}),
        (GOOD.replace(b"quiet", b"quietly"), {"dpia_silent"}),
        (GOOD.replace(b"error-margins", b"errors"), {"dpia_silent"}),
        (PDF[: MIN_BYTES - 1], {"dpia_size"}),
        (ZIP[:100], {"dpia_size"}),
        (b"\x89PNG\r\n" + bytes(range(256)) * 80, {"dpia_format"}),
        (b"\xff" * 20_000, {"dpia_format"}),
        (GOOD + b" " * MAX_TEXT_BYTES, {"dpia_format"}),
    ],
)
def test_p2_a_document_that_is_no_assessment_is_refused(content: bytes, expected: set[str]) -> None:
    what, document = pinned(content)

    assert faults(content) == expected
    refused = unready(what, document)
    assert refused is not None
    assert refused.code == "E_DPIA"
    assert ";" in refused.message  # it says what helps
    for flaw in dpia_flaws(what, document):
        assert len({flaw.text(language) for language in LANGUAGES}) == len(LANGUAGES)


def test_p2_the_gate_stays_shut_with_a_dpia_of_two_bytes() -> None:
    what, document = pinned(b"ok", real=True)

    error = refusal(facts(what, dpia=document), NOON)

    assert error is not None
    assert error.code == "E_DPIA"


def test_p2_the_document_names_each_widening_that_it_covers() -> None:
    name = "rules.looked-for.reveal"

    assert faults(GOOD, name) == {"dpia_silent"}
    assert faults(assessment("quiet", name), name) == set()
    longer = assessment("quiet", "cameras.north.hours")
    assert faults(longer, "cameras.north") == {"dpia_silent"}


@pytest.mark.parametrize("name", ["car-free-zone", "demo", "school-street"])
def test_p2_the_examples_have_twice_the_words_that_are_asked(name: str) -> None:
    text = (CONFIG / name / "dpia.md").read_text(encoding="utf-8")

    assert len(text.split()) > 2 * MIN_WORDS
