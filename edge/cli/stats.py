"""`edge-anpr stats`: the counts of a box's closed epochs."""

from __future__ import annotations

import typer

from edge.cli.options import JsonOption, SiteOption
from edge.cli.output import print_json
from edge.formats.plurals import quantity


def stats(
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Show the counts of a box's closed epochs, summed.

    A count under ten in one epoch is never stored, so each sum is a lower bound.

    Example: edge-anpr stats --site config/school-street
    """
    from edge.adapters.state.statistics import StatisticsFile, totals
    from edge.site.folder import read_box_folders

    epochs = StatisticsFile(read_box_folders(site).state).read()
    sums = totals(epochs)
    if as_json:
        print_json("edge-anpr/stats/1", sums.model_dump(mode="json"), indent=2)
        return
    if not epochs:
        typer.echo("no epoch has closed yet")
        return
    typer.echo(f"{quantity(sums.epochs, 'epoch')}, {sums.first} to {sums.last}")
    for name, count in sums.vehicles_at_least.items():
        typer.echo(f"vehicles {name}: {count} or more")
    for rule, count in sorted(sums.hits_at_least.items()):
        typer.echo(f"hits of {rule}: {count} or more")
