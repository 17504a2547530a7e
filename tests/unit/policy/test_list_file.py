"""Lists as spreadsheets write them: what is accepted, what is said about it, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.appearance import NOTHING_STATED, Colour, Description, VehicleKind
from edge.errors import ConfigError
from edge.policy.lists import read_list_file
from edge.policy.vehicle_words import COLOUR_WORDS, KIND_WORDS
from tests.support.example_site import HEADER
from tests.support.list_files import (
    BRUSSELS,
    CELLS,
    COLUMNS,
    notes,
    plates,
    read,
    refusal,
    table,
)
from tests.support.shared_material import SHARED

CASES = SHARED / "cases"


def test_a_list_in_the_plain_form_needs_no_note(tmp_path: Path) -> None:
    assert notes(read(tmp_path, table({}))) == {}


# --- encodings ------------------------------------------------------------------------------------

UMLAUT = table({"plate": "MÜ-AB 123", "reason": "Bewohnerin für ein Jahr"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (UMLAUT.encode("utf-8"), {"folded"}),
        (UMLAUT.encode("utf-8-sig"), {"folded"}),
        (UMLAUT.encode("latin-1"), {"folded", "encoding"}),
        (UMLAUT.encode("cp1252"), {"folded", "encoding"}),
        (UMLAUT.encode("utf-16"), {"folded", "encoding"}),
        (b"\xff\xfe" + UMLAUT.encode("utf-16-le"), {"folded", "encoding"}),
        (b"\xfe\xff" + UMLAUT.encode("utf-16-be"), {"folded", "encoding"}),
        (UMLAUT.replace("\n", "\r\n").encode("utf-8-sig"), {"folded"}),
        (UMLAUT.replace("\n", "\r").encode(), {"folded"}),
        (UMLAUT.removesuffix("\n").encode(), {"folded"}),
    ],
)
def test_the_encodings_of_spreadsheets_are_read(
    tmp_path: Path, content: bytes, said: set[str]
) -> None:
    found = read(tmp_path, content)

    assert plates(found) == ["MUAB123"]
    assert found.entries[0].reason == "Bewohnerin für ein Jahr"
    assert set(notes(found)) == said
    assert notes(found)["folded"] == (2,)


@pytest.mark.parametrize(
    ("letter", "encoding"),
    [
        # The byte of each is another letter of plates in another code page.
        ("Å", "latin-1"), ("É", "latin-1"), ("Š", "cp1252"), ("Ž", "cp1252"), ("Æ", "cp1252"),
        ("Č", "cp1250"), ("Ć", "cp1250"), ("Đ", "cp1250"), ("\u0395", "cp1253"),
        ("\u0415", "cp1251"), ("\u041d", "cp1251"), ("Ä", "cp850"), ("Ü", "cp850"),
    ],
)  # fmt: skip
def test_p13_a_letter_that_depends_on_the_code_page_is_refused(
    tmp_path: Path, letter: str, encoding: str
) -> None:
    text = table({"plate": f"1-{letter}BC-234"})

    message = refusal(tmp_path, text.encode(encoding))

    assert "list.csv:2: plate: a letter that depends on the encoding" in message
    assert "save it as `CSV UTF-8`" in message
    assert len(read(tmp_path, text).entries) == 1


@pytest.mark.parametrize("letter", "ÄÖÜØäöüø")
def test_a_letter_that_is_the_same_in_the_code_pages_is_read(tmp_path: Path, letter: str) -> None:
    found = read(tmp_path, table({"plate": f"1-{letter}BC-234"}).encode("cp1252"))

    assert plates(found)[0][1] in "AOU"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (UMLAUT.encode("utf-16-le"), "not UTF-8 text"),
        (UMLAUT.encode("utf-8-sig").replace("Ü".encode(), b"\xdc"), "not UTF-8 text"),
        (b"\xff\xfe" + UMLAUT.encode("utf-16-le")[:-1], "not UTF-8 text"),
        (b"PK\x03\x04" + bytes(60), "a spreadsheet, not CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60), "a spreadsheet, not CSV"),
        (table({}).encode() + b"\x81", "not UTF-8 text"),
    ],
)
def test_what_is_no_text_is_refused_with_the_cure(
    tmp_path: Path, content: bytes, says: str
) -> None:
    message = refusal(tmp_path, content)

    assert says in message
    assert "save it as `CSV UTF-8`" in message


@pytest.mark.parametrize("letter", "ÄÖÜØŠČäöšč")
def test_p13_a_letter_damaged_by_two_conversions_is_no_other_letter(
    tmp_path: Path, letter: str
) -> None:
    halves = [bytes([half]) for half in letter.encode()]
    # Programs read the five bytes that Windows-1252 leaves undefined as control characters.
    broken = "".join(
        half.decode("latin-1" if half in b"\x81\x8d\x8f\x90\x9d" else "cp1252") for half in halves
    )

    message = refusal(tmp_path, table({"plate": f"1-{broken}BC-234"}))

    assert "list.csv:2: " in message


# --- separators and columns -----------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\n", "sep={}\r\n", "SEP={}\n"])
def test_columns_are_separated_by_commas_semicolons_or_tabs(
    tmp_path: Path, delimiter: str, first: str
) -> None:
    found = read(tmp_path, first.format(delimiter) + table({}, delimiter=delimiter))

    assert plates(found) == ["1ABC234"]
    assert ("delimiter" in notes(found)) is (delimiter != ",")


def test_a_line_that_names_the_separator_is_counted(tmp_path: Path) -> None:
    message = refusal(tmp_path, "sep=;\n" + table({}, {"end": ""}, delimiter=";"))

    assert "list.csv:4: end: is missing" in message


def test_another_separator_is_read_if_the_first_line_names_it(tmp_path: Path) -> None:
    assert plates(read(tmp_path, "sep=|\n" + table({}, delimiter="|"))) == ["1ABC234"]
    assert "the first line must be" in refusal(tmp_path, table({}, delimiter="|"))
    assert "the first line must be" in refusal(tmp_path, 'sep="\n' + table({}))


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    columns = [*reversed(COLUMNS)]
    found = read(tmp_path, table({}, columns=columns))

    assert found.entries == read(tmp_path, table({})).entries
    assert "columns" in notes(found)


@pytest.mark.parametrize(
    "header",
    [
        HEADER.upper(),
        HEADER.title(),
        HEADER.replace(",", " , "),
        HEADER.replace("plate", "\u00a0plate"),
        HEADER.replace("id,", '"id",'),
    ],
)
def test_case_spaces_and_quotes_of_the_header_make_no_difference(
    tmp_path: Path, header: str
) -> None:
    found = read(tmp_path, header + table({}).split("\n", 1)[1])

    assert plates(found) == ["1ABC234"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([*COLUMNS[:-1], "office"], "issuer is missing; add, or give"),
        (COLUMNS[:2], "start, end, basis, reason, issuer are missing; add"),
        ([*COLUMNS, "1-ABC-234"], "delete column 8, which is none of these"),
        ([*COLUMNS, "id"], "keep one of the columns id"),
        (["1-ABC-234"] * 7, "put it above the entries"),
    ],
)
def test_other_columns_are_refused_without_a_quotation(
    tmp_path: Path, columns: list[str], says: str
) -> None:
    assert f"list.csv:1: the first line must be {HEADER.strip()}; {says}" in refusal(
        tmp_path, table({}, columns=columns)
    )


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_columns_in_another_language_are_named_with_the_cure(
    tmp_path: Path, delimiter: str
) -> None:
    columns = ["id", "Nummerplaat", "begin", "einde", *COLUMNS[4:]]

    message = refusal(tmp_path, table({}, columns=columns, delimiter=delimiter))

    assert "plate, start, end are missing; rename nummerplaat to plate, begin to start" in message
    assert message.endswith("einde to end")


def test_a_known_word_in_a_row_without_a_header_is_not_quoted(tmp_path: Path) -> None:
    row = table({"plate": "BEGIN"}).split("\n", 1)[1]

    assert "begin" not in refusal(tmp_path, row).lower()


@pytest.mark.parametrize("title", ["Permits of 2026\n", "Permits;;\n\n", "\n"])
def test_the_lines_above_the_header_are_named(tmp_path: Path, title: str) -> None:
    line = title.count("\n") + 1

    message = refusal(tmp_path, title + table({}, delimiter=";"))

    assert f"delete the lines above the header, which is in line {line}" in message


@pytest.mark.parametrize("content", ["", "\ufeff", " \n\n", "sep=;\n"])
def test_an_empty_file_is_called_empty(tmp_path: Path, content: str) -> None:
    assert "the file is empty" in refusal(tmp_path, content)


def test_empty_rows_and_columns_at_the_end_are_left_out(tmp_path: Path) -> None:
    text = table({}, columns=[*COLUMNS, "", ""], delimiter=";")
    found = read(tmp_path, text + ";;;;;;;;\n;;;\n \u00a0;\n\n" + ";" * 20 + "\n")

    assert plates(found) == ["1ABC234"]
    assert notes(found)["empty-rows"] == (3, 4, 5, 7)


def test_a_cell_beyond_the_columns_is_refused(tmp_path: Path) -> None:
    text = table({"issuer": "Office,,1-ABC-234"})
    assert "list.csv:2: 9 columns instead of 7" in refusal(tmp_path, text)
    text = table({"issuer": "Office;;1-ABC-234"}, columns=[*COLUMNS, ""], delimiter=";")
    assert "list.csv:2: 9 columns instead of 7" in refusal(tmp_path, text)


def test_quoted_cells_may_hold_separators(tmp_path: Path) -> None:
    found = read(tmp_path, table({"reason": '"nurse; ""Mitte"""'}, delimiter=";"))
    assert found.entries[0].reason == 'nurse; "Mitte"'


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plate",
    [
        "1\xa0ABC\xa0234",
        "1‑ABC‑234",
        "1–ABC—234",
        "1\xadABC\xad234",
        "1−ABC−234",
        "\ufeff1ABC234",
        "1\u202fABC\u2009234",
        "\xa01-ABC-234\xa0",
        "1‐ABC‒234",
        "1\u200bABC\u2060234",
    ],
)
def test_spaces_and_hyphens_of_word_processors_are_read_and_noted(
    tmp_path: Path, plate: str
) -> None:
    found = read(tmp_path, table({}, {"id": "p2", "plate": plate}))

    assert plates(found) == ["1ABC234"] * 2
    assert notes(found)["typography"] == (3,)


