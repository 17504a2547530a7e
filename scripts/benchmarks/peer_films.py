"""Films for `scripts/bench peers`: more traffic, larger pictures, from the rendered clips.

No picture is rendered anew: passages of the rendered clips follow each other, with the same street
without its vehicles between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from edge.adapters.cameras.recordings import open_recordings
from edge.domain.imaging import Pixels
from scripts.benchmarks.rig import CLIPS

RATE = 15
"""Frames a second of the clips used here, and of the films."""
FULL_HD = 1080
NOISE = 2.0
"""Standard deviation of the noise of pictures without vehicles, of 0 to 255."""

TRAFFIC = (
    (0, ("side_by_side",), 0, 10.0),
    (12, ("side_by_side",), 1, 20.0),
    (24, ("side_by_side",), 1, 10.0),
    (42, ("street_day",), 1, 8.6),
    (60, ("side_by_side", "street_day"), 1, 10.0),
)
"""Vehicles a minute, clips, how often each is shown, and seconds of the film. A film that is
shorter than its clips shows them faster, with fewer frames."""
RESOLUTIONS = (240, 480, 720, 1080, 2160)
"""Lines of the picture."""
RESIZED = "side_by_side"
CAMERAS = (1, 2, 4, 8)
OF_A_CAMERA = "twin_a"


def traffic_film(path: Path, clips: tuple[str, ...], times: int, seconds: float) -> Path:
    """A film of so many seconds in 1080p: each clip's vehicles, and the empty street around them.

    Args:
        path: of the film (MP4).
        clips: names of rendered clips.
        times: how often each is shown; 0: only the first one's empty street.
        seconds: length of the film.
    """
    frames = round(seconds * RATE)
    passages = [picture for name in clips for picture in _pictures(name)] * times
    if len(passages) > frames:
        chosen = np.linspace(0, len(passages) - 1, frames).round().astype(int)
        passages = [passages[index] for index in chosen]
    idle = frames - len(passages)
    quiet = _quiet(clips[0], idle) if idle else iter(())
    before = [next(quiet) for _ in range(idle // 2)]
    return write_film(path, [*before, *passages, *quiet], FULL_HD)


def resized_film(path: Path, clip: str, lines: int) -> Path:
    """A rendered clip with so many lines."""
    return write_film(path, _pictures(clip), lines)


def write_film(path: Path, pictures: Iterable[Pixels], lines: int) -> Path:
    """Write H.264 with a key frame every two seconds and no B-frames, as cameras do."""
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.max_b_frames, stream.codec_context.gop_size = 0, 2 * RATE
        stream.options = {"preset": "ultrafast", "crf": "20", "threads": "1"}
        for number, picture in enumerate(pictures):
            height, width = picture.shape[:2]
            size = (round(width * lines / height / 2) * 2, lines)
            if number == 0:
                stream.width, stream.height = size
            shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            frame = VideoFrame.from_ndarray(np.asarray(shown, np.uint8), format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _pictures(clip: str) -> list[Pixels]:
    (camera,) = open_recordings(
        CLIPS / f"{clip}.mp4", camera="bench", started_at=datetime.now(timezone.utc)
    )
    return [frame.pixels for frame in camera.frames()]


def _quiet(clip: str, frames: int) -> Iterator[Pixels]:
    """The clip's street without its vehicles (the median of its frames), with a sensor's noise."""
    street = np.median(np.stack(_pictures(clip)[::4]), axis=0)
    height, width = street.shape[:2]
    noise = np.random.default_rng(1)
    sheet = noise.normal(0, NOISE, (height + 64, width + 64, 1))
    for _ in range(frames):
        down, right = noise.integers(0, 64, 2)
        grain = sheet[down : down + height, right : right + width]
        yield np.asarray(np.clip(street + grain, 0, 255), dtype=np.uint8)
