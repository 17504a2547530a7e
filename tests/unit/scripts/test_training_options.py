"""Options of the training programs, and what they say when they cannot go on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.training import train_covers, train_detector, train_parser, train_reader
from scripts.training.command_line import checkpoint_of, run
from scripts.training.errors import DataError

Program = Callable[[list[str]], int]


@pytest.mark.parametrize(
    ("program", "needed", "option", "complaint"),
    [
        (train_reader.main, [], ["--steps", "0"], "--steps: 0: at least 1"),
        (train_reader.main, [], ["--rendered", "0"], "--rendered: 0: at least 1"),
        (train_covers.main, [], ["--rendered", "0"], "--rendered: 0: at least 1"),
        (train_covers.main, [], ["--batch", "-4"], "--batch: -4: at least 1"),
        (train_parser.main, ["--photos", "p"], ["--threads", "0"], "--threads: 0: at least 1"),
        (train_parser.main, ["--photos", "p"], ["--workers", "-1"], "--workers: -1: at least 0"),
        (
            train_detector.main,
            ["--plates", "p"],
            ["--size", "333"],
            "--size: 333: at least 64, a multiple of 32",
        ),
    ],
)
def test_a_number_that_cannot_work_is_refused_at_once(
    program: Program,
    needed: list[str],
    option: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    work = tmp_path / "work"

    with pytest.raises(SystemExit) as stopped:
        program(["--work", str(work), *needed, *option])

    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
    assert not work.exists()


def test_a_training_that_somebody_stops_says_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = argparse.Namespace(work=tmp_path / "work", out=None)

    def stopped(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run(stopped, given) == 130
    said = capsys.readouterr().err
    assert said.startswith("stopped; call it again with --work ")
    assert said.count("\n") == 1


def test_weights_cannot_be_written_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no checkpoint; train with this --work first"):
        checkpoint_of(tmp_path)

    (tmp_path / "last.pt").write_bytes(b"")
    assert checkpoint_of(tmp_path) == tmp_path / "last.pt"
