"""Every byte on disk and on the wire is as tests/vectors has it; see its README before a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.vectors import __main__ as program
from tests.unit.vectors.cast import COMPUTED, VECTORS
from tests.unit.vectors.documents import EVENTS_OF_EACH_KIND
from tests.unit.vectors.product import CODES, EVENTS, KeyInUse
from tests.unit.vectors.sets import SETS, SUMS, make, sums


@pytest.mark.parametrize("name", SETS)
def test_the_product_writes_the_bytes_of_the_vectors(name: str, tmp_path: Path) -> None:
    made = make(name, tmp_path)
    missing = [file for file in made if not (COMPUTED / file).is_file()]
    changed = [
        file
        for file, content in made.items()
        if file not in missing and (COMPUTED / file).read_bytes() != content
    ]

    assert made
    assert (missing, changed) == ([], []), "read tests/vectors/README.md"


def test_each_vector_is_made_by_one_set(tmp_path: Path) -> None:
    there = {
        path.relative_to(COMPUTED).as_posix() for path in COMPUTED.rglob("*") if path.is_file()
    }
    names = [file for name in SETS for file in make(name, tmp_path / name)]

    assert len(set(names)) == len(names)
    assert there == set(names)


def test_each_vector_matches_its_checksum() -> None:
    assert SUMS.read_text(encoding="utf-8") == sums()


def test_the_vectors_hold_every_kind_of_event() -> None:
    assert {event.kind for event in EVENTS_OF_EACH_KIND} | {KeyInUse.kind} == set(EVENTS)


def test_the_vectors_hold_every_code() -> None:
    lines = (COMPUTED / "errors" / "codes.txt").read_text(encoding="utf-8").splitlines()

    assert [line.split()[0] for line in lines] == sorted(CODES)


@pytest.mark.parametrize("arguments", [[], ["--yes"], [program.FLAG, "x"]])
def test_the_vectors_are_rewritten_only_with_the_option(arguments: list[str]) -> None:
    before = SUMS.stat().st_mtime_ns

    with pytest.raises(SystemExit) as refused:
        program.main(arguments)

    assert "README" in str(refused.value)
    assert SUMS.stat().st_mtime_ns == before


def test_the_readme_names_the_command() -> None:
    assert f"python -m tests.unit.vectors {program.FLAG}" in Path(VECTORS / "README.md").read_text(
        encoding="utf-8"
    )
