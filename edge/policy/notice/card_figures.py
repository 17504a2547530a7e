"""What released pictures show by the model card, for a site that has not measured it itself.

The figures are those of `models/scene_parser.md`; a test compares them.
"""

from __future__ import annotations

from edge.policy.legal import ShownAtLevel

CARD_FIGURES = {
    "vehicle": ShownAtLevel(
        body_enough=(27, 32), glass_leaks=(1, 31), people=(1, 15), others_blocks=(0, 5358)
    ),
    "driver": ShownAtLevel(body_enough=(27, 32), people=(1, 15), others_blocks=(0, 5358)),
    "occupants": ShownAtLevel(
        body_enough=(28, 32), heads=(4, 4), people=(1, 15), others_blocks=(0, 5358)
    ),
}
"""By reveal level."""
