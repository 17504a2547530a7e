"""RTSP cameras whose video GStreamer decodes: the box itself connects and feeds it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.cameras.camera_status import CameraState
from edge.adapters.cameras.decoder_request import request_for
from edge.site.settings import RtspCamera, decoder_mistake
from tests.support.brokers import wait_until
from tests.support.live_cameras import (
    NEEDS_RTSP,
    PATIENCE_S,
    RtspServer,
    film,
    has_rtsp_server,
    picture,
    watching,
)

pytestmark = pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)

LOGIN = ("viewer", "canary-p@ss")
DECODER = "h264parse ! openh264dec"
"""The decoder of the processor; on a Jetson it is nvv4l2decoder, in the same place."""


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "street.ts", (640, 360, 60))


def camera(url: str, decoder: str = DECODER) -> RtspCamera:
    return RtspCamera(type="rtsp", url=url, username=LOGIN[0], decoder=decoder)


def descendants(process: int) -> Iterator[Path]:
    """The /proc folders of all processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below = {process}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    yield from (Path(f"/proc/{one}") for one in below - {process})


def test_gstreamer_decodes_what_the_box_receives_and_sees_no_password(street: Path) -> None:
    before = {folder.name for folder in descendants(os.getpid())}
    with RtspServer(street, LOGIN) as server:
        serving = {folder.name for folder in descendants(os.getpid())}
        with watching(camera(server.url), LOGIN[1]) as watched:
            assert watched.gets(40), watched.problem
            told = {
                (folder / "cmdline").read_text(): (folder / "environ").read_text()
                for folder in descendants(os.getpid())
                if folder.name not in serving and folder.exists()
            }
        frames = watched.frames[:40]
        assert watched.camera.status().size == (640, 360)
    ramp = picture(0)[0].astype(int)

    gstreamer = [command for command in told if command.startswith("gst-launch-1.0")]
    assert len(gstreamer) == 1
    assert "openh264dec" in gstreamer[0]
    for command, environment in told.items():
        assert "canary" not in command + environment
        assert "viewer" not in command + environment
        assert "rtsp://" not in command + environment
    rows = [frame.pixels[[0, 1, 3]].astype(int) for frame in frames]
    assert max(np.abs(row - ramp).mean() for row in rows) < 16
    assert [frame.index for frame in frames] == list(range(40))
    gone = wait_until(
        lambda: {folder.name for folder in descendants(os.getpid())} <= before, PATIENCE_S
    )
    assert gone, "no process is left"


def test_a_wrong_password_is_reported_as_without_gstreamer(street: Path) -> None:
    with RtspServer(street, LOGIN) as server, watching(camera(server.url), "wrong") as watched:
        assert watched.becomes(CameraState.REFUSED), watched.problem
        assert watched.problem.startswith("E_CAMERA_AUTH")


def test_a_decoder_for_other_video_is_reported(street: Path) -> None:
    wrong = camera("rtsp://192.0.2.1/x", "h265parse ! openh264dec")
    with RtspServer(street, LOGIN) as server:
        live = wrong.model_copy(update={"url": server.url})
        with watching(live, LOGIN[1]) as watched:
            assert watched.becomes(CameraState.AWAY), watched.problem
            assert watched.problem.startswith("E_CAMERA_"), watched.problem
            assert watched.frames == []


def test_a_camera_that_stalls_or_goes_away_is_tried_again(street: Path) -> None:
    with RtspServer(street, LOGIN) as server, watching(camera(server.url), LOGIN[1]) as watched:
        assert watched.gets(10), watched.problem
        server.stall()
        stalled = time.monotonic()
        assert watched.becomes(CameraState.AWAY), watched.problem
        assert time.monotonic() - stalled < 12
        server.go_on()
        assert watched.gets(10), watched.problem
        server.kill()
        assert watched.becomes(CameraState.AWAY), watched.problem
        server.start()
        assert watched.gets(10), watched.problem


def test_the_request_holds_the_password_and_the_pipeline_does_not() -> None:
    request = request_for(camera("rtsp://192.0.2.1/x"), LOGIN[1])

    assert "canary" in request.address
    assert request.pipeline[:4] == ("gst-launch-1.0", "-q", "fdsrc", "fd=0")
    assert not any("canary" in word or "192.0.2.1" in word for word in request.pipeline)
    assert not request.stamped


@pytest.mark.parametrize(
    "decoder",
    [
        "h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw",
        "h265parse ! nvv4l2decoder enable-max-performance=1 ! nvvidconv ! video/x-raw,format=I420",
        "h264parse ! v4l2h264dec ! videoconvert",
    ],
)
def test_pipelines_that_decode_are_accepted(decoder: str) -> None:
    assert decoder_mistake(decoder) is None


@pytest.mark.parametrize(
    ("decoder", "mistake"),
    [
        ("nvv4l2decoder", "must begin with h264parse or h265parse"),
        ("rtspsrc location=rtsp://x ! h264parse", "only these elements"),
        ("h264parse ! videotestsrc", "remove videotestsrc"),
        ("h264parse ! filesink location=/tmp/x", "only these elements"),
        ("h264parse ! tee name=t", "only these elements"),
        ("h264parse ! nvv4l2decoder ! fdsink fd=1", "only these elements"),
        ("", "only these elements"),
    ],
)
def test_pipelines_that_do_something_else_are_refused(decoder: str, mistake: str) -> None:
    found = decoder_mistake(decoder)

    assert found is not None
    assert mistake in found
