"""OCR readings of a plate, and their fusion into one consensus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from edge.domain.alignment import Alignment
from edge.domain.plate_forms import fits, form_test, is_part, misreads, twin_odds
from edge.domain.plates import MAX_LENGTH, Hypothesis, PlateText

MAX_HYPOTHESES = 8
"""Largest number of hypotheses in a consensus."""


@dataclass(frozen=True, slots=True)
class PlateReading:
    """Slot posteriors of the reader for one patch.

    Attributes:
        slots: shape (slots, len(alphabet)), float32, each row sums to 1. A plate is left-aligned
            and filled up with `pad`.
        alphabet: the characters of the columns, with `pad` among them.
        pad: the padding character.
        quality: weight of this reading in the fusion, in (0, 1].
        region: the reader's country name, or None.
        region_probability: the reader's probability for that country, 0 to 1.
        hidden: probability that something hides a part of the plate, 0 to 1; `quality` is already
            reduced by it.
        legibility: the reader's confidence in its own text, 0 to 1: the geometric mean of the
            largest probability in each slot, up to and including the first padding. It is 0 when
            the reader found no character.
    """

    slots: npt.NDArray[np.float32] = field(repr=False, compare=False)
    alphabet: str
    pad: str
    quality: float
    region: str | None = None
    region_probability: float = 0.0
    hidden: float = 0.0
    legibility: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "legibility", self._legibility())

    def _legibility(self) -> float:
        best = self.slots.max(axis=1)
        is_pad = self.slots.argmax(axis=1) == self.alphabet.index(self.pad)
        if is_pad.all():
            return 0.0
        used = int(is_pad.argmax()) + 1 if is_pad.any() else len(best)
        return float(np.exp(np.log(np.maximum(best[:used], 1e-6)).mean()))


@dataclass(frozen=True, slots=True)
class PlateConsensus:
    """The fused reading of one vehicle.

    Attributes:
        hypotheses: at least one, most probable first.
        reads: number of readings that were given to the fusion.
        region: the country that more than half of the weighted votes name, or None.
        region_share: the share of that country in the weighted votes, 0 to 1.
        agreement: the posterior without the doubt that all readings share, 0 to 1; 0 if they share
            none. More readings of such views would not lessen that doubt.
    """

    hypotheses: tuple[Hypothesis, ...]
    reads: int
    region: str | None = None
    region_share: float = 0.0
    agreement: float = 0.0

    @property
    def best(self) -> Hypothesis:
        """The most probable hypothesis."""
        return self.hypotheses[0]

    @property
    def posterior(self) -> float:
        """The probability of the best hypothesis, 0 to 1."""
        return self.hypotheses[0].probability

    @property
    def margin(self) -> float:
        """Probability of the best hypothesis minus that of the next one, 0 to 1."""
        runner_up = self.hypotheses[1].probability if len(self.hypotheses) > 1 else 0.0
        return self.hypotheses[0].probability - runner_up

    @property
    def certain_region(self) -> str | None:
        """The country, if its share reaches `CERTAIN_REGION`; else None."""
        return self.region if self.region_share >= CERTAIN_REGION else None

    def doubted(self, odds: float) -> PlateConsensus:
        """The same with another plate, of an unknown text, at these odds against the best one."""
        share = 1 / (1 + odds * self.posterior)
        return replace(
            self,
            hypotheses=tuple(Hypothesis(h.text, h.probability * share) for h in self.hypotheses),
            agreement=self.agreement * share,
        )

    def no_surer_than(self, bound: float) -> PlateConsensus:
        """The same, with a posterior of at most this, above 0 and up to 1."""
        surplus = 1 / bound - 1 / self.posterior
        return replace(self.doubted(surplus), agreement=self.posterior) if surplus > 0 else self

    def twins(self, *, changed: bool = False) -> Iterator[PlateText]:
        """The plates for which every picture may have been taken, without the best hypothesis.

        More readings do not exclude them; only the form of a certain country does
        (`plate_forms.misreads`). They are computed at each call and never stored.

        Args:
            changed: whether also those with any one character in place of another.
        """
        text = self.best.text.reveal()
        return map(PlateText, misreads(text, self.certain_region, changed=changed))


# --- fusion -------------------------------------------------------------------------------

SMOOTHING = 0.005
"""Share of each slot's probability that is spread evenly, because networks are overconfident."""

LOG_OUTLIER = math.log(1e-5)
"""Lower bound of the log-likelihood of one reading: it may be of another plate."""

INDEPENDENCE_EXPONENT = 0.25
"""n readings count as n to this power, because frames of one vehicle share their blur and light.

Chosen together with `SMOOTHING` so that the posterior is calibrated on excerpts of 1, 4 and 24
frames of recorded vehicles."""

