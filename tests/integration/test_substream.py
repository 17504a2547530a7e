"""Cameras that are watched through a small stream: real RTSP servers and networks."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timezone
from functools import cache
from pathlib import Path

import pytest

from edge.adapters.cameras.camera_status import RARE_KEY_FRAMES_TEXT, CameraState, SubstreamStatus
from edge.adapters.cameras.decoder_request import request_for
from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.box.findings import FindingState
from edge.box.substream_check import examine_substream
from edge.domain.motion import Cells, cells_shape
from edge.domain.schedule import Hours, Schedule
from edge.site.settings import RtspCamera
from tests.e2e.test_live_run import plates
from tests.support.brokers import HOST, free_port, wait_until
from tests.support.live_cameras import (
    NEEDS_RTSP,
    PATIENCE_S,
    RtspServer,
    film,
    has_rtsp_server,
    looped,
    watching,
)
from tests.support.product import CLIPS
from tests.support.substreams import SMALL, BoxRun, filmed

pytestmark = pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)

STREET = CLIPS / "street_day.mp4"
MAIN = (1280, 720)
"""The size of the clips."""

ALWAYS = Schedule(timezone.utc, ((Hours.parse("00:00-24:00"),),) * 7)


@cache
def models() -> PlateModels:
    return load_plate_models(Manifest.load())


def camera(main: str, small: str | None) -> RtspCamera:
    return RtspCamera.model_validate({"type": "rtsp", "url": main, "substream": small})


def box(main: str, small: str | None) -> BoxRun:
    return BoxRun(lambda: request_for(camera(main, small)), models())


def in_thread(run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def substream_of(run: BoxRun) -> SubstreamStatus:
    return run.camera.status().substream or SubstreamStatus()


def read_whole(made: Callable[[], BoxRun], clip: Path) -> BoxRun:
    """A run that has read all vehicles of a clip: a busy machine may miss one in two of three."""
    run = made().run()
    for _ in range(2):
        if run.texts == sorted(plates(clip.name)):
            break
        run = made().run()
    return run


def has_read_the_street_without_a_substream(run: BoxRun) -> bool:
    return substream_of(run).problem is not None and set(plates(STREET.name)) <= set(run.texts)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The street, in the size of the main stream and in that of the small one."""
    folder = tmp_path_factory.mktemp("street")
    return filmed([STREET], folder / "main.ts", MAIN), filmed([STREET], folder / "small.ts", SMALL)


