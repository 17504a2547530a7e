"""The public notice as one HTML page: four languages, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from edge.policy.change import ChangeEffect
from edge.policy.diff import REVEALS
from edge.policy.fields import Language, Party, Texts, WeeklySchedule
from edge.policy.legal import RETENTION_CEILING_HOURS
from edge.policy.model import ROLES, Policy, PolicyCamera, Role
from edge.policy.notice.counts import Count, Counts, shown
from edge.policy.notice.drawings import camera_map, maps, pictogram, qr_code, share_bar
from edge.policy.notice.history import Version
from edge.policy.notice.markup import Child, Markup, element, join
from edge.policy.notice.words import LANGUAGES, Words
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule

# What a reader can follow: web pages and mail addresses in what the policy gives as a contact.
_LINK = re.compile(
    r"(?P<page>https?://[^\s<>\"']*[^\s<>\"'.,;:)])"
    r"|(?P<mail>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
)
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

AnyRule = HotlistRule | PermitZoneRule | WrongWayRule
Row = tuple[str, Child]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a notice says; the same facts make the same bytes.

    Attributes:
        policy: what was signed.
        signed: the roles that have signed it.
        versions: it and those before it, newest first.
        counts: what the controller publishes by quarter.
        draft: whether signatures are lacking.
        made_by: the version of the product.
    """

    policy: Policy
    signed: frozenset[Role]
    versions: Sequence[Version]
    counts: Counts | None
    draft: bool
    made_by: str

    @property
    def sha256(self) -> str:
        """Of the policy, hex."""
        return self.versions[0].sha256

    @property
    def mark(self) -> str:
        """What the QR code says."""
        return f"edge-anpr policy {self.policy.site} {self.policy.version} sha256:{self.sha256}"


def notice_page(facts: Facts) -> str:
    """The whole page, as HTML."""
    policy, style = facts.policy, _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    every = [Words(language) for language in LANGUAGES]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'",
        ),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"edge-anpr {facts.made_by}"),
        element(
            "meta",
            name="edge-anpr-policy",
            content=f"{policy.site} {policy.version} {facts.sha256}",
        ),
        element("title", f"{every[0]('page.title')} – {policy.site} – {policy.controller.name}"),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        *(
            element(
                "a",
                words("page.skip"),
                class_=f"skip l-{words.language}",
                lang=words.language,
                href=f"#{words.language}-brief",
            )
            for words in every
        ),
        _bar(policy.controller.name, every),
        element("main", *(_Article(facts, words).whole() for words in every)),
        element(
            "footer",
            *(
                element(
                    "p",
                    words("page.cookies", made_by=facts.made_by),
                    class_=f"l-{words.language}",
                    lang=words.language,
                )
                for words in every
            ),
        ),
        id="all",
        class_="draft" if facts.draft else None,
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang=LANGUAGES[0]).text}"


def links(text: str) -> Markup:
    """A contact with its web pages and mail addresses to be followed."""
    pieces: list[Child] = []
    end = 0
    for match in _LINK.finditer(text):
        pieces.append(text[end : match.start()])
        target = match.group() if match["page"] else f"mailto:{match.group()}"
        pieces.append(element("a", match.group(), href=target))
        end = match.end()
    return join([*pieces, text[end:]])


@cache
def _style() -> str:
    return (files(__package__) / "page.css").read_text(encoding="utf-8")


def _bar(owner: str, every: Sequence[Words]) -> Markup:
    languages = element(
        "ul",
        *(
            element(
                "li",
                element(
                    "a",
                    words("page.name"),
                    href=f"#{words.language}",
                    lang=words.language,
                    hreflang=words.language,
                ),
            )
            for words in every
        ),
        element("li", element("a", " + ".join(one.upper() for one in LANGUAGES), href="#all")),
    )
    mark = element("svg", pictogram(), viewBox="0 0 120 80", aria_hidden="true")
    return element(
        "header",
        element(
            "div",
            element("p", mark, owner, class_="owner"),
            element("nav", languages, aria_label="Taal, langue, Sprache, language"),
            class_="bar-inner",
        ),
        class_="bar",
    )


