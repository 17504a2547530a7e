"""A box's state folder, keyring and clock, for tests of retention."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from tests.support.fakes import SetClock

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
        """Run the box while the block runs."""
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
