"""Reports a box's health to the service manager, and over HTTP if site.yaml says so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from edge.adapters.broker.publisher import Publisher
from edge.adapters.host.kernel_clock import kernel_clock
from edge.adapters.host.metrics import State, TelemetryServer, TelemetrySource
from edge.adapters.host.metrics_server import Listen
from edge.adapters.host.service_manager import ServiceManager
from edge.adapters.host.system import product_version
from edge.adapters.host.thermometers import temperatures
from edge.box.engine import Stream
from edge.box.figures import camera_figures, rule_figures
from edge.box.health import STALLED_S, BoxHealth
from edge.box.traffic import ClosedEpochs
from edge.pipeline.rule_book import RuleBook
from edge.site.settings import Site, Telemetry


def box_health(  # noqa: PLR0913 - what health needs from each part
    settings: Site,
    streams: Sequence[Stream],
    publisher: Publisher,
    traffic: ClosedEpochs,
    rules: RuleBook,
    *,
    epoch_s: float,
    monotonic: Callable[[], float],
    patience_s: float,
    certificate_ends: Callable[[], float | None] = lambda: None,
) -> BoxHealth:
    """Make the health of a box from its parts.

    Args:
        settings: site.yaml.
        streams: the sources.
        publisher: has the state of the broker connection.
        traffic: the sums over closed epochs.
        rules: the rules as they run.
        epoch_s: length of an epoch, seconds.
        monotonic: the monotonic clock, seconds.
        patience_s: how long the pipeline may wait for a full outbox without counting as stalled.
        certificate_ends: returns when the box's certificate ends, Unix time; None: it has none.
    """

    def broker() -> tuple[bool, int]:
        state = publisher.state
        return state.connected, state.connections

    return BoxHealth(
        version=product_version(),
        site=settings.site,
        box=settings.box,
        traffic=traffic,
        cameras=lambda: camera_figures(streams),
        broker=broker,
        rules=lambda: rule_figures(rules),
        epoch_s=epoch_s,
        monotonic=monotonic,
        clock=kernel_clock,
        temperatures=temperatures,
        stalled_s=STALLED_S + patience_s,
        broker_problems=lambda: publisher.state.complaints,
        certificate_ends=certificate_ends,
    )


@contextlib.contextmanager
def health_reported(health: BoxHealth, telemetry: Telemetry | None) -> Iterator[None]:
    """Report a box's health until the block ends.

    Args:
        health: the health to report.
        telemetry: the address for HTTP; None: no HTTP server.

    Raises:
        ConfigError: the telemetry's address cannot be used.
    """
    with contextlib.ExitStack() as cleanup:
        if telemetry is not None:
            source = TelemetrySource(health.figures, health.healthy, health.ready)
            cleanup.enter_context(TelemetryServer(Listen.parse(telemetry.listen), source))
        service = ServiceManager(os.environ, lambda: health.healthy().holds, health.status)

        def on_state(state: State) -> None:
            if state == "online":
                service.ready()
            elif state == "stopping":
                service.stopping()

        health.follow(on_state)
        cleanup.enter_context(service)
        yield
