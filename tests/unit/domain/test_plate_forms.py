"""Forms of number plates, and the texts for which a reader may take one."""

from __future__ import annotations

import csv
import itertools
import re

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
from edge.domain.plate_registers import CLASSES, REGISTERS
from edge.domain.plates import ALPHABET, MAX_LENGTH
from tests.support.shared_material import SHARED

texts = st.text(alphabet=ALPHABET, min_size=1, max_size=MAX_LENGTH)
regions = st.sampled_from([None, "Unknown", "Qatar", *FORMS])


EXAMPLES = {
    "Albania": "AB123CD TR1234B AA456T AAR123 AB123 CD1234A",
    "Andorra": "A1234 M0987 45678 MT1234 CD123 C123A",
    "Armenia": "34AB567 01LL001 123AB45 987ZZ01 12OO345 1234AP",
    "Austria": "I7859AM W12345A KU123AB WABC1 GRAZ7 BH12345 W123456",
    "Azerbaijan": "10AB123 90ZZ001 77BB987 99AA999 01QX010 001D012",
    "Belarus": (
        "1234AB7 E123AB7 AB12345 A1234B5 7TAX1234 1ABT1234 CD12345 CC12341 1234AB 1234ABC "
        "AB1234 A1234B"
    ),
    "Belgium": (
        "1ABC123 2XYZ987 9OIQ111 QABC123 OABC123 TXAA123 MABC123 SABC123 GABC123 ZAAA001 VAAA001 "
        "UAAA001 YABC123 WABC123 ABC123 123ABC A1234 1B234 12C34 123D4 1234E 1AB23 12AB3 A123B "
        "WA14ABC XM24ABC UA21AAA ABC14WA CDAB123 CDA123 CD1234"
    ),
    "Bosnia and Herzegovina": "A12E345 J00T999 K98M765 TA123456 TT000123 123A456 12345A",
    "Bulgaria": "CA1234AB B1234XX EH9876K CB0001TE CA1234EE BA123456 CP123456 123T456 123B456",
    "Croatia": "KA412OT KA4120T ZG123A ZG1234AB HV123AB RIMORE RILUKA12 ST12345 070123 071A001",
    "Cyprus": "ABC123 MAA001 KQL3 AB1234 AB1 TABC123 ZABC123 29CD12 49AT3 123456",
    "Czech Republic": (
        "1A23456 4T64470 1AB2345 1AAA000 1A1234 1AB123 9K7123 ABC1234 AB1234 EL123AB ELA1234 "
        "01V1234 01V123 02R0001 001CD01 123HC45 1234567"
    ),
    "Denmark": "AB12345 XY98765 AB1234 AB123 ZZ55123 12345",
    "Estonia": "123ABC 987XYZ 12ABC 12AB 123AB 1234AB CD1234 AT123 CMD123 CMD12 PROOV1234",
    "Finland": "ABC123 AB1 PAA999 WLD12 ALA100 CD1234 CD123 C12345",
    "France": (
        "AB123CD GA417TZ WW123AB W123AB 1234AB56 123ABC2A 45TT975 9876WW13 12CD345 E123CMD1 "
        "212C34X 61234567"
    ),
    "Georgia": "AB123CD QQ001QQ ABC123 TBC777 ZZZ999 AB1234",
    "Germany": (
        "ACHL582 KRD6194 BA1 HHTX4903 BNTA358E SRKM472 MAB12H B0712 B03123 M06123 HH04123 B123A "
        "Y123456 THW81234 BP12345 BN123456 01712 096123 123ABC"
    ),
    "Gibraltar": "G1234A G9999Z G12345 G7 GG12345 DLR1234 12RN34",
    "Greece": "YBK1234 AXA1000 NAB123 TAK1234 IZ12345 EA12345 A1234 123456",
    "Guernsey": "12345 7 90210 1234 AY123 AY1234",
    "Hungary": (
        "LAK936 AAAB123 ABCD12 ABCDE1 NAGYOK7 RA12345 DT1234 OT1234 CX1234 P12345 E12345 M123456 "
        "CD123456 I12AB I123AB"
    ),
    "Iceland": "AB123 ABC12 ZX987 RN123 CDA12 A12345 R1234",
    "Ireland": "131D12345 07D1 92WX1156 12L345 241MH99 06DCD12 ZV12345 ZZ12345 ZL1234 123ABC",
    "Italy": (
        "DP989CC CM852DJ XA123BC YA000AA AB12345 MI123456 ROMA12345 MIA12345 MI12345A MI1A2345 "
        "ROMA1A2345 MI12A345 X0P12345 CCAB123 CC123AB EIAB123 EIA123 POLIZIAH1234 X22222 XB7K9Z"
    ),
    "Kosovo": "01123AB 02101AA 03456XY 05777QW 07999ZZ 123KS456",
    "Latvia": "AB1234 AB1 EX123 TX1234 LA12 A1234 B987 C12345",
    "Liechtenstein": "FL1 FL12 FL123 FL1234 FL12345 FL39500",
    "Lithuania": "ABC123 ST482 123AB EV1234 T12345 A287378 24214AA 1234AB 013123 LK123A",
    "Luxembourg": "AB1234 ZZ0012 CD0102 AB123 A1234 1234 12345 1234EXP 123426",
    "Malta": "ABC123 XXK001 XQZ001 DBY123 GVP001 CDX001 TAXI001M TAXI123G",
    "Moldova": "ABC123 CAB123 KAB12 BLAB123 ANAB1 CD123A TC123AB RM0001 FA1234 RMP123 MAI1234",
    "Monaco": "A123 1234 9XYZ AB12 000A 123",
    "Montenegro": "PGAB123 NKRP123 PGAB12 PG123AB PPG123 V12345 12A345 123M456",
    "Netherlands": (
        "XSNB23 23GSX6 99SZG5 63HKHD 1KLM23 BT123C B123CT BTD12F B12TFK 1VB234 123BD4 AE1234 "
        "1234AE 12DU34 AU12ZE OB12XX OBFD12 12OBDF CD1234 12CD34 CDJ123"
    ),
    "North Macedonia": "SK1234AB SK123AB KU0001MG ST987OO VV1234AA 12A345",
    "Norway": "DP70231 AB12345 EL12345 CD12345 AB1234 12345 ABC12 ABC12T",
    "Poland": (
        "PK73914 GD9417V CSW23JH ZS6741G CG20468 WE1AC23 K1ABC WA123AC WA1A234 WA1234 WA123A "
        "WAA123 WA12A CSWA123 CSW1A23 CSW12A3 CSW1AC2 CSWAC12 CSW12345 CSW1234A CSW123AC CSW1A "
        "ABC1234 ABC123D F0MAREK L0BIBI Z2ONA8 K6Z17 W123456 D1234P56 HPAA123"
    ),
    "Portugal": "AB12CD 12AB34 1234AB AB1234 MX1234 AP1234 L123456 AV12345 GNRL123 123CD456",
    "Romania": "B123ABC TL07GOG B12ABC CJ99XYZ B012345 CD123101 A1234567 MAI12345 CJ123PROBE",
    "Russia": "A123BC77 A123BC777 AB123477 1234AB77 AB12377 A123477",
    "San Marino": "A1234 R2558 E123 CD60 CD123 VE123 POLIZIA145",
    "Serbia": (
        "LD615BG BG1234AB AB123BG BG123TX BG12345TX BG1234 BG123 BGABC12 BG12ABC BGRP123 P123456 "
        "40A123 123M456"
    ),
    "Slovakia": "BL123AB AA001AA BL123YA BLABC12 BLABCD1 BLABCDE EE12345 BLM123 1234567",
    "Slovenia": "LJAB123 LJA1234 LJAB12C MBTINA KPJAN MSA123 A1234LJ CMD1234 M1234 P123456",
    "Spain": (
        "6380CCS MA4844CC B1234AB R1234BCD C1234BBB E1234BBB H1234BCD P1234BCD S1234BCD A741923 "
        "CD12345 PGC1234N CNP1234AB ET123456 FV1234BCD"
    ),
    "Sweden": "GLH436 ABC12D MLB84A XYZ987 ABC123T AB123C 123456",
    "Switzerland": "ZH123456 GE1 TI12345 BE9876U GE1234Z ZH123V M12345 A12345 P1234",
    "Turkey": "34LAP898 06AHC824 34VT4827 34T1234 06G12345 34CE811 07AAA12 123456",
    "Ukraine": "AA1234BB KA0001YA II1234AX DI1234AA 1234AB 12345AB 1234A1 D001123 DP00112 TA123456",
    "United Kingdom": (
        "LS15EBC V368JAR Q123ABC ABC123D 946ATA B72ATA W38PWD NIL1234 AIZ1234 A1 123A 101D123 "
        "271X456 12AB34 12345 12345A"
    ),
}
"""Made-up plates of the right syntax, at least one for each form."""


