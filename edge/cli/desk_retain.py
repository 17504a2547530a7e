"""`edge-anpr desk retain`: deletes hits whose retention has ended; terms, holds, statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption, day_of
from edge.cli.lazy import RunByDefault
from edge.cli.options import JsonOption
from edge.cli.output import print_json, time_text
from edge.formats.identifiers import typed_id
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.desk.accounts import ActingPerson
    from edge.desk.retention_terms import ProposedTerm, RetentionTerms

app = typer.Typer(
    cls=RunByDefault,
    help="Delete hits whose retention period (term) has ended, and what belongs to them.\n\n"
    "`desk consume` and `desk serve` do this by themselves once a day. [bold]run[/bold] does it "
    "now. Terms are [bold]propose[/bold]d by a supervisor and [bold]approve[/bold]d by another "
    "person. "
    "[bold]hold[/bold] keeps one hit longer, for an appeal or a court, until a day. "
    "[bold]statements[/bold] writes what was deleted, signed, for the evidence pack and the public "
    "notice.\n\n"
    "Example: edge-anpr desk retain --desk desk",
)


@app.command()
def run(
    desk: DeskOption,
    clock_is_right: Annotated[
        bool,
        typer.Option(
            "--clock-is-right",
            help="You have compared this machine's clock, and it is right; needs --as.",
        ),
    ] = False,
    acting: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who acts: your account.")
    ] = None,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the hits that are due today, for good, and sign a statement of it.

    A hit is due when its retention period has ended. If the clock of this machine does not agree
    with the times that boxes have signed, only hits that are due by those times are deleted, and
    the command ends with E_RETENTION_CLOCK.

    Example: edge-anpr desk retain run --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import of_person
    from edge.desk.accounts import prove
    from edge.desk.folder import open_folder
    from edge.desk.retention import COMMAND, open_retention
    from edge.errors import OutboxError, UsageError
    from edge.privacy.retention_clock import clock_words

    if clock_is_right and acting is None:
        raise UsageError("--clock-is-right: also name yourself with --as")
    folder, utc = open_folder(desk), SystemClock().utc
    person = None
    if acting is not None:
        with folder.open_database() as database:
            person = prove(database, acting, of_person(acting, passphrase_file), utc)
    with open_retention(folder, utc) as retention:
        report = retention.run(person, clock_is_right=clock_is_right)
    if as_json:
        print_json(
            "edge-anpr/desk-retain/1",
            {
                "not_confirmed": report.not_confirmed,
                "confirmed": report.confirmed,
                "clock": report.time.state.value,
                "statements": [one.sha256() for one in report.statements],
            },
        )
    else:
        typer.echo(
            f"deleted: {quantity(report.not_confirmed, 'hit that was', 'hits that were')} not "
            f"confirmed, {quantity(report.confirmed, 'that was', 'that were')}"
        )
        for one in report.statements:
            typer.echo(f"statement {one.number}: {one.sha256()}")
    if report.time.doubted:
        raise OutboxError(clock_words(report.time, utc(), COMMAND), code="E_RETENTION_CLOCK")


@app.command()
def terms(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List the terms that were proposed and approved, oldest first.

    Example: edge-anpr desk retain terms --desk desk
    """
    from edge.desk.retention_terms import PRODUCT_TERM

    with _terms(desk) as opened:
        rows = [_row(one) for one in opened.terms()]
    product = {"waiting_days": PRODUCT_TERM.waiting_days, "kept_days": PRODUCT_TERM.kept_days}
    if as_json:
        print_json("edge-anpr/desk-retain-terms/1", {"terms": rows, "without_a_term": product})
        return
    for row in rows:
        typer.echo(
            f"{row['term_id']}  {row['site'] or 'all sites'}: "
            f"{quantity(row['waiting_days'], 'day')}, "
            f"confirmed {quantity(row['kept_days'], 'day')}  "
            f"{row['basis']}  proposed by {row['proposed_by']}, "
            + (f"approved by {row['approved_by']}" if row["approved_by"] else "not approved")
        )
    typer.echo(
        f"without an approved term: {quantity(product['waiting_days'], 'day')}, confirmed "
        f"{quantity(product['kept_days'], 'day')}"
    )


