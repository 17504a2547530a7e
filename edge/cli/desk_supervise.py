"""`edge-anpr desk figures`: what a supervisor sees of decisions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.desk_people import DeskOption
from edge.cli.options import JsonOption
from edge.cli.output import print_json, time_text
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.desk.decoys import DecoyFigures
    from edge.desk.deletion_figures import DeletionFigures, EndingHold
    from edge.desk.figures import DeskFigures, ReadingFigures
    from edge.domain.intervals import Interval


_HIDDEN = "not shown: fewer than ten, or a difference would reveal fewer"


def figures(
    desk: DeskOption,
    accuracy_of: Annotated[
        str | None,
        typer.Option(
            "--accuracy",
            metavar="SITE",
            help="Print the section `accuracy` of a policy, from decisions on this site's hits.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show queue, decisions by outcome, misreads by condition with intervals, and deletions.

    Counts below ten are shown as <10, larger ones rounded down to tens. A share is of at least ten
    decisions. Misreads and decoys of a month are shown once it is over. Decoys are in no figure of
    decisions; for them the share that was not confirmed is shown. Deletions are what the next run
    deletes, and what the signed statements of 30 days say. Holds that end within 14 days follow.

    Example: edge-anpr desk figures --desk desk --accuracy school-street
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.decoys import decoy_figures
    from edge.desk.deletion_figures import deletion_figures, ending_holds
    from edge.desk.figures import figures as all_figures
    from edge.desk.folder import open_folder
    from edge.desk.queue import HitQueue

    utc = SystemClock().utc
    now = utc()
    with open_folder(desk).open_database() as database:
        if accuracy_of is not None:
            _show_accuracy(desk, accuracy_of, now, as_json=as_json)
            return
        found, queue = all_figures(database, now.date()), HitQueue(database).sites()
        decoys = decoy_figures(database, now.date())
        deleted, holds = deletion_figures(database, utc), ending_holds(database, now.date())
    waiting = [
        {"site": one.site, "hits": one.hits, "oldest": time_text(one.oldest)} for one in queue
    ]
    if as_json:
        shown = {
            **_figures_json(found),
            "decoys": _decoys_json(decoys),
            "deletions": _deletions_json(deleted),
            "holds": [_hold_json(one) for one in holds],
        }
        print_json("edge-anpr/desk-figures/1", {"queue": waiting, **shown})
        return
    for one in queue:
        age = (now - one.oldest).total_seconds() / 3600
        typer.echo(
            f"{one.site}: {quantity(one.hits, 'hit waits', 'hits wait')}, the oldest for {age:.0f} "
            "h"
        )
    for each in found.outcomes:
        counts = ", ".join(f"{count} {name}" for name, count in each.outcomes.items())
        typer.echo(f"{each.month}  {each.site}  {each.rule}: {each.decisions} decided: {counts}")
    for reading in found.readings:
        typer.echo(f"{reading.condition} {reading.value}: {_reading_text(reading)}")
    typer.echo(f"decoys: {_decoys_text(decoys)}")
    for site in deleted.sites:
        due = f"{site.due.not_confirmed} not confirmed, {site.due.confirmed} confirmed"
        done = f"at least {site.not_confirmed} and {site.confirmed} deleted in 30 days"
        typer.echo(f"deletions at {site.due.site}: due on {deleted.next_day}: {due}; {done}")
    typer.echo(f"newest run of deletions: {deleted.last_day or 'none yet'}")
    for hold in holds:
        typer.echo(f"hold {hold.reference} of hit {hold.hit_id} ends after {hold.last_day}")


def _deletions_json(found: DeletionFigures) -> dict[str, object]:
    return {
        "newest_run": None if found.last_day is None else found.last_day.isoformat(),
        "next_run": found.next_day.isoformat(),
        "missed": found.missed,
        "sites": [
            {
                "site": one.due.site,
                "due_not_confirmed": one.due.not_confirmed,
                "due_confirmed": one.due.confirmed,
                "done_not_confirmed_at_least": one.not_confirmed,
                "done_confirmed_at_least": one.confirmed,
            }
            for one in found.sites
        ],
    }


def _hold_json(one: EndingHold) -> dict[str, str]:
    return {
        "hit_id": one.hit_id,
        "site": one.site,
        "reason": one.reason.value,
        "reference": one.reference,
        "last_day": one.last_day.isoformat(),
    }


def _decoys_json(one: DecoyFigures) -> dict[str, object]:
    return {"decided": one.decided, "caught": one.caught, "share": _interval_json(one.share)}


def _decoys_text(one: DecoyFigures) -> str:
    if one.decided is None:
        return "fewer than ten decided"
    return f"{one.caught} of {one.decided} caught{_share_text(one.share)}"


def _reading_text(one: ReadingFigures) -> str:
    if one.tested is None:
        return _HIDDEN
    return f"{one.misread} of {one.tested} misread{_share_text(one.share)}"


def _share_text(share: Interval | None) -> str:
    return "" if share is None else f": {share.share:.0%} ({share.low:.0%} to {share.high:.0%})"


def _figures_json(found: DeskFigures) -> dict[str, object]:
    return {
        "outcomes": [
            {
                "month": one.month,
                "site": one.site,
                "rule": one.rule,
                "decisions": one.decisions,
                **one.outcomes,
            }
            for one in found.outcomes
        ],
        "readings": [
            {
                "condition": one.condition,
                "value": one.value,
                "tested": one.tested,
                "misread": one.misread,
                "share": _interval_json(one.share),
            }
            for one in found.readings
        ],
    }


def _interval_json(one: Interval | None) -> dict[str, float] | None:
    if one is None:
        return None
    return {
        "share": round(one.share, 4),
        "low": round(one.low, 4),
        "high": round(one.high, 4),
    }


def _show_accuracy(desk: Path, site: str, now: datetime, *, as_json: bool) -> None:
    import yaml

    from edge.desk.figures import accuracy_section, site_accuracy
    from edge.desk.folder import open_folder
    from edge.errors import UsageError

    with open_folder(desk).open_database() as database:
        found = site_accuracy(database, site, now.date())
    if found is None:
        raise UsageError(
            f"--accuracy: {site[:40]!r}: fewer than ten decisions in which somebody typed the "
            "plate; decide more hits of this site first"
        )
    section = accuracy_section(found, now.date())
    if as_json:
        print_json("edge-anpr/desk-accuracy/1", {"site": site, "accuracy": section})
        return
    text = yaml.safe_dump({"accuracy": section}, allow_unicode=True, sort_keys=False, width=100)
    typer.echo(text, nl=False)