def test_spaces_and_hyphens_of_word_processors_are_read_in_every_column(tmp_path: Path) -> None:
    odd = {
        "id": "p\u20111",
        "start": "2026\u201101\u201101",
        "end": "\u00a02026\u201312\u201331",
        "basis": "Art.\u00a05",
        "reason": "resi\u00addent \u2013 nurse",
        "issuer": "Office\u202f",
    }
    (entry,) = read(tmp_path, table(odd)).entries

    assert entry.entry_id == "p-1"
    assert (entry.basis, entry.reason, entry.issuer) == (
        "Art. 5",
        "resident \u2013 nurse",
        "Office",
    )


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200e", "\x07", "\u2028"])
@pytest.mark.parametrize("column", COLUMNS)
def test_other_invisible_characters_are_refused(tmp_path: Path, column: str, sign: str) -> None:
    message = refusal(tmp_path, table({column: CELLS[column] + sign + "x"}))
    assert f"list.csv:2: {column}: a line break, or an invisible or control" in message


@pytest.mark.parametrize("marked", ["'{}", "\u2019{}", '="{}"', '"=""{}"""'])
def test_a_mark_for_text_is_left_out(tmp_path: Path, marked: str) -> None:
    cells = {name: marked.format(CELLS[name]) for name in ("id", "plate", "start", "end")}
    found = read(tmp_path, table(cells))

    assert found.entries == read(tmp_path, table({})).entries
    assert notes(read(tmp_path, table(cells)))["marked-text"] == (2,)


