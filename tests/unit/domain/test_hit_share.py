"""A rule stops itself when its share of hits is implausible, and not before that is proven."""

from __future__ import annotations

import random

import pytest

from edge.domain.hit_share import LEAST_JUDGED, MOST_JUDGED, HitShare


def stopped_at(share: HitShare, hits: list[bool]) -> int | None:
    """After how many vehicles the share is implausible; None if it never is."""
    return next((n for n, hit in enumerate(hits, start=1) if share.add(hit=hit)), None)


@pytest.mark.parametrize("most", [0.02, 0.1, 0.5, 0.8])
def test_p11_a_few_hits_at_the_start_stop_nothing_and_nothing_but_hits_do(most: float) -> None:
    only_hits = [True] * 200
    assert stopped_at(HitShare(most), only_hits[: LEAST_JUDGED - 1]) is None
    assert stopped_at(HitShare(most), only_hits) == LEAST_JUDGED


def test_p11_the_lower_bound_counts_and_not_the_share_itself() -> None:
    # 50 of 50: the lower bound is 0.84, of 86 it is 0.9003.
    assert stopped_at(HitShare(0.9), [True] * 200) == 86
    # Three hits among the first fifty are 6 %, which says little; five are 10 %.
    assert stopped_at(HitShare(0.02), [True] * 3 + [False] * 60) is None
    assert stopped_at(HitShare(0.02), [True] * 5 + [False] * 60) == LEAST_JUDGED


@pytest.mark.parametrize("most", [0.02, 0.1, 0.5])
@pytest.mark.parametrize(("factor", "stops"), [(0.5, 0), (2.0, 30)])
def test_p11_a_plausible_share_never_stops_and_a_larger_one_always_does(
    factor: float, stops: int, most: float
) -> None:
    """Over 30 runs of 5000 vehicles each."""
    stopped = 0
    for seed in range(30):
        draw = random.Random(seed)
        hits = [draw.random() < most * factor for _ in range(5000)]
        stopped += stopped_at(HitShare(most), hits) is not None
    assert stopped == stops


def test_p11_old_vehicles_lose_their_weight() -> None:
    """After ten thousand plausible vehicles a fault is still noticed within some hundreds."""
    share = HitShare(0.5)
    draw = random.Random(1)
    assert stopped_at(share, [draw.random() < 0.1 for _ in range(10 * MOST_JUDGED)]) is None

    found = stopped_at(share, [True] * MOST_JUDGED)

    assert found is not None
    assert found < MOST_JUDGED
