"""Words that say nothing are refused in every text, and what says something is not.

Longer than 500 lines because most of it is lists of texts, refused ones beside kept ones.
"""

from __future__ import annotations

import json
import types
import typing
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from edge.errors import ConfigError
from edge.formats.visible import unseen_at
from edge.formats.yaml_document import parse_document, parse_draft
from edge.policy import wording
from edge.policy.checklist import checklist
from edge.policy.duties import Severity
from edge.policy.model import Policy
from edge.site.folder import read_policy
from edge.site.settings import Site
from edge.texts import LANGUAGES
from tests.support.example_site import POLICY, SITE, changed
from tests.support.policies import DOCUMENT, document, write

KINDS: dict[str, Callable[[str], str]] = {
    "short text": wording.short_text,
    "statement": wording.statement,
    "name": wording.name,
    "reference": wording.reference,
    "contact": wording.contact,
}


def fault(check: Callable[[str], str], text: str) -> str | None:
    """The fault that refuses a text, by the name of its sentence; None if it is kept."""
    try:
        check(text)
    except PydanticCustomError as error:
        return str((error.context or {})["text"]).removeprefix("wording.")
    return None


# --- what is refused in every text ------------------------------------------------------------

BLANK = ["", " ", "   ", "\t\n", "\u00a0", "\u2003\u202f", ".", "-", "–", "...", "?", "***", "·"]
PLACEHOLDER = [
    *("x", "X", "xx", "xxx", "XXXX", "n/a", "N.A.", "n.v.t.", "tbd", "T.B.D.", "todo", "To do"),
    *("TODO: ask the mayor", "Council decision TBD", "lorem ipsum", "Lorem ipsum dolor sit amet"),
    *("[reference]", "[name]", "<contact>", "{name}", "[a text of our own]", "Council [name]"),
    *("aaaa", "x x x", "bla bla bla", "test", "test test", "000", "asdf", "qwerty", "azerty"),
    *("nader te bepalen", "Nog in te vullen", "à compléter", "À définir", "noch offen"),
    *("auszufüllen", "wird ergänzt", "to be determined", "niet van toepassing", "sans objet"),
    *("nicht zutreffend", "not applicable", "onbekend", "inconnu", "unbekannt", "unknown"),
    *("Decision of ____", "none", "geen", "néant", "keine", "placeholder"),
    *("zie later", "see below", "See annex.", "da definire più tardi", "por determinar aún"),
    *("do uzupełnienia później", "nog aan te vullen", "wird noch nachgereicht"),
    *("insert text here", "votre texte ici", "todo: schrijven", "tbd: schrijven", "abc def ghi"),
    *("xxxxx yyyyy", "siehe Anhang", "voir annexe", "volgt nog"),
]
UNSEEN = [
    *("\u202e", "\u202d", "\u2066", "\u2069", "\u200b", "\u200c", "\u200d", "\u2060", "\u00ad"),
    *("\ufeff", "\u180e", "\u2028", "\u2029", "\x00", "\x07", "\x1b", "\x7f", "\x85", "\x9b"),
    *("\ue000", "\U000e0041", "\U000e007f", "\ufe0f", "\U000e0101", "\u034f", "\u115f", "\u1160"),
    *("\u3164", "\uffa0", "\u2800", "\u17b4", "\ufff9", "\U000fffff", "\u0378", "\ud800"),
]
IMITATION = [
    *("\uff36\uff4f\uff4f\uff52", "\U0001d415\U0001d428", "\u1d00\u0299\u1d04", "V\u0336oor"),
    *("\u212dode", "Vo\u20ddor", "\uff11"),
]
MIXED = ["P\u043eliti\u0435zone", "\u0410BC", "Zon\u03b5", "\uff21bc"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", BLANK)
def test_p14_a_blank_is_no_text(kind: str, text: str) -> None:
    assert fault(KINDS[kind], text) == "blank"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", PLACEHOLDER)
def test_p14_a_placeholder_is_no_text_in_any_language(kind: str, text: str) -> None:
    assert fault(KINDS[kind], text) == "placeholder"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("character", UNSEEN, ids=lambda one: f"U+{ord(one):04X}")
def test_p14_a_character_that_cannot_be_seen_is_refused_wherever_it_stands(
    kind: str, character: str
) -> None:
    good = "Marktplein 1, 9999 Voorbeeldgem"
    for text in (f"{character}{good}", f"{good[:5]}{character}{good[5:]}", f"{good}{character}"):
        assert fault(KINDS[kind], text) == "unseen"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", MIXED)
def test_p14_a_word_of_two_alphabets_is_refused(kind: str, word: str) -> None:
    assert fault(KINDS[kind], f"Marktplein 1, {word}, Voorbeeldgem") == "mixed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", IMITATION)
