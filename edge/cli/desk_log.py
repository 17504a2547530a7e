"""`edge-anpr desk log`: search the desk's audit log by person and case."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption, day_of
from edge.cli.options import JsonOption
from edge.cli.output import note, print_json
from edge.formats.identifiers import typed_id


def log(
    desk: DeskOption,
    acting: ActingOption,
    person: Annotated[
        str | None,
        typer.Option("--person", metavar="NAME", help="Entries in which this account occurs."),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option("--case", parser=typed_id, metavar="HIT", help="Entries on this hit."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="From this day on, UTC.")
    ] = None,
    before: Annotated[
        int | None,
        typer.Option("--before", metavar="N", help="Entries before this number: the next page."),
    ] = None,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the desk's audit log, newest entries first, 50 at a time.

    It is for the data protection officer and the auditor, with a right for the whole desk. Each
    search goes into the log itself, with the person, before anything is shown.

    Example: edge-anpr desk log --person jan-maes --since 2026-11-01 --desk desk --as dpo
    """
    from edge.desk.log_search import DeskLog, LogQuery
    from edge.privacy.audit_events import event_fields

    day = None if since is None else day_of(since, "--since")
    query = LogQuery(person, case, day, before)
    query.require_valid()
    with acting_at(desk, acting, passphrase_file) as at:
        found = DeskLog(at.folder.path, at.database, at.record, at.utc).search(at.person, query)
    if as_json:
        entries = [json.loads(entry.canonical()) for entry in found.entries]
        print_json("edge-anpr/desk-log/1", {"entries": entries, "before": found.following})
        return
    for entry in found.entries:
        fields = "  ".join(f"{name}={value}" for name, value in event_fields(entry.event).items())
        typer.echo(
            f"{entry.number:6}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.event.kind:12}  {fields}"
        )
    if found.following is not None:
        note(f"more: the same with --before {found.following}")
