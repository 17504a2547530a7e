"""The whole box while its broker, disk or memory fails."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typing_extensions import Self

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.state.outbox_file import OutboxFull
from edge.errors import ExitCode
from tests.support.brokers import MOSQUITTO, Mosquitto, free_port, wait_until
from tests.support.canary import Leak, needles, sweep_tree
from tests.support.disks import small_tmpfs
from tests.support.message_recorder import MessageRecorder
from tests.support.network import SlowLink
from tests.support.product import (
    CLIPS,
    command,
    environment,
    error_lines,
    figures_of,
    product,
    start,
)
from tests.support.sites import (
    BOX,
    CAMERA,
    SITE,
    MadeSite,
    make_site,
    outbox_of,
    policy,
    set_port,
    site,
)
from tests.support.source_tree import ROOT

CLIP, SHORT = "street_day.mp4", "empty_road.mp4"
NOBODY = 1  # a port on which nothing listens
START_S = 180.0
AWAY_FRAMES = 50
"""So many frames of the first clip without a broker, in which some vehicles make hits."""
UNIT = ROOT / "config" / "deploy" / "edge-anpr.service"
MIB = 1024 * 1024


def plates_of(*clips: str) -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] in clips]


def waiting(made: MadeSite) -> list[str]:
    with outbox_of(made) as outbox:
        return list(outbox.hit_ids())


def in_clear(made: MadeSite) -> list[Leak]:
    """The places where a plate of the clip occurs in the box's files and output."""
    wanted = {**needles(plates_of(CLIP)[0]), **needles(plates_of(CLIP)[2])}
    return list(sweep_tree([made.state, made.keyring], wanted))


def site_without_receipts(
    base: Path, *, port: int = NOBODY, reserve_mib: int = 8, **changed: Any
) -> MadeSite:
    """A site whose hits leave the outbox with the broker's PUBACK."""
    return make_site(
        base,
        stolen=plates_of(CLIP, "side_by_side.mp4"),
        policy_yaml=policy(receipts="none"),
        site_yaml=site(port=port, outbox={"reserve_mib": reserve_mib}, **changed),
    )


def delivers(made: MadeSite) -> int:
    """Deliver the remaining hits in another run, with a broker; returns their number."""
    with EmbeddedBroker() as broker:
        set_port(made, broker.port)
        done = product("run", "--site", made.folder, "--source", CLIPS / SHORT, "--json")
    assert done.status == 0, done.err
    assert waiting(made) == []
    return int(done.json["delivered"])


# --- the broker ---------------------------------------------------------------------------------


@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_reading_continues_and_no_hit_is_lost_when_the_broker_stops_during_delivery(
    tmp_path: Path,
) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for clip in (CLIP, "side_by_side.mp4"):
        shutil.copy(CLIPS / clip, footage / clip)
    watched = free_port()
    reads = f'edge_anpr_frames_total{{camera="{CAMERA}"}}'
    with Mosquitto(tmp_path) as broker, SlowLink(broker.port) as line:
        made = site_without_receipts(
            tmp_path, port=line.port, telemetry={"listen": f"127.0.0.1:{watched}"}
        )
        process = start(
            ["run", "--site", made.folder, "--source", footage, "--realtime", "--json",
             "--drain", "30"]
        )  # fmt: skip
        try:
            assert wait_until(lambda: len(line.acknowledged) > 0, START_S)
            broker.stop()
            before = len(line.acknowledged)
            assert wait_until(
                lambda: figures_of(watched).get("edge_anpr_broker_connected") == 0, 30
            )
            seen = figures_of(watched)[reads]
            assert wait_until(lambda: figures_of(watched).get(reads, 0) > seen + AWAY_FRAMES)
            assert answers(watched, "/readyz"), "it does its work"
            assert answers(watched, "/healthz")
            assert figures_of(watched).get("edge_anpr_broker_connected") == 0
            broker.start()
            assert wait_until(
                lambda: figures_of(watched).get("edge_anpr_broker_connected") == 1, 30
            )
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
            process.communicate()

    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["hits"] == summary["delivered"] == len(line.acknowledged) > before + 2
    assert len(set(line.acknowledged)) == len(line.acknowledged)
    assert line.counters == sorted(line.counters)
    assert waiting(made) == []


