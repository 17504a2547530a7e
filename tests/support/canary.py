"""The canary sweep: searches bytes for a plate, in every encoding that a leak is likely to have."""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# A shorter pattern occurs in random bytes by chance.
SHORTEST_NEEDLE = 6
EMPTY = re.compile(rb"\0{17,}")
"""Reserved space of a database. No needle has more than 16 zero bytes in a row."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Where a plate was found, and in which encoding."""

    place: str
    disguise: str


def spellings(plate: str) -> tuple[str, ...]:
    """Spellings of the plate: as on the vehicle, in lists, and in program output."""
    grouped = _grouped(plate)
    forms = {plate, plate.lower(), plate[::-1]}
    for separator in ("-", " ", ".", "_"):
        forms |= {separator.join(grouped), separator.join(grouped).lower()}
    # Separate characters, as the repr of a list or of slots shows them.
    forms |= {separator.join(plate) for separator in (",", ", ", " ", "', '", '","', '", "')}
    return tuple(sorted(forms))


def _grouped(plate: str) -> list[str]:
    """Runs of letters and of digits: 1ABC123 is 1, ABC, 123."""
    groups: list[str] = []
    for character in plate:
        if groups and groups[-1][-1].isdigit() == character.isdigit():
            groups[-1] += character
        else:
            groups.append(character)
    return groups


def needles(plate: str) -> dict[bytes, str]:
    """Every byte string that would reveal the plate, with the name of its encoding."""
    found: dict[bytes, str] = {}

    def add(needle: bytes, disguise: str) -> None:
        if len(needle) >= SHORTEST_NEEDLE:
            found.setdefault(needle, disguise)

    for text in spellings(plate):
        raw = text.encode()
        add(raw, "text")
        for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            add(text.encode(codec), codec)
        add(raw.hex().encode(), "hex")
        add(raw.hex().upper().encode(), "hex")
        add(urllib.parse.quote(text).encode(), "percent-encoding")
        add("".join(f"%{byte:02X}" for byte in raw).encode(), "percent-encoding")
        add("".join(f"\\u{ord(c):04x}" for c in text).encode(), "JSON escapes")
        add("".join(f"\\x{byte:02x}" for byte in raw).encode(), "escapes")
        add(", ".join(str(byte) for byte in raw).encode(), "list of bytes")
        add(",".join(str(byte) for byte in raw).encode(), "list of bytes")
        add(codecs.encode(text, "rot13").encode(), "rot13")
        add(base64.b32encode(raw).rstrip(b"="), "base32")
        add(base64.b85encode(raw), "base85")
        # Base64 of a plate within other bytes depends on its offset: three possibilities.
        for lead in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                coded = encode(b"\0" * lead + raw)
                skip, drop = (0, 2, 3)[lead], (0, 4, 3)[(lead + len(raw)) % 3]
                add(coded[skip : len(coded) - drop if drop else None], "base64")
    for text in (plate, plate.lower(), "-".join(_grouped(plate))):
        for algorithm in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b"):
            digest = hashlib.new(algorithm, text.encode()).digest()
            for form in (digest[:16], digest.hex()[:32].encode(), base64.b64encode(digest)[:20]):
                add(form, f"unsalted {algorithm}")
        add(f"{zlib.crc32(text.encode()):08x}".encode(), "crc32")
    return found


def sweep_bytes(place: str, data: bytes, wanted: dict[bytes, str]) -> Iterator[Leak]:
    """Leaks in these bytes, also where they hold a gzip or zlib stream."""
    for disguise in _found(data, wanted):
        yield Leak(place, disguise)
    for unpacked in _unpacked(data):
        for disguise in _found(unpacked, wanted):
            yield Leak(place, f"{disguise}, compressed")


def _found(data: bytes, wanted: dict[bytes, str]) -> Iterator[str]:
    shortened = EMPTY.sub(bytes(16), data)
    for needle, disguise in wanted.items():
        if needle in shortened:
            yield disguise


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            return
    elif data[:1] == b"\x78":
        try:
            yield zlib.decompress(data)
        except zlib.error:
            return


def sweep_tree(folders: Iterable[Path], wanted: dict[bytes, str]) -> list[Leak]:
    """Leaks in the names and contents of all files below the folders."""
    leaks: list[Leak] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = str(path.relative_to(folder))
            leaks += sweep_bytes(f"name of {relative}", relative.encode(), wanted)
            if path.is_file() and not path.is_symlink():
                leaks += sweep_bytes(relative, path.read_bytes(), wanted)
    return leaks