@app.command()
def propose(
    desk: DeskOption,
    acting: ActingOption,
    waiting_days: Annotated[
        int,
        typer.Option("--waiting-days", help="For hits that no finding has confirmed; at most 30."),
    ],
    kept_days: Annotated[
        int, typer.Option("--kept-days", help="For confirmed hits; at most 1826.")
    ],
    basis: Annotated[
        str,
        typer.Option("--basis", metavar="REFERENCE", help="The decision, such as GR-2026/114."),
    ],
    site: Annotated[
        str | None, typer.Option("--site", metavar="ID", help="Only this site; else all sites.")
    ] = None,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose how many days after the vehicle passed a hit is deleted; another person approves it.

    Example: edge-anpr desk retain propose --waiting-days 14 --kept-days 365 --basis GR-2026/114
    --desk desk --as an-peeters
    """
    from edge.desk.retention_terms import RetentionTerm

    term = RetentionTerm(site, waiting_days, kept_days, basis)
    with _acting(desk, acting, passphrase_file) as (opened, person):
        _say(opened.propose(person, term), as_json=as_json)


@app.command()
def approve(
    term: Annotated[
        str, typer.Argument(parser=typed_id, metavar="TERM", help="Its id, as `terms` shows it.")
    ],
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a term that another person has proposed. It applies from the next run.

    Example: edge-anpr desk retain approve 3f9a0c1d2e4b5a67 --desk desk --as jan-maes
    """
    with _acting(desk, acting, passphrase_file) as (opened, person):
        _say(opened.approve(person, term), as_json=as_json)


@app.command()
def hold(
    hit: Annotated[
        str, typer.Argument(parser=typed_id, metavar="HIT", help="The whole id of a hit.")
    ],
    desk: DeskOption,
    acting: ActingOption,
    reason: Annotated[str, typer.Option("--reason", help="appeal or court.")],
    reference: Annotated[
        str,
        typer.Option("--reference", metavar="NUMBER", help="Of the file, such as APP-2026/7."),
    ],
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="The last day; within 365 days.")
    ],
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a hit longer than its term, for an appeal or a court, until a day.

    Example: edge-anpr desk retain hold 3f9a0c1d2e4b5a673f9a0c1d2e4b5a67 --reason court
    --reference PV-2026/88 --until 2027-06-30 --desk desk --as an-peeters
    """
    from edge.desk.retention_terms import HoldReason
    from edge.errors import UsageError

    if reason not in {one.value for one in HoldReason}:
        raise UsageError("--reason: appeal or court")
    last_day = day_of(until, "--until")
    with _acting(desk, acting, passphrase_file) as (opened, person):
        held = opened.hold(person, hit, HoldReason(reason), reference, last_day)
    if as_json:
        print_json("edge-anpr/desk-retain-hold/1", {"hold_id": held.hold_id, "hit_id": hit})
        return
    typer.echo(f"{held.hold_id}: hit {hit} stays until {last_day.isoformat()}")


@app.command()
def release(
    hold: Annotated[
        str, typer.Argument(parser=typed_id, metavar="HOLD", help="Its id, as `holds` shows it.")
    ],
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a hold before its last day. The hit is deleted at the next run if it is due.

    Example: edge-anpr desk retain release 3f9a0c1d2e4b5a67 --desk desk --as an-peeters
    """
    with _acting(desk, acting, passphrase_file) as (opened, person):
        opened.release(person, hold)
    if as_json:
        print_json("edge-anpr/desk-retain-release/1", {"hold_id": hold})
        return
    typer.echo(f"{hold}: ended")


@app.command()
def holds(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List holds of hits: why, until when, and by whom.

    Example: edge-anpr desk retain holds --desk desk
    """
    with _terms(desk) as opened:
        rows = [
            {
                "hold_id": one.hold_id,
                "hit_id": one.hit_id,
                "reason": one.reason.value,
                "reference": one.reference,
                "last_day": one.last_day.isoformat(),
                "set_by": one.set_by,
                "ended": one.ended,
            }
            for one in opened.holds()
        ]
    if as_json:
        print_json("edge-anpr/desk-retain-holds/1", {"holds": rows})
        return
    for row in rows:
        state = "ended" if row["ended"] else f"until {row['last_day']}"
        typer.echo(
            f"{row['hold_id']}  hit {row['hit_id']}  {row['reason']} {row['reference']}  {state}  "
            f"by {row['set_by']}"
        )


@app.command()
def statements(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    desk: DeskOption,
    as_json: JsonOption = False,
) -> None:
    """Write all signed statements of deletion to a file, one a line, oldest first.

    `evidence-pack make --deletions FILE` adds it to a pack. If it is `deletions.jsonl` in the
    folder of a site, `notice` shows what it says.

    Example: edge-anpr desk retain statements deletions.jsonl --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.state_folder import replace_file
    from edge.desk.folder import open_folder
    from edge.desk.retention import open_retention
    from edge.privacy.deletions import verify_deletions

    with open_retention(open_folder(desk), SystemClock().utc) as retention:
        found = retention.statements()
    data = b"".join(one.to_payload() + b"\n" for one in found)
    verify_deletions(data)
    replace_file(out, data, mode=0o644)
    key = found[-1].key if found else None
    if as_json:
        print_json(
            "edge-anpr/desk-retain-statements/1",
            {"file": str(out), "statements": len(found), "key": key},
        )
        return
    typer.echo(f"{out}: {quantity(len(found), 'statement')}")
    if key is not None:
        typer.echo(f"key of the desk: {key}")


@contextmanager
def _terms(desk: Path) -> Iterator[RetentionTerms]:
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder
    from edge.desk.retention_terms import RetentionTerms

    folder, utc = open_folder(desk), SystemClock().utc
    with folder.open_database() as database, folder.open_audit(utc) as audit:
        yield RetentionTerms(database, audit.append, utc)


@contextmanager
def _acting(
    desk: Path, name: str, passphrase_file: Path | None
) -> Iterator[tuple[RetentionTerms, ActingPerson]]:
    from edge.desk.retention_terms import RetentionTerms

    with acting_at(desk, name, passphrase_file) as at:
        yield RetentionTerms(at.database, at.record, at.utc), at.person


def _row(one: ProposedTerm) -> dict[str, Any]:
    return {
        "term_id": one.term_id,
        "site": one.term.site,
        "waiting_days": one.term.waiting_days,
        "kept_days": one.term.kept_days,
        "basis": one.term.basis,
        "proposed_by": one.proposed_by,
        "approved_by": one.approved_by,
        "approved_at": None if one.approved_at is None else time_text(one.approved_at),
    }


def _say(one: ProposedTerm, *, as_json: bool) -> None:
    if as_json:
        print_json("edge-anpr/desk-retain-term/1", _row(one))
        return
    state = "proposed" if one.approved_by is None else "approved"
    typer.echo(f"{one.term_id}: {state}")
