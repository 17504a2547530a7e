"""P13: ids and texts of a list's entries say something, and show no plate.

Each fault is refused by both readers: in a CSV file with line and column, in a bundle with place
and field. No refusal repeats a plate.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.plates import ALPHABET
from edge.errors import ConfigError
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import open_bundle, parse_bundle
from edge.policy.list_words import word_faults
from tests.support import plate_lists
from tests.support.list_files import read, refusal, table
from tests.support.parties import Parties, make_parties
from tests.support.plate_lists import ISSUED

OWN = "1-ABC-234"  # of the helpers' rows


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def refused_by_both(folder: Path, parties: Parties, column: str, text: str) -> str:
    """What a file with this cell in its second row is refused with; a bundle is refused alike."""
    rows = table({}, {"id": "p2", "plate": "2-KLM-345", column: f'"{text}"'})
    (line,) = refusal(folder, rows).splitlines()
    start, _, said = line.partition(f"list.csv:3: {column}: ")
    assert start == "/"
    assert ";" in said  # what is wrong; the cure

    field = {"id": "entry_id"}.get(column, column)
    entry = plate_lists.entry(2, "2KLM345", **{field: text})
    data = plate_lists.bundle(parties.box_public, plate_lists.entry(1, "1ABC234"), entry)
    with pytest.raises(ListBundleError) as caught:
        open_bundle(parse_bundle(data), parties.box, plate_lists.terms(), now=ISSUED)
    assert f"entries[1].{column}: {said}" in caught.value.message
    assert "KLM" not in line + caught.value.message
    return said


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            "n/a",
            "N.A.",
            "tbd",
            "TBD",
            "todo",
            "To do",
            "nog in te vullen",
            "à compléter",
            "-",
            ".",
        ),
        *("lorem ipsum", "[reference]", "volgt", "noch offen", "...", "TODO: vragen", "xxx"),
    ],
)
def test_p13_a_placeholder_is_no_text_of_an_entry(
    tmp_path: Path, parties: Parties, column: str, text: str
) -> None:
    said = refused_by_both(tmp_path, parties, column, text)

    assert "leave it blank" not in said  # these columns may not be blank


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
@pytest.mark.parametrize("character", ["\u034f", "\u3164", "\u2800", "\ufe0f", "\u115f"])
def test_p13_a_character_without_ink_is_refused_by_its_number_and_place(
    tmp_path: Path, parties: Parties, column: str, character: str
) -> None:
    said = refused_by_both(tmp_path, parties, column, f"Council {character}12")

    assert "character 9 cannot be seen" in said
    assert f"U+{ord(character):04X}" in said


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
def test_p13_letters_that_imitate_others_are_refused(
    tmp_path: Path, parties: Parties, column: str
) -> None:
    for text in ("C\u043euncil 12", "\uff23ouncil 12", "C\u0336ouncil 12"):
        refused_by_both(tmp_path, parties, column, text)


SPELLINGS = ["2KLM345", "2-KLM-345", "2-klm-345", "2.KLM.345", "2_KLM_345"]
SPACED = ["2 KLM 345", "2 klm 345", "2 - KLM - 345", "2–KLM–345", "2 K L M 345", "２-KLM-345"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "p{}", "p-{}-1", "1.{}"])
def test_p13_the_plate_is_no_id(
    tmp_path: Path, parties: Parties, spelling: str, around: str
) -> None:
    said = refused_by_both(tmp_path, parties, "id", around.format(spelling))

    assert said == "is the plate, or holds it; give the entry a number of your own"


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
@pytest.mark.parametrize("spelling", [*SPELLINGS, *SPACED])
@pytest.mark.parametrize("around", ["Car {}", "{} of the mayor", "Resident ({}), since May"])
def test_p13_no_text_holds_the_plate_in_any_spelling(
    tmp_path: Path, parties: Parties, column: str, spelling: str, around: str
) -> None:
    refused_by_both(tmp_path, parties, column, around.format(spelling))


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
def test_p13_no_text_holds_another_plate_of_the_list(
    tmp_path: Path, parties: Parties, column: str
) -> None:
    for spelling in (OWN, "1abc234", "1 abc 234"):
        said = refused_by_both(tmp_path, parties, column, f"Replaces {spelling}")

        assert said == "holds a plate of this list; leave it out"


@pytest.mark.parametrize("plate", ["RESIDENT", "4711", "GENT1"])
def test_p13_a_plate_of_letters_or_digits_alone_is_no_id_and_no_reason(
    tmp_path: Path, plate: str
) -> None:
    for column in ("id", "reason"):
        line = refusal(tmp_path, table({"plate": plate, column: plate.lower()}))
        assert f"list.csv:2: {column}: " in line
        assert plate.lower() not in line.lower()


OTHER_PLATES = [
    *("2-XYZ-987", "2XYZ987", "2-xyz-987", "2.XYZ.987", "2 XYZ 987", "XYZ-987", "987-XYZ"),
    *("AB-123-CD", "ab-123-cd", "AB 123 CD", "12-BC-34", "BC-12-DF", "12-BCD-3", "B-123-DF"),
    *("M-AB 1234", "MÜ-AB 123", "AC-HL 582", "AB12 CDE", "AB12CDE", "GX 123 AB", "4321 BCD"),
]


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
@pytest.mark.parametrize("plate", OTHER_PLATES)
def test_p13_no_text_is_written_as_a_plate(
    tmp_path: Path, parties: Parties, column: str, plate: str
) -> None:
    for around in ("{}", "Second car {}, until May", "Car:{}"):
        said = refused_by_both(tmp_path, parties, column, around.format(plate))

        assert "write a reference with slashes, such as MOB/123" in said


def test_p13_an_id_is_not_written_as_another_plate(tmp_path: Path, parties: Parties) -> None:
    for plate in ("3-XYZ-987", "AB-123-CD", "12-BC-34"):
        refused_by_both(tmp_path, parties, "id", plate)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("basis", "nog te bepalen door de raad"),
        ("basis", "à préciser ultérieurement"),
        ("reason", "zie dossier"),
        ("reason", "idem als hierboven"),
        ("reason", "to be confirmed"),
        ("issuer", "komt later"),
        ("issuer", "naam van de dienst"),
    ],
)
def test_p13_a_promise_or_a_reference_without_number_is_no_text_of_an_entry(
    tmp_path: Path, parties: Parties, column: str, text: str
) -> None:
    assert "is a placeholder" in refused_by_both(tmp_path, parties, column, text)


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
@pytest.mark.parametrize(
    "number",
    [
        *("85.07.30-033.28", "85073003328", "85 07 30 033 28", "85.07.30 - 033.28"),
        *("85.47.30-033.17", "01.05.12-001.15", "1 85 07 75 123 456 08"),
        *("1 85 07 2A 033 123 91", "185072b03312321"),
    ],
)
def test_p13_no_text_holds_a_national_register_number(
    tmp_path: Path, parties: Parties, column: str, number: str
) -> None:
    said = refused_by_both(tmp_path, parties, column, f"Bewoner {number}, Kerkstraat")

    assert said.startswith("holds a person's national register number")
    assert number not in said


@pytest.mark.parametrize("column", ["basis", "reason", "issuer"])
def test_p13_a_slash_hides_no_plate(tmp_path: Path, parties: Parties, column: str) -> None:
    for text in ("zie ook 1.DEF/235", "zie ook 1/DEF-235"):
        said = refused_by_both(tmp_path, parties, column, text)
        assert said.startswith("holds a text with the form of a number plate")
    for text in ("see 1/ABC/234", "see 1/abc-234", "see 1-ABC/234"):  # of the list
        refused_by_both(tmp_path, parties, column, text)


LAWFUL = [
    *("aanvraag 85073003329", "dossier 85.07.30-033.29", "1/DEF/235", "12/DEF/2025", "nota 85.07"),
    *("dossier 2026-114", "besluit 2026/12", "GAS-2026-0012", "PV 123456", "MOB-2025-31"),
    *("ref. 2025-AB-031", "2026-MOB-12", "BR.12.F5.012345/2026", "GE.43.L2.001234/2026"),
    *("werf N60 tussen km 12 en 14", "bus 3A", "art. 29bis", "KB 1/12/1975", "lot 3B-12"),
    *("max 3 per 100", "3 mei 26", "12-mei-2026", "12 MEI 26", "works, Kerkstraat 12", "A12"),
    *("Police function act art. 44/2", "Traffic regulation of 2025-09-30", "GR 24.11.2025, punt 1"),
    *("1000 BRUSSEL", "1234 AB", "1234AB Amsterdam", "SW1A 1AA", "E40 km 12", "ISO 27001"),
    *(
        "CO2-uitstoot",
        "KB 12",
        "tussen 08u15 en 08u45",
        "2x per week",
        "B-1000 Brussel",
        "Zone B12",
    ),
    *("DOSSIER ABC123", "+32 9 123 45 67", "BE 0123.456.789", "PV-GE-2026-001234", "MOB/123"),
    *("AB/123/CD", "zone 30", "COVID-19 zorg", "stolen", "résident", "Bewohnerin für ein Jahr"),
    *("Ναύπλιο, resident", "school bus", "3 × per week", "mantelzorger, nr. 12"),
]


@pytest.mark.parametrize("text", LAWFUL)
def test_p13_a_lawful_text_is_kept_as_it_is(tmp_path: Path, parties: Parties, text: str) -> None:
    found = read(tmp_path, table({"reason": f'"{text}"', "basis": f'"{text}"'}))
    entry = plate_lists.entry(2, "2KLM345", reason=text, basis=text)
    opened = open_bundle(
        parse_bundle(plate_lists.bundle(parties.box_public, entry)),
        parties.box,
        plate_lists.terms(),
        now=ISSUED,
    )

    assert [one.reason for one in found.entries] == [text]
    assert [one.basis for one in opened.entries] == [text]


@pytest.mark.parametrize(
    "entry_id",
    [
        *("p1", "permit-2026-001", "signal-2026-0131", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        *("a1b2c3d", "AB123CD", "MOB-123-2026", "2026.14.3", "17", "GE12_004"),
    ],
)
def test_p13_a_lawful_id_is_kept(tmp_path: Path, entry_id: str) -> None:
    (entry,) = read(tmp_path, table({"id": entry_id})).entries

    assert entry.entry_id == entry_id


def test_p13_a_short_plate_does_not_forbid_a_house_number(tmp_path: Path) -> None:
    found = read(tmp_path, table({"plate": "12", "reason": "works at number 12", "id": "p-12"}))

    assert len(found.entries) == 1


def test_p13_a_file_with_several_faults_names_every_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        table({"basis": "n/a"}, {"id": "p2"}, {"id": "p3", "reason": "tbd"})
    )
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, (tmp_path / "list.csv").read_text())

    assert [line.split(":")[1] for line in caught.value.message.splitlines()] == ["2", "4"]


@given(
    plate=st.text(ALPHABET, min_size=6, max_size=10),
    separators=st.lists(st.sampled_from(["", " ", "-", ".", "_", "–"]), min_size=9, max_size=9),
    around=st.sampled_from(["{}", "car {}", "{} resident", "(see {})"]),
)
def test_p13_any_plate_is_found_in_the_reason_of_its_entry(
    plate: str, separators: list[str], around: str
) -> None:
    spelled = plate[0] + "".join(a + b for a, b in zip(separators, plate[1:], strict=False))
    entry = plate_lists.entry(1, plate, reason=around.format(spelled))

    ((place, said),) = word_faults([entry])

    assert place == 0
    assert said.startswith("reason: ")
    assert plate not in said
