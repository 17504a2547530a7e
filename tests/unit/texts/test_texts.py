"""The four language files have the same keys, and the product uses each text."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from typing import get_args

import pytest

from edge.authority.store import Reason
from edge.desk.fleet import BoxProblem, BoxState
from edge.desk.outcomes import FindingOutcome, Judgement
from edge.desk.provider_sign_in import RefusalReason
from edge.desk.recipients import Recipient
from edge.desk.request_terms import RequestKind, RequestProof
from edge.desk.retention_terms import HoldReason
from edge.desk.rights import DeskRole
from edge.desk.web.calls import MENU
from edge.domain.appearance import Colour, VehicleKind
from edge.domain.rules import RuleKind
from edge.policy.duties import DUTIES, FAULTS
from edge.policy.notice.publication import publication
from edge.policy.notice.words import Words
from edge.privacy.box_status import Outcome
from edge.texts import LANGUAGES, Language, catalogue, in_every_language, text
from tests.support.notices import every_notice
from tests.support.product import REPOSITORY

RIGHT_STATES = ("proposed", "in_force", "not_yet", "ended", "revoked")
OTHERS = tuple(language for language in LANGUAGES if language != "en")


def placeholders(one: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(one) if name is not None}


def keys(section: str) -> set[str]:
    return {key for key in catalogue("en") if key.startswith(section)}


# --- the four files hold the same texts -------------------------------------------------------


@pytest.mark.parametrize("language", OTHERS)
def test_p14_p18_every_language_has_the_same_keys_with_the_same_placeholders(
    language: Language,
) -> None:
    mine, english = catalogue(language), catalogue("en")

    assert mine.keys() == english.keys()
    assert {key: placeholders(one) for key, one in mine.items()} == {
        key: placeholders(one) for key, one in english.items()
    }


def test_p14_no_text_is_the_same_in_two_languages_that_should_differ() -> None:
    alike = [
        key
        for key, english in catalogue("en").items()
        if len(english.split()) > 5
        for other in OTHERS
        if catalogue(other)[key] == english
    ]

    assert alike == []


def test_p18_no_sentence_of_the_checklist_is_the_same_in_two_languages() -> None:
    for section in ("checklist.duty.", "checklist.fault.", "checklist.why."):
        for key in keys(section):
            assert len(set(in_every_language_as_written(key))) == len(LANGUAGES), key


def in_every_language_as_written(key: str) -> list[str]:
    return [catalogue(language)[key] for language in LANGUAGES]


# --- each text is used, and each one that is used is there ------------------------------------


class Recorded(Mapping[str, str]):
    """A catalogue that records which of its texts were used."""

    def __init__(self, language: Language, used: set[str]) -> None:
        self._texts = catalogue(language)
        self._used = used

    def __getitem__(self, key: str) -> str:
        self._used.add(key)
        return self._texts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def test_p14_every_text_of_the_notice_is_used() -> None:
    used: set[str] = set()
    for notice in every_notice().values():
        publication(notice, lambda language: Words(language, Recorded(language, used)))

    assert used == keys("notice.")


def test_p18_exactly_every_duty_fault_and_requirement_has_its_text() -> None:
    requirements = {duty.requirement for duty in DUTIES}
    requirements |= {fault.requirement for fault in FAULTS.values()}

    assert keys("checklist.duty.") == {duty.key for duty in DUTIES}
    assert keys("checklist.fault.") == {f"checklist.fault.{name}" for name in FAULTS}
    assert keys("checklist.why.") == {f"checklist.why.{name}" for name in requirements}


def test_p18_check_uses_every_text_of_its_section() -> None:
    source = (REPOSITORY / "edge" / "cli" / "check.py").read_text(encoding="utf-8")

    assert keys("checklist.result.") == set(re.findall(r'"(checklist\.result\.\w+)"', source))
    assert keys("checklist.heading.") == {
        f"checklist.heading.{severity}" for severity in ("missing", "wrong", "warning")
    }


def test_p14_the_desk_uses_every_text_of_its_section_and_no_other() -> None:
    """Keys that are put together in the code end with one of a closed list."""
    folder = REPOSITORY / "edge" / "desk" / "web"
    files = [*folder.glob("*.py"), *folder.glob("templates/*.j2")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    sections = "|".join({key.split(".")[1] for key in keys("desk.")})
    used = {f"desk.{key}" for key in re.findall(rf'"((?:{sections})\.\w+[a-z])"', source)}
    used |= {f"desk.role.{role.value}" for role in DeskRole}
    used |= {f"desk.language.{language}" for language in LANGUAGES}
    used |= {f"desk.state.{one}" for one in RIGHT_STATES}
    used |= {f"desk.page.{one}" for one in (*MENU, "account")}
    used |= {f"desk.people.{one}" for one in ("approve", "revoke")}
    used |= {f"desk.oidc.{one}" for one in get_args(RefusalReason)}
    used |= {f"desk.figures.hold_{one.value}" for one in HoldReason}
    used |= {f"desk.file.{one}" for one in ("court", "data-subject")}
    used |= {f"desk.fleet.state_{one.value}" for one in BoxState}
    for problem in BoxProblem:
        name = problem.value.replace("-", "_")
        used |= {f"desk.fleet.problem_{name}", f"desk.fleet.cure_{name}"}
    used |= {f"desk.fleet.clock_{one}" for one in ("one", "several")}
    used |= {f"desk.fleet.outcome_{one.replace('-', '_')}" for one in get_args(Outcome)}
    used |= {f"desk.approvals.{one.value}" for one in (*RequestKind, *RequestProof)}
    for section, words in (
        ("judgement", Judgement), ("outcome", FindingOutcome), ("reason", Reason)
    ):  # fmt: skip
        used |= {f"desk.{section}.{one.value}" for one in words}
    used |= {f"desk.vehicle.{one.value}" for one in (*VehicleKind, *Colour)}

    assert used == keys("desk.")


def test_p14_the_report_of_a_case_uses_every_text_of_its_section_and_no_other() -> None:
    source = (REPOSITORY / "edge" / "desk" / "court" / "report.py").read_text(encoding="utf-8")
    sections = "|".join({key.split(".")[1] for key in keys("court.")})
    used = {f"court.{key}" for key in re.findall(rf"""["']((?:{sections})\.\w+)["']""", source)}
    used.discard("court.report.typ")  # the template's file
    for section, values in {
        "judgement": [one.value for one in Judgement],
        "outcome": [one.value for one in FindingOutcome],
        "picture": ["plate", "vehicle", "first", "last", "place", "other"],
        "reason": [one.value for one in Reason],
        "rule": [one.value for one in RuleKind],
        "typed": ["none", "same", "other"],
    }.items():
        used |= {f"court.{section}.{value}" for value in values}

    assert used == keys("court.")


def test_p14_an_answer_to_a_person_uses_every_text_of_its_section_and_no_other() -> None:
    source = (REPOSITORY / "edge" / "desk" / "request_answer.py").read_text(encoding="utf-8")
    used = {f"answer.{key}" for key in re.findall(r'words\(\s*"(\w+)"', source)}
    used |= {"answer.until", "answer.until_held"}
    used |= {f"answer.{one.value}" for one in RequestKind}
    used |= {f"answer.given_{one.value.replace('-', '_')}" for one in Recipient}
    used |= {f"answer.{one.value.replace('-', '_')}" for one in FindingOutcome}

    assert used == keys("answer.")


def test_the_texts_have_no_other_section() -> None:
    sections = {key.split(".")[0] for key in catalogue("en")}

    assert sections == {
        "answer", "checklist", "court", "desk", "diff", "new", "notice", "wording"
    }  # fmt: skip


# --- the loader -------------------------------------------------------------------------------


def test_a_text_with_a_missing_value_is_refused() -> None:
    assert text("fr", "checklist.fault.not_yet", date="2026-01-05").endswith("du 2026-01-05.")
    assert in_every_language("checklist.result.why") == {
        "nl": "Waarom", "fr": "Pourquoi", "de": "Warum", "en": "Why"
    }  # fmt: skip
    with pytest.raises(KeyError, match="date"):
        text("fr", "checklist.fault.not_yet")
    with pytest.raises(KeyError, match=r"checklist\.nothing"):
        text("fr", "checklist.nothing")
