"""Compares the approved still of a place with the policy's privacy masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.geometry import Point
from edge.errors import RedactionError
from edge.privacy.place_still import PlaceStill

TOLERANCE = 24
"""Grey levels by which pixels of one colour may differ after JPEG."""

MOST_DIFFERENT = 0.05
"""Share of a masked part that may differ more, because JPEG smears the edges of a mask."""

_EDGE = np.ones((3, 3), np.uint8)
_EDGE_PIXELS = 2


def require_masked(still: PlaceStill, masks: Sequence[Sequence[Point]]) -> None:
    """Refuse a still that shows something where the policy has a privacy mask.

    A part shows nothing if it has one colour.

    Args:
        still: the approved still.
        masks: polygons in fractions of the picture.

    Raises:
        RedactionError: it does, or it cannot be decoded.
    """
    pixels = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise RedactionError("the approved picture cannot be decoded; have another one signed")
    height, width = pixels.shape[:2]
    for number, mask in enumerate(masks):
        corners: npt.NDArray[np.int32] = np.rint(
            np.asarray(mask, float) * (width - 1, height - 1)
        ).astype(np.int32)
        area = cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], (1,))
        inside = pixels[cv2.erode(area, _EDGE, iterations=_EDGE_PIXELS) > 0].astype(int)
        if inside.size == 0:
            continue
        differs = np.abs(inside - np.median(inside, axis=0)).max(axis=1) > TOLERANCE
        if differs.mean() > MOST_DIFFERENT:
            raise RedactionError(
                f"the approved picture shows what privacy_masks[{number}] of the policy hides; "
                "make another one with this part as --mask, and have it signed"
            )
