"""What released pictures show by the model card, for a site that has not measured it itself.

The figures are those of `models/scene_parser.md`; a test compares them.
"""

from __future__ import annotations

from edge.policy.legal import ShownAtLevel

CARD_FIGURES = {
    "vehicle": ShownAtLevel(
        body_enough=(68, 87), glass_leaks=(1, 84), people=(0, 39), others_blocks=(12, 8915)
    ),
    "driver": ShownAtLevel(body_enough=(68, 87), people=(0, 39), others_blocks=(16, 8915)),
    "occupants": ShownAtLevel(
        body_enough=(78, 87), heads=(6, 7), people=(0, 39), others_blocks=(103, 8915)
    ),
}
"""By reveal level."""
