"""`edge-anpr status`: how a running box is, from its own metrics."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge.adapters.host.metrics import Listen

TIMEOUT_S = 5.0
LARGEST_BYTES = 1024 * 1024
DEFAULT = "127.0.0.1:9109"


@dataclass(frozen=True, slots=True)
class Told:
    """What a box has told: each sample by name and labels, and whether it is ready.

    Attributes:
        samples: value by name, and by the values of its labels.
        ready: whether `/readyz` holds, and `reason` why not.
    """

    samples: Mapping[str, Mapping[tuple[str, ...], float]]
    ready: bool
    reason: str

    def one(self, name: str) -> float | None:
        """The value of a metric without labels."""
        return self.samples.get(f"edge_anpr_{name}", {}).get(())

    def each(self, name: str) -> Iterator[tuple[str, float]]:
        """The last label's value, and the value, of each sample of a metric."""
        for labels, value in self.samples.get(f"edge_anpr_{name}", {}).items():
            yield labels[-1], value


def status(
    site: Annotated[
        Path | None, typer.Option(help="The site's folder; its site.yaml says where the box tells.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help=f"Where the box tells, if not at {DEFAULT}.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and leave.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Look once, print what was told as JSON, and leave.")
    ] = False,
) -> None:
    """Show how a running box is, until Ctrl-C. Its numbers of vehicles are those of closed epochs.

    The box tells if its site.yaml has `telemetry`.
    """
    where = _where(site, listen)
    if as_json:
        typer.echo(json.dumps(_as_json(ask(where)), indent=2))
        return
    from rich.console import Console

    console = Console()
    if once:
        console.print(shown(ask(where)))
        return
    _live(console_view(lambda: ask(where)), every)


def _where(site: Path | None, listen: str | None) -> Listen:
    from edge.adapters.host.metrics import Listen
    from edge.site.folder import load_site_folder

    if listen is not None or site is None:
        return Listen.parse(listen or DEFAULT)
    telemetry = load_site_folder(site).settings.telemetry
    if telemetry is None:
        raise ConfigError(
            f"{site / 'site.yaml'}: telemetry is missing, so the box tells nobody; add "
            f"`telemetry: {{listen: {DEFAULT}}}` and start it anew",
            code="E_STATUS",
        )
    return Listen.parse(telemetry.listen)


def ask(where: Listen) -> Told:
    """Ask a box how it is.

    Raises:
        ConfigError: none answers, or what answers is no box.
    """
    from prometheus_client.parser import text_string_to_metric_families

    samples: dict[str, dict[tuple[str, ...], float]] = {}
    try:
        _, text = _fetch(where, "/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(str(sample.labels[name]) for name in sorted(sample.labels))
                samples.setdefault(sample.name, {})[labels] = float(sample.value)
        code, body = _fetch(where, "/readyz")
        reason = str(json.loads(body)["reason"])
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise _no_box(where, f"nothing answers ({why})") from None
    except (ValueError, KeyError, TypeError):
        raise _no_box(where, "what answers is no box") from None
    if "edge_anpr_build_info" not in samples:
        raise _no_box(where, "what answers is no box")
    return Told(samples, code == http.client.OK, reason)


def _no_box(where: Listen, why: str) -> ConfigError:
    return ConfigError(
        f"{where.host}:{where.port}: {why}; start the box with `telemetry` in its site.yaml, or "
        "name its address with --listen",
        code="E_STATUS",
    )


def _fetch(where: Listen, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(where.host, where.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(LARGEST_BYTES).decode()
    finally:
        connection.close()


def _as_json(told: Told) -> dict[str, object]:
    return {
        "schema": "edge-anpr/status/1",
        "ready": told.ready,
        "reason": told.reason,
        "metrics": {
            name: {",".join(labels): value for labels, value in samples.items()}
            for name, samples in told.samples.items()
        },
    }


def console_view(ask_box: Callable[[], Told]) -> Callable[[], RenderableType]:
    """A view that stays while the box is away, and says so."""

    def view() -> RenderableType:
        try:
            return shown(ask_box())
        except ConfigError as error:
            return f"[red]{error.message}[/red]"

    return view


def _live(view: Callable[[], RenderableType], every: float) -> None:
    from rich.live import Live

    with Live(view(), auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(view(), refresh=True)


def shown(told: Told) -> RenderableType:
    """The box as one table."""
    from rich.table import Table

    labels = next(iter(told.samples["edge_anpr_build_info"]))
    box, site, version = (*labels, "", "", "")[:3]
    table = Table(title=f"{site} · {box} · {version}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    state = next((name for name, value in told.each("state") if value), "unknown")
    colour = "green" if told.ready else "red"
    why = "" if told.reason == state else f" ({told.reason})"
    table.add_row("state", f"[{colour}]{state}{why}[/{colour}]")
    frames, corrupt = dict(told.each("frames_total")), dict(told.each("frames_corrupt_total"))
    connections = dict(told.each("camera_connections_total"))
    for camera, up in told.each("camera_up"):
        table.add_row(
            camera,
            f"{'gives frames' if up else '[red]gives none[/red]'}; "
            f"{frames.get(camera, 0):.0f} came, {corrupt.get(camera, 0):.0f} broken, "
            f"connected {connections.get(camera, 0):.0f} times",
        )
    reached = "reached" if told.one("broker_connected") else "[red]away[/red]"
    table.add_row(
        "broker", f"{reached}, connected {told.one('broker_connections_total'):.0f} times"
    )
    age, epochs = told.one("epoch_key_age_seconds"), told.one("epochs_closed_total") or 0
    table.add_row("key", f"{'none' if age is None else f'{age:.0f} s old'}; {epochs:.0f} destroyed")
    synchronised, error = told.one("clock_synchronised"), told.one("clock_max_error_seconds")
    if synchronised is not None and error is not None:
        held = "synchronised" if synchronised else "[red]held by no time service[/red]"
        table.add_row("clock", f"{held}, off by {error:.3f} s at the most")
    warmth = ", ".join(
        f"{zone} {degrees:.0f} °C" for zone, degrees in told.each("temperature_celsius")
    )
    if warmth:
        table.add_row("temperature", warmth)
    table.add_section()
    table.add_row("vehicles", _counts(told, "reads_total"))
    table.add_row("hits", _counts(told, "hits_total"))
    table.add_row(
        "frames",
        f"{told.one('frames_analysed_total') or 0:.0f} looked at, "
        f"{told.one('frames_dropped_total') or 0:.0f} dropped",
    )
    table.add_row("outbox", f"{told.one('outbox_hits') or 0:.0f} wait")
    table.caption = "below the line: closed epochs only, fewer than ten as none"
    return table


def _counts(told: Told, name: str) -> str:
    return ", ".join(f"{count:.0f} {label}" for label, count in told.each(name))
