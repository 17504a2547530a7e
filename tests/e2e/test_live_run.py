"""`edge-anpr run` on a live camera: hits are sealed and kept, and a stop is orderly."""

from __future__ import annotations

import csv
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from edge.adapters.embedded_broker import EmbeddedBroker
from edge.errors import ExitCode
from edge.privacy.keys import (
    load_signer_key,
    new_authority_keys,
    new_box_keys,
    new_signer_key,
)
from tests.brokers import HOST, free_port, wait_until
from tests.live import NEEDS_RTSP, RtspServer, has_rtsp_server, looped
from tests.product import CLIPS, Finished, product, start, verb
from tests.sites import (
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
from tests.wiretap import Wiretap

CLIP = "street_day.mp4"
LOGIN = ("viewer", "canary-p@ss")
PATIENCE_S = 180.0
PASSWORD = {"CAMERA_PASSWORD": LOGIN[1]}


def plates() -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] == CLIP]


def live_site(base: Path, url: str, *, port: int = 1, trial: bool = False) -> MadeSite:
    """A site with a live camera, and keys that are no trial keys.

    Args:
        base: folder to make it in.
        url: the camera's.
        port: the broker's; nothing listens on the one that is the default.
        trial: keep the trial keys.
    """
    camera = {"type": "rtsp", "url": url, "username": LOGIN[0], "password_env": "CAMERA_PASSWORD"}
    made = make_site(base, site_yaml=site(port=port, cameras={CAMERA: {"live": camera}}))
    now = datetime.now(timezone.utc)
    later = (now + timedelta(days=30)).date().isoformat()
    (made.folder / "lists" / "stolen.csv").write_text(list_csv(plates(), end=later))
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
    """The address of a camera that must not be connected to."""
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
        Wiretap(broker.port) as overheard,
        RtspServer(street, LOGIN) as server,
    ):
        made = live_site(tmp_path, server.url, port=broker.port)
        activate(made, tmp_path)
        process = start(["run", "--site", made.folder, "--drain", "0", "--json"], env=PASSWORD)
        try:
            hit = wait_until(lambda: len(overheard.of_kind("hit")) > 0, PATIENCE_S)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()

    assert hit, err
    assert process.returncode == 130, err
    with outbox_of(made) as outbox:
        assert outbox.depth() > 0  # nobody has given a receipt
    for secret in (LOGIN[0], "canary-p", *plates()):
        assert secret not in out + err


def test_p1_demo_keys_open_no_live_camera(tmp_path: Path, never_asked: str) -> None:
    made = live_site(tmp_path, never_asked)
    refused(product("run", "--site", made.folder, env=PASSWORD, timeout_s=60), "E_DEMO_KEYS")
    assert not made.state.exists()


def test_p1_trial_keys_open_no_live_camera_under_a_policy_that_was_really_signed(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked, trial=True)
    activate(made, tmp_path)
    refused(product("run", "--site", made.folder, env=PASSWORD, timeout_s=60), "E_DEMO_KEYS")


def test_a_password_that_is_not_there_is_said_before_anything_starts(
    tmp_path: Path, never_asked: str
) -> None:
    made = live_site(tmp_path, never_asked)
    activate(made, tmp_path)
    done = product("run", "--site", made.folder)
    refused(done, "E_CONFIG")
    assert "CAMERA_PASSWORD" in done.error_lines[0]


def told(port: int, page: str) -> str:
    """What the box tells on a page; nothing as long as it does not listen."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/{page}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused_answer:
        with refused_answer:
            return refused_answer.read().decode()
    except OSError:
        return ""


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_a_camera_that_goes_away_and_comes_back_shows_in_readiness_and_metrics(
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
