"""Live cameras with real servers that hang, disconnect, send wrong data or come back.

Longer than 500 lines because every way in which a camera fails uses the same servers.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import random
import shutil
import signal
import statistics
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.adapters.cameras.camera_status import CameraState
from edge.adapters.cameras.decoder_request import request_for
from edge.adapters.cameras.live_camera import LiveCamera
from edge.adapters.host.system import SystemClock
from edge.adapters.state.policy_state import SteadyClock
from edge.domain.motion import Cells, cells_shape
from edge.site.settings import DeviceCamera, HttpCamera, PipelineCamera, RtspCamera
from tests.support.brokers import HOST, free_port, tcp_server, wait_until
from tests.support.live_cameras import (
    NEEDS_RTSP,
    PATIENCE_S,
    JpegServer,
    RtspServer,
    Send,
    Watched,
    film,
    has_rtsp_server,
    jpeg,
    part,
    picture,
    play,
    watching,
)

needs_rtsp = pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
AT_ONCE = -1.0
"""A jitter with which the back-off is nothing."""


def rtsp(url: str, transport: str = "tcp", username: str | None = None) -> RtspCamera:
    return RtspCamera.model_validate(
        {"type": "rtsp", "url": url, "transport": transport, "username": username}
    )


def http(url: str, username: str | None = None) -> HttpCamera:
    return HttpCamera(type="http", url=url, username=username)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "street.ts", (640, 360, 60))


def children() -> set[int]:
    """All child processes of this one, with their own children."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


@needs_rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_over_rtsp_numbered_and_timed(street: Path, transport: str) -> None:
    with RtspServer(street) as server, watching(rtsp(server.url, transport)) as watched:
        assert watched.gets(60), watched.problem
        frames = watched.frames[:60]
        status = watched.camera.status()

    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    if transport == "tcp":  # a lost UDP packet is counted and leaves a gap
        assert indices == list(range(60))
    times = [frame.stream_s for frame in frames]
    assert all(before < after for before, after in itertools.pairwise(times))
    observed = [frame.observed_at for frame in frames]
    assert observed == sorted(observed)
    assert status.state is CameraState.LIVE
    assert status.size == (640, 360)
    assert status.per_second == pytest.approx(25, rel=0.5)


@needs_rtsp
def test_an_unselected_frame_stays_in_the_decoder_and_is_counted(street: Path) -> None:
    asked: list[tuple[float, Cells]] = []

    def each_fifth(cells: Cells, stream_s: float) -> bool:
        asked.append((stream_s, cells))
        return len(asked) % 5 == 0

    with RtspServer(street) as server, watching(rtsp(server.url), wants=each_fifth) as watched:
        assert watched.gets(12), watched.problem
        frames = watched.frames[:12]
        status = watched.camera.status()

    assert [frame.index for frame in frames] == list(range(4, 64, 5))
    assert [frame.stream_s for frame in frames] == [asked[frame.index][0] for frame in frames]
    assert all(frame.selected for frame in frames)
    assert status.unwanted >= 48
    assert status.per_second == pytest.approx(25, rel=0.5)
    # The cells match the picture: a ramp from dark to bright, and a brighter block.
    ramp = asked[0][1][0]
    assert ramp[0] < 60
    assert ramp[-1] > 140
    assert asked[0][1].shape == cells_shape(360, 640)
    assert asked[0][1].max() > 200


@needs_rtsp
def test_while_nothing_moves_each_second_frame_is_only_counted(street: Path) -> None:
    asked_s: list[float] = []

    def never(_cells: Cells, stream_s: float) -> bool:
        asked_s.append(stream_s)
        return False

    with (
        RtspServer(street) as server,
        watching(rtsp(server.url), wants=never, idles=lambda: True) as watched,
    ):
        assert wait_until(lambda: len(asked_s) >= 60, PATIENCE_S), watched.problem
        status = watched.camera.status()

    apart_s = [later - one for one, later in itertools.pairwise(asked_s)]
    assert median(apart_s) == pytest.approx(2 / 25, rel=0.1)
    assert status.unwanted == pytest.approx(2 * 60, rel=0.1)
    assert status.per_second == pytest.approx(25, rel=0.2)