def test_p14_letters_that_imitate_others_or_are_struck_out_are_refused(
    kind: str, word: str
) -> None:
    assert fault(KINDS[kind], f"Marktplein 1, {word} Voorbeeldgem") == "imitation"


@pytest.mark.parametrize("kind", KINDS)
def test_p14_letters_that_run_the_other_way_are_refused_within_a_word(kind: str) -> None:
    assert fault(KINDS[kind], "Place 1, Li\u0627ge") == "mixed"
    assert fault(KINDS[kind], "Place 1, \u05d0\u05d1b Liège") == "mixed"


QUOTED = ["\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "Αθήνα", "Москва"]
"""A word of Hebrew, Arabic, Greek and Cyrillic."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", QUOTED)
@pytest.mark.parametrize(
    "around", ["Place 1, {} Liège", "Rue 1, club « {} » à Gent", "Lane 1, ({})"]
)
def test_p14_a_whole_word_of_another_alphabet_is_kept(kind: str, word: str, around: str) -> None:
    text = around.format(word)

    assert KINDS[kind](text) == text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", QUOTED[:2])
@pytest.mark.parametrize("number", ["12", "12b", "\u0663"])
def test_p14_a_number_that_screens_show_elsewhere_than_it_stands_is_refused(
    kind: str, word: str, number: str
) -> None:
    for between in (" ", ", ", " (", " \u201c"):
        assert fault(KINDS[kind], f"Place 1, {word}{between}{number} Liège") == "direction"
    assert fault(KINDS[kind], f"Place 1, {word} nr. {number} Liège") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("override", ["\u202e", "\u202d", "\u2067", "\u200f", "\u061c"])
def test_p14_a_quoted_word_brings_no_sign_that_turns_the_text(kind: str, override: str) -> None:
    assert fault(KINDS[kind], f"Place 1, {override}{QUOTED[0]} Liège") == "unseen"


@pytest.mark.parametrize(
    "text", ["uw naam", "Your name", "niemand", "John Doe", "Max Mustermann", "X Y", "ab"]
)
def test_p14_a_name_of_nobody_is_refused(text: str) -> None:
    assert fault(wording.name, text) == "placeholder"


@pytest.mark.parametrize(
    "text", ["0", "nr.", "No", "volgt nog", "volgt 2", "pending 1", "n/a 2", "2025-xxx"]
)
def test_p14_a_reference_to_nothing_is_refused(text: str) -> None:
    assert fault(wording.reference, text) == "placeholder"


def test_p14_a_statement_of_single_letters_is_refused() -> None:
    assert fault(wording.statement, "n/a n/a n/a n/a x") == "placeholder"


def test_p14_marks_that_pile_up_on_a_letter_are_refused() -> None:
    assert fault(wording.name, "Z\u0300\u0301\u0302\u0303one") == "unseen"


def test_p14_too_long_a_text_is_refused_and_says_how_long_it_may_be() -> None:
    with pytest.raises(PydanticCustomError, match="longer than 2000 characters"):
        wording.statement("ab cd " * 334)


@pytest.mark.parametrize("text", ["A", "7", "12 34", "B-12", "Å", "Œ"])
def test_p14_a_name_has_two_letters(text: str) -> None:
    assert fault(wording.name, text) == "name"


@pytest.mark.parametrize("text", ["No", "Ja", "Ok", "Act", "Wet 5", "good", "Fine.", "No: ok"])
def test_p14_a_statement_has_words_enough_to_say_why(text: str) -> None:
    assert fault(wording.statement, text) == "statement"


@pytest.mark.parametrize("text", ["Fietsstraat", "Wirkungslos", "Resultaat", "Not good"])
def test_p14_one_long_word_is_refused_and_told_that_a_sentence_is_needed(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="write a sentence that says why"):
        wording.statement(text)


@pytest.mark.parametrize("word", [*MIXED, "10kΩ"])
def test_p14_a_word_of_two_alphabets_is_named(word: str) -> None:
    with pytest.raises(PydanticCustomError, match=f"the word “{word}” mixes"):
        wording.short_text(f"Marktplein 1, {word} of the club")


def test_p14_of_a_long_word_the_beginning_is_shown() -> None:
    beginning = "o" + "\u043e" * 59
    with pytest.raises(PydanticCustomError, match=f"the word “{beginning}…” mixes"):
        wording.short_text("o" + "\u043e" * 500)


@pytest.mark.parametrize(
    ("character", "named"),
    [
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\x07", "U+0007"),
    ],
)
def test_p14_an_unseen_character_is_named_with_its_place(
    character: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        wording.name(f"Markt{character}plein")

    assert f"character 6 cannot be seen or turns the text around ({named})" in str(caught.value)

    file = write(tmp_path, with_text("controller/name", f"Stad Markt{character}plein"))
    with pytest.raises(ConfigError) as refused:
        read_policy(file)
    assert f"({named}); remove it" in refused.value.message
    if character != "\x07":
        assert "controller.name: holds, in place 11, a character" in refused.value.message


NOBODY = [
    *("/dev/null", "/dev/sda1", "/etc/passwd 1", "C:\\Temp 1", "\\\\host\\share 1", "~/mail 2"),
    *("file:///etc/passwd", "../dpia.md", "./letters 12", "http://localhost", "www.localhost"),
    *("town", "the town hall", "by letter", "ask us", "a@b", "me@localhost", "x@y.invalid"),
    *("mailto:", "@town.example", "no-reply@town.be", "noreply@town.be", "donotreply@town.be"),
    *("12", "1234", "00 00 00", "999 999 999", "2026-01-05", "town hall dot be", "n.v.t. zie web"),
    *("noreply2@x.be", "dev/null 1 abc", "nergens 0", "geen adres 1", "00000001", "a@b.test"),
    *("http://invalid.example", "user@[127.0.0.1]", "postmaster@localhost.com", "straat 0"),
]


@pytest.mark.parametrize("text", NOBODY)
def test_p19_a_contact_that_reaches_nobody_is_refused(text: str) -> None:
    assert fault(wording.contact, text) in {"contact", "placeholder", "place", "short_number"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1733", "as in Call 1733"),
        ("1700", "as in Call 1700"),
        ("0800", "as in Call 0800"),
        ("112", "the office that answers questions: its phone number"),
        ("Bel 112", "the office that answers questions: its phone number"),
        ("Police: 101", "the office that answers questions: its phone number"),
        ("Appelez le 17", "the office that answers questions: its phone number"),
        ("privacy.gov.uk", "write https:// before it: https://privacy.gov.uk"),
        ("klacht.gemeente.gov.pl/anpr", "https://klacht.gemeente.gov.pl/anpr"),
        ("Gemeentehuis, Grote Markt", "add a house number, a phone number, an e-mail or a web"),
        ("Hôtel de ville", "add a house number, a phone number, an e-mail or a web address"),
    ],
)
def test_p19_a_contact_that_lacks_something_is_refused_with_what_to_write(
    text: str, said: str
) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        wording.contact(text)

    assert said in caught.value.message()


@pytest.mark.parametrize(
    "text",
    [
        *("Call 1733", "Bel 1700", "Kerkstraat 112", "https://privacy.gov.uk", "Tel. 112/123.456"),
        *("Gemeentehuis, Grote Markt 1", "Gemeentehuis, Grote Markt, 09 123 45 67"),
    ],
)
def test_p19_what_the_cure_of_a_contact_asks_for_is_kept(text: str) -> None:
    assert wording.contact(text) == text


@pytest.mark.parametrize(
    "text",
    ["town", "/dev/null", "ftp://a.be", "javascript:alert(1)", "https://", "http://x"],
)
def test_p14_a_website_is_an_address_on_the_web(text: str) -> None:
    assert fault(wording.website, text) == "website"


# --- what is lawful is kept -------------------------------------------------------------------

KEPT = [
    ("name", "Politiezone Noord"),
    ("name", "Pz"),
    ("name", "’s-Gravenvoeren"),
    ("name", "Ville de Liège – Service mobilité"),
    ("name", "D'Hondt & Fils s.a."),
    ("name", "Stadt Eupen (Fußverkehr)"),
    ("name", "Zone 5338"),
    ("name", "3M"),
    ("name", "E5"),
    ("name", "Cercle « \u05e9\u05dc\u05d5\u05dd »"),
    ("short text", "10 k Ω"),
    ("name", "Αθήνα"),
    ("name", "Łódź"),
    ("reference", "12"),
    ("reference", "Nr. 7"),
    ("reference", "N5"),
    ("reference", "111-222"),
    ("name", "C & A Gent"),
    ("short text", "Straße 12 m², ½ Spur"),
    ("contact", "Nr. 5, Geenhovenstraat"),
    ("contact", "0032 9 123 45 67"),
    ("reference", "1111"),
    ("reference", "MOB-2025-31"),
    ("reference", "2025/0231"),
    ("reference", "GR 24.11.2025, punt 12"),
    ("reference", "Besluit n° 12"),
    ("statement", "Geen effect"),
    ("statement", "Sans effet."),
    ("statement", "Wirkungslosigkeit"),
    ("statement", "Artikel 6, lid 1, e AVG"),
    ("statement", "30 % moins de voitures « sans permis »"),
    ("statement", "Testen met vrijwilligers, none of them stayed"),
    ("short text", "Lane"),
    ("short text", "Kerkstraat 12–14, Δ-Turm"),
    ("short text", "10 µm"),
    ("contact", "dpo@voorbeeldgem.example"),
    ("contact", "privacy+anpr@sub.stad-gent.be"),
    ("contact", "Marktplein 1, 9999 Voorbeeldgem"),
    ("contact", "Place du Marché 1\n4000 Liège"),
    ("contact", "Postbus 12, Gent"),
    ("contact", "BP 3, Eupen"),
    ("contact", "+32 9 123 45 67"),
    ("contact", "09/123.45.67"),
    ("contact", "Bel 1700"),
    ("contact", "Tel. 1700"),
    ("contact", "https://www.controleorgaan.be"),
    ("contact", "www.gegevensbeschermingsautoriteit.be/klacht"),
    ("contact", "via stad.gent/privacy"),
    ("contact", "Formular auf eupen.be"),
    ("website", "https://voorbeeldgem.example/cameras/demo-street"),
    ("website", "www.gent.be"),
]


@pytest.mark.parametrize(("kind", "text"), KEPT)
def test_p14_a_text_that_says_something_is_kept(kind: str, text: str) -> None:
    check = wording.website if kind == "website" else KINDS[kind]

    assert check(text) == unicodedata.normalize("NFC", text).replace("\n", " ")


def test_p14_composed_and_decomposed_letters_give_one_text() -> None:
    composed, decomposed = "Liège", "Lie\u0300ge"

    assert wording.name(decomposed) == composed
    assert wording.name(f"  Ville\n  de\t {decomposed} ") == f"Ville de {composed}"


@given(st.text(max_size=80))
def test_p14_any_text_is_refused_or_kept_visible_composed_and_unchanged_ever_after(
    text: str,
) -> None:
    for check in KINDS.values():
        try:
            kept = check(text)
        except PydanticCustomError:
            continue
        assert check(kept) == kept == unicodedata.normalize("NFC", kept) == kept.strip()
        assert unseen_at(kept) is None
        assert any(character.isalnum() for character in kept)
        assert not any(
            unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for one in kept
        )


@given(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]).filter(
    lambda one: one not in "\t\n\r"
), st.sampled_from(sorted(KINDS)))  # fmt: skip
def test_p14_no_character_of_an_unseen_category_is_kept(character: str, kind: str) -> None:
    assert fault(KINDS[kind], f"Marktplein 1, 9999 Voor{character}beeldgem") == "unseen"


# --- every text of the policy uses such a type ------------------------------------------------


def texts_of(kind: Any, metadata: tuple[Any, ...], at: str) -> Iterator[tuple[str, Any]]:
    """Each text below an annotation: its path, and the annotation that validates it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        yield from texts_of(arguments[0], (*arguments[1:], *metadata), at)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from texts_of(field.annotation, tuple(field.metadata), f"{at}.{name}")
    elif origin in {types.UnionType, typing.Union, tuple, dict}:
        for one in arguments:
            if one not in {type(None), Ellipsis}:
                yield from texts_of(one, (), f"{at}.*" if origin in {tuple, dict} else at)
    elif kind is str:
        annotated: Any = typing.Annotated
        parts = (str, *metadata)
        yield at, annotated[parts] if metadata else str


@pytest.mark.parametrize("model", [Policy, Site], ids=lambda model: model.__name__)
def test_p14_no_field_of_policy_or_site_takes_a_text_that_says_nothing(
    model: type[BaseModel],
) -> None:
    """A new field of type `str` without one of the types of `policy.fields` fails here."""
    found = dict(texts_of(model, (), model.__name__))
    assert len(found) > 20
    for path, kind in found.items():
        for text in (" ", "\u00a0", "a\u202eb", "a\u200bb"):
            with pytest.raises(ValidationError):
                pytest.fail(f"{path} takes {text!r}: {TypeAdapter(kind).validate_python(text)}")


# --- what people are told ---------------------------------------------------------------------

PLACES = [
    ("controller/name", "·"),
    ("controller/contact", "/dev/null"),
    ("approvals/signers/mayor/name", "tbd"),
    ("suspension/keys/vtc/name", " "),
    ("issuers/office/name", "xxx"),
    ("authorities/police/name", "[name]"),
    ("legal/council_decision/reference", "."),
    ("legal/basis/fr", "n/a"),
    ("purposes/quiet/text/de", "lorem ipsum"),
    ("purposes/quiet/necessity/nl", "No"),
    ("purposes/quiet/safety_evidence/finding/en", "ok"),
    ("alternatives/targeted/outcome/fr", "-"),
    ("dpia/reference", "TODO"),
    ("dpia/version", "?"),
    ("dpia/dpo_opinion/text/en", "yes"),
    ("dpia/risks/0/measure/nl", "x"),
    ("accuracy/method/de", "none"),
    ("rights/contact", "nobody"),
    ("rights/complaint/contact", "the mayor"),
    ("information_board/website", "soon"),
    ("information_board/places/0/fr", "..."),
    ("cameras/north/place/nl", "aaaa"),
    ("cameras/north/field_of_view/text/en", " "),
    ("lists/permits/text/nl", "tbd"),
    ("audit/witness", "n.v.t."),
    ("legal/council_decision/date", "0001-01-01"),
    ("legal/police_advice/date", "1989-12-31"),
    ("dpia/review_date", "9999-12-31"),
    ("authorities/police/valid/until", "2100-01-01"),
    ("rules/0/schedule/holidays/0", "2026-12-24..2101-01-02"),
]


def with_text(path: str, text: str) -> dict[str, Any]:
    content = document()
    content["audit"]["witness"] = "City archive"
    node: Any = content
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    for step in way:
        node = node[step]
    node[last] = text
    return content


@pytest.mark.parametrize(("path", "text"), PLACES)
def test_p14_each_text_is_refused_by_field_with_a_cure_and_is_on_the_checklist_in_four_languages(
    path: str, text: str, tmp_path: Path
) -> None:
    file = write(tmp_path, with_text(path, text))
    field = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path.split("/"))[1:]

    with pytest.raises(ConfigError) as caught:
        read_policy(file)
    draft = parse_draft(file.read_text(), file, Policy)
    (finding,) = (one for one in checklist(draft, dpia=DOCUMENT) if one.severity is Severity.WRONG)

    (line,) = caught.value.message.splitlines()
    assert f": {field}: " in line
    assert ";" in line  # what is wrong; the cure
    assert finding.field == field
    assert finding.sentences["en"] in line
    assert len({finding.sentences[language] for language in LANGUAGES}) == len(LANGUAGES)