def test_an_apostrophe_in_a_text_stays(tmp_path: Path) -> None:
    assert read(tmp_path, table({"issuer": "'t Zand"})).entries[0].issuer == "'t Zand"


@pytest.mark.parametrize(
    "plate",
    [
        "1.0E+12",
        "1,00E+12",
        "1E+12",
        "1.23e+05",
        "12345.0",
        "12345,0",
        "2026-03-01",
        "01/03/2026",
        "1.3.2026",
        "2026-03-01 00:00:00",
        "01/03/2026 00:00",
        "2026/03/01",
    ],
)
def test_p13_a_number_or_date_that_a_spreadsheet_has_made_of_a_plate_is_refused(
    tmp_path: Path, plate: str
) -> None:
    message = refusal(tmp_path, table({"plate": plate}, delimiter=";"))

    assert "list.csv:2: plate: a number or date that a spreadsheet has put in place" in message
    assert "set the column to text" in message


@pytest.mark.parametrize("plate", ["1E12", "12.345", "12345", "1-E-12", "01.03", "1.E.12"])
def test_a_plate_that_only_looks_like_a_number_is_read(tmp_path: Path, plate: str) -> None:
    assert len(read(tmp_path, table({"plate": plate})).entries) == 1


@pytest.mark.parametrize("plate", ["#####", "#NAME?", "#N/A", "N/A", "?", "AB+12"])
def test_what_a_spreadsheet_shows_in_place_of_a_plate_is_refused(
    tmp_path: Path, plate: str
) -> None:
    assert "list.csv:2: plate: a plate is" in refusal(tmp_path, table({"plate": plate}))


