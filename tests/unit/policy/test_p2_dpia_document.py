"""The DPIA's document: what it must hold, and what each lack is called."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
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
NOISE = bytes(range(256)) * 40
BODY = b"1 0 obj <</Length 10240>> stream\n" + NOISE + b"\nendstream endobj\n"
PAGE = b"<</Type /Page /Contents 1 0 R>>"
END = b"startxref\n9\n%%EOF\n"
PDF = b"%PDF-1.7\n" + BODY + b"2 0 obj " + PAGE + b" endobj\n" + END
PACKED = b"2 0 obj <</Type/ObjStm/N 1/First 4/Filter/FlateDecode>> stream\r\n"
NEW_PDF = b"%PDF-1.7\n" + BODY + PACKED + zlib.compress(b"3 0 " + PAGE) + b"\nendstream\n" + END


def office(part: str, text: str, *, size: int = MIN_BYTES) -> bytes:
    """A Word or OpenDocument file with this text in a part."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("media/picture", NOISE[:size])
        archive.writestr(part, text)
    return made.getvalue()


WORD = office("word/document.xml", "<w:p><w:t>ri</w:t><w:t>sk</w:t></w:p>" * MIN_WORDS)
ODT = office("content.xml", "<text:p>risk</text:p>" * MIN_WORDS)
SHORT_WORD = office("word/document.xml", "<w:p><w:t>ri</w:t><w:t>sk</w:t></w:p>" * (MIN_WORDS - 1))
OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + NOISE
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
        NEW_PDF,
        WORD,
        ODT,
        OLD + "WordDocument".encode("utf-16-le"),
    ],
    ids=["text", "mark", "dos", "capitals", "wrapped", "pdf", "new pdf", "word", "odt", "doc"],
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
        (office("content.xml", "risk " * MIN_WORDS, size=9)[:1000], {"dpia_size"}),
        (b"%PDF-1.7\n" + NOISE, {"dpia_damaged"}),
        (PDF.replace(b"%%EOF", b""), {"dpia_damaged"}),
        (PDF.replace(b"/Page", b"/Pages"), {"dpia_damaged"}),
        (PDF.replace(b"endstream", b""), {"dpia_damaged"}),
        (NEW_PDF.replace(zlib.compress(b"3 0 " + PAGE), NOISE), {"dpia_damaged"}),
        (b"PK\x03\x04" + NOISE, {"dpia_damaged"}),
        (WORD[:-9], {"dpia_damaged"}),
        (office("word/other.xml", "risk " * MIN_WORDS), {"dpia_damaged"}),
        (office("content.xml", " " * (33 << 20)), {"dpia_damaged"}),
        (SHORT_WORD, {"dpia_short"}),
        (OLD, {"dpia_damaged"}),
        (GOOD + b"TODO: nog te schrijven.", {"dpia_unfinished"}),
        (GOOD + b"Lorem ipsum dolor", {"dpia_unfinished"}),
        (GOOD + "\u202e".encode(), {"dpia_unseen"}),
        (GOOD + "FIXME \u200b".encode(), {"dpia_unfinished", "dpia_unseen"}),
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


def test_p2_what_is_unseen_or_still_to_be_written_is_told_with_its_line() -> None:
    line = str(GOOD.count(b"\n") + 1)
    found = {
        flaw.fault: flaw.values
        for flaw in dpia_flaws(*pinned(GOOD + "TBD \u202e lorem ipsum".encode()))
    }

    assert found == {
        "dpia_unseen": {"code": "U+202E RIGHT-TO-LEFT OVERRIDE", "line": line},
        "dpia_unfinished": {"count": "2", "line": line},
    }


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
