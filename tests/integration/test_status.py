"""`edge-anpr status` reads a box's own metrics over real HTTP."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from rich.console import Console

from edge.adapters.host.metrics_server import Listen
from edge.cli.status import BoxMetrics, _where, ask, console_view, shown
from edge.errors import ConfigError
from edge.site.folder import load_site_folder
from tests.integration.test_metrics import watched_street
from tests.support.brokers import free_port, tcp_server
from tests.support.product import product
from tests.support.sites import make_site, site
from tests.unit.box.test_engine import OTHER, vehicle


def text_of(metrics: BoxMetrics, epoch_minutes: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(shown(metrics, epoch_minutes))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_view_shows_state_cameras_broker_clock_and_closed_epochs() -> None:
    with watched_street([vehicle(n, OTHER) for n in range(14)]) as (port, health):
        text = text_of(ask(Listen("127.0.0.1", port)))
        health.enter("safe", "E_SUNSET")
        safe = text_of(ask(Listen("127.0.0.1", port)))

    assert "street · box-1 · 1.0" in text
    assert "online" in text
    assert "sends frames; 40 received, 0 corrupt, connected 1 time" in text
    assert "synchronised, error at most 0.010 s" in text
    assert "10 read, 0 ambiguous, 0 unreadable" in text
    assert "cpu-thermal 55 °C" in text
    assert "safe (E_SUNSET)" in safe


def test_the_view_shows_what_the_broker_refuses() -> None:
    with watched_street([]) as (port, _):
        metrics = ask(Listen("127.0.0.1", port))
    assert "the box's log says why" not in text_of(metrics)

    samples = dict(metrics.samples)
    samples["edge_anpr_broker_problem"] = {("audit-refused",): 1.0, ("hit-refused",): 1.0}

    text = text_of(BoxMetrics(samples, metrics.ready, metrics.reason))
    assert "audit-refused, hit-refused; the box's log says why" in text


def test_the_view_shows_until_when_a_camera_is_closed() -> None:
    with watched_street([]) as (port, _):
        metrics = ask(Listen("127.0.0.1", port))
    opening = datetime(2026, 11, 30, 7, 15, tzinfo=timezone.utc)
    samples: dict[str, Mapping[tuple[str, ...], float]] = {
        **metrics.samples,
        "edge_anpr_camera_opens_timestamp_seconds": {("cam-1",): opening.timestamp()},
    }

    text = text_of(replace(metrics, samples=samples))

    assert f"closed by the policy until {opening.astimezone():%Y-%m-%d %H:%M %Z}; 40" in text
    assert "sends frames" not in text


@pytest.mark.parametrize(
    ("stopped", "without", "told"),
    [
        (1.0, 0.0, "stopped: too many vehicles were hits (E_HIT_SHARE)"),
        (0.0, 1.0, "makes no hits: too few entries of its permit list are left"),
        (0.0, 0.0, None),
    ],
)
def test_p11_a_rule_that_makes_no_hits_is_shown(
    stopped: float, without: float, told: str | None
) -> None:
    with watched_street([]) as (port, _):
        metrics = ask(Listen("127.0.0.1", port))
    samples: dict[str, Mapping[tuple[str, ...], float]] = {
        **metrics.samples,
        "edge_anpr_rule_stopped": {("zone",): stopped},
        "edge_anpr_rule_without_permits": {("zone",): without},
    }

    text = text_of(replace(metrics, samples=samples))

    assert ("rule zone" in text) is (told is not None)
    assert told is None or told in text


@pytest.mark.parametrize(
    ("key_age_s", "epoch_minutes", "why"),
    [
        (130.0, 15, "the first epoch closes in 13 minutes; counts appear then"),
        (899.0, 15, "the first epoch closes in less than a minute; counts appear then"),
        (130.0, None, "no epoch has closed yet; counts appear when the first one closes"),
        (None, 15, "no epoch has begun; counts appear when the first one closes"),
    ],
)
def test_a_zero_before_the_first_epoch_closes_is_explained(
    key_age_s: float | None, epoch_minutes: int | None, why: str
) -> None:
    with watched_street([vehicle(n, OTHER) for n in range(14)]) as (port, _):
        metrics = ask(Listen("127.0.0.1", port))
    samples: dict[str, Mapping[tuple[str, ...], float]] = {
        **metrics.samples,
        "edge_anpr_epochs_closed_total": {(): 0.0},
        "edge_anpr_epoch_key_age_seconds": {} if key_age_s is None else {(): key_age_s},
    }

    text = text_of(replace(metrics, samples=samples), epoch_minutes)

    assert text.count(f"0 ({why})") == 4
    assert "counts appear" not in text_of(metrics, epoch_minutes)


def test_with_a_site_folder_the_epoch_length_is_known(tmp_path: Path) -> None:
    with watched_street([]) as (port, _):
        made = make_site(tmp_path, site_yaml=site(telemetry={"listen": f"127.0.0.1:{port}"}))
        minutes = load_site_folder(made.folder).policy.epoch_minutes

        assert _where(made.folder, None) == (Listen("127.0.0.1", port), minutes)
        assert _where(None, f"127.0.0.1:{port}") == (Listen("127.0.0.1", port), None)
        assert product("status", "--site", made.folder, "--once").status == 0


def test_the_verb_prints_once_or_as_json() -> None:
    with watched_street([]) as (port, _):
        once = product("status", "--listen", f"127.0.0.1:{port}", "--once")
        as_json = product("status", "--listen", f"127.0.0.1:{port}", "--json").json

    assert once.status == 0
    assert "street · box-1" in once.out
    assert as_json["ready"] is True
    assert as_json["metrics"]["edge_anpr_epochs_closed_total"] == {"": 1.0}


def test_an_unreachable_box_is_reported_in_one_line() -> None:
    port = free_port()

    done = product("status", "--listen", f"127.0.0.1:{port}", "--once")

    assert done.status == 3
    assert done.error_lines == [done.err.strip()]
    assert f"E_STATUS: 127.0.0.1:{port}: nothing answers" in done.err


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsomething", b"SSH-2.0-x\r\n", None]
)
def test_a_server_that_is_not_a_box_is_refused(answer: bytes | None) -> None:
    with tcp_server(answer, close=True) as port, pytest.raises(ConfigError) as caught:
        ask(Listen("127.0.0.1", port))

    assert caught.value.code == "E_STATUS"


def test_the_live_view_stays_while_the_box_is_away() -> None:
    view = console_view(lambda: ask(Listen("127.0.0.1", free_port())))

    assert "nothing answers" in str(view())


def test_a_site_without_a_metrics_address_gets_a_remedy(tmp_path: Path) -> None:
    made = make_site(tmp_path)

    done = product("status", "--site", made.folder, "--once")

    assert done.status == 3
    assert "telemetry is missing" in done.err
