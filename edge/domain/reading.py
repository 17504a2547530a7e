"""What the reader saw on one plate, and what several readings agree on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.domain.plates import MAX_LENGTH, Hypothesis, PlateText

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

    @property
    def legibility(self) -> float:
        """How sure the reader is of its own text, 0 to 1.

        The geometric mean of the best probability of each slot up to the first padding; 0
        where the reader saw no character.
        """
        best = self.slots.max(axis=1)
        is_pad = self.slots.argmax(axis=1) == self.alphabet.index(self.pad)
        if is_pad.all():
            return 0.0
        used = int(is_pad.argmax()) + 1 if is_pad.any() else len(best)
        return float(np.exp(np.log(np.maximum(best[:used], 1e-6)).mean()))


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


# --- fusion -------------------------------------------------------------------------------

SMOOTHING = 0.005
"""Share of each slot's probability that is spread evenly: networks are surer than right."""

LOST_CHARACTER = math.log(0.02)
"""Cost, natural log, of a reading that lacks a character of the plate."""

EXTRA_CHARACTER = math.log(0.004)
"""Cost of a reading with a character too many: readers merge and crop characters far more
often than they invent one."""

OUTLIER = math.log(1e-5)
"""Least that one reading can say of any plate: the probability that it is of something else."""

INDEPENDENCE = 0.25
"""n readings count as n to this power: frames of one vehicle share their blur and light.

Chosen with `SMOOTHING` so that over excerpts of 1, 4 and 24 frames of recorded vehicles a
posterior is right as often as it says.
"""

UNKNOWN = 1e-3
"""Odds, against the best text, of a plate that no reading shows."""

_ALTERNATIVE = 0.05
"""A slot's character below this probability is no alternative worth trying."""

_CLIMBS = 4
_MAX_FUSED = 48


def fuse(readings: Sequence[PlateReading], *, temperature: float = 1.0) -> PlateConsensus | None:
    """What all readings of one vehicle say together.

    Each candidate text is scored under every reading's slot posteriors by the best alignment
    (dynamic programming: a character may be lost or extra at a cost), so that a reading that
    lacks one character still votes for the others. A reading's say is bounded from below
    (an outlier cannot veto) and weighted by its quality. Frames of one vehicle share their
    blur and light, so n readings count as far fewer independent ones (`INDEPENDENCE`). What
    the readings give to texts that are no candidate is kept as mass for something else;
    hypotheses therefore sum to less than 1.

    Args:
        readings: of one vehicle, any order; all of one reader. Beyond 48 the weakest are
            left out.
        temperature: divides the log scores, above 0; above 1 makes the result less sure.

    Returns:
        Up to `MAX_HYPOTHESES` hypotheses, or None if no reading holds a character.

    Raises:
        ValueError: the temperature is not positive, or the readings' alphabets differ.
    """
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    if not readings:
        return None
    if len({(r.alphabet, r.pad, r.slots.shape) for r in readings}) > 1:
        raise ValueError("readings of different readers cannot be fused")
    # By their own bytes where equally strong: sums would round differently in another order.
    strongest = sorted(
        readings, key=lambda r: (-r.quality * r.legibility, r.quality, r.slots.tobytes())
    )[:_MAX_FUSED]
    panel = _Panel.of(strongest)
    scores = panel.climb()
    scores.pop((), None)
    if not scores:
        return None
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    logs = np.array(
        [*(score for _, score in ranked), panel.something_else(list(scores), ranked[0][1])]
    )
    logs = (logs - logs.max()) / temperature
    shares = np.exp(logs) / np.exp(logs).sum()
    alphabet = readings[0].alphabet
    hypotheses = tuple(
        Hypothesis(PlateText("".join(alphabet[i] for i in text)), float(share))
        for (text, _), share in zip(ranked[:MAX_HYPOTHESES], shares, strict=False)
    )
    return PlateConsensus(hypotheses, len(readings), _region(strongest))


def _region(readings: Sequence[PlateReading]) -> str | None:
    """The country that more than half of the weighted votes name, if any."""
    votes: dict[str | None, float] = {}
    for reading in readings:
        weight = reading.quality * (reading.region_probability if reading.region else 1.0)
        votes[reading.region] = votes.get(reading.region, 0.0) + weight
    best = max(votes, key=lambda region: votes[region])
    return best if votes[best] > sum(votes.values()) / 2 else None


