"""Retention on real files: what has expired does not open, wherever its copy was (P10)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters.state.keyring import CAPACITY, FILE_NAME, Keyring
from edge.adapters.state.outbox import Outbox
from edge.adapters.state.outbox_file import FILE_NAME as OUTBOX
from edge.adapters.state.outbox_file import OutboxFull
from edge.errors import EdgeError, KeyFileError, OutboxError
from edge.privacy.keyring import RetentionKey, StoredItem
from tests.integration.test_outbox import small_disk  # noqa: F401 - a fixture
from tests.support.fakes import SetClock
from tests.support.old_state import VERSION_1

NOW = datetime(2026, 9, 1, 8, 7, tzinfo=timezone.utc)
DAY = timedelta(hours=24)
PAYLOAD = os.urandom(4000) * 20
NEEDLE = PAYLOAD[1000:1064]
RECORD = 128


class Disk:
    """A box's two folders and its clock."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.state = base / "state"
        self.keyring = base / "keyring"
        self.clock = SetClock(NOW)

    @contextlib.contextmanager
    def box(self, *, drop_foreign: bool = False) -> Iterator[tuple[Outbox, Keyring]]:
        """The box runs."""
        with (
            Keyring.open(self.keyring, self.clock) as keyring,
            Outbox.open(self.state, keyring, reserve_mib=1, drop_foreign=drop_foreign) as outbox,
        ):
            yield outbox, keyring

    def put(self, outbox: Outbox, hit_id: str = "a", purpose: str = "wanted-vehicles") -> None:
        outbox.put(
            hit_id,
            "cam-1",
            "anpr/site/box/cam-1/hit",
            PAYLOAD,
            purpose=purpose,
            receipt_required=False,
            expires_at=self.clock.utc() + DAY,
        )

    def copy(self, folder: Path, name: str) -> Path:
        place = self.base / name
        shutil.copytree(folder, place)
        return place

    def restore(self, copy: Path, folder: Path) -> None:
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def stored_item(state: Path) -> StoredItem:
    """What somebody with a copy of the state folder takes out of it."""
    with contextlib.closing(sqlite3.connect(state / OUTBOX)) as database:
        wrapped, body = database.execute(
            "SELECT wrapped, payload FROM hit JOIN item_key USING (hit_id)"
        ).fetchone()
    return StoredItem(wrapped, body)


# --- expiry -------------------------------------------------------------------------------------


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
    # Nobody opens the copy's item with what is left in the ring, whole or in parts.
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
    """Said plainly in docs/retention.md, and so it is."""
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


# --- erasure ------------------------------------------------------------------------------------


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


# --- the keyring's own file ---------------------------------------------------------------------


def test_p10_hits_without_their_keyring_are_kept_and_the_error_says_what_to_mount(
    disk: Disk,
) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    aside = disk.copy(disk.keyring, "unmounted")
    shutil.rmtree(disk.keyring)
    with pytest.raises(KeyFileError, match=r"folders\.keyring") as refused, disk.box():
        pass
    assert refused.value.code == "E_KEYRING"
    disk.restore(aside, disk.keyring)
    with disk.box() as (outbox, _):
        assert outbox.find("a") == PAYLOAD