UNSEEN_TEXT_ODDS = 1e-3
"""Odds, against the best text, of a plate that no reading shows."""

CERTAIN_REGION = 0.85
"""Share of the weighted votes from which the country is certain."""

HIDDEN_ODDS = 0.5
"""Odds of another plate where something hides a part of the plate in every view: readers often give
a clear and wrong text then. In proportion less if only some views, or unclear ones, are hidden."""

FORMLESS_ODDS = 0.25
"""Odds of another plate where the best text has no form of its country: a part of the plate was
hidden or misread, or it is one of the few plates of a free form. In proportion less if only some of
the votes name a country without such a form; half of them bring the posterior below every floor
(`edge.policy.limits`)."""

WEAK_CHARACTER_ODDS = 0.25
"""Largest odds of another plate because of one weak character: the consensus is no surer than its
readings are, on average, of their weakest character. Blur is the same in all frames of a vehicle,
so what they doubt together does not become sure by counting them."""

PART_ODDS = 0.15
"""Odds of another plate where the country is not certain and the best text may be a part of a
plate: without its band and its first character, a Belgian plate has the form of a Finnish one. The
posterior stays below every floor. A reader that names no country says nothing about this."""

FORM_ESCAPE = 0.1
"""How probable a text without a form of its country is against one with a form, other things equal:
plates of the owner's choice, rare series, and countries that were read wrongly. Learnt on labelled
plates, see docs/accuracy.md."""

_MIN_ALTERNATIVE = 0.05
"""Smallest slot probability at which another character is tried."""

_MAX_CLIMB_STEPS = 4
_MAX_FUSED = 48


def fuse(
    readings: Sequence[PlateReading], *, form_escape: float = FORM_ESCAPE
) -> PlateConsensus | None:
    """Fuse all readings of one vehicle into a consensus.

    Each candidate text is scored under the slot posteriors of every reading, by the best alignment
    (dynamic programming; a missing or extra character has a cost). A reading that lacks one
    character thus still supports the others. The log-likelihood of a reading is bounded from below,
    so an outlier has no veto, and is weighted by the reading's quality. Frames of one vehicle are
    not independent, so n readings count as far fewer (`INDEPENDENCE_EXPONENT`). Errors that repeat
    in every frame do not vanish with more frames: a twin of the best text keeps its odds
    (`plate_forms.twin_odds`). Candidates with a form of their country are more probable than others
    (`form_prior`). The probability of texts that are not candidates is kept, so the
    hypotheses sum to less than 1.

    Args:
        readings: of one vehicle and one reader, in any order. Only the best 48 are used.
        form_escape: how probable a text without a form of its country is, against one with a
            form; 1 takes the forms out of the choice of the best candidate.

    Returns:
        Up to `MAX_HYPOTHESES` hypotheses, or None if no reading has a character.

    Raises:
        ValueError: `form_escape` is not positive, or the readings come from different readers.
    """
    if form_escape <= 0:
        raise ValueError("form_escape must be above 0")
    if not readings:
        return None
    if len({(r.alphabet, r.pad, r.slots.shape) for r in readings}) > 1:
        raise ValueError(
            "readings of different readers (alphabet, padding or shape) cannot be fused"
        )
    # Ties are sorted by content, so the result does not depend on the order of the readings.
    strongest = sorted(
        readings, key=lambda r: (-r.quality * r.legibility, r.quality, r.slots.tobytes())
    )[:_MAX_FUSED]
    scorer = _TextScorer.from_readings(strongest)
    scores = scorer.hill_climb()
    scores.pop((), None)
    if not scores:
        return None
    character = readings[0].alphabet.__getitem__
    votes = _votes(strongest)
    spelled = {text: "".join(map(character, text)) for text in scores}
    priors = _form_priors(list(spelled.values()), votes, form_escape)
    for text, prior in zip(spelled, priors, strict=True):
        scores[text] += math.log(prior)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    logs = np.array(
        [*(score for _, score in ranked), scorer.other_texts_score(list(scores), ranked[0][1])]
    )
    *odds, other_odds = (float(one) for one in np.exp(logs - logs.max()))
    texts = (spelled[text] for text, _ in ranked)
    region, share = _region(votes)
    certain = region if share >= CERTAIN_REGION else None
    hidden = float(
        np.average([r.hidden for r in strongest], weights=[r.quality for r in strongest])
    )
    other_odds += hidden * HIDDEN_ODDS * odds[0]
    consensus = PlateConsensus(
        _hypotheses(dict(zip(texts, odds, strict=True)), other_odds, certain, votes),
        len(readings),
        region,
        share,
    )
    weakest = _weakest_character(ranked[0][0], strongest)
    return consensus.no_surer_than(max(weakest, 1 / (1 + WEAK_CHARACTER_ODDS)))


