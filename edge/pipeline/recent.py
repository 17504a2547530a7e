"""Vehicles that were handed over recently, and whether a later track shows one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.domain.imaging import Box
from edge.domain.plates import PlateText
from edge.domain.reading import PlateConsensus
from edge.domain.tracking import edit_distance

SURE_POSTERIOR = 0.95
"""A consensus with at least this posterior is sure: it is rarely wrong."""


@dataclass(slots=True)
class RecentVehicle:
    """A vehicle that was handed over recently: its plate and its track numbers.

    After a gap in the stream, `stays_at` is where it was before the gap. Then only a track that
    begins there until `stays_until_s` is the same vehicle.
    """

    consensus: PlateConsensus = field(repr=False)
    tracks: frozenset[int]
    last_s: float
    stays_at: Box | None = None
    stays_until_s: float = 0.0


def same_plate(known: PlateConsensus, new: PlateConsensus, *, same_frame: bool) -> bool:
    """Whether a later track shows the plate that is already known.

    - Equal texts are the same plate.
    - Other texts are different plates when both were in one frame (`same_frame`).
    - A text that is part of the known one is the same plate: half of it was hidden. So is one
      that has exactly one character more.
    - If either posterior is below `SURE_POSTERIOR`, a text that differs by up to two characters,
      and by less than half of them, is the same plate: a misread is far more likely than a second
      vehicle with almost the same plate.
    """
    if known.best.text == new.best.text:
        return True
    if same_frame:
        return False
    before, after = known.best.text.reveal(), new.best.text.reveal()
    changed = edit_distance(before.encode(), after.encode())
    if after in before or (before in after and changed == 1):
        return True
    if min(known.posterior, new.posterior) >= SURE_POSTERIOR:
        return False
    return changed <= 2 and changed * 2 < max(len(before), len(after))


def only_new_is_sure(known: PlateConsensus, new: PlateConsensus) -> bool:
    """Whether a sure reading would be merged into a different text that was never sure."""
    return known.posterior < SURE_POSTERIOR <= new.posterior and known.best.text != new.best.text


def is_other_plate(read: PlateText, plate: PlateText) -> bool:
    """Whether a text that was surely read is of another plate: neither is a part of the other."""
    if read == plate:
        return False
    one, other = read.reveal(), plate.reveal()
    return one not in other and other not in one
