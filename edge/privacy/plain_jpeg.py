"""Reads a whole baseline JPEG bit by bit, so that nothing but a picture can be in it.

Decoders skip what they do not need: a comment, a table that no colour uses, bytes behind the last
pixel. So a file that shows an empty road in every viewer can carry anything else. Here each byte
must have its place in the picture. It computes no pixels and needs no library, so that a signer's
machine can do it. The parts are those of ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_START, _END = b"\xff\xd8", b"\xff\xd9"
_JFIF, _FRAME, _SCAN = 0xE0, 0xC0, 0xDA
_QUANTISATION, _HUFFMAN, _RESTARTS = 0xDB, 0xC4, 0xDD
_APPLICATION_OR_COMMENT = frozenset({*range(0xE0, 0xF0), 0xFE})
_PLAIN_JFIF = re.compile(rb"JFIF\x00\x01[\x00-\x02]{2}.{4}\x00\x00", re.DOTALL)
"""The header that encoders write: version and density, and a thumbnail of 0 x 0 pixels."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_STRAY = re.compile(rb"\xff(?!\x00)")
_COLOURS = (1, 3)
_SAMPLINGS = frozenset({0x11, 0x12, 0x21, 0x22})
_WHOLE_SPECTRUM = b"\x00\x3f\x00"
"""What one scan of a baseline JPEG holds: all 64 coefficients of a block, in full precision."""
_SAMPLE_BITS = 8
_BLOCK, _COEFFICIENTS, _ZEROS, _CODE = 8, 64, 15, 16
"""Pixels a side, coefficients, the longest run of zeros in one code, the most bits of a code."""
_MOST_BITS_FIRST, _MOST_BITS_REST = 11, 10
"""Length of a coefficient, the first of a block and the others, with samples of eight bits."""

_Table = dict[str, int]
"""The value of each code, written with 0 and 1."""


class NotPlainError(Exception):
    """It is no whole baseline JPEG, or holds something else too; `metadata`: such as EXIF."""

    def __init__(self, *, metadata: bool = False) -> None:
        super().__init__()
        self.metadata = metadata


@dataclass(slots=True)
class _Header:
    """What the segments before the pixels say."""

    size: tuple[int, int] | None = None
    colours: tuple[tuple[int, int, int], ...] = ()
    """Of each colour its number, its sampling (two digits) and its quantisation table."""
    quantisations: set[int] = field(default_factory=set)
    codes: dict[int, _Table] = field(default_factory=dict)
    """By class and number: 0x00 and 0x01 of the first coefficient, 0x10 and 0x11 of the others."""
    restart_interval: int = 0