def _weakest_character(text: tuple[int, ...], readings: Sequence[PlateReading]) -> float:
    """The least probability of a character of a text, on average over the readings, above 0.

    Readings of another number of characters are left out, because their characters stand elsewhere.
    If all are, it is 1.

    Args:
        text: indices of the alphabet.
        readings: at least one, of one reader.
    """
    pad = readings[0].alphabet.index(readings[0].pad)
    alike = [r for r in readings if int((r.slots.argmax(axis=1) != pad).sum()) == len(text)]
    # By the fourth power, since a clear view says more of a character than several unclear ones.
    weights = [(r.quality * r.legibility) ** 4 for r in alike]
    if not sum(weights):
        return 1.0
    shares = [r.slots[np.arange(len(text)), text] for r in alike]
    return max(1e-6, float(np.average(shares, axis=0, weights=weights).min()))


def form_prior(text: str, votes: Mapping[str | None, float], escape: float = FORM_ESCAPE) -> float:
    """How probable a text is before it is read, from 0 (excluded) to 1, by the country's forms.

    A text without a form of a country is not excluded, only less probable (`escape`). Where
    the country is unknown, or its forms are, all texts are equally probable.

    Args:
        text: capitals and digits without separators.
        votes: the share of each country in the votes; they may sum to less than 1.
        escape: the probability of a text without a form, against one with a form, above 0.
    """
    return _form_priors([text], votes, escape)[0]


def _form_priors(
    texts: Sequence[str], votes: Mapping[str | None, float], escape: float
) -> list[float]:
    """See `form_prior`; each country is looked up once for all texts."""
    misfits = [0.0] * len(texts)
    for region, share in votes.items():
        test = form_test(region)
        if test is not None:
            misfits = [
                misfit if test(text) else misfit + share
                for text, misfit in zip(texts, misfits, strict=True)
            ]
    lost = 1 - escape
    return [1 - lost * min(1.0, misfit) for misfit in misfits]


def _hypotheses(
    odds: dict[str, float],
    other_odds: float,
    region: str | None,
    votes: Mapping[str | None, float],
) -> tuple[Hypothesis, ...]:
    """The most probable texts, where the twins of the best one keep their odds against it.

    Args:
        odds: of each candidate text, the best first; need not be normalised.
        other_odds: of all other texts together, in the same unit.
        region: the country, if it is certain.
        votes: the share of each country in the votes.
    """
    best = next(iter(odds))
    for twin, kept in twin_odds(best, region).items():
        odds[twin] = max(odds.get(twin, 0.0), kept * odds[best])
    formless = sum(share for voted, share in votes.items() if fits(best, voted) is False)
    other_odds = max(other_odds, FORMLESS_ODDS * formless * odds[best])
    if region is None and any(voted is not None for voted in votes) and is_part(best):
        other_odds = max(other_odds, PART_ODDS * odds[best])
    total = sum(odds.values()) + other_odds
    ranked = sorted(odds.items(), key=lambda item: -item[1])[:MAX_HYPOTHESES]
    return tuple(Hypothesis(PlateText(text), value / total) for text, value in ranked)


def _votes(readings: Sequence[PlateReading]) -> dict[str | None, float]:
    """The share of each country in the weighted votes of the readings.

    What a reading leaves to other countries is no vote, so the shares may sum to less than 1.
    """
    votes: dict[str | None, float] = {}
    for reading in readings:
        weight = reading.quality * (reading.region_probability if reading.region else 1.0)
        votes[reading.region] = votes.get(reading.region, 0.0) + weight
    total = sum(reading.quality for reading in readings)
    return {region: weight / total for region, weight in votes.items()}


def _region(votes: Mapping[str | None, float]) -> tuple[str | None, float]:
    """The country that more than half of the votes name, or None, and its share."""
    best = max(votes, key=lambda region: votes[region])
    if best is None or votes[best] <= sum(votes.values()) / 2:
        return None, 0.0
    return best, votes[best]


