"""What released pictures show by the model card, for a site that has not measured it itself.

The figures are those of `models/scene_parser.md`; a test compares them.
"""

from __future__ import annotations

from edge.policy.legal import ShownAtLevel

CARD_FIGURES = {
    "vehicle": ShownAtLevel(
        body_enough=(62, 87), glass_leaks=(0, 84), people=(0, 39), others_blocks=(0, 8915)
    ),
    "driver": ShownAtLevel(body_enough=(63, 87), people=(0, 39), others_blocks=(4, 8915)),
    "occupants": ShownAtLevel(
        body_enough=(69, 87), heads=(5, 7), people=(0, 39), others_blocks=(36, 8915)
    ),
}
"""By reveal level."""
