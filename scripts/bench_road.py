"""What an idle road costs, as a share of looking at every frame.

The stills are of the rendered clips: a street without its vehicles (the median of a clip's
frames), and one in which a car stands. They are filmed as a camera would: 1080p, 25 frames a
second, noise of a sensor, H.264 at 4 Mbit/s. Each film goes through the parts that `edge-anpr run`
is made of, camera, attention, embedded networks and tracking, one step after the other, and each
step's processor time is taken: as it is, and with every frame analysed. The first third, at most
ten seconds, is not counted: the background is learnt, and what stands has just come.

`live` is the whole way of a live camera, whose frames come through a process of their own: its
share counts everything but the codec, at the camera's pace, as work after decoding. Decoding is
stated separately, and so is what skipping frames that no other refers to would save (only B-frames
are such, and many cameras send none), and the floor: decoding and inference, which no better code
of ours could save.

Status: 0 all shares are within the mark, 1 one is above it, 5 the clip cannot be read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.adapters.cameras.decoder import DecoderRequest  # noqa: E402 - found from the root
from edge.adapters.cameras.live_camera import LiveCamera  # noqa: E402
from edge.adapters.cameras.recordings import open_recordings, open_regular  # noqa: E402
from edge.adapters.host.system import SystemClock  # noqa: E402
from edge.adapters.models.loading import PlateModels, load_plate_models  # noqa: E402
from edge.adapters.models.weights import Manifest  # noqa: E402
from edge.domain.imaging import Detection, Frame, Pixels, PlatePatch  # noqa: E402
from edge.domain.motion import Cells  # noqa: E402
from edge.domain.reading import PlateReading  # noqa: E402
from edge.errors import EdgeError  # noqa: E402
from edge.pipeline.attention import Attention  # noqa: E402
from edge.pipeline.ports import PlateDetector, PlateReader  # noqa: E402
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold  # noqa: E402
from tests.support.live import looped  # noqa: E402

TARGET = 0.15
CLIPS = REPOSITORY / "tests" / "fixtures" / "clips"
EMPTY_OF = CLIPS / "side_by_side.mp4"
STANDING_OF, STANDING_FRAME = CLIPS / "street_day.mp4", 60
WIDTH, HEIGHT, RATE = 1920, 1080, 25
SENSOR_NOISE = 4.0
"""Standard deviation of luma, of 255: a small sensor by day."""
BIT_RATE = 4_000_000
KEY_EVERY = 2 * RATE
DRAWN_S = 4
"""So much is drawn and encoded; longer films repeat it."""
SETTLED_S = 10.0
B_FRAMES = 3
SETTLED_FRAMES = round(SETTLED_S * RATE)
"""A live camera is timed from about this frame on: libraries are loaded and the view is learnt."""


@dataclass(slots=True)
class Spent:
    """Processor seconds of the frames that count, and how many these were."""

    frames: int = 0
    looks: int = 0
    decode_s: float = 0.0
    after_s: float = 0.0
    inference_s: float = 0.0

    def per_frame_ms(self, seconds: float) -> float:
        return 1000 * seconds / max(1, self.frames)


@dataclass
class TimedEyes:
    """Detector and reader, with their processor time."""

    detector: PlateDetector
    reader: PlateReader
    seconds: float = field(default=0.0)

    def detect(self, pixels: Pixels) -> tuple[Detection, ...]:
        before = time.process_time()
        found = self.detector.detect(pixels)
        self.seconds += time.process_time() - before
        return found

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        before = time.process_time()
        readings = self.reader.read(patches)
        self.seconds += time.process_time() - before
        return readings


def analysed(clip: Path, eyes: PlateModels, *, every_frame: bool, settled_s: float) -> Spent:
    """A clip through the corridor's parts, with or without the motion gate.

    Raises:
        EdgeError: it cannot be read.
    """
    (camera,) = open_recordings(clip, camera="road", started_at=datetime.now(timezone.utc))
    timed = TimedEyes(eyes.detector, eyes.reader)
    watcher = VehicleWatcher(
        "road",
        timed,
        timed,
        settings_for_threshold(eyes.threshold),
        attention=None if every_frame else Attention(),
    )
    spent = Spent()
    frames = camera.frames()
    while True:
        looks, inference = watcher.detector_runs, timed.seconds
        begun = time.process_time()
        frame = next(frames, None)
        decoded = time.process_time()
        if frame is None:
            return spent
        watcher.observe(frame)
        done = time.process_time()
        if frame.stream_s >= settled_s:
            spent.frames += 1
            spent.looks += watcher.detector_runs - looks
            spent.decode_s += decoded - begun
            spent.after_s += done - decoded
            spent.inference_s += timed.seconds - inference


def compared(clip: Path, eyes: PlateModels, settled_s: float) -> dict[str, float]:
    """What the gate leaves of the work after decoding, and the floor below it."""
    gated = analysed(clip, eyes, every_frame=False, settled_s=settled_s)
    every = analysed(clip, eyes, every_frame=True, settled_s=settled_s)
    floor_s = gated.decode_s + gated.inference_s
    return {
        "frames": float(gated.frames),
        "looks_share": gated.looks / max(1, gated.frames),
        "decode_ms": gated.per_frame_ms(gated.decode_s),
        "after_ms": gated.per_frame_ms(gated.after_s),
        "after_every_frame_ms": every.per_frame_ms(every.after_s),
        "share": gated.after_s / every.after_s if every.after_s else 0.0,
        "floor_ms": gated.per_frame_ms(floor_s),
        "over_floor": (gated.decode_s + gated.after_s) / floor_s if floor_s else 0.0,
    }


# --- decoding -------------------------------------------------------------------------------


def live(clip: Path, eyes: PlateModels) -> dict[str, float]:
    """A live camera's whole way, processor milliseconds a frame, here and in its decoder together.

    All that is not the codec counts as work after decoding: conversion and the way from process
    to process too, of which a frame that nobody wants has none.
    """
    codec_s, frames = _codec(clip, paced=True)
    codec_ms = 1000 * codec_s / max(1, frames)
    gated_ms = _live_ms(clip, eyes, frames, every_frame=False)
    every_ms = _live_ms(clip, eyes, frames, every_frame=True)
    return {
        "codec_ms": codec_ms,
        "after_ms": gated_ms - codec_ms,
        "after_every_frame_ms": every_ms - codec_ms,
        "share": (gated_ms - codec_ms) / (every_ms - codec_ms) if every_ms > codec_ms else 0.0,
    }


def skipping(clip: Path) -> dict[str, float]:
    """What leaving out frames that no other refers to saves of the codec's work."""
    whole_s, frames = _codec(clip)
    skipped_s, left = _codec(clip, skipping=True)
    return {
        "saves": 1 - skipped_s / whole_s if whole_s else 0.0,
        "frames_left_share": left / max(1, frames),
    }


