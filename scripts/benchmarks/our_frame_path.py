"""The product's frame path, or its floor, in a process of its own: for `scripts/bench peers`.

It reads one JSON object on standard input and prints one on standard output. The texts that it
reads stay in this process; only counts leave it.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmarks.fast_alpr_loop import peak_mib, spent_s

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels

DETECTIONS = 3
"""Detections of the whole picture for each vehicle in the floor."""
READS = 3
"""Readings of each vehicle in the floor."""
PATCH = (40, 160)
"""Height and width in pixels of the patches that the floor reads."""

_NO_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)


def main() -> None:
    """Run what standard input describes, and print what it cost."""
    print(json.dumps(measured(json.load(sys.stdin))))


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Processor seconds after the start-up, and how the vehicles compare with the labels.

    Args:
        asked: `kind` (`path` or `floor`), `pair` (of the manifest), `clips` (one per camera),
            `labels` (texts of the vehicles of one clip), `threads`, `provider`, and `began_s`
            (`time.monotonic` before this process was started).
    """
    # Importing is part of the measured start-up, as in the loop with which this is compared.
    import edge.adapters.cameras.recordings  # noqa: PLC0415
    import edge.box.read_files  # noqa: PLC0415
    import edge.cli.evaluate_clips  # noqa: F401, PLC0415
    from edge.adapters.models.loading import load_plate_models  # noqa: PLC0415
    from edge.adapters.models.weights import Manifest  # noqa: PLC0415

    models = load_plate_models(
        Manifest.load(), provider=asked["provider"], threads=asked["threads"], pair=asked["pair"]
    )
    work = _path if asked["kind"] == "path" else _floor
    startup_s, began_s = spent_s(), time.monotonic()
    result = work([Path(clip) for clip in asked["clips"]], models, asked)
    return {
        "name": models.detector_weights.entry.name,
        "cpu_s": spent_s() - startup_s,
        "wall_s": time.monotonic() - began_s,
        "startup_cpu_s": startup_s,
        "peak_mib": peak_mib(),
        **result,
    }


class _Timed:
    """A detector and a reader that add up the processor time of their calls."""

    def __init__(self, models: PlateModels) -> None:
        self._models = models
        self.seconds = 0.0

    def detect(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the port takes
        before = time.process_time()
        found = self._models.detector.detect(*given, **named)
        self.seconds += time.process_time() - before
        return found

    def read(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        before = time.process_time()
        readings = self._models.reader.read(*given, **named)
        self.seconds += time.process_time() - before
        return readings


def _path(clips: list[Path], models: PlateModels, asked: dict[str, Any]) -> dict[str, Any]:
    """Each clip through the frame path of `edge-anpr read`; several at once, as of several cameras.

    Returns:
        Counts of frames and vehicles of all clips together, seconds of film of one clip, seconds
        to the first frame, and of a single clip the processor time of inference.
    """
    from edge.adapters.cameras.recordings import open_recordings  # noqa: PLC0415
    from edge.box.read_files import vehicles_of  # noqa: PLC0415
    from edge.cli.evaluate_clips import score_clip  # noqa: PLC0415
    from edge.domain.plates import PlateText  # noqa: PLC0415

    labels = [PlateText.parse(text) for text in asked["labels"]]
    timed = _Timed(models)
    one_clip = len(clips) == 1
    through = replace(models, detector=timed, reader=timed) if one_clip else models
    firsts: list[float] = []

    def run(clip: Path) -> tuple[int, float, list[PlateText]]:
        (recording,) = open_recordings(clip, camera="bench", started_at=_NO_TIME, in_site=False)
        times: list[float] = []

        def on_frame(frame: Any) -> None:  # noqa: ANN401
            if not times:
                firsts.append(time.monotonic() - asked["began_s"])
            times.append(frame.stream_s)

        seen = vehicles_of(recording.frames(), through, on_frame)
        film_s = times[-1] * len(times) / max(1, len(times) - 1)
        return len(times), film_s, [one.consensus.best.text for one in seen if one.consensus]

    with ThreadPoolExecutor(len(clips)) as cameras:
        runs = list(cameras.map(run, clips))
    scores = [score_clip("", labels, reports) for _, _, reports in runs] if labels else []
    return {
        "frames": sum(frames for frames, _, _ in runs),
        "film_s": runs[0][1],
        "first_frame_s": min(firsts),
        "inference_s": timed.seconds if one_clip else None,
        "exact": sum(score.exact for score in scores),
        "twice": sum(score.split for score in scores),
        "others": sum(score.spurious for score in scores)
        if labels
        else sum(len(reports) for _, _, reports in runs),
    }


def _floor(clips: list[Path], models: PlateModels, asked: dict[str, Any]) -> dict[str, Any]:
    """Decode without conversion, then the detections and readings that each vehicle needs."""
    import numpy as np  # noqa: PLC0415

    from edge.adapters.cameras.recordings import open_regular  # noqa: PLC0415
    from edge.domain.imaging import Box, PlatePatch  # noqa: PLC0415

    before, frames, picture = spent_s(), 0, None
    for clip in clips:
        with open_regular(clip) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "AUTO", asked["threads"]
            for frame in container.decode(stream):
                frames += 1
                picture = frame
    decode_s = spent_s() - before
    assert picture is not None  # noqa: S101 - a clip without frames ended the measurement before
    pixels = np.asarray(picture.to_ndarray(format="bgr24"), dtype=np.uint8)
    height, width = PATCH
    patch = PlatePatch(Box(0, 0, width, height), 1.0, np.ascontiguousarray(pixels[:height, :width]))
    for _ in range(len(clips) * len(asked["labels"])):
        for _ in range(DETECTIONS):
            models.detector.detect(pixels)
        for _ in range(READS):
            models.reader.read([patch])
    return {"frames": frames, "decode_s": decode_s}
