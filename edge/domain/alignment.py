"""How well texts fit what a reader saw: the best alignment of characters with slots."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LOG_MISSING_CHARACTER = math.log(0.02)
"""Log-likelihood of a reading that lacks one character of the plate."""

LOG_EXTRA_CHARACTER = math.log(0.004)
"""Log-likelihood of one character too many. Readers merge or crop characters far more often than
they add one."""


class Alignment:
    """Scores texts under several readings of one plate, by the best alignment.

    This is the recursion of Needleman and Wunsch (1970) over characters and slots: a character
    matches a slot, a character is missing, or a slot is extra. The slots that are left at the end
    must be padding.

    Args:
        logs: log posteriors, shape (readings, slots, alphabet).
        pad: alphabet index of the padding.
    """

    def __init__(self, logs: Floats, pad: int) -> None:
        readings, slots, _ = logs.shape
        padding_after = np.zeros((slots + 1, readings))
        padding_after[:slots] = np.cumsum(logs[:, ::-1, pad], axis=1)[:, ::-1].T
        extra = LOG_EXTRA_CHARACTER + np.log1p(-np.minimum(np.exp(logs[:, :, pad]), 1 - 1e-9))
        # Scores are kept relative to a text whose slots so far are all extra. So the best number
        # of extra slots is a running maximum.
        all_extra = np.zeros((slots + 1, readings))
        np.cumsum(extra.T, axis=0, out=all_extra[1:])
        self._ends = all_extra + padding_after
        # Slots, characters, readings: numpy is fast where it reduces the first axis.
        self._gains = np.ascontiguousarray((logs - extra[:, :, None]).transpose(1, 2, 0))
        self._gains[:, pad] = -np.inf
        self._pad = pad

    def scores(self, texts: Sequence[tuple[int, ...]]) -> Floats:
        """Log-likelihood of each text under each reading.

        Args:
            texts: at least one; alphabet indices, without padding.

        Returns:
            Shape (texts, readings).
        """
        longest = max(map(len, texts))
        characters = np.array([[*t, *[0] * (longest - len(t))] for t in texts], dtype=np.intp)
        gains = self._gains[:, characters.T]  # slots, places, texts, readings
        states = _states(np.zeros((len(self._ends), len(texts), self._ends.shape[1])), gains)
        return np.stack(
            [(states[len(t)][:, at] + self._ends).max(axis=0) for at, t in enumerate(texts)]
        )

    def changed_scores(
        self, text: tuple[int, ...], places: Sequence[int], characters: Sequence[int]
    ) -> Floats:
        """Log-likelihood of texts that differ from one text in one character, under each reading.

        The part before the change and the part after it are aligned once for all of them.

        Args:
            text: alphabet indices, without padding.
            places: where each differs, 0 to `len(text)`; there a character is added at the end.
            characters: which character each has there; padding: none, so the text is shorter.

        Returns:
            Shape (places, readings).
        """
        gains = self._gains.take(np.asarray(text, dtype=np.intp), axis=1)
        # From the end of text and slots to their beginning the recursion is the same.
        both = np.stack([gains, gains[::-1, ::-1]], axis=2)
        end = np.maximum.accumulate(self._ends[::-1])
        start = np.stack([np.zeros_like(end), end], axis=1)
        states = np.stack(_states(start, both), axis=1)  # slots used, characters used, way, reading
        before, after = states[:, :, 0], states[::-1, ::-1, 1]
        following = after[:, np.minimum(np.arange(len(text) + 1) + 1, len(text))]
        at, changed = np.asarray(places, dtype=np.intp), np.asarray(characters, dtype=np.intp)
        matched = (before[:-1] + following[1:]).take(at, axis=1)
        matched += self._gains.take(changed, axis=1)
        without = (before + following).max(axis=0).take(at, axis=0)
        without += np.where(changed == self._pad, 0.0, LOG_MISSING_CHARACTER)[:, None]
        best: Floats = np.maximum(matched.max(axis=0), without)
        return best


def _states(start: Floats, gains: Floats) -> list[Floats]:
    """The best relative score with so many characters and so many slots used.

    Args:
        start: without a character, shape (slots + 1, ..., readings), never falling with the slots.
        gains: of each character at each slot, shape (slots, characters, ..., readings).

    Returns:
        One array for each number of characters, of the shape of `start`.
    """
    states = [start]
    for gain in gains.swapaxes(0, 1):
        state = states[-1] + LOG_MISSING_CHARACTER
        np.maximum(state[1:], states[-1][:-1] + gain, out=state[1:])
        states.append(np.maximum.accumulate(state, axis=0, out=state))
    return states