def _codec(clip: Path, *, skipping: bool = False, paced: bool = False) -> tuple[float, int]:
    """Processor seconds that decoding takes, nothing converted, and how many frames came.

    Args:
        clip: what is decoded.
        skipping: leave out frames that no other refers to.
        paced: as the decoder of a live camera does it: in one thread and at the camera's pace,
            where the processor's caches are cold after each wait.
    """
    with open_regular(clip) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONREF" if skipping else "DEFAULT"
        if paced:
            stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        began_s, begun, frames = time.monotonic(), time.process_time(), 0
        for _ in container.decode(stream):
            frames += 1
            if paced:
                time.sleep(max(0.0, began_s + frames / RATE - time.monotonic()))
        return time.process_time() - begun, frames


def _live_ms(clip: Path, eyes: PlateModels, frames: int, *, every_frame: bool) -> float:
    """A frame's way through a decoder process, its pipe and the corridor's parts."""
    some_s, some = _live(clip, eyes, min(SETTLED_FRAMES, frames // 3), every_frame=every_frame)
    # Not to the end: there the camera begins anew, and a process that starts costs a second.
    end = frames - min(RATE, frames // 3)
    all_s, most = _live(clip, eyes, end, every_frame=every_frame)
    return 1000 * (all_s - some_s) / (most - some) if most > some else 0.0


def _live(clip: Path, eyes: PlateModels, until: int, *, every_frame: bool) -> tuple[float, int]:
    """Processor seconds until so many frames are decoded, and how many were."""
    begun = _all_s()
    camera = LiveCamera(
        "road",
        clip.name,
        lambda: DecoderRequest(address=str(clip.resolve())),
        clock=SystemClock(),
        jitter=lambda: 0.0,
    )
    attention = None if every_frame else Attention()
    if attention is not None:
        camera.ask(_at_its_pace(attention))
    watcher = VehicleWatcher(
        "road",
        eyes.detector,
        eyes.reader,
        settings_for_threshold(eyes.threshold),
        attention=attention,
    )
    given = camera.frames()
    frames = 0
    for frame in given:
        if camera.status().connections > 1:
            break
        frames = frame.index + 1
        watcher.observe(frame)
        if frames >= until:
            break
    camera.close()
    for _ in given:  # its process is waited for, and only then counted
        pass
    return _all_s() - begun, frames


def _at_its_pace(attention: Attention) -> Callable[[Cells, float], bool]:
    """Attention with the time that a camera gives it: a live one's clock is the box's own."""
    began_s, numbers = time.monotonic(), itertools.count()

    def wants(cells: Cells, now_s: float) -> bool:
        time.sleep(max(0.0, began_s + next(numbers) / RATE - time.monotonic()))
        return attention.selects(cells, now_s)

    return wants


def _all_s() -> float:
    """Processor seconds of this process and of those it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


# --- films ----------------------------------------------------------------------------------


def empty_street() -> Pixels:
    """The street of a clip without what moves in it: the median of its frames."""
    pictures = [frame.pixels for frame in _frames(EMPTY_OF) if frame.index % 4 == 0]
    return np.asarray(np.median(np.stack(pictures), axis=0), dtype=np.uint8)


def standing_car() -> Pixels:
    """One frame of a clip: a car with its plate, which will not move."""
    return next(one.pixels for one in _frames(STANDING_OF) if one.index == STANDING_FRAME)


def _frames(clip: Path) -> list[Frame]:
    (camera,) = open_recordings(clip, camera="road", started_at=datetime.now(timezone.utc))
    return list(camera.frames())


def film(path: Path, still: Pixels, seconds: float, *, b_frames: int) -> Path:
    """A still as a camera films it; MPEG-TS, longer ones repeat the first `DRAWN_S`.

    Args:
        path: where to put it.
        still: shape (height, width, 3), BGR; scaled to 1080p.
        seconds: how long it lasts.
        b_frames: so many in a row, at most.
    """
    large = cv2.resize(still, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    planes = np.asarray(cv2.cvtColor(large, cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)
    noise = np.random.default_rng(1)
    # One sheet of noise, laid differently on each frame: drawing it anew would take the longest.
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


# --- what is told ---------------------------------------------------------------------------


def measure(clip: Path | None, seconds: float, folder: Path) -> dict[str, dict[str, float]]:
    """All figures, by what they are of.

    Raises:
        EdgeError: the clip cannot be read.
    """
    eyes = load_plate_models(Manifest.load())
    if clip is not None:
        settled_s = min(SETTLED_S, _length_s(clip) / 3)
        _say("analysing")
        return {
            "clip": compared(clip, eyes, settled_s),
            "live": live(clip, eyes),
            "skipping": skipping(clip),
        }
    _say("filming")
    street = empty_street()
    empty = film(folder / "empty.ts", street, seconds, b_frames=0)
    standing = film(folder / "standing.ts", standing_car(), seconds, b_frames=0)
    with_b = film(folder / "b.ts", street, min(seconds, DRAWN_S), b_frames=B_FRAMES)
    settled_s = min(SETTLED_S, seconds / 3)
    _say("analysing")
    return {
        "empty": compared(empty, eyes, settled_s),
        "standing": compared(standing, eyes, settled_s),
        "live": live(empty, eyes),
        "standing_live": live(standing, eyes),
        "skipping": skipping(empty),
        "skipping_with_b_frames": skipping(with_b),
    }


def _length_s(clip: Path) -> float:
    """How long a clip lasts by its own word, 0 if it has none; who reads it says what is wrong."""
    try:
        with open_regular(clip) as container:
            return (container.duration or 0) / av.time_base
    except (av.error.FFmpegError, OSError):
        return 0.0


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr)


def show(result: dict[str, dict[str, float]]) -> None:
    """The table a person reads."""
    table = Table("of", "figure", "value", title="an idle road")
    for name, figures in result.items():
        for figure, value in figures.items():
            shown = f"{value:.1%}" if figure.endswith(("share", "saves")) else f"{value:.2f}"
            table.add_row(name.replace("_", " "), figure, shown)
    console = Console()
    console.print(table)
    console.print(
        f"share: processor time after decoding, of what it is when every frame is analysed; "
        f"mark: {TARGET:.0%}. Milliseconds are of the processor, for each frame of the film."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one table or one JSON document; 1 where a share is above its mark."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench road",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clip", type=Path, help="a recording of an idle road of your own")
    parser.add_argument("--seconds", type=float, default=32.0, help="of film; default: 32")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    # That a film ends, and begins anew, is no news here.
    logging.getLogger("edge").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as name:
            result = measure(given.clip, given.seconds, Path(name))
    except EdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    above = any(figures.get("share", 0.0) > TARGET for figures in result.values())
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
