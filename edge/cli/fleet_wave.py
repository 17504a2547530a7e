"""`edge-anpr fleet wave`: open an archive to the boxes in waves."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.fleet_release import OnlineKeyOption, RepositoryArgument, private_key, repository_in
from edge.cli.options import JsonOption, PassphraseFileOption
from edge.cli.output import note, print_json
from edge.errors import UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from edge.updates.wave_plan import BoxName, UpdateReport, WaveCount, WavePlan

app = typer.Typer(
    no_args_is_help=True,
    help="Open an archive to the boxes in waves, which halt by themselves.\n\n"
    "A wave opens an archive to a share of the boxes. The next one opens when the boxes report "
    "that they run it and are healthy. It halts when too many fail or are silent: two of 20, one "
    "in twenty of more. Waves can delay or halt only what vendor and controller have signed.\n\n"
    "Example: edge-anpr fleet wave run releases --boxes boxes --desk desk --online-key "
    "online.signer.private.json",
)

NameArgument = Annotated[
    str, typer.Argument(metavar="KIND/VERSION", help="Such as release/0.2.0.", show_default=False)
]
BoxesOption = Annotated[
    Path, typer.Option("--boxes", help="Folder with the public key files of all boxes.")
]
WaveDeskOption = Annotated[
    Path | None,
    typer.Option("--desk", help="Folder of the desk that gets the boxes' signed statements."),
]
ReportsOption = Annotated[
    Path | None,
    typer.Option(
        "--reports",
        help="In place of --desk: CSV with site,box,target,outcome,said_at, or JSON.",
    ),
]


@app.command()
def plan(
    folder: RepositoryArgument,
    name: NameArgument,
    online_key: OnlineKeyOption,
    steps: Annotated[
        str, typer.Option("--steps", help="Share of the boxes after each wave, percent.")
    ] = "5,25,100",
    first: Annotated[
        list[str] | None,
        typer.Option(
            "--first",
            metavar="SITE.BOX",
            help="A box of the first wave, one of --boxes; repeatable.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", help="With --first: folder with the public files of all boxes."),
    ] = None,
    hold_hours: Annotated[
        int, typer.Option("--hold-hours", help="How long each wave stays open before the next.")
    ] = 24,
    silent_hours: Annotated[
        int, typer.Option("--silent-hours", help="After this time a silent box counts as failed.")
    ] = 24,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan the waves of a published archive, and open the first one.

    Example: edge-anpr fleet wave plan releases release/0.2.0 --steps 5,25,100 --first
    school-street.box-1 --boxes boxes --online-key online.signer.private.json
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import load_all_box_public_keys
    from edge.updates.problems import WaveError
    from edge.updates.wave_plan import new_plan, unknown_first

    shares = [one.strip() for one in steps.split(",")]
    if not all(one.isdecimal() for one in shares):
        raise UsageError("--steps: write numbers with commas, such as 5,25,100")
    repository = repository_in(folder)
    if not any(path.startswith(f"{name}/") for path in repository.offered()):
        raise WaveError(f"{name}: not published; `edge-anpr fleet release show` lists what is")
    made = new_plan(
        SystemClock().utc(),
        steps=tuple(map(int, shares)),
        first=tuple(one.replace(".", "/") for one in first or ()),
        hold_hours=hold_hours,
        silent_hours=silent_hours,
    )
    if first:
        if boxes is None:
            raise UsageError("--first: give --boxes too, to see that the fleet has such a box")
        if unknown := unknown_first(made, load_all_box_public_keys(boxes)):
            raise WaveError(
                f"--first: no public file in {boxes} is of {_dotted(unknown)}; write SITE.BOX as "
                "`edge-anpr fleet status` shows it"
            )
    with _changed(folder, online_key, passphrase_file, anew=True) as plans:
        # One that was interrupted before boxes could see it is planned again.
        if name in plans and name in repository.waves().waves and repository.is_finished():
            raise WaveError(f"{name}: planned already; see `edge-anpr fleet wave status`")
        plans[name] = made
    _say({name: made}, {}, as_json)


@app.command()
def run(
    folder: RepositoryArgument,
    boxes: BoxesOption,
    online_key: OnlineKeyOption,
    desk: WaveDeskOption = None,
    reports: ReportsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the reports once: open the next wave, wait, or halt. Let a timer run it.

    It publishes in any case, so it also keeps the newest state valid. Status 3: a wave is halted;
    the line says why.

    Example: edge-anpr fleet wave run releases --boxes boxes --desk desk --online-key
    online.signer.private.json
    """
    from edge.adapters.host.system import SystemClock
    from edge.updates.problems import WaveError
    from edge.updates.wave_plan import judged

    with _changed(folder, online_key, passphrase_file) as plans:
        now = SystemClock().utc()
        counts = _counts(plans, boxes, desk, reports)
        plans |= {name: judged(plans[name], count, now) for name, count in counts.items()}
    _say(plans, counts, as_json)
    for name, one in plans.items():
        if one.halted is not None:
            raise WaveError(f"{name} is halted: {one.halted}")


