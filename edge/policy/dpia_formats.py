"""PDF and office documents: whether they are what their first bytes say, and what they say."""

from __future__ import annotations

import html
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

MAX_BYTES = 64 * 1024 * 1024
"""A larger document is not opened."""

PDF, ZIP, OLD_OFFICE = b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How a PDF, an OpenDocument or Word file, and an old Word file begin."""

_MAX_XML_BYTES = 32 * 1024 * 1024
_MAX_OBJECTS = 1000
_MAX_OBJECT_BYTES = 1024 * 1024

_PDF_END = re.compile(rb"startxref\s+[0-9]+\s+%%EOF")
_PDF_PAGE = re.compile(rb"/Type\s*/Page\b")
_PDF_OBJECTS = re.compile(rb"/ObjStm\b[^\x00]{0,500}?\bstream\r?\n")
_OLD_WORD = "WordDocument".encode("utf-16-le")
_TEXT_PARTS = ("word/document.xml", "content.xml")
_NOT_READ = re.compile(
    r"<(w:delText|w:instrText|text:tracked-changes|office:annotation)\b[^<>]*(?<!/)>.*?</\1>",
    re.DOTALL,
)
"""Deleted text, the codes of fields, and notes in the margin."""
_NEW_LINE = re.compile(r"</[\w.-]+:(?:p|h)>|<[\w.-]+:(?:br|line-break)\b[^<>]*>")
_SPACE = re.compile(r"<[\w.-]+:(?:tab|s)\b[^<>]*>")
_TAG = re.compile(r"<[^<>]*>")

_UNREADABLE = (
    *(zipfile.BadZipFile, KeyError, ValueError, RuntimeError, EOFError, OSError),
    *(zlib.error, struct.error),
)
"""What `zipfile` raises for damaged, encrypted and unusual files."""


def is_whole(content: bytes) -> bool:
    """Whether a document holds what its format must hold.

    Args:
        content: begins with one of the marks above.
    """
    if len(content) > MAX_BYTES:
        return False
    if content.startswith(PDF):
        return _is_pdf(content)
    if content.startswith(ZIP):
        return _xml_of(content) is not None
    return _OLD_WORD in content


def text_of(content: bytes) -> str | None:
    """What a Word or OpenDocument text says, a paragraph per line; None for other documents."""
    told = _xml_of(content) if content.startswith(ZIP) and len(content) <= MAX_BYTES else None
    if told is None:
        return None
    told = " ".join(_NOT_READ.sub("", told).split())  # XML may break its lines anywhere
    return html.unescape(_TAG.sub("", _SPACE.sub(" ", _NEW_LINE.sub("\n", told))))


def _xml_of(content: bytes) -> str | None:
    """The XML of the text. No parser reads it, so none of its own entities is ever expanded."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            part = next(iter(set(_TEXT_PARTS) & set(archive.namelist())), None)
            if part is None or archive.getinfo(part).file_size > _MAX_XML_BYTES:
                return None
            with archive.open(part) as stream:
                return stream.read(_MAX_XML_BYTES).decode("utf-8-sig")
    except _UNREADABLE:
        return None


def _is_pdf(content: bytes) -> bool:
    """Whether it has an end, a page, and something on it."""
    return (
        _PDF_END.search(content[-1024:]) is not None
        and b"endstream" in content
        and any(_PDF_PAGE.search(part) is not None for part in (content, *_objects(content)))
    )


def _objects(content: bytes) -> Iterator[bytes]:
    """The objects that newer PDFs compress, each stream up to a limit."""
    view = memoryview(content)
    for number, found in enumerate(_PDF_OBJECTS.finditer(content)):
        if number == _MAX_OBJECTS:
            return
        try:
            packed = view[found.end() : found.end() + _MAX_OBJECT_BYTES]
            yield zlib.decompressobj().decompress(packed, _MAX_OBJECT_BYTES)
        except zlib.error:
            continue
