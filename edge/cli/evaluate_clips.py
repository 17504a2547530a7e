"""`edge-anpr evaluate clips`: accuracy on labelled recordings."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from edge.adapters.models.second_look import SecondLook
from edge.cli.certainty import certainty_json, certainty_lines
from edge.cli.labels import distance, read_table
from edge.cli.output import print_json, time_text
from edge.domain.accuracy import ScoredRead
from edge.domain.intervals import wilson
from edge.domain.plates import PlateFormatError, PlateText
from edge.errors import CameraError, ConfigError, UsageError
from edge.site.settings import NoSecondLook, Region, Tiles
from edge.site.settings import SecondLook as Look

if TYPE_CHECKING:
    from edge.adapters.cameras.recordings import RecordedCamera
    from edge.adapters.models.loading import PlateModels
    from edge.domain.imaging import Frame

CLIP_NOTES = ("start_s", "end_s", "country", "label_origin")
"""Optional columns in the labels of clips; their values are not used."""

NEAR = 2
"""Largest edit distance at which a report counts as a misread of a label."""

_SECOND_LOOK: TypeAdapter[NoSecondLook | Tiles | Region] = TypeAdapter(Look)
_NO_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(slots=True)
class ClipScore:
    """One clip's reports compared with its labels."""

    clip: str
    vehicles: int = 0
    exact: int = 0
    missed: int = 0
    spurious: int = 0
    split: int = 0
    reports: int = 0
    unreadable: int = 0
    frames: int = 0
    wall_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=dict)
    outcomes: list[ScoredRead] = field(default_factory=list)
    reads: list[dict[str, Any]] = field(default_factory=list)


def score_clip(clip: str, labels: list[PlateText], reports: list[PlateText]) -> ClipScore:
    """Compare the vehicles reported for a clip with its labels.

    A label is exact if a report has its text; split if more than one report is within two edits of
    it and nearer to no other label; missed if no report is. A plate that is labelled several times
    needs as many reports. A report further than two edits from every label is spurious.
    """
    score = ClipScore(clip, vehicles=len(labels), reports=len(reports))
    claimed: Counter[PlateText] = Counter()
    for report in reports:
        distances = [distance(report, label) for label in labels]
        nearest = min(range(len(labels)), key=lambda i: distances[i])
        if distances[nearest] > NEAR:
            score.spurious += 1
        else:
            claimed[labels[nearest]] += 1
    for label, times in Counter(labels).items():
        score.exact += min(times, sum(report == label for report in reports))
        near = sum(distance(report, label) <= NEAR for report in reports)
        score.missed += max(0, times - near)
        score.split += claimed[label] > times
    return score


def read_labels(labels: Path, root: Path) -> dict[str, list[PlateText]]:
    """The labelled plates of each clip, in the file's order.

    Raises:
        ConfigError: the file, a clip or a column is missing, a column is unknown, or a plate
            is not valid.
    """
    found: dict[str, list[PlateText]] = {}
    for line, row in read_table(labels, ("clip", "plate"), CLIP_NOTES):
        clip, plate = row["clip"], row["plate"]
        if not clip:
            raise ConfigError(f"{labels}:{line}: clip: empty; name a file below --root")
        if not (root / clip).exists():
            raise ConfigError(f"{labels}:{line}: clip: {clip} is not in {root}; check --root")
        try:
            found.setdefault(clip, []).append(PlateText.parse(plate))
        except PlateFormatError as error:
            raise ConfigError(f"{labels}:{line}: plate: {error}; correct it") from None
    if not found:
        raise ConfigError(f"{labels}: no labelled vehicle; add a row for each")
    return found


