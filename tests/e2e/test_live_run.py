"""`edge-anpr run` on a live camera: hits are sealed and kept, and a stop loses nothing."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.models.weights import Manifest
from edge.adapters.state.audit_log import read_log
from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_authority_keys, new_box_keys, new_signer_key
from edge.domain.counting import coarse
from edge.errors import ExitCode
from edge.privacy.audit_events import Started
from tests.support.brokers import HOST, free_port, wait_until
from tests.support.live_cameras import NEEDS_RTSP, RtspServer, has_rtsp_server, looped
from tests.support.message_recorder import MessageRecorder
from tests.support.preload_libraries import COMPILER, NEEDS_COMPILER, compiled
from tests.support.product import (
    CLIPS,
    Finished,
    error_lines,
    figures_of,
    product,
    start,
    start_afresh,
    verb,
)
from tests.support.sites import (
    AUTHORITY,
    BOX,
    CAMERA,
    SITE,
    MadeSite,
    list_csv,
    make_real,
    make_site,
    outbox_of,
    site,
    write_yaml,
)

CLIP = "street_day.mp4"
BEFORE, AFTER = "twin_a.mp4", "rain.mp4"
LOGIN = ("viewer", "canary-p@ss")
PATIENCE_S = 180.0
PASSED_FRAMES = 110
"""So many frames of the second film, and each of its vehicles has come and gone."""
PASSWORD = {"CAMERA_PASSWORD": LOGIN[1]}


def plates(*clips: str) -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] in (clips or {CLIP})]


def live_site(
    base: Path, url: str, *, port: int = 1, trial: bool = False, **changed: Any
) -> MadeSite:
    """A site with a live camera and real keys.

    Args:
        base: folder to make it in.
        url: the camera's.
        port: the broker's; nothing listens on the one that is the default.
        trial: keep the trial keys.
        changed: further settings of site.yaml.
    """
    camera = {"type": "rtsp", "url": url, "username": LOGIN[0], "password_env": "CAMERA_PASSWORD"}
    described = site(port=port, cameras={CAMERA: {"live": camera}}, **changed)
    made = make_site(base, site_yaml=described)
    now = datetime.now(timezone.utc)
    later = (now + timedelta(days=30)).date().isoformat()
    (made.folder / "lists" / "stolen.csv").write_text(
        list_csv(plates(CLIP, BEFORE, AFTER), end=later)
    )
    if not trial:
        shutil.rmtree(made.folder / "keys")
        shutil.rmtree(made.authority_keys)
        new_box_keys(made.folder / "keys", SITE, BOX, now)
        public = new_authority_keys(made.authority_keys, AUTHORITY, now)
        shutil.copy(public, made.folder / "keys" / f"{AUTHORITY}.public.json")
    return made


def activate(made: MadeSite, base: Path) -> None:
    file = new_signer_key(base / "signer", "mayor", datetime.now(timezone.utc))
    make_real(made, {"mayor": load_signer_key(file)})
    assert verb("policy", "activate", made.folder, "--key", file).status == 0


@pytest.fixture
def never_asked() -> Iterator[str]:
    """The address of a camera that the box must not connect to."""
    with socket.create_server((HOST, 0)) as listening:
        listening.setblocking(False)
        yield f"rtsp://{HOST}:{listening.getsockname()[1]}/camera"
        with pytest.raises(BlockingIOError):
            listening.accept()


def refused(done: Finished, code: str) -> None:
    assert [line.split(": ")[1] for line in done.error_lines] == [code], done.err
    assert done.status == ExitCode.CONFIG


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_hits_of_a_live_camera_are_kept_and_a_stop_is_orderly(tmp_path: Path) -> None:
    street = looped(CLIPS / CLIP, tmp_path / "street.ts", 60)
    with (
        EmbeddedBroker() as broker,
        MessageRecorder(broker.port) as recorder,
        RtspServer(street, LOGIN) as server,
    ):
        made = live_site(tmp_path, server.url, port=broker.port)
        activate(made, tmp_path)
        counts = tmp_path / "counts.json"
        process = start(
            ["run", "--site", made.folder, "--drain", "0", "--json", "--summary", counts],
            env=PASSWORD,
        )
        try:
            hit = wait_until(lambda: len(recorder.of_kind("hit")) > 0, PATIENCE_S)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()

    assert hit, err
    assert process.returncode == 130, err
    summary = json.loads(out)
    assert json.loads(counts.read_text()) == summary
    assert summary["frames_decoded"] > 0
    with outbox_of(made) as outbox:
        assert outbox.depth() > 0  # no authority sent a receipt
        assert coarse(outbox.depth()) == summary["hits"] == summary["kept"]
    for secret in (LOGIN[0], "canary-p", *plates()):
        assert secret not in out + err
    state = made.folder / "state"
    (fastest,) = json.loads((state / "variants.json").read_text())["results"].values()
    started = next(one.event for one in read_log(state).entries if isinstance(one.event, Started))
    used = Manifest.load().in_use(fastest["name"], None)
    assert started.weights_sha256 == used.sha256()


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
@pytest.mark.skipif(COMPILER is None, reason=NEEDS_COMPILER)
def test_a_wall_clock_step_ends_list_entries_and_reactivates_none(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    env = {
        **PASSWORD,
        "LD_PRELOAD": str(compiled("wall_clock", tmp_path)),
        "WALL_CLOCK_OFFSET": str(offset),
    }
    telemetry = free_port()

    def frames() -> float:
        figures = figures_of(telemetry)
        return figures.get(f'edge_anpr_frames_total{{camera="{CAMERA}"}}', 0.0)

    # Twice, so that a vehicle in view at the end has been judged once.
    before, after = (looped(CLIPS / clip, tmp_path / f"{clip}.ts", 2) for clip in (BEFORE, AFTER))
    with (
        EmbeddedBroker() as broker,
        MessageRecorder(broker.port) as recorder,
        RtspServer(before, LOGIN) as server,
    ):
        made = live_site(
            tmp_path,
            server.url,
            port=broker.port,
            telemetry={"listen": f"{HOST}:{telemetry}"},
        )
        activate(made, tmp_path)
        run: list[str | Path] = ["run", "--site", made.folder, "--drain", "0", "--json"]
        process = start_afresh(run, env=env)
        try:
            hit = wait_until(lambda: len(recorder.of_kind("hit")) > 0, PATIENCE_S)
            server.kill()
            offset.write_text(str(40 * 24 * 3600))  # every entry of the list has ended
            seen = frames()
            server.start(after)
            passed = wait_until(lambda: frames() > seen + PASSED_FRAMES, PATIENCE_S)
            offset.write_text("0")
            stepped = time.monotonic()
            out, err = process.communicate(timeout=PATIENCE_S)
            took_s = time.monotonic() - stepped
        finally:
            process.kill()
            process.communicate()
        told = [json.loads(one.payload) for one in recorder.of_kind("availability")]
        again = product(*run, env=env, timeout_s=60)

    assert hit, err
    assert passed, err
    assert process.returncode == ExitCode.CONFIG, err
    assert error_lines(err)[0].startswith("error: E_CLOCK: ")
    assert took_s < 15  # the box checks each second and then stops
    assert (told[-1]["state"], told[-1]["reason"]) == ("safe", "E_CLOCK")
    summary = json.loads(out)
    with outbox_of(made) as outbox:
        kept = outbox.hit_ids()
        made_by = [json.loads(outbox.find(hit_id) or b"")["observed_at"] for hit_id in kept]
    # All hits are from before the step, though later vehicles are on the list too.
    assert coarse(len(kept)) == summary["hits"]
    assert 1 <= len(kept) <= len(plates(BEFORE))
    least = coarse(len(kept) + len(plates(AFTER)) - 1)
    assert least == "<10" or summary["vehicles"] >= least
    assert summary["epochs"] == 1
    assert max(made_by) < (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    refused(again, "E_CLOCK")


def test_p1_a_clock_that_was_ahead_is_named_and_not_what_it_made_overdue(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked)
    activate(made, tmp_path)
    ahead = {"schema": "edge-anpr/clock/1", "latest": "2040-01-01T00:00:00.000Z"}
    (made.state / "clock.json").write_text(json.dumps(ahead))

    refused(product("run", "--site", made.folder, env=PASSWORD, timeout_s=60), "E_CLOCK")


def test_p1_demo_keys_open_no_live_camera(tmp_path: Path, never_asked: str) -> None:
    made = live_site(tmp_path, never_asked)
    refused(product("run", "--site", made.folder, env=PASSWORD, timeout_s=60), "E_DEMO_KEYS")
    assert not made.state.exists()


def test_p1_trial_keys_open_no_live_camera_even_under_a_signed_policy(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked, trial=True)
    activate(made, tmp_path)
    refused(product("run", "--site", made.folder, env=PASSWORD, timeout_s=60), "E_DEMO_KEYS")


def test_a_missing_password_is_reported_before_anything_starts(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked)
    activate(made, tmp_path)
    done = product("run", "--site", made.folder)
    refused(done, "E_CONFIG")
    assert "CAMERA_PASSWORD" in done.error_lines[0]


def test_a_run_in_closed_hours_says_until_when_and_opens_nothing(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked)
    file = made.folder / "policy.yaml"
    content = yaml.safe_load(file.read_text())
    in_two_days = datetime.now(timezone.utc) + timedelta(days=2)
    hours = {"weekly": {f"{in_two_days:%a}".lower(): ["08:15-08:45"]}}
    content["cameras"][CAMERA]["hours"] = hours
    for rule in content["rules"]:
        rule["schedule"] = hours
    write_yaml(file, content)
    activate(made, tmp_path)

    process = start(["run", "--site", made.folder, "--json", "--drain", "0"], env=PASSWORD)
    said = process.stderr.readline()
    while "closed until" not in said and said:
        said = process.stderr.readline()
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE_S)

    day = f"{in_two_days:%Y-%m-%d}"
    assert f"camera {CAMERA}: closed until {day} 08:15 CE" in said
    (stream,) = json.loads(out)["streams"]
    assert stream["closed_until"].startswith(f"{day}T08:15:00+0")


def told(port: int, page: str) -> str:
    """The text of one of the box's pages; empty while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/{page}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused_answer:
        with refused_answer:
            return refused_answer.read().decode()
    except OSError:
        return ""


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_a_camera_outage_shows_in_readiness_and_metrics(
    tmp_path: Path,
) -> None:
    street = looped(CLIPS / CLIP, tmp_path / "street.ts", 60)
    port = free_port()
    with RtspServer(street, LOGIN) as server:
        made = live_site(tmp_path, server.url)
        content = yaml.safe_load((made.folder / "site.yaml").read_text())
        content["telemetry"] = {"listen": f"{HOST}:{port}"}
        write_yaml(made.folder / "site.yaml", content)
        activate(made, tmp_path)
        process = start(["run", "--site", made.folder, "--drain", "0"], env=PASSWORD)
        try:
            ready = wait_until(lambda: "online" in told(port, "readyz"), PATIENCE_S)
            server.kill()
            away = wait_until(lambda: "camera-away" in told(port, "readyz"), PATIENCE_S)
            down = told(port, "metrics")
            server.start()
            back = wait_until(lambda: "online" in told(port, "readyz"), PATIENCE_S)
            up = told(port, "metrics")
        finally:
            process.terminate()
            _, err = process.communicate(timeout=PATIENCE_S)

    assert (ready, away, back) == (True, True, True), err
    assert f'edge_anpr_camera_up{{camera="{CAMERA}"}} 0.0' in down
    assert f'edge_anpr_camera_connections_total{{camera="{CAMERA}"}} 1.0' in down
    assert f'edge_anpr_camera_up{{camera="{CAMERA}"}} 1.0' in up
    assert f'edge_anpr_camera_connections_total{{camera="{CAMERA}"}} 2.0' in up
