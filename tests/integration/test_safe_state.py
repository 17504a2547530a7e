"""The safe state: every camera is shut, and health, broker and audit log give the reason."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.host.metrics import CameraFigures
from edge.adapters.host.system import SystemClock
from edge.adapters.state.audit_log import AuditTrail, read_log
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.outbox_file import OutboxFull
from edge.box.health import BoxHealth
from edge.box.safe_state import SafeState
from edge.box.traffic import ClosedEpochs
from edge.errors import EdgeError, PolicyError
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import StateChanged
from edge.privacy.checkpoints import box_log
from tests.support.brokers import verify_receipt, wait_until
from tests.support.message_recorder import MessageRecorder
from tests.support.parties import BOX, SITE

SIGNER = SigningKey.demo_of("box")
FULL = OutboxFull("state/outbox.db: the outbox is full")
SUNSET = PolicyError("the policy has ended", code="E_SUNSET")


@dataclass
class Parts:
    """What a safe state uses: a real publisher and audit log, and an engine that records calls."""

    folder: Path
    publisher: Publisher
    audit: AuditTrail
    health: BoxHealth
    shut: list[tuple[EdgeError, str]] = field(default_factory=list)

    def shut_engine(self, error: EdgeError) -> None:
        self.shut.append((error, self.health.ready().reason))

    def recorded(self) -> list[StateChanged]:
        entries = read_log(self.folder / "state").entries
        return [entry.event for entry in entries if isinstance(entry.event, StateChanged)]


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def parts(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[Parts]:
    clock = SystemClock()
    with (
        Keyring.open(tmp_path / "keyring", clock) as keyring,
        Outbox.open(tmp_path / "state", keyring, reserve_mib=1) as outbox,
        AuditTrail.open(
            tmp_path / "state", box_log(SITE, BOX), SIGNER, clock.utc, known=[SIGNER.public]
        ) as audit,
    ):
        publisher = Publisher(
            outbox,
            BrokerOptions("127.0.0.1", broker.port, "box"),
            BoxTopics(SITE, BOX, frozenset({"cam-1"})),
            verify_receipt,
            clock=clock,
            jitter=lambda: 0.0,
        )
        health = BoxHealth(
            version="1",
            site=SITE,
            box=BOX,
            traffic=ClosedEpochs([], [], []),
            cameras=lambda: [CameraFigures("cam-1", 5, 0, 1, up=True)],
            broker=lambda: (True, 1),
            rules=list,
            epoch_s=900,
            monotonic=clock.monotonic,
            clock=lambda: None,
            temperatures=dict,
        )
        health.enter("online", "online")
        publisher.start()
        yield Parts(tmp_path, publisher, audit, health)
        publisher.stop()


def states(recorder: MessageRecorder) -> list[tuple[str, str]]:
    said = [json.loads(one.payload) for one in recorder.of_kind("availability")]
    return [(one["state"], one["reason"]) for one in said]


@pytest.mark.parametrize(
    ("error", "reason", "told"),
    [(FULL, "outbox-full", "outbox-full"), (SUNSET, None, "E_SUNSET")],
    ids=["full outbox", "refused policy"],
)
def test_the_safe_state_shuts_the_cameras_and_is_reported_everywhere(
    parts: Parts, broker: EmbeddedBroker, error: EdgeError, reason: str | None, told: str
) -> None:
    safe_state = SafeState(parts.publisher, parts.audit, parts.health)
    safe_state.shuts(parts.shut_engine)
    assert parts.health.ready().holds

    with MessageRecorder(broker.port) as recorder:
        safe_state.enter(error, reason)
        assert wait_until(lambda: ("safe", told) in states(recorder))

    assert parts.shut == [(error, "online")], "the cameras are shut before anything is said"
    assert (parts.health.ready().holds, parts.health.ready().reason) == (False, told)
    assert parts.health.status() == f"safe ({told}); 1 of 1 camera gives frames; broker reached"
    assert parts.recorded() == [StateChanged("safe", told)]


def test_an_unwritable_audit_log_still_shuts_the_cameras_and_is_reported(
    parts: Parts, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    safe_state = SafeState(parts.publisher, parts.audit, parts.health)
    safe_state.shuts(parts.shut_engine)
    parts.audit.close()

    with MessageRecorder(broker.port) as recorder, caplog.at_level(logging.WARNING):
        safe_state.enter(SUNSET)
        assert wait_until(lambda: ("safe", "E_SUNSET") in states(recorder))

    assert [error for error, _ in parts.shut] == [SUNSET]
    assert parts.health.ready().reason == "E_SUNSET"
    assert "audit.log" in caplog.text
    assert parts.recorded() == []


def test_a_box_that_does_not_start_reports_to_the_broker_and_the_audit_log(
    parts: Parts, broker: EmbeddedBroker
) -> None:
    with MessageRecorder(broker.port) as recorder:
        SafeState(parts.publisher, parts.audit).enter(SUNSET)
        assert wait_until(lambda: ("safe", "E_SUNSET") in states(recorder))

    assert parts.health.ready().holds
    assert parts.recorded() == [StateChanged("safe", "E_SUNSET")]
