"""`edge-anpr demo`: the main job in one command, with a real broker and both sides."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption
from edge.cli.output import print_json

if TYPE_CHECKING:
    from edge.cli.demo.play import DemoResult


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for the results. Default: a temporary folder."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the whole product on two bundled clips: box, broker and authority on this machine.

    Vehicles that break a rule reach the authority as sealed hits. Everyone else is only counted.
    Nothing leaves this machine. The result is also written as one HTML page.

    Example: edge-anpr demo --out demo
    """
    from edge.cli.demo.page import write_page
    from edge.cli.demo.play import new_folder, play
    from edge.cli.run import progress_bars

    folder = new_folder(out)
    with progress_bars(visible=not as_json and sys.stderr.isatty()) as progress:
        result = play(folder, progress)
    if result.failure is not None:
        raise result.failure
    write_page(result)
    if as_json:
        print_json("edge-anpr/demo/1", result.as_json(), indent=2)
    else:
        _show(result)


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
