"""Who answers for the cameras and on what ground: parties, documents, dates, rights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge.policy.change import ChangeEffect
from edge.policy.model import ROLES
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.view.parts import PartyView, Sourced, Teller, party

_RISKS = {"excessive-monitoring", "error-margins", "permanent-lists"}
_HISTORY = {
    "camera", "entry-duration", "field-of-view", "hours", "issuer", "list", "list-size", "purpose",
    "recipient", "retention", "reveal", "rule", "threshold",
}  # fmt: skip
"""Kinds of change that have words of their own."""

_DIRECTIONS = {
    ChangeEffect.WIDENING: "widening",
    ChangeEffect.NARROWING: "narrowing",
    ChangeEffect.NEUTRAL: "neutral",
}


@dataclass(frozen=True, slots=True)
class PurposeCard:
    """A purpose: why it is needed, and what shows that safety is at stake."""

    text: str
    necessity: str
    evidence: Sourced


@dataclass(frozen=True, slots=True)
class AuthorityView:
    """Who may open hits, and from when until when."""

    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Responsible:
    """Everyone who answers for the cameras."""

    controller: PartyView
    joint: tuple[PartyView, ...]
    processors: tuple[PartyView, ...]
    dpo: PartyView
    authorities: tuple[AuthorityView, ...]
    supervisors: tuple[PartyView, ...]


@dataclass(frozen=True, slots=True)
class LegalGround:
    """The act, the legal basis, and the documents by the name of their text."""

    regime: str
    basis: str
    documents: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AccuracyView:
    """Shares as they are written; `wrong` is how many of 1000 may be misread or missed."""

    vehicles: str
    exact: str
    share: str
    low: str
    high: str
    wrong: int
    method: str
    date: str


@dataclass(frozen=True, slots=True)
class RiskRow:
    """A risk, in words of the notice where it has some, else as the policy writes it."""

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
    """From when until when; `evaluated` is None before the first evaluation."""

    start: str
    lease: str
    evaluated: Sourced | None
    due: str
    sunset: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a version changed: a direction's name, or None, and what changed in it.

    `oldest` is said instead where the version before is not known.
    """

    number: int
    since: str
    oldest: str | None
    changes: tuple[tuple[str | None, str], ...]


def purpose_cards(teller: Teller) -> Iterator[PurposeCard]:
    """Each purpose."""
    for purpose in teller.policy.purposes.values():
        evidence = purpose.safety_evidence
        yield PurposeCard(
            teller.said(purpose.text),
            teller.said(purpose.necessity),
            Sourced(
                teller.said(evidence.finding), teller.source(evidence.reference, evidence.date)
            ),
        )


def responsible(teller: Teller) -> Responsible:
    """Everyone who answers for the cameras."""
    words, policy = teller.words, teller.policy
    return Responsible(
        controller=party(policy.controller),
        joint=tuple(
            party(one, words("who.joint_note", agreement=one.agreement))
            for one in policy.joint_controllers
        ),
        processors=tuple(
            party(one, words("who.processor_note", task=one.task, agreement=one.agreement))
            for one in policy.processors
        ),
        dpo=party(policy.dpo),
        authorities=tuple(
            AuthorityView(
                one.name,
                words(
                    "who.authority_note",
                    since=words.date(one.valid.from_),
                    until=words.date(one.valid.until),
                ),
            )
            for one in policy.authorities.values()
        ),
        supervisors=tuple(party(one) for one in policy.supervisory_authorities),
    )


def legal(teller: Teller) -> LegalGround:
    """On what legal ground the cameras stand."""
    act = teller.policy.legal
    documents = (
        ("council", act.council_decision),
        ("police", act.police_advice),
        ("declaration", act.camera_declaration),
    )
    return LegalGround(
        act.regime,
        teller.said(act.basis),
        tuple((name, teller.source(one.reference, one.date)) for name, one in documents),
    )


def accuracy(teller: Teller) -> AccuracyView:
    """How well the box reads."""
    words, measured = teller.words, teller.policy.accuracy
    low, high = measured.interval
    return AccuracyView(
        vehicles=words.number(measured.vehicles),
        exact=words.number(measured.exact),
        share=words.percent(measured.exact / measured.vehicles),
        low=words.percent(low),
        high=words.percent(high),
        # Rounded first: 1 - 0.867 is a little more than 0.133.
        wrong=math.ceil(round((1 - low) * 1000, 6)),
        method=measured.method,
        date=words.date(measured.date),
    )


def alternatives(teller: Teller) -> Iterator[tuple[str, Sourced]]:
    """What was considered first: the name of its text, what came of it, and the report."""
    considered = teller.policy.alternatives
    for name, one in (
        ("physical", considered.physical),
        ("awareness", considered.awareness),
        ("targeted", considered.targeted),
    ):
        yield name, Sourced(teller.said(one.outcome), teller.source(one.evidence, one.date))


def dpia(teller: Teller) -> DpiaView:
    """The impact assessment with its risks."""
    words, assessment = teller.words, teller.policy.dpia
    return DpiaView(
        document=words(
            "dpia.document_text",
            reference=assessment.reference,
            version=assessment.version,
            date=words.date(assessment.date),
        ),
        review=words.date(assessment.review_date),
        opinion=assessment.dpo_opinion.text,
        opinion_date=words.date(assessment.dpo_opinion.date),
        risks=tuple(
            RiskRow(
                words(f"dpia.{one.risk.replace('-', '_')}") if one.risk in _RISKS else None,
                one.risk.replace("-", " ").capitalize(),
                one.measure,
            )
            for one in assessment.risks
        ),
    )


def dates(teller: Teller) -> KeyDates:
    """From when until when, and when it is evaluated."""
    words, policy = teller.words, teller.policy
    last = policy.evaluation.last
    return KeyDates(
        start=words.date(policy.activation.not_before),
        lease=words.days(policy.activation.lease_days),
        evaluated=None
        if last is None
        else Sourced(teller.said(last.outcome), teller.source(last.reference, last.date)),
        due=words.date(policy.evaluation.next_due),
        sunset=words.date(policy.activation.sunset),
    )


def history(teller: Teller, content: NoticeContent) -> Iterator[Changes]:
    """Each version and what it changed, newest first."""
    words = teller.words
    for one in content.versions:
        since = words.date(one.since)
        if one.changed is None:
            oldest = words("history.first" if one.number == 1 else "history.earlier")
            yield Changes(one.number, since, oldest, ())
        else:
            changes = tuple(_changes(one.changed, teller))
            yield Changes(one.number, since, None, changes or ((None, words("history.none")),))


def signed_by(teller: Teller, content: NoticeContent) -> str:
    """The roles that have signed, as a sentence has them."""
    words = teller.words
    roles = [words(f"proof.{role}") for role in ROLES if role in content.signed]
    return words.all_of(roles) or words("proof.nobody")


def _changes(
    changed: Mapping[ChangeEffect, Sequence[str]], teller: Teller
) -> Iterator[tuple[str | None, str]]:
    words = teller.words
    for direction, name in _DIRECTIONS.items():
        kinds = [kind for kind in changed.get(direction, ()) if kind != "text"]
        if kinds:
            keys = dict.fromkeys(
                kind.replace("-", "_") if kind in _HISTORY else "other" for kind in kinds
            )
            yield name, words.all_of([words(f"history.{key}") for key in keys])
    if "text" in changed.get(ChangeEffect.NEUTRAL, ()):
        yield None, words("history.text")
