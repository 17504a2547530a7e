"""The notice in one language, section by section."""

from __future__ import annotations

from dataclasses import dataclass

from edge.policy.notice.content import NoticeContent
from edge.policy.notice.drawings import CameraMap, QrCode, ShareBar, camera_map, maps, qr_code
from edge.policy.notice.drawings import share_bar as share_bar_of
from edge.policy.notice.view import answers, places, rules
from edge.policy.notice.view.answers import (
    AccuracyView,
    Changes,
    DpiaView,
    KeyDates,
    LegalGround,
    PurposeCard,
    Responsible,
)
from edge.policy.notice.view.parts import PartyView, Piece, PolicyWording, Sourced
from edge.policy.notice.view.places import CameraView
from edge.policy.notice.view.rules import CountTable, ListRow, Records, Retention, RuleCard
from edge.policy.notice.words import Words
from edge.policy.rule_models import HotlistRule

SECTIONS = (
    "brief", "why", "rules", "records", "retention", "where", "who", "legal", "lists", "accuracy",
    "alternatives", "dpia", "counts", "dates", "history", "rights", "proof",
)  # fmt: skip
"""The sections, in the order of the template."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A summary of the most important facts."""

    purposes: tuple[str, ...]
    wanted: bool
    authorities: str
    until: str
    questions: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class RightsView:
    """Contacts for people's rights, and who can stop the cameras."""

    text: str
    contact: tuple[Piece, ...]
    complaint: PartyView
    supervisors: tuple[PartyView, ...]
    stopped_by: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The signers, and the policy's SHA-256 in groups of eight digits and as a QR code."""

    signed: str
    groups: str
    qr: QrCode


@dataclass(frozen=True, slots=True)
class Article:
    """The whole notice in one language. Fixed texts come from `words`, by their key."""

    words: Words
    site: str
    version: int
    places: str
    banners: tuple[str, ...]
    brief: Brief
    purposes: tuple[PurposeCard, ...]
    rules: tuple[RuleCard, ...]
    records: Records
    retention: Retention
    cameras: tuple[CameraView, ...]
    maps: tuple[CameraMap, ...]
    boards: tuple[str, ...]
    responsible: Responsible
    legal: LegalGround
    lists: tuple[ListRow, ...]
    accuracy: AccuracyView
    share_bar: ShareBar
    alternatives: tuple[tuple[str, Sourced], ...]
    dpia: DpiaView
    counts: CountTable | None
    dates: KeyDates
    history: tuple[Changes, ...]
    rights: RightsView
    proof: Proof


def article(content: NoticeContent, words: Words) -> Article:
    """The notice in one language.

    Args:
        content: the content of the notice.
        words: the language.
    """
    policy = content.policy
    wording = PolicyWording(policy, words)
    cameras = tuple(policy.cameras.values())
    measured = policy.accuracy
    low, high = measured.interval
    return Article(
        words=words,
        site=policy.site,
        version=policy.version,
        places=" · ".join(dict.fromkeys(wording.in_language(camera.place) for camera in cameras)),
        banners=tuple(
            name for name, shown in (("draft", content.draft), ("demo", policy.demo)) if shown
        ),
        brief=Brief(
            purposes=tuple(
                wording.in_language(purpose.text) for purpose in policy.purposes.values()
            ),
            wanted=any(isinstance(rule, HotlistRule) for rule in policy.rules),
            authorities=wording.authorities(),
            until=words.date(policy.activation.sunset),
            questions=wording.contact(policy.rights.contact),
        ),
        purposes=tuple(answers.purpose_cards(wording)),
        rules=tuple(rules.rule_cards(wording)),
        records=rules.records(wording),
        retention=rules.retention(wording, content.deletions),
        cameras=tuple(places.camera_views(wording)),
        maps=tuple(camera_map(spots) for spots in maps(cameras)),
        boards=tuple(map(wording.in_language, policy.information_board.places)),
        responsible=answers.responsible(wording),
        legal=answers.legal(wording),
        lists=tuple(rules.list_rows(wording, content.counts)),
        accuracy=answers.accuracy(wording),
        share_bar=share_bar_of(measured.exact / measured.vehicles, low, high),
        alternatives=tuple(answers.alternatives(wording)),
        dpia=answers.dpia(wording),
        counts=rules.count_table(wording, content.counts),
        dates=answers.dates(wording),
        history=tuple(answers.history(wording, content)),
        rights=RightsView(
            text=wording.in_language(policy.rights.text),
            contact=wording.contact(policy.rights.contact),
            complaint=wording.party(policy.rights.complaint),
            supervisors=tuple(map(wording.party, policy.supervisory_authorities)),
            stopped_by=words.all_of(
                [wording.in_language(one.name) for one in policy.suspension.keys.values()]
            ),
        ),
        proof=Proof(
            signed=answers.signed_by(wording, content),
            groups=" ".join(content.sha256[at : at + 8] for at in range(0, 64, 8)),
            qr=qr_code(content.mark),
        ),
    )
