"""Compares the approved still of a place with the policy's privacy masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.geometry import Point
from edge.errors import ConfigError, RedactionError
from edge.privacy.place_still import PlaceStill
from edge.site.folder import SITE_FILE, SiteFolder

TOLERANCE = 24
"""Grey levels by which pixels of one colour may differ after JPEG."""

MOST_DIFFERENT = 0.05
"""Share of a masked part that may differ more, because JPEG smears the edges of a mask."""

SMEARED_PIXELS = 18
"""How far it smears them: JPEG encodes the colours of 16 x 16 pixels together, and decoders
interpolate between these. Farther inside nothing may differ more."""

_EDGE = np.ones((3, 3), np.uint8)
_EDGE_PIXELS = 2


def require_places_masked(site: SiteFolder) -> None:
    """Refuse an approved still of a place that shows what a privacy mask of its camera hides.

    Raises:
        ConfigError: one does; the message names its field in site.yaml.
    """
    for camera, still in site.places.items():
        try:
            require_masked(still, site.policy.cameras[camera].privacy_masks)
        except RedactionError as error:
            where = f"{site.folder / SITE_FILE}: cameras.{camera}.place_picture"
            raise ConfigError(f"{where}: {error.message}") from None


def require_masked(still: PlaceStill, masks: Sequence[Sequence[Point]]) -> None:
    """Refuse a still that shows something where the policy has a privacy mask.

    A part shows nothing if it has one colour.

    Args:
        still: the approved still.
        masks: polygons in fractions of the picture.

    Raises:
        RedactionError: it does.
    """
    pixels = np.asarray(cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR))
    height, width = pixels.shape[:2]
    for number, mask in enumerate(masks):
        corners: npt.NDArray[np.int32] = np.rint(
            np.asarray(mask, float) * (width - 1, height - 1)
        ).astype(np.int32)
        area = cv2.fillPoly(np.zeros((height, width), np.uint8), [corners], (1,))
        inside = cv2.erode(area, _EDGE, iterations=_EDGE_PIXELS) > 0
        if not inside.any():
            continue
        far_inside = cv2.erode(area, _EDGE, iterations=SMEARED_PIXELS) > 0
        colour = np.median(pixels[inside], axis=0)
        differs = np.abs(pixels - colour).max(axis=2) > TOLERANCE
        if differs[inside].mean() > MOST_DIFFERENT or differs[far_inside].any():
            raise RedactionError(
                f"the approved picture shows what privacy_masks[{number}] of the policy hides; "
                "make another one with this part as --mask, and have it signed"
            )
