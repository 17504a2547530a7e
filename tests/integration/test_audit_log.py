"""The audit log on real disks: killed, full, shared, rolled back (P21)."""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import (
    CHECKPOINT_NAME,
    FILE_NAME,
    AuditTrail,
    read_log,
    read_witness,
)
from edge.errors import AuditError, ExitCode
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import EpochClosed, KeyInUse, Stopped, Unsealed
from edge.privacy.checkpoints import Checkpoint, box_log, parse_checkpoints
from tests.support.disks import small_tmpfs
from tests.support.product import REPOSITORY

LOG = box_log("school-street", "box-1")
BOX = SigningKey.demo_of("box")
NEXT_BOX = SigningKey.demo_of("next-box")
EPOCH = EpochClosed(1, "<10", "<10", "<10")


def utc() -> datetime:
    return datetime.now(timezone.utc)


def opened(folder: Path, signer: SigningKey = BOX) -> AuditTrail:
    return AuditTrail.open(folder, LOG, signer, utc, known=[BOX.public])


def test_entries_survive_a_restart_and_the_log_continues(tmp_path: Path) -> None:
    with opened(tmp_path) as trail:
        trail.append(EPOCH)
    with opened(tmp_path) as trail:
        trail.append(Stopped("end"))
    verified = read_log(tmp_path, origin=LOG, keys=(BOX.public,))

    assert [entry.event for entry in verified.entries] == [
        KeyInUse(LOG, BOX.public.text),
        EPOCH,
        Stopped("end"),
    ]
    assert parse_checkpoints((tmp_path / CHECKPOINT_NAME).read_bytes()) == (verified.last,)


def test_only_the_owner_can_read_the_log(tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        pass
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}

    assert modes == {0o600}


def test_listeners_receive_the_newest_checkpoint_now_and_after_each_entry(tmp_path: Path) -> None:
    heard: list[Checkpoint] = []
    with opened(tmp_path) as trail:
        trail.follow(heard.append)
        trail.append(EPOCH)
        assert [checkpoint.size for checkpoint in heard] == [1, 2]
        assert heard[-1] == trail.checkpoint


def test_p21_a_new_key_is_the_first_entry_after_a_rotation(tmp_path: Path) -> None:
    with opened(tmp_path) as trail:
        trail.append(EPOCH)
    with opened(tmp_path, NEXT_BOX) as trail:
        trail.append(Stopped("end"))
    verified = read_log(tmp_path, keys=(NEXT_BOX.public,))

    assert verified.entries[2].event == KeyInUse(LOG, NEXT_BOX.public.text)
    assert verified.last.size == 4


def test_p21_a_log_of_other_keys_is_refused_and_not_called_a_fork(tmp_path: Path) -> None:
    thief = SigningKey.demo_of("thief")
    AuditTrail.open(tmp_path, LOG, thief, utc).close()

    with pytest.raises(AuditError, match=thief.public.key_id) as refused:
        opened(tmp_path)
    assert refused.value.code == "E_AUDIT_KEYS"
    with pytest.raises(AuditError) as refused:
        AuditTrail.open(tmp_path, LOG, BOX, utc, key_folder=tmp_path / "wrong")
    assert str(tmp_path / "wrong") in refused.value.message
    assert "away" not in refused.value.message
    with pytest.raises(AuditError, match="another log") as refused:
        AuditTrail.open(tmp_path, "edge-anpr/other", thief, utc)
    assert refused.value.code == "E_AUDIT_KEYS"


def test_p21_a_log_that_another_key_has_continued_is_refused(tmp_path: Path) -> None:
    thief = SigningKey.demo_of("thief")
    opened(tmp_path).close()
    AuditTrail.open(tmp_path, LOG, thief, utc, known=[BOX.public]).close()

    with pytest.raises(AuditError, match=thief.public.key_id) as refused:
        opened(tmp_path)

    assert refused.value.code == "E_AUDIT_FORK"
    assert "away" not in refused.value.message


