"""Texts are scored under readings as by a plain recursion, however the scores are computed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.alignment import (
    LOG_EXTRA_CHARACTER,
    LOG_MISSING_CHARACTER,
    Alignment,
    Floats,
)

CHARACTERS, PAD = 5, 4
"""A small alphabet makes texts that repeat characters, and so many alignments that compete."""

Text = tuple[int, ...]
texts = st.lists(st.integers(0, PAD - 1), max_size=8).map(tuple)


def plainly(logs: Floats, text: Text) -> float:
    """The score of a text under one reading, one alignment step at a time.

    Args:
        logs: log posteriors, shape (slots, alphabet).
        text: alphabet indices.
    """
    slots = len(logs)
    extra = LOG_EXTRA_CHARACTER + np.log1p(-np.minimum(np.exp(logs[:, PAD]), 1 - 1e-9))

    @cache
    def best(at: int, slot: int) -> float:
        left = len(text) - at
        ways = [-np.inf]
        if not left:
            ways.append(float(logs[slot:, PAD].sum()))
        else:
            ways.append(LOG_MISSING_CHARACTER + best(at + 1, slot))
        if slot < slots:
            ways.append(float(extra[slot]) + best(at, slot + 1))
            if left:
                ways.append(float(logs[slot, text[at]]) + best(at + 1, slot + 1))
        return max(ways)

    return best(0, 0)


@st.composite
def log_posteriors(draw: st.DrawFn) -> Floats:
    """Of one to three readings with one to seven slots; some slots are clear, some are not."""
    readings, slots = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clear = draw(st.sampled_from([0.05, 1.0]))
    shares = random.dirichlet(np.full(CHARACTERS, clear), (readings, slots))
    return np.asarray(np.log(0.995 * shares + 0.001))


@given(log_posteriors(), st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=100)
def test_texts_are_scored_as_by_a_plain_recursion(logs: Floats, some: list[Text]) -> None:
    expected = [[plainly(reading, text) for reading in logs] for text in some]

    assert Alignment(logs, PAD).scores(some) == pytest.approx(np.array(expected), abs=1e-9)


@given(log_posteriors(), texts)
@settings(max_examples=100)
def test_changed_texts_are_scored_as_if_each_was_aligned_anew(logs: Floats, text: Text) -> None:
    places = [at for at in range(len(text) + 1) for _ in range(CHARACTERS)]
    characters = [*range(CHARACTERS)] * (len(text) + 1)
    changed = [
        (*text[:at], *([one] if one != PAD else []), *text[at + 1 :])
        for at, one in zip(places, characters, strict=True)
    ]
    aligned = Alignment(logs, PAD)

    found = aligned.changed_scores(text, places, characters)

    assert found == pytest.approx(aligned.scores(changed), abs=1e-9)
