"""The compliance checklist: open duties and invalid answers.

Longer than 500 lines because each requirement has its cases here.
"""

from __future__ import annotations

import itertools
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.errors import CODES, ConfigError
from edge.formats.yaml_document import parse_draft
from edge.policy.checklist import Finding, checklist, unready
from edge.policy.duties import DUTIES, FAULTS, Severity
from edge.policy.flaws import flaws, flaws_on
from edge.policy.legal import MAX_ACCURACY_YEARS, MAX_EVIDENCE_YEARS
from edge.policy.model import Policy
from edge.policy.template import QUESTIONS, template
from edge.site.folder import read_draft, read_policy
from edge.texts import LANGUAGES, catalogue, in_every_language, text
from tests.support.example_site import POLICY
from tests.support.notices import said
from tests.support.policies import DOCUMENT, NOON, Change, document, policy, write
from tests.support.sites import texts


def edit(path: str, value: object) -> Change:
    *way, last = path.split("/")

    def change(content: Any) -> None:
        for step in way:
            content = content[step]
        content[last] = value

    return change


def without(path: str) -> Change:
    *way, last = path.split("/")

    def change(content: Any) -> None:
        for step in way:
            content = content[step]
        del content[last]

    return change


def loading(folder: Path, *changes: Change) -> ConfigError:
    """The error on loading such a policy."""
    file = write(folder, document(*changes))
    with pytest.raises(ConfigError) as caught:
        read_policy_of(file)
    assert str(file) in caught.value.message
    return caught.value


def read_policy_of(file: Path) -> Policy:
    from edge.formats.problems import refuse
    from edge.policy.checklist import problems

    found = read_policy(file)
    refuse(problems(found))
    return found.model


def listed(folder: Path, *changes: Change) -> list[Finding]:
    """The findings of `check` for such a policy, without warnings."""
    draft = read_draft(write(folder, document(*changes)))
    found = checklist(draft, moment=NOON, dpia=DOCUMENT)
    return [one for one in found if one.severity is not Severity.WARNING]


# --- what is missing --------------------------------------------------------------------------

MISSING = {
    "P1 the council's decision": ("legal/council_decision", "E_SEQUENCE", "P1"),
    "P1 the police's advice": ("legal/police_advice", "E_SEQUENCE", "P1"),
    "P1 the declaration": ("legal/camera_declaration/date", "E_SEQUENCE", "P1"),
    "P1 the first day": ("activation/not_before", "E_SEQUENCE", "P1"),
    "P1 the quorum": ("approvals/quorum", "E_QUORUM", "P1"),
    "P2 the DPIA's hash": ("dpia/sha256", "E_DPIA_HASH", "P2"),
    "P2 the DPIA's review": ("dpia/review_date", "E_DPIA_REVIEW", "P2"),
    "P2 the officer's opinion": ("dpia/dpo_opinion", "E_DPIA", "P2"),
    "P3 what the DPIA covers": ("dpia/purposes", "E_PURPOSE_NOT_IN_DPIA", "P3"),
    "P10 retention": ("purposes/quiet/retention_hours", "E_RETENTION_CEILING", "P10"),
    "P11 the sunset": ("activation/sunset", "E_SUNSET", "P11"),
    "P11 the hours": ("cameras/north/hours", "E_HOMEWORK", "P11"),
    "P11 the field of view": ("cameras/north/field_of_view/reach_m", "E_HOMEWORK", "P11"),
    "P12 the accuracy": ("accuracy", "E_ACCURACY", "P12"),
    "P12 its interval": ("accuracy/interval", "E_ACCURACY", "P12"),
    "P13 how long an entry lasts": ("lists/permits/max_entry_days", "E_HOMEWORK", "P13"),
    "P14 a language": ("purposes/quiet/text/de", "E_HOMEWORK", "P14"),
    "P14 the board": ("information_board", "E_HOMEWORK", "P14"),
    "P15 the evidence": ("purposes/quiet/safety_evidence", "E_FINANCIAL_MOTIVE", "P15"),
    "P15 the declaration": ("finance/vendor_paid_per_fine", "E_FINANCIAL_MOTIVE", "P15"),
    "P16 physical measures": ("alternatives/physical", "E_ALTERNATIVES", "P16"),
    "P16 awareness": ("alternatives/awareness", "E_ALTERNATIVES", "P16"),
    "P16 targeted checks": ("alternatives/targeted/outcome", "E_ALTERNATIVES", "P16"),
    "P16 all of them": ("alternatives", "E_ALTERNATIVES", "P16"),
    "P17 who suspends": ("suspension", "E_HOMEWORK", "P17"),
    "P19 the supervisor": ("supervisory_authorities", "E_HOMEWORK", "P19"),
    "P19 the complaint": ("rights/complaint", "E_HOMEWORK", "P19"),
    "P19 its contact": ("rights/complaint/contact", "E_HOMEWORK", "P19"),
    "P20 the evaluation": ("evaluation/next_due", "E_EVALUATION", "P20"),
}


