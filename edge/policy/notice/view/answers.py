"""Responsibility and legal ground: parties, documents, dates, accuracy and history."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge.domain.intervals import wilson
from edge.policy.change import ChangeEffect
from edge.policy.diff import REVEALS
from edge.policy.legal import ShownAtLevel
from edge.policy.limits import is_trial
from edge.policy.model import ROLES
from edge.policy.notice.card_figures import CARD_FIGURES
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.view.parts import PartyView, PolicyWording, Sourced

_RISKS = {"excessive-monitoring", "error-margins", "permanent-lists"}
_HISTORY = {
    "accuracy", "approvals", "camera", "contact", "dpia", "entry-duration", "evaluation",
    "field-of-view", "hit-share", "hours", "issuer", "legal", "list", "list-size", "purpose",
    "recipient", "retention", "reveal", "rule", "start", "threshold",
}  # fmt: skip
"""Kinds of change for which the notice has its own words."""

_DIRECTIONS = {
    ChangeEffect.WIDENING: "widening",
    ChangeEffect.SUBSTANTIVE: "substantive",
    ChangeEffect.NARROWING: "narrowing",
    ChangeEffect.NEUTRAL: "neutral",
}


@dataclass(frozen=True, slots=True)
class PurposeCard:
    """A purpose: why it is needed, and the evidence for safety."""

    text: str
    necessity: str
    evidence: Sourced


@dataclass(frozen=True, slots=True)
class AuthorityView:
    """An authority that may open hits, and its period."""

    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Responsible:
    """All parties that are responsible for the cameras."""

    controller: PartyView
    joint: tuple[PartyView, ...]
    processors: tuple[PartyView, ...]
    dpo: PartyView
    authorities: tuple[AuthorityView, ...]
    supervisors: tuple[PartyView, ...]


@dataclass(frozen=True, slots=True)
class LegalGround:
    """The act, the legal basis, and the documents by the key of their text."""

    regime: str
    basis: str
    documents: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LevelView:
    """What pictures of one level were found to show: the level's description, and sentences."""

    shown: str
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Where and when a site measured its pictures."""

    method: str
    date: str


@dataclass(frozen=True, slots=True)
class AccuracyView:
    """Shares as text.

    `wrong` is how many of 1000 vehicles may be misread or missed, `trial` whether the measurement
    is too small or too bad for more than a trial. `pictures` has the levels that the rules use and
    that were measured at the place, `pictures_source` says how; `pictures_card` has the others.
    """

    vehicles: str
    exact: str
    share: str
    low: str
    high: str
    wrong: int
    trial: bool
    method: str
    date: str
    pictures: tuple[LevelView, ...]
    pictures_source: PictureSource | None
    pictures_card: tuple[LevelView, ...]


@dataclass(frozen=True, slots=True)
class RiskRow:
    """A risk, in the notice's own words if it has some, else in the policy's."""

    known: str | None
    written: str
    measure: str


@dataclass(frozen=True, slots=True)
class DpiaView:
    """The impact assessment."""

    document: str
    review: str
    opinion: str
    opinion_date: str
    risks: tuple[RiskRow, ...]


@dataclass(frozen=True, slots=True)
class KeyDates:
    """First day, last day and evaluations; `evaluated` is None before the first one."""

    start: str
    lease: str
    evaluated: Sourced | None
    due: str
    sunset: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a version: each direction's name, or None, and what changed in it.

    `oldest` is shown instead if the version before is not known.
    """

    number: int
    since: str
    oldest: str | None
    changes: tuple[tuple[str | None, str], ...]


def purpose_cards(wording: PolicyWording) -> Iterator[PurposeCard]:
    """Each purpose."""
    for purpose in wording.policy.purposes.values():
        evidence = purpose.safety_evidence
        yield PurposeCard(
            wording.in_language(purpose.text),
            wording.in_language(purpose.necessity),
            Sourced(
                wording.in_language(evidence.finding),
                wording.source(evidence.reference, evidence.date),
            ),
        )


def responsible(wording: PolicyWording) -> Responsible:
    """All parties that are responsible for the cameras."""
    words, policy = wording.words, wording.policy
    return Responsible(
        controller=wording.party(policy.controller),
        joint=tuple(
            wording.party(
                one, words("who.joint_note", agreement=wording.in_language(one.agreement))
            )
            for one in policy.joint_controllers
        ),
        processors=tuple(
            wording.party(
                one,
                words(
                    "who.processor_note",
                    task=wording.in_language(one.task).removesuffix("."),
                    agreement=wording.in_language(one.agreement),
                ),
            )
            for one in policy.processors
        ),
        dpo=wording.party(policy.dpo),
        authorities=tuple(
            AuthorityView(
                wording.in_language(one.name),
                words(
                    "who.authority_note",
                    since=words.date(one.valid.from_),
                    until=words.date(one.valid.until),
                ),
            )
            for one in policy.authorities.values()
        ),
        supervisors=tuple(map(wording.party, policy.supervisory_authorities)),
    )


def legal(wording: PolicyWording) -> LegalGround:
    """The legal ground for the cameras."""
    act = wording.policy.legal
    documents = (
        ("council", act.council_decision),
        ("police", act.police_advice),
        ("declaration", act.camera_declaration),
    )
    return LegalGround(
        act.regime,
        wording.in_language(act.basis),
        tuple((name, wording.source(one.reference, one.date)) for name, one in documents),
    )


