from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import MAX_PAYLOAD_BYTES, Outbox
from edge.adapters.state.outbox_file import FILE_NAME, OutboxFull
from edge.errors import ExitCode, OutboxError
from tests.support.fakes import SetClock
from tests.support.product import REPOSITORY

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=72)
HIT_BYTES = 112 * 1024
MIB = 1024 * 1024


@contextlib.contextmanager
def opened(folder: Path, reserve_mib: int = 1) -> Iterator[Outbox]:
    """An outbox with its keyring on the same disk, the default configuration."""
    with (
        Keyring.open(folder / "keyring", SetClock(NOW)) as keyring,
        Outbox.open(folder, keyring, reserve_mib=reserve_mib) as outbox,
    ):
        yield outbox


def open_once(folder: Path, reserve_mib: int = 1) -> None:
    with opened(folder, reserve_mib):
        pass


def put(outbox: Outbox, hit_id: str, payload: bytes = b"sealed", camera: str = "cam-1") -> None:
    outbox.put(
        hit_id,
        camera,
        f"anpr/site/box/{camera}/hit",
        payload,
        purpose="wanted-vehicles",
        receipt_required=False,
        expires_at=LATER,
    )


def fill(outbox: Outbox, prefix: str) -> list[str]:
    """Put hits until the outbox is full; returns the accepted ones."""
    accepted: list[str] = []
    while True:
        hit_id = f"{prefix}{len(accepted)}"
        try:
            put(outbox, hit_id, os.urandom(HIT_BYTES))
        except OutboxFull:
            break
        accepted.append(hit_id)
    with pytest.raises(OutboxFull, match="is full with"):
        put(outbox, "one more", os.urandom(HIT_BYTES))
    return accepted


class TestWhatWasPut:
    def test_is_there_after_a_restart_with_all_its_fields_oldest_first(
        self, tmp_path: Path
    ) -> None:
        payload = os.urandom(HIT_BYTES)
        with opened(tmp_path) as outbox:
            outbox.put(
                "b",
                "cam-2",
                "t/2",
                payload,
                purpose="wanted-vehicles",
                receipt_required=True,
                expires_at=LATER,
            )
            put(outbox, "a")
        with opened(tmp_path) as outbox:
            first = outbox.next_pending()
            assert first is not None
            assert (first.hit_id, first.camera, first.topic) == ("b", "cam-2", "t/2")
            assert (first.payload, first.receipt_required) == (payload, True)
            assert first.expires_at == LATER
            assert outbox.hit_ids() == ("b", "a")
            assert outbox.bytes() == HIT_BYTES + len(b"sealed")

    def test_is_stored_once_however_often_it_is_put(self, tmp_path: Path) -> None:
        with opened(tmp_path) as outbox:
            put(outbox, "a", b"first")
            put(outbox, "a", b"second")
            assert outbox.depth() == 1
            assert outbox.find("a") == b"first"

    def test_waits_for_its_receipt_once_published_and_is_due_again_after_a_restart(
        self, tmp_path: Path
    ) -> None:
        with opened(tmp_path) as outbox:
            put(outbox, "a")
            put(outbox, "b")
            outbox.mark_published("a")
            assert _next_id(outbox) == "b"
            outbox.mark_all_pending()
            assert _next_id(outbox) == "a"

    def test_of_a_held_camera_or_hit_is_passed_over(self, tmp_path: Path) -> None:
        with opened(tmp_path) as outbox:
            put(outbox, "a", camera="cam-1")
            put(outbox, "b", camera="cam-2")
            put(outbox, "c", camera="cam-2")
            assert _next_id(outbox, held_cameras=["cam-1"]) == "b"
            assert _next_id(outbox, held_cameras=["cam-1"], held_hits=["b"]) == "c"
            assert _next_id(outbox, held_cameras=["cam-1", "cam-2"]) is None

    def test_leaves_no_byte_behind_once_deleted_and_closed(self, tmp_path: Path) -> None:
        payload = os.urandom(4000) * 20
        needle = payload[1000:1064]
        with opened(tmp_path) as outbox:
            put(outbox, "a", payload)
            assert outbox.delete("a")
            assert not outbox.delete("a")
        files = [file for file in tmp_path.iterdir() if file.is_file()]
        assert files
        assert [file.name for file in files if needle in file.read_bytes()] == []

    def test_is_forgotten_when_its_retention_ends(self, tmp_path: Path) -> None:
        with opened(tmp_path) as outbox:
            put(outbox, "a")
            assert outbox.delete_expired(LATER - timedelta(seconds=1)) == 0
            assert outbox.delete_expired(LATER) == 1
            assert outbox.depth() == 0

    def test_may_not_be_larger_than_the_reserve_of_the_log_allows(self, tmp_path: Path) -> None:
        with opened(tmp_path, 8) as outbox:
            put(outbox, "a", bytes(MAX_PAYLOAD_BYTES))
            with pytest.raises(OutboxError, match=r"payload_cap_kib"):
                put(outbox, "b", bytes(MAX_PAYLOAD_BYTES + 1))
            assert outbox.hit_ids() == ("a",)

    def test_is_readable_by_this_user_only(self, tmp_path: Path) -> None:
        folder = tmp_path / "state"
        with (
            Keyring.open(tmp_path / "keyring", SetClock(NOW)) as keyring,
            Outbox.open(folder, keyring, reserve_mib=1),
        ):
            modes = {
                stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()
            }
            assert modes == {0o600}
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _next_id(outbox: Outbox, **held: list[str]) -> str | None:
    hit = outbox.next_pending(**held)
    return None if hit is None else hit.hit_id


