"""What the reader saw on one plate, and what several readings agree on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.domain.plates import PlateText

MAX_HYPOTHESES = 8


@dataclass(frozen=True, slots=True)
class PlateReading:
    """The reader's full posteriors for one patch.

    `slots` has shape (slots, len(alphabet)), float32, each row summing to 1; a plate is
    left-aligned and filled with `pad`. `quality` in (0, 1] weighs this reading.
    `region` is the reader's country name with its probability, or None.
    """

    slots: npt.NDArray[np.float32] = field(repr=False, compare=False)
    alphabet: str
    pad: str
    quality: float
    region: str | None = None
    region_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One possible plate with its calibrated probability."""

    text: PlateText
    probability: float


@dataclass(frozen=True, slots=True)
class PlateConsensus:
    """The fused opinion over a vehicle: hypotheses, most probable first, at least one."""

    hypotheses: tuple[Hypothesis, ...]
    reads: int
    region: str | None = None

    @property
    def best(self) -> Hypothesis:
        return self.hypotheses[0]

    @property
    def posterior(self) -> float:
        return self.hypotheses[0].probability

    @property
    def margin(self) -> float:
        """Probability of the best over the next, 0 to 1."""
        runner_up = self.hypotheses[1].probability if len(self.hypotheses) > 1 else 0.0
        return self.hypotheses[0].probability - runner_up