class _Article:
    """The notice in one language."""

    def __init__(self, facts: Facts, words: Words) -> None:
        self._facts = facts
        self._policy = facts.policy
        self._words = words
        self._language: Language = words.language
        self._cameras = {
            name: words("where.camera", number=number)
            for number, name in enumerate(facts.policy.cameras, start=1)
        }

    def whole(self) -> Markup:
        words, policy = self._words, self._policy
        sections: dict[str, Callable[[], list[Child]]] = {
            "brief": self._brief,
            "why": self._why,
            "rules": self._rules,
            "records": self._records,
            "retention": self._retention,
            "where": self._where,
            "who": self._who,
            "legal": self._legal,
            "lists": self._lists,
            "accuracy": self._accuracy,
            "alternatives": self._alternatives,
            "dpia": self._dpia,
            "counts": self._counts,
            "dates": self._dates,
            "history": self._history,
            "rights": self._rights,
            "proof": self._proof,
        }
        contents = element(
            "nav",
            element("p", words("page.contents")),
            element(
                "ul",
                *(
                    element("li", element("a", words(f"{name}.heading"), href=self._at(name)))
                    for name in sections
                ),
            ),
            class_="contents",
            aria_label=words("page.contents"),
        )
        opening = element(
            "div",
            element("h1", words("page.title")),
            element("p", " · ".join(self._places()), class_="lead", lang=""),
            element(
                "p",
                words("page.site", site=policy.site, version=policy.version),
                class_="soft",
            ),
            self._banner("draft") if self._facts.draft else None,
            self._banner("demo") if policy.demo else None,
            class_="opening",
        )
        return element(
            "article",
            opening,
            contents,
            element("div", *(self._section(name, make()) for name, make in sections.items())),
            id=self._language,
            lang=self._language,
            class_=f"l-{self._language}",
        )

    # --- the sections, as they follow each other ----------------------------------------------

    def _brief(self) -> list[Child]:
        words, policy = self._words, self._policy
        wanted = any(isinstance(rule, HotlistRule) for rule in policy.rules)
        hours = [
            element("p", join([self._named(name, camera), words.sentence(camera.hours)]))
            for name, camera in policy.cameras.items()
        ]
        return [
            self._terms(
                [
                    (words("brief.why"), self._paragraphs(self._said(p.text) for p in
                                                          policy.purposes.values())),
                    (words("brief.passing"), words("brief.passing_text")),
                    (
                        words("brief.breaking_wanted" if wanted else "brief.breaking"),
                        words("brief.breaking_text", authority=self._authorities()),
                    ),
                    (words("brief.open"), join(hours)),
                    (
                        words("brief.until"),
                        words("brief.until_text", date=words.date(policy.activation.sunset)),
                    ),
                    (words("brief.questions"), links(policy.rights.contact)),
                ]
            )
        ]  # fmt: skip

    def _why(self) -> list[Child]:
        words = self._words
        parts: list[Child] = [element("p", words("why.intro"))]
        for number, purpose in enumerate(self._policy.purposes.values(), start=1):
            evidence = purpose.safety_evidence
            rows: list[Row] = [
                (words("why.necessity"), self._said(purpose.necessity)),
                (
                    words("why.evidence"),
                    join(
                        [
                            element("p", self._said(evidence.finding)),
                            element("p", self._source(evidence.reference, evidence.date)),
                        ]
                    ),
                ),
            ]
            parts.append(
                element(
                    "div",
                    element("h3", words("why.purpose", number=number)),
                    element("p", self._said(purpose.text), class_="lead"),
                    self._terms(rows),
                    class_="card",
                )
            )
        return [*parts, element("p", words("why.finance"))]

    def _rules(self) -> list[Child]:
        return [
            element("p", self._words("rules.intro")),
            *(self._rule(rule) for rule in self._policy.rules),
        ]

    def _rule(self, rule: AnyRule) -> Markup:
        words, policy = self._words, self._policy
        cameras = rule.cameras or tuple(policy.cameras)
        rows: list[Row] = [
            (
                words("rules.hours"),
                words("rules.always") if rule.schedule is None else self._hours(rule.schedule),
            ),
            (words("rules.cameras"), words.all_of([self._cameras[name] for name in cameras])),
            (words("rules.purpose"), self._said(policy.purposes[rule.purpose].text)),
            (words("rules.authority"), policy.authorities[rule.authority].name),
            (words("rules.reveal"), words(f"rules.{rule.reveal}")),
            (
                words("rules.certainty"),
                words(
                    "rules.certainty_text",
                    posterior=words.percent(rule.min_posterior),
                    margin=words.points(rule.min_margin),
                ),
            ),
            (
                words("rules.check"),
                words("rules.check_yes" if rule.human_check else "rules.check_no"),
            ),
        ]
        return element(
            "div",
            element("h3", self._rule_name(rule)),
            element("p", self._rule_text(rule), class_="lead"),
            self._terms(rows),
            class_="card",
        )

    def _records(self) -> list[Child]:
        words, policy = self._words, self._policy
        levels = {level: self._rules_that_show(level) for level in REVEALS}
        levels = {level: names for level, names in levels.items() if names}
        key = "records.hit_picture" if len(levels) == 1 else "records.hit_picture_rule"
        pictures = [
            words(key, rule=words.all_of(names), shown=words(f"rules.{level}"))
            for level, names in levels.items()
        ]
        epoch = str(policy.epoch_minutes)
        never = ["never_passing", "never_video", "never_people", "never_faces", "never_trace",
                 "never_search"]  # fmt: skip
        if "occupants" not in levels:
            never.insert(3, "never_occupants")
        accuracy = words("accuracy.heading")
        return [
            element("h3", words("records.hit")),
            self._list(
                [
                    words("records.hit_plate"),
                    words("records.hit_when"),
                    words("records.hit_rule"),
                    *pictures,
                ]
            ),
            element("p", words("records.sealed", authority=self._authorities())),
            element("h3", words("records.others")),
            element("p", words("records.others_text", epoch=epoch)),
            element(
                "div",
                element("h3", words("records.never")),
                self._list([words(f"records.{one}", epoch=epoch) for one in never]),
                class_="never",
            ),
            element("h3", words("records.limits")),
            self._list(
                [
                    words("records.limits_error", accuracy=accuracy),
                    words("records.limits_mask"),
                    words("records.limits_root"),
                    words("records.limits_authority"),
                ]
            ),
        ]

    def _retention(self) -> list[Child]:
        words, policy = self._words, self._policy
        ceiling = words.duration(RETENTION_CEILING_HOURS[policy.legal.regime])
        rows: list[Sequence[Child]] = [
            [words("retention.passing"), words("retention.passing_text")],
            [
                words("retention.token"),
                words("retention.token_text", epoch=policy.epoch_minutes),
            ],
            *(
                [
                    words("retention.hit", purpose=self._said(purpose.text)),
                    words("retention.hit_text", time=words.duration(purpose.retention_hours)),
                ]
                for purpose in policy.purposes.values()
            ),
            [
                words("retention.received"),
                words("retention.received_text", authority=self._authorities()),
            ],
        ]
        return [
            self._table("retention", [words("retention.what"), words("retention.long")], rows),
            element("p", words("retention.ceiling", time=ceiling)),
        ]

    def _where(self) -> list[Child]:
        words, policy = self._words, self._policy
        parts: list[Child] = []
        for name, camera in policy.cameras.items():
            view = camera.field_of_view
            rows: list[Row] = [
                (words("where.place"), self._as_written(camera.place)),
                (words("where.view"), self._as_written(view.text)),
                (
                    words("where.direction"),
                    words(
                        "where.direction_text",
                        compass=words.compass(view.bearing_degrees),
                        degrees=view.bearing_degrees,
                        angle=view.angle_degrees,
                        reach=view.reach_m,
                    ),
                ),
                (words("where.masks"), self._masks(len(camera.privacy_masks))),
                (words("where.hours"), self._hours(camera.hours)),
            ]
            if camera.position is not None:
                at = f"{camera.position.latitude:.5f}, {camera.position.longitude:.5f} (WGS 84)"
                rows.append((words("where.position"), at))
            parts += [element("h3", self._cameras[name]), self._terms(rows)]
        parts.append(element("h3", words("where.map")))
        for number, spots in enumerate(maps(tuple(policy.cameras.values())), start=1):
            name = f"{self._language}-map-{number}"
            caption = element("figcaption", words("where.map_text"), id=name)
            parts.append(element("figure", camera_map(spots, words, name), caption))
        boards = [self._as_written(place) for place in policy.information_board.places]
        return [*parts, element("h3", words("where.boards")), self._list(boards)]

    def _who(self) -> list[Child]:
        words, policy = self._words, self._policy
        rows: list[Row] = [(words("who.controller"), self._party(policy.controller))]
        rows += [
            (
                words("who.joint"),
                self._party(one, words("who.joint_note", agreement=one.agreement)),
            )
            for one in policy.joint_controllers
        ]
        rows += [
            (
                words("who.processor"),
                self._party(
                    one,
                    words("who.processor_note", task=one.task, agreement=one.agreement),
                ),
            )
            for one in policy.processors
        ]
        rows.append((words("who.dpo"), self._party(policy.dpo)))
        rows += [
            (
                words("who.authority"),
                join(
                    [
                        element("p", one.name),
                        element(
                            "p",
                            words(
                                "who.authority_note",
                                since=words.date(one.valid.from_),
                                until=words.date(one.valid.until),
                            ),
                            class_="soft",
                        ),
                    ]
                ),
            )
            for one in policy.authorities.values()
        ]
        rows += [
            (words("who.supervisor"), self._party(one)) for one in policy.supervisory_authorities
        ]
        return [self._terms(rows)]

    def _legal(self) -> list[Child]:
        words, legal = self._words, self._policy.legal
        documents = (
            ("council", legal.council_decision),
            ("police", legal.police_advice),
            ("declaration", legal.camera_declaration),
        )
        return [
            self._terms(
                [
                    (words("legal.regime"), words(f"legal.{legal.regime}")),
                    (words("legal.basis"), self._said(legal.basis)),
                    *(
                        (words(f"legal.{name}"), self._source(one.reference, one.date))
                        for name, one in documents
                    ),
                ]
            )
        ]

    def _lists(self) -> list[Child]:
        words, policy = self._words, self._policy
        if not policy.lists:
            return [element("p", words("lists.none"))]
        now = {} if self._facts.counts is None else self._facts.counts.lists
        columns = ["lists.list", "lists.kind", "lists.issuers", "lists.entries", "lists.days"]
        rows: list[list[Child]] = []
        for name, one in policy.lists.items():
            issuers = words.all_of([policy.issuers[issuer].name for issuer in one.issuers])
            row: list[Child] = [
                self._said(one.text),
                words(f"lists.{one.kind}"),
                issuers,
                words("lists.entries_text", count=words.number(one.max_entries)),
                words.days(one.max_entry_days),
            ]
            rows.append([*row, self._count(now.get(name))] if now else row)
        headings = [words(column) for column in ([*columns, "lists.now"] if now else columns)]
        return [element("p", words("lists.intro")), self._table("lists", headings, rows)]

    def _accuracy(self) -> list[Child]:
        words, accuracy = self._words, self._policy.accuracy
        low, high = accuracy.interval
        share = accuracy.exact / accuracy.vehicles
        name = f"{self._language}-share"
        return [
            element(
                "p",
                words(
                    "accuracy.text",
                    vehicles=words.number(accuracy.vehicles),
                    exact=words.number(accuracy.exact),
                    share=words.percent(share),
                ),
            ),
            element(
                "figure",
                share_bar(share, low, high, words, name),
                element("figcaption", words("accuracy.picture"), id=name),
            ),
            element(
                "p",
                words(
                    "accuracy.interval",
                    low=words.percent(low),
                    high=words.percent(high),
                    # Rounded first: 1 - 0.867 is a little more than 0.133.
                    wrong=math.ceil(round((1 - low) * 1000, 6)),
                ),
            ),
            self._terms(
                [
                    (words("accuracy.method"), self._as_written(accuracy.method)),
                    (words("accuracy.date"), words.date(accuracy.date)),
                ]
            ),
        ]

    def _alternatives(self) -> list[Child]:
        words, alternatives = self._words, self._policy.alternatives
        rows: list[list[Child]] = [
            [
                words(f"alternatives.{name}"),
                self._said(one.outcome),
                self._source(one.evidence, one.date),
            ]
            for name, one in (
                ("physical", alternatives.physical),
                ("awareness", alternatives.awareness),
                ("targeted", alternatives.targeted),
            )
        ]
        headings = [words(f"alternatives.{one}") for one in ("measure", "outcome", "source")]
        return [self._table("alternatives", headings, rows)]

    def _dpia(self) -> list[Child]:
        words, dpia = self._words, self._policy.dpia
        rows: list[list[Child]] = [
            [self._risk(one.risk), self._as_written(one.measure)] for one in dpia.risks
        ]
        return [
            self._terms(
                [
                    (
                        words("dpia.document"),
                        words(
                            "dpia.document_text",
                            reference=dpia.reference,
                            version=dpia.version,
                            date=words.date(dpia.date),
                        ),
                    ),
                    (words("dpia.review"), words.date(dpia.review_date)),
                    (
                        words("dpia.opinion"),
                        join(
                            [
                                element("p", self._as_written(dpia.dpo_opinion.text)),
                                element("p", words.date(dpia.dpo_opinion.date), class_="soft"),
                            ]
                        ),
                    ),
                ]
            ),
            self._table("dpia", [words("dpia.risk"), words("dpia.measure")], rows),
        ]

    def _counts(self) -> list[Child]:
        words, counts = self._words, self._facts.counts
        if counts is None or not counts.quarters:
            return [element("p", words("counts.none"))]
        headings = [words("counts.quarter"), words("counts.vehicles")]
        columns = {rule.id: self._rule_name(rule) for rule in self._policy.rules}
        # Rules of earlier versions keep their counts.
        for one in counts.quarters:
            columns |= {rule: rule for rule in one.reports if rule not in columns}
        headings += [words("counts.rule", rule=name) for name in columns.values()]
        rows: list[list[Child]] = []
        for one in reversed(counts.quarters):
            year, _, number = one.quarter.partition("-Q")
            cells = [one.vehicles, *(one.reports.get(rule) for rule in columns)]
            name = words("counts.quarter_text", year=year, number=number)
            rows.append([name, *map(self._count, cells)])
        return [
            element("p", words("counts.intro")),
            self._table("counts", headings, rows, numbers=True),
        ]

    def _dates(self) -> list[Child]:
        words, policy = self._words, self._policy
        last = policy.evaluation.last
        evaluated: Child = words("dates.evaluated_never")
        if last is not None:
            evaluated = join(
                [
                    element("p", self._said(last.outcome)),
                    element("p", self._source(last.reference, last.date)),
                ]
            )
        return [
            self._terms(
                [
                    (words("dates.start"), words.date(policy.activation.not_before)),
                    (words("dates.lease"), words.days(policy.activation.lease_days)),
                    (words("dates.evaluated"), evaluated),
                    (words("dates.due"), words.date(policy.evaluation.next_due)),
                    (words("dates.sunset"), words.date(policy.activation.sunset)),
                ]
            )
        ]

    def _history(self) -> list[Child]:
        words = self._words
        rows: list[Row] = [
            (
                words("history.version", version=one.number, date=words.date(one.since)),
                self._changes(one),
            )
            for one in self._facts.versions
        ]
        return [self._terms(rows)]

    def _rights(self) -> list[Child]:
        words, policy = self._words, self._policy
        names = words.all_of([holder.name for holder in policy.suspension.keys.values()])
        return [
            element("p", self._said(policy.rights.text), class_="lead"),
            self._terms([(words("rights.contact"), links(policy.rights.contact))]),
            element("p", words("rights.how")),
            element("p", words("rights.nothing")),
            element("h3", words("rights.complaint")),
            element("p", words("rights.complaint_text")),
            self._list([self._party(policy.rights.complaint)]),
            element("p", words("rights.supervisor")),
            self._list([self._party(one) for one in policy.supervisory_authorities]),
            element("p", words("rights.court")),
            element("h3", words("rights.stop")),
            element("p", words("rights.stop_text", names=names)),
        ]

    def _proof(self) -> list[Child]:
        words, digest = self._words, self._facts.sha256
        groups = " ".join(digest[start : start + 8] for start in range(0, len(digest), 8))
        roles = [words(f"proof.{role}") for role in ROLES if role in self._facts.signed]
        name = f"{self._language}-qr"
        return [
            element("p", words("proof.text")),
            self._terms(
                [
                    (words("proof.signed"), words.all_of(roles) or words("proof.nobody")),
                    (words("proof.hash"), element("span", groups, class_="hash", lang="")),
                ]
            ),
            element(
                "figure",
                qr_code(self._facts.mark, class_="qr", role="img", aria_labelledby=name),
                element("figcaption", words("proof.qr"), id=name),
            ),
        ]

    # --- what the policy says, in words -------------------------------------------------------

    def _said(self, texts: Texts) -> str:
        return self._words.set(texts.of(self._language))

    def _as_written(self, text: str) -> Markup:
        """A text that the policy has once, in a language that it does not name."""
        return element("span", text, lang="")

    def _places(self) -> list[str]:
        return list(dict.fromkeys(camera.place for camera in self._policy.cameras.values()))

    def _authorities(self) -> str:
        names = (self._policy.authorities[rule.authority].name for rule in self._policy.rules)
        return self._words.all_of(list(dict.fromkeys(names)))

    def _rules_that_show(self, level: str) -> list[str]:
        return [self._rule_name(rule) for rule in self._policy.rules if rule.reveal == level]

    def _named(self, name: str, camera: PolicyCamera) -> Child:
        """The camera's place, where there is more than one to tell apart."""
        if len(self._policy.cameras) == 1:
            return None
        return join(
            [self._cameras[name], " (", self._as_written(camera.place), ")", self._words.colon]
        )

    def _rule_name(self, rule: AnyRule) -> str:
        """What the rule is about, with its id where that alone tells it apart."""
        name = self._words(f"rules.{rule.type}")
        alike = [one for one in self._policy.rules if one.type == rule.type]
        return name if len(alike) == 1 else f"{name} ({rule.id})"

    def _rule_text(self, rule: AnyRule) -> str:
        if isinstance(rule, WrongWayRule):
            return self._words("rules.wrong_way_text")
        plates = self._policy.lists[rule.list]
        sentence = {
            "hotlist": "rules.hotlist_text",
            "permit_zone": "rules.permit_zone_text",
        }[rule.type]
        return self._words(sentence, list=self._said(plates.text))

    def _risk(self, risk: str) -> Child:
        if risk in _RISKS:
            return self._words(f"dpia.{risk.replace('-', '_')}")
        return self._as_written(risk.replace("-", " ").capitalize())

    def _masks(self, count: int) -> str:
        if count == 0:
            return self._words("where.masks_none")
        if count == 1:
            return self._words("where.masks_one")
        return self._words("where.masks_many", count=count)

    def _count(self, count: Count | None) -> str:
        if count is None:
            return self._words("counts.missing")
        number = shown(count)
        return self._words("counts.few") if number is None else self._words.number(number)

    def _source(self, reference: str, day: str) -> Markup:
        text = self._words("why.source", reference=reference, date=self._words.date(day))
        return element("span", text, class_="soft")

    def _changes(self, version: Version) -> Child:
        words = self._words
        if version.changed is None:
            return words("history.first" if version.number == 1 else "history.earlier")
        items: list[Child] = []
        for direction, name in _DIRECTIONS.items():
            kinds = [kind for kind in version.changed.get(direction, ()) if kind != "text"]
            if kinds:
                keys = dict.fromkeys(
                    kind.replace("-", "_") if kind in _HISTORY else "other" for kind in kinds
                )
                told = words.all_of([words(f"history.{key}") for key in keys])
                tag = element("span", words(f"history.{name}"), class_=f"tag {name}")
                items.append(join([tag, " ", told]))
        if "text" in version.changed.get(ChangeEffect.NEUTRAL, ()):
            items.append(words("history.text"))
        return self._paragraphs(items or [words("history.none")])

    def _hours(self, schedule: WeeklySchedule) -> Markup:
        words = self._words
        week = [
            element("tr", element("th", days, scope="row"), element("td", hours))
            for days, hours in words.week(schedule)
        ]
        table = element("table", element("tbody", *week), class_="hours") if week else None
        notes = [element("p", note) for note in words.exceptions(schedule)]
        return join([table if week else element("p", words("unit.none")), *notes])

    # --- how things stand on the page ---------------------------------------------------------

    def _at(self, name: str) -> str:
        return f"#{self._language}-{name}"

    def _section(self, name: str, parts: Sequence[Child]) -> Markup:
        heading = f"{self._language}-{name}-heading"
        return element(
            "section",
            element("h2", self._words(f"{name}.heading"), id=heading),
            *parts,
            id=f"{self._language}-{name}",
            aria_labelledby=heading,
            class_="brief" if name == "brief" else None,
        )

    def _banner(self, name: str) -> Markup:
        title = element("strong", f"{self._words(f'banner.{name}_title')}. ")
        return element(
            "div", element("p", title, self._words(f"banner.{name}")), class_=f"banner {name}"
        )

    def _party(self, party: Party, note: str | None = None) -> Markup:
        return join(
            [
                element("p", element("strong", party.name), element("br"), links(party.contact)),
                None if note is None else element("p", note, class_="soft"),
            ]
        )

    def _terms(self, rows: Iterable[Row]) -> Markup:
        return element(
            "dl",
            *(element("div", element("dt", term), element("dd", told)) for term, told in rows),
        )

    def _list(self, items: Iterable[Child]) -> Markup:
        return element("ul", *(element("li", item) for item in items))

    def _paragraphs(self, items: Iterable[Child]) -> Markup:
        return join(element("p", item) for item in items)

    def _table(
        self,
        name: str,
        headings: Sequence[str],
        rows: Iterable[Sequence[Child]],
        *,
        numbers: bool = False,
    ) -> Markup:
        """A table that scrolls by itself where the page is narrow; the first column names rows."""
        number = "number" if numbers else None
        head = [
            element("th", text, scope="col", class_=number if column else None)
            for column, text in enumerate(headings)
        ]
        body = [
            element(
                "tr",
                element("th", cells[0], scope="row", class_="whole" if numbers else None),
                *(element("td", cell, class_=number) for cell in cells[1:]),
            )
            for cells in rows
        ]
        table = element("table", element("thead", element("tr", *head)), element("tbody", *body))
        return element(
            "div",
            table,
            class_="wide",
            role="region",
            tabindex=0,
            aria_labelledby=f"{self._language}-{name}-heading",
        )
