"""The report of a case for people to read: PDF/A-2b in one language, made by Typst in memory.

The same case gives the same bytes. Every text is data of the template and is never evaluated.
Characters that cannot be seen, or that the embedded fonts do not have, stand as `[U+202E]`. The
report has no script, form, link or attachment; its fonts come with Typst.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.resources import files
from typing import Any, Final

import typst

from edge.desk.findings import DeskFinding
from edge.formats.signing import PublicKey
from edge.formats.timestamps import parse_utc
from edge.formats.visible import visible
from edge.policy.fields import Party, Texts
from edge.policy.model import Policy
from edge.policy.notice.words import Words
from edge.privacy.hit import Hit
from edge.privacy.sealing import EvidenceContent, Picture
from edge.texts import Language, catalogue

# Latin, Greek and Cyrillic letters and the signs beside them, as the embedded fonts have them.
_NO_GLYPH: Final = re.compile(
    "[^ -~\u00a0-\u024f\u0384-\u03ce\u0400-\u045f\u1e00-\u1eff"
    "\u2010-\u2015\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2192]"
)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the report tells.

    Attributes:
        hit: as it was received.
        evidence: what was inside the seal.
        policy: the one that the hit names.
        findings: all, oldest first; the newest confirms.
        desk_key: of the desk that signs the package.
    """

    hit: Hit = field(repr=False)
    evidence: EvidenceContent = field(repr=False)
    policy: Policy
    findings: tuple[DeskFinding, ...]
    desk_key: PublicKey


@dataclass(frozen=True, slots=True)
class _Section:
    heading: str
    paragraphs: list[str] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[tuple[int, str, str]] = field(default_factory=list)


def render_report(facts: ReportFacts, language: Language) -> bytes:
    """The PDF in one language."""
    template = (files(__package__) / "report.typ").read_bytes()
    return _compiled(template, report_data(facts, language))


def report_data(facts: ReportFacts, language: Language) -> dict[str, Any]:
    """What the template shows: sections with paragraphs, rows and pictures, all texts harmless."""
    return _ReportWriter(facts, language).data()