def test_a_running_box_records_nothing_under_a_rotated_key(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as running:
        opened(tmp_path, NEXT_BOX).close()
        with pytest.raises(AuditError, match="run the command again"):
            running.append(EPOCH)
    assert read_log(tmp_path).last.size == 2


def test_several_processes_and_threads_append_to_one_log(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:

        def work(trail: AuditTrail) -> None:
            for _ in range(20):
                trail.append(EPOCH)

        threads = [threading.Thread(target=work, args=(trail,)) for trail in (one, other, one)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert read_log(tmp_path).last.size == 61


def test_a_closed_log_refuses_entries(tmp_path: Path) -> None:
    trail = opened(tmp_path)
    trail.close()
    trail.close()
    with pytest.raises(AuditError, match="closed"):
        trail.append(EPOCH)


# --- damage -------------------------------------------------------------------------------------


def three_lines(folder: Path) -> list[bytes]:
    with opened(folder) as trail:
        trail.append(EPOCH)
        trail.append(Unsealed("ab" * 16))
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("kept", [1, 50, 93, 150])
def test_p21_an_unfinished_last_line_is_removed_and_the_log_continues(
    kept: int, tmp_path: Path
) -> None:
    lines = three_lines(tmp_path)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(lines[2][:kept])
    with pytest.raises(AuditError, match="line 4: it is incomplete"):
        read_log(tmp_path)
    with opened(tmp_path) as trail:
        trail.append(Stopped("end"))

    assert [entry.event for entry in read_log(tmp_path).entries][3:] == [Stopped("end")]


def test_p21_a_truncated_log_is_refused(tmp_path: Path) -> None:
    lines = three_lines(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"".join(lines[:2]))

    for read in (opened, read_log):
        with pytest.raises(AuditError) as refused:
            read(tmp_path)
        assert refused.value.code == "E_AUDIT_TRUNCATED"
        assert str(tmp_path / FILE_NAME) in refused.value.message


def test_p21_an_edited_log_is_refused(tmp_path: Path) -> None:
    lines = three_lines(tmp_path)
    for line in range(3):
        edited = lines.copy()
        edited[line] = edited[line].replace(b'"n":', b'"n" :')
        (tmp_path / FILE_NAME).write_bytes(b"".join(edited))
        with pytest.raises(AuditError, match=f"line {line + 1}") as refused:
            opened(tmp_path)
        assert refused.value.code == "E_AUDIT_EDITED"
        assert "\n" not in refused.value.message
    # The newest signature detects a well-formed entry at an earlier place.
    first = lines[1].replace(b'"hits":"<10"', b'"hits":10')
    (tmp_path / FILE_NAME).write_bytes(lines[0] + first + lines[2])
    with pytest.raises(AuditError, match="line 3: its signature"):
        opened(tmp_path)


def test_a_damaged_checkpoint_file_is_rewritten(tmp_path: Path) -> None:
    three_lines(tmp_path)
    (tmp_path / CHECKPOINT_NAME).write_bytes(bytes(100))
    with opened(tmp_path) as trail:
        trail.append(EPOCH)
    assert read_log(tmp_path).last.size == 4


def test_a_log_that_shrinks_while_open_stops_the_box(tmp_path: Path) -> None:
    with opened(tmp_path) as trail:
        trail.append(EPOCH)
        os.truncate(tmp_path / FILE_NAME, 10)
        with pytest.raises(AuditError, match="became shorter"):
            trail.append(EPOCH)


def test_a_missing_log_and_a_missing_checkpoint_give_different_errors(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as refused:
        read_log(tmp_path)
    assert refused.value.code == "E_NO_AUDIT"
    empty = tmp_path / "witness.txt"
    empty.write_bytes(b"\n\n")
    for place in (empty, tmp_path / "missing"):
        with pytest.raises(AuditError) as refused:
            read_witness(place)
        assert refused.value.code == "E_AUDIT_WITNESS"


def test_a_witness_may_be_a_file_or_a_folder_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "witness"
    folder.mkdir()
    with opened(tmp_path / "state") as trail:
        (folder / "1").write_bytes(trail.checkpoint.note())
        trail.append(EPOCH)
        (folder / "2").write_bytes(trail.checkpoint.note())
    witness = read_witness(folder)

    assert [checkpoint.size for checkpoint in witness] == [1, 2]
    assert read_witness(folder / "2") == witness[1:]
    assert read_log(tmp_path / "state", witness=witness).witnessed == 3


def test_a_log_is_read_consistently_while_it_is_written(tmp_path: Path) -> None:
    done = threading.Event()
    with opened(tmp_path) as trail:

        def work() -> None:
            while not done.is_set():
                trail.append(EPOCH)

        writer = threading.Thread(target=work)
        writer.start()
        try:
            sizes = [read_log(tmp_path).last.size]
            deadline = time.monotonic() + 60
            while len(sizes) < 20 or (sizes[-1] == sizes[0] and time.monotonic() < deadline):
                sizes.append(read_log(tmp_path).last.size)
        finally:
            done.set()
            writer.join()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


# --- killed, full -------------------------------------------------------------------------------

BUSY_BOX = """
import sys
from pathlib import Path
from tests.integration.test_audit_log import EPOCH, opened
trail = opened(Path(sys.argv[1]))
while True:
    print(trail.append(EPOCH).size, flush=True)
"""


def test_p21_a_box_killed_at_random_moments_loses_no_entry_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    moments = random.Random(20261125)
    last = 0
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", BUSY_BOX, str(tmp_path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(moments.randint(1, 60))]
            time.sleep(moments.uniform(0, 0.01))
            process.send_signal(signal.SIGKILL)
            said += process.stdout.readlines()
        last = max(int(line) for line in said if line.endswith("\n"))
        opened(tmp_path).close()
        assert read_log(tmp_path).last.size >= last
    assert last > 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with small_tmpfs(tmp_path / "disk", "64k") as place:
        yield place


def test_p21_a_partly_written_line_is_removed(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path) as trail:
        trail.append(EPOCH)
        whole = (tmp_path / FILE_NAME).read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 50, hard))
        try:
            with pytest.raises(AuditError) as refused:
                trail.append(EPOCH)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refused.value.code == "E_DISK_FULL"
        assert (tmp_path / FILE_NAME).read_bytes() == whole
        trail.append(Stopped("end"))
    assert read_log(tmp_path).last.size == 3


def fill(trail: AuditTrail) -> None:
    for _ in range(1000):
        trail.append(EPOCH)


def test_p21_a_full_disk_refuses_the_entry_and_leaves_the_log_intact(small_disk: Path) -> None:
    with opened(small_disk) as trail:
        with pytest.raises(AuditError, match="free disk space") as refused:
            fill(trail)
        assert refused.value.code == "E_DISK_FULL"
        assert refused.value.exit_code is ExitCode.STORAGE
        assert read_log(small_disk / FILE_NAME).last.size > 100
        subprocess.run(["mount", "-o", "remount,size=128k", small_disk], check=True)
        trail.append(Stopped("end"))
    assert read_log(small_disk).entries[-1].event == Stopped("end")