@pytest.mark.parametrize("region", FORMS)
def test_the_plates_of_a_country_have_its_forms(region: str) -> None:
    examples = EXAMPLES[region].split()

    assert len(examples) >= 6
    assert [text for text in examples if not fits(text, region)] == []


@pytest.mark.parametrize("region", FORMS)
def test_each_form_is_that_of_a_plate(region: str) -> None:
    examples = EXAMPLES[region].split()
    spelled = {form: "".join(CLASSES.get(one, one) for one in form) for form in FORMS[region]}

    assert [
        form
        for form, pattern in spelled.items()
        if not any(re.fullmatch(pattern, text) for text in examples)
    ] == []


@pytest.mark.parametrize("region", REGISTERS)
def test_each_country_names_its_sources_and_the_plates_of_its_forms(region: str) -> None:
    register = REGISTERS[region]

    assert register.sources
    assert all(source.strip() for source in register.sources)
    assert "://" not in "".join(register.sources)
    assert all(plates.strip() and forms.split() for plates, forms in register.forms.items())
    assert len(FORMS[region]) == len(set(FORMS[region]))


@pytest.mark.parametrize("region", FORMS)
def test_a_twin_that_is_a_plate_of_the_same_country_stays_possible(region: str) -> None:
    for text in EXAMPLES[region].split():
        everything = list(variants(text, None))
        plates = {one for one in everything if fits(one, region)}

        assert set(variants(text, region)) >= plates


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
        ("TL07G0G", "Romania"),
        ("WIB123", "Poland"),
        ("0ABC123", "Belgium"),
        ("ABC1234", "Belgium"),
        ("BT123O", "Netherlands"),
        ("BT123I", "Netherlands"),
        ("12OBDY", "Netherlands"),
        ("BT12FO", "Netherlands"),
        ("BTOF12", "Netherlands"),
        ("AB123CO", "France"),
        ("SS123AB", "France"),
        ("AB123SS", "France"),
        ("0123AB75", "France"),
        ("1234BCQ", "Spain"),
        ("X1234BCD", "Spain"),
        ("AB123CQ", "Italy"),
        ("X2222A", "Italy"),
        ("X22210", "Italy"),
        ("123ABQ", "Germany"),
        ("ADC1234", "Greece"),
        ("LS15EIC", "United Kingdom"),
        ("I368JAR", "United Kingdom"),
        ("ABC123Q", "United Kingdom"),
        ("AVC123", "Sweden"),
        ("ABC12O", "Sweden"),
        ("1O23456", "Czech Republic"),
        ("34QA1234", "Turkey"),
        ("B123OAB", "Romania"),
        ("CB1234DA", "Bulgaria"),
        ("A12B345", "Bosnia and Herzegovina"),
        ("12WB34", "Portugal"),
        ("XX123456", "Switzerland"),
        ("131B12345", "Ireland"),
        ("MAB0123", "Germany"),
        ("WQBC1", "Austria"),
        ("BUAB123", "Czech Republic"),
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


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("12", "Luxembourg"),
        ("123", "Belgium"),
        ("A12", "Belgium"),
        ("P1AB", "Poland"),
        ("D1234P", "Poland"),
        ("AB12CD", "United Kingdom"),
        ("AB123C", "Italy"),
        ("AB123C", "Georgia"),
        ("A2345", "Czech Republic"),
        ("B12345", "Denmark"),
        ("B12345", "Norway"),
        ("12A345", "Bosnia and Herzegovina"),
    ],
)
def test_a_piece_of_an_ordinary_plate_is_no_rare_plate(text: str, region: str) -> None:
    assert not fits(text, region)


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
        ("SLT831W", "SLT83IW", "Unknown"),
        ("2591DX", "Z59IDX", None),
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
        ("GD7536C", "GD753C", None),
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


