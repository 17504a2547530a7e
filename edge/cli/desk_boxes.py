"""`edge-anpr desk boxes` and `lease`: what a supervisor sees of the boxes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edge.cli.desk_people import DeskOption
from edge.cli.options import JsonOption, SiteArgument
from edge.cli.output import print_json
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.desk.fleet import FleetBox, FleetFilter

Choice = TypeVar("Choice", bound=Enum)


def boxes(
    desk: DeskOption,
    site: Annotated[
        str | None, typer.Option("--site", metavar="SITE", help="Only boxes of this site.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only boxes in this state: suspended, shut, offline, online or unknown.",
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--on-version", metavar="VERSION", help="Only boxes that run it.")
    ] = None,
    problem: Annotated[
        str | None,
        typer.Option(
            "--problem",
            metavar="PROBLEM",
            help="Only boxes with this problem, such as silent, late, lease-soon, version or clock;"
            " any: with at least one. A wrong word lists all of them.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show each box with its problems, the most urgent first.

    `desk consume` collects this. State, version, policy, lists, clock and temperature come from
    statements that each box signs every 15 minutes; boxes of earlier versions send none. If a box
    that is shown has a problem, the command ends with E_BOXES, exit status 3.

    Example: edge-anpr desk boxes --desk desk --problem any
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.fleet import BoxProblem, BoxState, FleetFilter, fleet
    from edge.desk.folder import open_folder

    wanted = FleetFilter(
        site,
        _choice("--state", BoxState, state),
        version,
        None if problem == "any" else _choice("--problem", BoxProblem, problem, "any"),
        any_problem=problem == "any",
    )
    with open_folder(desk).open_database() as database:
        found = fleet(database, SystemClock().utc())
    chosen = found.chosen(wanted)
    if as_json:
        print_json(
            "edge-anpr/desk-boxes/1",
            {
                "states": {one.value: count for one, count in found.states().items()},
                "problems": {one.value: count for one, count in found.problems().items()},
                "boxes": [_json(one) for one in chosen],
            },
        )
    else:
        for one in chosen:
            typer.echo(_line(one))
    _refuse_problems(chosen, wanted)


def _refuse_problems(chosen: tuple[FleetBox, ...], wanted: FleetFilter) -> None:
    from edge.desk.fleet import FleetFilter
    from edge.errors import ConfigError

    count = sum(bool(one.problems) for one in chosen)
    if count:
        of = quantity(len(chosen), "box", "boxes")
        asked = "" if wanted == FleetFilter() else " that were asked for"
        need = "needs" if count == 1 else "need"
        raise ConfigError(
            f"{count} of {of}{asked} {need} attention; docs/desk.md says what each problem "
            "means and what to do",
            code="E_BOXES",
        )


def _choice(option: str, kind: type[Choice], text: str | None, *more: str) -> Choice | None:
    from edge.errors import UsageError

    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join([*(str(one.value) for one in kind), *more])
        raise UsageError(f"{option}: {text[:20]!r} is none of {words}") from None


def _json(one: FleetBox) -> dict[str, object]:
    shown = one._asdict()
    del shown["list_counters"]
    return {
        **shown,
        "state": one.state.value,
        "problems": [problem.value for problem in one.problems],
        "lists": one.lists,
    }


def _line(one: FleetBox) -> str:
    why = f" ({one.reason})" if one.reason else ""
    parts = [
        f"{one.site}/{one.box}: {one.state.value}{why}",
        f"last sign of life {one.alive_at or 'never'}",
        f"version {one.version or 'not known'}",
        f"policy {one.policy_version or 'not known'}",
        f"lease until {one.lease_ends or 'not known'}",
    ]
    if one.problems:
        parts.append("PROBLEMS: " + ", ".join(problem.value for problem in one.problems))
    return "; ".join(parts)


def lease(
    site: SiteArgument,
    record: Annotated[
        Path,
        typer.Argument(
            metavar="RECORD",
            help="What `policy activate --out` or `policy renew --out` wrote, or activation.json.",
        ),
    ],
    desk: DeskOption,
    as_json: JsonOption = False,
) -> None:
    """Take in the activation record of a box, so that the desk shows when its lease ends.

    The policy of the site folder must be signed by all roles, and the record by a controller that
    it names.

    Example: edge-anpr desk lease config/school-street lease.json --desk desk
    """
    from edge.desk.boxes import keep_lease
    from edge.desk.folder import open_folder
    from edge.formats.yaml_document import read_text
    from edge.policy.activation import MAX_BYTES, read_activation
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures, require_quorum
    from edge.site.folder import POLICY_FILE, read_policy

    policy = read_policy(site / POLICY_FILE).model
    require_quorum(policy, read_signatures(site / SIGNATURES_FILE))
    made = read_activation(read_text(record, MAX_BYTES), record)
    with open_folder(desk).open_database() as database:
        kept = keep_lease(database, policy, made)
    found = made.lease
    if as_json:
        print_json(
            "edge-anpr/desk-lease/1",
            {"site": found.site, "box": found.box, "ends": found.expires_at, "newer": kept},
        )
        return
    told = "taken in" if kept else "a later one is known already"
    typer.echo(f"{found.site}/{found.box}: lease until {found.expires_at}: {told}")
