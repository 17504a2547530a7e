"""Fusion: what many readings of one vehicle say together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET
from edge.domain.reading import MAX_HYPOTHESES, PlateConsensus, PlateReading, fuse
from tests.support.fakes import noise_reading, reading_of

texts = st.text(alphabet=ALPHABET, min_size=1, max_size=10)


def fused(*readings: PlateReading, temperature: float = 1.0) -> PlateConsensus:
    consensus = fuse(readings, temperature=temperature)
    assert consensus is not None
    return consensus


def best(*readings: PlateReading) -> str:
    return fused(*readings).best.text.reveal()


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        (["1ABC123"], "1ABC123"),
        (["1ABC123", "1ABC123", "1A8C123"], "1ABC123"),
        (["MA4844CC"] * 4 + ["MA4844C"] * 5, "MA4844CC"),
        (["1ABC123"] * 3 + ["ABC123"] * 3, "1ABC123"),
        (["1ABC123"] * 4 + ["11ABC123"] * 2, "1ABC123"),
        (["1ABC123"] * 4 + ["1ABCL123"] * 2, "1ABC123"),
        (["1ABC123"] * 4 + ["9XYZ876"], "1ABC123"),
        # Each frame loses another character or mistakes one: no text has a majority.
        (["ABC123", "1BC123", "1ABC12", "1A8C123", "1ABCI23", "1ABC123"], "1ABC123"),
    ],
    ids=["one", "misread", "lost last, in most frames", "lost first", "doubled", "invented",
         "outlier", "all different"],
)  # fmt: skip
def test_the_plate_is_read_though_frames_disagree(said: list[str], truth: str) -> None:
    assert best(*(reading_of(text) for text in said)) == truth


def test_a_majority_of_strings_would_lose_the_last_character() -> None:
    """Most frames lean to seven characters, yet none excludes the eighth."""
    lean = reading_of("MA4844C", doubts={7: {"_": 0.55, "C": 0.4}})
    clear = reading_of("MA4844CC")

    assert best(lean, lean, lean, lean, lean, clear, clear) == "MA4844CC"


def test_one_reading_is_believed_as_far_as_it_believes_itself() -> None:
    unsure = reading_of("1ABC123", sure=1.0, doubts={2: {"B": 0.7, "8": 0.3}})

    consensus = fused(unsure)

    assert consensus.posterior == pytest.approx(0.7, abs=0.05)
    assert consensus.hypotheses[1].text.reveal() == "1A8C123"
    assert consensus.margin == pytest.approx(0.4, abs=0.07)


def test_a_character_that_all_frames_leave_open_stays_open() -> None:
    consensus = fused(*[reading_of("1ABC123", doubts={2: {"B": 0.5, "8": 0.49}})] * 20)

    assert consensus.posterior < 0.7
    assert consensus.margin < 0.4


def test_an_outlier_has_no_veto_over_a_doubtful_character() -> None:
    """It is of another plate, so that its eight where the others saw a B says nothing."""
    doubtful = reading_of("1ABC123", doubts={2: {"B": 0.7, "8": 0.3}})

    assert best(*[doubtful] * 5, reading_of("9X8YZ76")) == "1ABC123"


def test_the_same_doubt_in_every_frame_remains_a_doubt() -> None:
    doubtful = reading_of("1ABC123", doubts={2: {"B": 0.7, "8": 0.3}})

    assert 0.7 < fused(*[doubtful] * 24).posterior < 0.95


def test_a_good_view_outweighs_two_poor_ones() -> None:
    poor = reading_of("1ABC128", quality=0.15, doubts={6: {"8": 0.6, "3": 0.35}})

    assert best(poor, poor, reading_of("1ABC123", quality=1.0)) == "1ABC123"


def test_poor_views_alone_never_make_a_sure_consensus() -> None:
    cropped = [reading_of("1ABC", quality=0.08)] * 30

    assert fused(*cropped).posterior < 0.8


def test_noise_makes_no_sure_consensus() -> None:
    assert fused(*(noise_reading(seed) for seed in range(20))).posterior < 0.3


def test_many_equal_frames_never_make_certainty() -> None:
    consensus = fused(*[reading_of("1ABC123")] * 200)

    assert 0.98 < consensus.posterior < 1
    assert consensus.reads == 200


def test_a_vehicle_without_one_character_has_no_consensus() -> None:
    assert fuse([]) is None
    assert fuse([reading_of(""), reading_of("")]) is None


def test_the_region_is_what_most_of_the_weight_says() -> None:
    belgian = reading_of("1ABC123", region="Belgium")
    french = reading_of("1ABC123", region="France")

    assert fused(belgian, belgian, french).region == "Belgium"
    assert fused(belgian, french).region is None
    assert fused(reading_of("1ABC123")).region is None


def test_readings_of_different_readers_are_refused() -> None:
    other = replace(reading_of("1ABC123"), slots=reading_of("1ABC123").slots[:9])

    with pytest.raises(ValueError, match="different readers"):
        fuse([reading_of("1ABC123"), other])


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        fuse([reading_of("1ABC123")], temperature=temperature)


@given(texts, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_clear_readings_of_any_text_give_that_text(text: str, frames: int) -> None:
    assert best(*[reading_of(text)] * frames) == text


@given(st.lists(st.builds(reading_of, texts, sure=st.floats(0.3, 0.99)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_hypotheses_are_ranked_distinct_probabilities_in_any_order_of_frames(
    readings: list[PlateReading],
) -> None:
    consensus = fused(*readings)
    probabilities = [h.probability for h in consensus.hypotheses]

    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= p <= 1 for p in probabilities)
    assert sum(probabilities) <= 1 + 1e-9
    assert 1 <= len(probabilities) <= MAX_HYPOTHESES
    assert len({h.text for h in consensus.hypotheses}) == len(probabilities)
    backwards = fused(*reversed(readings))
    assert backwards.posterior == pytest.approx(consensus.posterior, abs=1e-6)


@given(texts, st.floats(0.4, 0.95), st.floats(1.1, 4.0))
@settings(max_examples=40, deadline=None)
def test_a_higher_temperature_is_never_surer(text: str, sure: float, temperature: float) -> None:
    reading = reading_of(text, sure=sure)
    cold = fused(reading)
    if cold.posterior < 0.5:  # flattening may raise what is below its even share
        return

    assert fused(reading, temperature=temperature).posterior <= cold.posterior + 1e-9


@given(texts, st.floats(0.8, 0.99))
@settings(max_examples=40, deadline=None)
def test_agreement_is_never_less_sure_than_one_frame(text: str, sure: float) -> None:
    one = fused(reading_of(text, sure=sure)).posterior
    many = fused(*[reading_of(text, sure=sure)] * 9).posterior

    assert many >= one - 1e-9


@pytest.mark.parametrize(
    ("reading", "low", "high"),
    [
        (reading_of("1ABC123", sure=1.0), 0.999, 1.0),
        (reading_of("1ABC123", sure=0.5), 0.49, 0.51),
        (reading_of("", sure=1.0), 0.0, 0.0),
        (noise_reading(1), 0.0, 0.6),
    ],
    ids=["clear", "half sure", "blank", "noise"],
)
def test_legibility_is_how_sure_the_reader_is(
    reading: PlateReading, low: float, high: float
) -> None:
    assert low <= reading.legibility <= high
    assert math.isfinite(reading.legibility)
