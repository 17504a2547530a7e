"""The box reports to the service manager, and feeds its watchdog only while it makes progress."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edge.adapters.host.service_manager import REST_OF_START_S, ServiceManager, long_start
from edge.box import Recording, require_startable
from edge.box.engine import Engine, Stream
from edge.box.evidence_worker import EvidenceWorker
from edge.box.health import BoxHealth
from edge.box.traffic import ClosedEpochs
from edge.domain.imaging import Frame
from edge.domain.vehicles import VehicleSeen
from edge.errors import ModelError
from edge.formats.timestamps import parse_utc
from edge.pipeline.evidence import SealedHit
from edge.pipeline.rule_book import RuleBook
from edge.privacy.pseudonyms import SaltChain
from edge.site.folder import load_site_folder
from tests.support.brokers import wait_until
from tests.support.plate_lists import in_clear
from tests.support.product import CLIPS, product
from tests.support.sites import CAMERA, make_site, site, write_yaml
from tests.support.source_tree import ROOT
from tests.unit.box.test_engine import COMPETENCES, HOTLIST, ScriptedCamera, ScriptedWatcher

ROUND_S = 0.02


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0.2)
        yield listening


def heard(notify_socket: socket.socket) -> list[str]:
    """All messages received until none came for a while."""
    lines: list[str] = []
    try:
        while len(lines) < 1000:
            lines += notify_socket.recv(4096).decode().splitlines()
    except TimeoutError:
        pass
    return lines


def environment(notify_socket: socket.socket, **changed: str) -> dict[str, str]:
    return {
        "NOTIFY_SOCKET": str(notify_socket.getsockname()),
        "WATCHDOG_USEC": str(int(3e6 * ROUND_S)),
        **changed,
    }


class HungWatcher(ScriptedWatcher):
    """A watcher that analyses its first frame until the test ends it."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__([], ())
        self._release = release

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        self._release.wait(30)
        return ()


def test_a_hanging_pipeline_feeds_no_watchdog(notify_socket: socket.socket) -> None:
    release = threading.Event()
    health = BoxHealth(
        version="1",
        site="street",
        box="box-1",
        traffic=ClosedEpochs([], [], []),
        cameras=tuple,
        broker=lambda: (True, 1),
        rules=list,
        epoch_s=900,
        monotonic=time.monotonic,
        clock=lambda: None,
        temperatures=dict,
        stalled_s=0.3,
    )
    book = RuleBook(
        [HOTLIST],
        SaltChain("s", "b", lambda n: b"x" * n),
        in_clear(lambda _: ()),
        900,
        COMPETENCES,
    )
    worker = EvidenceWorker(lambda case: SealedHit("0" * 32, b"", pictures_left_out=0))
    engine = Engine(
        [Stream(ScriptedCamera(2), "clip", HungWatcher(release))],
        book,
        worker,
        on_turn=lambda: health.turned(1),
    )
    health.enter("online", "online")
    thread = threading.Thread(target=lambda: engine.run(realtime=True))
    manager = ServiceManager(
        environment(notify_socket), lambda: health.healthy().holds, health.status
    )
    with manager:
        thread.start()
        try:
            assert wait_until(lambda: "WATCHDOG=1" in notify_socket.recv(4096).decode())
            assert wait_until(lambda: not health.healthy().holds)
            heard(notify_socket)  # messages that were already sent
            time.sleep(10 * ROUND_S)
            assert "WATCHDOG=1" not in heard(notify_socket), "its timer runs on, and says nothing"
        finally:
            release.set()
            thread.join()


def test_a_camera_without_frames_still_feeds_the_watchdog(notify_socket: socket.socket) -> None:
    turns = []

    class Silent(ScriptedCamera):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            time.sleep(2.5)

    book = RuleBook(
        [HOTLIST], SaltChain("s", "b", lambda n: b"x" * n), in_clear(lambda _: ()), 1, COMPETENCES
    )
    worker = EvidenceWorker(lambda case: SealedHit("0" * 32, b"", pictures_left_out=0))
    closed: list[int] = []
    engine = Engine(
        [Stream(Silent(1), "clip", ScriptedWatcher([], ()))],
        book,
        worker,
        on_turn=lambda: turns.append(time.monotonic()),
        on_epoch=lambda counts: closed.append(counts.vehicles),
    )

    engine.run(realtime=True)

    assert len(turns) >= 3
    assert max(after - before for before, after in itertools.pairwise(turns)) < 2
    assert closed, "and keys end on time"


