"""`edge-anpr run`: recordings and live cameras through a site's rules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import CameraOption, JsonOption, RecordedAtOption, SiteOption
from edge.cli.run_files import RunFiles
from edge.errors import ConfigError, EdgeError, OutboxError, UsageError

if TYPE_CHECKING:
    from edge.box import RunProgress, RunResult, RunSummary, Source
    from edge.site.folder import SiteFolder


def run(
    site: SiteOption,
    source: Annotated[
        str | None,
        typer.Option(
            help="A recording or a folder, instead of the sources in site.yaml. Each video in a "
            "folder is one stream; its pictures together are another."
        ),
    ] = None,
    camera: CameraOption = None,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime", help="Play the recording at its own speed and drop frames if needed."
        ),
    ] = False,
    recorded_at: RecordedAtOption = None,
    drain: Annotated[
        float,
        typer.Option(min=0, max=86400, help="Seconds to wait at the end for delivery of hits."),
    ] = 10.0,
    summary: Annotated[
        Path | None, typer.Option(help="Write the counts of the run to this JSON file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run recordings or live cameras through a site's rules and publish the hits.

    Each vehicle is judged once. A vehicle that fires a rule becomes one sealed hit, which is kept
    on disk until it is delivered. Everyone else is only counted.

    No camera is opened unless the site's policy, signatures, dates and DPIA are all valid. A
    policy that is signed with demo keys allows recordings only, judged by the day they were made.

    SIGTERM stops it cleanly and delivers hits for at most --drain seconds. SIGHUP reads the site's
    files again; if they are refused, or the box cannot start with them, the previous ones stay.

    Example: edge-anpr run --site config/school-street --source clip.mp4
    """
    from edge.adapters.state.list_process import OpenedApart
    from edge.box import RunInterrupted
    from edge.site.folder import load_site_folder

    moment = moment_of(recorded_at)
    if summary is not None:
        _require_writable(summary)

    def read() -> tuple[SiteFolder, tuple[Source, ...]]:
        folder = load_site_folder(site, OpenedApart().check_trial, credentials=True)
        return folder, sources_of(folder, source, camera, moment)

    def show(counts: RunSummary, *, failed: bool = False) -> None:
        document = counts.model_dump_json(by_alias=True, indent=2)
        if as_json:
            typer.echo(document)
        elif not (failed and _is_empty(counts)):
            print_summary(counts)
        if summary is not None:
            _write(summary, document + "\n")

    try:
        result = _until_done(
            partial(_announced, site, read), read, realtime=realtime, drain_s=drain
        )
    except RunInterrupted as interrupted:
        show(interrupted.summary)
        raise
    show(result.summary, failed=result.failure is not None)
    if result.failure is not None:
        raise result.failure


def _announced(
    site: Path, read: Callable[[], tuple[SiteFolder, tuple[Source, ...]]]
) -> tuple[SiteFolder, tuple[Source, ...]]:
    """What `read` returns; if the site's files are refused, that is published."""
    from edge.adapters.enrolment.renewing import renew_at_start
    from edge.adapters.host.system import SystemClock
    from edge.box import announce_unreadable, destroy_expired
    from edge.site.settings import Folders

    try:
        destroy_expired(site)
        renew_at_start(site / Folders().keys, SystemClock().utc)
        return read()
    except UsageError:
        raise
    except EdgeError as refused:
        announce_unreadable(site, refused)
        raise


def _is_empty(summary: RunSummary) -> bool:
    """Whether a run has counted nothing at all, so that its table would hold only zeros."""
    return not any(
        (
            summary.frames_decoded,
            summary.frames_corrupt,
            summary.frames_out_of_hours,
            summary.delivered not in {0, "<10"},
            summary.kept not in {0, "<10"},
        )
    )


def _until_done(
    first: Callable[[], tuple[SiteFolder, tuple[Source, ...]]],
    read: Callable[[], tuple[SiteFolder, tuple[Source, ...]]],
    *,
    realtime: bool,
    drain_s: float,
) -> RunResult:
    """Run the site that `first` returns; after each SIGHUP read it again and run that.

    If the box cannot run with the files as they are now, it goes on with the previous ones.
    """
    from edge.box import Reload, run_site

    files = RunFiles(first, read)
    with files.hangups.installed():
        while True:
            try:
                with progress_bars(visible=sys.stderr.isatty()) as progress:
                    return run_site(
                        *files.current,
                        realtime=realtime,
                        drain_s=drain_s,
                        progress=replace(progress, analysing=files.analysing),
                    )
            except Reload:
                files.renew()
            except EdgeError as error:
                files.fall_back(error)


