"""Optimal one-to-one assignment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UNMATCHED_COST = 1e4
"""Cost of an unmatched row or column: larger than any finite cost."""


def assign(costs: npt.NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Minimum-cost one-to-one assignment with as many pairs as possible.

    This is the Hungarian method with potentials and shortest augmenting paths (Jonker and Volgenant
    1987), O(n³).

    Args:
        costs: shape (rows, columns); infinity forbids a pair.

    Returns:
        Matched (row, column) pairs, sorted by row, without forbidden pairs.
    """
    rows, columns = costs.shape
    if rows == 0 or columns == 0:
        return ()
    if rows > columns:
        return tuple(sorted((row, column) for column, row in assign(costs.T)))
    table = np.where(np.isfinite(costs), costs, UNMATCHED_COST)
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, dtype=np.intp)  # the row matched to each column; 0 means none
    for row in range(1, rows + 1):
        owner[0] = row
        column = 0
        shortest = np.full(columns + 1, np.inf)
        via = np.zeros(columns + 1, dtype=np.intp)
        done = np.zeros(columns + 1, dtype=bool)
        while owner[column] != 0:
            done[column] = True
            here = owner[column]
            slack = table[here - 1] - u[here] - v[1:]
            closer = ~done[1:] & (slack < shortest[1:])
            shortest[1:][closer] = slack[closer]
            via[1:][closer] = column
            reach = np.where(done, np.inf, shortest)
            reach[0] = np.inf
            following = int(reach.argmin())
            step = reach[following]
            u[owner[done]] += step
            v[done] -= step
            shortest[~done] -= step
            column = following
        while column != 0:
            owner[column] = owner[via[column]]
            column = int(via[column])
    pairs = ((int(owner[c]) - 1, c - 1) for c in range(1, columns + 1) if owner[c] != 0)
    return tuple(sorted(pair for pair in pairs if np.isfinite(costs[pair])))
