"""P7 and P8 over the real process: a vehicle on no list leaves nothing, anywhere.

Each test runs the product as a process on a rendered clip with a real broker, and looks at
every file below the working, temporary and state folders, at both output streams at debug
level, and at every message of the broker.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.state.audit_log import read_log
from edge.adapters.state.key_files import signing_keys
from edge.adapters.state.pack_zip import read_zip
from edge.privacy.audit import verify_log
from edge.privacy.audit_events import Started, event_fields
from edge.privacy.checkpoints import parse_checkpoints
from edge.site.folder import load_site_folder
from tests.support.canary import Leak, needles, sweep_bytes, sweep_tree
from tests.support.message_recorder import MessageRecorder, RecordedMessage
from tests.support.product import CLIPS, REPOSITORY, Finished, product, start_afresh
from tests.support.sites import MadeSite, hotlist_rule, make_site, policy

# Records each file that the process opens for writing, also those that it deletes later.
AUDIT = """\
import os, sys
_log = os.open(os.environ["WRITES_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def _note(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    mode, flags = arguments[1], arguments[2]
    writing = any(c in mode for c in "wax+") if isinstance(mode, str) else False
    if writing or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
        os.write(_log, (os.fsdecode(arguments[0]) + "\\n").encode())
sys.addaudithook(_note)
"""


def plates_of(clip: str) -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] == clip]


@dataclass(frozen=True, slots=True)
class Traces:
    """Everything that a run left on the disk or sent."""

    done: Finished
    folders: tuple[Path, ...]
    messages: tuple[RecordedMessage, ...]
    written: tuple[Path, ...]
    site: MadeSite

    def leaks(self, plate: str) -> list[Leak]:
        wanted = needles(plate)
        found = sweep_tree(self.folders, wanted)
        for place, data in (("stdout", self.done.out), ("stderr", self.done.err)):
            found += sweep_bytes(place, data.encode(), wanted)
        for message in self.messages:
            found += sweep_bytes(f"topic {message.topic}", message.topic.encode(), wanted)
            found += sweep_bytes(f"payload on {message.topic}", message.payload, wanted)
        return found


def watched_run(base: Path, clip: str, stolen: list[str], reveal: str = "vehicle") -> Traces:
    """Run a clip and record every channel through which a plate could leak."""
    for name in ("work", "tmp", "home", "hook"):
        (base / name).mkdir()
    (base / "hook" / "sitecustomize.py").write_text(AUDIT)
    writes = base / "writes.log"
    with EmbeddedBroker() as broker, MessageRecorder(broker.port) as recorder:
        content = policy(receipts="none", rules=[hotlist_rule(reveal=reveal)])
        content["legal"]["regime"] = "police_function_act"  # the only one that reveals occupants
        made = make_site(base, stolen=stolen, port=broker.port, policy_yaml=content)
        done = product(
            "--log-level",
            "debug",
            "run",
            "--site",
            made.folder,
            "--source",
            CLIPS / clip,
            "--summary",
            base / "work" / "summary.json",
            cwd=base / "work",
            env={
                "TMPDIR": str(base / "tmp"),
                "HOME": str(base / "home"),
                "WRITES_LOG": str(writes),
                "PYTHONPATH": os.pathsep.join([str(base / "hook"), str(REPOSITORY)]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
    return Traces(
        done,
        (base / "work", base / "tmp", base / "home", made.state, made.keyring),
        tuple(recorder.messages),
        tuple(Path(line) for line in writes.read_text().splitlines()),
        made,
    )


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """The demo clip with its first vehicle on the alert list."""
    clip = "street_day.mp4"
    return watched_run(tmp_path_factory.mktemp("street"), clip, plates_of(clip)[:1])


def test_the_listed_vehicle_is_reported(
    street: Traces,
) -> None:
    assert street.done.status == 0, street.done.err
    summary = json.loads((street.folders[0] / "summary.json").read_text())
    assert summary["hits"] == 1
    assert summary["vehicles"] >= 5
    assert [message.topic for message in street.messages if message.topic.endswith("hit")] == [
        "anpr/test-street/box-1/cam-1/hit"
    ]
    assert "DEBUG" in street.done.err


def test_p8_no_plate_is_in_any_file_log_payload_or_name(street: Traces) -> None:
    for plate in plates_of("street_day.mp4"):
        assert street.leaks(plate) == []


def test_p8_the_sweep_finds_a_leak_planted_in_what_the_process_left(street: Traces) -> None:
    plate = plates_of("street_day.mp4")[1]
    planted = street.site.state / "core.dump"
    planted.write_bytes(b"\0" * 100 + plate.lower().encode("utf-16-le") + b"\0" * 100)
    try:
        assert {leak.place for leak in street.leaks(plate)} == {"core.dump"}
    finally:
        planted.unlink()


def test_p8_nothing_is_written_outside_the_state_folder_and_the_summary(street: Traces) -> None:
    allowed = (street.site.state, street.site.keyring, street.folders[0] / "summary.json")
    outside = [
        path
        for path in street.written
        if not any(path == place or place in path.parents for place in allowed)
        and path != Path(os.devnull)
    ]
    assert outside == []
    assert any(street.site.state in path.parents for path in street.written)
    # Libraries bypass Python's audit hooks, so these folders are searched as well.
    for folder in street.folders[1:3]:
        assert list(folder.rglob("*")) == []


def test_a_killed_run_leaves_no_plate(tmp_path: Path) -> None:
    clip = "street_day.mp4"
    plates = plates_of(clip)
    made = make_site(tmp_path, stolen=plates[:1], port=1)
    (tmp_path / "tmp").mkdir()
    moments = random.Random(7)
    for _ in range(3):
        process = start_afresh(
            ["--log-level", "debug", "run", "--site", made.folder, "--source", CLIPS / clip],
            cwd=tmp_path / "tmp",
            env={"TMPDIR": str(tmp_path / "tmp")},
        )
        time.sleep(moments.uniform(1.0, 4.0))
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
        for plate in plates:
            wanted = needles(plate)
            assert sweep_tree([tmp_path / "tmp", made.state], wanted) == []
            assert list(sweep_bytes("streams", (out + err).encode(), wanted)) == []


def test_p21_the_evidence_pack_contains_no_plate_not_even_the_listed_one(
    street: Traces, tmp_path: Path
) -> None:
    out = tmp_path / "pack.zip"
    made = product("evidence-pack", out, "--site", street.site.folder)
    assert made.status == 0, made.err
    contents = read_zip(out.read_bytes())
    assert b'"event":"epoch"' in contents["audit.log"]
    for plate in plates_of("street_day.mp4"):
        wanted = needles(plate)
        leaks = [leak for name in contents for leak in sweep_bytes(name, contents[name], wanted)]
        assert leaks == []
    planted = {**contents, "audit.log": plates_of("street_day.mp4")[0].encode()}
    assert list(
        sweep_bytes("audit.log", planted["audit.log"], needles(plates_of("street_day.mp4")[0]))
    )


def test_p21_the_audit_log_records_start_and_stop_and_verifies_against_a_witness(
    street: Traces,
) -> None:
    log = read_log(street.site.state, keys=signing_keys(street.site.box_keys))
    assert [entry.event.kind for entry in log.entries] == ["key", "started", "epoch", "stopped"]
    started = log.entries[1].event
    assert isinstance(started, Started)
    assert started.policy_sha256 == load_site_folder(street.site.folder).policy_sha256
    published = [
        checkpoint
        for message in street.messages
        if message.topic == "anpr/test-street/box-1/audit"
        for checkpoint in parse_checkpoints(message.payload)
    ]
    assert log.last in published
    verify_log((street.site.state / "audit.log").read_bytes(), witness=published)


# --- non-interference -----------------------------------------------------------------------


def shape(traces: Traces) -> dict[str, object]:
    """Everything by which an observer of storage, traffic and screen could distinguish two runs."""
    summary = json.loads((traces.folders[0] / "summary.json").read_text())
    for measured in ("stage_ms", "cpu_s", "peak_rss_mb", "wall_s", "streams"):
        del summary[measured]
    return {
        "status": traces.done.status,
        "files": sorted(
            (str(path.relative_to(folder)), path.stat().st_size)
            for folder in traces.folders
            for path in folder.rglob("*")
            if path.name != "summary.json"
        ),
        "messages": Counter(
            (message.topic, message.retained, len(message.payload)) for message in traces.messages
        ),
        "summary": summary,
        "log": Counter(
            line.split(": ")[0].split(" ", 2)[-1] for line in traces.done.err.splitlines()
        ),
    }


@pytest.mark.parametrize("reveal", ["plate", "occupants"])
def test_p7_two_clips_that_differ_in_an_unlisted_plate_leave_the_same_output(
    reveal: str, tmp_path: Path
) -> None:
    first, second = plates_of("twin_a.mp4"), plates_of("twin_b.mp4")
    common = [plate for plate in first if plate in second]
    assert len(set(first) - set(second)) == 1
    shapes = []
    for clip in ("twin_a.mp4", "twin_b.mp4"):
        base = tmp_path / clip
        base.mkdir()
        traces = watched_run(base, clip, common[:1], reveal)
        assert traces.done.status == 0, traces.done.err
        shapes.append(shape(traces))
    assert shapes[0]["summary"]["hits"] == 1  # type: ignore[index]
    assert shapes[0] == shapes[1]


def left_behind(traces: Traces) -> dict[str, object]:
    """What a night leaves on the box and at the broker, without its timestamps."""
    state = traces.site.state
    return {
        "files": sorted(
            (str(path.relative_to(traces.site.folder)), path.stat().st_size)
            for folder in (state, traces.site.keyring)
            for path in folder.rglob("*")
        ),
        "keyring": (traces.site.keyring / "keyring.bin").read_bytes()[128:],
        "statistics": [
            {**json.loads(line), "closed_at": None}
            for line in (state / "statistics.jsonl").read_text().splitlines()
        ],
        "audit": [
            event_fields(entry.event)
            for entry in read_log(state).entries
            if entry.event.kind != "key"
        ],
        "health": [
            message.payload for message in traces.messages if message.topic.endswith("/health")
        ],
        "messages": Counter((message.topic, len(message.payload)) for message in traces.messages),
    }


@pytest.fixture(scope="module")
def empty_night(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """An empty road and nothing on the alert list."""
    return watched_run(tmp_path_factory.mktemp("empty"), "empty_road.mp4", [])


@pytest.mark.parametrize("clip", ["twin_a.mp4", "street_day.mp4"])
def test_p7_a_single_car_leaves_the_same_output_as_an_empty_road(
    clip: str, tmp_path: Path, empty_night: Traces
) -> None:
    nights = []
    for traces in (empty_night, watched_run(tmp_path, clip, [])):
        assert traces.done.status == 0, traces.done.err
        nights.append((json.loads((traces.folders[0] / "summary.json").read_text()), traces))
    (empty, nobody), (busy, somebody) = nights
    assert empty["vehicles"] == 0
    assert 0 < busy["vehicles"] < 10
    assert left_behind(nobody) == left_behind(somebody)
    assert nobody.messages  # there was something to compare
    assert len(left_behind(nobody)["statistics"]) == 1  # type: ignore[arg-type]


def test_p7_the_comparison_detects_a_difference(tmp_path: Path) -> None:
    """With the differing plate on the list, the two runs must differ."""
    differing = next(p for p in plates_of("twin_a.mp4") if p not in plates_of("twin_b.mp4"))
    shapes = []
    for clip in ("twin_a.mp4", "twin_b.mp4"):
        base = tmp_path / clip
        base.mkdir()
        shapes.append(shape(watched_run(base, clip, [differing])))
    assert shapes[0] != shapes[1]