@given(texts, regions)
def test_with_changed_characters_each_plate_comes_once_and_none_is_lost(
    text: str, region: str | None
) -> None:
    found = list(misreads(text, region, changed=True))

    assert len(found) == len(set(found))
    assert text not in found
    assert set(misreads(text, region)) <= set(found)


@pytest.mark.parametrize("region", [None, "Belgium"])
def test_any_one_character_may_be_another_if_asked(region: str | None) -> None:
    assert "1ETB392" in set(misreads("1ETB892", region, changed=True))
    assert "1ETB392" not in set(misreads("1ETB892", region))
    assert "1ETB312" not in set(misreads("1ETB892", region, changed=True))


def test_a_changed_character_keeps_to_the_forms_of_a_certain_country() -> None:
    found = set(misreads("1ETB892", "Belgium", changed=True))

    assert "1E7B892" not in found
    assert "1E7B892" in set(misreads("1ETB892", None, changed=True))


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


# --- real plates --------------------------------------------------------------------------

READ_PLATES = [
    ("hu_silver0550", "HU", "Hungary", 1.0),
    ("pl_bartoszptak", "PL", "Poland", 1.0),
    ("pl_damienix", "PL", "Poland", 0.97),
    ("tr_muratlutfigoncu", "TR", "Turkey", 0.99),
    ("oi_plates", "BE", "Belgium", 1.0),
    ("oi_plates", "DE", "Germany", 0.98),
    ("oi_plates", "ES", "Spain", 0.96),
    ("oi_plates", "FR", "France", 1.0),
    ("oi_plates", "GB", "United Kingdom", 0.98),
    ("oi_plates", "IT", "Italy", 1.0),
    ("oi_plates", "LV", "Latvia", 1.0),
    ("oi_plates", "NL", "Netherlands", 0.9),
    ("oi_plates", "SE", "Sweden", 0.94),
]
"""Folder, country in its table, country of the forms, and the share of its plates with a form.

The others are mostly errors of the labels: plates of another country, and plates cut off."""


@pytest.mark.parametrize(("folder", "country", "region", "least"), READ_PLATES)
def test_labelled_plates_have_a_form_of_their_country(
    folder: str, country: str, region: str, least: float
) -> None:
    table = SHARED / "train" / folder / "crops.csv"
    if not table.is_file():
        pytest.skip(f"the shared material (../shared/train/{folder}) is not on this machine")

    with table.open(encoding="utf-8", newline="") as file:
        plates = {row["plate"] for row in csv.DictReader(file) if row["country"] == country}
    plates.discard("")
    plates_in_all = len(plates)
    fitting = sum(bool(fits(plate, region)) for plate in plates)

    # Numbers only, because the message of a failure repeats what it compares.
    assert fitting >= least * plates_in_all
