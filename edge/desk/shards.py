"""Receiving in shards: each broker is one, and one consumer at a time receives from it.

Boxes are spread over brokers by `edge.formats.brokers`. A consumer takes everything that its broker
has, whatever the site: so a list of brokers that differs between boxes and consumers loses nothing.

The active consumer of a shard holds an advisory lock of PostgreSQL in one transaction that stays
open. Another consumer of the shard stands by and asks for the lock every second. When the active
one dies, the server ends its transaction; the one that stood by then continues its session at the
broker, which sends again what was not acknowledged. The lock saves work and keeps two consumers
from ending each other's session. It does not keep hits single: the database does that, also if two
consumers are active for a moment.

Why a transaction, and not a lock of the session: docs/adr/0027.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from edge.desk.store.database import DeskDatabase
from edge.errors import UsageError
from edge.formats.brokers import BrokerAddress

_ASK_EVERY_S = 1.0
_STEP_S = 0.05

_TEST_EVERY_S = 0.5
"""How often the active consumer tests its lock, and before it opens a lost connection again."""

_SETTLE_S = 0.7
"""How long a new active consumer waits before it connects to the broker.

It is longer than the time between two tests. So a consumer that has lost the lock finds this out
and ends, before it can connect again and take the session back.
"""

_TRY = text("SELECT pg_try_advisory_xact_lock(:key)")
_STAY = text(
    """
    SELECT set_config(wanted.name, wanted.value, true)
    FROM (VALUES
        ('application_name', CAST(:name AS text)),
        ('idle_in_transaction_session_timeout', '0'),
        ('transaction_timeout', '0'),
        ('tcp_keepalives_idle', '10'),
        ('tcp_keepalives_interval', '5'),
        ('tcp_keepalives_count', '3')
    ) AS wanted (name, value) JOIN pg_settings USING (name)
    """
)
"""For this transaction: no limit of time, and a machine that has gone is noticed in 25 seconds.

`transaction_timeout` is new in PostgreSQL 17; the join leaves out what the server does not know.
"""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several brokers, numbered from 1 in the order of the list."""

    number: int
    of: int
    broker: BrokerAddress

    def __str__(self) -> str:
        return f"shard {self.number}/{self.of}, broker {self.broker}"

    @property
    def key(self) -> int:
        """The key of its lock: of the broker alone, so that a changed list changes no lock."""
        digest = hashlib.sha256(f"edge-anpr/shard/1\n{self.broker}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def parse_shard(words: str, brokers: Sequence[BrokerAddress]) -> Shard:
    """The shard `N/M` of a list of M brokers.

    Raises:
        UsageError: `E_SHARD`: it has another form, N is more than M, or the list has not M brokers.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", words)
    if found is None:
        raise _refused("write N/M, such as 1/3 for the first of three brokers")
    number, of = int(found[1]), int(found[2])
    if number > of:
        raise _refused(f"there is no shard {number} of {of}; N is 1 to {of}")
    if len(brokers) != of:
        raise _refused(
            f"{words} needs {of} brokers and {len(brokers)} given; name each with --broker, in the "
            "same order for every consumer"
        )
    for place, broker in enumerate(brokers):
        if broker in brokers[:place]:
            raise _refused(f"--broker {broker} is given twice; each shard is another broker")
    return Shard(number, of, brokers[number - 1])


def _refused(why: str) -> UsageError:
    return UsageError(f"--shard: {why}", code="E_SHARD")


class ShardTurn:
    """Waits for the turn of a consumer at its shard, and holds it.

    Args:
        database: of the desk, on PostgreSQL.
        shard: which one.
        waiting: called once if another consumer is active.
        began: called when this one becomes the active one.
        monotonic: the monotonic clock, seconds.

    Raises:
        UsageError: `E_SHARD`: the database is no PostgreSQL.
    """

    def __init__(
        self,
        database: DeskDatabase,
        shard: Shard,
        *,
        waiting: Callable[[], None] = lambda: None,
        began: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not database.is_postgresql:
            raise _refused(
                f"{database.place} is SQLite, where one consumer without --shard is enough; move "
                "the desk to PostgreSQL first (`edge-anpr desk migrate`)"
            )
        self._database = database
        self._shard = shard
        self._waiting = waiting
        self._began = began
        self._monotonic = monotonic
        self._tested_at = 0.0

    @contextmanager
    def held(self, stopped: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
        """Wait until no other consumer is active, and keep others away until the block ends.

        Yields:
            Whether to stop: `stopped`, which also raises `DBAPIError` once the lock is lost. Let it
            leave the block: there it becomes an `OutboxError`.

        Raises:
            OutboxError: the database cannot be used.
        """
        told = False
        while not stopped():
            with self._database.pinned() as connection:
                if connection.execute(_TRY, {"key": self._shard.key}).scalar_one():
                    connection.execute(_STAY, {"name": f"edge-anpr {self._shard}"})
                    self._test(connection)
                    self._pause(_SETTLE_S, stopped)
                    if not stopped():
                        self._began()
                    yield lambda: self._test(connection) or stopped()
                    return
            if not told:
                told = True
                self._waiting()
            self._pause(_ASK_EVERY_S, stopped)
        yield stopped

    def _test(self, connection: Connection) -> bool:
        """Ask the server for a sign of life now and then; it holds the lock as long as it answers.

        Raises:
            DBAPIError: it does not, so another consumer may be active now.
        """
        now = self._monotonic()
        if now - self._tested_at >= _TEST_EVERY_S:
            self._tested_at = now
            # Without a parameter, so as a simple query: after one with parameters the server would
            # keep its snapshot until the next.
            connection.execute(text("SELECT 1"))
        return False

    def _pause(self, seconds: float, stopped: Callable[[], bool]) -> None:
        until = self._monotonic() + seconds
        while self._monotonic() < until and not stopped():
            time.sleep(_STEP_S)
