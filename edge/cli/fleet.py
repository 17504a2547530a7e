"""`edge-anpr fleet`: many boxes together."""

from __future__ import annotations

import typer

from edge.cli import fleet_release, fleet_wave

app = typer.Typer(
    no_args_is_help=True,
    help="Work for many boxes together.\n\nExample: edge-anpr fleet release show releases",
)
app.add_typer(fleet_release.app, name="release")
app.add_typer(fleet_wave.app, name="wave")