def test_the_status_is_sent_only_when_it_changes(notify_socket: socket.socket) -> None:
    status = "online; broker away"
    with ServiceManager(environment(notify_socket), lambda: False, lambda: status) as manager:
        manager.ready()
        time.sleep(5 * ROUND_S)
        assert heard(notify_socket) == ["READY=1", f"STATUS={status}"]

        status = "online; broker reached"
        time.sleep(5 * ROUND_S)
        manager.stopping()

        assert heard(notify_socket) == [f"STATUS={status}", "STOPPING=1", "STATUS=stopping"]


def test_a_watchdog_meant_for_another_process_is_not_fed(notify_socket: socket.socket) -> None:
    mine, other = str(os.getpid()), str(os.getpid() + 1)
    for owner, fed in ((mine, True), (other, False)):
        manager = ServiceManager(
            environment(notify_socket, WATCHDOG_PID=owner), lambda: True, lambda: "online"
        )
        with manager:
            time.sleep(5 * ROUND_S)

        assert ("WATCHDOG=1" in heard(notify_socket)) is fed


def test_an_abstract_socket_is_supported() -> None:
    name = f"edge-anpr-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(2)

        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}, lambda: True, str).ready()

        assert listening.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_without_a_service_manager_nothing_fails(address: str) -> None:
    with ServiceManager({"NOTIFY_SOCKET": address}, lambda: True, str) as manager:
        manager.ready()
        manager.stopping()


def test_while_engines_are_built_the_service_manager_is_asked_to_wait(
    notify_socket: socket.socket,
) -> None:
    told = environment(notify_socket)

    with long_start(told, "building"):
        before = heard(notify_socket)
    after = heard(notify_socket)

    # Half an hour from the start, although nothing more is sent: the library lets no thread run.
    assert before == [
        "EXTEND_TIMEOUT_USEC=1800000000",
        "STATUS=building",
        "WATCHDOG_USEC=1800000000",
    ]
    assert after == [
        "EXTEND_TIMEOUT_USEC=120000000",
        f"WATCHDOG_USEC={told['WATCHDOG_USEC']}",
        "WATCHDOG=1",
    ]


def test_a_failed_build_no_longer_extends_the_start(notify_socket: socket.socket) -> None:
    told = environment(notify_socket, WATCHDOG_USEC="")

    with pytest.raises(ValueError, match="no engine"), long_start(told, "building"):
        raise ValueError("no engine")

    assert heard(notify_socket) == [
        "EXTEND_TIMEOUT_USEC=1800000000",
        "STATUS=building",
        "EXTEND_TIMEOUT_USEC=120000000",
    ]


def test_the_unit_allows_the_rest_of_a_start_as_much_time_as_the_whole() -> None:
    unit = (ROOT / "config" / "deploy" / "edge-anpr.service").read_text()

    assert f"TimeoutStartSec={REST_OF_START_S:.0f}" in unit.splitlines()


@pytest.mark.parametrize(("provider", "asked"), [("tensorrt", True), ("cpu", False)])
def test_a_box_with_tensorrt_asks_for_time_before_it_loads_its_networks(
    provider: str, asked: bool, notify_socket: socket.socket, tmp_path: Path
) -> None:
    site = make_site(tmp_path, port=1)
    settings = yaml.safe_load((site.folder / "site.yaml").read_text())
    settings["models"]["provider"] = provider
    (site.folder / "site.yaml").write_text(yaml.safe_dump(settings))

    done = product(
        "run", "--site", site.folder, "--source", CLIPS / "twin_a.mp4", "--drain", "0",
        "--recorded-at", "2026-03-10T08:25:00+01:00",
        env={"NOTIFY_SOCKET": str(notify_socket.getsockname())},
    )  # fmt: skip

    extended = [line for line in heard(notify_socket) if line.startswith("EXTEND_TIMEOUT_USEC=")]
    if asked:  # this machine has no TensorRT, so loading fails after that
        assert extended == ["EXTEND_TIMEOUT_USEC=1800000000", "EXTEND_TIMEOUT_USEC=120000000"]
        assert "E_MODEL_PROVIDER" in done.err
    else:
        assert extended == []


def test_a_reload_asks_for_time_before_it_tries_networks_with_tensorrt(
    notify_socket: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box runs meanwhile, but its pipeline waits: the watchdog must not end it."""
    made = make_site(tmp_path, port=1)
    running = load_site_folder(made.folder)
    write_yaml(made.folder / "site.yaml", site(models={"provider": "tensorrt"}))
    for name, value in environment(notify_socket).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ModelError):  # this machine has no TensorRT
        require_startable(
            load_site_folder(made.folder),
            [Recording(CAMERA, CLIPS / "twin_a.mp4", parse_utc("2026-03-10T07:25:00.000Z"))],
            running,
        )

    assert "WATCHDOG_USEC=1800000000" in heard(notify_socket)
