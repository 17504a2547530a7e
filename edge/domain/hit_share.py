"""Whether the share of hits of a rule is still plausible.

A rule that reports far more vehicles than its policy expects has a fault: a camera that reads
wrong, a list that is not the right one, a line drawn the wrong way. It is measured with two
counters; nothing about a single vehicle is kept.
"""

from __future__ import annotations

from edge.domain.intervals import Z_999_ONE_SIDED, wilson

LEAST_JUDGED = 50
"""A share is not judged before this many vehicles: a few hits at the start prove nothing."""

MOST_JUDGED = 1000
"""At this many vehicles both counters are halved, so that old vehicles lose their weight."""


class HitShare:
    """Counts the vehicles that a rule has judged, and its hits among them.

    The share is implausible when the lower bound of its Wilson interval, with 99.9 % confidence on
    one side, exceeds the largest plausible share. In 200 simulations of 10 000 vehicles for each
    share of 0.02, 0.1 and 0.5, a rule at four fifths of the largest share was stopped in at most
    0.5 % of the runs, one at exactly that share in at most 3.5 %, one at one and a half times it in
    at least 97 %, and one at twice it always.

    Args:
        most: the largest plausible share of hits, 0 to 1.
        least_judged: how many vehicles must have been judged; at least 1.
    """

    def __init__(self, most: float, least_judged: int = LEAST_JUDGED) -> None:
        self._most = most
        self._least_judged = least_judged
        self._judged = 0
        self._hits = 0

    def add(self, *, hit: bool) -> bool:
        """Count one judged vehicle; returns whether the share is implausible now."""
        self._judged += 1
        self._hits += hit
        if self._judged < self._least_judged:
            return False
        low = wilson(self._hits, self._judged, Z_999_ONE_SIDED).low
        if self._judged >= max(MOST_JUDGED, self._least_judged):
            self._judged, self._hits = self._judged // 2, self._hits // 2
        return low > self._most
