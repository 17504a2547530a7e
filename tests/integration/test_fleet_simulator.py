"""`scripts/bench fleet` in small: real servers, kills, and a list to all boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.benchmarks.bench import main
from tests.integration.conftest import needs_mosquitto
from tests.support.postgres import why_not

pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}"),
]


def test_a_small_fleet_loses_and_doubles_nothing_while_servers_are_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "fleet", "--hits", "1000", "--sessions", "100", "--brokers", "1", "--rate", "250",
        "--kill-consumers", "1", "--kill-brokers", "1", "--kill-databases", "1", "--entries", "40",
        "--receipt-wait", "8",
        "--cache", str(tmp_path / "cache"), "--plot", str(tmp_path / "plot.svg"), "--json",
    ]  # fmt: skip
    status = main(line)
    shown = capsys.readouterr()
    figures = json.loads(shown.out)

    assert status == 0, shown.err
    kept = figures["invariants"]
    assert (kept.pop("sent"), kept.pop("stored")) == (1000, 1000)
    assert set(kept.values()) == {0}
    # Each kill was noticed: boxes connected again, and hits were sent again.
    killed = ("kill -9: the active consumer", "kill -9: broker", "immediate stop")
    assert [shown.err.count(words) for words in killed] == [1, 1, 1]
    assert figures["connections"] >= 200
    assert (figures["list"]["opened"], figures["list"]["opened_from_parts"]) == (5, 5)
    assert 0 < figures["list"]["kept_bytes"] < figures["list"]["kept_bytes_with_parts"]
    assert (tmp_path / "plot.svg").read_text().count("<polyline") > 3
