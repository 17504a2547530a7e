"""Figures of the scene parser on vehicles that it was not trained on, and its threshold.

What counts is what a picture at the level `vehicle` would show: as much of the offender's bodywork
as possible, and nothing of its windows, of other vehicles and of people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from scripts.training.parser_batches import Pose, window_of
from scripts.training.parser_net import CLASSES, SceneParserNet
from scripts.training.parser_views import BODY, GLASS, HEAD, OTHER, PERSON, View

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)
"""Probabilities of bodywork that are tried, from which on a pixel is shown."""

LEAK = 0.03
"""A view leaks if more than this share of its windows is shown."""

ENOUGH = 0.6
"""A vehicle can be recognised if at least this share of its bodywork is shown."""

Floats = npt.NDArray[np.float32]


def figures(views: Sequence[View], net: torch.nn.Module) -> dict[str, float]:
    """The figures at the threshold 0.9, to follow a training by."""
    return _at(0.9, [shares(view, net) for view in views])


def choose_threshold(net: SceneParserNet, views: Sequence[View]) -> tuple[float, dict[str, float]]:
    """The lowest threshold with the fewest leaks, and the figures there: no leak comes first."""
    measured = [shares(view, net) for view in views]
    tried = [(threshold, _at(threshold, measured)) for threshold in THRESHOLDS]
    return min(tried, key=lambda one: (one[1]["leaks"], one[0]))


Shares = dict[str, Floats]


@torch.no_grad()
def shares(view: View, net: torch.nn.Module) -> Shares:
    """For each threshold, the share that is shown of a view's bodywork, windows, and others.

    Of what is not in the view the share is NaN.
    """
    net.eval()
    picture, plate, allowed = window_of(view.pixels, view.plate, view.allowed, Pose())
    window = torch.from_numpy(np.dstack([picture, plate])[None])
    body = net(window).softmax(1)[0, CLASSES.index("body")].numpy()
    where = {
        "body": allowed == BODY,
        "glass": _surely(allowed, GLASS | HEAD),
        "others": _surely(allowed, OTHER | PERSON),
    }
    limits = np.array(THRESHOLDS, np.float32)[:, None]
    return {
        name: (body[mask][None] >= limits).mean(1).astype(np.float32)
        if mask.any()
        else np.full(len(THRESHOLDS), np.nan, np.float32)
        for name, mask in where.items()
    }


def _surely(allowed: npt.NDArray[np.uint8], classes: int) -> npt.NDArray[np.bool_]:
    """Where a pixel is known to show one of these classes."""
    sure: npt.NDArray[np.bool_] = (allowed > 0) & ((allowed | classes) == classes)
    return sure


def _at(threshold: float, measured: Sequence[Shares]) -> dict[str, float]:
    at = THRESHOLDS.index(threshold)
    body = np.array([one["body"][at] for one in measured])
    glass = np.array([one["glass"][at] for one in measured])
    others = np.array([one["others"][at] for one in measured])
    known = ~np.isnan(body)
    return {
        "views": float(len(measured)),
        "body_shown": float(np.nanmean(body)),
        "recognisable": float((body[known] >= ENOUGH).mean()),
        "leaks": float((glass[~np.isnan(glass)] > LEAK).mean()),
        "others_shown": float(np.nanmean(others)) if (~np.isnan(others)).any() else 0.0,
    }