def test_unselected_frames_keep_a_camera_live() -> None:
    with (
        JpegServer(play()) as server,
        watching(http(server.url), wants=lambda _cells, _stream_s: False, stale_s=1.0) as watched,
    ):
        assert wait_until(lambda: watched.camera.status().unwanted > 60, PATIENCE_S)
        status = watched.camera.status()

    assert (status.state, status.connections, watched.frames) == (CameraState.LIVE, 1, [])


def test_a_frames_time_is_within_a_tenth_of_a_second_of_its_arrival() -> None:
    sent: list[datetime] = []
    image = part(jpeg(picture(0)))

    def visit(_visit: int, send: Send) -> None:
        for _ in range(200):
            sent.append(datetime.now(timezone.utc))
            send(image)
            time.sleep(0.1)

    with JpegServer(visit) as server, watching(http(server.url)) as watched:
        assert watched.gets(40), watched.problem

    # The library probes the first pictures together; later ones arrive as they are sent.
    late = [
        min(abs((frame.observed_at - moment).total_seconds()) for moment in sent)
        for frame in watched.frames[10:40]
    ]
    assert statistics.median(late) < 0.1


@needs_rtsp
@pytest.mark.parametrize("password", [None, "wrong-canary-pw"], ids=["none", "wrong"])
def test_a_wrong_password_is_a_distinct_state_and_is_never_shown(
    street: Path, password: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspServer(street, ("viewer", "p@ss:/w rd")) as server:
        live = rtsp(server.url, username="viewer")
        with watching(live, password) as watched:
            assert watched.becomes(CameraState.REFUSED), watched.problem
            commands = [
                Path(f"/proc/{child}/cmdline").read_text()
                + Path(f"/proc/{child}/environ").read_text()
                for child in children()
                if Path(f"/proc/{child}").exists()
            ]
            told = f"{watched.camera.status()}{watched.problem}{caplog.text}"
        assert watched.frames == []
        assert "E_CAMERA_AUTH" in told
        assert "viewer" not in told
        assert "/camera" not in told
        assert all("canary-pw" not in text for text in [*commands, told])
        assert "canary-pw" not in repr(request_for(live, password))


@needs_rtsp
def test_a_password_may_contain_any_characters(street: Path) -> None:
    with RtspServer(street, ("viewer", "p@ss:/w rd")) as server:
        live = rtsp(server.url, username="viewer")
        with watching(live, "p@ss:/w rd") as watched:
            assert watched.gets(3), watched.problem


@needs_rtsp
def test_the_box_waits_for_a_missing_camera(street: Path) -> None:
    server = RtspServer(street)
    with watching(rtsp(server.url)) as watched:
        assert watched.becomes(CameraState.AWAY)
        assert "E_CAMERA_UNREACHABLE" in watched.problem
        with server:
            assert watched.gets(3), watched.problem


@needs_rtsp
def test_a_stalled_camera_is_disconnected_within_five_seconds_and_reconnected(street: Path) -> None:
    with RtspServer(street) as server, watching(rtsp(server.url)) as watched:
        assert watched.gets(10), watched.problem
        server.stall()
        last = len(watched.frames)
        stalled = time.monotonic()
        assert watched.becomes(CameraState.AWAY)
        took = time.monotonic() - stalled
        assert "E_CAMERA_SILENT" in watched.problem
        # Data sent before the stall still arrives, and a busy machine adds to the 5 s.
        assert took < 20
        server.go_on()
        assert wait_until(lambda: len(watched.frames) > last + 30, PATIENCE_S), watched.problem
        assert watched.camera.status().connections == 2
        breaks = [frame.breaks or 0 for frame in watched.frames]
        assert (breaks[-1] - breaks[0], breaks) == (1, sorted(breaks))


@needs_rtsp
def test_a_camera_may_reconnect_with_another_frame_size(street: Path, tmp_path: Path) -> None:
    other = film(tmp_path / "other.ts", (320, 240, 20))
    with RtspServer(street) as server, watching(rtsp(server.url)) as watched:
        assert watched.gets(5), watched.problem
        server.kill()
        assert watched.becomes(CameraState.AWAY)
        server.start(other)
        assert watched.gets(5), watched.problem
        assert watched.camera.status().size == (320, 240)
        indices = [frame.index for frame in watched.frames]
        assert indices == sorted(set(indices))


@needs_rtsp
def test_a_camera_may_change_its_frame_size_during_a_stream(tmp_path: Path) -> None:
    changing = film(tmp_path / "changing.ts", (640, 360, 3), (320, 240, 20))
    with RtspServer(changing) as server, watching(rtsp(server.url)) as watched:
        assert watched.gets(10), watched.problem
        assert wait_until(lambda: watched.camera.status().size == (320, 240), PATIENCE_S)


def with_noise(number: int, picture: bytes) -> bytes:
    """Replace the end of each picture with noise, for more than a second."""
    if not 45 <= number < 80:
        return picture
    kept = len(picture) // 3
    return picture[:kept] + random.Random(number).randbytes(len(picture) - kept)


def without_a_slice(number: int, picture: bytes) -> bytes:
    """Drop the lower half of one key frame; the frames that refer to it are intact."""
    return picture[: picture.rindex(b"\0\0\1")] if number == 50 else picture


@needs_rtsp
@pytest.mark.parametrize("damage", [with_noise, without_a_slice])
def test_a_damaged_rtsp_frame_is_counted_and_not_analysed(
    damage: Callable[[int, bytes], bytes], tmp_path: Path
) -> None:
    damaged = film(tmp_path / "damaged.ts", (640, 360, 5), damage=damage)
    ramp = picture(0)[0].astype(int)
    with RtspServer(damaged) as server, watching(rtsp(server.url)) as watched:
        assert wait_until(lambda: watched.camera.corrupt_frames > 0, PATIENCE_S), watched.problem
        assert watched.gets(40), watched.problem  # the stream continues after the damage
    # Three rows of each picture, without the moving block.
    seen = [frame.pixels[[0, 1, 3]].astype(int) for frame in watched.frames]
    assert max(np.abs(rows - ramp).max() for rows in seen) < 16


@pytest.mark.parametrize("answer", [b"RTSP/1.0 200 OK\r\nCSeq: one\r\n\r\n" * 50, os.urandom(5000)])
def test_a_camera_that_sends_invalid_data_is_disconnected_and_tried_again(answer: bytes) -> None:
    with (
        tcp_server(answer, close=True) as port,
        watching(rtsp(f"rtsp://{HOST}:{port}/x")) as watched,
    ):
        assert watched.becomes(CameraState.AWAY), watched.problem
        assert watched.problem.startswith("E_CAMERA_")
        assert watched.frames == []


def test_http_pictures_may_change_size_and_invalid_ones_are_skipped() -> None:
    small, large = part(jpeg(picture(0, 320, 240))), part(jpeg(picture(0)))
    broken = bytearray(jpeg(picture(1)))
    broken[len(broken) // 3 :] = os.urandom(len(broken) - len(broken) // 3)

    def visit(_visit: int, send: Send) -> None:
        for index in range(1000):
            send((small, large, part(bytes(broken)))[index // 10 % 3])
            time.sleep(0.04)

    with JpegServer(visit) as server, watching(http(server.url)) as watched:
        assert wait_until(lambda: watched.camera.corrupt_frames > 5, PATIENCE_S), watched.problem
        assert wait_until(
            lambda: {frame.width for frame in watched.frames} == {320, 640}, PATIENCE_S
        )


def test_an_http_camera_receives_the_password_or_reports_a_wrong_one() -> None:
    with JpegServer(play(), login=("viewer", "sesame")) as server:
        with watching(http(server.url, "viewer"), "sesame") as watched:
            assert watched.gets(3), watched.problem
        with watching(http(server.url, "viewer"), "wrong") as watched:
            assert watched.becomes(CameraState.REFUSED), watched.problem


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>log in</html>" * 100, "text/html"),
        (bytes(range(256)) * 4000, "application/octet-stream"),
        (b"", "multipart/x-mixed-replace; boundary=frame"),
    ],
    ids=["a page", "garbage", "nothing"],
)
def test_a_page_that_is_not_a_video_is_reported(body: bytes, kind: str) -> None:
    with (
        JpegServer(lambda _visit, send: send(body), content_type=kind) as server,
        watching(http(server.url)) as watched,
    ):
        assert watched.becomes(CameraState.AWAY)
        assert watched.problem.split(":")[0] in {"E_CAMERA_STREAM", "E_CAMERA_LOST"}
        assert watched.frames == []


def test_an_address_may_not_lead_to_a_file_or_to_other_formats(tmp_path: Path) -> None:
    # A camera or an impostor must not make the box read its own disk.
    secret = film(tmp_path / "secret.ts", (320, 240, 1))
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n".encode()
    with (
        JpegServer(
            lambda _visit, send: send(playlist), content_type="application/vnd.apple.mpegurl"
        ) as server,
        watching(http(server.url)) as watched,
    ):
        assert watched.becomes(CameraState.AWAY)
        assert watched.frames == []


def test_a_decoder_that_hangs_is_killed() -> None:
    before = children()
    with JpegServer(play()) as server, watching(http(server.url)) as watched:
        assert watched.gets(3), watched.problem
        (decoder,) = children() - before
        os.kill(decoder, signal.SIGSTOP)  # like a device without a driver
        assert watched.becomes(CameraState.AWAY)
        assert "E_CAMERA_SILENT" in watched.problem
        assert wait_until(lambda: not Path(f"/proc/{decoder}").exists())
        assert watched.gets(3), watched.problem


def test_a_silent_camera_is_closed_within_a_second_and_leaves_no_process() -> None:
    before = children()
    silence = threading.Event()

    def nothing(_visit: int, _send: Send) -> None:
        silence.wait(30)

    with JpegServer(nothing) as server:
        with watching(http(server.url)) as watched:
            assert wait_until(lambda: server.visits == 1, PATIENCE_S)
            closed = time.monotonic()
            watched.camera.close()
            assert watched.becomes(CameraState.CLOSED, 10)
            assert time.monotonic() - closed < 3
        silence.set()
        assert wait_until(lambda: children() <= before)


def test_twenty_reconnections_leave_threads_descriptors_and_processes_as_they_were() -> None:
    def counts() -> tuple[int, int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), len(children())

    with (
        JpegServer(play(3, every_s=0.01)) as server,
        watching(http(server.url), jitter=AT_ONCE) as watched,
    ):
        assert wait_until(lambda: watched.camera.status().connections >= 2, PATIENCE_S)
        seen: list[tuple[int, int, int]] = []
        for connections in range(3, 23):
            assert watched.connects(connections), watched.problem
            seen.append(counts())

    # An open connection holds resources for a while; a leak only grows.
    early, late = seen[:10], seen[10:]
    for which in range(3):
        assert min(count[which] for count in late) <= max(count[which] for count in early)
        assert median(count[which] for count in late) <= median(count[which] for count in early) + 1


def test_a_missing_device_is_reported() -> None:
    live = DeviceCamera(type="device", device="/dev/video-none")
    with watching(live) as watched:
        assert watched.becomes(CameraState.AWAY)
        assert watched.problem.startswith("E_CAMERA_DEVICE: camera cam-1 (/dev/video-none)")


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs gstreamer1.0-tools")
def test_a_gstreamer_pipeline_gives_frames_and_ends_with_its_camera() -> None:
    before = children()
    name = f"camera-{os.getpid()}"  # other runs of this test have other names
    live = PipelineCamera(
        type="pipeline",
        pipeline=f"videotestsrc name={name} is-live=true ! "
        "video/x-raw,width=320,height=240,framerate=10/1",
    )
    with watching(live) as watched:
        assert watched.gets(5), watched.problem
        assert watched.camera.status().size == (320, 240)
    assert wait_until(lambda: children() <= before)
    running = [path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(name in command for command in running)


class Hours:
    """Opening hours that a test opens and closes."""

    def __init__(self) -> None:
        self.allowed = threading.Event()

    def is_active(self, moment: datetime) -> bool:
        del moment
        return self.allowed.is_set()

    def next_opening(self, moment: datetime) -> datetime | None:
        del moment
        return datetime(2026, 11, 30, 8, 15, tzinfo=ZoneInfo("Europe/Brussels"))


def test_outside_its_hours_a_camera_is_not_connected_and_says_once_until_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hours = Hours()
    allowed = hours.allowed
    with JpegServer(play()) as server:
        live = http(server.url)
        camera = LiveCamera(
            "cam-1",
            "shown",
            lambda: request_for(live, None),
            clock=SystemClock(),
            jitter=lambda: 0.0,
            hours=hours,
        )
        watched = Watched(camera)
        thread = threading.Thread(target=watched.run)
        thread.start()
        try:
            assert watched.becomes(CameraState.RESTING)
            time.sleep(1.5)
            assert server.visits == 0
            assert camera.status().opens_at == hours.next_opening(datetime.now(timezone.utc))
            told = "camera cam-1: closed until 2026-11-30 08:15 CET by the policy's hours"
            assert caplog.messages.count(told) == 1
            allowed.set()
            assert watched.gets(3), watched.problem
            assert camera.status().opens_at is None
            allowed.clear()
            assert watched.becomes(CameraState.RESTING)
            count = len(watched.frames)
            time.sleep(0.5)
            assert caplog.messages.count(told) == 2
            assert len(watched.frames) == count
        finally:
            camera.close()
            thread.join(60)


def test_an_unresolved_host_name_is_reported() -> None:
    with watching(http("http://camera.invalid/video")) as watched:
        assert watched.becomes(CameraState.AWAY)
        assert "a host name that does not resolve" in watched.problem


def test_an_unreachable_address_is_a_distinct_state() -> None:
    with watching(rtsp(f"rtsp://{HOST}:{free_port()}/x")) as watched:
        assert watched.becomes(CameraState.AWAY)
        assert "refuses the connection" in watched.problem


class SteppedClock(SystemClock):
    """The machine's clock with a wall clock that the test sets; the monotonic clock runs on."""

    def __init__(self) -> None:
        self.step = timedelta()

    def utc(self) -> datetime:
        return super().utc() + self.step


@pytest.mark.parametrize("back", [timedelta(0), timedelta(days=-400)], ids=["undone", "far back"])
def test_a_wall_clock_step_neither_reorders_frames_nor_repeats_a_time(
    back: timedelta, tmp_path: Path
) -> None:
    hand = SteppedClock()
    with (
        JpegServer(play()) as server,
        watching(http(server.url), clock=SteadyClock(hand, tmp_path)) as watched,
    ):
        assert watched.gets(5), watched.problem
        began = datetime.now(timezone.utc)
        hand.step = timedelta(hours=2)  # over many epochs, past the end of many a list entry
        ahead = len(watched.frames) + 1
        assert watched.gets(5), watched.problem
        hand.step = back
        behind = len(watched.frames) + 1
        assert watched.gets(5), watched.problem

    frames = watched.frames
    moments = [frame.observed_at for frame in frames]
    assert moments == sorted(moments)
    assert moments[0] < began + timedelta(minutes=1)
    assert moments[ahead] >= began + timedelta(hours=2) - timedelta(seconds=1)
    assert moments[behind] >= moments[behind - 2]  # an expired entry stays expired
    # Tracks and epochs use this time, which does not depend on the wall clock.
    times = [frame.stream_s for frame in frames]
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert times[-1] - times[0] < PATIENCE_S * 3
    assert [frame.index for frame in frames] == sorted(frame.index for frame in frames)