def plain_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels of a baseline JPEG in one scan with nothing beside the picture.

    Raises:
        NotPlainError: it is another file, is not whole, or holds anything else.
    """
    _require(jpeg.startswith(_START) and jpeg.endswith(_END))
    header, at = _Header(), len(_START)
    while True:
        kind, length = jpeg[at + 1 : at + 2], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        content = jpeg[at + 4 : at + 2 + length]
        _require(jpeg[at : at + 1] == b"\xff" and len(content) == length - 2)
        if kind[0] == _SCAN:
            break
        _read_segment(header, kind[0], content, first=at == len(_START))
        at += 2 + length
    if header.size is None:
        raise NotPlainError
    _read_pixels(header, header.size, content, jpeg[at + 2 + length : -len(_END)])
    return header.size


def _require(holds: bool) -> None:  # noqa: FBT001
    if not holds:
        raise NotPlainError


def _read_segment(header: _Header, kind: int, content: bytes, *, first: bool) -> None:
    if kind in _APPLICATION_OR_COMMENT:
        if not (kind == _JFIF and first and _PLAIN_JFIF.fullmatch(content)):
            raise NotPlainError(metadata=True)
    elif kind == _FRAME:
        _read_frame(header, content)
    elif kind == _QUANTISATION:
        for at in range(0, len(content), 1 + _COEFFICIENTS):
            number = content[at]  # of 8 bits: its upper half is 0
            _require(number not in header.quantisations and len(content) > at + _COEFFICIENTS)
            header.quantisations.add(number)
    elif kind == _HUFFMAN:
        _read_codes(header, content)
    else:
        _require(kind == _RESTARTS and len(content) == 2 and not header.restart_interval)
        header.restart_interval = int.from_bytes(content, "big")


def _read_frame(header: _Header, content: bytes) -> None:
    number = content[5] if len(content) > 5 else 0
    _require(header.size is None and number in _COLOURS and len(content) == 6 + 3 * number)
    _require(content[0] == _SAMPLE_BITS)
    header.size = int.from_bytes(content[3:5], "big"), int.from_bytes(content[1:3], "big")
    colours = content[6:]
    header.colours = tuple(zip(colours[::3], colours[1::3], colours[2::3], strict=True))
    _require(all(sampling in _SAMPLINGS for _, sampling, _ in header.colours))


def _read_codes(header: _Header, content: bytes) -> None:
    at = 0
    while at < len(content):
        name, counts = content[at], content[at + 1 : at + 1 + _CODE]
        at += 1 + _CODE
        values = iter(content[at : at + sum(counts)])
        _require(len(counts) == _CODE and name not in header.codes)
        _require(len(content) >= at + sum(counts))
        most_bits = _MOST_BITS_REST if name & 0x10 else _MOST_BITS_FIRST
        at += sum(counts)
        table: _Table = {}
        code = 0
        for bits, count in enumerate(counts, start=1):
            _require(code + count < 1 << bits)  # the code of ones alone is never used
            for _ in range(count):
                value = next(values)
                _require((value & 0x0F if name & 0x10 else value) <= most_bits)
                table[f"{code:0{bits}b}"] = value
                code += 1
            code <<= 1
        header.codes[name] = table


def _read_pixels(header: _Header, size: tuple[int, int], scan: bytes, data: bytes) -> None:
    """Read every block of the picture; each bit is part of one, or fills the last byte.

    `scan` is the header of the pixels, and `data` the pixels without the end of the file.
    """
    width, height = size
    number = len(header.colours)
    _require(len(scan) == 4 + 2 * number and scan[0] == number and scan[-3:] == _WHOLE_SPECTRUM)
    _require(scan[1:-3:2] == bytes(colour for colour, _, _ in header.colours))
    _require(header.quantisations == {table for _, _, table in header.colours})
    pairs = [(one >> 4, 0x10 | (one & 0x0F)) for one in scan[2:-3:2]]
    _require(header.codes.keys() == {name for pair in pairs for name in pair})
    across = max(sampling >> 4 for _, sampling, _ in header.colours)
    down = max(sampling & 0x0F for _, sampling, _ in header.colours)
    if number == 1:
        across = down = 1  # a single colour is not interleaved
    blocks = [
        (header.codes[first], header.codes[rest])
        for (first, rest), (_, sampling, _) in zip(pairs, header.colours, strict=True)
        for _ in range((sampling >> 4) * (sampling & 0x0F) if number > 1 else 1)
    ]
    units = -(-width // (_BLOCK * across)) * -(-height // (_BLOCK * down))
    interval = header.restart_interval or units
    parts = _RESTART.split(data)[::2]
    _require(units > 0 and len(parts) == -(-units // interval))
    marks = bytes(0xD0 + at % 8 for at in range(len(parts) - 1))
    _require(b"".join(_RESTART.findall(data)) == marks)
    for part in parts:
        _require(_STRAY.search(part) is None)
        bits = "".join(f"{byte:08b}" for byte in part.replace(b"\xff\x00", b"\xff"))
        at = 0
        for _ in range(min(interval, units)):
            for first, rest in blocks:
                at = _after_block(bits, at, first, rest)
        units -= interval
        _require(len(bits) - at < _BLOCK and "0" not in bits[at:])


def _after_block(bits: str, at: int, first: _Table, rest: _Table) -> int:
    """Where the next block begins."""
    value, at = _decoded(bits, at, first)
    at += value
    done = 1
    while done < _COEFFICIENTS:
        value, at = _decoded(bits, at, rest)
        zeros, length = value >> 4, value & 0x0F
        if length == 0 and zeros != _ZEROS:
            _require(zeros == 0)
            break
        at += length
        done += zeros + 1
    _require(done <= _COEFFICIENTS and at <= len(bits))
    return at


def _decoded(bits: str, at: int, table: _Table) -> tuple[int, int]:
    """The value of the next code, and where it ends."""
    for end in range(at + 1, at + 1 + _CODE):
        value = table.get(bits[at:end])
        if value is not None:
            return value, end
    raise NotPlainError
