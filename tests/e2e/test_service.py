"""`edge-anpr run` under a service manager: a real process, real sockets, real signals."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.publisher import Publisher
from edge.box import Recording, Reload, RunInterrupted, RunProgress, run_site
from edge.formats.timestamps import parse_utc
from edge.site.folder import load_site_folder
from tests.support.brokers import free_port, wait_until
from tests.support.product import CLIPS, command, environment
from tests.support.shared_material import needs_shared
from tests.support.sites import CAMERA, MadeSite, make_site, site, write_yaml

pytestmark = needs_shared

CLIP = "street_day.mp4"
START_S = 120.0


class Manager:
    """A service manager: a datagram socket, and the messages received on it."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(0.05)
        self.said: list[str] = []

    def close(self) -> None:
        self._socket.close()

    def heard(self, line: str) -> bool:
        """Whether this line was received."""
        try:
            while True:
                self.said += self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return any(said.startswith(line) for said in self.said)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@contextmanager
def service(made: MadeSite, manager: Manager, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(
            *options, "run", "--site", made.folder, "--source", CLIPS / CLIP, "--realtime", "--json"
        ),
        env=environment({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def site_with_metrics(base: Path, port: int) -> tuple[MadeSite, int]:
    telemetry = free_port()
    described = site(port=port, telemetry={"listen": f"127.0.0.1:{telemetry}"})
    return make_site(base, site_yaml=described), telemetry


def scrape(port: int, path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_service_reports_ready_feeds_its_watchdog_and_stops_in_order(
    tmp_path: Path, manager: Manager
) -> None:
    with EmbeddedBroker() as broker:
        made, port = site_with_metrics(tmp_path, broker.port)
        with service(made, manager) as process:
            assert wait_until(lambda: manager.heard("READY=1"), START_S), process.poll()
            assert wait_until(lambda: manager.heard("WATCHDOG=1"))
            assert wait_until(lambda: scrape(port, "/readyz")[0] == 200)
            assert scrape(port, "/healthz")[0] == 200
            status, text = scrape(port)
            assert status == 200
            assert 'edge_anpr_state{state="online"} 1.0' in text
            assert "edge_anpr_broker_connected 1.0" in text
            assert 'edge_anpr_reads_total{outcome="read"} 0.0' in text

            process.send_signal(signal.SIGTERM)
            stopped = time.monotonic()
            process.communicate(timeout=60)

        assert time.monotonic() - stopped < 15
        assert process.returncode == 130
        assert manager.heard("STOPPING=1")
        assert manager.heard("STATUS=online; 1 of 1 camera gives frames; broker reached")
        names = {line.split("=")[0] for line in manager.said}
        assert names == {"READY", "WATCHDOG", "STATUS", "STOPPING"}


def test_a_second_service_with_the_same_state_folder_is_refused(
    tmp_path: Path, manager: Manager
) -> None:
    made, _ = site_with_metrics(tmp_path, 1)
    with service(made, manager) as first:
        assert wait_until(lambda: manager.heard("READY=1"), START_S)
        second = subprocess.run(
            command("run", "--site", made.folder, "--source", CLIPS / CLIP),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

        assert second.returncode == 8
        assert "E_STATE_LOCKED" in second.stderr
        assert first.poll() is None


def test_sighup_reloads_valid_files_and_keeps_the_old_ones_otherwise(
    tmp_path: Path, manager: Manager
) -> None:
    made, port = site_with_metrics(tmp_path, 1)
    path = made.folder / "site.yaml"
    good = yaml.safe_load(path.read_text())
    with service(made, manager, "--log-format", "json") as process:
        assert wait_until(lambda: manager.heard("READY=1"), START_S)
        write_yaml(path, {**good, "telemetri": {}})
        process.send_signal(signal.SIGHUP)
        time.sleep(2)
        assert process.poll() is None
        assert scrape(port)[0] == 200, "what was in force goes on"

        moved = free_port()
        write_yaml(path, {**good, "telemetry": {"listen": f"127.0.0.1:{moved}"}})
        process.send_signal(signal.SIGHUP)

        assert wait_until(lambda: _answers(moved), START_S)
        assert not _answers(port)
        assert not manager.heard("STOPPING=1")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    told = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    messages = [entry["message"] for entry in told]
    assert any("the previous ones stay in force" in message for message in messages), errors
    assert any("are reloaded" in message for message in messages)


def test_a_running_box_goes_on_with_its_files_when_it_cannot_start_with_the_new_ones(
    tmp_path: Path, manager: Manager
) -> None:
    """Each of these is right in form; only who tries to start with it finds the fault."""
    made, port = site_with_metrics(tmp_path, 1)
    path = made.folder / "site.yaml"
    good = yaml.safe_load(path.read_text())
    with service(made, manager, "--log-format", "json") as process, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        faults: list[tuple[dict[str, Any], str]] = [
            ({"models": {"detector": "of-another-box"}}, "of-another-box"),
            ({"broker": {**good["broker"], "tls": {"ca": "missing.pem"}}}, "broker.tls.ca"),
            ({"telemetry": {"listen": taken}}, taken),
        ]
        assert wait_until(lambda: manager.heard("READY=1"), START_S)
        for change, _ in faults:
            said = len(manager.said)
            write_yaml(path, {**good, **change})
            process.send_signal(signal.SIGHUP)
            if change is faults[-1][0]:  # one more while the box is between its two runs
                assert wait_until(lambda: not _answers(port), START_S)
                process.send_signal(signal.SIGHUP)
            time.sleep(2)
            assert wait_until(lambda: _answers(port), START_S), process.poll()
            assert process.poll() is None
            assert not [line for line in manager.said[said:] if line.startswith("STOPPING")]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    told = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    refused = [one["message"] for one in told if "stay in force" in one["message"]]
    for _, cause in faults:
        assert any(cause in message for message in refused), errors


def test_sigterm_stops_a_box_that_is_stopping_for_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reload(_stream: int) -> None:
        raise Reload

    def stop_during(publisher: Publisher) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        stop(publisher)

    stop = Publisher.stop
    monkeypatch.setattr(Publisher, "stop", stop_during)
    clip = Recording(CAMERA, CLIPS / CLIP, parse_utc("2026-03-10T07:25:00.000Z"))
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as ended:
            run_site(
                load_site_folder(make_site(tmp_path).folder),
                [clip],
                progress=RunProgress(on_frame=reload),
                drain_s=0,
            )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert isinstance(ended.value, RunInterrupted)


def _answers(port: int) -> bool:
    try:
        return scrape(port)[0] == 200
    except OSError:
        return False
