"""fast-alpr in a loop over all frames: what `scripts/bench peers` compares with.

This file runs in the virtual environment of fast-alpr, which holds neither this product nor its
packages. It reads one JSON object on standard input and prints one on standard output. The texts
that it reads stay in this process; only counts leave it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

OTHER_FRAMES = 3
"""A text that is no label's counts as reported wrongly if so many frames give it."""


def main() -> None:
    """Run the loop that standard input describes, and print what it cost."""
    print(json.dumps(measured(json.load(sys.stdin))))


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Processor seconds of the loop, and how many labels it gave.

    Args:
        asked: `detector`, `reader`, `plate_config` (paths), `clips` (one per camera, they are
            looped over in turns), `labels` (texts of the vehicles of one clip), `threads`,
            `providers` (ONNX Runtime's names) and `began_s` (`time.monotonic` before this process
            was started).
    """
    import cv2  # noqa: PLC0415 - the start-up is measured
    import onnxruntime  # noqa: PLC0415

    # These two are in fast-alpr's environment only, so no type is known here.
    make_alpr = import_module("fast_alpr").ALPR
    create_detector = import_module("open_image_models").create_detector

    cv2.setNumThreads(asked["threads"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = asked["threads"]
    options.log_severity_level = 3
    alpr = make_alpr(
        detector=create_detector(
            Path(asked["detector"]),
            backend="yolo_v9",
            class_labels=["License Plate"],
            conf_thresh=0.4,  # fast-alpr's default
            providers=asked["providers"],
            sess_options=options,
        ),
        ocr_model=None,
        ocr_model_path=asked["reader"],
        ocr_config_path=asked["plate_config"],
        ocr_providers=asked["providers"],
        ocr_sess_options=options,
    )
    given: Counter[str] = Counter()
    frames, first_s = 0, 0.0
    startup_s = spent_s()
    began_s = time.monotonic()
    for pictures in zip_longest(*(_pictures(clip, asked["threads"]) for clip in asked["clips"])):
        for pixels in pictures:
            if pixels is None:
                continue
            for one in alpr.predict(pixels):
                if one.ocr is not None:
                    given[_plain(one.ocr.text)] += 1
            frames += 1
            first_s = first_s or time.monotonic() - asked["began_s"]
    return {
        "name": f"fast-alpr {version('fast-alpr')}",
        "frames": frames,
        "cpu_s": spent_s() - startup_s,
        "wall_s": time.monotonic() - began_s,
        "startup_cpu_s": startup_s,
        "first_frame_s": first_s,
        "peak_mib": peak_mib(),
        **fused(given, asked["labels"]),
    }


def fused(given: Counter[str], labels: Sequence[str]) -> dict[str, int]:
    """Labels whose exact text some frame gave, and other texts that several frames gave."""
    others = [text for text, frames in given.items() if frames >= OTHER_FRAMES and text]
    return {
        "exact": sum(label in given for label in labels),
        "others": len(set(others) - set(labels)),
    }


def spent_s() -> float:
    """Processor seconds of this process and of the children it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def peak_mib() -> float:
    """The most memory that this process has used, in MiB.

    `ru_maxrss` would count the memory of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _plain(text: str) -> str:
    return "".join(character for character in text.upper() if character.isalnum())


def _pictures(clip: str, threads: int) -> Iterator[Any]:
    import cv2  # noqa: PLC0415

    # The options of FFmpeg are OpenCV's only way to state the number of decoding threads.
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"threads;{threads}"
    film = cv2.VideoCapture(clip, cv2.CAP_FFMPEG)
    while True:
        found, pixels = film.read()
        if not found:
            return
        yield pixels