@dataclass(frozen=True, slots=True)
class _TextScorer:
    """Scores candidate texts under all readings. A text is a tuple of alphabet indices, unpadded.

    Attributes:
        logs: smoothed log posteriors, shape (readings, slots, alphabet).
        raw: posteriors as read, the same shape.
        weights: weight of each reading, shape (readings,).
        best_quality: the largest quality among the readings.
        pad: alphabet index of the padding.
    """

    logs: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    best_quality: float
    pad: int

    @classmethod
    def from_readings(cls, readings: Sequence[PlateReading]) -> _TextScorer:
        """Normalise, smooth and weight the readings."""
        raw = np.stack([r.slots for r in readings]).astype(np.float64)
        raw = np.clip(raw, 0, None)
        raw /= np.maximum(raw.sum(axis=2, keepdims=True), 1e-12)
        smooth = (1 - SMOOTHING) * raw + SMOOTHING / raw.shape[2]
        quality = np.array([r.quality for r in readings], dtype=np.float64)
        independent = (quality.sum() ** 2 / (quality**2).sum()) ** INDEPENDENCE_EXPONENT
        return cls(
            logs=np.log(smooth),
            raw=raw,
            weights=quality / quality.sum() * independent,
            best_quality=float(min(1.0, quality.max())),
            pad=readings[0].alphabet.index(readings[0].pad),
        )

    def hill_climb(self) -> dict[tuple[int, ...], float]:
        """Scores of the readings' own texts and, by hill climbing, of the best ones' neighbours."""
        best = self.raw.argmax(axis=2).tolist()
        texts = sorted({_unpadded(characters, self.pad) for characters in best})
        aligned = Alignment(self.logs, self.pad)
        scores = dict(zip(texts, self._weighted(aligned.scores(texts)), strict=True))
        climbed: set[tuple[int, ...]] = set()
        for _ in range(_MAX_CLIMB_STEPS):
            best = sorted(scores, key=lambda text: -scores[text])[:2]
            found: dict[tuple[int, ...], float] = {}
            for text in best:
                if text not in climbed:
                    found.update(self._neighbours(text, aligned))
            climbed.update(best)
            new = sorted(item for item in found.items() if item[0] not in scores)
            if not new:
                break
            before = scores[best[0]]
            scores.update(new)
            if max(scores.values()) <= before:
                break
        return scores

    def _neighbours(
        self, text: tuple[int, ...], aligned: Alignment
    ) -> dict[tuple[int, ...], float]:
        """Scores of the texts that differ in one slot, with a character that some reading supports.

        Texts of another length come from the readings themselves. Here only the last character is
        added or removed, so that no probability goes to insertions that no reading shows.
        """
        slots = self.raw.shape[1]
        likely = self.raw.max(axis=0) > _MIN_ALTERNATIVE
        nearby = likely.copy()
        nearby[1:] |= likely[:-1]
        nearby[:-1] |= likely[1:]
        nearby = nearby[: len(text)]
        nearby[range(len(nearby)), text[:slots]] = False
        if len(text) < min(slots, MAX_LENGTH):
            nearby = np.concatenate([nearby, likely[len(text) : len(text) + 1]])
        nearby[:, self.pad] = False
        if len(text) > 1:
            nearby[len(text) - 1, self.pad] = likely[len(text) - 1, self.pad]
        places, characters = (found.tolist() for found in nearby.nonzero())
        changed = (
            (*text[:at], character, *text[at + 1 :]) if character != self.pad else text[:at]
            for at, character in zip(places, characters, strict=True)
        )
        scores = self._weighted(aligned.changed_scores(text, places, characters))
        return dict(zip(changed, scores, strict=True))

    def _weighted(self, aligned: npt.NDArray[np.float64]) -> list[float]:
        """Weighted log score of each text over all readings.

        Args:
            aligned: log-likelihoods, shape (texts, readings).
        """
        weighted: list[float] = (np.logaddexp(aligned, LOG_OUTLIER) @ self.weights).tolist()
        return weighted

    def other_texts_score(self, texts: Sequence[tuple[int, ...]], best: float) -> float:
        """Log score of all texts that are not candidates, taken together.

        Without missing or extra characters the score of a text is a product over slots. The sum
        over all texts is therefore a product of sums; the share of the candidates is subtracted.
        `UNSEEN_TEXT_ODDS` stands for plates that no reading shows; the odds are larger when even
        the best view is poor.
        """
        slots = self.logs.shape[1]
        fused = np.einsum("r,rsa->sa", self.weights, self.logs)
        log_total = float(np.log(np.exp(fused).sum(axis=1)).sum())
        comparable = [text for text in texts if len(text) <= slots]
        padding = (self.pad,) * slots
        padded = chain.from_iterable((text + padding)[:slots] for text in comparable)
        columns = np.fromiter(padded, np.intp, slots * len(comparable)).reshape(-1, slots)
        candidates = fused[np.arange(slots), columns].sum(axis=1)
        remainder = 1 - min(1.0, float(np.exp(candidates - log_total).sum()))
        unseen_odds = UNSEEN_TEXT_ODDS + (1 - self.best_quality) ** 4 / 2
        return float(
            np.logaddexp(log_total + math.log(remainder + 1e-12), best + math.log(unseen_odds))
        )


def most_probable_text(slots: npt.NDArray[np.floating], pad: int) -> tuple[int, ...]:
    """The most probable character of each slot without padding, as alphabet indices."""
    return _unpadded(slots.argmax(axis=1).tolist(), pad)


def _unpadded(characters: Sequence[int], pad: int) -> tuple[int, ...]:
    return tuple([c for c in characters if c != pad])[:MAX_LENGTH]
