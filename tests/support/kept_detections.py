"""A detector for tests that show the same pictures again and again."""

from __future__ import annotations

import hashlib

import numpy as np

from edge.domain.imaging import Box, Detection, Pixels
from edge.pipeline.ports import PlateDetector


class KeptDetections:
    """A detector that looks at each picture once, in whichever recording it comes again."""

    def __init__(self, detector: PlateDetector) -> None:
        self._detector = detector
        self._found: dict[bytes, tuple[Detection, ...]] = {}

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        assert region is None
        picture = hashlib.sha1(np.ascontiguousarray(pixels).data, usedforsecurity=False).digest()
        if picture not in self._found:
            self._found[picture] = self._detector.detect(pixels)
        return self._found[picture]