def accuracy(wording: PolicyWording) -> AccuracyView:
    """The accuracy of the box."""
    words, measured = wording.words, wording.policy.accuracy
    low, high = measured.interval
    own: dict[str, ShownAtLevel] = {}
    if measured.pictures is not None:
        own.update(measured.pictures.levels.items())
    rest = {level: shown for level, shown in CARD_FIGURES.items() if level not in own}
    return AccuracyView(
        vehicles=words.number(measured.vehicles),
        exact=words.number(measured.exact),
        share=words.percent(measured.exact / measured.vehicles),
        low=words.percent(low),
        high=words.percent(high),
        # Rounded first: 1 - 0.867 is a little more than 0.133.
        wrong=math.ceil(round((1 - low) * 1000, 6)),
        trial=is_trial(wording.policy.legal.regime, measured.exact, measured.vehicles),
        method=wording.in_language(measured.method),
        date=words.date(measured.date),
        pictures=tuple(_pictures(wording, own)),
        pictures_source=None
        if measured.pictures is None
        else PictureSource(
            wording.in_language(measured.pictures.method), words.date(measured.pictures.date)
        ),
        pictures_card=tuple(_pictures(wording, rest)),
    )


def _pictures(wording: PolicyWording, measured: Mapping[str, ShownAtLevel]) -> Iterator[LevelView]:
    """What was found at each level that a rule uses and that was measured."""
    words = wording.words
    used = {rule.reveal for rule in wording.policy.rules}
    for level in REVEALS:
        if level not in used or level not in measured:
            continue
        found = [
            words(
                f"accuracy.pictures_{name}",
                count=words.number(count),
                total=words.number(total),
                share=words.percent(share.share),
                low=words.percent(share.low),
                high=words.percent(share.high),
            )
            for name, (count, total) in measured[level].counts().items()
            # At this level windows are meant to be seen.
            if not (level == "occupants" and name == "glass_leaks")
            for share in (wilson(count, total),)
        ]
        yield LevelView(words(f"rules.{level}"), tuple(found))


def alternatives(wording: PolicyWording) -> Iterator[tuple[str, Sourced]]:
    """The alternatives: the key of each one's text, its outcome and the report."""
    considered = wording.policy.alternatives
    for name, one in (
        ("physical", considered.physical),
        ("awareness", considered.awareness),
        ("targeted", considered.targeted),
    ):
        yield (
            name,
            Sourced(wording.in_language(one.outcome), wording.source(one.evidence, one.date)),
        )


def dpia(wording: PolicyWording) -> DpiaView:
    """The impact assessment with its risks."""
    words, assessment = wording.words, wording.policy.dpia
    return DpiaView(
        document=words(
            "dpia.document_text",
            reference=wording.in_language(assessment.reference),
            version=assessment.version,
            date=words.date(assessment.date),
        ),
        review=words.date(assessment.review_date),
        opinion=wording.in_language(assessment.dpo_opinion.text),
        opinion_date=words.date(assessment.dpo_opinion.date),
        risks=tuple(
            RiskRow(
                words(f"dpia.{one.risk.replace('-', '_')}") if one.risk in _RISKS else None,
                one.risk.replace("-", " ").capitalize(),
                wording.in_language(one.measure),
            )
            for one in assessment.risks
        ),
    )


def dates(wording: PolicyWording) -> KeyDates:
    """The first and last day, and the evaluations."""
    words, policy = wording.words, wording.policy
    last = policy.evaluation.last
    return KeyDates(
        start=words.date(policy.activation.not_before),
        lease=words.days(policy.activation.lease_days),
        evaluated=None
        if last is None
        else Sourced(wording.in_language(last.outcome), wording.source(last.reference, last.date)),
        due=words.date(policy.evaluation.next_due),
        sunset=words.date(policy.activation.sunset),
    )


def history(wording: PolicyWording, content: NoticeContent) -> Iterator[Changes]:
    """Each version and what it changed, newest first."""
    words = wording.words
    for one in content.versions:
        since = words.date(one.since)
        if one.changed is None:
            oldest = words("history.first" if one.number == 1 else "history.earlier")
            yield Changes(one.number, since, oldest, ())
        else:
            changes = tuple(_changes(one.changed, wording))
            yield Changes(one.number, since, None, changes or ((None, words("history.none")),))


def signed_by(wording: PolicyWording, content: NoticeContent) -> str:
    """The roles that have signed, joined as in a sentence."""
    words = wording.words
    roles = [words(f"proof.{role}") for role in ROLES if role in content.signed]
    return words.all_of(roles) or words("proof.nobody")


def _changes(
    changed: Mapping[ChangeEffect, Sequence[str]], wording: PolicyWording
) -> Iterator[tuple[str | None, str]]:
    words = wording.words
    for direction, name in _DIRECTIONS.items():
        kinds = [kind for kind in changed.get(direction, ()) if kind not in {"text", "version"}]
        if kinds:
            named = (kind.replace("-", "_") if kind in _HISTORY else "other" for kind in kinds)
            # The assessment comes first: the other changes rest on it.
            keys = sorted(dict.fromkeys(named), key=lambda key: (key != "dpia", key == "other"))
            yield name, words.all_of([words(f"history.{key}") for key in keys])
    if any("text" in kinds for kinds in changed.values()):
        yield None, words("history.text")
