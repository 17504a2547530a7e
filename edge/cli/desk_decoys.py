"""`edge-anpr desk decoys`: hits of known vehicles that measure whether reviews find errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption
from edge.cli.options import AuthorityKeysOption, JsonOption, KeysPassphraseFileOption
from edge.cli.output import print_json
from edge.formats.plurals import quantity

app = typer.Typer(
    no_args_is_help=True,
    help="Decoys: hits of known vehicles among the real ones, which measure attention.\n\n"
    "[bold]add[/bold] puts them there. They are marked nowhere, and never exported. `desk figures` "
    "shows which share of them all people together did not confirm.\n\n"
    "Example: edge-anpr desk decoys add opened --kind misread --share 3 --desk desk "
    "--keys authority --as an-peeters",
)


@app.command()
def add(
    opened: Annotated[
        Path,
        typer.Argument(
            metavar="OPENED",
            help="What `hits open --out` wrote, of known vehicles and one camera and rule.",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="misread: the decoy states another plate than the picture shows; lawful: the "
            "pictures show no offence.",
        ),
    ],
    desk: DeskOption,
    keys: AuthorityKeysOption,
    acting: ActingOption,
    share: Annotated[
        float | None,
        typer.Option(
            "--share",
            metavar="PERCENT",
            min=0,
            max=50,
            help="Add decoys until they are this share of the real hits that wait there. "
            "Default: one of each vehicle.",
        ),
    ] = None,
    passphrase_file: PersonFileOption = None,
    keys_passphrase_file: KeysPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put decoys among the hits that wait. Only a supervisor who judges no hits may do this.

    OPENED holds opened hits of vehicles that you know: run the box with the same camera, policy and
    version over a recording of them, and open its hits with keys of your own. Where a decoy could
    be told from real hits, none is added, and the error says why. Whether the pictures look
    like those of the street, only you can judge. Delete OPENED afterwards.

    Example: edge-anpr desk decoys add opened --kind misread --share 3 --desk desk --keys authority
    --as an-peeters
    """
    import secrets

    from edge.adapters.state.key_files import (
        load_authority_private_keys,
        load_authority_public_keys,
    )
    from edge.cli.passphrase import typed
    from edge.desk.decoy_material import DecoyKind, read_vehicles
    from edge.desk.decoys import DecoyMaker
    from edge.desk.people import DeskPeople
    from edge.errors import UsageError
    from edge.privacy.key_formats import PUBLIC_ENDING

    if kind not in {one.value for one in DecoyKind}:
        raise UsageError(f"--kind: one of {', '.join(one.value for one in DecoyKind)}")
    found = read_vehicles(opened, DecoyKind(kind), secrets.SystemRandom())
    with acting_at(desk, acting, passphrase_file) as at:
        own = load_authority_private_keys(keys, typed(keys_passphrase_file))
        public = load_authority_public_keys(keys / f"{own.authority}{PUBLIC_ENDING}")
        people = DeskPeople(at.database, at.record, at.utc)
        maker = DecoyMaker(at.database, people, at.record, at.utc, own, public)
        fraction = None if share is None else share / 100
        count = maker.add(at.person, DecoyKind(kind), found, fraction)
    if as_json:
        print_json("edge-anpr/desk-decoys-add/1", {"added": count, "of": len(found)})
        return
    typer.echo(f"{quantity(count, 'decoy')} added, of {quantity(len(found), 'vehicle')}")
