"""`edge-anpr audit`: show and verify what a box, or an authority, has recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.privacy.audit import VerifiedLog
    from edge.privacy.checkpoints import Checkpoint

app = typer.Typer(
    no_args_is_help=True,
    help="Show and verify the audit log.\n\n"
    "Each entry is signed together with all before it. The box publishes the newest checkpoint to "
    "[bold]anpr/<site>/<box>/audit[/bold]. Who keeps them elsewhere is a witness, and only a "
    "witness can tell that the end of a log was cut off or that there are two of them.",
)

PathArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[LOG]", help="A copy of audit.log, or a folder with one: a state folder, a store."
    ),
]
SiteOption = Annotated[
    Path | None, typer.Option("--site", help="The site's folder, on the box itself.")
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys", help="The public file of the box, or of the authority, if it is no site."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@app.command()
def verify(
    log: PathArgument = None,
    site: SiteOption = None,
    keys: KeysOption = None,
    witness: Annotated[
        Path | None,
        typer.Option(help="Checkpoints kept elsewhere: a file, or a folder of files."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a log: no line changed, moved, put in or taken out, no end cut off, no second log.

    Without --keys the log vouches for itself only, and that is said.

    Example: edge-anpr audit verify --site street --witness checkpoints.txt
    """
    verified = _read(log, site, keys, witness)
    if as_json:
        typer.echo(json.dumps(_facts(verified)))
        return
    typer.echo(f"log:        {verified.origin}")
    typer.echo(f"entries:    {verified.last.size}, each signed, none changed")
    typer.echo(
        f"key:        {verified.key.text} "
        + ("(known from the public file)" if verified.vouched else "(nobody vouched for it)")
    )
    told = "none given: a cut end would go unseen" if witness is None else "all agree"
    typer.echo(f"checkpoints compared: {verified.witnessed} ({told})")
    if not verified.vouched:
        typer.echo("The log agrees with itself. Give --keys to know whose it is.")


@app.command()
def show(
    log: PathArgument = None,
    site: SiteOption = None,
    keys: KeysOption = None,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Print the newest checkpoint and nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a log's entries, oldest first, once it has been verified."""
    from edge.privacy.audit_events import told

    verified = _read(log, site, keys, None)
    if checkpoint:
        typer.echo(verified.last.note().decode(), nl=False)
        return
    if as_json:
        entries = [json.loads(entry.canonical()) for entry in verified.entries]
        typer.echo(json.dumps({**_facts(verified), "log": entries}))
        return
    for entry in verified.entries:
        fields = "  ".join(f"{name}={value}" for name, value in told(entry.event).items())
        typer.echo(
            f"{entry.number:6}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.event.kind:10}  {fields}"
        )


def _read(
    log: Path | None, site: Path | None, keys: Path | None, witness: Path | None
) -> VerifiedLog:
    from edge.adapters.state.audit_log import read_log, read_witness
    from edge.adapters.state.key_files import signing_keys
    from edge.privacy.checkpoints import box_log
    from edge.site.folder import read_box_folders

    if (log is None) == (site is None):
        raise typer.BadParameter("give LOG or --site, one of them", param_hint="LOG")
    seen: tuple[Checkpoint, ...] = () if witness is None else read_witness(witness)
    origin = None
    if site is not None:
        box = read_box_folders(site)
        origin, log, keys = box_log(box.site, box.box), box.state, keys or box.public_keys
    assert log is not None  # noqa: S101 - one of the two was given
    known = None if keys is None else signing_keys(keys)
    return read_log(log, origin=origin, keys=known, witness=seen)


def _facts(verified: VerifiedLog) -> dict[str, object]:
    return {
        "origin": verified.origin,
        "entries": verified.last.size,
        "root": verified.last.root.hex(),
        "key": verified.key.text,
        "vouched": verified.vouched,
        "witnessed": verified.witnessed,
        "checkpoint": verified.last.note().decode(),
    }
