"""P17 over the real process: a signed order shuts the cameras, and only another opens them."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.audit_log import read_log
from edge.adapters.state.suspension_store import FILE_NAME
from edge.errors import ExitCode
from edge.formats.signing import SigningKey
from edge.policy.suspension import Action, new_order
from edge.privacy.audit_events import SuspensionChanged
from tests.support.brokers import wait_until
from tests.support.command_server import Started
from tests.support.message_recorder import MessageRecorder
from tests.support.product import CLIPS, product, start, verb
from tests.support.sites import BOX, CAMERA, SITE, MadeSite, make_site, write_yaml

PROMISE_S = 5.0
"""What is promised, on a box that does nothing else."""

PATIENCE = 3
"""A machine that runs all tests at once is slower than a box."""

TOPICS = BoxTopics(SITE, BOX, frozenset({CAMERA}))
VTC, MAYOR = SigningKey.demo_of("vtc"), SigningKey.demo_of("mayor")
LONG_CLIPS = 40


def order(action: Action, *keys: SigningKey, after_s: float = 0) -> bytes:
    moment = datetime.now(timezone.utc) + timedelta(seconds=after_s)
    made = new_order(SITE, action, "no-dpia", moment)
    for key in keys:
        made = made.signed_by(key)
    return made.to_bytes()


def send(port: int, payload: bytes) -> float:
    """Publish a retained message to the box's command topic; returns the time of the PUBACK."""
    with BrokerLink.open(BrokerOptions("127.0.0.1", port, "supervisor")) as link:
        link.publish(TOPICS.command, payload, retain=True)
        return time.monotonic()


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def made(tmp_path: Path, broker: EmbeddedBroker) -> MadeSite:
    return make_site(tmp_path, port=broker.port)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Minutes of footage, so that the run does not end by itself."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in range(LONG_CLIPS):
        for suffix in (".mp4", ".json"):
            shutil.copy(CLIPS / f"street_day{suffix}", folder / f"{number:02}{suffix}")
    return folder


def arguments(made: MadeSite, footage: Path) -> list[str | Path]:
    return ["run", "--site", made.folder, "--source", footage, "--realtime", "--drain", "0"]


@contextmanager
def running(made: MadeSite, footage: Path) -> Iterator[Started]:
    """A box that analyses its footage until the block ends."""
    process = start(arguments(made, footage))
    try:
        assert wait_until(lambda: is_reading(process.pid, footage), 180), "it opened no camera"
        yield process
    finally:
        process.kill()
        process.communicate()


def open_recordings(pid: int, footage: Path) -> set[Path]:
    """The recordings that the process has open."""
    found = set()
    with contextlib.suppress(OSError):  # the process has ended
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(handle.readlink())
    return {path for path in found if footage in path.parents}


def is_reading(pid: int, footage: Path) -> bool:
    """Whether the process has one recording open for a second: it reads and does not only probe."""
    before = open_recordings(pid, footage)
    deadline = time.monotonic() + 1.0
    while before and time.monotonic() < deadline:
        before &= open_recordings(pid, footage)
        time.sleep(0.02)
    return bool(before)


def closed_at(pid: int, footage: Path) -> float:
    """The time at which the process closed its last recording; it then opens none for two seconds.

    Between two recordings none is open for a moment, so one check is not enough.
    """
    last = started = time.monotonic()
    while time.monotonic() < last + 2.0:
        assert time.monotonic() < started + 60, "it goes on looking"
        if open_recordings(pid, footage):
            last = time.monotonic()
        time.sleep(0.02)
    return last


def availability(recorder: MessageRecorder) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in recorder.of_kind("availability")]


def is_safe(recorder: MessageRecorder, reason: str) -> Callable[[], bool]:
    return lambda: any(
        (said["state"], said["reason"]) == ("safe", reason) for said in availability(recorder)
    )


def test_p17_an_order_by_mqtt_shuts_the_cameras_in_time_and_across_restarts(
    made: MadeSite, footage: Path, broker: EmbeddedBroker
) -> None:
    with MessageRecorder(broker.port) as recorder:
        with running(made, footage) as process:
            assert not is_safe(recorder, "E_SUSPENDED")()
            sent = send(broker.port, order("suspend", VTC))
            took_s = closed_at(process.pid, footage) - sent
            sys.stdout.write(f"cameras shut after {took_s:.2f} s\n")
            assert took_s < PROMISE_S * PATIENCE
            assert wait_until(is_safe(recorder, "E_SUSPENDED"), PROMISE_S * PATIENCE)
            _out, err = process.communicate(timeout=60)
            assert process.returncode == ExitCode.CONFIG
            assert "error: E_SUSPENDED: " in err
        # A last will or an offline message must not replace the reason.
        assert availability(recorder)[-1]["reason"] == "E_SUSPENDED"

    events = [entry.event for entry in read_log(made.state).entries]
    assert [each.action for each in events if isinstance(each, SuspensionChanged)] == ["suspended"]

    # No option, no restart and no other policy version lifts it.
    again = product(*arguments(made, footage))
    assert again.status == ExitCode.CONFIG
    assert "error: E_SUSPENDED: " in again.err
    status = verb("suspend", "status", "--site", made.folder, "--json").json
    assert (status["suspended"], status["orders"][0]["reason"]) == (True, "no-dpia")


