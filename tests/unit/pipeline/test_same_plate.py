"""Whether two tracks of one camera show the same plate."""

from __future__ import annotations

import pytest

from edge.domain.plates import Hypothesis, PlateText
from edge.domain.reading import PlateConsensus
from edge.pipeline.recent import same_plate


def consensus(text: str, posterior: float) -> PlateConsensus:
    return PlateConsensus((Hypothesis(PlateText(text), posterior),), reads=5)


@pytest.mark.parametrize(
    ("known", "new", "sure", "same_frame", "same"),
    [
        ("1ABC123", "1ABC123", True, False, True),
        ("1ABC123", "1ABC123", True, True, True),
        ("1ABC123", "1ABC124", True, False, False),
        ("1ABC123", "1ABC124", False, False, True),
        ("1ABC123", "1ABC124", False, True, False),
        ("1ABC123", "1AXX123", False, False, True),
        ("1ABC123", "1XXX123", False, False, False),
        ("KDD4", "KC04", False, False, False),
        ("1ABC123", "C123", True, False, True),
        ("C123", "1ABC123", True, False, False),
        ("MA4844C", "MA4844CC", True, False, True),
        ("1ABC123", "C123", True, True, False),
        ("1ABC123", "2XYZ987", False, False, False),
    ],
    ids=["equal", "equal, same frame", "one edit, sure", "one edit, unsure",
         "one edit, unsure, same frame", "two edits, unsure", "three edits", "half edited",
         "part of the known", "known is part of it", "one character more",
         "part of the known, same frame", "different"],
)  # fmt: skip
def test_tracks_with_equal_or_similar_texts_show_the_same_plate(
    known: str, new: str, sure: bool, same_frame: bool, same: bool
) -> None:
    posterior = 0.99 if sure else 0.7

    assert (
        same_plate(consensus(known, 0.99), consensus(new, posterior), same_frame=same_frame) == same
    )