def parse_second_look(text: str) -> NoSecondLook | Tiles | Region:
    """The mode of `none`, `tiles:COLUMNSxROWS[:OVERLAP]` or `region:X1,Y1,X2,Y2` (fractions).

    Raises:
        ConfigError: it is none of these.
    """
    mode, _, rest = text.partition(":")
    fields: dict[str, Any] = {"mode": mode}
    if mode == "tiles":
        grid, _, overlap = rest.partition(":")
        fields["columns"], _, fields["rows"] = grid.partition("x")
        if overlap:
            fields["overlap"] = overlap
    elif mode == "region":
        fields["box"] = rest.split(",")
    elif rest:
        fields["rest"] = rest  # no mode has this field, so it is refused
    try:
        # Values of a command line are text, so numbers may come as text.
        return _SECOND_LOOK.validate_python(fields, strict=False)
    except ValidationError:
        raise ConfigError(
            "--second-look: write none, tiles:2x2, tiles:3x2:0.2 or region:0.2,0.4,0.8,0.9"
        ) from None


def evaluate_clips(
    labels: Path,
    root: Path,
    *,
    pair: str | None,
    detector: str | None,
    reader: str | None,
    provider: str,
    threads: int,
    report: Path | None,
    as_json: bool,
    show_reads: bool,
    second_look: str,
    manifest: Path | None,
    progress: bool,
) -> None:
    """Read labelled clips, compare with the labels and print the counts.

    The parameters are the options of `edge-anpr evaluate clips`.

    Raises:
        EdgeError: labels, clips, options or weights cannot be used.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from edge.adapters.models.loading import load_plate_models
    from edge.adapters.models.weights import Manifest
    from edge.cli.report import Measured, clips_page, require_writable, write_page

    wanted = read_labels(labels, root)
    try:
        look = parse_second_look(second_look)
    except ConfigError as error:
        raise UsageError(error.message) from None
    page = None if report is None else require_writable(report, "accuracy-clips.html")
    models = load_plate_models(
        Manifest.load(manifest), detector, reader, provider, threads, pair=pair
    )
    measured = Measured.now(models, labels, provider, threads)
    with_second_look = replace(models, detector=SecondLook.around(models.detector, look))
    scores: list[ClipScore] = []
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=not progress,
    ) as bar:
        every = bar.add_task("clips", total=len(wanted))
        for clip, plates in wanted.items():
            bar.update(every, description=clip)
            scores.append(_run_clip(root / clip, clip, plates, with_second_look, show_reads))
            bar.advance(every)
    result = summarise(scores, show_reads=show_reads)
    result.update(measured.as_json(), measured_at=time_text(measured.moment))
    if page is not None:
        outcomes = [outcome for score in scores for outcome in score.outcomes]
        write_page(page, clips_page(result, outcomes, measured))
    if as_json:
        print_json("edge-anpr/evaluate-clips/1", result, indent=2)
    else:
        _print_table(Console(), scores, result, show_reads=show_reads)


def _frames(recording: RecordedCamera) -> Iterator[Frame]:
    """A recording's frames. One that ends early is measured up to there, with a warning."""
    try:
        yield from recording.frames()
    except CameraError as error:
        if error.code != "E_SOURCE_TRUNCATED":
            raise
        sys.stderr.write(f"warning: {error}\n")


def _run_clip(
    path: Path,
    clip: str,
    plates: list[PlateText],
    models: PlateModels,
    show_reads: bool,
) -> ClipScore:
    from edge.adapters.cameras.recordings import open_recordings
    from edge.domain.vehicles import VehicleSeen
    from edge.pipeline.attention import Attention
    from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold

    started = time.perf_counter()
    seen: list[VehicleSeen] = []
    frames = 0
    stages = {"decode": 0.0}
    for recording in open_recordings(path, camera="evaluate", started_at=_NO_TIME, in_site=False):
        watcher = VehicleWatcher(
            "evaluate",
            models.detector,
            models.reader,
            settings_for_threshold(models.threshold),
            attention=Attention(),
        )
        vehicles: dict[int, VehicleSeen] = {}
        before = time.perf_counter()
        for frame in _frames(recording):
            stages["decode"] += time.perf_counter() - before
            frames += 1
            vehicles.update((v.number, v) for v in watcher.observe(frame))
            before = time.perf_counter()
        vehicles.update((v.number, v) for v in watcher.finish())
        seen.extend(vehicles.values())
        for stage, seconds in watcher.stage_seconds.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    read = [v for v in seen if v.consensus is not None]
    score = score_clip(clip, plates, [v.consensus.best.text for v in read if v.consensus])
    score.outcomes = [
        ScoredRead(v.consensus.posterior, any(v.consensus.best.text == one for one in plates))
        for v in read
        if v.consensus is not None
    ]
    score.unreadable = len(seen) - len(read)
    score.frames = frames
    score.wall_s = time.perf_counter() - started
    score.stage_s = stages
    if show_reads:
        score.reads = [
            {
                "text": v.consensus.best.text.reveal(),
                "posterior": round(v.consensus.posterior, 4),
                "margin": round(v.consensus.margin, 4),
                "reads": v.consensus.reads,
                "region": v.consensus.region,
                "label": _label_of(v.consensus.best.text, plates),
            }
            for v in read
            if v.consensus is not None
        ]
    return score