def test_p17_a_killed_box_is_still_suspended_and_a_resume_opens_it(
    made: MadeSite, footage: Path, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(CLIPS / "wrong_way.mp4", clip)
    shutil.copy(CLIPS / "wrong_way.json", clip.with_suffix(".json"))
    with running(made, footage) as process:
        send(broker.port, order("suspend", VTC))
        assert wait_until((made.state / FILE_NAME).exists)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    short: list[str | Path] = ["run", "--site", made.folder, "--source", clip, "--json"]
    assert product(*short).error_lines[0].startswith("error: E_SUSPENDED: ")

    # The authority alone cannot resume, and neither can the city.
    for keys in ((VTC,), (MAYOR,)):
        send(broker.port, order("resume", *keys))
        assert product(*short).error_lines[0].startswith("error: E_SUSPENDED: ")
    send(broker.port, order("resume", VTC, MAYOR))
    done = product(*short)
    assert done.status == 0, done.err
    assert done.json["frames_analysed"] > 0


def test_p17_an_order_in_a_file_shuts_a_running_box(
    made: MadeSite, footage: Path, tmp_path: Path
) -> None:
    made_order = tmp_path / "order.json"
    for name, role in (("vtc", "vtc"), ("mayor", "mayor")):
        verb("keys", "new", "signer", role, "--out", tmp_path / "signers", "--demo")
        assert (tmp_path / "signers" / f"{name}.signer.private.json").exists()
    vtc, mayor = (tmp_path / "signers" / f"{n}.signer.private.json" for n in ("vtc", "mayor"))

    assert verb("suspend", "new", SITE, "--reason", "no-dpia", "--out", made_order).status == 0
    unsigned = verb("suspend", "install", made_order, "--site", made.folder)
    assert (unsigned.status, len(unsigned.error_lines)) == (ExitCode.KEYS, 1)
    assert "E_SIGNATURE" in unsigned.err
    signed = verb("suspend", "sign", made_order, "--key", vtc)
    assert signed.status == 0
    assert "(vtc)" in signed.out
    with running(made, footage) as process:
        done = verb("suspend", "install", made_order, "--site", made.folder)
        assert (done.status, done.err) == (0, "")
        installed = time.monotonic()
        assert closed_at(process.pid, footage) - installed < PROMISE_S * PATIENCE

    resume = tmp_path / "resume.json"
    arguments = ("suspend", "new", SITE, "--reason", "done", "--resume", "--out", resume)
    assert verb(*arguments).status == 0
    for key in (vtc, mayor):
        assert verb("suspend", "sign", resume, "--key", key).status == 0
    done = verb("suspend", "install", resume, "--site", made.folder)
    assert done.status == 0, done.err
    assert "not suspended" in done.out


@pytest.mark.parametrize("by_mqtt", [False, True], ids=["in a file", "by MQTT"])
def test_p17_an_order_during_a_reload_that_fails_shuts_the_box(
    made: MadeSite, broker: EmbeddedBroker, footage: Path, tmp_path: Path, *, by_mqtt: bool
) -> None:
    """A box that cannot start with changed files goes back to the previous ones, but not for this.

    The port of the changed file is taken: only the start shows it, when the cameras are closed.
    """
    settings = made.folder / "site.yaml"
    good = yaml.safe_load(settings.read_text())
    stop = order("suspend", VTC)
    with running(made, footage) as box, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        write_yaml(settings, {**good, "telemetry": {"listen": taken}})
        box.send_signal(signal.SIGHUP)
        if by_mqtt:
            send(broker.port, stop)
        else:
            file = tmp_path / "order.json"
            file.write_bytes(stop)
            assert verb("suspend", "install", file, "--site", made.folder).status == 0
        _, err = box.communicate(timeout=120)

        assert box.returncode == ExitCode.CONFIG, err
    assert "E_SUSPENDED: " in err
    status = verb("suspend", "status", "--site", made.folder, "--json").json
    assert status["suspended"] is True


def test_p17_a_suspended_box_opens_no_camera(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    file = tmp_path / "order.json"
    file.write_bytes(order("suspend", VTC))
    done = verb("suspend", "install", file, "--site", made.folder)
    assert done.status == 0
    # An officer who takes the box for a running one must not believe that its cameras are shut.
    assert f"no box runs with {made.state} now" in done.err
    shown = verb("suspend", "status", "--site", made.folder).out
    assert f"suspend by key {VTC.public.key_id} (vtc, Commission) since 2" in shown
    (made.folder / "policy.yaml").rename(tmp_path / "aside")
    unnamed = verb("suspend", "status", "--site", made.folder).out
    assert f"suspend by key {VTC.public.key_id} since 2" in unnamed
    (tmp_path / "aside").rename(made.folder / "policy.yaml")
    event = read_log(made.state).entries[-1].event
    assert isinstance(event, SuspensionChanged)
    assert (event.action, event.key_id) == ("suspended", VTC.public.key_id)
    never_opened = tmp_path / "clip.mp4"
    never_opened.write_bytes(b"never opened")
    done = product("run", "--site", made.folder, "--source", never_opened, "--drain", "0")
    assert (done.status, len(done.error_lines)) == (ExitCode.CONFIG, 1), done.err
    assert "E_SUSPENDED" in done.err


def test_p17_a_damaged_record_keeps_the_box_shut(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    made.state.mkdir(mode=0o700)
    (made.state / FILE_NAME).write_text("{}")
    done = product("run", "--site", made.folder, "--source", CLIPS / "street_day.mp4")
    assert (done.status, len(done.error_lines)) == (ExitCode.CONFIG, 1), done.err
    assert "E_SUSPENSION_STATE" in done.err
