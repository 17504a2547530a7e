"""What released pictures show by the model card, for a site that has not measured it itself.

The figures are those of `models/scene_parser.md`; a test compares them.
"""

from __future__ import annotations

from edge.policy.legal import ShownAtLevel

CARD_FIGURES = {
    "vehicle": ShownAtLevel(
        body_enough=(54, 81), glass_leaks=(0, 78), people=(0, 27), others_blocks=(0, 7970)
    ),
    "driver": ShownAtLevel(body_enough=(55, 81), people=(0, 27), others_blocks=(4, 7970)),
    "occupants": ShownAtLevel(
        body_enough=(66, 81), heads=(5, 7), people=(0, 27), others_blocks=(27, 7970)
    ),
}
"""By reveal level."""
