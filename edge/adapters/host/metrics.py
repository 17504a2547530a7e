"""Reports the box's health over HTTP at `/metrics`, `/healthz` and `/readyz`.

The metric names are a closed list, like the topics. Labels hold ids of site.yaml and policy.yaml
and words of this file, never data of a camera. Numbers that depend on the traffic come from closed
epochs only, see `edge.box.traffic`.

Text format: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.host.metrics_server import CONTENT_TYPE, Listen, MetricsServer, Reply

State = Literal["starting", "online", "safe", "stopping"]
STATES: tuple[State, ...] = ("starting", "online", "safe", "stopping")


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """Figures of a camera and its connection, which do not depend on what it sees.

    Attributes:
        name: the policy's camera.
        frames: frames received.
        corrupt: frames received that could not be decoded and were skipped.
        connections: how often it was connected and gave a first frame.
        up: whether it gives frames now, or is closed outside its hours.
        opens_at: while it is closed outside its hours, when they start next.
        substream: whether its substream is watched; None: it has none, or is not open yet.
    """

    name: str
    frames: int
    corrupt: int
    connections: int
    up: bool
    opens_at: datetime | None = None
    substream: bool | None = None


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """Whether a rule makes no hits, and why.

    Attributes:
        name: the policy's rule.
        stopped: whether it has stopped itself.
        without_permits: whether too few entries of its permit list were left when the epoch began.
    """

    name: str
    stopped: bool
    without_permits: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that `/metrics` shows.

    Attributes:
        version, site, box: the product's version and the ids of site and box.
        state: the box's state; `reason` is one word, or the code of a refusal.
        cameras: the figures of each camera.
        broker_connected: whether the broker is connected now.
        broker_connections: how often it was connected.
        broker_problems: what the broker refuses, and the like, in single words.
        key_age_s: age of the epoch's key, None before the first.
        clock: the kernel's clock, None if it is unknown.
        temperatures: rounded degrees by zone.
        epochs: closed epochs; the figures below are sums over them.
        vehicles: by outcome.
        hits: by rule.
        contradicted: listed plates on other vehicles than their list states, by rule.
        analysed, dropped: frames.
        stage_s: seconds of work by stage.
        outbox: hits that waited when the last epoch closed; 0 for fewer than ten.
        outbox_age_s: for how long ten or more have waited.
        rules: the figures of each rule.
        certificate_ends: when the certificate of a fleet's box ends, Unix time; None: it has none.
    """

    version: str
    site: str
    box: str
    state: State
    reason: str
    cameras: Sequence[CameraFigures]
    broker_connected: bool
    broker_connections: int
    key_age_s: float | None
    clock: KernelClock | None
    temperatures: Mapping[str, int]
    epochs: int
    vehicles: Mapping[str, int]
    hits: Mapping[str, int]
    analysed: int
    dropped: int
    stage_s: Mapping[str, float]
    outbox: int
    outbox_age_s: float
    rules: Sequence[RuleFigures] = ()
    contradicted: Mapping[str, int] = field(default_factory=dict)
    broker_problems: Sequence[str] = ()
    certificate_ends: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes or no, with the reason in one word or the code of a refusal."""

    holds: bool
    reason: str

    def body(self) -> bytes:
        state = "ok" if self.holds else "failing"
        return json.dumps({"status": state, "reason": self.reason}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class TelemetrySource:
    """The functions behind the three addresses; each may be called from any thread."""

    figures: Callable[[], Figures]
    healthy: Callable[[], Answer]
    ready: Callable[[], Answer]


def exposition(figures: Figures) -> bytes:
    """The figures in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(figures))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _of_the_box(self._figures)
        yield from _of_the_cameras(self._figures.cameras)
        yield from _of_the_rules(self._figures.rules)
        yield from _of_the_traffic(self._figures)


def _of_the_box(figures: Figures) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "edge_anpr_build_info",
        "Version, site and box; always 1.",
        labels=["version", "site", "box"],
    )
    info.add_metric([figures.version, figures.site, figures.box], 1)
    yield info
    state = GaugeMetricFamily("edge_anpr_state", "1 for the current state.", labels=["state"])
    for name in STATES:
        state.add_metric([name], figures.state == name)
    yield state
    yield _gauge("broker_connected", "1 while connected to the broker.", figures.broker_connected)
    yield _counter(
        "broker_connections", "Connections to the broker so far.", figures.broker_connections
    )
    if figures.certificate_ends is not None:
        yield _gauge(
            "certificate_ends_timestamp_seconds",
            "When the box's certificate for the broker ends; the box renews it before that.",
            figures.certificate_ends,
        )
    problems = GaugeMetricFamily(
        "edge_anpr_broker_problem",
        "1 for each problem with the broker, such as a topic that it refuses.",
        labels=["problem"],
    )
    for problem in figures.broker_problems:
        problems.add_metric([problem], 1)
    yield problems
    yield _counter("epochs_closed", "Closed epochs, each with its key destroyed.", figures.epochs)
    if figures.key_age_s is not None:
        yield _gauge("epoch_key_age_seconds", "Age of the epoch's key.", figures.key_age_s)
    if figures.clock is not None:
        clock = figures.clock
        yield _gauge(
            "clock_synchronised",
            "1 while a time service synchronises the clock.",
            clock.synchronised,
        )
        yield _gauge(
            "clock_offset_seconds",
            "Offset that the time service is still correcting.",
            clock.offset_s,
        )
        yield _gauge(
            "clock_max_error_seconds",
            "Largest error of the clock, by the kernel's estimate.",
            clock.max_error_s,
        )
    warmth = GaugeMetricFamily(
        "edge_anpr_temperature_celsius", "Temperature, rounded to 5 degrees.", labels=["zone"]
    )
    for zone, degrees in figures.temperatures.items():
        warmth.add_metric([zone], degrees)
    yield warmth


