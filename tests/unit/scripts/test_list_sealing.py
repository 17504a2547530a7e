"""`scripts/bench lists` builds a list for many boxes with the real command and counts its bytes."""

from __future__ import annotations

import json

import pytest

from scripts.benchmarks.bench import main


def test_the_benchmark_of_sealing_counts_what_the_command_wrote(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lists", "--boxes", "12", "--entries", "5", "--json"]) == 0

    figures = json.loads(capsys.readouterr().out)
    assert (figures["boxes"], figures["entries"]) == (12, 5)
    assert figures["body_bytes"] == 16 * 1024 + 16
    assert 900 < figures["largest_manifest_bytes"] < 2048
    manifests = figures["retained_over_https_bytes"]
    assert 12 * 900 < manifests <= 12 * figures["largest_manifest_bytes"]
    assert figures["retained_in_parts_bytes"] == manifests + figures["body_bytes"]
    assert figures["wall_s"] >= 0 < figures["memory_mib"]
