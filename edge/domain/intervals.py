"""Confidence interval of a proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Z_95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""

Z_999_ONE_SIDED = 3.090232306167813
"""99.9 % quantile: the lower bound alone holds with 99.9 % confidence."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A proportion with its confidence interval, all 0 to 1."""

    share: float
    low: float
    high: float


def wilson(count: int, total: int, z: float = Z_95) -> Interval:
    """The proportion `count / total` with Wilson's score interval.

    Args:
        count: how many have the property.
        total: how many there are.
        z: quantile of the standard normal distribution; by default for a 95 % interval.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927). Unlike the normal approximation, the
    interval stays within 0 to 1 and is correct for small counts.

    Raises:
        ValueError: not `0 <= count <= total`, or the total is below 1.
    """
    if not 0 <= count <= total or total < 1:
        message = "a proportion needs 0 <= count <= total and a total of at least 1"
        raise ValueError(message)
    share = count / total
    square = z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total * total)
    half = z * math.sqrt(spread) / (1 + square / total)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def shown_share(count: int | Literal["<10"], total: int) -> Interval | None:
    """The share of two counts as `counting.coarse` shows them: it tells no more than they do.

    None where the count is below ten. A share of exact counts would give them away.
    """
    return None if count == "<10" else wilson(count, total)
