"""Films of a road on which nothing moves, made from the rendered clips."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from edge.adapters.cameras.recordings import open_recordings
from edge.domain.imaging import Frame, Pixels
from scripts.benchmarks.rig import CLIPS
from tests.support.live_cameras import looped

EMPTY_OF = CLIPS / "side_by_side.mp4"
STANDING_OF, STANDING_FRAME = CLIPS / "street_day.mp4", 60
WIDTH, HEIGHT, RATE = 1920, 1080, 25
SENSOR_NOISE = 4.0
"""Standard deviation of luma (0 to 255): a small sensor by day."""
BIT_RATE = 4_000_000
KEY_EVERY = 2 * RATE
DRAWN_S = 4
"""Seconds that are drawn and encoded; longer films repeat them."""


def empty_street() -> Pixels:
    """The street of a clip without moving vehicles: the median of its frames."""
    pictures = [frame.pixels for frame in _frames(EMPTY_OF) if frame.index % 4 == 0]
    return np.asarray(np.median(np.stack(pictures), axis=0), dtype=np.uint8)


def standing_car() -> Pixels:
    """One frame of a clip, with a car and its plate."""
    return next(one.pixels for one in _frames(STANDING_OF) if one.index == STANDING_FRAME)


def _frames(clip: Path) -> list[Frame]:
    (camera,) = open_recordings(clip, camera="road", started_at=datetime.now(timezone.utc))
    return list(camera.frames())


def film(path: Path, still: Pixels, seconds: float, *, b_frames: int) -> Path:
    """Film a still picture as a camera does (MPEG-TS); longer films repeat the first `DRAWN_S`.

    Args:
        path: of the film.
        still: shape (height, width, 3), BGR; scaled to 1080p.
        seconds: length of the film.
        b_frames: most B-frames in a row.
    """
    large = cv2.resize(still, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    planes = np.asarray(cv2.cvtColor(large, cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)
    noise = np.random.default_rng(1)
    # One field of noise, shifted for each frame: drawing noise for each would be slow.
    sheet = noise.normal(0, SENSOR_NOISE, (HEIGHT + 64, WIDTH + 64)).round().astype(np.int16)
    drawn = path.with_suffix(".drawn.mp4")
    with av.open(drawn, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = BIT_RATE
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.gop_size = KEY_EVERY
        stream.options = {"preset": "veryfast"}
        for number in range(round(min(seconds, DRAWN_S) * RATE)):
            down, right = noise.integers(0, 64, 2)
            grain = sheet[down : down + HEIGHT, right : right + WIDTH]
            filmed = planes.copy()
            filmed[:HEIGHT] = np.clip(planes[:HEIGHT] + grain, 0, 255)
            frame = VideoFrame.from_ndarray(filmed, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return looped(drawn, path, max(1, round(seconds / DRAWN_S)))
