"""Benchmark of the processing stages: the share of each in one run."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.box import Recording, run_site
from edge.box.summary import RunSummary
from edge.cli.run import progress_bars
from edge.errors import EdgeError, PublishError
from edge.site.folder import SiteFolder, load_site_folder
from scripts.benchmarks.rig import CLIPS, REPOSITORY

FLOOR = ("decode", "detect", "read")
DEFAULT_CLIPS = tuple(CLIPS / f"{name}.mp4" for name in ("street_day", "side_by_side", "rain"))
CAMERA = "school-street"


def report(given: argparse.Namespace) -> int:
    """Measure, and print one table or one JSON document."""
    try:
        summary = measure(tuple(given.clips) or DEFAULT_CLIPS)
    except EdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    result = shares(summary)
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        show(summary, result)
    return 0


def measure(clips: tuple[Path, ...]) -> RunSummary:
    """Run the demo site over the clips, without a broker; hits stay in a new outbox.

    Raises:
        EdgeError: the run could not start, or a clip could not be read.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-bench-") as folder:
        site = bench_site(Path(folder))
        with progress_bars(visible=sys.stderr.isatty()) as progress:
            result = run_site(
                site,
                [Recording(CAMERA, clip) for clip in clips],
                drain_s=0,
                progress=progress,
            )
    if result.failure is not None and not isinstance(result.failure, PublishError):
        raise result.failure
    return result.summary


def bench_site(folder: Path) -> SiteFolder:
    """A copy of the demo site with new keys; its broker does not exist."""
    shutil.copytree(REPOSITORY / "config" / "demo", folder / "site")
    site = load_site_folder(folder / "site")
    now = datetime.now(timezone.utc)
    new_box_keys(site.keys_folder, site.settings.site, site.settings.box, now, trial=True)
    for authority in site.policy.authorities:
        public = new_authority_keys(folder / authority, authority, now, trial=True)
        shutil.copy(public, site.authority_keys(authority))
    return site


def shares(summary: RunSummary) -> dict[str, object]:
    """Share of each stage, share of decoding and inference (the floor), and total over floor."""
    total = sum(summary.stage_ms.values())
    floor = sum(summary.stage_ms[stage] for stage in FLOOR)
    frames = summary.frames_analysed or 0
    return {
        "frames": frames,
        "vehicles": summary.vehicles,
        "hits": summary.hits,
        "ms_per_frame": {stage: spent / frames for stage, spent in summary.stage_ms.items()},
        "share": {stage: spent / total for stage, spent in summary.stage_ms.items()},
        "floor_share": floor / total,
        "over_floor": total / floor,
    }


def show(summary: RunSummary, result: dict[str, object]) -> None:
    """Print the result as a table."""
    total = sum(summary.stage_ms.values())
    table = Table("stage", "ms per frame", "share", "", title="processing time by stage")
    for stage, spent in summary.stage_ms.items():
        share = spent / total
        table.add_row(
            f"{stage}{' *' if stage in FLOOR else ''}",
            f"{spent / (summary.frames_analysed or 1):.2f}",
            f"{share:.1%}",
            "█" * round(40 * share),
        )
    console = Console()
    console.print(table)
    console.print(
        f"* the floor, decoding and inference: {result['floor_share']:.1%} of the time. The whole "
        f"run takes {result['over_floor']:.2f} times the floor.\n"
        f"{summary.frames_analysed} frames, {summary.vehicles} vehicles, {summary.hits} hits."
    )
