"""`edge-anpr desk`: the officer's desk: its store, its people, and receiving for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.broker_options import (
    BrokersOption,
    PasswordEnvOption,
    PasswordFileOption,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    TlsOption,
    UsernameOption,
)
from edge.cli.desk_boxes import boxes, lease
from edge.cli.desk_decoys import app as decoys_app
from edge.cli.desk_export import export
from edge.cli.desk_fines import fines
from edge.cli.desk_links import approve_link, link, list_links, unlink
from edge.cli.desk_log import log
from edge.cli.desk_people import (
    ActingOption,
    DeskOption,
    FullNameOption,
    MandateOption,
    PersonFileOption,
    UntilOption,
    day_of,
)
from edge.cli.desk_people import app as people_app
from edge.cli.desk_request import app as request_app
from edge.cli.desk_retain import app as retain_app
from edge.cli.desk_review import review
from edge.cli.desk_serve import serve
from edge.cli.desk_supervise import figures
from edge.cli.hits_tail import IdleOption, OnceOption, OneSiteOption, WhatToReceive, receive
from edge.cli.options import AuthorityKeysOption, BoxKeysOption, JsonOption, PassphraseFileOption
from edge.cli.output import note, print_json
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.cli.hits_tail import Turn
    from edge.desk.shards import Shard
    from edge.desk.store.database import DeskDatabase
    from edge.errors import EdgeError

app = typer.Typer(
    no_args_is_help=True,
    help="The officer's desk of an authority: sealed hits in a database, people with rights.\n\n"
    "[bold]init[/bold] makes a desk with its first account. [bold]consume[/bold] receives hits "
    "for it. [bold]serve[/bold] serves its pages to browsers. [bold]people[/bold] gives accounts "
    "and rights. [bold]review[/bold] judges one hit and signs a finding. "
    "[bold]export[/bold] makes the case file of a confirmed case, for a court; "
    "[bold]fines[/bold] writes confirmed findings for a fines system. [bold]retain[/bold] "
    "deletes hits when their retention period ends. [bold]request[/bold] answers people about "
    "their own vehicle. "
    "[bold]figures[/bold] and [bold]boxes[/bold] show what a supervisor watches, "
    "[bold]log[/bold] searches the audit log. "
    "[bold]migrate[/bold] moves its store to PostgreSQL. Every change of people and rights, every "
    "opening and every finding goes into the desk's audit log, with the person who made it.\n\n"
    "Example: edge-anpr desk init desk --authority police-zone --person an-peeters "
    '--full-name "An Peeters" --mandate GR-2026/114',
)
people_app.command()(link)
people_app.command("approve-link")(approve_link)
people_app.command()(unlink)
people_app.command("links")(list_links)
app.add_typer(people_app, name="people")
app.add_typer(retain_app, name="retain")
app.add_typer(request_app, name="request")
app.add_typer(decoys_app, name="decoys")
app.command()(review)
app.command()(export)
app.command()(fines)
app.command()(serve)
app.command()(figures)
app.command()(boxes)
app.command()(lease)
app.command()(log)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql://USER@HOST:PORT/DATABASE; keep its password in ~/.pgpass. Default: a "
        "file in the desk's folder.",
    ),
]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the desk.", show_default=False)],
    authority: Annotated[
        str, typer.Option("--authority", metavar="ID", help="Whose desk it is, as in its keys.")
    ],
    person: Annotated[
        str, typer.Option("--person", metavar="NAME", help="The name of the first account.")
    ],
    full_name: FullNameOption,
    mandate: MandateOption,
    until: UntilOption = None,
    database: DatabaseOption = None,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a desk: its folder, its database, and the first account, which is a supervisor.

    The passphrase of the first account is asked for twice. This account has nobody beside it, so
    its right of supervisor is in force at once; the audit log says so. Every other right needs a
    second person. If anything fails, nothing remains.

    Example: edge-anpr desk init desk --authority police-zone --person an-peeters
    --full-name "An Peeters" --mandate GR-2026/114
    """
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import chosen
    from edge.desk.accounts import require_names
    from edge.desk.folder import DeskConfig, FirstAccount, make_folder
    from edge.desk.rights import LONGEST_YEARS, DeskRole, RightScope, RightTerms, years_after
    from edge.errors import UsageError
    from edge.formats.identifiers import is_id

    if not is_id(authority):
        raise UsageError("--authority: not an id of small letters, digits and hyphens")
    require_names(person, full_name)
    clock = SystemClock()
    today = clock.utc().date()
    last = years_after(today, LONGEST_YEARS) if until is None else day_of(until, "--until")
    terms = RightTerms(person, DeskRole.SUPERVISOR, RightScope(authority), today, last, mandate)
    terms.require_valid()
    made = make_folder(
        folder,
        DeskConfig(authority=authority, database=database),
        FirstAccount(person, full_name, terms),
        chosen(passphrase_file, whose=f" of {person}"),
        clock.utc,
    )
    with made.open_database() as opened:
        place = opened.place
    if as_json:
        print_json(
            "edge-anpr/desk-init/1",
            {"folder": str(folder), "database": place, "authority": authority, "person": person},
        )
        return
    typer.echo(f"{folder}: the desk of {authority}, store {place}, supervisor {person}")
    note(f"next: edge-anpr desk consume --desk {folder} ..., edge-anpr desk people --help")


