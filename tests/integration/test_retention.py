"""Retention on real files: an expired hit does not open, not even from a copy (P10)."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.state.keyring import CAPACITY, FILE_NAME
from edge.adapters.state.outbox_file import FILE_NAME as OUTBOX
from edge.adapters.state.outbox_file import OutboxFull
from edge.errors import OutboxError
from edge.privacy.keyring import RetentionKey, StoredItem
from tests.support.retention import DAY, NEEDLE, NOW, PAYLOAD, RECORD, Disk


def stored_item(state: Path) -> StoredItem:
    """A stored hit as somebody with a copy of the state folder can extract it."""
    with contextlib.closing(sqlite3.connect(state / OUTBOX)) as database:
        wrapped, body = database.execute(
            "SELECT wrapped, payload FROM hit JOIN item_key USING (hit_id)"
        ).fetchone()
    return StoredItem(wrapped, body)


# --- expiry ----------------------------------------------------------------------------------


def test_p10_a_copy_of_the_state_folder_restored_after_expiry_does_not_open(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
        (key_id,) = keyring.key_ids()
        found = keyring.find(key_id)
        assert found is not None
        secret = found.raw()
    assert secret in (disk.keyring / FILE_NAME).read_bytes()
    copied = disk.copy(disk.state, "copy")
    item = stored_item(copied)

    disk.clock.pass_time(DAY)
    with disk.box() as (outbox, _):
        assert (outbox.depth(), outbox.expired) == (0, 1)
    disk.restore(copied, disk.state)
    disk.clock.now = NOW  # and the clock is turned back as well
    with disk.box() as (outbox, keyring):
        assert (outbox.depth(), outbox.unreadable) == (0, 1)
        assert outbox.find("a") is None
        assert keyring.key_ids() == frozenset()

    assert secret not in (disk.keyring / FILE_NAME).read_bytes()
    # No 32 bytes that remain in the keyring open the copied hit.
    left = (disk.keyring / FILE_NAME).read_bytes()
    for start in range(0, len(left) - 32, 8):
        window = left[start : start + 32]
        if any(window):
            assert RetentionKey(key_id, "p", NOW, window).open("a", item) is None


def test_p10_before_expiry_the_same_copy_opens(
    disk: Disk,
) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    copied = disk.copy(disk.state, "copy")
    disk.restore(copied, disk.state)
    with disk.box() as (outbox, keyring):
        assert outbox.find("a") == PAYLOAD
        (key_id,) = keyring.key_ids()
        key = keyring.find(key_id)
        assert key is not None
        assert key.open("a", stored_item(copied)) == PAYLOAD


def test_a_copied_keyring_still_opens_the_hits_of_its_keys(disk: Disk) -> None:
    """A limit of the design, stated in docs/retention.md."""
    with disk.box() as (outbox, _):
        disk.put(outbox)
    state, keyring = disk.copy(disk.state, "copy"), disk.copy(disk.keyring, "ring")
    disk.clock.pass_time(DAY)
    with disk.box():
        pass
    disk.restore(state, disk.state)
    disk.restore(keyring, disk.keyring)
    disk.clock.now = NOW
    with disk.box() as (outbox, _):
        assert outbox.find("a") == PAYLOAD


def test_p10_a_hit_is_encrypted_in_the_state_folder(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
        files = [path for path in disk.base.rglob("*") if path.is_file()]
        assert [path.name for path in files if NEEDLE in path.read_bytes()] == []
        assert outbox.find("a") == PAYLOAD


def test_p10_hits_expire_on_time_while_the_box_runs(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
        hit = outbox.next_pending()
        assert hit is not None
        assert hit.expires_at == datetime(2026, 9, 2, 8, 0, tzinfo=timezone.utc)
        disk.clock.pass_time(hit.expires_at - NOW - timedelta(seconds=1))
        assert outbox.delete_expired(keyring.clock.utc()) == 0
        assert outbox.find("a") == PAYLOAD
        disk.clock.pass_time(timedelta(seconds=1))
        assert outbox.delete_expired(keyring.clock.utc()) == 1
        assert keyring.key_ids() == frozenset()
        assert outbox.find("a") is None


def test_p10_the_key_is_destroyed_even_if_the_database_fails(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
        disk.clock.pass_time(DAY)
        outbox._database.close()
        with pytest.raises(OutboxError):
            outbox.delete_expired(keyring.clock.utc())
        assert keyring.key_ids() == frozenset()


def test_p10_hits_expire_at_the_start_even_if_the_outbox_is_damaged(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    (disk.state / OUTBOX).write_bytes(b"damaged" * 1000)
    disk.clock.pass_time(DAY)
    with pytest.raises(OutboxError), disk.box():
        pass
    ring = (disk.keyring / FILE_NAME).read_bytes()
    assert ring[3 * RECORD :] == bytes(CAPACITY * RECORD)


def test_p10_turning_the_clock_back_does_not_prolong_retention(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    disk.clock.pass_time(DAY / 2)
    with disk.box():
        pass
    disk.clock.now = NOW - timedelta(days=300)
    with disk.box() as (outbox, keyring):
        assert keyring.clock.utc() >= NOW + DAY / 2 - timedelta(seconds=1)
        disk.clock.pass_time(DAY / 2)
        assert outbox.delete_expired(keyring.clock.utc()) == 1


def test_p10_the_high_water_mark_survives_a_kill_and_is_at_most_minutes_old(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
        disk.clock.pass_time(DAY / 2)
        outbox.delete_expired(keyring.clock.utc())
        crashed = disk.copy(disk.keyring, "crashed")
        state = disk.copy(disk.state, "crashed-state")
    disk.restore(crashed, disk.keyring)
    disk.restore(state, disk.state)
    disk.clock.now = NOW
    with disk.box() as (outbox, keyring):
        assert outbox.find("a") == PAYLOAD
        assert keyring.clock.utc() >= NOW + DAY / 2 - timedelta(minutes=5)


def test_the_high_water_mark_of_a_wrong_clock_is_corrected_once_no_hit_waits(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
    disk.clock.now = NOW + timedelta(days=4000)
    with disk.box() as (outbox, keyring):
        assert outbox.expired == 1
        disk.clock.now = NOW
        outbox.delete_expired(keyring.clock.utc())
        assert keyring.clock.utc() == NOW


def test_p10_a_delivered_hit_does_not_open_in_a_copy(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox)
        copied = disk.copy(disk.state, "copy")
        outbox.delete("a")
        outbox.delete_expired(keyring.clock.utc())
        assert keyring.key_ids() == frozenset()
    disk.restore(copied, disk.state)
    with disk.box() as (outbox, _):
        assert outbox.find("a") is None


def test_p10_a_shorter_retention_applies_to_waiting_hits(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox, "a")
        disk.put(outbox, "b", purpose="quiet")
    disk.clock.pass_time(timedelta(hours=1))
    with disk.box() as (outbox, _):
        outbox.shorten({"quiet": timedelta(hours=2), "wanted-vehicles": timedelta(hours=24)})
    disk.clock.pass_time(timedelta(hours=2))
    with disk.box() as (outbox, keyring):
        assert outbox.hit_ids() == ("a",)
        assert (outbox.expired, len(keyring.key_ids())) == (1, 1)
        assert outbox.find("a") == PAYLOAD
        outbox.shorten({"wanted-vehicles": timedelta(days=30)})
        disk.clock.pass_time(timedelta(hours=21))
        assert outbox.delete_expired(keyring.clock.utc()) == 1


def test_keys_that_other_hits_need_are_kept(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        for hit_id in ("a", "b"):
            disk.put(outbox, hit_id)
        disk.put(outbox, "c", purpose="quiet")
        assert len(keyring.key_ids()) == 2
        outbox.delete("a")
        outbox.delete_expired(keyring.clock.utc())
        assert outbox.find("b") == PAYLOAD
        assert outbox.find("c") == PAYLOAD


# --- erasure ---------------------------------------------------------------------------------


def test_p10_one_purpose_is_erased_and_the_others_stay(disk: Disk) -> None:
    with disk.box() as (outbox, keyring):
        disk.put(outbox, "a")
        disk.put(outbox, "b", purpose="quiet")
        assert outbox.erase("quiet") == 1
        assert outbox.hit_ids() == ("a",)
        assert keyring.key_ids("quiet") == frozenset()
        assert outbox.find("a") == PAYLOAD
        assert outbox.erase() == 1
        assert (outbox.depth(), keyring.key_ids()) == (0, frozenset())


def test_p10_a_tampered_hit_is_refused(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox, "a")
        disk.put(outbox, "b")
    with contextlib.closing(sqlite3.connect(disk.state / OUTBOX)) as database:
        database.execute("UPDATE hit SET payload = zeroblob(5000) WHERE hit_id = 'a'")
        database.commit()
    with disk.box() as (outbox, _):
        hit = outbox.next_pending()
        assert hit is not None
        assert (hit.hit_id, outbox.unreadable, outbox.depth()) == ("b", 1, 1)


# --- from version 1 --------------------------------------------------------------------------


def test_a_full_outbox_keeps_every_hit_that_it_accepted(disk: Disk) -> None:
    accepted = 0
    with disk.box() as (outbox, _), contextlib.suppress(OutboxFull):
        while True:
            disk.put(outbox, str(accepted))
            accepted += 1
    with disk.box() as (outbox, _):
        assert outbox.depth() == accepted
        assert all(outbox.find(str(number)) == PAYLOAD for number in range(accepted))
        assert accepted >= 1024 * 1024 // len(PAYLOAD) - 1
