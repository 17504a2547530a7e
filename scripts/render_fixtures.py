#!/usr/bin/env python3
"""Render the road clips of tests/fixtures/clips: small films in which everything is known.

Needs `pip install -e '.[fixtures]'` (Pillow, and scikit-image for one face in the public
domain) and two free fonts: `apt-get install fonts-roadgeek fonts-opendin`.

The same clip gives the same pictures every time, on every machine with the same versions of
OpenCV, Pillow and the fonts. The bytes of the .mp4 may differ with the version of the
encoder; the pictures it was given do not.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from scripts.fixtures import plates  # noqa: E402 - found from the root
from scripts.fixtures.clips import CLIPS, Clip, Renderer, truth_of  # noqa: E402
from scripts.fonts import MissingFontError  # noqa: E402

FOLDER = REPOSITORY / "tests" / "fixtures" / "clips"
MAX_BYTES = 2_000_000


def main(arguments: list[str] | None = None) -> int:
    """Render what was asked; 0 when every clip is written and small enough."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="clips:\n"
        + "\n".join(f"  {name:14} {make().title}" for name, make in CLIPS.items())
        + "\n\nexamples:\n"
        "  scripts/render_fixtures.py                       all clips, in place\n"
        "  scripts/render_fixtures.py street_day night      two of them\n"
        "  scripts/render_fixtures.py street_day --picture 60 day.png   one frame, to look at",
    )
    parser.add_argument("clips", nargs="*", metavar="CLIP", help="names, default all")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument(
        "--picture", nargs=2, metavar=("FRAME", "PNG"), help="write one frame of one clip and stop"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.clips if name not in CLIPS]
    if unknown:
        parser.error(f"no clip {unknown[0]}; there are: {', '.join(CLIPS)}")
    try:
        plates.require_fonts()
        import PIL  # noqa: F401, PLC0415 - asked for before minutes of work
        import skimage  # noqa: F401, PLC0415
    except MissingFontError as error:
        return _refuse(str(error))
    except ImportError as error:
        return _refuse(f"{error.name}: not installed; run: pip install -e '.[fixtures]'")
    chosen = [CLIPS[name]() for name in given.clips or CLIPS]
    if given.picture:
        return _one_picture(chosen[0], int(given.picture[0]), Path(given.picture[1]))
    given.out.mkdir(parents=True, exist_ok=True)
    too_large = [clip.name for clip in chosen if not _render(clip, given.out)]
    _write_labels(given.out)
    if too_large:
        return _refuse(f"larger than {MAX_BYTES} bytes: {', '.join(too_large)}; lower the quality")
    return 0


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _one_picture(clip: Clip, index: int, path: Path) -> int:
    import cv2  # noqa: PLC0415

    picture, _ = Renderer(clip).frame(index)
    return 0 if cv2.imwrite(str(path), picture) else _refuse(f"{path}: cannot be written")


def _render(clip: Clip, folder: Path) -> bool:
    """Write clip and truth; whether the clip is small enough."""
    path = folder / f"{clip.name}.mp4"
    began = time.monotonic()
    frames: list[dict[str, Any]] = []
    unfinished = path.with_suffix(".part")
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(unfinished), "w", format="mp4", options=options) as film:
        stream = film.add_stream("libx264", rate=clip.fps)
        stream.width, stream.height, stream.pix_fmt = (
            clip.camera.width,
            clip.camera.height,
            "yuv420p",
        )
        stream.time_base = Fraction(1, clip.fps)
        stream.options = {"crf": str(clip.quality), "preset": "slow", "threads": "1"}
        for picture, truth in Renderer(clip).frames():
            frames.append(truth)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            for packet in stream.encode(frame):
                film.mux(packet)
            done = len(frames)
            if sys.stderr.isatty():
                line = f"\r{clip.name}: frame {done} of {clip.frame_count}"
                print(line, end="", file=sys.stderr, flush=True)
        for packet in stream.encode():
            film.mux(packet)
    text = _readable(truth_of(clip, frames))
    path.with_suffix(".json").write_text(text, "utf-8")
    unfinished.replace(path)
    size = path.stat().st_size
    print(
        f"\r{clip.name}: {clip.frame_count} frames, {size / 1e6:.2f} MB, "
        f"{time.monotonic() - began:.0f} s",
        file=sys.stderr,
    )
    return size <= MAX_BYTES


def _readable(truth: dict[str, Any]) -> str:
    """JSON with a line per vehicle and per frame."""
    heads = {key: value for key, value in truth.items() if key not in {"vehicles", "frames"}}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in heads.items()]
    for key in ("vehicles", "frames"):
        rows = ",\n".join(f"    {json.dumps(row)}" for row in truth[key])
        lines.append(f'  "{key}": [\n{rows}\n  ]' + ("," if key == "vehicles" else ""))
    return "{\n" + "\n".join(lines) + "\n}\n"


def _write_labels(folder: Path) -> None:
    """labels.csv over every truth file in the folder, as `evaluate clips` takes it."""
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["clip", "plate", "start_s", "end_s", "country"])
        for path in sorted(folder.glob("*.json")):
            truth = json.loads(path.read_text("utf-8"))
            for vehicle in truth["vehicles"]:
                first, last = vehicle["first_frame"], vehicle["last_frame"] + 1
                start, end = (f"{frame / truth['fps']:.2f}" for frame in (first, last))
                rows.writerow([truth["clip"], vehicle["plate"], start, end, vehicle["country"]])


if __name__ == "__main__":
    raise SystemExit(main())
