"""How far posteriors can be trusted: the part of an evaluation that photos and recordings share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.domain.accuracy import ScoredRead, calibration_error, reliability, wrong_and_sure
from edge.policy.limits import LIMITS

FLOORS: tuple[float, ...] = tuple(sorted({one.min_posterior for one in LIMITS.values()}))
"""The lowest `min_posterior` that a rule may have, in each legal regime."""


def certainty_json(reads: Sequence[ScoredRead]) -> dict[str, Any]:
    """Calibration error, reliability by bins, and the share that is wrong and sure.

    A reading is sure if its posterior reaches the floor of a legal regime.
    """
    sure = []
    for floor in FLOORS:
        share = wrong_and_sure(reads, floor)
        if share is not None:
            sure.append(
                {"min_posterior": floor, "share": share.share, "ci95": [share.low, share.high]}
            )
    return {
        "ece": calibration_error(reads),
        "reads": len(reads),
        "wrong_and_sure": sure,
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "count": one.count,
                "said": one.mean_posterior,
                "exact": one.exact.share,
                "exact_ci95": [one.exact.low, one.exact.high],
            }
            for one in reliability(reads)
        ],
    }


def certainty_lines(calibration: dict[str, Any], what: str) -> list[str]:
    """The same for a terminal: a bar for each bin, and a line for each floor.

    Args:
        calibration: what `certainty_json` returns.
        what: the readings, in the plural.
    """
    if calibration["ece"] is None:
        return [f"posteriors: no {what}, so nothing can be said of them"]
    lines = [f"posteriors of {calibration['reads']} {what}, against the share that is exact:"]
    for one in calibration["bins"]:
        bar = "█" * round(20 * one["exact"])
        lines.append(
            f"  {one['low']:.1f}-{one['high']:.1f}  {bar:<20}  said {one['said']:.3f}, exact "
            f"{one['exact']:.3f} ({one['count']})"
        )
    lines.append(f"calibration error {calibration['ece']:.3f}")
    lines += [
        f"wrong with a posterior of at least {one['min_posterior']}: {one['share']:.4f} of the "
        f"{what} (at most {one['ci95'][1]:.4f})"
        for one in calibration["wrong_and_sure"]
    ]
    return lines