@app.command()
def status(
    folder: RepositoryArgument,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", help="To count the boxes: folder with all public key files."),
    ] = None,
    desk: WaveDeskOption = None,
    reports: ReportsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each plan, and why one is halted; nothing is changed or published.

    With --boxes and --desk it also counts the boxes: installed, awaited, failed or silent.

    Example: edge-anpr fleet wave status releases --boxes boxes --desk desk
    """
    if boxes is None and (desk, reports) != (None, None):
        raise UsageError("give --boxes too: it says which boxes the fleet has")
    plans = _plans(folder)
    _say(plans, {} if boxes is None else _counts(plans, boxes, desk, reports), as_json)


@app.command()
def halt(
    folder: RepositoryArgument,
    name: NameArgument,
    because: Annotated[str, typer.Option("--because", help="Why, in a few words.")],
    online_key: OnlineKeyOption,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Halt a wave by hand: no further box begins to install it.

    Example: edge-anpr fleet wave halt releases release/0.2.0 --because "cameras lose frames"
    --online-key online.signer.private.json
    """
    with _changed(folder, online_key, passphrase_file) as plans:
        plans[name] = _plan(plans, name).model_copy(update={"halted": because})
    typer.echo(f"{name} is halted: {because}")


@app.command()
def resume(
    folder: RepositoryArgument,
    name: NameArgument,
    boxes: BoxesOption,
    online_key: OnlineKeyOption,
    desk: WaveDeskOption = None,
    reports: ReportsOption = None,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Let a halted wave go on. The boxes that were bad until now no longer count.

    Example: edge-anpr fleet wave resume releases release/0.2.0 --boxes boxes --desk desk
    --online-key online.signer.private.json
    """
    from edge.adapters.host.system import SystemClock
    from edge.updates.wave_plan import resumed

    with _changed(folder, online_key, passphrase_file) as plans:
        halted = _plan(plans, name)
        count = _counts(plans, boxes, desk, reports)[name]
        plans[name] = going = resumed(halted, count, SystemClock().utc())
    typer.echo(f"{name} goes on; no longer counted: {', '.join(going.excused) or 'no box'}")


def _counts(
    plans: dict[str, WavePlan], boxes: Path, desk: Path | None, reports: Path | None
) -> dict[str, WaveCount]:
    """The boxes of every plan, counted."""
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import load_all_box_public_keys
    from edge.updates.wave_plan import counted, newest_reports, read_reports, unknown_first

    now = SystemClock().utc()
    if desk is not None and reports is None:
        given = _reports_of(desk, now)
    elif reports is not None and desk is None:
        given = read_reports(reports)
    else:
        raise UsageError("give --desk or --reports, and not both: they say how the boxes are")
    fleet: list[BoxName] = list(load_all_box_public_keys(boxes))
    said = newest_reports(given)
    unknown = len(said.keys() - set(fleet))
    if unknown:
        told = quantity(unknown, "report is", "reports are")
        note(f"{told} of boxes that are not in {boxes}, and not counted")
    for name, one in plans.items():
        if gone := unknown_first(one, fleet):
            note(f"{name}: of the first wave, {_dotted(gone)} is not in {boxes} any more")
    return {name: counted(name, one, fleet, said, now) for name, one in plans.items()}


def _dotted(boxes: tuple[str, ...]) -> str:
    """Boxes, as commands name them."""
    return ", ".join(one.replace("/", ".") for one in boxes)


def _reports_of(desk: Path, now: datetime) -> tuple[UpdateReport, ...]:
    """What the boxes said of their last update in their newest signed statements.

    One that has installed it and is offline or silent since then has failed.
    """
    from edge.desk.fleet import BoxProblem, fleet
    from edge.desk.folder import open_folder
    from edge.updates.wave_plan import UpdateReport

    gone = {BoxProblem.OFFLINE, BoxProblem.SILENT}
    with open_folder(desk).open_database() as database:
        found = fleet(database, now).boxes
    return tuple(
        UpdateReport.model_validate(
            {
                "site": one.site,
                "box": one.box,
                "target": one.update_target,
                "outcome": "failed" if gone & set(one.problems) else one.update_outcome,
                "said_at": one.stated_at,
            }
        )
        for one in found
        if one.update_target is not None
    )


def _plan(plans: dict[str, WavePlan], name: str) -> WavePlan:
    from edge.updates.problems import WaveError

    found = plans.get(name)
    if found is None:
        raise WaveError(f"{name}: no plan; `edge-anpr fleet wave plan` makes one")
    return found


def _plans(folder: Path, *, anew: bool = False) -> dict[str, WavePlan]:
    """The plans of a repository.

    Args:
        folder: of the repository.
        anew: also if the plan of a published wave is lost; else it would be closed unnoticed.
    """
    from edge.updates.problems import WaveError
    from edge.updates.wave_plan import PLANS, load_plans

    plans = load_plans(folder).plans
    lost = sorted(repository_in(folder).waves().waves.keys() - plans.keys())
    if lost and anew:
        note(f"{folder / PLANS}: {', '.join(lost)} is closed until it is planned again")
    elif lost:
        raise WaveError(
            f"{folder / PLANS}: has no plan of {', '.join(lost)}, which is published; restore the "
            "file from a copy, or plan it again with `edge-anpr fleet wave plan`"
        )
    return dict(plans)


@contextmanager
def _changed(
    folder: Path, online_key: Path, passphrase_file: Path | None, *, anew: bool = False
) -> Iterator[dict[str, WavePlan]]:
    """The plans, to be changed; then they are written and published.

    Nobody else changes them meanwhile: a timer that has read them before a person halted one would
    otherwise open it again. The key comes first, because it may need a passphrase from a person.
    """
    from edge.adapters.state.state_folder import exclusive
    from edge.updates.wave_plan import WavePlans, save_plans

    key = private_key(online_key, passphrase_file)
    with exclusive(folder / "waves.lock"):
        plans = _plans(folder, anew=anew)
        yield plans
        changed = WavePlans(plans=plans)
        save_plans(folder, changed)
        repository_in(folder).publish(key, changed.document())


def _say(plans: dict[str, WavePlan], counts: dict[str, WaveCount], as_json: bool) -> None:
    """Print plans, with their boxes where these were counted."""
    if as_json:
        shown = [
            {"name": name, **one.model_dump(), "boxes": asdict(counts[name]) if counts else None}
            for name, one in plans.items()
        ]
        print_json("edge-anpr/waves/1", {"plans": shown})
        return
    for name, one in plans.items():
        wave, state = one.wave(), "open" if one.halted is None else f"halted: {one.halted}"
        typer.echo(f"{name}: wave {one.step + 1} of {len(one.steps)}, {wave.percent} %, {state}")
        if name in counts:
            count = counts[name]
            typer.echo(
                f"  boxes that may install it: {count.open}; installed: {count.healthy}, awaited: "
                f"{count.awaited}, failed or silent: {len(count.bad)} (it halts at {count.limit})"
            )
