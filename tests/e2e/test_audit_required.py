"""P21: a box that cannot write its audit log does nothing."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import read_log
from edge.errors import ExitCode
from tests.support.disks import small_tmpfs
from tests.support.product import CLIPS, Finished, product, start
from tests.support.sites import MadeSite, make_site, site, write_yaml


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, port=1)


def run(made: MadeSite, *arguments: str | Path) -> Finished:
    return product(
        "--log-level", "debug", "run", "--site", made.folder,
        "--source", CLIPS / "empty_road.mp4", "--drain", "0", "--json", *arguments,
    )  # fmt: skip


def kinds(made: MadeSite) -> list[str]:
    return [entry.event.kind for entry in read_log(made.state).entries]


def test_p21_start_and_stop_are_recorded_however_a_run_ends(made: MadeSite) -> None:
    assert run(made).status == ExitCode.BROKER
    broken = made.folder / "broken.mp4"
    broken.write_bytes(b"no video")
    done = product("run", "--site", made.folder, "--source", broken, "--drain", "0")
    assert done.status == ExitCode.SOURCE

    assert kinds(made) == ["key", *["started", "epoch", "stopped"] * 2]
    reasons = [
        entry.event.reason  # type: ignore[union-attr]
        for entry in read_log(made.state).entries
        if entry.event.kind == "stopped"
    ]
    assert reasons == ["end", "E_SOURCE_FORMAT"]


@pytest.mark.parametrize("damage", ["edited", "cut", "a folder"])
def test_p21_a_box_whose_audit_log_was_changed_analyses_nothing(
    damage: str, made: MadeSite
) -> None:
    run(made)
    log = made.state / "audit.log"
    lines = log.read_bytes().splitlines(keepends=True)
    if damage == "edited":
        log.write_bytes(b"".join(lines).replace(b'"epoch":0', b'"epoch":9'))
    elif damage == "cut":
        log.write_bytes(b"".join(lines[:-1]))
    else:
        log.unlink()
        log.mkdir()
    done = run(made)

    assert done.status == ExitCode.STORAGE
    assert done.error_lines[0].startswith("error: E_AUDIT")
    assert done.out == ""
    assert "Traceback" not in done.err


def test_p21_a_box_whose_audit_log_is_truncated_during_the_run_stops(made: MadeSite) -> None:
    log = made.state / "audit.log"
    process = start(
        ["run", "--site", made.folder, "--source", CLIPS / "empty_road.mp4", "--realtime",
         "--drain", "3"]
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (log.exists() and b'"started"' in log.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.truncate(log, 10)
    _, err = process.communicate(timeout=120)

    assert process.returncode == ExitCode.STORAGE, err
    assert "E_AUDIT_TRUNCATED" in err
    assert "Traceback" not in err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with small_tmpfs(tmp_path / "disk", "8m") as place:
        yield place


def test_p21_a_full_disk_stops_the_box_before_it_analyses_anything(
    made: MadeSite, small_disk: Path
) -> None:
    write_yaml(
        made.folder / "site.yaml",
        site(port=1, folders={"state": str(small_disk / "state")}, outbox={"reserve_mib": 1}),
    )
    assert run(made).status == ExitCode.BROKER
    with contextlib.suppress(OSError), (small_disk / "hog").open("ab", buffering=0) as hog:
        while hog.write(bytes(4096)):
            pass
    # Starts and stops use up the rest of the log's last disk block.
    done = run(made)
    for _ in range(12):
        if done.status == ExitCode.STORAGE:
            break
        done = run(made)
    assert done.status == ExitCode.STORAGE, done.err
    assert "E_DISK_FULL" in done.error_lines[0]
    (small_disk / "hog").unlink()
    again = run(made)
    assert again.status == ExitCode.BROKER, again.err
    assert json.loads(again.out)["frames_analysed"] > 0