def _label_of(text: PlateText, plates: list[PlateText]) -> str | None:
    nearest = min(plates, key=lambda plate: distance(text, plate))
    return nearest.reveal() if distance(text, nearest) <= NEAR else None


def summarise(scores: list[ClipScore], *, show_reads: bool) -> dict[str, Any]:
    """All clips together, as printed by `--json`."""
    vehicles = sum(s.vehicles for s in scores)
    exact = sum(s.exact for s in scores)
    frames = sum(s.frames for s in scores)
    stages = sorted({stage for s in scores for stage in s.stage_s})
    interval = wilson(exact, vehicles)
    missed = wilson(sum(s.missed for s in scores), vehicles)
    reads = [outcome for s in scores for outcome in s.outcomes]
    return {
        "vehicles": vehicles,
        "exact": interval.share,
        "exact_count": exact,
        "exact_ci95": [interval.low, interval.high],
        "missed": sum(s.missed for s in scores),
        "missed_share": missed.share,
        "missed_ci95": [missed.low, missed.high],
        "calibration": certainty_json(reads),
        "spurious": sum(s.spurious for s in scores),
        "split": sum(s.split for s in scores),
        "reports": sum(s.reports for s in scores),
        "unreadable": sum(s.unreadable for s in scores),
        "frames": frames,
        "wall_s": round(sum(s.wall_s for s in scores), 3),
        "stage_ms_per_frame": {
            stage: round(1000 * sum(s.stage_s.get(stage, 0.0) for s in scores) / max(frames, 1), 3)
            for stage in stages
        },
        "per_clip": [
            {
                "clip": s.clip,
                "vehicles": s.vehicles,
                "exact": s.exact,
                "missed": s.missed,
                "spurious": s.spurious,
                "split": s.split,
                "frames": s.frames,
                **({"reads": s.reads} if show_reads else {}),
            }
            for s in scores
        ],
    }


def _print_table(
    console: Any,  # noqa: ANN401
    scores: list[ClipScore],
    result: dict[str, Any],
    *,
    show_reads: bool,
) -> None:
    from rich.table import Table

    table = Table(title="Labelled vehicles, read without any list")
    for heading in ("clip", "vehicles", "exact", "missed", "spurious", "split"):
        table.add_column(heading, justify="left" if heading == "clip" else "right")
    for s in scores:
        counts = (s.vehicles, s.exact, s.missed, s.spurious, s.split)
        table.add_row(s.clip, *(str(n) for n in counts))
    table.add_section()
    totals = ("vehicles", "exact_count", "missed", "spurious", "split")
    table.add_row("all", *(str(result[key]) for key in totals))
    console.print(table)
    low, high = result["exact_ci95"]
    console.print(
        f"exact {result['exact']:.3f} of {result['vehicles']} vehicles "
        f"(95 % interval {low:.3f} to {high:.3f}), {result['frames']} frames in "
        f"{result['wall_s']:.0f} s"
    )
    for line in certainty_lines(result["calibration"], "reports of vehicles"):
        console.print(line)
    if show_reads:
        for s in scores:
            for read in s.reads:
                label = read["label"] or "no label"
                console.print(
                    f"{s.clip}: {read['text']} (label {label}, posterior {read['posterior']:.3f})"
                )
