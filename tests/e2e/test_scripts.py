"""The programs in scripts/ do what their help says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live_cameras import NEEDS_RTSP, has_rtsp_server
from tests.support.product import CLIPS, environment


def test_the_benchmark_prints_each_stages_share_of_one_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.bench", "--json", CLIPS / "twin_a.mp4"],
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


def figures(*arguments: str | Path) -> dict[str, dict[str, float]]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.bench", *arguments, "--json"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    # No limit on the speed: the program measures it, and a test cannot.
    assert done.returncode in {0, 1}, done.stderr
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    return result


def test_the_road_benchmark_prints_cpu_time_and_decoding_figures() -> None:
    result = figures("road", "--seconds", "1")
    assert set(result) == {
        "empty", "standing", "live", "standing_live", "skipping", "skipping_with_b_frames"
    }  # fmt: skip
    empty = result["empty"]
    assert empty["frames"] > 10
    assert empty["looks_share"] < 0.8
    assert empty["share"] == pytest.approx(empty["after_ms"] / empty["after_every_frame_ms"])
    assert empty["over_floor"] > 1
    for live in (result["live"], result["standing_live"]):
        assert 0 < live["codec_ms"] < live["after_every_frame_ms"]
    assert result["skipping"]["frames_left_share"] == 1
    assert 0 < result["skipping_with_b_frames"]["frames_left_share"] < 1


def test_the_road_benchmark_accepts_a_recording() -> None:
    result = figures("road", "--clip", CLIPS / "twin_a.mp4")
    assert set(result) == {"clip", "live", "skipping"}
    assert 0.1 < result["clip"]["looks_share"] < 1  # a car is always in view, and soon known


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_the_start_benchmark_prints_the_time_to_the_first_analysed_frame() -> None:
    result = figures("start", "--times", "1")
    assert set(result) == {"recorded", "live", "parts"}
    for name in ("recorded", "live"):
        assert 0 < result[name]["ready_median_s"] < result[name]["median_s"]
        assert result[name]["median_s"] == result[name]["worst_s"]
    assert result["parts"]["python_s"] < result["parts"]["imports_s"]


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_the_reconnection_benchmark_prints_the_time_to_the_next_frame() -> None:
    result = figures("reconnect", "--times", "2", "--away", "1")
    assert set(result) == {"reconnect"}
    back = result["reconnect"]
    assert (back["returns"], back["away_s"]) == (2, 1)
    assert 0 < back["median_s"] <= back["worst_s"]


def test_the_benchmark_names_a_missing_clip() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.bench", "gone.mp4"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    assert "gone.mp4" in done.stderr
    assert "Traceback" not in done.stderr