@app.command()
def consume(
    broker: BrokersOption,
    box_keys: BoxKeysOption,
    keys: AuthorityKeysOption,
    desk: Annotated[
        Path | None, typer.Option("--desk", metavar="FOLDER", help="The desk's folder.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="The desk's database instead of --desk, on a machine without its folder.",
        ),
    ] = None,
    payloads: Annotated[
        str | None,
        typer.Option(
            "--payloads",
            metavar="URL",
            help="With --database: where the desk keeps sealed hits, as in its desk.json.",
        ),
    ] = None,
    consumer: Annotated[
        str | None,
        typer.Option(
            "--consumer",
            metavar="NAME",
            help="The name of this consumer, if several run: each needs its own. Default: 1.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="N/M",
            help="Receive from the Nth of M brokers, with PostgreSQL. A second consumer of the "
            "same shard stands by.",
        ),
    ] = None,
    site: OneSiteOption = None,
    once: OnceOption = None,
    idle: IdleOption = None,
    username: UsernameOption = None,
    password_env: PasswordEnvOption = None,
    password_file: PasswordFileOption = None,
    tls: TlsOption = False,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Receive hits for the desk until Ctrl-C. Each is stored exactly once, still sealed.

    The order is: the hit is on disk, its receipt is signed and kept, the receipt is sent, the hit
    is acknowledged to the broker. Two consumers may run, each under its own --consumer; both get
    each hit, and the database stores it once. One may stop at any moment. Hits of a box or key that
    is not known yet are set aside and tried again when the files of the boxes change. The state
    that boxes publish is kept too, for `desk boxes`. With --desk it also deletes, once a day, the
    hits whose retention period has ended.

    Where sites are spread over several brokers, each broker is a shard: --shard 2/3 with three
    --broker receives from the second one. One consumer of a shard is active; others stand by and
    take over when it ends.

    Example: edge-anpr desk consume --desk desk --broker mqtt.example:8883 --tls
    --box-keys boxes --keys authority
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.box_key_folder import BoxKeyFolder
    from edge.adapters.state.key_files import load_authority_private_keys
    from edge.cli.broker_options import broker_options
    from edge.cli.passphrase import typed
    from edge.desk.boxes import BoxStates
    from edge.desk.receiving import DeskReceiver
    from edge.desk.store.hits import DeskHits
    from edge.errors import KeyFileError

    one, name = _source(
        broker, shard, consumer, site, tls=tls or tls_ca is not None or tls_cert is not None
    )
    own = load_authority_private_keys(keys, typed(passphrase_file))
    known = BoxKeyFolder(box_keys)
    options = broker_options(
        one if isinstance(one, str) else str(one.broker),
        f"edge-anpr-desk-{own.authority}{name}",
        username=username,
        password_env=password_env,
        password_file=password_file,
        tls=tls,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    with _database(desk, database, payloads) as opened, _retaining(desk):
        if (authority := opened.authority()) != own.authority:
            raise KeyFileError(
                f"{keys}: these keys are of {own.authority}, the desk is of {authority}; name the "
                "keys of the desk's authority"
            )
        receiver = DeskReceiver(DeskHits(opened), known, own, SystemClock().utc)
        turn = nullcontext if isinstance(one, str) else _turn(opened, one)
        states = BoxStates(opened, known, SystemClock().utc)
        states.register()
        receive(
            options,
            receiver,
            WhatToReceive(site, once, idle, own.trial),
            "desk-consume",
            as_json=as_json,
            key_changes=known.changes,
            states=states,
            turn=turn,
        )


def _source(
    brokers: list[str], shard: str | None, consumer: str | None, site: str | None, *, tls: bool
) -> tuple[str | Shard, str]:
    """The broker or the shard to receive from, and the end of the client id at the broker.

    All consumers of a shard have one session at its broker, which the active one uses; its name is
    the same for every N/M, so that no session is left behind when the list of brokers changes.
    """
    from edge.cli.broker_options import broker_address
    from edge.desk.shards import parse_shard
    from edge.errors import UsageError
    from edge.formats.identifiers import is_id

    if consumer is not None and not is_id(consumer):
        raise UsageError("--consumer: not an id of small letters, digits and hyphens")
    if shard is None:
        if len(brokers) != 1:
            raise UsageError("several --broker need --shard N/M: which of them", code="E_SHARD")
        return brokers[0], "-".join(["", *([site] if site else []), consumer or "1"])
    if consumer is not None or site is not None:
        raise UsageError(
            "--shard: takes all hits of its broker in one session; leave out --consumer and --site",
            code="E_SHARD",
        )
    return parse_shard(shard, [broker_address(one, tls=tls) for one in brokers]), "_shard"


def _turn(database: DeskDatabase, shard: Shard) -> Turn:
    """Waits until this consumer is the active one of its shard."""
    from edge.desk.shards import ShardTurn

    return ShardTurn(
        database,
        shard,
        waiting=lambda: note(f"{shard}: another consumer is active; this one stands by"),
        began=lambda: note(f"{shard}: this consumer is active"),
    ).held


def _database(desk: Path | None, address: str | None, payloads: str | None) -> DeskDatabase:
    """The database of a folder, or at an address: one of the two."""
    from edge.desk.folder import open_folder
    from edge.desk.store.database import DeskDatabase
    from edge.errors import UsageError

    if (desk is None) == (address is None):
        raise UsageError("give --desk FOLDER or --database URL, one of them")
    if desk is not None:
        if payloads is not None:
            raise UsageError("--payloads: use it with --database; with --desk, desk.json names it")
        return open_folder(desk).open_database()
    return DeskDatabase.open(address or "", payloads)


@contextmanager
def _retaining(desk: Path | None) -> Iterator[None]:
    """Delete once a day what is due, where the desk's folder with its key and log is."""
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder
    from edge.desk.retention import running_retention

    if desk is None:
        yield
        return
    with running_retention(open_folder(desk), SystemClock().utc):
        yield


@app.command()
def status(
    desk: DeskOption,
    read_all: Annotated[
        bool,
        typer.Option("--read-all", help="Also read every hit, and name those that are damaged."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how many hits, messages and people the desk has, and how many rights wait for approval.

    With --read-all the command ends with E_PAYLOAD if the payload of a hit is missing or altered.

    Example: edge-anpr desk status --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder
    from edge.desk.retention import last_run_day
    from edge.desk.rights import DeskRole
    from edge.desk.store.hits import DeskHits
    from edge.desk.store.kept_payloads import damaged_hits

    folder, utc = open_folder(desk), SystemClock().utc
    with folder.open_people(utc) as people:
        rights, everyone = people.rights(), people.people()
    with folder.open_database() as opened:
        counts, place = DeskHits(opened).counts(), opened.place
        deleted = last_run_day(opened)
        damaged = tuple(damaged_hits(opened)) if read_all else ()
    today = utc().date()
    supervisors = [
        right.terms.last_day
        for right in rights
        if right.in_force(today) and right.terms.role is DeskRole.SUPERVISOR
    ]
    waiting = sum(right.state(today) == "proposed" for right in rights)
    last: date | None = max(supervisors, default=None)
    if as_json:
        print_json(
            "edge-anpr/desk-status/1",
            {
                "authority": folder.config.authority,
                "database": place,
                **counts,
                "people": len(everyone),
                "rights_in_force": sum(right.in_force(today) for right in rights),
                "rights_proposed": waiting,
                "last_retention_run": deleted,
                "last_day_of_a_supervisor": None if last is None else last.isoformat(),
                **({"damaged": [hit_id for hit_id, _ in damaged]} if read_all else {}),
            },
        )
        _refuse_damaged(damaged)
        return
    typer.echo(f"desk of {folder.config.authority}, store {place}")
    typer.echo(
        f"{quantity(counts['hits'], 'hit')}, {counts['receipts']} with a receipt, "
        f"{quantity(counts['set_aside'], 'message')} set aside"
    )
    typer.echo(
        "nothing was ever deleted by retention: run `edge-anpr desk retain`"
        if deleted is None
        else f"retention ran on {deleted}"
    )
    typer.echo(
        f"{quantity(len(everyone), 'person', 'people')}, "
        f"{quantity(waiting, 'right waits', 'rights wait')} for a second person"
    )
    typer.echo(
        "no right of a supervisor is in force: the first account proposes its own again"
        if last is None
        else f"the last right of a supervisor ends after {last.isoformat()}"
    )
    _refuse_damaged(damaged)


def _refuse_damaged(damaged: Sequence[tuple[str, EdgeError]]) -> None:
    from edge.errors import OutboxError

    if damaged:
        more = "" if len(damaged) == 1 else f"; {len(damaged)} hits are damaged"
        raise OutboxError(f"{damaged[0][1].message}{more}", code="E_PAYLOAD")


@app.command()
def migrate(
    source: Annotated[Path, typer.Option("--from", metavar="FOLDER", help="The desk's folder.")],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="An empty database: postgresql://USER@HOST:PORT/DATABASE.",
        ),
    ],
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the desk's store to another database, and compare both with a digest of all rows.

    Stop the consumers first; one that still runs is refused, and its hits stay at the broker. All
    rows are copied in one transaction, read back and compared. The desk's folder then names the new
    database. The old one takes no more writes; delete it yourself. If this command was killed, run
    it again.

    Example: edge-anpr desk migrate --from desk --to postgresql://desk@db.example:5432/desk
    --as an-peeters
    """
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import of_person
    from edge.desk.folder import open_folder
    from edge.desk.moving import move_folder

    folder, utc = open_folder(source), SystemClock().utc
    passphrase = of_person(acting, passphrase_file)
    proof, place = move_folder(folder, target, acting, passphrase, utc)
    if as_json:
        print_json(
            "edge-anpr/desk-migrate/1",
            {"database": place, "rows": proof.rows, "rows_sha256": proof.sha256},
        )
        return
    counts = ", ".join(f"{count} {name}" for name, count in proof.rows.items())
    typer.echo(f"moved to {place}: {counts}")
    typer.echo(f"digest of all rows, the same on both sides: {proof.sha256}")