def answers(port: int, path: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}"):
        return True
    return False


# --- the disk -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The site's state folder, on a file system of 8 MiB."""
    with small_tmpfs(tmp_path / "site" / "state", "8m", mode="0700") as place:
        yield place


def test_p8_a_disk_that_fills_up_loses_no_hit_and_receives_no_plate(
    small_disk: Path, tmp_path: Path
) -> None:
    made = site_without_receipts(tmp_path, reserve_mib=1)
    process = start(
        ["run", "--site", made.folder, "--source", CLIPS / CLIP, "--realtime", "--json",
         "--drain", "0"]
    )  # fmt: skip
    try:
        log = made.state / "audit.log"
        assert wait_until(lambda: log.exists() and b'"started"' in log.read_bytes(), START_S)
        with contextlib.suppress(OSError), (small_disk / "hog").open("ab", buffering=0) as hog:
            while hog.write(bytes(4096)):
                pass
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()

    assert os.statvfs(small_disk).f_bavail == 0
    assert "Traceback" not in err
    promised = waiting(made)
    assert len(promised) == json.loads(out)["hits"] >= 3, err
    assert process.returncode == ExitCode.STORAGE
    assert json.loads(err.splitlines()[-1])["code"] == "E_DISK_FULL"
    assert "No space left on device; free disk space" in err
    assert in_clear(made) == []
    (small_disk / "hog").unlink()
    assert delivers(made) == len(promised)


def test_a_full_outbox_stops_the_box_and_keeps_its_hits(tmp_path: Path) -> None:
    made = site_without_receipts(tmp_path, reserve_mib=1)
    before = fill(made)
    done = product(
        "run", "--site", made.folder, "--source", CLIPS / CLIP, "--json", "--drain", "0.2"
    )

    assert done.status == ExitCode.STORAGE, done.err
    assert done.error_lines[0].startswith("error: E_OUTBOX_FULL: ")
    after = waiting(made)
    assert after[: len(before)] == before
    assert len(after) - len(before) == done.json["hits"] >= 1
    assert in_clear(made) == []
    assert delivers(made) == len(after)


def test_a_full_outbox_shows_in_readiness_and_metrics(tmp_path: Path) -> None:
    watched = free_port()
    made = site_without_receipts(
        tmp_path, reserve_mib=1, telemetry={"listen": f"127.0.0.1:{watched}"}
    )
    fill(made)
    process = start(
        ["run", "--site", made.folder, "--source", CLIPS / CLIP, "--json", "--drain", "4"]
    )
    try:
        assert wait_until(lambda: readiness(watched) == (503, "outbox-full"), START_S)
        figures = figures_of(watched)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()

    assert figures['edge_anpr_state{state="safe"}'] == 1
    assert figures['edge_anpr_state{state="stopping"}'] == 0
    assert process.returncode == ExitCode.STORAGE
    assert error_lines(err)[-1].startswith("error: E_OUTBOX_FULL: ")
    recorded = (made.state / "audit.log").read_text()
    assert recorded.count('"outbox-full"') == 1


