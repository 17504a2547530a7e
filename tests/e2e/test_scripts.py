"""The programs beside the product do what their help says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.product import CLIPS, REPOSITORY, environment


def test_the_benchmark_tells_shares_of_one_run() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "bench.py", "--json", CLIPS / "twin_a.mp4"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["frames"], result["vehicles"]) == (36, 2)
    assert sum(result["share"].values()) == pytest.approx(1)
    assert 0.5 < result["floor_share"] < 1
    assert result["over_floor"] == pytest.approx(1 / result["floor_share"])


def test_the_benchmark_names_a_clip_that_is_not_there() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "bench.py", "gone.mp4"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "gone.mp4" in done.stderr
    assert "Traceback" not in done.stderr
