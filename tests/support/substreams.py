"""Cameras with a main and a small stream for tests: films of both, and what a box reads of them."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.video.frame import VideoFrame

from edge.adapters.cameras.camera_status import CameraStatus
from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.live_camera import LiveCamera
from edge.adapters.host.system import SystemClock
from edge.adapters.models.loading import PlateModels
from edge.box.frame_queue import FrameQueue, QueuedFrame, StreamCounts, StreamEnd, capture
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold

SMALL = (640, 360)


def filmed(
    clips: Sequence[Path],
    path: Path,
    size: tuple[int, int],
    *,
    key_every_s: float = 1.0,
    b_frames: int = 0,
    keep_every: int = 1,
) -> Path:
    """Clips one after the other as a camera sends them: H.264 in MPEG-TS with regular key frames.

    Args:
        clips: what is filmed, all at the same rate.
        path: the film.
        size: width and height of the film.
        key_every_s: seconds between key frames.
        b_frames: most B-frames in a row.
        keep_every: only each n-th frame is filmed.
    """
    with av.open(str(path), "w", format="mpegts") as container:
        stream, number = None, 0
        for clip in clips:
            with av.open(str(clip)) as source:
                rate = (source.streams.video[0].average_rate or Fraction(25)) / keep_every
                if stream is None:
                    stream = container.add_stream("libx264", rate=rate)
                    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
                    stream.codec_context.gop_size = round(key_every_s * rate)
                    stream.codec_context.max_b_frames = b_frames
                    stream.options = {"preset": "veryfast", "crf": "23", "sc_threshold": "0"}
                for frame in islice(source.decode(video=0), 0, None, keep_every):
                    shown: VideoFrame = frame.reformat(*size, format="yuv420p")
                    shown.pts, shown.time_base = number, 1 / rate
                    number += 1
                    container.mux(stream.encode(shown))
        assert stream is not None
        container.mux(stream.encode(None))
    return path


@dataclass
class BoxRun:
    """What a box reads from one live camera, until its film ends or it is told to stop.

    Attributes:
        vehicles: final ones.
        looks: when each analysed frame was taken and when it was analysed, on the monotonic clock.
        statuses: the camera's status at each analysed frame.
        decoder_s: processor seconds of the decoder process.
        box_s: processor seconds of this process meanwhile.
    """

    request: Callable[[], DecoderRequest]
    models: PlateModels
    vehicles: list[VehicleSeen] = field(default_factory=list)
    looks: list[tuple[float, float]] = field(default_factory=list)
    statuses: list[CameraStatus] = field(default_factory=list)
    decoder_s: float = 0.0
    box_s: float = 0.0

    def __post_init__(self) -> None:
        self.camera = LiveCamera(
            "cam-1", "camera", self.request, clock=SystemClock(), jitter=lambda: 0.0
        )
        self._stopped = threading.Event()

    def run(
        self, limit_s: float = 120.0, enough: Callable[[BoxRun], bool] = lambda _run: False
    ) -> BoxRun:
        """Watch the camera until it is lost, for so long, or until a frame shows `enough`."""
        attention = Attention()
        self.camera.ask(attention.selects, lambda: attention.idles)
        watcher = VehicleWatcher(
            "cam-1",
            self.models.detector,
            self.models.reader,
            settings_for_threshold(self.models.threshold),
            attention=attention,
        )
        intake = FrameQueue(keep_all=False)
        counts = StreamCounts()
        children_s, own_s = _children_s(), time.process_time()
        thread = threading.Thread(
            target=capture, args=(self.camera, 0, intake, counts), kwargs={"paced": False}
        )
        thread.start()
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s and not self._stopped.is_set():
            item = intake.take(0.1)
            status = self.camera.status()
            if status.connections > 1 or (status.connections and status.problem is not None):
                break
            if isinstance(item, StreamEnd):
                assert item.error is None, item.error
                break
            if isinstance(item, QueuedFrame):
                self._keep(watcher.observe(item.frame))
                self.looks.append((item.frame.stream_s, time.monotonic()))
                self.statuses.append(status)
                if enough(self):
                    break
        self._keep(watcher.finish())
        self.camera.close()
        intake.close()
        thread.join(60)
        assert not thread.is_alive()
        self.decoder_s = _children_s() - children_s
        self.box_s = time.process_time() - own_s
        return self

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._stopped.set()

    @property
    def texts(self) -> list[str]:
        """The plates that were read, sorted."""
        consensuses = [one.consensus for one in self.vehicles]
        return sorted(one.best.text.reveal() for one in consensuses if one is not None)

    def _keep(self, vehicles: Sequence[VehicleSeen]) -> None:
        self.vehicles += [one for one in vehicles if one.final]


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