def readiness(port: int) -> tuple[int, str] | None:
    """Status and reason of `/readyz`; None while the box does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status, json.loads(answer.read())["reason"]
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())["reason"]
    except OSError:
        return None


def fill(made: MadeSite) -> list[str]:
    """Fill the outbox until few hits fit; returns the hits that wait in it."""
    with outbox_of(made) as outbox, contextlib.suppress(OutboxFull):
        for number in itertools.count():
            outbox.put(
                f"{number:032x}",
                CAMERA,
                f"anpr/{SITE}/{BOX}/{CAMERA}/hit",
                os.urandom(60_000),
                purpose="wanted-vehicles",
                receipt_required=False,
                expires_at=datetime.now(timezone.utc) + timedelta(hours=20),
            )
    with outbox_of(made) as outbox:
        outbox.delete(outbox.hit_ids()[0])
        return list(outbox.hit_ids())


# --- the memory ---------------------------------------------------------------------------------


class MemoryGroup:
    """A control group (version 1 or 2) with a memory limit."""

    def __init__(self) -> None:
        base = next((place for place in _MEMORY if (place / "cgroup.procs").exists()), None)
        if base is None or not os.access(base, os.W_OK):
            pytest.skip("needs control groups for memory that this user may make")
        self._old = base.name == "memory"
        self._place = base / f"edge-{uuid4().hex[:8]}"
        try:
            self._place.mkdir()
        except OSError as error:
            pytest.skip(f"needs control groups for memory that this user may make: {error}")
        if not self._old and not (self._place / "memory.max").exists():
            self._place.rmdir()
            pytest.skip("needs control groups for memory: the root gives none to its children")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert wait_until(lambda: not (self._place / "cgroup.procs").read_text())
        self._place.rmdir()

    def allow(self, limit: int) -> None:
        """Limit the memory to this number of bytes, without swap."""
        if self._old:
            (self._place / "memory.swappiness").write_text("0")
            (self._place / "memory.limit_in_bytes").write_text(str(limit))
        else:
            (self._place / "memory.swap.max").write_text("0")
            (self._place / "memory.max").write_text(str(limit))

    @property
    def used(self) -> int:
        name = "memory.usage_in_bytes" if self._old else "memory.current"
        return int((self._place / name).read_text())

    def popen(self, arguments: Sequence[str | Path]) -> subprocess.Popen[str]:
        """Start a program in the group."""
        return subprocess.Popen(
            ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', self._place / "cgroup.procs",
             *arguments],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip


_MEMORY = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


def test_the_units_memory_limit_suffices_and_a_box_killed_for_memory_recovers(
    tmp_path: Path,
) -> None:
    (limit,) = re.findall(r"^MemoryMax=(\d+)M$", UNIT.read_text(), flags=re.MULTILINE)
    run: list[str | Path] = ["run", "--site", tmp_path / "site", "--source", CLIPS / CLIP, "--json"]
    with (
        EmbeddedBroker() as broker,
        MessageRecorder(broker.port) as recorder,
        MemoryGroup() as group,
    ):
        made = make_site(
            tmp_path,
            stolen=plates_of(CLIP),
            site_yaml=site(port=broker.port, outbox={"reserve_mib": 1}),
        )
        group.allow(int(limit) * MIB)
        box = group.popen(command(*run, "--realtime"))
        hog = None
        try:
            assert wait_until(lambda: len(recorder.of_kind("hit")) > 0, START_S)
            assert box.poll() is None
            # Another program of the group uses the remaining memory; the kernel kills the box.
            Path(f"/proc/{box.pid}/oom_score_adj").write_text("1000")
            group.allow(group.used + 32 * MIB)
            hog = group.popen([sys.executable, "-c", f"x = bytes([1]) * {64 * MIB}; input()"])
            out, err = box.communicate(timeout=60)
        finally:
            for process in (box, hog):
                if process is not None:
                    process.kill()
                    process.communicate()
        assert box.returncode == -signal.SIGKILL, err
        assert out == ""
        published = {json.loads(one.payload)["hit_id"] for one in recorder.of_kind("hit")}
        assert published <= set(waiting(made))
        assert in_clear(made) == []

        group.allow(int(limit) * MIB)
        box = group.popen(command(*run, "--drain", "0"))
        out, err = box.communicate(timeout=START_S)

    assert box.returncode == ExitCode.BROKER, err  # no authority sends receipts
    assert json.loads(out)["hits"] >= 5
    assert len(waiting(made)) == json.loads(out)["kept"]


def test_out_of_memory_is_reported_in_one_line(tmp_path: Path) -> None:
    made = site_without_receipts(tmp_path)
    arguments = command("run", "--site", made.folder, "--source", CLIPS / CLIP)
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -v {200 * 1024} && exec "$@"', "sh", *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert done.returncode == ExitCode.STORAGE
    assert done.stderr.startswith("error: E_MEMORY: ")
    assert done.stderr.count("\n") == 1
    assert not made.state.exists()
