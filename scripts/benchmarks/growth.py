"""Decide whether the figures of a long run grow.

The slope is Theil and Sen's: the median of the slopes between all pairs of samples, which single
peaks do not move (https://doi.org/10.1080/01621459.1968.10480934).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

WARM_UP = 0.2
"""Share of samples left out at the start, while caches fill and the outbox is made."""
FEWEST_SAMPLES = 20
MOST_PAIRS = 400
"""Most samples for the slope; of more, every n-th is used, since pairs grow with the square."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Size of the box and its child processes at one moment."""

    second: float
    rss_mib: float
    threads: int
    descriptors: int
    processes: int
    hits: int
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a figure may rise in the measured time."""

    name: str
    unit: str
    absolute: float
    share: float

    def allowed(self, values: Sequence[float]) -> float:
        return max(self.absolute, self.share * statistics.median(values))


LIMITS = (
    Limit("rss_mib", "MiB", 16.0, 0.1),
    Limit("threads", "threads", 1.0, 0.0),
    Limit("descriptors", "descriptors", 2.0, 0.0),
    Limit("processes", "processes", 0.5, 0.0),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far one figure rose after the warm-up, and how far it may."""

    limit: Limit
    median: float
    rise: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.rise <= self.allowed

    def line(self) -> str:
        word = "flat" if self.flat else "RISES"
        return (
            f"{self.limit.name}: {word}: median {self.median:.1f} {self.limit.unit}, "
            f"rise {self.rise:+.2f}, allowed {self.allowed:.1f}"
        )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's slope: the median of the slopes of all pairs.

    Args:
        points: x and y, at least two with different x.
    """
    thinned = points[:: max(1, -(-len(points) // MOST_PAIRS))]
    return statistics.median(
        (y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(thinned, 2) if x2 != x1
    )


def judged(samples: Sequence[Sample]) -> tuple[Verdict, ...]:
    """The verdict on each figure after the warm-up.

    Raises:
        ValueError: there are too few samples.
    """
    warm = samples[int(len(samples) * WARM_UP) :]
    if len(warm) < FEWEST_SAMPLES:
        raise ValueError(f"{len(warm)} samples after the warm-up are too few to judge by")
    length = warm[-1].second - warm[0].second
    verdicts = []
    for limit in LIMITS:
        values = [float(getattr(sample, limit.name)) for sample in warm]
        seconds = [sample.second for sample in warm]
        rise = slope(list(zip(seconds, values, strict=True))) * length
        verdicts.append(Verdict(limit, statistics.median(values), rise, limit.allowed(values)))
    return tuple(verdicts)
