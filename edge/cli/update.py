"""`edge-anpr update`: signed updates of this box."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, SiteOption
from edge.cli.output import print_json
from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.updates.box import BoxUpdates
    from edge.updates.journal import Ended

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="FILE",
        help="A file of root with root, program, work and service, in place of those in site.yaml.",
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    help="Install signed updates on this box, and go back.\n\n"
    "A box installs only what vendor and controller have both signed, when its wave is open. The "
    "new version must prove healthy, or the box goes back by itself to the version before. "
    "site.yaml says in [bold]updates[/bold] where updates come from; docs/updates.md describes "
    "all.\n\n"
    "Example: edge-anpr update check --site /etc/edge-anpr/site",
)


@app.command()
def check(site: SiteOption, trust: TrustOption = None, as_json: JsonOption = False) -> None:
    """Fetch the signed metadata, and say what this box could install and whether it may now.

    Nothing is installed. Status 0: the metadata is valid. Status 6: it cannot be fetched. Status 7:
    it is refused; the line says why.

    Example: edge-anpr update check --site /etc/edge-anpr/site
    """
    with _box(site, trust) as box:
        found = box.check()
    if as_json:
        print_json("edge-anpr/update-check/1", {"updates": [one.shown() for one in found]})
        return
    for one in found:
        typer.echo(one.line())


@app.command()
def install(
    site: SiteOption,
    trust: TrustOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finish what an earlier run began, then install whatever is newer and open to this box.

    Run it as root; the timer edge-anpr-update.timer does so every hour. It stops the service,
    copies the outbox, switches, and starts the service again. A box that is not healthy within
    `trial_minutes` goes back to the version before by itself, and does not try that version again.
    Status 0: done, or nothing to do. Status 3: the box went back.

    Example: edge-anpr update install --site /etc/edge-anpr/site
    """
    with _box(site, trust) as box:
        _say(box.install(), as_json)


@app.command()
def rollback(
    site: SiteOption,
    trust: TrustOption = None,
    kind: Annotated[
        str, typer.Option("--kind", help="release, weights or words.", show_default=True)
    ] = "release",
    as_json: JsonOption = False,
) -> None:
    """Go back to the version before, and do not try the present one again.

    Orders to suspend, list counters, policies, the time that was seen and the audit log stay as
    they are: no way back lifts an order. If the version before cannot read them, the box stays shut
    and says why.

    Example: edge-anpr update rollback --site /etc/edge-anpr/site
    """
    with _box(site, trust) as box:
        ended = box.rollback(kind)
    if as_json:
        print_json("edge-anpr/update-ended/1", {"ended": [ended.model_dump()]})
        return
    typer.echo(f"{ended.target}: left; {ended.why}")


@app.command()
def status(site: SiteOption, trust: TrustOption = None, as_json: JsonOption = False) -> None:
    """Show the versions in use, the last update, and the versions that failed here.

    Nothing is fetched.

    Example: edge-anpr update status --site /etc/edge-anpr/site
    """
    with _box(site, trust, locked=False) as box:
        shown = box.status()
    if as_json:
        print_json("edge-anpr/update-status/1", shown.as_json())
        return
    for line in shown.lines():
        typer.echo(line)


@contextmanager
def _box(site: Path, trust: Path | None, *, locked: bool = True) -> Iterator[BoxUpdates]:
    """The updates of a box; with `locked` no other updater works at the same time.

    Raises:
        ConfigError: site.yaml has no `updates`, or another user could change who signs for it.
        OutboxError: `E_STATE_LOCKED`: another updater works.
    """
    from edge.adapters.state.state_folder import StateLock
    from edge.formats.yaml_document import read_document
    from edge.site.folder import SITE_FILE, read_box_folders, resolved
    from edge.site.settings import Site
    from edge.updates.box import BoxUpdates
    from edge.updates.trust import trusted_source

    folders = read_box_folders(site)
    settings = read_document(site / SITE_FILE, Site).model
    if settings.updates is None or settings.telemetry is None:
        raise ConfigError(
            f"{site / SITE_FILE}: updates is missing, so this box is updated by hand; see "
            "docs/updates.md"
        )
    source = trusted_source(site / SITE_FILE, settings.updates, trust)
    work = resolved(site, source.work)
    # The box itself reads weights and words there; what it must not read has a folder of its own.
    work.mkdir(mode=0o755, parents=True, exist_ok=True)
    box = BoxUpdates(site, folders, source, settings.telemetry.listen)
    if not locked:
        yield box
        return
    lock = StateLock(box.work, "the updater's folder")
    # python-tuf downloads into a temporary file; /tmp may be memory.
    before, tempfile.tempdir = tempfile.tempdir, str(box.work)
    try:
        yield box
    finally:
        tempfile.tempdir = before
        lock.release()


def _say(ended: list[Ended], as_json: bool) -> None:
    """Print how each change ended.

    Raises:
        UpdateError: `E_UPDATE_TRIAL`: one of them went back.
    """
    from edge.updates.problems import UpdateError

    if as_json:
        print_json("edge-anpr/update-ended/1", {"ended": [one.model_dump() for one in ended]})
    else:
        for one in ended:
            typer.echo(f"{one.target}: {one.outcome}{'; ' if one.why else ''}{one.why}")
        if not ended:
            typer.echo("nothing to install")
    for one in ended:
        if one.outcome == "rolled-back":
            raise UpdateError(f"{one.target}: {one.why}", code="E_UPDATE_TRIAL")
        if one.outcome == "failed":
            raise UpdateError(f"{one.target}: {one.why}")
