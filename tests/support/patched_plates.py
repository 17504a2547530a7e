"""Plates for tests that patch characters over: of one line, and square ones of two."""

from __future__ import annotations

from edge.domain.imaging import Pixels
from scripts.fixtures.covers import Box as Area
from scripts.fixtures.plates import Plate

LONG = (
    Plate("BE", "1-FHB-264"),
    Plate("BE", "2-KJD-735"),
    Plate("NL", "G-438-TH"),
    Plate("NL", "R-625-XZ"),
    Plate("DE", "KA-PL 4736"),
    Plate("DE", "B-HR 2745"),
    Plate("FR", "GH-437-KP"),
    Plate("FR", "EX-926-TR"),
)
SQUARE = (Plate("BE", "1-GTR-637", square=True), Plate("NL", "G-438-TH", square=True))


def whole(face: Pixels) -> Area:
    """The box of a plate that fills its picture."""
    height, width = face.shape[:2]
    return 0.0, 0.0, float(width), float(height)