def _of_the_cameras(cameras: Sequence[CameraFigures]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "edge_anpr_camera_up",
        "1 while the camera sends frames, or is closed by the policy.",
        labels=["camera"],
    )
    counters = {
        "frames": "Frames received.",
        "frames_corrupt": "Frames that could not be decoded and were skipped.",
        "camera_connections": "Connections that sent frames so far.",
    }
    families = {
        name: CounterMetricFamily(f"edge_anpr_{name}", text, labels=["camera"])
        for name, text in counters.items()
    }
    opening = GaugeMetricFamily(
        "edge_anpr_camera_opens_timestamp_seconds",
        "When a camera opens that is closed by the policy, seconds since 1970; else left out.",
        labels=["camera"],
    )
    substream = GaugeMetricFamily(
        "edge_anpr_camera_substream",
        "1 while the substream is watched, 0 while the main stream is watched instead of it; left "
        "out for cameras without one.",
        labels=["camera"],
    )
    for camera in cameras:
        up.add_metric([camera.name], camera.up)
        if camera.opens_at is not None:
            opening.add_metric([camera.name], camera.opens_at.timestamp())
        if camera.substream is not None:
            substream.add_metric([camera.name], camera.substream)
        families["frames"].add_metric([camera.name], camera.frames)
        families["frames_corrupt"].add_metric([camera.name], camera.corrupt)
        families["camera_connections"].add_metric([camera.name], camera.connections)
    yield up
    if opening.samples:
        yield opening
    if substream.samples:
        yield substream
    yield from families.values()


def _of_the_rules(rules: Sequence[RuleFigures]) -> Iterator[Metric]:
    stopped = GaugeMetricFamily(
        "edge_anpr_rule_stopped",
        "1 after the rule has stopped itself: its share of hits is implausible.",
        labels=["rule"],
    )
    without = GaugeMetricFamily(
        "edge_anpr_rule_without_permits",
        "1 while the rule makes no hits because too few entries of its permit list are left.",
        labels=["rule"],
    )
    for rule in rules:
        stopped.add_metric([rule.name], rule.stopped)
        without.add_metric([rule.name], rule.without_permits)
    yield stopped
    yield without


def _of_the_traffic(figures: Figures) -> Iterator[Metric]:
    coarse = "sum over closed epochs, each rounded down to tens, fewer than ten as none"
    rough = "sum over closed epochs of ten vehicles or more, each to two digits"
    reads = CounterMetricFamily(
        "edge_anpr_reads", f"Vehicles by outcome of the read: {coarse}.", labels=["outcome"]
    )
    for outcome, count in figures.vehicles.items():
        reads.add_metric([outcome], count)
    yield reads
    hits = CounterMetricFamily("edge_anpr_hits", f"Hits: {coarse}.", labels=["rule"])
    for rule, count in figures.hits.items():
        hits.add_metric([rule], count)
    yield hits
    contradicted = CounterMetricFamily(
        "edge_anpr_contradicted",
        "Listed plates that made no hit, because the vehicle surely looks different from its "
        f"list entry: {coarse}.",
        labels=["rule"],
    )
    for rule, count in figures.contradicted.items():
        contradicted.add_metric([rule], count)
    yield contradicted
    yield _counter("frames_analysed", f"Frames analysed: {rough}.", figures.analysed)
    yield _counter("frames_dropped", f"Frames dropped for a newer one: {rough}.", figures.dropped)
    stages = CounterMetricFamily(
        "edge_anpr_stage_seconds", f"Processing time by stage: {rough}.", labels=["stage"]
    )
    for stage, seconds in figures.stage_s.items():
        stages.add_metric([stage], seconds)
    yield stages
    yield _gauge(
        "outbox_hits",
        "Hits that waited when the last epoch closed, in tens; fewer than ten as none.",
        figures.outbox,
    )
    yield _gauge(
        "outbox_age_seconds",
        "How long ten or more hits have waited, in whole epochs.",
        figures.outbox_age_s,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"edge_anpr_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"edge_anpr_{name}", text, value=value)


class TelemetryServer(MetricsServer):
    """Serves the three addresses of a box.

    Args:
        listen: the address.
        source: the functions that answer the requests.

    Raises:
        ConfigError: the address cannot be used.
    """

    def __init__(self, listen: Listen, source: TelemetrySource) -> None:
        def metrics() -> Reply:
            return Reply(HTTPStatus.OK, CONTENT_TYPE, exposition(source.figures()))

        def told(answer: Answer) -> Reply:
            status = HTTPStatus.OK if answer.holds else HTTPStatus.SERVICE_UNAVAILABLE
            return Reply(status, "application/json", answer.body())

        pages = {
            "/metrics": metrics,
            "/healthz": lambda: told(source.healthy()),
            "/readyz": lambda: told(source.ready()),
        }
        super().__init__(listen, pages, "site.yaml: telemetry.listen")
