"""P7 and P9 over the real process: under real keys nothing that leaves the box counts below ten.

The same recording runs under demo keys, where counts are exact, and under a policy that is really
signed. Then every way out is searched: table, JSON, summary file, standard error with all logs,
metrics, `status`, messages at the broker, and the files of the state folder.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.box.summary import RunSummary
from tests.e2e.test_p13_lists import plates_of
from tests.support.brokers import HOST, free_port, wait_until
from tests.support.message_recorder import MessageRecorder, RecordedMessage
from tests.support.product import CLIPS, Finished, figures_of, product, start, verb
from tests.support.real_site import RealSite, make_real_site
from tests.support.sites import make_site, site, write_yaml

CLIP = CLIPS / "street_day.mp4"
COUNTED = (
    "vehicles", "reads", "hits", "hits_by_rule", "hits_without_picture",
    "hits_masked_by_geometry", "hits_contradicted", "hits_outside_competence",
    "non_hits", "delivered", "kept",
)  # fmt: skip
# "3 vehicles", "1 read", "2 hits are kept": a number below ten before or after a counted word.
WORDS = "vehicles?|reads?|read|ambiguous|unreadable|hits?|non-hits|delivered|kept|erased|stolen"
SMALL = re.compile(rf"(?<![\d<.:-])\b[1-9] (?:undelivered )?(?:{WORDS})\b")
NAMES = "vehicles|hits|non-hits|delivered|kept on the box|outside competence"
ROW = re.compile(rf"^\W*(?:{NAMES})[^\w<]+\d+\b")


def run(folder: Path, *arguments: str | Path) -> Finished:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return product(
        *("--log-level", "debug", "run", "--site", folder, "--source", CLIP),
        *("--recorded-at", now, "--drain", "0", *arguments),
    )


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the recording holds: the summary under demo keys."""
    made = make_site(tmp_path_factory.mktemp("demo"), stolen=plates_of(CLIP.name)[:1])
    done = product("run", "--site", made.folder, "--source", CLIP, "--drain", "0", "--json")
    summary: dict[str, Any] = done.json
    assert summary["exact"]
    assert 0 < summary["hits"] < summary["vehicles"] < 10
    assert summary["non_hits"] == summary["vehicles"] - summary["hits"]
    return summary


def real(base: Path, port: int, telemetry: int, plates: list[str]) -> RealSite:
    made = make_real_site(base, port=port)
    listen = {"listen": f"{HOST}:{telemetry}"}
    write_yaml(made.folder / "site.yaml", site(port=port, telemetry=listen))
    assert verb(*made.build(made.csv(plates))).status == 0
    bundle = base / "stolen.bundle"
    assert verb("lists", "install", bundle, "--site", made.folder).status == 0
    return made


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{name}.{place}")
    else:
        yield name, value


@dataclass(frozen=True)
class Told:
    """What two runs of a really signed site have told, with a table and as JSON."""

    made: RealSite
    table: Finished
    as_json: Finished
    file: str
    messages: list[RecordedMessage]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    base = tmp_path_factory.mktemp("real")
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        made = real(base, broker.port, free_port(), plates_of(CLIP.name)[:1])
        table = run(made.folder)
        as_json = run(made.folder, "--json", "--summary", base / "summary.json")
    file = (base / "summary.json").read_text()
    return Told(made, table, as_json, file, recorder.messages)


def test_p7_p9_a_really_signed_run_states_no_count_below_ten(
    exact: dict[str, Any], told: Told
) -> None:
    shown = told.as_json.json

    assert json.loads(told.file) == shown
    assert shown["exact"] is False
    assert {count for field in COUNTED for _, count in leaves(shown[field])} == {"<10"}
    assert set(shown["hits_by_rule"]) == {"stolen"}  # also without a hit
    assert (shown["frames_analysed"], shown["stage_ms"]) == (None, {})
    assert {shown[spent] for spent in ("cpu_s", "wall_s", "peak_rss_mb")} == {None}
    assert all(exact[spent] > 0 for spent in ("cpu_s", "wall_s", "peak_rss_mb"))
    assert shown.keys() == exact.keys()


def test_p7_p9_table_errors_and_logs_of_a_really_signed_run_count_nothing(told: Told) -> None:
    for text in (told.table.out, told.table.err, told.as_json.err):
        assert not SMALL.search(text), SMALL.search(text)
        assert not [line for line in text.splitlines() if ROW.match(line)]
    assert "fewer than 10 hits are kept" in told.table.err
    assert "<10" in told.table.out
    # The search finds what it looks for.
    assert SMALL.search("error: E_HITS_KEPT: 1 hit is kept in state")
    assert ROW.match("│ vehicles        │     2 │ 2 read")


