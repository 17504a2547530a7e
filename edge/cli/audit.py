"""`edge-anpr audit`: show and verify what a box, or an authority, has recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, KnownKeysOption, WitnessOption
from edge.cli.output import print_json
from edge.errors import AuditError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.privacy.audit import VerifiedLog
    from edge.privacy.checkpoints import Checkpoint

app = typer.Typer(
    no_args_is_help=True,
    help="Show and verify an audit log.\n\n"
    "Each entry is signed together with all entries before it. The box publishes the newest "
    "checkpoint to [bold]anpr/SITE/BOX/audit[/bold]. A witness keeps these "
    "checkpoints elsewhere. Only a witness can show that the end of a log was cut off, or that "
    "there are two logs.\n\n"
    "Example: edge-anpr audit verify --site config/school-street",
)

LogArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[LOG]",
        help="A copy of audit.log, or a folder that holds one: a state folder or a store.",
    ),
]
BoxSiteOption = Annotated[
    Path | None, typer.Option("--site", help="The site's folder, on the box itself.")
]


@app.command()
def verify(
    log: LogArgument = None,
    site: BoxSiteOption = None,
    keys: KnownKeysOption = None,
    witness: WitnessOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a log: no entry was changed, moved, added or removed.

    With --witness it also finds a log whose end was cut off, and a second log. Without --keys and
    --site the log is only compared with itself, as the result states.

    Example: edge-anpr audit verify audit.log --keys box-1.public.json --witness checkpoints.txt
    """
    verified = _read(log, site, keys, witness)
    if as_json:
        print_json("edge-anpr/audit-verify/1", _facts(verified))
        return
    typer.echo(f"log:        {verified.origin}")
    typer.echo(f"entries:    {verified.last.size}, each signed, none changed")
    typer.echo(
        f"key:        {verified.key.text} "
        + ("(confirmed by the public file)" if verified.vouched else "(not confirmed by anyone)")
    )
    if witness is None:
        typer.echo("witness:    none given, so a cut-off end would not be found; give --witness")
    else:
        typer.echo(
            f"witness:    {quantity(verified.witnessed, 'checkpoint')} compared, none differs from "
            "the log"
        )
    if not verified.vouched:
        typer.echo("The log is consistent. Give --keys to confirm whose it is.")


@app.command()
def show(
    log: LogArgument = None,
    site: BoxSiteOption = None,
    keys: KnownKeysOption = None,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Print the newest checkpoint and nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify a log and show its entries, oldest first.

    Example: edge-anpr audit show --site config/school-street
    """
    from edge.privacy.audit_events import event_fields

    verified = _read(log, site, keys, None)
    if checkpoint:
        typer.echo(verified.last.note().decode(), nl=False)
        return
    if as_json:
        entries = [json.loads(entry.canonical()) for entry in verified.entries]
        print_json("edge-anpr/audit-show/1", {**_facts(verified), "log": entries})
        return
    for entry in verified.entries:
        fields = "  ".join(f"{name}={value}" for name, value in event_fields(entry.event).items())
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
    try:
        return read_log(log, origin=origin, keys=known, witness=seen)
    except AuditError as error:
        if error.code != "E_AUDIT_KEYS" or keys is None:
            raise
        raise AuditError(f"{keys}: {error.message}", code=error.code) from None


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
