"""Tests of the tests that run again: a real pytest in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.second_run import MOST, last_failed, may_run_again, second_run

ALONE = """
from pathlib import Path

def test_passes_when_it_runs_again():
    once = Path(__file__).with_suffix(".ran")
    ran, _ = once.exists(), once.touch()
    assert ran
"""
NEVER = "def test_always_fails():\n    assert False\n"


@pytest.mark.parametrize(
    ("failed", "may"),
    [
        ([], False),
        (["tests/e2e/test_a.py::test_a"], True),
        (["tests/integration/test_a.py::test_a[1]", "tests/e2e/test_a.py::test_a"], True),
        (["tests/unit/test_a.py::test_a"], False),
        (["tests/e2e/test_a.py::test_a", "tests/unit/test_a.py::test_a"], False),
        ([f"tests/e2e/test_a.py::test_{number}" for number in range(MOST)], True),
        ([f"tests/e2e/test_a.py::test_{number}" for number in range(MOST + 1)], False),
    ],
)
def test_only_a_few_tests_that_wait_may_run_again(failed: list[str], may: bool) -> None:
    assert may_run_again(failed) is may


def first_run(root: Path, **files: str) -> None:
    folder = root / "tests/e2e"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--cache-clear", "-n2"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout


def test_a_test_that_passes_alone_is_named_and_passes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first_run(tmp_path, alone=ALONE)

    assert second_run(tmp_path) == 0
    assert "mend it all the same" in capfd.readouterr().out


def test_a_test_that_fails_again_fails_the_run(tmp_path: Path) -> None:
    first_run(tmp_path, alone=ALONE, never=NEVER)

    assert second_run(tmp_path) == 1
    assert last_failed(tmp_path) == ["tests/e2e/test_never.py::test_always_fails"]


def test_without_a_kept_failure_the_run_stays_failed(tmp_path: Path) -> None:
    assert second_run(tmp_path) == 1


def test_a_file_that_cannot_be_imported_fails_the_run(tmp_path: Path) -> None:
    kept = tmp_path / ".pytest_cache/v/cache/lastfailed"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"tests/unit/test_broken.py": True}), encoding="utf-8")

    assert second_run(tmp_path) == 1