# --- everything together --------------------------------------------------------------------------

SIGNS = st.sampled_from([*";,\t\n'\"=/.-ÜŠ\u00a0\u2011\u00ad\u202e", "E+12", "31/12/2026", "sep=;"])


@settings(deadline=None)
@given(
    text=st.lists(st.text(max_size=6) | SIGNS, max_size=30).map("".join), semicolons=st.booleans()
)
def test_p13_no_text_makes_another_error_or_shows_a_plate(
    tmp_path_factory: pytest.TempPathFactory, text: str, *, semicolons: bool
) -> None:
    content = table({}, delimiter=";" if semicolons else ",") + "p2;1-ABC-234;" + text
    folder = tmp_path_factory.getbasetemp()
    try:
        found = read(folder, content.encode("utf-8", "replace"))
    except ConfigError as error:
        assert "ABC" not in error.message.replace(str(folder), "")  # noqa: PT017
    else:
        assert plates(found)[0] == "1ABC234"
        assert not any("ABC" in note.text for note in found.notes)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases (../shared/cases) are not here")
@pytest.mark.parametrize(
    ("case", "plate", "said"),
    [
        ("umlaut.csv", "MUAB123", {"folded"}),
        ("nbhyphen.csv", "1ABC234", {"typography"}),
        ("nbsp.csv", "1ABC234", {"typography"}),
    ],
)
def test_the_lists_that_were_refused_are_read(case: str, plate: str, said: set[str]) -> None:
    found = read_list_file(CASES / case, zone=BRUSSELS, max_entries=9)

    assert plates(found) == [plate]
    assert set(notes(found)) == said


# --- what the vehicle looks like ------------------------------------------------------------------

LOOKS = [*COLUMNS, "kind", "colour"]


@pytest.mark.parametrize("columns", [LOOKS, ["colour", *COLUMNS, "kind"], ["kind", *COLUMNS]])
def test_kind_and_colour_are_read_if_the_list_has_them(tmp_path: Path, columns: list[str]) -> None:
    found = read(tmp_path, table({"kind": "van", "colour": "red"}, {"id": "p2"}, columns=columns))

    colour = Colour.RED if "colour" in columns else None
    assert [one.stated for one in found.entries] == [
        Description(VehicleKind.VAN, colour), NOTHING_STATED,
    ]  # fmt: skip
    assert "words" not in notes(found)