class _ReportWriter:
    """Collects the sections of one report."""

    def __init__(self, facts: ReportFacts, language: Language) -> None:
        self._facts = facts
        self._language = language
        self._texts = catalogue(language)
        self._words = Words(language)
        self._pictures = [one for one in facts.evidence.pictures if _is_shown(one)]

    def data(self) -> dict[str, Any]:
        facts = self._facts
        done = parse_utc(facts.findings[-1].decided_at)
        sections = [
            self._observed(),
            self._shown(),
            *[self._finding(one) for one in facts.findings],
            self._basis(),
            self._accuracy(),
            self._appeal(),
            self._proof(),
        ]
        return {
            "lang": self._language,
            "title": self._("report.title"),
            "case": f"{self._('report.case')} {facts.hit.hit_id}",
            "footer": f"{self._('report.case')} {facts.hit.hit_id}",
            "page": self._("report.page"),
            "banner": self._("report.demo") if facts.policy.demo else None,
            "date": [done.year, done.month, done.day, done.hour, done.minute, done.second],
            "sections": [
                {
                    "heading": _plain(one.heading),
                    "paragraphs": [_plain(text) for text in one.paragraphs],
                    "rows": [[_plain(name), _plain(value)] for name, value in one.rows],
                    "pictures": [[at, _plain(alt), _plain(text)] for at, alt, text in one.pictures],
                }
                for one in sections
            ],
            "pictures": [list(one.jpeg) for one in self._pictures],
        }

    def _(self, key: str, **values: str | int) -> str:
        """A text of the section `court` with its values filled in."""
        return self._words.set(self._texts[f"court.{key}"].format_map(values))

    # --- what was seen ----------------------------------------------------------------------

    def _observed(self) -> _Section:
        hit, policy = self._facts.hit, self._facts.policy
        camera = policy.cameras.get(hit.camera)
        purpose = policy.purposes.get(hit.purpose)
        kind = next((one.type for one in policy.rules if one.id == hit.rule), None)
        rule = hit.rule if kind is None else self._(f"rule.{kind}", id=hit.rule)
        rows = [
            (self._("report.plate"), self._facts.evidence.plate.reveal()),
            (self._("report.moment"), self._moment(hit.observed_at)),
            (self._("report.place"), hit.camera if camera is None else self._of(camera.place)),
            (self._("report.rule"), rule),
            (self._("report.purpose"), hit.purpose if purpose is None else self._of(purpose.text)),
            (self._("report.device"), f"{hit.site}, {hit.box}, {hit.camera}"),
        ]
        return _Section(self._("report.observed"), rows=rows)

    def _shown(self) -> _Section:
        found = _Section(self._("report.pictures"), paragraphs=[self._("report.masked")])
        for one in self._facts.evidence.pictures:
            known = f"court.picture.{one.name}" in self._texts
            name = self._(f"picture.{one.name if known else 'other'}")
            when = self._("report.no_time")
            if one.taken_at is not None:
                when = self._("report.taken", moment=self._at(one.taken_at))
            if one.approved is not None:
                when = self._("report.approved", date=self._day(one.approved))
            caption = f"{name}{self._words.colon}{when}"
            if one in self._pictures:
                found.pictures.append((self._pictures.index(one), name, caption))
            else:
                found.paragraphs.append(f"{caption}. {self._('report.unreadable')}")
            digest = hashlib.sha256(one.jpeg).hexdigest()
            found.rows.append((f"{name} (SHA-256)", digest))
        return found

    # --- who established it -----------------------------------------------------------------

    def _finding(self, one: DeskFinding) -> _Section:
        typed = "none" if one.typed is None else "same" if one.typed == one.box_read else "other"
        person = one.person
        rows = [
            (self._("report.person"), f"{person.full_name} ({person.name})"),
            (self._("report.capacity"), self._texts[f"desk.role.{person.role.value}"]),
            (self._("report.mandate"), person.mandate),
            (self._("report.opened"), self._moment(one.opened_at)),
            (self._("report.judged"), self._moment(one.judged_at)),
            (self._("report.judgement"), self._(f"judgement.{one.judgement.value}")),
            (self._("report.typed"), self._(f"typed.{typed}")),
            (self._("report.outcome"), self._(f"outcome.{one.outcome.value}")),
        ]
        if one.reason is not None:
            rows.append((self._("report.reason"), self._(f"reason.{one.reason.value}")))
        rows.append((self._("report.decided"), self._moment(one.decided_at)))
        told = [] if typed == "none" else [self._("report.blind")]
        return _Section(self._("report.finding", number=one.number), paragraphs=told, rows=rows)

    # --- why it is lawful, and how certain ----------------------------------------------------

    def _basis(self) -> _Section:
        policy, legal = self._facts.policy, self._facts.policy.legal
        authority = policy.authorities.get(self._facts.hit.authority)
        rows = [(self._("report.controller"), self._party(policy.controller))]
        if authority is not None:
            rows.append((self._("report.authority"), self._of(authority.name)))
        for key, document in (
            ("report.council", legal.council_decision),
            ("report.police", legal.police_advice),
            ("report.declaration", legal.camera_declaration),
        ):
            reference = self._of(document.reference)
            dated = self._("report.dated", reference=reference, date=self._day(document.date))
            rows.append((self._(key), dated))
        return _Section(self._("report.basis"), paragraphs=[self._of(legal.basis)], rows=rows)

    def _accuracy(self) -> _Section:
        accuracy, words = self._facts.policy.accuracy, self._words
        low, high = accuracy.interval
        told = [
            words(
                "accuracy.text",
                vehicles=words.number(accuracy.vehicles),
                exact=words.number(accuracy.exact),
                share=words.percent(accuracy.exact / accuracy.vehicles),
            ),
            words(
                "accuracy.interval",
                low=words.percent(low),
                high=words.percent(high),
                wrong=words.number(round(1000 * (1 - low))),
            ),
        ]
        rows = [
            (words("accuracy.method"), self._of(accuracy.method)),
            (words("accuracy.date"), self._day(accuracy.date)),
        ]
        return _Section(words("accuracy.heading"), paragraphs=told, rows=rows)

    def _appeal(self) -> _Section:
        policy = self._facts.policy
        rows = [
            (self._("report.contact"), self._of(policy.rights.contact)),
            (self._("report.complaint"), self._party(policy.rights.complaint)),
            *[
                (self._("report.supervisor"), self._party(one))
                for one in policy.supervisory_authorities
            ],
            (self._("report.dpo"), self._party(policy.dpo)),
        ]
        told = [
            self._("report.appeal_text"),
            self._of(policy.rights.text),
            self._words("rights.court"),
        ]
        return _Section(self._("report.appeal"), paragraphs=told, rows=rows)

    def _proof(self) -> _Section:
        facts = self._facts
        received = hashlib.sha256(facts.hit.to_payload()).hexdigest()
        version = facts.policy.version
        rows = [
            (self._("report.hit_sha256"), received),
            (self._("report.policy_sha256", version=version), facts.hit.policy_sha256),
            *[
                (self._("report.finding_sha256", number=one.number), one.sha256())
                for one in facts.findings
            ],
            (self._("report.desk_key"), facts.desk_key.text),
            (self._("report.box_key"), facts.hit.box_key_id),
        ]
        told = [self._("report.proof_text")]
        return _Section(self._("report.proof"), paragraphs=told, rows=rows)

    # --- words ------------------------------------------------------------------------------

    def _of(self, texts: Texts) -> str:
        return texts.of(self._language)

    def _party(self, party: Party) -> str:
        return f"{self._of(party.name)}, {self._of(party.contact)}"

    def _day(self, day: str) -> str:
        return self._words.date(day)

    def _moment(self, text: str) -> str:
        return self._at(parse_utc(text))

    def _at(self, moment: datetime) -> str:
        """A moment on the clocks of the place, with its distance from UTC, and in UTC."""
        local = moment.astimezone(self._facts.policy.zone)
        offset = f"{local:%z}"
        return self._(
            "report.moment_text",
            local=self._second(local),
            offset=f"{offset[:3]}:{offset[3:5]}",
            utc=self._second(moment.astimezone(timezone.utc)),
        )

    def _second(self, moment: datetime) -> str:
        return f"{self._day(moment.date().isoformat())}, {moment:%H:%M:%S}"


def _plain(text: str) -> str:
    """A text of which every character can be seen and printed."""
    return _NO_GLYPH.sub(lambda found: f"[U+{ord(found[0]):04X}]", visible(text))


def _is_shown(picture: Picture) -> bool:
    """Whether the picture can be decoded; if not, the report says so."""
    try:
        _compiled(b"#image(bytes(json(bytes(sys.inputs.data))))", list(picture.jpeg))
    except RuntimeError:
        return False
    return True


def _compiled(template: bytes, data: object) -> bytes:
    made = typst.compile(
        template,
        format="pdf",
        pdf_standards="a-2b",
        sys_inputs={"data": json.dumps(data)},
        ignore_system_fonts=True,
    )
    if not isinstance(made, bytes):  # a PDF is one file
        raise TypeError("Typst returned no single file")
    return made