def test_the_hit_counter_never_repeats_a_number(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        assert [outbox.next_counter() for _ in range(3)] == [1, 2, 3]
    with opened(tmp_path) as outbox:
        assert outbox.next_counter() == 4


class TestOpeningRefuses:
    def test_a_folder_in_use_and_names_it_and_the_process(self, tmp_path: Path) -> None:
        with opened(tmp_path):
            with pytest.raises(OutboxError) as refused:
                open_once(tmp_path)
            assert refused.value.code == "E_STATE_LOCKED"
            assert refused.value.exit_code is ExitCode.STORAGE
            assert str(tmp_path) in refused.value.message
            assert f"process {os.getpid()}" in refused.value.message
        open_once(tmp_path)

    @pytest.mark.parametrize(
        ("damage", "code", "says"),
        [
            ("not a database", "E_OUTBOX_DAMAGED", "move it away"),
            ("pages overwritten", "E_OUTBOX_DAMAGED", "move it away"),
            ("cut short", "E_OUTBOX_DAMAGED", "move it away"),
            ("newer version", "E_STATE_VERSION", "version 3, this program writes version 2"),
            ("another program's", "E_STORAGE", "not an outbox"),
        ],
    )
    def test_a_file_it_cannot_trust(
        self, tmp_path: Path, damage: str, code: str, says: str
    ) -> None:
        with opened(tmp_path) as outbox:
            put(outbox, "a", os.urandom(HIT_BYTES))
        file = tmp_path / FILE_NAME
        _damage(file, damage)
        with pytest.raises(OutboxError) as refused:
            open_once(tmp_path)
        assert refused.value.code == code
        assert says in refused.value.message
        assert str(file) in refused.value.message
        assert "\n" not in refused.value.message

    def test_a_place_that_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file")
        with pytest.raises(OutboxError, match="use a folder as"):
            open_once(tmp_path / "state")

    def test_a_read_only_disk(self, small_disk: Path) -> None:
        open_once(small_disk)
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(OutboxError, match="make it writable"):
            open_once(small_disk)

    def test_a_disk_without_room_for_the_reserve_and_opens_once_there_is(
        self, small_disk: Path
    ) -> None:
        with pytest.raises(OutboxError, match="free disk space") as refused:
            open_once(small_disk, 64)
        assert refused.value.exit_code is ExitCode.STORAGE
        subprocess.run(["mount", "-o", "remount,size=80m", small_disk], check=True)
        with opened(small_disk, 64) as outbox:
            assert outbox.depth() == 0


def _damage(file: Path, damage: str) -> None:
    if damage == "not a database":
        file.write_bytes(b"hello" * 1000)
    elif damage == "pages overwritten":
        with file.open("r+b") as raw:
            raw.seek(4096)
            raw.write(b"\xaa" * 3 * 4096)
    elif damage == "cut short":
        os.truncate(file, 8192)
    else:
        pragma = "user_version = 3" if damage == "newer version" else "application_id = 7"
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute(f"PRAGMA {pragma}")


def fill_disk(place: Path) -> None:
    with (place / "hog").open("ab", buffering=0) as hog:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while hog.write(bytes(size)):
                    pass
    assert os.statvfs(place).f_bavail == 0


class TestOnAFullDisk:
    def test_the_whole_reserve_is_usable_and_nothing_accepted_is_lost(
        self, small_disk: Path
    ) -> None:
        with opened(small_disk, 4) as outbox:
            fill_disk(small_disk)
            accepted = fill(outbox, "first-")
            assert len(accepted) >= 4 * MIB // HIT_BYTES - 1
            for hit_id in accepted:
                outbox.mark_published(hit_id)
            for hit_id in accepted[::2]:
                assert outbox.delete(hit_id)
            kept = [*accepted[1::2], *fill(outbox, "second-")]
            assert outbox.next_counter() == 1
        with opened(small_disk, 4) as outbox:
            assert list(outbox.hit_ids()) == kept
            for hit_id in kept:
                outbox.delete(hit_id)
            assert len(fill(outbox, "third-")) >= 4 * MIB // HIT_BYTES - 1

    def test_the_log_has_room_for_the_largest_hit_just_before_a_checkpoint(
        self, small_disk: Path
    ) -> None:
        with opened(small_disk, 4):
            pass
        fill_disk(small_disk)
        with opened(small_disk, 4) as outbox:
            for number in range(200):
                put(outbox, f"small-{number}")
            put(outbox, "largest", os.urandom(MAX_PAYLOAD_BYTES))
            assert outbox.delete("largest")
            put(outbox, "next", os.urandom(MAX_PAYLOAD_BYTES))
            assert outbox.depth() == 201

    def test_a_killed_box_comes_back_and_goes_on(self, small_disk: Path) -> None:
        open_once(small_disk, 4)
        fill_disk(small_disk)
        acknowledged = _run_until_killed(small_disk, lines=60, reserve_mib=4)
        with opened(small_disk, 4) as outbox:
            _assert_kept(outbox, acknowledged)
            outbox.delete(outbox.hit_ids()[0])  # it may have been killed while it was full
            put(outbox, "after", os.urandom(HIT_BYTES))

    def test_a_file_that_was_not_reserved_cannot_be_written(self, small_disk: Path) -> None:
        """The check that the disk of the tests above is really full."""
        fill_disk(small_disk)
        with pytest.raises(OSError, match="No space left"):
            (small_disk / "other").write_bytes(b"x")


# Puts hits without end and deletes every third; prints each step before and after it.
BUSY_BOX = """
import sys
from pathlib import Path
from tests.integration.test_outbox import HIT_BYTES, OutboxFull, opened, os, put
keep = opened(Path(sys.argv[1]), int(sys.argv[2]))
outbox = keep.__enter__()
number = outbox.next_counter() * 100_000
while True:
    number += 1
    try:
        put(outbox, str(number), os.urandom(HIT_BYTES))
    except OutboxFull:
        oldest = outbox.hit_ids()[0]
        print("deleting", oldest, flush=True)
        outbox.delete(oldest)
        print("deleted", oldest, flush=True)
        continue
    print("put", number, flush=True)
    if number % 3 == 0:
        print("deleting", number, flush=True)
        outbox.delete(str(number))
        print("deleted", number, flush=True)
"""


def _run_until_killed(folder: Path, *, lines: int, reserve_mib: int) -> list[list[str]]:
    """Start a busy box and kill it after this number of lines; returns its output."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY_BOX, str(folder), str(reserve_mib)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(random.Random(lines).uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    return [line.split() for line in said if line.endswith("\n")]


def _assert_kept(outbox: Outbox, said: list[list[str]]) -> None:
    """Assert that each acknowledged put is stored once and each acknowledged delete is gone."""
    there = outbox.hit_ids()
    assert len(there) == len(set(there))
    put_ids = {hit_id for word, hit_id in said if word == "put"}
    gone = {hit_id for word, hit_id in said if word == "deleted"}
    perhaps_gone = {hit_id for word, hit_id in said if word == "deleting"} - gone
    assert put_ids - gone - perhaps_gone <= set(there)
    assert not gone & set(there)
    verdict = outbox._rows("PRAGMA integrity_check", ())
    assert verdict == [("ok",)]


def test_a_box_killed_at_random_moments_keeps_every_acknowledged_hit(tmp_path: Path) -> None:
    moments = random.Random(20260901)
    said: list[list[str]] = []
    for _ in range(8):
        said += _run_until_killed(tmp_path, lines=moments.randint(1, 120), reserve_mib=4)
        with opened(tmp_path, 4) as outbox:
            _assert_kept(outbox, said)
    assert sum(word == "put" for word, _ in said) > 50


def test_a_larger_reserve_grows_the_outbox_and_keeps_its_hits(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        before = fill(outbox, "before-")
    with opened(tmp_path, 4) as outbox:
        after = fill(outbox, "after-")
        assert len(after) >= 3 * MIB // HIT_BYTES - 1
        assert list(outbox.hit_ids()) == before + after
