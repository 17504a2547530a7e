"""`/metrics`, `/healthz` and `/readyz` over real HTTP."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.adapters.host.kernel_clock import KernelClock, kernel_clock
from edge.adapters.host.metrics import CameraFigures, TelemetryServer, TelemetrySource
from edge.adapters.host.metrics_server import MOST_REQUESTS, Listen
from edge.box.engine import Engine, Stream, VehicleCounts
from edge.box.evidence_worker import EvidenceWorker
from edge.box.figures import rule_figures
from edge.box.health import BoxHealth
from edge.box.traffic import ClosedEpochs, TrafficTotals
from edge.domain.vehicles import VehicleSeen
from edge.errors import ConfigError
from edge.pipeline.evidence import SealedHit
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.privacy.pseudonyms import SaltChain
from tests.support.canary import needles, sweep_bytes
from tests.support.plate_lists import in_clear
from tests.unit.box.test_engine import (
    COMPETENCES,
    ENTRY,
    HOTLIST,
    LISTED,
    OTHER,
    WRONG_WAY,
    ScriptedCamera,
    ScriptedWatcher,
    vehicle,
)

FRAMES = 40
LOOPBACK = Listen("127.0.0.1", 0)


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class StillClock:
    """A fixed clock, so that outputs differ only by the traffic."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def watched_street(
    passing: Sequence[VehicleSeen], *, contradicted: bool = False
) -> Iterator[tuple[int, BoxHealth]]:
    """A street where these vehicles passed in one closed epoch.

    If `contradicted`, listed plates are on other vehicles than the list states.
    """
    rules = (HOTLIST, WRONG_WAY)
    watcher = ScriptedWatcher([(one,) for one in passing], at_end=())
    watcher.stage_seconds["detect"] = 0.2 + 0.1 * len(passing)
    stream = Stream(ScriptedCamera(FRAMES), "clip", watcher)
    book = RuleBook(
        rules,
        SaltChain("street", "box-1", lambda n: b"x" * n),
        in_clear(lambda _: [ENTRY]),
        30,
        COMPETENCES,
    )
    worker = EvidenceWorker(
        lambda _case: None if contradicted else SealedHit("0" * 32, b"", pictures_left_out=0)
    )
    traffic = ClosedEpochs([o.value for o in ReadOutcome], [r.id for r in rules], ["detect"])

    def on_epoch(counts: VehicleCounts) -> None:
        traffic.close(
            TrafficTotals(
                vehicles={each.value: counts.outcomes[each] for each in ReadOutcome},
                hits=dict(worker.counts.by_rule),
                contradicted=dict(worker.counts.contradicted),
                analysed=stream.analysed,
                dropped=stream.counts.dropped,
                stage_s=watcher.stage_seconds,
            )
        )

    health = BoxHealth(
        version="1.0",
        site="street",
        box="box-1",
        traffic=traffic,
        cameras=lambda: [
            CameraFigures("cam-1", stream.counts.decoded, stream.counts.corrupt, 1, True)
        ],
        broker=lambda: (True, 1),
        rules=lambda: rule_figures(book),
        epoch_s=30,
        monotonic=StillClock(),
        clock=lambda: KernelClock(True, 0.001, 0.01),
        temperatures=lambda: {"cpu-thermal": 55},
    )
    engine = Engine(
        [stream], book, worker, on_epoch=on_epoch, on_turn=lambda: health.turned(book.epochs_begun)
    )
    health.enter("online", "online")
    worker.start()
    engine.run(realtime=False)
    worker.close()
    source = TelemetrySource(health.figures, health.healthy, health.ready)
    with TelemetryServer(LOOPBACK, source) as server:
        yield server.port, health


def scraped(passing: Sequence[VehicleSeen], *, contradicted: bool = False) -> bytes:
    with watched_street(passing, contradicted=contradicted) as (port, _):
        status, body = ask(port, "/metrics")
        assert status == 200
        return body


def test_p7_an_epoch_with_one_car_gives_the_same_bytes_as_an_empty_one() -> None:
    empty = scraped([])

    assert b"edge_anpr_epochs_closed_total 1.0" in empty, "an epoch has closed"
    assert scraped([vehicle(1, OTHER)]) == empty
    assert scraped([vehicle(1, LISTED)]) == empty, "nor does a hit show"
    assert scraped([vehicle(1, None)]) == empty
    assert scraped([vehicle(n, OTHER) for n in range(9)]) == empty


def test_ten_cars_are_shown_as_ten() -> None:
    busy = scraped([vehicle(n, OTHER) for n in range(14)])

    assert busy != scraped([])
    assert b'edge_anpr_reads_total{outcome="read"} 10.0' in busy


