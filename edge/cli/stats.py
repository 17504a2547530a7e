"""`edge-anpr stats`: what is left of the epochs of a box."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stats(
    site: Annotated[Path, typer.Option("--site", help="The site's folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON document.")
    ] = False,
) -> None:
    """Show the counts of a box's closed epochs, summed.

    A count under ten in one epoch was never kept, so each sum is a lower bound.
    """
    from edge.adapters.state.statistics import StatisticsFile, totals
    from edge.site.folder import read_box_folders

    epochs = StatisticsFile(read_box_folders(site).state).read()
    sums = totals(epochs)
    if as_json:
        typer.echo(sums.model_dump_json(indent=2))
        return
    if not epochs:
        typer.echo("no epoch has closed yet")
        return
    typer.echo(f"{sums.epochs} epochs, {sums.first} to {sums.last}")
    for name, count in sums.vehicles_at_least.items():
        typer.echo(f"vehicles {name}: {count} or more")
    for rule, count in sorted(sums.hits_at_least.items()):
        typer.echo(f"hits of {rule}: {count} or more")