@pytest.fixture(scope="module")
def films(street: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The street twice, in both sizes."""
    folder = tmp_path_factory.mktemp("films")
    large, small = street
    return looped(large, folder / "main.ts", 2), looped(small, folder / "small.ts", 2)


@pytest.fixture(scope="module")
def many_times(street: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of the street: a busy machine may miss a vehicle several times."""
    return looped(street[0], tmp_path_factory.mktemp("many") / "main.ts", 24)


@pytest.fixture(scope="module")
def main(films: tuple[Path, Path]) -> Iterator[RtspServer]:
    """A server of the main stream that no test stops; each client sees it from its beginning."""
    with RtspServer(films[0]) as server:
        yield server


@pytest.fixture(scope="module")
def small(films: tuple[Path, Path]) -> Iterator[RtspServer]:
    """The same of the small stream."""
    with RtspServer(films[1]) as server:
        yield server


@pytest.mark.parametrize(
    ("clip", "key_every_s", "b_frames"),
    [("street_day", 1.0, 0), ("wrong_way", 1.0, 2), ("rain", 5.0, 0)],
)
def test_a_box_reads_the_same_vehicles_with_a_substream_and_without(
    tmp_path: Path, street: tuple[Path, Path], clip: str, key_every_s: float, b_frames: int
) -> None:
    source = CLIPS / f"{clip}.mp4"
    main, small = street
    if source != STREET:
        main = filmed(
            [source], tmp_path / "main.ts", MAIN, key_every_s=key_every_s, b_frames=b_frames
        )
        small = filmed([source], tmp_path / "small.ts", SMALL)
    with RtspServer(main) as one, RtspServer(small) as other:
        without = read_whole(lambda: box(one.url, None), source)
        through = read_whole(lambda: box(one.url, other.url), source)

    assert without.texts == sorted(plates(source.name))
    assert through.texts == without.texts
    substreams = [one.substream for one in through.statuses if one.substream is not None]
    assert any(one.works for one in substreams)
    assert all(one.problem is None for one in substreams)


def test_vehicles_that_appear_on_an_idle_road_are_read_through_a_substream(tmp_path: Path) -> None:
    clips = [CLIPS / "empty_road.mp4"] * 4 + [CLIPS / "twin_b.mp4"]
    main_film = filmed(clips, tmp_path / "main.ts", MAIN, key_every_s=2.0)
    small_film = filmed(clips, tmp_path / "small.ts", SMALL)
    with RtspServer(main_film) as main, RtspServer(small_film) as small:
        run = read_whole(lambda: box(main.url, small.url), clips[-1])

    assert run.texts == sorted(plates("twin_b.mp4"))
    assert substream_of(run).works


def test_a_look_takes_the_frame_of_its_moment(main: RtspServer, small: RtspServer) -> None:
    asked: list[float] = []

    def each_tenth(_cells: Cells, now_s: float) -> bool:
        asked.append(now_s)
        return len(asked) % 10 == 0

    with watching(camera(main.url, small.url), wants=each_tenth) as watched:
        assert watched.gets(12), watched.problem
        assert wait_until(lambda: bool(watched.camera.status().substream), PATIENCE_S)
        status = watched.camera.status()
        frames = list(watched.frames)

    assert status.size == MAIN
    assert status.substream == SubstreamStatus(works=True, size=SMALL)
    assert all(frame.selected for frame in frames)
    times = [frame.stream_s for frame in frames]
    assert times == sorted(set(times))
    observed = [frame.observed_at for frame in frames]
    assert observed == sorted(observed)
    # The first looks may still be of the main stream, before the small one is open.
    apart = [min(abs(moment - frame.stream_s) for moment in asked[9::10]) for frame in frames[2:]]
    assert max(apart) < 0.2, apart


@pytest.mark.parametrize("how", ["killed", "stalled"])
def test_a_substream_that_fails_is_replaced_by_the_main_stream_until_it_is_back(
    films: tuple[Path, Path], many_times: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Its small film begins anew when it is back, so every vehicle has to pass before that.
    expected = set(plates(STREET.name))
    with RtspServer(many_times) as main, RtspServer(films[1]) as small:
        run = box(main.url, small.url)
        thread = in_thread(run.run)
        assert wait_until(lambda: substream_of(run).works, PATIENCE_S)
        (small.kill if how == "killed" else small.stall)()
        away = wait_until(lambda: substream_of(run).problem is not None, PATIENCE_S)
        problem = substream_of(run).problem
        wait_until(lambda: expected <= set(run.texts) or not thread.is_alive(), 2 * PATIENCE_S)
        read = set(run.texts)
        up = run.camera.status().state
        (small.start if how == "killed" else small.go_on)()
        back = wait_until(lambda: substream_of(run).works, PATIENCE_S)
        run.stop()
        thread.join(PATIENCE_S)

    assert (away, back, up) == (True, True, CameraState.LIVE)
    assert problem is not None
    assert "until then the main stream is watched" in problem
    assert read >= expected
    said = [record.getMessage() for record in caplog.records]
    assert "camera cam-1: its substream is watched again" in said


def test_a_substream_that_is_never_there_loses_no_vehicle(many_times: Path) -> None:
    with RtspServer(many_times) as main:
        run = box(main.url, f"rtsp://{HOST}:{free_port()}/small")
        run.run(enough=has_read_the_street_without_a_substream)

    assert set(plates(STREET.name)) <= set(run.texts)
    status = run.statuses[-1].substream
    assert status is not None
    assert not status.works
    assert "refuses the connection" in (status.problem or "")


def test_a_substream_of_another_view_is_not_watched(many_times: Path, tmp_path: Path) -> None:
    view = film(tmp_path / "other.ts", (*SMALL, 60))
    with RtspServer(many_times) as main, RtspServer(view) as other:
        run = box(main.url, other.url).run(enough=has_read_the_street_without_a_substream)

    assert set(plates(STREET.name)) <= set(run.texts)
    status = run.statuses[-1].substream
    assert status is not None
    assert "shows another view" in (status.problem or "")


def test_a_main_stream_that_dies_is_the_cameras_outage(films: tuple[Path, Path]) -> None:
    with (
        RtspServer(films[0]) as main,
        RtspServer(films[1]) as small,
        watching(camera(main.url, small.url), wants=lambda _cells, _now_s: True) as watched,
    ):
        assert watched.gets(20), watched.problem
        main.stall()
        assert watched.becomes(CameraState.AWAY), "the small stream still gives pictures"
        away = watched.problem
        main.go_on()
        assert watched.becomes(CameraState.LIVE), watched.problem
        assert watched.gets(20), watched.problem

    assert "E_CAMERA_SILENT" in away or "E_CAMERA_LOST" in away


def test_rare_key_frames_are_told_once_and_lose_no_vehicle(
    street: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main_film = filmed([STREET], tmp_path / "main.ts", MAIN, key_every_s=20.0)
    with RtspServer(main_film) as main, RtspServer(street[1]) as small:

        def anew() -> BoxRun:
            caplog.clear()
            return box(main.url, small.url)

        run = read_whole(anew, STREET)

    assert run.texts == sorted(plates(STREET.name))
    status = run.statuses[-1].substream
    assert status is not None
    assert status.works
    assert status.rare_key_frames
    told = [one.getMessage() for one in caplog.records if RARE_KEY_FRAMES_TEXT in one.getMessage()]
    assert told == [f"camera cam-1: {RARE_KEY_FRAMES_TEXT}"]


def test_p8_the_decoder_of_both_streams_can_write_no_file(
    main: RtspServer, small: RtspServer
) -> None:
    both = camera(main.url, small.url)
    with watching(both, wants=lambda _cells, _now_s: True) as watched:
        assert watched.gets(20), watched.problem
        (decoder,) = decoders()
        limit = resource.prlimit(decoder, resource.RLIMIT_FSIZE)
        assert watched.gets(20), watched.problem

    assert limit == (0, 0)


def decoders() -> list[int]:
    """The decoder processes of this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"edge.adapters.cameras.decoder" in command:
            found.append(int(folder.name))
    return found


def test_p11_what_moves_under_a_mask_of_the_main_picture_moves_nothing_in_the_small_one(
    main: RtspServer, small: RtspServer
) -> None:
    seen: list[Cells] = []
    left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    run = box(main.url, small.url)

    def keep(cells: Cells, _now_s: float) -> bool:
        seen.append(cells)
        return False

    GuardedCamera(run.camera, ALWAYS, [left]).ask(keep, bool)
    thread = in_thread(lambda: list(run.camera.frames()))
    assert wait_until(lambda: substream_of(run).works and len(seen) > 20, PATIENCE_S)
    run.camera.close()
    thread.join(60)

    small_ones = [cells for cells in seen if cells.shape == cells_shape(SMALL[1], SMALL[0])]
    columns = small_ones[0].shape[1]
    assert small_ones
    for cells in small_ones:
        assert not cells[:, : columns // 2 - 1].any()
        assert cells[:, columns // 2 + 2 :].all()


@pytest.mark.parametrize("small_is", ["good", "away", "slow", "large"])
def test_doctor_says_whether_a_substream_does_its_work(
    main: RtspServer, small: RtspServer, tmp_path: Path, small_is: str
) -> None:
    with ExitStack() as servers:
        if small_is == "slow":
            slow = filmed([STREET], tmp_path / "slow.ts", SMALL, keep_every=5)
            twice = looped(slow, tmp_path / "twice.ts", 2)
            small = servers.enter_context(RtspServer(twice))
        address = {
            "away": f"rtsp://{HOST}:{free_port()}/small",
            "large": main.url,
        }.get(small_is, small.url)
        run = box(main.url, address)
        finding = examine_substream(GuardedCamera(run.camera, ALWAYS))

    assert finding.about == "substream cam-1"
    assert finding.state is (FindingState.GOOD if small_is == "good" else FindingState.WARNING)
    assert {
        "good": "640 x 360, ",
        "away": "refuses the connection",
        "slow": "set it to at least 5 frames a second",
        "large": "too large to save work",
    }[small_is] in finding.text
