"""`edge-anpr demo`: the main job in one command, with a real broker and both sides."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption
from edge.cli.output import print_json

if TYPE_CHECKING:
    from edge.cli.demo.desk import FilledDesk
    from edge.cli.demo.play import DemoResult


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for the results. Default: a temporary folder."),
    ] = None,
    desk: Annotated[
        bool,
        typer.Option(
            "--desk",
            help="Receive the hits at an officer's desk with demo people, and serve its pages on "
            "this machine until Ctrl-C.",
        ),
    ] = False,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Where --desk listens; 0: any free port."),
    ] = 0,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the desk in your browser.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Show the whole product on two bundled clips: box, broker and authority on this machine.

    Vehicles that break a rule reach the authority as sealed hits. Everyone else is only counted.
    Nothing leaves this machine. The result is also written as one HTML page. With --desk the hits
    stay sealed at a desk, for you to open and review; the accounts are printed.

    Example: edge-anpr demo --out demo
    """
    from edge.cli.demo.page import write_page
    from edge.cli.demo.play import new_folder, play
    from edge.cli.run import progress_bars

    if desk:
        _require_desk()
    folder = new_folder(out)
    if desk:
        _serve_desk(folder, port, show=show, as_json=as_json)
        return
    with progress_bars(visible=not as_json and sys.stderr.isatty()) as progress:
        result = play(folder, progress)
    if result.failure is not None:
        raise result.failure
    write_page(result)
    if as_json:
        print_json("edge-anpr/demo/1", result.as_json(), indent=2)
    else:
        _show(result)


# --- the desk ---------------------------------------------------------------------------------


def _require_desk() -> None:
    """Refuse before anything is made where the desk's packages are missing."""
    import edge.desk.web.serving  # noqa: F401 - its libraries are named by `E_EXTRA`


def _serve_desk(folder: Path, port: int, *, show: bool, as_json: bool) -> None:
    from edge.adapters.host.system import SystemClock
    from edge.cli.demo.desk import fill_desk
    from edge.cli.run import progress_bars
    from edge.desk.web.serving import WhereToServe, serve

    with progress_bars(visible=not as_json and sys.stderr.isatty()) as progress:
        filled = fill_desk(folder, progress)
    if filled.ran.failure is not None:
        raise filled.ran.failure

    def ready(address: str) -> None:
        if as_json:
            document = {
                "folder": str(folder),
                "vehicles": filled.ran.summary.vehicles,
                "hits": filled.ran.summary.hits,
                "non_hits": filled.ran.summary.non_hits,
                "desk": str(filled.desk.path),
                "address": address,
                "accounts": [one.as_json() for one in filled.accounts],
            }
            print_json("edge-anpr/demo-desk/1", document, indent=2)
            sys.stdout.flush()
        else:
            _show_desk(filled, address)
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if show and display and sys.stderr.isatty():
            typer.launch(address)

    serve(filled.desk, WhereToServe("127.0.0.1", port), filled.opens, SystemClock().utc, ready)


def _show_desk(filled: FilledDesk, address: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    summary = filled.ran.summary
    console.rule("Street")
    console.print(
        f"{summary.vehicles} vehicles: {summary.hits} hits, still sealed, wait at the desk; "
        f"the other {summary.non_hits} are only counted."
    )
    console.rule("The desk")
    console.print(
        f"Open [bold]{address}[/bold] in a browser, on this machine, and log in as:",
        highlight=False,
    )
    accounts = Table("name", "passphrase", "role")
    for one in filled.accounts:
        accounts.add_row(one.name, one.passphrase, one.role.value)
    console.print(accounts)
    console.print(
        "People and passphrases were made up for this demo. Begin as the officer. "
        "[bold]Ctrl-C[/bold] stops the desk."
    )
    console.print(
        f"Everything is in {filled.folder}. Delete that folder when you have seen it.",
        soft_wrap=True,
        highlight=False,
    )


# --- what is shown --------------------------------------------------------------------------


def _show(result: DemoResult) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    summary = result.summary
    console.rule("Street")
    console.print(
        f"{summary.frames_analysed} frames, [bold]{summary.vehicles} vehicles[/bold]: "
        f"{summary.hits} hits; the other {summary.non_hits} vehicles are only counted."
    )
    console.rule("What the broker saw")
    seen = Table("topic", "messages", "bytes each")
    for topic, count in Counter(message.topic for message in result.messages).items():
        sizes = sorted({one.size for one in result.messages if one.topic == topic})
        spread = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        seen.add_row(topic, str(count), spread)
    console.print(seen)
    console.print("No plate and no picture: each hit is sealed to the authority's key.")
    console.rule("What the authority opened")
    hits = Table("rule", "why", "plate", "certainty", "pictures")
    for one in result.opened:
        hit = one.opened.hit
        hits.add_row(
            hit.rule,
            one.why,
            one.plate,
            f"{hit.posterior:.1%}",
            ", ".join(path.name for path in one.files.pictures) or "none",
        )
    console.print(hits)
    console.print("A person reviews each hit before any action is taken.")
    for one in result.opened:
        for path in one.files.pictures:
            console.print(str(path), soft_wrap=True, highlight=False)
    console.rule("What is kept about everyone else")
    console.print(f"A counter: {summary.non_hits}.")
    console.rule("Page")
    console.print(f"Open this page in a browser: {result.page}", soft_wrap=True, highlight=False)
    console.print(
        f"Everything is in {result.folder}. Delete that folder when you have seen it.",
        soft_wrap=True,
        highlight=False,
    )