def test_p7_listed_plates_on_other_vehicles_are_counted_in_tens() -> None:
    few, many = ([vehicle(n, LISTED) for n in range(count)] for count in (9, 14))

    assert scraped(few, contradicted=True) == scraped([])
    told = scraped(many, contradicted=True)
    assert b'edge_anpr_contradicted_total{rule="stolen"} 10.0' in told
    assert b'edge_anpr_hits_total{rule="stolen"} 0.0' in told


def test_every_metric_name_and_label_is_on_the_closed_list() -> None:
    text = scraped([vehicle(n, LISTED) for n in range(25)]).decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {
        f"edge_anpr_{name}"
        for name in (
            "build_info", "state", "broker_connected", "broker_connections", "broker_problem",
            "epochs_closed",
            "epoch_key_age_seconds", "clock_synchronised", "clock_offset_seconds",
            "clock_max_error_seconds", "temperature_celsius", "camera_up", "frames",
            "frames_corrupt", "camera_connections", "reads", "hits", "contradicted",
            "frames_analysed", "frames_dropped", "stage_seconds", "outbox_hits",
            "outbox_age_seconds", "rule_stopped", "rule_without_permits",
        )
    }  # fmt: skip
    labels = {
        (name, value)
        for family in families.values()
        for sample in family.samples
        for name, value in sample.labels.items()
    }
    assert labels == {
        ("version", "1.0"), ("site", "street"), ("box", "box-1"),
        ("state", "starting"), ("state", "online"), ("state", "safe"), ("state", "stopping"),
        ("zone", "cpu-thermal"), ("camera", "cam-1"),
        ("outcome", "read"), ("outcome", "ambiguous"), ("outcome", "unreadable"),
        ("rule", "stolen"), ("rule", "wrong-way"), ("stage", "detect"),
    }  # fmt: skip
    assert all(family.documentation for family in families.values())


def test_p8_the_responses_contain_no_plate() -> None:
    body = scraped([vehicle(n, LISTED) for n in range(25)])

    assert list(sweep_bytes("/metrics", body, needles(LISTED))) == []


def test_health_and_readiness_have_their_own_paths() -> None:
    with watched_street([]) as (port, health):
        assert ask(port, "/healthz") == (200, b'{"status": "ok", "reason": "running"}\n')
        assert ask(port, "/readyz") == (200, b'{"status": "ok", "reason": "online"}\n')

        health.enter("safe", "E_SUNSET")

        assert ask(port, "/readyz") == (503, b'{"status": "failing", "reason": "E_SUNSET"}\n')
        assert ask(port, "/healthz")[0] == 200
        assert b'edge_anpr_state{state="safe"} 1.0' in ask(port, "/metrics")[1]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics?x=1", "/../state", "/healthz/x"])
def test_other_paths_are_not_found(path: str) -> None:
    with watched_street([]) as (port, _):
        assert ask(port, path)[0] == 404


def test_other_methods_are_refused() -> None:
    with watched_street([]) as (port, _):
        assert ask(port, "/metrics", "POST")[0] == 501
        status, body = ask(port, "/metrics", "HEAD")

        assert (status, body) == (200, b"")


def test_unfinished_requests_do_not_block_others_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.adapters.host.metrics_server._Handler.timeout", 0.3)
    with watched_street([]) as (port, _):
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_REQUESTS)]
        try:
            for one in slow:
                one.settimeout(5)
                assert one.recv(1) == b"", "cut off"
            assert ask(port, "/healthz")[0] == 200
        finally:
            for one in slow:
                one.close()


def test_the_error_for_an_address_in_use_names_its_field() -> None:
    with watched_street([]) as (port, health):
        source = TelemetrySource(health.figures, health.healthy, health.ready)
        with pytest.raises(ConfigError, match=r"telemetry\.listen: 127\.0\.0\.1:\d+: .*in use"):
            TelemetryServer(Listen("127.0.0.1", port), source)


@pytest.mark.parametrize("text", ["9109", ":9109", "host:", "host:port", "host:70000"])
def test_an_invalid_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"telemetry\.listen"):
        Listen.parse(text)


def test_ipv4_and_ipv6_addresses_are_read() -> None:
    assert Listen.parse("[::1]:9109") == Listen("::1", 9109)
    assert Listen.parse("127.0.0.1:9109") == Listen("127.0.0.1", 9109)


def test_the_clock_state_is_read_from_the_kernel() -> None:
    clock = kernel_clock()

    assert clock is not None
    assert clock.max_error_s >= 0
    assert abs(clock.offset_s) < 3600
