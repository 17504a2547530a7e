"""The DPIA's document: the file that a policy pins, and the least that it must hold.

Whether an assessment is good cannot be judged here. That it is one can: it is long enough to say
something, in different words and in sentences, and it names each purpose, each risk and each
widening that the policy says it covers. A text, a Word and an OpenDocument text are read. A PDF or
an old Word file is not: it counts for the first version of a policy, and for no widening.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from edge.formats.problems import Location
from edge.formats.visible import code_point, unseen_at
from edge.policy import dpia_formats
from edge.policy.duties import Flaw
from edge.policy.model import Policy
from edge.policy.placeholders import STILL_TO_WRITE

MIN_WORDS = 200
"""Fewest words of a DPIA in text. The summaries of the example sites have twice as many."""

MIN_DIFFERENT_WORDS = 100
"""Fewest different words of a DPIA. Of the first 200 words of the examples 123 are different."""

MIN_SENTENCES = 10
"""Fewest sentences of a DPIA, or lines of its lists and tables."""

MIN_BYTES = 8 * 1024
"""Smallest size of a PDF or old Word file. One with a page of text is larger."""

MAX_TEXT_BYTES = 1024 * 1024
"""A larger file is not read as text."""

_OTHER_FORMATS = (dpia_formats.PDF, dpia_formats.ZIP, dpia_formats.OLD_OFFICE)

_SPACING = re.compile(r"[\s_-]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SENTENCE_END = re.compile(r"[.!?:;\n]+")
_WORDS_OF_A_SENTENCE = 4
_STILL_TO_WRITE = re.compile(STILL_TO_WRITE + r"|\{\{|\}\}|\$\{")


@dataclass(frozen=True, slots=True)
class DpiaDocument:
    """A DPIA's file.

    Attributes:
        sha256: hex digest of the whole file.
        size: bytes.
        text: what it says; None for a PDF, an old Word file and whatever cannot be read.
        readable: whether it is a text or in one of these formats.
        whole: whether it holds what its format must hold.
    """

    sha256: str
    size: int
    text: str | None
    readable: bool
    whole: bool = True

    @classmethod
    def of(cls, stream: BinaryIO) -> DpiaDocument:
        """The document that a stream holds.

        Raises:
            OSError: it cannot be read.
        """
        digest, size, start = hashlib.sha256(), 0, bytearray()
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
            other = start.startswith(_OTHER_FORMATS)
            if len(start) <= (dpia_formats.MAX_BYTES if other else MAX_TEXT_BYTES):
                start += block
        content = bytes(start)
        if content.startswith(_OTHER_FORMATS):
            whole, said = dpia_formats.is_whole(content), dpia_formats.text_of(content)
            return cls(digest.hexdigest(), size, said, readable=True, whole=whole)
        text = None if size > MAX_TEXT_BYTES else _text(content)
        return cls(digest.hexdigest(), size, text, text is not None)


def dpia_flaws(policy: Policy, document: DpiaDocument | None) -> Iterator[Flaw]:
    """Whether the document is the one that the policy pins, and what it lacks.

    Args:
        policy: holds the expected digest and what the document must name.
        document: None if the file is not there or cannot be read.
    """
    at: Location = ("dpia", "file")
    if document is None:
        yield Flaw(at, "dpia_file")
        return
    if document.sha256 != policy.dpia.sha256:
        yield Flaw(("dpia", "sha256"), "dpia_hash", {"sha256": document.sha256})
        return
    if not document.readable:
        yield Flaw(at, "dpia_format")
    elif document.text is None:
        if document.size < MIN_BYTES:
            values = {"bytes": str(document.size), "least": str(MIN_BYTES)}
            yield Flaw(at, "dpia_size", values)
        elif not document.whole:
            yield Flaw(at, "dpia_damaged")
        elif policy.dpia.covers:
            yield Flaw(at, "dpia_unread")
    else:
        yield from _unfit(document.text)
        names = dict(_names(policy))
        silent = _unnamed(document.text, tuple(names.values()))
        for location, name in names.items():
            if name in silent:
                yield Flaw(location, "dpia_silent", {"name": name})


@lru_cache(maxsize=4)
def _unfit(text: str) -> tuple[Flaw, ...]:
    """What a text lacks whatever the policy says. The gate asks every second."""
    return (*_short(text), *_unwritten(text))


def _short(text: str) -> Iterator[Flaw]:
    """Too few words, the same words again and again, or no sentences."""
    at: Location = ("dpia", "file")
    words = [word.casefold() for word in _WORD.findall(text)]
    if len(words) < MIN_WORDS:
        yield Flaw(at, "dpia_short", {"words": str(len(words)), "least": str(MIN_WORDS)})
        return
    different = len(set(words))
    if different < MIN_DIFFERENT_WORDS:
        values = {"words": str(different), "least": str(MIN_DIFFERENT_WORDS)}
        yield Flaw(at, "dpia_repeats", values)
    sentences = sum(
        len(set(_WORD.findall(one))) >= _WORDS_OF_A_SENTENCE for one in _SENTENCE_END.split(text)
    )
    if sentences < MIN_SENTENCES:
        values = {"sentences": str(sentences), "least": str(MIN_SENTENCES)}
        yield Flaw(at, "dpia_sentences", values)


def _unwritten(text: str) -> Iterator[Flaw]:
    """Characters that cannot be seen, and places that are still to be written."""
    at: Location = ("dpia", "file")
    position = unseen_at(text)
    if position is not None:
        values = {"code": code_point(text[position]), "line": _line(text, position)}
        yield Flaw(at, "dpia_unseen", values)
    blanks = list(_STILL_TO_WRITE.finditer(text))
    if blanks:
        values = {"count": str(len(blanks)), "line": _line(text, blanks[0].start())}
        yield Flaw(at, "dpia_unfinished", values)


def _line(text: str, position: int) -> str:
    return str(text.count("\n", 0, position) + 1)


@lru_cache(maxsize=4)
def _unnamed(text: str, names: tuple[str, ...]) -> frozenset[str]:
    """The names that a text does not hold. The gate asks every second."""
    said = _spaced(text)
    return frozenset(
        name
        for name in names
        if not re.search(rf"(?<!\w){re.escape(_spaced(name))}(?!\w|\.\w)", said)
    )


def _names(policy: Policy) -> Iterator[tuple[Location, str]]:
    """What the document must name: purposes, risks and the widenings that it covers."""
    dpia = policy.dpia
    yield from ((("dpia", "purposes", index), one) for index, one in enumerate(dpia.purposes))
    yield from ((("dpia", "risks", index), one.risk) for index, one in enumerate(dpia.risks))
    yield from ((("dpia", "covers", index), one) for index, one in enumerate(dpia.covers))


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _spaced(text: str) -> str:
    """The text in small letters; spaces, line ends, hyphens and underscores count alike."""
    return _SPACING.sub(" ", text).casefold()