def test_p14_prose_in_one_language_is_refused_and_says_which_four(tmp_path: Path) -> None:
    for path in ("cameras/north/place", "dpia/dpo_opinion/text", "accuracy/method"):
        file = write(tmp_path, with_text(path, "The north corner of the square"))
        with pytest.raises(ConfigError, match="four languages; write nl, fr, de and en below it"):
            read_policy(file)


def test_p14_a_name_in_one_language_holds_in_all_four() -> None:
    name = Policy.model_validate(document()).controller.name

    assert {name.of(language) for language in LANGUAGES} == {"Town"}


@pytest.mark.parametrize(
    ("text", "model", "escaped"),
    [(POLICY, Policy, "name: Town"), (SITE, Site, "username: box-1")],
    ids=["policy", "site"],
)
def test_p14_an_unseen_character_is_found_wherever_it_stands_in_a_file(
    text: str, model: type[BaseModel], escaped: str
) -> None:
    """Raw, as an escape, or in a comment, where it could turn around what reviewers read."""
    key, value = escaped.split(": ")
    for written in (
        changed(text, escaped, f'{key}: "{value}\\u202e"'),
        changed(text, escaped, f"{key}: {value}\u2066"),
        f"{text}# approved \u202e by all\n",
        f"# \u200b\n{text}",
    ):
        with pytest.raises(ConfigError, match=r"cannot be seen .*\(U\+2...[A-Z -]+\); remove it"):
            parse_document(written, Path("file.yaml"), model)


def test_p14_the_signed_document_does_not_depend_on_how_a_letter_was_typed() -> None:
    digests = {
        Policy.model_validate_json(json.dumps(with_text("controller/name", name))).sha256()
        for name in ("Liège", "Lie\u0300ge", " Liège")
    }

    assert len(digests) == 1


@pytest.mark.parametrize("number", [1, 2])
def test_a_policy_of_an_earlier_format_has_that_problem_alone(tmp_path: Path, number: int) -> None:
    """Its other mistakes follow from it: texts of format 2 have one language."""
    content = with_text("cameras/north/place", "The north corner")
    content["schema"] = f"edge-anpr/policy/{number}"

    with pytest.raises(ConfigError) as caught:
        read_policy(write(tmp_path, content))

    (line,) = caught.value.message.splitlines()
    assert f": schema: format {number}, and this version reads format 3" in line
    assert "docs/sites.md" in line
