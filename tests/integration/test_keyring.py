"""The keyring's file on real disks: missing, damaged, full, shared, read-only (P10)."""

from __future__ import annotations

import contextlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.adapters.state.keyring import CAPACITY, FILE_NAME, Keyring
from edge.errors import EdgeError, KeyFileError, OutboxError
from edge.privacy.keyring import RetentionKey
from tests.support.fakes import SetClock
from tests.support.retention import DAY, NOW, PAYLOAD, RECORD, Disk


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


def test_p10_the_time_of_a_clock_that_was_wrong_is_not_remembered_without_a_key(
    disk: Disk,
) -> None:
    """Else a box that is killed deletes its next hits at the start: by that time they are over."""
    disk.clock.now = NOW + 900 * DAY
    with disk.box() as (outbox, _):
        disk.put(outbox)
    with disk.box() as (outbox, _):
        outbox.delete("a")
    disk.clock.now = NOW
    with disk.box() as (outbox, _):
        disk.put(outbox, "b")
        killed = disk.copy(disk.keyring, "killed")
    disk.restore(killed, disk.keyring)
    with disk.box() as (outbox, keyring):
        assert outbox.find("b") == PAYLOAD
        assert keyring.clock.utc() == NOW


def test_a_full_keyring_refuses_the_next_key(disk: Disk) -> None:
    with Keyring.open(disk.keyring, disk.clock) as keyring:
        keyring._keys = {
            f"{place:016x}": (place, RetentionKey(f"{place:016x}", "p", NOW, bytes(32)))
            for place in range(3, CAPACITY + 3)
        }
        with pytest.raises(OutboxError, match="keyring is full") as refused:
            keyring.key("quiet", NOW + DAY)
    assert refused.value.code == "E_OUTBOX_FULL"


def test_p10_keys_are_made_and_destroyed_on_a_full_disk(small_disk: Path) -> None:
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
    small_disk: Path,
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