@dataclass(frozen=True, slots=True)
class _Panel:
    """The readings side by side. Texts are tuples of alphabet indices without padding.

    `raw` (readings, slots, alphabet) holds the posteriors as read, `logs` their smoothed
    logarithms, `weights` (readings,) the say of each; `best_quality` is the best view's.
    """

    logs: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    best_quality: float
    pad: int

    @classmethod
    def of(cls, readings: Sequence[PlateReading]) -> _Panel:
        raw = np.stack([r.slots for r in readings]).astype(np.float64)
        raw = np.clip(raw, 0, None)
        raw /= np.maximum(raw.sum(axis=2, keepdims=True), 1e-12)
        smooth = (1 - SMOOTHING) * raw + SMOOTHING / raw.shape[2]
        quality = np.array([r.quality for r in readings], dtype=np.float64)
        independent = (quality.sum() ** 2 / (quality**2).sum()) ** INDEPENDENCE
        return cls(
            logs=np.log(smooth),
            raw=raw,
            weights=quality / quality.sum() * independent,
            best_quality=float(min(1.0, quality.max())),
            pad=readings[0].alphabet.index(readings[0].pad),
        )

    def climb(self) -> dict[tuple[int, ...], float]:
        """Scores of the readings' own texts and of the neighbours of the best ones."""
        texts = {text_of(slots, self.pad) for slots in self.raw}
        scores = self.scores(sorted(texts))
        for _ in range(_CLIMBS):
            best = sorted(scores, key=lambda text: -scores[text])[:2]
            fresh = {n for text in best for n in self._neighbours(text)} - scores.keys()
            if not fresh:
                break
            before = scores[best[0]]
            scores.update(self.scores(sorted(fresh)))
            if max(scores.values()) <= before:
                break
        return scores

    def _neighbours(self, text: tuple[int, ...]) -> set[tuple[int, ...]]:
        """Texts one slot away that some reading gives a reason for.

        Other lengths come from the readings' own texts; here only the last character may
        come or go, so that no mass is spread over insertions that nobody has seen.
        """
        slots = self.raw.shape[1]
        likely = self.raw.max(axis=0) > _ALTERNATIVE
        choices = [set(np.flatnonzero(likely[s]).tolist()) for s in range(slots)]
        found: set[tuple[int, ...]] = set()
        for at in range(min(len(text), slots)):
            around = set().union(*choices[max(0, at - 1) : at + 2]) - {self.pad}
            found.update((*text[:at], c, *text[at + 1 :]) for c in around)
        if len(text) < min(slots, MAX_LENGTH):
            found.update((*text, c) for c in choices[len(text)] - {self.pad})
        if 1 < len(text) <= slots and self.pad in choices[len(text) - 1]:
            found.add(text[:-1])
        return found - {text}

    def scores(self, texts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
        """Weighted log score of each text over all readings."""
        if not texts:
            return {}
        aligned = np.logaddexp(align(self.logs, texts, self.pad), OUTLIER)
        return dict(zip(texts, (aligned @ self.weights).tolist(), strict=True))

    def something_else(self, texts: Sequence[tuple[int, ...]], best: float) -> float:
        """The score of all texts that are no candidate together.

        Without lost or extra characters the score of a text is a product over slots, so the
        sum over all texts is a product of sums; what the candidates have of it is taken off.
        `UNKNOWN` is for what no reading can tell, and more where even the best view is poor.
        """
        slots = self.logs.shape[1]
        fused = np.einsum("r,rsa->sa", self.weights, self.logs)
        everything = float(np.log(np.exp(fused).sum(axis=1)).sum())
        fitting = [text for text in texts if len(text) <= slots]
        padded = np.array([[*text, *[self.pad] * (slots - len(text))] for text in fitting])
        candidates = fused[np.arange(slots), padded].sum(axis=1)
        left = 1 - min(1.0, float(np.exp(candidates - everything).sum()))
        doubt = UNKNOWN + (1 - self.best_quality) ** 4 / 2
        return float(np.logaddexp(everything + math.log(left + 1e-12), best + math.log(doubt)))


def text_of(slots: npt.NDArray[np.floating], pad: int) -> tuple[int, ...]:
    """The most probable character of each slot, padding taken out, as alphabet indices."""
    return tuple(int(c) for c in slots.argmax(axis=1) if c != pad)[:MAX_LENGTH]


def align(
    logs: npt.NDArray[np.float64], texts: Sequence[tuple[int, ...]], pad: int
) -> npt.NDArray[np.float64]:
    """Log probability of each text under each reading, by the best alignment.

    Args:
        logs: (readings, slots, alphabet), log probabilities.
        texts: alphabet indices, without padding.
        pad: index of the padding.

    Returns:
        (texts, readings). Needleman and Wunsch's recursion (1970) over characters and slots:
        a character meets a slot, is lost, or a slot is extra; the slots left over at the end
        must be padding.
    """
    readings, slots, _ = logs.shape
    longest = max(len(text) for text in texts)
    tail = np.zeros((readings, slots + 1))
    tail[:, :slots] = np.cumsum(logs[:, ::-1, pad], axis=1)[:, ::-1]
    with np.errstate(divide="ignore"):
        extra = EXTRA_CHARACTER + np.log1p(-np.minimum(np.exp(logs[:, :, pad]), 1 - 1e-9))
    characters = np.array([[*t, *[0] * (longest - len(t))] for t in texts], dtype=np.intp)
    lengths = np.array([len(t) for t in texts])
    column = np.full((len(texts), readings, slots + 1), -np.inf)
    column[:, :, 0] = 0.0
    for slot in range(slots):
        column[:, :, slot + 1] = column[:, :, slot] + extra[:, slot]
    result = np.full((len(texts), readings), -np.inf)
    for position in range(longest + 1):
        done = lengths == position
        if done.any():
            result[done] = (column[done] + tail).max(axis=2)
        if position == longest:
            break
        meets = logs[:, :, characters[:, position]].transpose(2, 0, 1)  # texts, readings, slots
        following = column + LOST_CHARACTER
        following[:, :, 1:] = np.maximum(following[:, :, 1:], column[:, :, :-1] + meets)
        for slot in range(slots):
            following[:, :, slot + 1] = np.maximum(
                following[:, :, slot + 1], following[:, :, slot] + extra[:, slot]
            )
        column = following
    return result
