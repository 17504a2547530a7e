"""Where the time of a run goes.

Each clip goes through the corridor as `edge-anpr run` takes it: decoding, detection, reading,
tracking with fusion, judging, evidence. The physical floor is decoding and inference: what no
better code of ours could save. All figures are of one run on this machine; compare shares and
ratios, not milliseconds of different machines.
"""

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

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from edge.adapters.state.key_making import new_authority_keys, new_box_keys  # noqa: E402
from edge.box.summary import RunSummary  # noqa: E402
from edge.box.wiring import Recording, run_site  # noqa: E402
from edge.cli.run import progress_bars  # noqa: E402 - found from the root
from edge.errors import EdgeError, PublishError  # noqa: E402
from edge.site.folder import SiteFolder, load_site_folder  # noqa: E402

FLOOR = ("decode", "detect", "read")
CLIPS = REPOSITORY / "tests" / "fixtures" / "clips"
DEFAULT_CLIPS = tuple(CLIPS / f"{name}.mp4" for name in ("street_day", "side_by_side", "rain"))
CAMERA = "school-street"


def main() -> int:
    """Measure, and print one table or one JSON document."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", nargs="*", type=Path, help="recordings; default: rendered ones")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
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
    """One run of the demo's site over the clips, without a broker: hits stay in a new outbox.

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
    """The demo's site with fresh keys and a broker that is not there."""
    shutil.copytree(REPOSITORY / "config" / "demo", folder / "site")
    site = load_site_folder(folder / "site")
    now = datetime.now(timezone.utc)
    new_box_keys(site.keys_folder, site.site.site, site.site.box, now, trial=True)
    for authority in site.policy.authorities:
        public = new_authority_keys(folder / authority, authority, now, trial=True)
        shutil.copy(public, site.authority_keys(authority))
    return site


def shares(summary: RunSummary) -> dict[str, object]:
    """Each stage's share of all work, the floor, and how far above it the run is."""
    total = sum(summary.stage_ms.values())
    floor = sum(summary.stage_ms[stage] for stage in FLOOR)
    frames = summary.frames_analysed
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
    """The table a person reads."""
    total = sum(summary.stage_ms.values())
    table = Table("stage", "ms per frame", "share", "", title="where the time goes")
    for stage, spent in summary.stage_ms.items():
        share = spent / total
        table.add_row(
            f"{stage}{' *' if stage in FLOOR else ''}",
            f"{spent / summary.frames_analysed:.2f}",
            f"{share:.1%}",
            "█" * round(40 * share),
        )
    console = Console()
    console.print(table)
    console.print(
        f"* the floor, decoding and inference: {result['floor_share']:.1%} of the work; all of it "
        f"costs {result['over_floor']:.2f} times the floor.\n"
        f"{summary.frames_analysed} frames, {summary.vehicles} vehicles, {summary.hits} hits."
    )


if __name__ == "__main__":
    sys.exit(main())