def moment_of(recorded_at: str | None) -> datetime | None:
    """The option `--recorded-at` as a moment.

    Raises:
        UsageError: it is not a moment.
    """
    from edge.adapters.cameras.recordings import parse_moment

    try:
        return None if recorded_at is None else parse_moment(recorded_at, "--recorded-at")
    except ConfigError as error:
        raise UsageError(error.message) from None


def sources_of(
    folder: SiteFolder, source: str | None, camera: str | None, recorded_at: datetime | None
) -> tuple[Source, ...]:
    """The sources that the options `--source` and `--camera` name, else those of site.yaml.

    Raises:
        EdgeError: a source does not exist or may not be read.
    """
    from edge.box import Recording, require_recorded, site_sources

    cameras = folder.settings.cameras
    if camera is not None and camera not in cameras:
        raise UsageError(f"--camera: site.yaml has no {camera!r}; it has {', '.join(cameras)}")
    if source is None:
        chosen = cameras if camera is None else {camera: cameras[camera]}
        return tuple(
            replace(found, recorded_at=recorded_at) if isinstance(found, Recording) else found
            for found in site_sources(folder.folder, chosen, folder.policy)
        )
    if camera is None and len(cameras) > 1:
        raise UsageError(f"--camera: name the camera of the --source: {', '.join(cameras)}")
    path = require_recorded(source, folder.policy)
    name = camera or next(iter(cameras))
    return (Recording(name, path, recorded_at, cameras[name].stream),)


def _require_writable(path: Path) -> None:
    """Check before the run that its summary can be written.

    Raises:
        OutboxError: it cannot.
    """
    there = path.exists()
    _write(path, "", mode="a")
    if not there:
        path.unlink()


def _write(path: Path, text: str, mode: str = "w") -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutboxError(
            f"{path}: {error.strerror}; name a file for --summary that can be written"
        ) from error


@contextmanager
def progress_bars(*, visible: bool) -> Iterator[RunProgress]:
    """Progress bars on standard error, one for each stream."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    from edge.box import RunProgress

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not visible,
    ) as progress:
        tasks: list[TaskID] = []

        def on_streams(streams: Sequence[tuple[str, int | None]]) -> None:
            tasks.extend(progress.add_task(name, total=total) for name, total in streams)

        yield RunProgress(on_streams, lambda index: progress.advance(tasks[index]))


def print_summary(summary: RunSummary) -> None:
    """Print the counts of a run, and the time that each stage took, as two tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    counts = Table(title=f"{summary.site} · {summary.box}", title_justify="left")
    counts.add_column("what")
    counts.add_column("count", justify="right")
    counts.add_column("", style="dim")
    counts.add_row(
        "frames analysed",
        _frames(summary.frames_analysed),
        f"{_frames(summary.frames_dropped)} dropped, {summary.frames_corrupt} corrupt and skipped, "
        f"{summary.frames_out_of_hours} out of hours and not analysed",
    )
    reads = ", ".join(f"{count} {outcome}" for outcome, count in summary.reads.items())
    counts.add_row("vehicles", str(summary.vehicles), reads)
    rules = ", ".join(f"{count} {rule}" for rule, count in sorted(summary.hits_by_rule.items()))
    counts.add_row("hits", str(summary.hits), rules)
    if summary.hits_outside_competence:
        counts.add_row(
            "outside competence", str(summary.hits_outside_competence), "dropped, never sealed"
        )
    counts.add_row("non-hits", str(summary.non_hits), "nothing about them is kept")
    counts.add_row("delivered", str(summary.delivered), "")
    counts.add_row("kept on the box", str(summary.kept), "sealed, for the next run")
    if not summary.exact:
        counts.caption = "real keys: counts in tens, and fewer than ten as <10"
    console.print(counts)
    analysed = max(1, summary.frames_analysed or 0)
    times = Table(title="time", title_justify="left")
    times.add_column("stage")
    times.add_column("ms", justify="right")
    times.add_column("ms per frame", justify="right")
    for stage, spent in summary.stage_ms.items():
        times.add_row(stage, f"{spent:.0f}", f"{spent / analysed:.2f}")
    console.print(times)
    used = (
        None if summary.wall_s is None else f"{summary.wall_s:.1f} s",
        None if summary.cpu_s is None else f"{summary.cpu_s:.1f} s of CPU time",
        None if summary.peak_rss_mb is None else f"{summary.peak_rss_mb:.0f} MiB peak memory",
    )
    console.print(", ".join(one for one in used if one) or "not shown for fewer than ten vehicles")


def _frames(count: int | None) -> str:
    """A number of frames; a dash if it is not shown, because few vehicles passed."""
    return "–" if count is None else str(count)
