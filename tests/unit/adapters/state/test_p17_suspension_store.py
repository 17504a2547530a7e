"""P17: a suspension is on disk before it takes effect, and only an order lifts it."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from edge.adapters.state.suspension_store import FILE_NAME, SuspensionStore
from edge.errors import EdgeError, OutboxError
from edge.policy.suspension import SuspensionError
from edge.privacy.audit_events import Event, SuspensionChanged
from tests.unit.policy.test_p17_suspension import CONTROLLER, STRANGER, SUPERVISOR, TERMS, order

SUSPEND = order("suspend", SUPERVISOR).to_bytes()
RESUME = order("resume", SUPERVISOR, CONTROLLER, after_s=1).to_bytes()


def test_p17_a_suspension_survives_a_restart_and_only_an_order_lifts_it(tmp_path: Path) -> None:
    assert not SuspensionStore(tmp_path).load().suspended
    assert SuspensionStore(tmp_path).take(SUSPEND, TERMS).suspended
    assert SuspensionStore(tmp_path).load().suspended
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600

    assert not SuspensionStore(tmp_path).take(RESUME, TERMS).suspended
    assert not SuspensionStore(tmp_path).load().suspended


def test_p17_a_refused_order_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    store = SuspensionStore(tmp_path)
    store.take(SUSPEND, TERMS)
    before = (tmp_path / FILE_NAME).read_bytes()
    for data in (b"garbage", order("suspend", STRANGER).to_bytes(), RESUME[:-1]):
        with pytest.raises(EdgeError):
            store.take(data, TERMS)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, f"{FILE_NAME}.lock"}


def test_p17_a_repeated_order_is_not_written_again(tmp_path: Path) -> None:
    store = SuspensionStore(tmp_path)
    store.take(SUSPEND, TERMS)
    before = (tmp_path / FILE_NAME).stat()
    assert store.take(SUSPEND, TERMS).suspended
    assert (tmp_path / FILE_NAME).stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b'{"schema":"edge-anpr/x"}'])
def test_p17_a_damaged_record_keeps_the_box_suspended(tmp_path: Path, content: bytes) -> None:
    store = SuspensionStore(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(content)

    with pytest.raises(SuspensionError, match="stays shut") as caught:
        store.load()
    assert caught.value.code == "E_SUSPENSION_STATE"
    with pytest.raises(SuspensionError, match="stays shut"):
        store.take(RESUME, TERMS)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    assert store.take(SUSPEND, TERMS).suspended
    assert store.load().suspended


def test_p17_an_unreadable_record_keeps_the_box_suspended(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(OutboxError):
        SuspensionStore(tmp_path).load()
    with pytest.raises(OutboxError):
        SuspensionStore(tmp_path).take(SUSPEND, TERMS)


def test_p21_only_the_changes_of_an_order_are_returned_for_the_audit_log(
    tmp_path: Path,
) -> None:
    events: list[Event] = []
    store = SuspensionStore(tmp_path, events.append)
    for data in (SUSPEND, SUSPEND, RESUME):
        store.take(data, TERMS)
    with pytest.raises(EdgeError):
        store.take(order("suspend", STRANGER).to_bytes(), TERMS)

    assert events == [
        SuspensionChanged(
            "suspended", hashlib.sha256(SUSPEND).hexdigest(), SUPERVISOR.public.key_id
        ),
        SuspensionChanged("resumed", hashlib.sha256(RESUME).hexdigest(), SUPERVISOR.public.key_id),
    ]
