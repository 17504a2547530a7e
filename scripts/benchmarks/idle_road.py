"""Benchmark of a road without moving vehicles, against analysing every frame."""

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

import av.error
from rich.console import Console
from rich.table import Table

from edge.adapters.cameras.decoder_messages import DecoderRequest
from edge.adapters.cameras.live_camera import LiveCamera
from edge.adapters.cameras.recordings import open_recordings, open_regular
from edge.adapters.host.system import SystemClock
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Box, Detection, Pixels, PlatePatch
from edge.domain.motion import Cells
from edge.domain.reading import PlateReading
from edge.errors import EdgeError
from edge.pipeline.attention import Attention
from edge.pipeline.ports import PlateDetector, PlateReader
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold
from scripts.benchmarks.road_films import DRAWN_S, RATE, empty_street, film, standing_car

TARGET = 0.15
SETTLED_S = 10.0
B_FRAMES = 3
SETTLED_FRAMES = round(SETTLED_S * RATE)
"""A live camera is timed from about this frame: libraries are loaded and the view is learnt."""


@dataclass(slots=True)
class Spent:
    """Processor seconds of the counted frames, and their number."""

    frames: int = 0
    looks: int = 0
    decode_s: float = 0.0
    after_s: float = 0.0
    inference_s: float = 0.0

    def per_frame_ms(self, seconds: float) -> float:
        return 1000 * seconds / max(1, self.frames)


@dataclass
class TimedModels:
    """A detector and a reader that add up their processor time."""

    detector: PlateDetector
    reader: PlateReader
    seconds: float = field(default=0.0)

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        before = time.process_time()
        found = self.detector.detect(pixels, region)
        self.seconds += time.process_time() - before
        return found

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        before = time.process_time()
        readings = self.reader.read(patches)
        self.seconds += time.process_time() - before
        return readings


def analysed(clip: Path, models: PlateModels, *, every_frame: bool, settled_s: float) -> Spent:
    """Process a clip with the parts of the frame path, with or without the motion gate.

    Raises:
        EdgeError: it cannot be read.
    """
    (camera,) = open_recordings(clip, camera="road", started_at=datetime.now(timezone.utc))
    timed = TimedModels(models.detector, models.reader)
    watcher = VehicleWatcher(
        "road",
        timed,
        timed,
        settings_for_threshold(models.threshold),
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


def compared(clip: Path, models: PlateModels, settled_s: float) -> dict[str, float]:
    """Work after decoding with the motion gate and without it, and the floor."""
    gated = analysed(clip, models, every_frame=False, settled_s=settled_s)
    every = analysed(clip, models, every_frame=True, settled_s=settled_s)
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


def live(clip: Path, models: PlateModels) -> dict[str, float]:
    """Processor milliseconds of each frame of a live camera, here and in its decoder together.

    All work except that of the codec counts as after decoding. This includes conversion and the
    transport between the processes, which a frame that is not analysed does not need.
    """
    codec_s, frames = _codec(clip, paced=True)
    codec_ms = 1000 * codec_s / max(1, frames)
    gated_ms = _live_ms(clip, models, frames, every_frame=False)
    every_ms = _live_ms(clip, models, frames, every_frame=True)
    return {
        "codec_ms": codec_ms,
        "after_ms": gated_ms - codec_ms,
        "after_every_frame_ms": every_ms - codec_ms,
        "share": (gated_ms - codec_ms) / (every_ms - codec_ms) if every_ms > codec_ms else 0.0,
    }


def skipping(clip: Path) -> dict[str, float]:
    """Share of the codec's work that is saved by skipping frames that no other refers to."""
    whole_s, frames = _codec(clip)
    skipped_s, left = _codec(clip, skipping=True)
    return {
        "saves": 1 - skipped_s / whole_s if whole_s else 0.0,
        "frames_left_share": left / max(1, frames),
    }


def _codec(clip: Path, *, skipping: bool = False, paced: bool = False) -> tuple[float, int]:
    """Processor seconds of decoding without conversion, and the number of frames.

    Args:
        clip: to decode.
        skipping: skip frames that no other frame refers to.
        paced: decode as for a live camera: in one thread and at the camera's pace, with cold
            processor caches after each wait.
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


def _live_ms(clip: Path, models: PlateModels, frames: int, *, every_frame: bool) -> float:
    """Processor milliseconds of a frame: decoder process, pipe and frame path."""
    some_s, some = _live(clip, models, min(SETTLED_FRAMES, frames // 3), every_frame=every_frame)
    # Stop before the end: there the decoder starts again, which costs a second.
    end = frames - min(RATE, frames // 3)
    all_s, most = _live(clip, models, end, every_frame=every_frame)
    return 1000 * (all_s - some_s) / (most - some) if most > some else 0.0


def _live(clip: Path, models: PlateModels, until: int, *, every_frame: bool) -> tuple[float, int]:
    """Processor seconds until so many frames are decoded, and their number."""
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
        models.detector,
        models.reader,
        settings_for_threshold(models.threshold),
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
    for _ in given:  # only a process that was waited for is counted
        pass
    return _all_s() - begun, frames


def _at_its_pace(attention: Attention) -> Callable[[Cells, float], bool]:
    """The motion gate, slowed down to the camera's pace."""
    began_s, numbers = time.monotonic(), itertools.count()

    def wants(cells: Cells, now_s: float) -> bool:
        time.sleep(max(0.0, began_s + next(numbers) / RATE - time.monotonic()))
        return attention.selects(cells, now_s)

    return wants


def _all_s() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


# --- what is told ---------------------------------------------------------------------------


def measure(clip: Path | None, seconds: float, folder: Path) -> dict[str, dict[str, float]]:
    """All figures by kind of film.

    Raises:
        EdgeError: the clip cannot be read.
    """
    models = load_plate_models(Manifest.load())
    if clip is not None:
        settled_s = min(SETTLED_S, _length_s(clip) / 3)
        _say("analysing")
        return {
            "clip": compared(clip, models, settled_s),
            "live": live(clip, models),
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
        "empty": compared(empty, models, settled_s),
        "standing": compared(standing, models, settled_s),
        "live": live(empty, models),
        "standing_live": live(standing, models),
        "skipping": skipping(empty),
        "skipping_with_b_frames": skipping(with_b),
    }


def _length_s(clip: Path) -> float:
    """Length of a clip as its header states it, 0 if unknown; reading it reports errors."""
    try:
        with open_regular(clip) as container:
            return (container.duration or 0) / av.time_base
    except (av.error.FFmpegError, OSError):
        return 0.0


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(f"{what} ...", file=sys.stderr)


def show(result: dict[str, dict[str, float]]) -> None:
    """Print the result as a table."""
    table = Table("of", "figure", "value", title="an idle road")
    for name, figures in result.items():
        for figure, value in figures.items():
            shown = f"{value:.1%}" if figure.endswith(("share", "saves")) else f"{value:.2f}"
            table.add_row(name.replace("_", " "), figure, shown)
    console = Console()
    console.print(table)
    console.print(
        f"share: processor time after decoding, relative to analysing every frame; "
        f"target: {TARGET:.0%}. Milliseconds are processor time for each frame of the film."
    )


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document; 1 if a share is above the target."""
    # A film that ends and starts again is expected; do not log it.
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