@pytest.mark.parametrize("name", MISSING)
def test_p1_to_p20_a_missing_answer_refuses_the_policy_and_is_on_the_checklist(
    name: str, tmp_path: Path
) -> None:
    path, code, requirement = MISSING[name]

    error = loading(tmp_path / "a", without(path))
    findings = listed(tmp_path / "b", without(path))

    assert error.code == code
    assert f"({requirement}: " in error.message
    assert {(one.code, one.requirement) for one in findings} == {(code, requirement)}
    assert all(one.severity is Severity.MISSING for one in findings)


def test_p18_an_empty_policy_gives_the_full_checklist(tmp_path: Path) -> None:
    for written in ("", "# nothing yet\n", "{}", "schema: edge-anpr/policy/3\n"):
        draft = parse_draft(written, tmp_path / "policy.yaml", Policy)
        found = checklist(draft)
        lists = {duty for duty in DUTIES if duty.field[0] == "lists"}  # a policy may have none
        expected = [duty for duty in DUTIES if duty not in lists]
        if "schema" in written:
            expected = [duty for duty in expected if duty.field != ("schema",)]
        sentences = [in_every_language(duty.key) for duty in expected]
        assert [one.sentences for one in found] == sentences
        assert all(one.severity is Severity.MISSING for one in found)