def test_a_list_without_these_columns_states_nothing(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, table({})).entries
    assert entry.stated == NOTHING_STATED


@pytest.mark.parametrize(
    ("kind", "colour", "meant"),
    [
        ("bestelwagen", "rood", Description(VehicleKind.VAN, Colour.RED)),
        ("camionnette", "rouge", Description(VehicleKind.VAN, Colour.RED)),
        ("Lieferwagen", "Rot", Description(VehicleKind.VAN, Colour.RED)),
        ("personenwagen", "zilver", Description(VehicleKind.CAR, Colour.GREY)),
        ("voiture", "argenté", Description(VehicleKind.CAR, Colour.GREY)),
        ("PKW", "silber", Description(VehicleKind.CAR, Colour.GREY)),
        ("vrachtwagen", "wit", Description(VehicleKind.LORRY, Colour.WHITE)),
        ("poids lourd", "blanche", Description(VehicleKind.LORRY, Colour.WHITE)),
        ("LKW", "WEIß", Description(VehicleKind.LORRY, Colour.WHITE)),
        ("Motorrad", "grün", Description(VehicleKind.MOTORCYCLE, Colour.GREEN)),
        ("truck", "gray", Description(VehicleKind.LORRY, Colour.GREY)),
        ("autocar", "orange", Description(VehicleKind.BUS, Colour.YELLOW)),
        ("", "marron", Description(None, Colour.BROWN)),
    ],
)
def test_words_of_the_four_languages_are_translated_and_noted(
    tmp_path: Path, kind: str, colour: str, meant: Description
) -> None:
    found = read(tmp_path, table({"kind": kind, "colour": colour}, columns=LOOKS))

    assert [one.stated for one in found.entries] == [meant]
    assert notes(found)["words"] == (2,)


def test_each_word_means_one_thing_and_every_thing_has_its_own_word() -> None:
    assert {word: VehicleKind(word) for word in (one.value for one in VehicleKind)}.items() <= (
        KIND_WORDS.items()
    )
    assert {word: Colour(word) for word in (one.value for one in Colour)}.items() <= (
        COLOUR_WORDS.items()
    )
    for words in (KIND_WORDS, COLOUR_WORDS):
        assert all(word == word.casefold().strip() and word for word in words)


@pytest.mark.parametrize(
    ("column", "word"),
    [("kind", "tractor"), ("kind", "white"), ("colour", "pink"), ("colour", "?")],
)
def test_another_word_is_refused_with_the_words_that_are_known(
    tmp_path: Path, column: str, word: str
) -> None:
    message = refusal(tmp_path, table({column: word}, columns=LOOKS))

    known = "car, van, lorry, bus, motorcycle" if column == "kind" else "white, grey, black, blue"
    assert f"list.csv:2: {column}: must be one of {known}" in message
    assert "or empty if it is not known" in message
    assert word not in message.replace("white, grey", "")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("soort", "kind"), ("Kleur", "colour"), ("couleur", "colour"), ("Fahrzeugart", "kind")],
)
def test_another_name_of_such_a_column_is_refused_with_its_cure(
    tmp_path: Path, name: str, meant: str
) -> None:
    message = refusal(tmp_path, table({}, columns=[*COLUMNS, name]))
    assert f"rename column {len(COLUMNS) + 1} to {meant}" in message


def test_p13_a_permit_list_states_no_looks(tmp_path: Path) -> None:
    """They would be kept without being compared: a permit is looked up before a hit, not after."""
    path = tmp_path / "list.csv"
    path.write_text(table({"colour": "red"}, columns=LOOKS), "utf-8")
    with pytest.raises(ConfigError, match="delete the two columns"):
        read_list_file(path, zone=BRUSSELS, max_entries=10, exempt=True)