def test_p7_p9_messages_and_files_of_a_really_signed_run_hold_no_count_below_ten(
    told: Told,
) -> None:
    health = [one for one in told.messages if one.topic.endswith("/health")]
    assert health
    counts = [count for one in health for count in json.loads(one.payload)["counters"].values()]
    for name in ("statistics.jsonl", "audit.log"):
        for line in (told.made.state / name).read_text().splitlines():
            counts += [
                count
                for path, count in leaves(json.loads(line[line.index("{") :]))
                if re.match(r"\.(vehicles|hits|deleted)\b", path)
            ]
    assert len(counts) > 12
    assert set(counts) == {"<10"}


def test_p7_p9_other_verbs_of_a_really_signed_box_count_nothing(told: Told, tmp_path: Path) -> None:
    site_folder = told.made.folder
    packed = product("evidence-pack", tmp_path / "pack.zip", "--site", site_folder, "--json")
    stats = product("stats", "--site", site_folder, "--json")
    erased = product("erase", "--site", site_folder, "--all", "--yes")

    assert [packed.status, stats.status, erased.status] == [0, 0, 0], packed.err + stats.err
    sums = [count for path, count in leaves(stats.json) if "_at_least" in path]
    assert sums
    assert set(sums) == {0}
    assert not SMALL.search(packed.out)
    assert erased.out == "<10 hits erased\n"


def hits_kept(base: Path) -> int:
    with closing(sqlite3.connect(base / "site" / "state" / "outbox.sqlite3")) as outbox:
        return int(outbox.execute("SELECT count(*) FROM hit").fetchone()[0])


def test_p7_p9_runs_with_none_and_with_some_look_the_same(tmp_path: Path) -> None:
    """One hit or none, five vehicles or none: table and JSON are the same, times included."""

    def counts(name: str, clip: Path, plates: list[str]) -> tuple[str, dict[str, Any]]:
        (tmp_path / name).mkdir()
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with EmbeddedBroker() as broker:
            made = real(tmp_path / name, broker.port, free_port(), plates)
            arguments = (
                *("run", "--site", made.folder, "--source", clip, "--recorded-at", now),
                *("--drain", "0"),
            )
            table = product(*arguments).out
            document = product(*arguments, "--json").json
        for varying in ("frames_decoded", "streams"):
            document.pop(varying)
        return table, document

    empty = counts("empty", CLIPS / "empty_road.mp4", ["1QQQ777"])
    busy = counts("busy", CLIP, plates_of(CLIP.name)[:2])

    assert [hits_kept(tmp_path / name) for name in ("empty", "busy")] == [0, 4]  # two runs each
    assert empty == busy


def test_p7_p9_metrics_and_status_of_a_running_box_show_no_count_below_ten(tmp_path: Path) -> None:
    telemetry = free_port()
    with EmbeddedBroker() as broker:
        made = real(tmp_path, broker.port, telemetry, plates_of(CLIP.name)[:1])
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        # It stays, because it waits for a receipt that never comes.
        box = start(
            ["run", "--site", made.folder, "--source", CLIP, "--recorded-at", now, "--drain", "60"]
        )
        try:
            # The epoch closes when the recording ends; then the box waits for the receipt.
            closed = wait_until(
                lambda: figures_of(telemetry).get("edge_anpr_epochs_closed_total", 0) > 0, 120
            )
            figures = figures_of(telemetry)
            asked = ("status", "--listen", f"{HOST}:{telemetry}", "--once")
            status, as_json = product(*asked), product(*asked, "--json")
        finally:
            box.kill()
            box.communicate()

    assert closed
    of_traffic = {
        name: value
        for name, value in figures.items()
        if re.match(r"edge_anpr_(reads|hits|frames_analysed|frames_dropped|stage|outbox)", name)
    }
    assert len(of_traffic) > 8
    assert set(of_traffic.values()) == {0}
    assert not SMALL.search(status.out), status.out
    for path, value in leaves(as_json.json["metrics"]):
        if re.search(r"_(reads|hits|frames_analysed|stage|outbox)", path):
            assert value == 0, path


def test_p7_a_count_of_ten_or_more_is_in_tens_and_two_digits(exact: dict[str, Any]) -> None:
    busy = RunSummary.model_validate(
        {
            **exact,
            "vehicles": 57,
            "reads": {"read": 44, "ambiguous": 4, "unreadable": 9},
            "hits": 12,
            "hits_by_rule": {"stolen": 12},
            "frames_analysed": 1234,
            "frames_dropped": 7,
            "cpu_s": 61.237,
            "wall_s": 123.456,
            "peak_rss_mb": 418.3,
        }
    ).coarsened(["stolen", "quiet"])

    assert (busy.vehicles, busy.hits, busy.hits_by_rule) == (50, 10, {"stolen": 10, "quiet": "<10"})
    assert busy.reads == {"read": 40, "ambiguous": "<10", "unreadable": "<10"}
    assert (busy.frames_analysed, busy.frames_dropped) == (1200, 7)
    assert (busy.cpu_s, busy.wall_s, busy.peak_rss_mb) == (61, 120, 410)
