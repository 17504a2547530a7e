"""An outbox of version 1 is migrated: its hits are encrypted under new keys."""

from __future__ import annotations

import contextlib
import sqlite3

from edge.adapters.state.outbox_file import FILE_NAME as OUTBOX
from tests.support.old_state import VERSION_1
from tests.support.retention import DAY, NEEDLE, NOW, PAYLOAD, Disk

OLD = b'{"purpose":"quiet","sealed":"' + PAYLOAD[:3000].hex().encode() + b'"}'


def version_1(disk: Disk) -> None:
    """Create the state folder of version 1, with two hits."""
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
    # As if killed after the first hit: the version is old and the second hit unchanged.
    with contextlib.closing(sqlite3.connect(disk.state / OUTBOX)) as database:
        database.execute("PRAGMA user_version = 1")
        database.execute("DELETE FROM item_key WHERE hit_id = 'b'")
        database.execute("UPDATE hit SET payload = ? WHERE hit_id = 'b'", (PAYLOAD,))
        database.commit()
    with disk.box() as (outbox, _):
        assert (outbox.find("a"), outbox.find("b")) == (OLD, PAYLOAD)
