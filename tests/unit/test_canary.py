"""The canary sweep finds a planted leak in every encoding."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import urllib.parse
import zlib
from pathlib import Path

import pytest

from tests.support.canary import EMPTY, needles, sweep_bytes, sweep_tree

PLATE = "1ABC234"

PLANTED: dict[str, bytes] = {
    "a log line": b"INFO read 1ABC234 on cam-1",
    "as on the vehicle": b"plate: 1-ABC-234",
    "lower case": b"seen 1abc234.",
    "UTF-16": "x1ABC234y".encode("utf-16-le"),
    "hex": b"00" + PLATE.encode().hex().encode() + b"ff",
    "base64 at offset 0": base64.b64encode(b"1ABC234"),
    "base64 at offset 1": base64.b64encode(b"x1ABC234"),
    "base64 at offset 2": base64.b64encode(b"{'1ABC234': 1}"),
    "base64 of a longer text": base64.b64encode(b'{"plate": "1ABC234", "x": 1}'),
    "url-safe base64": base64.urlsafe_b64encode(b"??1ABC234>>"),
    "percent-encoded": urllib.parse.quote("1 ABC 234").encode(),
    "a list of characters": repr(list(PLATE)).encode(),
    "a JSON list": json.dumps(list(PLATE)).encode(),
    "a list of bytes": repr(list(PLATE.encode())).encode(),
    "reversed": b"432CBA1",
    "an unsalted SHA-256": hashlib.sha256(PLATE.encode()).hexdigest().encode(),
    "a raw unsalted SHA-1": hashlib.sha1(PLATE.encode(), usedforsecurity=False).digest(),
    "a gzip file": gzip.compress(b"vehicle 1ABC234 passed"),
    "a zlib stream": zlib.compress(b"vehicle 1ABC234 passed"),
}
COMPRESSED = {"a gzip file", "a zlib stream"}
"""Looked for at the beginning of a file only."""


@pytest.mark.parametrize("disguise", PLANTED)
def test_a_planted_leak_is_found(disguise: str, tmp_path: Path) -> None:
    (tmp_path / "some.bin").write_bytes(os.urandom(64) * (disguise[0] != "a") + PLANTED[disguise])
    if disguise in COMPRESSED:
        (tmp_path / "some.bin").write_bytes(PLANTED[disguise])
    assert sweep_tree([tmp_path], needles(PLATE))


@pytest.mark.parametrize("disguise", sorted(PLANTED.keys() - COMPRESSED))
def test_a_leak_between_megabytes_of_zeros_is_found(disguise: str) -> None:
    planted = bytes(1_000_000) + PLANTED[disguise] + bytes(1_000_000)
    assert list(sweep_bytes("database", planted, needles(PLATE)))


@pytest.mark.parametrize("codec", ["utf-32-le", "utf-32-be"])
def test_the_text_with_most_zeros_is_found_between_zeros(codec: str) -> None:
    planted = bytes(1000) + PLATE.encode(codec) + bytes(1000)
    assert codec in {leak.disguise for leak in sweep_bytes("x", planted, needles(PLATE))}


def test_zeros_that_the_sweep_skips_are_part_of_no_search_pattern() -> None:
    assert not any(EMPTY.search(needle) for needle in needles(PLATE))


def test_a_plate_in_a_file_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "crop_1ABC234.jpg").write_bytes(b"")
    assert [leak.place for leak in sweep_tree([tmp_path], needles(PLATE))] == [
        "name of crop_1ABC234.jpg"
    ]


def test_another_plate_and_random_bytes_are_not_reported(tmp_path: Path) -> None:
    (tmp_path / "other.log").write_text("read 2XYZ987, 1ABC23 and ABC234")
    (tmp_path / "random.bin").write_bytes(hashlib.shake_256(b"seed").digest(4_000_000))
    assert sweep_tree([tmp_path], needles(PLATE)) == []


def test_a_leak_names_its_place_and_encoding() -> None:
    leaks = list(sweep_bytes("broker", b"...1-ABC-234...", needles(PLATE)))
    assert [(leak.place, leak.disguise) for leak in leaks] == [("broker", "text")]
