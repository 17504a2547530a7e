"""`edge-anpr run` on a live camera: hits are sealed and kept, and a stop is orderly."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.privacy.keys import load_signer_key, new_authority_keys, new_box_keys, new_signer_key
from tests.live import RtspServer, has_rtsp_server, looped
from tests.product import CLIPS, product, start, verb
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
    sign_site,
    site,
)

pytestmark = pytest.mark.skipif(not has_rtsp_server(), reason="needs GStreamer's RTSP server")
CLIP = "street_day.mp4"
LOGIN = ("viewer", "canary-p@ss")
NOBODY = 1  # a port on which nothing listens


def plates() -> list[str]:
    with (CLIPS / "labels.csv").open(newline="") as file:
        return [row["plate"] for row in csv.DictReader(file) if row["clip"] == CLIP]


def live_site(base: Path, url: str, *, trial: bool = False) -> MadeSite:
    """A site with a live camera, keys that are no trial keys, and an activated policy."""
    later = (datetime.now(timezone.utc) + timedelta(days=30)).date().isoformat()
    camera = {"type": "rtsp", "url": url, "username": LOGIN[0], "password_env": "CAMERA_PASSWORD"}
    content = site(port=NOBODY, cameras={CAMERA: {"live": camera}})
    made = make_site(base, site_yaml=content)
    (made.folder / "lists" / "stolen.csv").write_text(list_csv(plates(), end=later))
    if not trial:
        shutil.rmtree(made.folder / "keys")
        shutil.rmtree(made.authority_keys)
        now = datetime.now(timezone.utc)
        new_box_keys(made.folder / "keys", SITE, BOX, now)
        public = new_authority_keys(made.authority_keys, AUTHORITY, now)
        shutil.copy(public, made.folder / "keys" / f"{AUTHORITY}.public.json")
    return made


def activate(made: MadeSite, base: Path) -> None:
    file = new_signer_key(base / "signer", "mayor", datetime.now(timezone.utc))
    make_real(made, {"mayor": load_signer_key(file)})
    assert verb("policy", "activate", made.folder, "--key", file).status == 0


def hits(made: MadeSite) -> int:
    with outbox_of(made) as outbox:
        return outbox.depth()


def test_hits_of_a_live_camera_are_kept_and_a_stop_is_orderly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    street = looped(CLIPS / CLIP, tmp_path / "street.ts", 20)
    with RtspServer(street, LOGIN) as server:
        made = live_site(tmp_path, server.url)
        activate(made, tmp_path)
        process = start(
            ["run", "--site", made.folder, "--drain", "0"], env={"CAMERA_PASSWORD": LOGIN[1]}
        )
        try:
            time.sleep(75)
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert hits(made) > 0
    assert "canary-p" not in out + err
    assert LOGIN[0] not in out + err


def test_demo_keys_open_no_live_camera(tmp_path: Path) -> None:
    made = live_site(tmp_path, "rtsp://127.0.0.1:1/camera")
    sign_site(made.folder)
    done = product("run", "--site", made.folder, env={"CAMERA_PASSWORD": LOGIN[1]})
    assert [line.split(": ")[1] for line in done.error_lines] == ["E_DEMO_KEYS"]


def test_trial_keys_open_no_live_camera(tmp_path: Path) -> None:
    made = live_site(tmp_path, "rtsp://127.0.0.1:1/camera", trial=True)
    activate(made, tmp_path)
    done = product("run", "--site", made.folder, env={"CAMERA_PASSWORD": LOGIN[1]})
    assert [line.split(": ")[1] for line in done.error_lines] == ["E_DEMO_KEYS"], done.err


def test_a_password_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    made = live_site(tmp_path, "rtsp://127.0.0.1:1/camera")
    activate(made, tmp_path)
    done = product("run", "--site", made.folder)
    assert "CAMERA_PASSWORD" in done.error_lines[0]
    assert json.dumps(LOGIN[1]) not in done.err
