"""What must hold after a run of the fleet's simulator, and whether memory has grown.

A hit was confirmed too early if its receipt came at the box before the transaction that stored the
hit, or the one that kept the receipt, was committed. PostgreSQL records the time of each commit
(`track_commit_timestamp`), to the microsecond and by the clock of the same machine; the simulator
records when each receipt came. So this is compared for every hit, not for a sample.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import combinations

import psycopg

from edge.formats.timestamps import utc_text

_QUERY = """
SELECT hit.hit_id, sha256(hit.payload), hit.stored_at,
    extract(epoch FROM pg_xact_commit_timestamp(hit.xmin))::float8,
    extract(epoch FROM pg_xact_commit_timestamp(receipt.xmin))::float8
FROM hit LEFT JOIN receipt USING (hit_id)
"""
_WARM_UP_S = 60.0
_WINDOW_S = 30.0
_FEWEST_WINDOWS = 4
_MOST_PAIRS_OF = 100
ALLOWED_MIB, ALLOWED_SHARE = 16.0, 0.1
"""A consumer may grow by this much in the whole run, or by this share of its size."""


@dataclass(frozen=True, slots=True)
class SentHit:
    """A hit that a box has sent, and its first receipt: when it came (0: never), what it says."""

    sha256: bytes
    received_at: float
    stored_at: float


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A hit in the database; times of commit in seconds, None if there is no receipt's row."""

    hit_id: str
    sha256: bytes
    stored_at: str
    committed_at: float
    receipt_committed_at: float | None


@dataclass(slots=True)
class FleetFindings:
    """How many hits break each invariant; `stored` is the number of rows."""

    sent: int = 0
    stored: int = 0
    lost: int = 0
    double: int = 0
    altered: int = 0
    foreign: int = 0
    confirmed_early: int = 0
    without_receipt: int = 0
    receipts_refused: int = 0

    @property
    def hold(self) -> bool:
        """Whether all hold."""
        broken = asdict(self)
        return broken.pop("sent") == broken.pop("stored") and not any(broken.values())


def stored_rows(address: str) -> Iterator[StoredRow]:
    """All hits of a desk's database, read through a connection of its own."""
    with psycopg.connect(address) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = 5000
        for row in cursor.execute(_QUERY):
            yield StoredRow(*row)


def findings(
    sent: Mapping[str, SentHit],
    rows: Iterable[StoredRow],
    *,
    other_times: int = 0,
    receipts_refused: int = 0,
) -> FleetFindings:
    """Compare what was sent with what is stored.

    Args:
        sent: every hit that was sent, by its id.
        rows: every row of the database.
        other_times: further receipts of a hit that name another time of storing: it was stored
            twice.
        receipts_refused: receipts that the boxes could not verify.
    """
    found = FleetFindings(sent=len(sent), double=other_times, receipts_refused=receipts_refused)
    seen = set()
    for row in rows:
        found.stored += 1
        hit = sent.get(row.hit_id)
        if row.hit_id in seen:
            found.double += 1
        elif hit is None:
            found.foreign += 1
        else:
            found.altered += hit.sha256 != row.sha256
            found.without_receipt += not hit.received_at or row.receipt_committed_at is None
            if hit.received_at:
                committed = max(row.committed_at, row.receipt_committed_at or math.inf)
                found.confirmed_early += committed > hit.received_at
                said = utc_text(datetime.fromtimestamp(hit.stored_at, timezone.utc))
                found.double += said != row.stored_at
        seen.add(row.hit_id)
    found.lost = len(sent.keys() - seen)
    return found


@dataclass(frozen=True, slots=True)
class FleetGrowth:
    """The slope of the consumers' memory, MiB an hour, with its 95 % interval."""

    slope: float
    low: float
    high: float
    median_mib: float
    rise_mib: float
    processes: int

    @property
    def flat(self) -> bool:
        """Whether the rise in the whole run is within what is allowed."""
        return self.rise_mib <= max(ALLOWED_MIB, ALLOWED_SHARE * self.median_mib)


def growth(lives: Iterable[Sequence[tuple[float, float]]], seconds: float) -> FleetGrowth | None:
    """The common slope of several processes: the median of the slopes of all pairs of samples.

    Only samples of the same process make a pair (Theil and Sen's slope). The interval is Sen's,
    from Kendall's variance. The first minute of a process does not count, and samples are medians
    of half a minute, because neighbouring samples resemble each other.

    Args:
        lives: for each process, second and MiB of its samples.
        seconds: how long the run was.

    Returns:
        None if no process lived long enough.
    """
    slopes: list[float] = []
    variance, sizes, processes = 0.0, list[float](), 0
    for life in lives:
        points = _windows(life)
        if len(points) < _FEWEST_WINDOWS:
            continue
        points = points[:: -(-len(points) // _MOST_PAIRS_OF)]
        processes += 1
        sizes += [mib for _, mib in points]
        slopes += [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2)]
        count = len(points)
        variance += count * (count - 1) * (2 * count + 5) / 18
    if not slopes:
        return None
    slopes.sort()
    spread = 1.96 * math.sqrt(variance)
    low = max(0, round((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, round((len(slopes) + spread) / 2))
    slope = statistics.median(slopes)
    return FleetGrowth(
        slope=3600 * slope,
        low=3600 * slopes[low],
        high=3600 * slopes[high],
        median_mib=statistics.median(sizes),
        rise_mib=slope * seconds,
        processes=processes,
    )


def _windows(life: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Medians of half minutes after the first minute."""
    grouped: dict[int, list[tuple[float, float]]] = {}
    for second, mib in life:
        if second - life[0][0] >= _WARM_UP_S:
            grouped.setdefault(int(second // _WINDOW_S), []).append((second, mib))
    return [
        (statistics.mean(x for x, _ in some), statistics.median(y for _, y in some))
        for _, some in sorted(grouped.items())
    ]
