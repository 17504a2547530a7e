"""Fusion of several readings of one vehicle into a consensus."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET, PlateText
from edge.domain.reading import MAX_HYPOTHESES, PlateConsensus, PlateReading, fuse
from edge.policy.limits import LIMITS
from tests.support.fakes import noise_reading, reading_of

texts = st.text(alphabet=ALPHABET, min_size=1, max_size=10)


def fused(*readings: PlateReading) -> PlateConsensus:
    consensus = fuse(readings)
    assert consensus is not None
    return consensus


def best(*readings: PlateReading) -> str:
    return fused(*readings).best.text.reveal()


@pytest.mark.parametrize(
    ("read", "truth"),
    [
        (["1ABC123"], "1ABC123"),
        (["1ABC123", "1ABC123", "1A8C123"], "1ABC123"),
        (["MA4844CC"] * 4 + ["MA4844C"] * 5, "MA4844CC"),
        (["1ABC123"] * 3 + ["ABC123"] * 3, "1ABC123"),
        (["1ABC123"] * 4 + ["11ABC123"] * 2, "1ABC123"),
        (["1ABC123"] * 4 + ["1ABCL123"] * 2, "1ABC123"),
        (["1ABC123"] * 4 + ["9XYZ876"], "1ABC123"),
        # Each frame misses or misreads another character: no text has a majority.
        (["ABC123", "1BC123", "1ABC12", "1A8C123", "1ABCI23", "1ABC123"], "1ABC123"),
    ],
    ids=["one", "misread", "last missing in most frames", "first missing", "doubled", "inserted",
         "outlier", "all different"],
)  # fmt: skip
def test_the_plate_is_fused_from_readings_that_disagree(read: list[str], truth: str) -> None:
    assert best(*(reading_of(text) for text in read)) == truth


def test_slot_posteriors_recover_a_character_that_a_majority_vote_loses() -> None:
    """Most frames read seven characters, but none of them excludes the eighth."""
    lean = reading_of("MA4844C", doubts={7: {"_": 0.55, "C": 0.4}})
    clear = reading_of("MA4844CC")

    assert best(lean, lean, lean, lean, lean, clear, clear) == "MA4844CC"


def test_the_posterior_of_one_reading_is_the_readers_own_probability() -> None:
    unsure = reading_of("1ABC123", sure=1.0, doubts={2: {"B": 0.7, "8": 0.3}})

    consensus = fused(unsure)

    assert consensus.posterior == pytest.approx(0.7, abs=0.05)
    assert consensus.hypotheses[1].text.reveal() == "1A8C123"
    assert consensus.margin == pytest.approx(0.4, abs=0.07)


def test_a_character_ambiguous_in_every_frame_stays_ambiguous() -> None:
    consensus = fused(*[reading_of("1ABC123", doubts={2: {"B": 0.5, "8": 0.49}})] * 20)

    assert consensus.posterior < 0.7
    assert consensus.margin < 0.4


def test_an_outlier_does_not_decide_an_ambiguous_character() -> None:
    """The outlier shows another plate, so its 8 in the ambiguous slot is no evidence."""
    doubtful = reading_of("1ABC123", doubts={2: {"B": 0.7, "8": 0.3}})

    assert best(*[doubtful] * 5, reading_of("9X8YZ76")) == "1ABC123"


def test_the_same_ambiguity_in_every_frame_limits_the_posterior() -> None:
    doubtful = reading_of("1ABC123", doubts={2: {"B": 0.7, "8": 0.3}})

    assert 0.7 < fused(*[doubtful] * 24).posterior < 0.95


def test_a_good_view_outweighs_two_poor_ones() -> None:
    poor = reading_of("1ABC128", quality=0.15, doubts={6: {"8": 0.6, "3": 0.35}})

    assert best(poor, poor, reading_of("1ABC123", quality=1.0)) == "1ABC123"


def test_poor_views_alone_never_give_a_sure_consensus() -> None:
    cropped = [reading_of("1ABC", quality=0.08)] * 30

    assert fused(*cropped).posterior < 0.8


def test_noise_gives_no_sure_consensus() -> None:
    assert fused(*(noise_reading(seed) for seed in range(20))).posterior < 0.3


def test_many_equal_readings_never_give_posterior_one() -> None:
    consensus = fused(*[reading_of("1ABC123")] * 200)

    assert 0.97 < consensus.posterior < 1
    assert consensus.reads == 200


def test_readings_without_a_character_have_no_consensus() -> None:
    assert fuse([]) is None
    assert fuse([reading_of(""), reading_of("")]) is None


def test_the_region_needs_more_than_half_of_the_weighted_votes() -> None:
    belgian = reading_of("1ABC123", region="Belgium")
    french = reading_of("1ABC123", region="France")

    assert fused(belgian, belgian, french).region == "Belgium"
    assert fused(belgian, french).region is None
    assert fused(reading_of("1ABC123")).region is None


@pytest.mark.parametrize(
    ("read", "twin", "region"),
    [
        ("KA4120T", "KA412OT", "Croatia"),
        ("KA4120T", "KA412OT", None),
        ("LD6158G", "LD615BG", None),
        ("34YR336", "34VR336", None),
    ],
)
def test_p12_an_error_that_repeats_in_every_frame_does_not_vanish_with_more_frames(
    read: str, twin: str, region: str | None
) -> None:
    few, many = (fused(*[reading_of(read, region=region)] * frames) for frames in (4, 200))

    for consensus in (few, many):
        twins = set(consensus.twins())
        assert PlateText(twin) in twins
        assert consensus.best.text.reveal() == read
        assert consensus.posterior < 0.996
        kept = sum(one.probability for one in consensus.hypotheses if one.text in twins)
        assert kept / consensus.posterior > 0.003
    assert many.posterior - few.posterior < 0.01


def test_a_text_without_a_form_of_its_country_is_never_sure() -> None:
    formless = fused(*[reading_of("LD6158G", region="Serbia")] * 24)
    free = fused(*[reading_of("WANTED", region="Sweden")] * 24)
    whole = fused(*[reading_of("LD615BG", region="Serbia")] * 24)

    assert formless.posterior < 0.7
    assert free.posterior < 0.95
    assert whole.posterior > 0.98


@pytest.mark.parametrize("share", [0.29, 0.46, 0.75, 0.84])
@pytest.mark.parametrize("text", ["WNC846", "ETB392", "FHB264", "VAH574"])
def test_p12_what_may_be_a_part_of_a_plate_is_below_every_floor_if_the_country_is_not_certain(
    text: str, share: float
) -> None:
    # A Belgian plate without its band and its first character has the form of a Finnish one.
    reading = replace(reading_of(text, region="Finland"), region_probability=share)

    floor = min(limits.min_posterior for limits in LIMITS.values())

    assert fused(*[reading] * 24).posterior < floor


def test_what_may_be_a_part_of_a_plate_is_still_reported() -> None:
    # A posterior below one half counts as illegible, and such a vehicle would be lost.
    reading = replace(reading_of("HNL689", region="New Zealand", sure=0.9), region_probability=0.1)

    assert fused(*[reading] * 24).posterior > 0.7


def test_what_may_be_a_part_of_a_plate_is_sure_where_the_country_is_certain() -> None:
    reading = replace(reading_of("WNC846", region="Finland"), region_probability=0.95)

    assert fused(*[reading] * 24).posterior > 0.95


def test_what_is_longer_than_every_form_is_no_part_of_a_plate() -> None:
    reading = replace(reading_of("34A36837", region="Unknown"), region_probability=0.6)

    assert fused(*[reading] * 24).posterior > 0.95


@pytest.mark.parametrize("share", [0.55, 0.7, 0.84, 0.95])
@pytest.mark.parametrize("text", ["1FHB26", "1ETB39", "FHB26", "1AB2345"])
def test_p12_a_text_without_a_form_is_below_every_floor_even_if_its_country_is_not_certain(
    text: str, share: float
) -> None:
    """As where something in the colour of the plate hides its last character."""
    reading = replace(reading_of(text, region="Belgium"), region_probability=share)

    floor = min(limits.min_posterior for limits in LIMITS.values())

    assert fused(*[reading] * 24).posterior < floor


def test_a_form_of_a_certain_country_excludes_twins_and_keeps_the_posterior() -> None:
    belgian = fused(*[reading_of("1ABC123", region="Belgium")] * 24)
    unknown = fused(*[reading_of("1ABC123")] * 24)

    assert PlateText("1A8C123") not in set(belgian.twins())
    assert PlateText("1A8C123") in set(unknown.twins())
    assert belgian.posterior > 0.99 > unknown.posterior > 0.97


def test_a_country_that_the_reader_doubts_excludes_no_twin() -> None:
    doubtful = replace(reading_of("1ABC123", region="Belgium"), region_probability=0.6)

    consensus = fused(doubtful, doubtful)

    assert consensus.region == "Belgium"
    assert consensus.certain_region is None
    assert PlateText("1A8C123") in set(consensus.twins())


def test_readings_of_different_readers_are_refused() -> None:
    other = replace(reading_of("1ABC123"), slots=reading_of("1ABC123").slots[:9])

    with pytest.raises(ValueError, match="different readers"):
        fuse([reading_of("1ABC123"), other])


@given(texts, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_clear_readings_of_any_text_give_that_text(text: str, frames: int) -> None:
    assert best(*[reading_of(text)] * frames) == text


@given(st.lists(st.builds(reading_of, texts, sure=st.floats(0.3, 0.99)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_hypotheses_are_ranked_and_distinct_and_independent_of_the_order_of_readings(
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


@given(texts, st.floats(0.8, 0.99))
@settings(max_examples=40, deadline=None)
def test_agreeing_readings_never_lower_the_posterior(text: str, sure: float) -> None:
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
    ids=["clear", "uncertain", "blank", "noise"],
)
def test_legibility_is_the_readers_confidence(
    reading: PlateReading, low: float, high: float
) -> None:
    assert low <= reading.legibility <= high
    assert math.isfinite(reading.legibility)


@pytest.mark.parametrize("count", [1, 24])
def test_p12_a_part_that_is_hidden_in_every_view_leaves_the_clearest_text_in_doubt(
    count: int,
) -> None:
    clear = [reading_of("1ABC123", region="Belgium")] * count
    hidden = [replace(one, hidden=1.0) for one in clear]

    seen, behind = fuse(clear), fuse(hidden)

    assert seen is not None
    assert behind is not None
    assert behind.best.text == seen.best.text
    assert behind.posterior < min(one.min_posterior for one in LIMITS.values()) - 0.1
    assert seen.posterior > behind.posterior + 0.2


@pytest.mark.parametrize("count", [1, 6, 48])
def test_p12_a_character_that_all_views_doubt_a_little_is_not_made_sure_by_their_number(
    count: int,
) -> None:
    blurred = reading_of("1ABC123", doubts={2: {"B": 0.88, "R": 0.04, "E": 0.04, "P": 0.04}})

    assert fused(*[blurred] * count).posterior <= 0.88
    assert best(*[blurred] * count) == "1ABC123"


def test_clear_views_make_up_for_doubtful_ones() -> None:
    far = reading_of("1ABC123", quality=0.2, doubts={2: {"B": 0.6, "8": 0.35}})

    assert fused(*[far] * 6, *[reading_of("1ABC123")] * 6).posterior > 0.9
