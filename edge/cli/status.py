"""`edge-anpr status`: the state of a running box, from its own metrics."""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption
from edge.cli.output import print_json
from edge.domain.schedule import closed_until
from edge.errors import ConfigError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge.adapters.host.metrics_server import Listen

TIMEOUT_S = 5.0
LARGEST_BYTES = 1024 * 1024
DEFAULT = "127.0.0.1:9109"


@dataclass(frozen=True, slots=True)
class BoxMetrics:
    """The metrics of a box: each sample by name and labels, and whether the box is ready.

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
        """For each sample of a metric: the value of its last label, and the sample's value."""
        for labels, value in self.samples.get(f"edge_anpr_{name}", {}).items():
            yield labels[-1], value


def status(
    site: Annotated[
        Path | None, typer.Option(help="The site's folder; its site.yaml gives the address.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(help=f"The address of the box's metrics. Default: {DEFAULT}.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two requests.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print once and exit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the state of a running box until Ctrl-C, or once with --once or --json.

    Counts of vehicles and hits come from closed epochs only. The box answers if its site.yaml has
    `telemetry`.

    Example: edge-anpr status --site config/school-street
    """
    where, epoch_minutes = _where(site, listen)
    if as_json:
        print_json("edge-anpr/status/1", _as_json(ask(where)), indent=2)
        return
    from rich.console import Console

    console = Console()
    if once:
        console.print(shown(ask(where), epoch_minutes))
        return
    _live(console_view(lambda: ask(where), epoch_minutes), every)


def _where(site: Path | None, listen: str | None) -> tuple[Listen, int | None]:
    """The address of the metrics, and the minutes of an epoch if a site's folder is given."""
    from edge.adapters.host.metrics_server import Listen
    from edge.site.folder import load_site_folder

    if site is None:
        return Listen.parse(listen or DEFAULT, "--listen"), None
    folder = load_site_folder(site)
    telemetry = folder.settings.telemetry
    if listen is not None:
        return Listen.parse(listen, "--listen"), folder.policy.epoch_minutes
    if telemetry is None:
        raise ConfigError(
            f"{site / 'site.yaml'}: telemetry is missing, so the box has no metrics; add "
            f"`telemetry: {{listen: {DEFAULT}}}` and restart the box",
            code="E_STATUS",
        )
    return Listen.parse(telemetry.listen), folder.policy.epoch_minutes


def ask(where: Listen) -> BoxMetrics:
    """Read the metrics and the readiness of a box.

    Raises:
        ConfigError: `E_STATUS`: nothing answers, or something other than a box.
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
        raise _no_box(where, "what answers is not a box") from None
    if "edge_anpr_build_info" not in samples:
        raise _no_box(where, "what answers is not a box")
    return BoxMetrics(samples, code == http.client.OK, reason)


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


def _as_json(metrics: BoxMetrics) -> dict[str, object]:
    return {
        "ready": metrics.ready,
        "reason": metrics.reason,
        "metrics": {
            name: {",".join(labels): value for labels, value in samples.items()}
            for name, samples in metrics.samples.items()
        },
    }


def console_view(
    ask_box: Callable[[], BoxMetrics], epoch_minutes: int | None = None
) -> Callable[[], RenderableType]:
    """A view that shows an error, instead of ending, while the box does not answer."""

    def view() -> RenderableType:
        try:
            return shown(ask_box(), epoch_minutes)
        except ConfigError as error:
            return f"[red]{error.message}[/red]"

    return view


def _live(view: Callable[[], RenderableType], every: float) -> None:
    from rich.live import Live

    with Live(view(), auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(view(), refresh=True)


def shown(metrics: BoxMetrics, epoch_minutes: int | None = None) -> RenderableType:
    """The state of the box as one table.

    Args:
        metrics: its metrics.
        epoch_minutes: how long an epoch lasts, if known, to say when the first counts appear.
    """
    from rich.table import Table

    labels = next(iter(metrics.samples["edge_anpr_build_info"]))
    box, site, version = (*labels, "", "", "")[:3]
    table = Table(title=f"{site} · {box} · {version}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    state = next((name for name, value in metrics.each("state") if value), "unknown")
    colour = "green" if metrics.ready else "red"
    why = "" if metrics.reason == state else f" ({metrics.reason})"
    table.add_row("state", f"[{colour}]{state}{why}[/{colour}]")
    for camera, shown_text in _cameras(metrics):
        table.add_row(camera, shown_text)
    for rule, why in _idle_rules(metrics):
        table.add_row(f"rule {rule}", f"[red]{why}[/red]")
    broker = "connected" if metrics.one("broker_connected") else "[red]not connected[/red]"
    connected = quantity(round(metrics.one("broker_connections_total") or 0), "connection")
    table.add_row("broker", f"{broker}; {connected} so far")
    problems = ", ".join(problem for problem, _ in metrics.each("broker_problem"))
    if problems:
        table.add_row("", f"[red]{problems}[/red]; the box's log says why")
    age, epochs = metrics.one("epoch_key_age_seconds"), metrics.one("epochs_closed_total") or 0
    table.add_row("key", f"{'none' if age is None else f'{age:.0f} s old'}; {epochs:.0f} destroyed")
    for name, left in _certificate(metrics):
        table.add_row(name, left)
    synchronised, error = metrics.one("clock_synchronised"), metrics.one("clock_max_error_seconds")
    if synchronised is not None and error is not None:
        clock = "synchronised" if synchronised else "[red]not synchronised[/red]"
        table.add_row("clock", f"{clock}, error at most {error:.3f} s")
    temperatures = ", ".join(
        f"{zone} {degrees:.0f} °C" for zone, degrees in metrics.each("temperature_celsius")
    )
    if temperatures:
        table.add_row("temperature", temperatures)
    table.add_section()
    if epochs == 0:
        for name in ("vehicles", "hits", "frames", "outbox"):
            table.add_row(name, f"0 ({_until_first_close(age, epoch_minutes)})")
    else:
        table.add_row("vehicles", _counts(metrics, "reads_total"))
        table.add_row("hits", _counts(metrics, "hits_total"))
        table.add_row(
            "frames",
            f"{metrics.one('frames_analysed_total') or 0:.0f} analysed, "
            f"{metrics.one('frames_dropped_total') or 0:.0f} dropped",
        )
        table.add_row("outbox", f"{metrics.one('outbox_hits') or 0:.0f} waiting")
    table.caption = "below the line: closed epochs only; fewer than ten in an epoch count as none"
    return table


def _idle_rules(metrics: BoxMetrics) -> Iterator[tuple[str, str]]:
    """Each rule that makes no hits, and why."""
    without = dict(metrics.each("rule_without_permits"))
    for rule, stopped in metrics.each("rule_stopped"):
        if stopped:
            yield rule, "stopped: too many vehicles were hits (E_HIT_SHARE); see docs/sites.md"
        elif without.get(rule):
            yield (
                rule,
                "makes no hits: too few entries of its permit list are left; install a new list",
            )


def _certificate(metrics: BoxMetrics) -> Iterator[tuple[str, str]]:
    """How long the certificate of a fleet's box is valid; nothing for other boxes."""
    ends = metrics.one("certificate_ends_timestamp_seconds")
    if ends is not None:
        days = (ends - time.time()) / 86400
        yield "certificate", f"{days:.1f} days left" if days > 0 else "[red]has ended[/red]"


def _cameras(metrics: BoxMetrics) -> Iterator[tuple[str, str]]:
    """Each camera's name and state."""
    frames, corrupt = dict(metrics.each("frames_total")), dict(metrics.each("frames_corrupt_total"))
    connections = dict(metrics.each("camera_connections_total"))
    openings = dict(metrics.each("camera_opens_timestamp_seconds"))
    substreams = dict(metrics.each("camera_substream"))
    for camera, up in metrics.each("camera_up"):
        now = "sends frames" if up else "[red]sends no frames[/red]"
        if camera in openings:
            now = f"closed by the policy {closed_until(_local(openings[camera]))}"
        elif up and not substreams.get(camera, True):
            now += ", [yellow]not watched through its substream; the box's log says why[/yellow]"
        told = f"{frames.get(camera, 0):.0f} received, {corrupt.get(camera, 0):.0f} corrupt"
        times = quantity(round(connections.get(camera, 0)), "time")
        yield camera, f"{now}; {told}, connected {times}"


def _local(timestamp_s: float) -> datetime:
    """A time of this machine's zone."""
    return datetime.fromtimestamp(timestamp_s, timezone.utc).astimezone()


def _until_first_close(key_age_s: float | None, epoch_minutes: int | None) -> str:
    """Why there is no count yet: no epoch has closed."""
    if key_age_s is None:
        return "no epoch has begun; counts appear when the first one closes"
    if epoch_minutes is None:
        return "no epoch has closed yet; counts appear when the first one closes"
    left = max(0.0, epoch_minutes * 60 - key_age_s)
    minutes = math.ceil(left / 60)
    when = "in less than a minute" if minutes <= 1 else f"in {minutes} minutes"
    return f"the first epoch closes {when}; counts appear then"


def _counts(metrics: BoxMetrics, name: str) -> str:
    return ", ".join(f"{count:.0f} {label}" for label, count in metrics.each(name))