def test_p18_every_removed_answer_is_on_the_checklist(tmp_path: Path) -> None:
    """Each leaf of the example is taken out; `check` then names it and nothing else."""

    def leaves(node: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        if isinstance(node, dict):
            return [leaf for key, value in node.items() for leaf in leaves(value, (*at, key))]
        return [at]

    optional = 0
    for number, leaf in enumerate(leaves(document())):
        if leaf[0] in {"schema", "rules"}:
            continue
        findings = listed(tmp_path / str(number), without("/".join(leaf)))
        if not findings:
            optional += 1  # it has a default
            continue
        assert all(one.field.startswith(leaf[0]) for one in findings), leaf
    assert 0 < optional < 40


def test_p18_an_open_item_names_its_field_and_what_is_blank(tmp_path: Path) -> None:
    written = POLICY.replace("{reference: Council 1, date: 2025-11-24}", "{reference: , date: }")
    draft = parse_draft(written, tmp_path / "policy.yaml", Policy)
    (finding,) = checklist(draft, dpia=DOCUMENT)[:1]

    assert finding.field == "legal.council_decision"
    assert finding.lacking == ("reference", "date")
    assert written.splitlines()[finding.line - 1][finding.column - 1 :].startswith("reference")
    for language in LANGUAGES:
        assert finding.sentences[language]
        assert finding.why(language) == text(language, "checklist.why.P1")


def test_p18_contradictions_are_found_even_if_other_parts_are_missing(
    tmp_path: Path,
) -> None:
    findings = listed(
        tmp_path,
        without("rights"),
        edit("dpia/date", "2026-01-06"),
        edit("finance/vendor_paid_per_fine", value=True),
    )

    assert {one.code for one in findings} == {"E_HOMEWORK", "E_SEQUENCE", "E_FINANCIAL_MOTIVE"}


def test_a_spelling_mistake_is_on_the_checklist_with_the_remedy(tmp_path: Path) -> None:
    findings = listed(tmp_path, edit("purpose", {}), edit("epoch_minutes", "often"))

    assert {one.code for one in findings} == {"E_CONFIG"}
    assert any("did you mean 'purposes'?" in one.sentences["nl"] for one in findings)


@pytest.mark.parametrize("key", ["ed25519:" + "A" * 43 + "=", "ed25519:" + "A" * 42 + "=", "mine"])
def test_a_mistyped_key_is_explained_in_each_language(tmp_path: Path, key: str) -> None:
    content = document(real=True)
    content["approvals"]["signers"]["mayor"]["key"] = key
    findings = listed(tmp_path, lambda policy: policy.update(content))

    (found,) = [one for one in findings if one.field == "approvals.signers.mayor.key"]
    says = {
        "nl": "is geen publieke sleutel; kopieer hem opnieuw",
        "fr": "n'est pas une clé publique ; copiez-la à nouveau",
        "de": "ist kein öffentlicher Schlüssel; kopieren Sie ihn erneut",
        "en": "is not a public key; copy it again from",
    }
    for language in LANGUAGES:
        sentence = found.sentences[language]
        assert says[language].lower() in sentence.lower()
        assert "`edge-anpr keys show`" in sentence
        assert "AAAA" not in sentence


@pytest.mark.parametrize("written", ["- a\n", "just words", "a: [", "a: &b c"])
def test_a_policy_that_is_not_a_mapping_is_refused(written: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy\.yaml:1:"):
        parse_draft(written, tmp_path / "policy.yaml", Policy)


# --- what is wrong ----------------------------------------------------------------------------

OUTCOME = texts("Still needed")


def shown(count: int, total: int, date: str = "2025-10-13") -> dict[str, object]:
    """What pictures at the level of the vehicle were measured to show."""
    levels = {"vehicle": {"body_enough": [50, 60], "glass_leaks": [count, total]}}
    return {"date": date, "method": texts("Photographs of the place"), "levels": levels}


WRONG = {
    "P1 a DPIA a day after": (edit("dpia/date", "2026-01-06"), "E_SEQUENCE"),
    "P1 a DPIA on the day": (edit("dpia/date", "2026-01-05"), "E_SEQUENCE"),
    "P1 a late decision": (edit("legal/council_decision/date", "2026-01-06"), "E_SEQUENCE"),
    "P1 late advice": (edit("legal/police_advice/date", "2026-01-06"), "E_SEQUENCE"),
    "P1 a late declaration": (edit("legal/camera_declaration/date", "2026-01-06"), "E_SEQUENCE"),
    "P1 a late opinion": (edit("dpia/dpo_opinion/date", "2026-02-01"), "E_SEQUENCE"),
    "P1 late evidence": (edit("purposes/quiet/safety_evidence/date", "2026-02-01"), "E_SEQUENCE"),
    "P1 two roles sign": (edit("approvals/quorum", ["controller", "dpo"]), "E_QUORUM"),
    "P1 nobody of a role": (edit("approvals/signers/chief/role", "dpo"), "E_QUORUM"),
    "P2 a risk without measure": (
        edit("dpia/risks", [{"risk": "error-margins", "measure": texts("Human checks")}]),
        "E_DPIA",
    ),
    "P2 a review before": (edit("dpia/review_date", "2025-10-20"), "E_DPIA_REVIEW"),
    "P2 a review in four years": (edit("dpia/review_date", "2029-10-20"), "E_DPIA_REVIEW"),
    "P2 a review never": (edit("dpia/review_date", "2099-12-31"), "E_DPIA_REVIEW"),
    "P2 an opinion before": (edit("dpia/dpo_opinion/date", "2025-10-19"), "E_SEQUENCE"),
    "P10 31 days": (edit("purposes/quiet/retention_hours", 31 * 24), "E_RETENTION_CEILING"),
    "P10 an hour more": (edit("purposes/quiet/retention_hours", 721), "E_RETENTION_CEILING"),
    "P11 a sunset before": (edit("activation/sunset", "2026-01-05"), "E_SUNSET"),
    "P11 a sunset in ten years": (edit("activation/sunset", "2036-01-05"), "E_SUNSET"),
    "P12 an interval of one's own": (edit("accuracy/interval", [0.95, 1]), "E_ACCURACY"),
    "P12 counts that changed": (edit("accuracy/exact", 24), "E_ACCURACY"),
    "P12 more right than there were": (edit("accuracy/exact", 26), "E_ACCURACY"),
    "P6 more shown than there were": (edit("accuracy/pictures", shown(61, 60)), "E_ACCURACY"),
    "P15 paid per fine": (edit("finance/vendor_paid_per_fine", value=True), "E_FINANCIAL_MOTIVE"),
    "P16 alternatives afterwards": (edit("alternatives/physical/date", "2025-11-25"), "E_SEQUENCE"),
    "P20 an evaluation in two years": (edit("evaluation/next_due", "2028-01-04"), "E_EVALUATION"),
    "P20 an evaluation before": (edit("evaluation/next_due", "2026-01-05"), "E_EVALUATION"),
    "P20 evaluated before the start": (
        edit("evaluation/last", {"reference": "E 1", "date": "2026-01-04", "outcome": OUTCOME}),
        "E_EVALUATION",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_p1_to_p20_an_invalid_answer_refuses_the_policy_and_is_on_the_checklist(
    name: str, tmp_path: Path
) -> None:
    change, code = WRONG[name]

    error = loading(tmp_path / "a", change)
    findings = listed(tmp_path / "b", change)
    refused = unready(policy(change), DOCUMENT)

    assert error.code == code
    assert {one.code for one in findings} == {code}
    assert refused is not None
    assert refused.code == code


@pytest.mark.parametrize(
    ("regime", "hours", "fits"),
    [
        ("camera_act", 720, True),
        ("camera_act", 721, False),
        ("gas_speed", 720, True),
        ("police_function_act", 721, False),
        ("other", 72, True),
        ("other", 73, False),
    ],
)
def test_p10_each_regime_has_its_ceiling(regime: str, hours: int, fits: bool) -> None:
    what = policy(edit("legal/regime", regime), edit("purposes/quiet/retention_hours", hours))

    refused = unready(what, DOCUMENT)

    assert (refused is None or refused.code != "E_RETENTION_CEILING") is fits


def test_p15_revenue_has_no_field(tmp_path: Path) -> None:
    for place in ("revenue", "finance/revenue", "purposes/quiet/revenue"):
        error = loading(tmp_path / place, edit(place, 100_000))
        assert error.code == "E_CONFIG"
        assert "unknown key 'revenue'" in error.message


PAST = {
    # Each day on which something has happened, and the code if it is a day to come.
    "legal/council_decision/date": "E_SEQUENCE",
    "legal/police_advice/date": "E_SEQUENCE",
    "legal/camera_declaration/date": "E_SEQUENCE",
    "purposes/quiet/safety_evidence/date": "E_FINANCIAL_MOTIVE",
    "alternatives/physical/date": "E_ALTERNATIVES",
    "alternatives/awareness/date": "E_ALTERNATIVES",
    "alternatives/targeted/date": "E_ALTERNATIVES",
    "dpia/date": "E_DPIA",
    "dpia/dpo_opinion/date": "E_DPIA",
    "accuracy/date": "E_ACCURACY",
    "accuracy/pictures/date": "E_ACCURACY",
    "evaluation/last/date": "E_EVALUATION",
    "cameras/north/place_picture/approved": "E_CONFIG",
}
TO_COME = {"dpia/review_date", "evaluation/next_due", "activation/not_before", "activation/sunset"}


def dated(path: str, day: str) -> Change:
    """The example with one of these days; the documents that may not be later are as late."""

    def change(content: Any) -> None:
        content["activation"].update(not_before="2026-06-01")
        content["legal"]["council_decision"]["date"] = max("2025-11-24", day)
        content["evaluation"]["next_due"] = "2027-02-01"
        if path.startswith("evaluation"):
            content["activation"].update(not_before="2026-01-05")
            content["evaluation"]["last"] = {"reference": "E 1", "date": day, "outcome": OUTCOME}
        if path == "accuracy/pictures/date":
            content["accuracy"]["pictures"] = shown(50, 60)
        if path.startswith("cameras"):
            content["cameras"]["north"]["place_picture"] = {"sha256": "ab" * 32}
        if path == "dpia/date":
            content["dpia"]["dpo_opinion"]["date"] = day
        edit(path, day)(content)

    return change


@pytest.mark.parametrize("path", PAST)
def test_p1_p2_p12_p15_p16_p20_nothing_past_is_dated_in_the_future(path: str) -> None:
    """At noon of 10 March in the policy's zone: that day is past, the next one is not."""
    for now, present in ((NOON, None), (NOON - timedelta(days=30), NOON)):
        today = policy(dated(path, "2026-03-10"))
        assert {flaw.fault for flaw in flaws_on(today, now, present)} <= {"not_yet"}
        tomorrow = policy(dated(path, "2026-03-11"))
        found = {
            flaw.code: flaw
            for flaw in flaws_on(tomorrow, now, present)
            if flaw.location == tuple(path.split("/"))
        }
        assert list(found) == [PAST[path]]
        refused = unready(tomorrow, DOCUMENT, now, present)
        assert refused is not None
        assert "today is 2026-03-10" in found[PAST[path]].text("en")


AGED = {
    "purposes/quiet/safety_evidence/date": MAX_EVIDENCE_YEARS,
    "alternatives/physical/date": MAX_EVIDENCE_YEARS,
    "alternatives/awareness/date": MAX_EVIDENCE_YEARS,
    "alternatives/targeted/date": MAX_EVIDENCE_YEARS,
    "accuracy/date": MAX_ACCURACY_YEARS,
    "accuracy/pictures/date": MAX_ACCURACY_YEARS,
}


@pytest.mark.parametrize("path", AGED)
def test_p12_p15_p16_what_was_found_out_long_before_the_start_says_nothing(path: str) -> None:
    """The example starts on 5 January 2026."""
    first = f"{2026 - AGED[path]}-01-0"

    measured = edit("accuracy/pictures", shown(50, 60))

    assert unready(policy(measured, edit(path, f"{first}6")), DOCUMENT) is None
    old = policy(measured, edit(path, f"{first}3"))
    (found,) = [one for one in flaws(old) if one.code[0] == "E"]
    assert (found.code, found.location) == (PAST[path], tuple(path.split("/")))
    assert str(AGED[path]) in found.text("en")


def test_every_date_of_a_policy_is_either_past_or_to_come() -> None:
    """A new date in the model needs a decision here, and one of the past in `flaws_on`."""

    def dates(node: Any, at: str = "") -> list[str]:
        if isinstance(node, dict):
            return [one for key, value in node.items() for one in dates(value, f"{at}/{key}")]
        return [at.lstrip("/")] if re.fullmatch(r"\d{4}-\d\d-\d\d", str(node)) else []

    measured = edit("accuracy/pictures", {"date": "2025-10-13"})
    approved = edit("cameras/north/place_picture", {"approved": "2026-01-10"})
    evaluated = edit("evaluation/last", {"date": "2026-03-01"})
    content = document(evaluated, measured, approved)
    found = {path for path in dates(content) if not path.startswith("authorities/")}
    assert found == {*PAST, *TO_COME}


def test_p1_a_first_day_to_come_is_a_warning_and_no_reason_not_to_sign(tmp_path: Path) -> None:
    draft = read_draft(write(tmp_path, document(edit("activation/not_before", "2026-03-11"))))
    found = [
        one
        for one in checklist(draft, moment=NOON, dpia=DOCUMENT)
        if one.field == "activation.not_before"
    ]

    assert [one.severity for one in found] == [Severity.WARNING]
    refused = unready(policy(edit("activation/not_before", "2026-03-11")), DOCUMENT, NOON)
    assert refused is not None
    assert refused.code == "E_SEQUENCE"


def test_p20_a_completed_evaluation_gives_another_year() -> None:
    outcome = texts("Still needed")
    last = {"reference": "Report", "date": "2026-12-15", "outcome": outcome}

    assert unready(policy(edit("evaluation/next_due", "2027-12-15")), DOCUMENT) is not None
    made = policy(edit("evaluation/last", last), edit("evaluation/next_due", "2027-12-15"))
    assert unready(made, DOCUMENT) is None


def test_p6_p11_p12_an_allowed_but_intrusive_choice_gives_a_warning() -> None:
    open_always = {
        "weekly": {
            day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        }
    }

    why = said("Somebody may drive into it at any hour")
    north = {**document()["cameras"]["north"], "hours": open_always, "hours_justification": why}

    found = {one.code for one in flaws(policy(edit("cameras/north", north)))}

    assert found == {"W_HUMAN_CHECK", "W_OCCUPANTS", "W_ALWAYS_OPEN", "W_DEMO_KEYS"}


@pytest.mark.parametrize(
    ("levels", "unused"),
    [
        (("plate", "plate", "plate"), True),
        (("vehicle", "plate", "plate"), False),
        (("plate", "plate", "driver"), False),
        (("plate", "plate", "occupants"), False),
    ],
)
def test_p6_an_approved_picture_of_a_place_that_no_rule_sends_is_a_warning(
    levels: tuple[str, ...], *, unused: bool
) -> None:
    still = {"sha256": "ab" * 32, "approved": "2026-01-02"}
    rules = zip(document()["rules"], levels, strict=True)
    shown = [{**rule, "reveal": level} for rule, level in rules]

    found = flaws(policy(edit("cameras/north/place_picture", still), edit("rules", shown)))

    told = [one.location for one in found if one.code == "W_PLACE_UNUSED"]
    assert told == [("cameras", "north", "place_picture")] * unused


def test_p6_a_rule_of_another_camera_sends_no_picture_of_this_place() -> None:
    still = {"sha256": "ab" * 32, "approved": "2026-01-02"}
    south = document()["cameras"]["north"]
    rules = [{**one, "cameras": ["south"]} for one in document()["rules"]]

    found = flaws(
        policy(
            edit("cameras/north/place_picture", still),
            edit("cameras/south", south),
            edit("rules", rules),
        )
    )

    assert [one.location[1] for one in found if one.code == "W_PLACE_UNUSED"] == ["north"]


def test_p12_a_person_checks_each_hit_unless_the_policy_says_otherwise(tmp_path: Path) -> None:
    file = write(tmp_path, document())
    assert json.loads(file.read_text())["rules"][0]["human_check"] is True
    assert policy().rules[0].human_check


def test_several_open_duties_share_one_code_and_each_line_has_its_own(
    tmp_path: Path,
) -> None:
    error = loading(tmp_path, without("alternatives/physical"), without("activation/sunset"))

    assert error.code == "E_HOMEWORK"
    assert "(E_ALTERNATIVES)" in error.message
    assert "(E_SUNSET)" in error.message


# --- duties and faults ------------------------------------------------------------------------


def test_p18_every_duty_and_fault_has_a_reason_and_a_known_code() -> None:
    said = [(duty.requirement, duty.code) for duty in DUTIES]
    said += [(fault.requirement, fault.code) for fault in FAULTS.values()]
    for requirement, code in said:
        assert f"checklist.why.{requirement}" in catalogue("en")
        assert code in CODES or code.startswith("W_")


def test_p18_every_duty_is_a_field_of_the_policy() -> None:
    schema = Policy.model_json_schema()
    for duty in DUTIES:
        part = schema
        for step in duty.field:
            while "$ref" in part:
                part = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]]
            if step == "*":
                options = [
                    *part.get("patternProperties", {}).values(),
                    part.get("additionalProperties"),
                ]
                part = next(one for one in options if isinstance(one, dict))
            else:
                part = part["properties"][step]


# --- the template -----------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_p18_a_new_template_has_only_open_duties_and_no_mistakes(
    language: Any, tmp_path: Path
) -> None:
    draft = parse_draft(template(language, {}), tmp_path / "policy.yaml", Policy)

    found = checklist(draft)

    assert {one.severity for one in found} == {Severity.MISSING}
    asked = {one.sentences["en"] for one in found}
    given = {("version",), ("schema",), ("approvals", "quorum"), ("purposes",), ("cameras",)}
    given |= {("dpia", "file")}  # the skeleton that is written beside it
    below = {duty.field for duty in DUTIES if duty.field[0] == "lists"}
    assert {duty.field for duty in DUTIES if text("en", duty.key) not in asked} == given | below
    for duty in DUTIES:
        if text("en", duty.key) in asked and duty.field[:2] != ("authorities", "*"):
            first = " ".join(text(language, duty.key).split()[:3])
            assert first in template(language, {})


def test_p18_comments_and_examples_of_a_new_template_are_in_its_language() -> None:
    english = [one for key, one in catalogue("en").items() if key.startswith("new.template_")]

    assert len(english) == 11
    for language in LANGUAGES:
        lines = template(language, {}).splitlines()
        assert not any(one == two for one, two in itertools.pairwise(lines))
        found = [one for one in english if one in "\n".join(lines)]
        assert found == (english if language == "en" else [])
        for key, one in catalogue(language).items():
            assert not key.startswith("new.template_") or one in "\n".join(lines), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_p18_the_commented_figures_of_pictures_are_the_policys_form(
    language: Any, tmp_path: Path
) -> None:
    """Without their `# `, and with the blanks filled in, they are what the policy says."""
    told = text(language, "new.template_pictures")
    before, after = template(language, {}).split(f"  # {told}\n")
    commented, rest = after.split("\n\n", 1)
    lines = [line.replace("  # ", "  ", 1) for line in commented.splitlines()]
    assert lines[0] == "  pictures:"
    head, accuracy = before.rsplit("accuracy:\n", 1)
    part = accuracy + "\n".join([*lines, ""])
    for blank, filled in (
        (" date:\n", " date: 2026-03-01\n"),
        (
            "{nl: , fr: , de: , en: }",
            "{nl: Foto's hier, fr: Photos prises ici, de: Fotos von hier, en: Photos from here}",
        ),
        ("vehicles:\n", "vehicles: 30\n"),
        ("exact:\n", "exact: 30\n"),
        ("interval:\n", "interval: [0.886, 1]\n"),
    ):
        part = part.replace(blank, filled)
    file = tmp_path / "policy.yaml"

    draft = parse_draft(f"{head}accuracy:\n{part}\n{rest}", file, Policy)

    pictures = draft.part.accuracy.pictures
    assert pictures is not None
    shown = pictures.levels["vehicle"]
    assert (shown.body_enough, shown.glass_leaks, shown.people) == ((0, 1), (0, 1), (0, 1))


def test_p18_the_template_contains_the_given_answers(tmp_path: Path) -> None:
    answers = {question.name: f'an "answer": {{{question.name}}}' for question in QUESTIONS}
    answers.update(site="square", regime="camera_act")
    answers |= {name: f"{name}@square.example" for name in answers if name.endswith("_contact")}
    for question in QUESTIONS:
        if question.duty.endswith(("_date", "sunset", "before", "due")) or question.name.endswith(
            "_date"
        ):
            answers[question.name] = question.example

    draft = parse_draft(template("en", answers), tmp_path / "policy.yaml", Policy)

    assert draft.part.site == "square"
    assert draft.part.controller.name.nl == 'an "answer": {controller_name}'
    assert "E_CONFIG" not in {one.code for one in checklist(draft)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_p18_no_two_questions_are_the_same_and_each_refusal_says_what_fits(language: Any) -> None:
    asked = [question.sentence(language) for question in QUESTIONS]
    refused = {question.name: question.refusal("No !", language) or "" for question in QUESTIONS}

    assert len(set(asked)) == len(QUESTIONS)
    assert "a-z, 0-9" in refused["site"]
    assert "police_function_act, other" in refused["regime"]
    assert "2025-11-24" in refused["sunset"]


def test_p18_the_questions_come_in_the_order_of_the_law() -> None:
    sections = list(dict.fromkeys(question.duty.split(".")[0] for question in QUESTIONS))

    assert sections == [
        *("site", "legal", "dpia", "activation", "evaluation"),
        *("controller", "dpo", "supervisory_authorities"),
    ]