def test_hits_whose_keyring_is_lost_can_be_deleted(disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    shutil.rmtree(disk.keyring)
    with disk.box(drop_foreign=True) as (outbox, _):
        assert (outbox.depth(), outbox.unreadable) == (0, 1)
        disk.put(outbox, "b")
        assert outbox.find("b") == PAYLOAD


def test_p10_no_key_is_written_to_an_unmounted_mount_point(
    disk: Disk,
) -> None:
    with disk.box():
        pass
    shutil.rmtree(disk.keyring)
    with pytest.raises(KeyFileError) as refused, disk.box():
        pass
    assert refused.value.code == "E_KEYRING"


def test_a_keyring_that_others_can_read_is_refused(disk: Disk) -> None:
    with disk.box():
        assert stat.S_IMODE(disk.keyring.stat().st_mode) == 0o700
        assert stat.S_IMODE((disk.keyring / FILE_NAME).stat().st_mode) == 0o600
    (disk.keyring / FILE_NAME).chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod") as refused, disk.box():
        pass
    assert refused.value.code == "E_KEY_MODE"


def test_two_boxes_do_not_share_a_keyring(disk: Disk) -> None:
    with disk.box(), pytest.raises(OutboxError, match="keyring in use") as refused:
        Keyring.open(disk.keyring, disk.clock)
    assert refused.value.code == "E_STATE_LOCKED"


@pytest.mark.parametrize("damage", [b"", b"no keyring", bytes((CAPACITY + 3) * RECORD)])
def test_an_invalid_keyring_file_is_refused(damage: bytes, disk: Disk) -> None:
    disk.keyring.mkdir(mode=0o700)
    (disk.keyring / FILE_NAME).write_bytes(damage)
    (disk.keyring / FILE_NAME).chmod(0o600)
    with pytest.raises(KeyFileError) as refused, disk.box():
        pass
    assert refused.value.code == "E_KEYRING"
    assert "\n" not in refused.value.message


@pytest.fixture(scope="module")
def ring_with_a_key(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    disk = Disk(tmp_path_factory.mktemp("ring"))
    with disk.box() as (outbox, _):
        disk.put(outbox)
    return (disk.keyring / FILE_NAME).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(at=st.integers(0, 5 * RECORD - 1), junk=st.binary(min_size=1, max_size=RECORD))
def test_a_keyring_of_any_content_is_opened_or_refused_without_a_crash(
    at: int, junk: bytes, ring_with_a_key: bytes, tmp_path: Path
) -> None:
    place = tmp_path / "ring"
    place.mkdir(mode=0o700, exist_ok=True)
    content = bytearray(ring_with_a_key)
    content[at : at + len(junk)] = junk
    (place / FILE_NAME).write_bytes(content)
    (place / FILE_NAME).chmod(0o600)
    try:
        with Keyring.open(place, SetClock(NOW)) as keyring:
            assert len(keyring.key_ids()) <= 1
    except KeyFileError as refused:
        assert refused.code == "E_KEYRING"  # noqa: PT017 - either way is right


@pytest.mark.parametrize("at", [0, 7, 12, 20, 47, 60, 120, 127])
def test_a_partly_destroyed_key_is_overwritten_and_its_hit_deleted(at: int, disk: Disk) -> None:
    with disk.box() as (outbox, _):
        disk.put(outbox)
    with (disk.keyring / FILE_NAME).open("r+b") as file:
        file.seek(3 * RECORD + at)
        before = file.read(1)
        file.seek(3 * RECORD + at)
        file.write(bytes([before[0] ^ 0x80]))
    with disk.box() as (outbox, _):
        assert (outbox.depth(), outbox.unreadable) == (0, 1)
    assert (disk.keyring / FILE_NAME).read_bytes()[3 * RECORD :] == bytes(CAPACITY * RECORD)


def test_a_full_keyring_refuses_the_next_key(disk: Disk) -> None:
    with Keyring.open(disk.keyring, disk.clock) as keyring:
        keyring._keys = {
            f"{place:016x}": (place, RetentionKey(f"{place:016x}", "p", NOW, bytes(32)))
            for place in range(3, CAPACITY + 3)
        }
        with pytest.raises(OutboxError, match="keyring is full") as refused:
            keyring.key("quiet", NOW + DAY)
    assert refused.value.code == "E_OUTBOX_FULL"


def test_p10_keys_are_made_and_destroyed_on_a_full_disk(small_disk: Path) -> None:  # noqa: F811
    disk = Disk(small_disk)
    with disk.box() as (outbox, keyring):
        with contextlib.suppress(OSError), (small_disk / "hog").open("ab", buffering=0) as hog:
            while hog.write(bytes(4096)):
                pass
        for number in range(5):
            disk.put(outbox, str(number), purpose=f"purpose-{number}")
        assert len(keyring.key_ids()) == 5
        disk.clock.pass_time(DAY)
        assert outbox.delete_expired(keyring.clock.utc()) == 5
    ring = (disk.keyring / FILE_NAME).read_bytes()
    assert ring[3 * RECORD :] == bytes(CAPACITY * RECORD)


def test_a_keyring_on_a_medium_that_cannot_be_written_stops_the_box(
    small_disk: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path)
    disk.keyring = small_disk
    small_disk.chmod(0o700)
    with disk.box():
        pass
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(EdgeError, match="make it writable"), disk.box():
        pass


# --- from version 1 -----------------------------------------------------------------------------

OLD = b'{"purpose":"quiet","sealed":"' + PAYLOAD[:3000].hex().encode() + b'"}'


def version_1(disk: Disk) -> None:
    """A state folder as the version before left it, with two hits."""
    disk.state.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(disk.state / OUTBOX)) as database:
        database.executescript(VERSION_1)
        for hit_id, payload in (("a", OLD), ("b", PAYLOAD)):
            database.execute(
                "INSERT INTO hit (hit_id, camera, topic, receipt_required, expires_at, payload)"
                " VALUES (?, 'cam-1', 't/1', 1, ?, ?)",
                (hit_id, int((NOW + DAY).timestamp()), payload),
            )
        database.commit()


def test_hits_of_version_1_are_migrated_under_new_keys(disk: Disk) -> None:
    version_1(disk)
    with disk.box() as (outbox, keyring):
        assert outbox.hit_ids() == ("a", "b")
        assert (outbox.find("a"), outbox.find("b")) == (OLD, PAYLOAD)
        assert outbox.next_counter() == 18
        assert len(keyring.key_ids("quiet")) == 1
        assert len(keyring.key_ids("unknown")) == 1
    for path in disk.state.iterdir():
        assert NEEDLE not in path.read_bytes(), path.name
        assert OLD[100:164] not in path.read_bytes(), path.name
    with disk.box() as (outbox, _):
        assert outbox.find("b") == PAYLOAD
        disk.put(outbox, "c")
        assert outbox.erase("quiet") == 1


def test_a_migration_continues_after_a_kill(disk: Disk) -> None:
    version_1(disk)
    with disk.box():
        pass
    # As if killed after the first hit: the version is old and the second hit still as it was.
    with contextlib.closing(sqlite3.connect(disk.state / OUTBOX)) as database:
        database.execute("PRAGMA user_version = 1")
        database.execute("DELETE FROM item_key WHERE hit_id = 'b'")
        database.execute("UPDATE hit SET payload = ? WHERE hit_id = 'b'", (PAYLOAD,))
        database.commit()
    with disk.box() as (outbox, _):
        assert (outbox.find("a"), outbox.find("b")) == (OLD, PAYLOAD)


def test_a_full_outbox_of_version_1_is_migrated_without_loss(disk: Disk) -> None:
    accepted = 0
    with disk.box() as (outbox, _), contextlib.suppress(OutboxFull):
        while True:
            disk.put(outbox, str(accepted))
            accepted += 1
    with disk.box() as (outbox, _):
        assert outbox.depth() == accepted
        assert all(outbox.find(str(number)) == PAYLOAD for number in range(accepted))
        assert accepted >= 1024 * 1024 // len(PAYLOAD) - 1
