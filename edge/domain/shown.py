"""What released pictures show of labelled vehicles: shares of glass, bodywork, heads and strangers.

Shares are counted in blocks of `BLOCK` pixels, because a single pixel shows nothing of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.domain.intervals import Interval, wilson
from edge.domain.reveal import MaskMethod
from edge.domain.scene import SceneClass

Mask = npt.NDArray[np.bool_]
"""Shape (height, width)."""

BLOCK = 12
"""Side of a block in pixels."""

LEAK = 0.03
"""A vehicle's glass leaks if more than this share of its blocks is shown."""

ENOUGH = 0.6
"""A vehicle can be recognised if at least this share of its bodywork's blocks is shown."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How many blocks there are, and how many of them are shown."""

    shown: int = 0
    all: int = 0

    @property
    def share(self) -> float | None:
        """The share that is shown; None if there is no block."""
        return self.shown / self.all if self.all else None

    def __add__(self, other: Blocks) -> Blocks:
        return Blocks(self.shown + other.shown, self.all + other.all)


def blocks(part: Mask, shown: Mask, *, hidden_kind: bool) -> Blocks:
    """The blocks of a labelled part, and how many of them are shown.

    A block belongs to the part if all of its pixels do. A part that has no such block is counted
    in single pixels.

    Args:
        part: where the part is.
        shown: which pixels are shown.
        hidden_kind: whether the level is to hide the part. Then a block with any pixel that is
            shown counts as shown; otherwise it takes half of them.
    """
    whole = _tiles(part).all(axis=(1, 3))
    if not whole.any():
        return Blocks(int((part & shown).sum()), int(part.sum()))
    seen = _tiles(shown).mean(axis=(1, 3))[whole]
    return Blocks(int((seen > 0 if hidden_kind else seen >= 0.5).sum()), int(whole.sum()))


def has_block(part: Mask) -> bool:
    """Whether a part has a block that belongs to it whole."""
    return bool(_tiles(part).all(axis=(1, 3)).any())


def _tiles(mask: Mask) -> Mask:
    """Shape (rows, BLOCK, columns, BLOCK); what is beyond the last whole block is left out."""
    rows, columns = mask.shape[0] // BLOCK, mask.shape[1] // BLOCK
    whole = mask[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK)


@dataclass(frozen=True, slots=True)
class LevelShown:
    """What one level shows of one vehicle.

    Attributes:
        method: what decided which pixels are shown.
        body: blocks of its bodywork.
        glass: blocks of its glass, without heads; at `driver` those of the other side, with heads.
        heads: each of its occupants' heads that can be seen.
        others: blocks of other vehicles.
        people: each person outside.
    """

    method: MaskMethod
    body: Blocks
    glass: Blocks
    heads: tuple[Blocks, ...]
    others: Blocks
    people: tuple[Blocks, ...]

    @classmethod
    def of(
        cls,
        meaning: npt.NDArray[np.int_],
        heads: Sequence[Mask],
        people: Sequence[Mask],
        shown: Mask,
        method: MaskMethod,
        *,
        occupants: bool,
        driver: Mask | None = None,
    ) -> LevelShown:
        """Compare a mask with what is labelled.

        Args:
            meaning: the `SceneClass` of each pixel, shape (height, width).
            heads: where each head of an occupant is.
            people: where each person outside is.
            shown: the pixels that the level shows.
            method: what decided it.
            occupants: whether the level is to show who sits in the vehicle.
            driver: the driver's side, if the level is to show that only. Then the glass and the
                heads of the other side are what it is to hide, and only the heads of the driver's
                side are counted as heads.
        """
        if driver is not None:
            beside = np.isin(meaning, (SceneClass.GLASS, SceneClass.HEAD)) & ~driver
            glass = blocks(beside, shown, hidden_kind=True)
            heads = [one for one in heads if (one & driver).sum() * 2 > one.sum()]
        else:
            glass = blocks(meaning == SceneClass.GLASS, shown, hidden_kind=not occupants)
        shows_heads = occupants or driver is not None
        return cls(
            method,
            blocks(meaning == SceneClass.BODY, shown, hidden_kind=False),
            glass,
            tuple(blocks(head, shown, hidden_kind=not shows_heads) for head in heads),
            blocks(meaning == SceneClass.OTHER, shown, hidden_kind=True),
            tuple(blocks(person, shown, hidden_kind=True) for person in people),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """A proportion with its counts and its 95 % interval."""

    count: int
    total: int

    @property
    def interval(self) -> Interval:
        return wilson(self.count, self.total)


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """What one level shows of all labelled vehicles.

    Each interval is Wilson's 95 % interval; it is None where nothing is labelled to count.

    Attributes:
        vehicles: number of vehicles.
        by_meaning: how many of their pictures the scene parser decided.
        body_enough: share of vehicles of which at least `ENOUGH` of the bodywork is shown.
        body_median: median of the share of bodywork that is shown.
        glass_leaks: share of vehicles of which more than `LEAK` of the glass is shown.
        glass_blocks: share of the blocks of glass that is shown.
        heads: share of the heads that are shown, by at least half.
        others_blocks: share of the blocks of other vehicles that is shown.
        people: share of the people outside of whom anything is shown.
    """

    vehicles: int
    by_meaning: int
    body_enough: Counted | None
    body_median: float | None
    glass_leaks: Counted | None
    glass_blocks: Counted | None
    heads: Counted | None
    others_blocks: Counted | None
    people: Counted | None


def level_figures(found: Sequence[LevelShown]) -> LevelFigures:
    """The figures of one level over all labelled vehicles; there must be at least one."""
    body = [share for one in found if (share := one.body.share) is not None]
    glass = [share for one in found if (share := one.glass.share) is not None]
    heads = [head.share or 0.0 for one in found for head in one.heads if head.all]
    people = [person.shown for one in found for person in one.people if person.all]
    return LevelFigures(
        vehicles=len(found),
        by_meaning=sum(one.method is MaskMethod.MEANING for one in found),
        body_enough=_counted(body, lambda share: share >= ENOUGH),
        body_median=float(np.median(body)) if body else None,
        glass_leaks=_counted(glass, lambda share: share > LEAK),
        glass_blocks=_of_blocks(one.glass for one in found),
        heads=_counted(heads, lambda share: share >= 0.5),
        others_blocks=_of_blocks(one.others for one in found),
        people=_counted(people, lambda shown: shown > 0),
    )


def _counted(values: Sequence[float], holds: Callable[[float], bool]) -> Counted | None:
    return Counted(sum(map(holds, values)), len(values)) if values else None


def _of_blocks(parts: Iterable[Blocks]) -> Counted | None:
    total = sum(parts, Blocks())
    return Counted(total.shown, total.all) if total.all else None
