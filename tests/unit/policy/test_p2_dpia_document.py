"""The DPIA's document: what it must hold, and what each lack is called."""

from __future__ import annotations

import hashlib
import html
import io
import zipfile
import zlib
from collections.abc import Callable
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


def word(text: bytes) -> bytes:
    """A Word file with this text, its words cut into runs as Word does after a correction."""
    runs = (
        "".join(f"<w:r><w:t>{html.escape(part)}</w:t></w:r>" for part in (line[:3], line[3:]))
        for line in text.decode().splitlines()
    )
    return office("word/document.xml", "\n".join(f"<w:p>{line}</w:p>" for line in runs))


def odt(text: bytes) -> bytes:
    """An OpenDocument text with this text."""
    lines = (html.escape(line) for line in text.decode().splitlines())
    return office("content.xml", "".join(f"<text:p>{line}<text:s/></text:p>" for line in lines))


def plain(text: bytes) -> bytes:
    return text


READ = {"text": plain, "word": word, "odt": odt}
"""The formats whose text is read, and held to the same rules."""
WORD, ODT = word(GOOD), odt(GOOD)
SCAN = b"%PDF-1.4\n1 0 obj<</Type /Page>>stream\nBT (x) Tj\nendstream\n" + b"A" * 9000 + END
NONSENSE = b"aap " * 250
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
        (b"word " * MIN_WORDS, {"dpia_repeats", "dpia_sentences", "dpia_silent"}),
        (b"0 " * 20_000, {"dpia_short", "dpia_silent"}),
        (GOOD.replace(b"quiet", b"quietly"), {"dpia_silent"}),
        (GOOD.replace(b"error-margins", b"errors"), {"dpia_silent"}),
        (PDF[: MIN_BYTES - 1], {"dpia_size"}),
        (ODT[: MIN_BYTES - 1], {"dpia_size"}),
        (b"%PDF-1.7\n" + NOISE, {"dpia_damaged"}),
        (PDF.replace(b"%%EOF", b""), {"dpia_damaged"}),
        (PDF.replace(b"/Page", b"/Pages"), {"dpia_damaged"}),
        (PDF.replace(b"endstream", b""), {"dpia_damaged"}),
        (NEW_PDF.replace(zlib.compress(b"3 0 " + PAGE), NOISE), {"dpia_damaged"}),
        (b"PK\x03\x04" + NOISE, {"dpia_damaged"}),
        (WORD[:-9], {"dpia_damaged"}),
        (office("word/other.xml", "risk " * MIN_WORDS), {"dpia_damaged"}),
        (office("content.xml", " " * (33 << 20)), {"dpia_damaged"}),
        (OLD, {"dpia_damaged"}),
        (GOOD + b"TODO: nog te schrijven.", {"dpia_unfinished"}),
        (GOOD + b"TBC by the officer.", {"dpia_unfinished"}),
        (GOOD + b"The controller is {{controller}}.", {"dpia_unfinished"}),
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


UNFIT: dict[str, tuple[bytes, set[str]]] = {
    "nothing": (b"", {"dpia_short", "dpia_silent"}),
    "a word again and again": (NONSENSE, {"dpia_repeats", "dpia_sentences", "dpia_silent"}),
    "and the names": (
        NONSENSE + GOOD[GOOD.index(b"The names that") :],
        {"dpia_repeats", "dpia_sentences"},
    ),
    "a sentence again and again": (
        b"The camera films the street for the quiet of all who live there.\n" * 40,
        {"dpia_repeats", "dpia_silent"},
    ),
    "words in alphabetical order": (
        b" ".join(sorted(set(GOOD.replace(b".", b"").replace(b":", b"").split()))) * 2,
        {"dpia_sentences"},
    ),
    "still to write": (GOOD + b"TODO lorem ipsum", {"dpia_unfinished"}),
    "still to write, and nothing else": (
        b"TODO lorem ipsum " + NONSENSE,
        {"dpia_repeats", "dpia_sentences", "dpia_silent", "dpia_unfinished"},
    ),
    "unseen": (GOOD + "a\u200bb".encode(), {"dpia_unseen"}),
    "a purpose unnamed": (GOOD.replace(b"quiet", b"quietly"), {"dpia_silent"}),
    "a risk unnamed": (GOOD.replace(b"error-margins", b"errors"), {"dpia_silent"}),
}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("name", UNFIT)
def test_p2_each_readable_format_is_held_to_the_same_rules(name: str, kind: str) -> None:
    text, expected = UNFIT[name]

    assert {one for one in faults(READ[kind](text)) if one != "dpia_silent"} == (
        expected - {"dpia_silent"}
    )
    if "dpia_silent" in expected:
        assert "dpia_silent" in faults(READ[kind](text))


@pytest.mark.parametrize("made", READ.values(), ids=READ)
def test_p2_a_widening_is_named_in_each_readable_format(made: Callable[[bytes], bytes]) -> None:
    name = "rules.looked-for.reveal"

    assert faults(made(GOOD), name) == {"dpia_silent"}
    assert faults(made(assessment("quiet", name)), name) == set()


@pytest.mark.parametrize(
    "content",
    [PDF, NEW_PDF, SCAN, OLD + "WordDocument".encode("utf-16-le")],
    ids=["pdf", "new pdf", "an empty page", "doc"],
)
def test_p2_a_widening_needs_a_document_that_can_be_read(content: bytes) -> None:
    what, document = pinned(content, "rules.looked-for.reveal")

    refused = unready(what, document)
    assert refused is not None
    assert refused.code == "E_DPIA"
    assert "save the same DPIA as .docx, .odt or text" in refused.message
    assert {flaw.fault for flaw in dpia_flaws(what, document)} == {"dpia_unread"}


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        ("word/document.xml", '<w:delText xml:space="preserve">{}</w:delText>'),
        ("word/document.xml", "<w:instrText>{}</w:instrText>"),
        ("content.xml", '<text:tracked-changes a="b/c"><text:p>{}</text:p></text:tracked-changes>'),
        ("content.xml", "<office:annotation><text:p>{}</text:p></office:annotation>"),
    ],
)
def test_p2_deleted_text_and_notes_in_the_margin_are_no_assessment(
    part: str, left_out: str
) -> None:
    name = "rules.looked-for.reveal"
    kept = GOOD.decode().replace("\n", "</w:p><w:p>")

    assert faults(office(part, kept + left_out.format(name)), name) == {"dpia_silent"}
    assert faults(office(part, kept + f"<w:p>{name}</w:p>"), name) == set()


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
