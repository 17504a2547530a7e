"""Forms of number plates, and the texts for which a reader may take one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.plate_forms import (
    FORMS,
    MAX_VARIANTS,
    TWINS,
    fits,
    misreads,
    twin_odds,
    variants,
)
from edge.domain.plates import ALPHABET, MAX_LENGTH

texts = st.text(alphabet=ALPHABET, min_size=1, max_size=MAX_LENGTH)
regions = st.sampled_from([None, "Unknown", "Qatar", *FORMS])


@pytest.mark.parametrize(
    ("region", "fitting"),
    [
        ("Belgium", "1ABC123 2XYZ987 ABC123 123ABC QABC123 OABC123 TXAA123 CDAB123"),
        ("Netherlands", "XSNB23 23GSX6 99SZG5 63HKHD 1KLM23 AB123C A123BC ABC12D 1AB234"),
        ("Germany", "ACHL582 KRD6194 BA1 HHTX1608 BNTA358E SRKM131 MAB12H B0712"),
        ("France", "AB123CD GA417TZ WW123AB 1234AB56 123ABC2A"),
        ("United Kingdom", "LS15EBC V147JAR ABC123D 872ATA B72ATA W12PWD NIL1234"),
        ("Spain", "6380CCS MA4844CC B1234AB R1234BCD"),
        ("Italy", "DP989CC CM852DJ MI1A2345"),
        ("Austria", "I7859AM W12345A KU123AB WABC1"),
        ("Poland", "PK89752 GD9305V CSW23JH ZS6757G CG20172 WE1AC23 K1ABC"),
        ("Croatia", "KA412OT KA4120T ZG123A ZG1234AB"),
        ("Romania", "B123ABC TL03GOG B12ABC"),
        ("Serbia", "LD615BG BG1234AB"),
        ("Turkey", "34LAP898 06AEC833 34VR3360"),
        ("Hungary", "LAJ847 AAAB123"),
        ("Sweden", "GLJ121 ABC12D"),
        ("Czech Republic", "1A23456 4T64470 ABC1234 EL123AB"),
        ("Switzerland", "ZH123456 GE1"),
        ("Ukraine", "AA1234BB"),
    ],
)
def test_the_plates_of_a_country_have_its_forms(region: str, fitting: str) -> None:
    assert [text for text in fitting.split() if not fits(text, region)] == []


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("1A8C123", "Belgium"),
        ("I7859A8", "Austria"),
        ("62P8VT", "Netherlands"),
        ("AO123CD", "France"),
        ("LD6158G", "Serbia"),
        ("7K2", "Czech Republic"),
        ("8154", "Czech Republic"),
        ("LS15E8C", "United Kingdom"),
        ("TL03G0G", "Romania"),
        ("WIB123", "Poland"),
    ],
)
def test_a_text_with_a_letter_in_place_of_a_digit_or_a_missing_part_has_no_form(
    text: str, region: str
) -> None:
    assert fits(text, region) is False


def test_without_a_country_or_without_its_forms_nothing_is_known() -> None:
    assert fits("1ABC123", None) is None
    assert fits("1ABC123", "Unknown") is None
    assert fits("ABC1234", "United States") is None


@given(texts, regions)
def test_variants_differ_from_the_text_in_twins_only(text: str, region: str | None) -> None:
    found = list(variants(text, region))

    assert len(found) == len(set(found)) <= MAX_VARIANTS
    assert text not in found
    for variant in found:
        assert len(variant) == len(text)
        pairs = [(a, b) for a, b in zip(text, variant, strict=True) if a != b]
        assert all(any(a in group and b in group for group in TWINS) for a, b in pairs)


@given(texts, regions)
def test_a_variant_is_left_out_only_where_the_form_decides(text: str, region: str | None) -> None:
    everything = list(variants(text, None))
    kept = set(variants(text, region))
    if len(everything) == MAX_VARIANTS:
        return

    for variant in everything:
        decided = fits(text, region) is True and not fits(variant, region)
        assert (variant not in kept) == decided


@given(texts)
def test_whoever_is_a_variant_of_a_text_has_that_text_as_a_variant(text: str) -> None:
    if len(list(variants(text, None))) == MAX_VARIANTS:
        return
    for variant in itertools.islice(variants(text, None), 8):
        back = list(variants(variant, None))
        assert text in back or len(back) == MAX_VARIANTS


@pytest.mark.parametrize(
    ("true", "read", "region"),
    [
        ("KA412OT", "KA4120T", "Croatia"),
        ("KA412OT", "KA4120T", None),
        ("LD615BG", "LD6158G", "Serbia"),
        ("LD615BG", "LD6158G", None),
        ("SLT741W", "SLT74IW", "Unknown"),
        ("2581DX", "Z58IDX", None),
        ("0B1S5GZ", "O8I55G2", None),
    ],
)
def test_the_true_plate_is_a_variant_where_form_and_country_do_not_exclude_it(
    true: str, read: str, region: str | None
) -> None:
    assert true in list(variants(read, region))


def test_a_form_of_a_known_country_excludes_the_other_kind_of_character() -> None:
    assert "1A8C123" not in list(variants("1ABC123", "Belgium"))
    assert "XSN823" not in list(variants("XSNB23", "Netherlands"))
    assert list(variants("AB123CS", "France")) == []


@pytest.mark.parametrize(
    ("true", "read", "region"),
    [
        ("1ETB392", "ETB392", "Belgium"),
        ("GD8586C", "GD858C", None),
        ("7K28154", "7K2I8154", None),
        ("PH13LGJ", "PH13GJ", "Unknown"),
        ("LD615BG", "LD6158G", "Serbia"),
    ],
)
def test_a_plate_with_a_hidden_or_an_added_character_is_a_possible_misread(
    true: str, read: str, region: str | None
) -> None:
    assert true in set(misreads(read, region))


@given(texts, regions)
def test_misreads_are_distinct_plates_of_at_most_one_character_more_or_less(
    text: str, region: str | None
) -> None:
    found = list(misreads(text, region))

    assert len(found) == len(set(found))
    assert text not in found
    assert all(abs(len(one) - len(text)) <= 1 and 1 <= len(one) <= MAX_LENGTH for one in found)


def test_variants_with_few_changes_come_first() -> None:
    changes = [
        sum(a != b for a, b in zip("KA4120T", variant, strict=True))
        for variant in variants("KA4120T", None)
    ]

    assert changes == sorted(changes)
    assert max(changes) > 3


@given(texts, regions)
def test_the_odds_of_all_twins_leave_the_text_the_most_probable_one(
    text: str, region: str | None
) -> None:
    odds = twin_odds(text, region)

    found = set(variants(text, region))
    assert set(odds) <= found or len(found) == MAX_VARIANTS
    assert all(0 < one < 1 for one in odds.values())


def test_a_variant_with_a_form_is_nearly_as_probable_as_a_text_without_one() -> None:
    assert twin_odds("LD6158G", "Serbia")["LD615BG"] == 0.5
    assert twin_odds("LD6158G", None)["LD615BG"] < 0.05
