"""Whether the law's homework is done: what is missing, what is wrong, and why it is asked.

A policy with something missing or wrong is not loaded, cannot be signed and opens no camera.
`edge-anpr check` says the same in four languages, also of a policy that is not complete yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

from edge.domain.intervals import wilson
from edge.errors import PolicyError
from edge.formats.problems import Location, Problem, path_text
from edge.formats.yaml_document import Document, Draft
from edge.policy.contradictions import contradictions
from edge.policy.duties import DUTIES, FAULTS, WHY, Duty, Severity, Words
from edge.policy.fields import Language, WeeklySchedule
from edge.policy.legal import EVALUATION_DAYS, MAX_SUNSET_YEARS, RETENTION_CEILING_HOURS
from edge.policy.model import ROLES, Policy

NAMED_RISKS = ("excessive-monitoring", "error-margins", "permanent-lists")
"""What the supervisory authority names in its warning: each needs a measure in the DPIA."""

INTERVAL_TOLERANCE = 0.002
"""Bounds are written with three decimals."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault of `FAULTS` at a place of the policy."""

    location: Location
    fault: str
    values: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return FAULTS[self.fault].code

    @property
    def severity(self) -> Severity:
        return FAULTS[self.fault].severity

    def text(self, language: Language) -> str:
        """What is wrong, in one sentence."""
        return FAULTS[self.fault].words.of(language).format_map(self.values)


@dataclass(frozen=True, slots=True)
class Finding:
    """One item of the homework list; line and column count from 1.

    `lacking` names the parts of the field that are blank, where some of it is there.
    """

    file: Path
    line: int
    column: int
    field: str
    code: str
    requirement: str
    severity: Severity
    words: Words
    lacking: tuple[str, ...] = ()

    def why(self, language: Language) -> str:
        """Why the authority asks it; empty for a mistake of writing."""
        return WHY[self.requirement].of(language) if self.requirement in WHY else ""


# --- a policy that is whole -------------------------------------------------------------------


def problems(document: Document[Policy]) -> Iterator[Problem]:
    """What keeps a policy from being loaded, apart from dates that pass and files that change."""
    for location, message in contradictions(document.model):
        yield document.problem(location, message)
    for flaw in flaws(document.model):
        # A purpose that came after the signatures is refused for them first: see the gate.
        if flaw.severity is Severity.WRONG and flaw.fault != "purpose_not_in_dpia":
            problem = document.problem(flaw.location, flaw.text("en"))
            yield replace(problem, code=flaw.code)


def coded(problem: Problem | str) -> Problem | str:
    """A complaint about a missing field with the code of the duty that it belongs to."""
    if isinstance(problem, str) or not problem.wanted:
        return problem
    duty = next(iter(_duties_of(problem.wanted)), None)
    if duty is None:
        return problem
    message = f"{problem.message} ({duty.requirement}: {WHY[duty.requirement].en})"
    return replace(problem, code=duty.code, message=message)


def flaws(policy: Policy) -> Iterator[Flaw]:
    """What is wrong or deserves a warning, whatever the day."""
    return _flaws(policy, frozenset(type(policy).model_fields))


def flaws_on(policy: Policy, moment: datetime) -> Iterator[Flaw]:
    """What keeps the policy from being in force at a moment: its dates."""
    day = moment.astimezone(policy.zone).date().isoformat()
    limits = (
        ("activation", "not_before", policy.activation.not_before, "not_yet"),
        ("activation", "sunset", policy.activation.sunset, "sunset_passed"),
        ("dpia", "review_date", policy.dpia.review_date, "dpia_review_passed"),
        ("evaluation", "next_due", policy.evaluation.next_due, "evaluation_overdue"),
    )
    for section, name, limit, fault in limits:
        if (day < limit) if fault == "not_yet" else (day > limit):
            yield Flaw((section, name), fault, {"date": limit})


def dpia_flaw(policy: Policy, sha256: str | None) -> Flaw | None:
    """Whether the DPIA's document is the one that the policy pins.

    Args:
        policy: what pins it.
        sha256: hex digest of the file, None if it is not there or cannot be read.
    """
    if sha256 is None:
        return Flaw(("dpia", "file"), "dpia_file")
    if sha256 != policy.dpia.sha256:
        return Flaw(("dpia", "sha256"), "dpia_hash", {"sha256": sha256})
    return None


def unready(
    policy: Policy, dpia_sha256: str | None, now: datetime | None = None
) -> PolicyError | None:
    """Why a policy must not be signed or in force: the first thing that is wrong, if any.

    Args:
        policy: one that could be loaded.
        dpia_sha256: digest of the DPIA's file, None if it is not there.
        now: judge dates at this moment; None leaves those that pass alone.
    """
    wrong = [flaw for flaw in flaws(policy) if flaw.severity is Severity.WRONG]
    pinned = dpia_flaw(policy, dpia_sha256)
    wrong += [] if pinned is None else [pinned]
    if now is not None:
        wrong += flaws_on(policy, now)
    for flaw in wrong:
        return PolicyError(f"{path_text(flaw.location)}: {flaw.text('en')}", code=flaw.code)
    return None


# --- a policy that is still being written -----------------------------------------------------


def homework(
    draft: Draft[Policy], *, moment: datetime | None = None, dpia_sha256: str | None = None
) -> tuple[Finding, ...]:
    """The list of what is missing, wrong or worth a warning, in the order of `DUTIES`.

    Args:
        draft: the policy as far as it goes.
        moment: judge its dates at this moment; None leaves those that pass alone.
        dpia_sha256: digest of the DPIA's file; None if it is not there.
    """
    found: list[Finding] = []
    open_duties: dict[tuple[int, Location], list[Problem]] = {}
    for problem in draft.problems:
        duties = _duties_of(problem.wanted) if problem.wanted else ()
        for duty in duties:
            key = (DUTIES.index(duty), _place(duty, problem.wanted))
            open_duties.setdefault(key, []).append(problem)
        if not duties:
            found.append(_finding(problem, "E_CONFIG", "", Severity.WRONG, _same(problem.message)))
    for (index, location), missing in sorted(open_duties.items(), key=lambda item: item[0][0]):
        duty = DUTIES[index]
        at = replace(missing[0], location=location)
        one = _finding(at, duty.code, duty.requirement, Severity.MISSING, duty.words)
        lacking = (path_text(problem.wanted[len(location) :]) for problem in missing)
        found.append(replace(one, lacking=tuple(name for name in lacking if name)))
    part, fields = draft.part, draft.fields
    all_flaws = list(_flaws(part, fields))
    if "dpia" in fields:
        flaw = dpia_flaw(part, dpia_sha256)
        all_flaws += [] if flaw is None else [flaw]
    if moment is not None and fields >= {"activation", "dpia", "evaluation", "timezone"}:
        all_flaws += flaws_on(part, moment)
    if fields == frozenset(Policy.model_fields):
        for location, message in contradictions(part):
            problem = draft.problem(location, message)
            found.append(_finding(problem, "E_CONFIG", "", Severity.WRONG, _same(message)))
    for flaw in all_flaws:
        fault = FAULTS[flaw.fault]
        words = Words(*(flaw.text(language) for language in ("nl", "fr", "de", "en")))
        problem = draft.problem(flaw.location, words.en)
        found.append(_finding(problem, fault.code, fault.requirement, fault.severity, words))
    return tuple(found)


def _finding(
    problem: Problem, code: str, requirement: str, severity: Severity, words: Words
) -> Finding:
    return Finding(
        problem.file,
        problem.line,
        problem.column,
        path_text(problem.location),
        code,
        requirement,
        severity,
        words,
    )


def _same(text: str) -> Words:
    return Words(text, text, text, text)


def _duties_of(wanted: Location) -> tuple[Duty, ...]:
    """The duties that a missing location leaves open: the nearest above it, and all below it."""
    above = [duty for duty in DUTIES if _covers(duty.field, wanted)]
    below = [duty for duty in DUTIES if _covers(wanted, duty.field) and duty not in above]
    return (*sorted(above, key=lambda duty: -len(duty.field))[:1], *below)


def _covers(start: Sequence[int | str], location: Sequence[int | str]) -> bool:
    """Whether a location lies at or below another; `*` is any step."""
    return len(start) <= len(location) and all(
        "*" in (one, other) or one == other for one, other in zip(start, location, strict=False)
    )


def _place(duty: Duty, wanted: Location) -> Location:
    """The duty's place, with the names that the file has where it has them."""
    return (*wanted, *duty.field[len(wanted) :])[: len(duty.field)]


# --- what can be wrong ------------------------------------------------------------------------


def _flaws(policy: Policy, fields: frozenset[str]) -> Iterator[Flaw]:
    for needed, check in _CHECKS:
        if fields >= needed:
            yield from check(policy)


def _sequence(policy: Policy) -> Iterator[Flaw]:
    """Law first: every document is dated before the camera may work under this version."""
    start = policy.activation.not_before
    dated: dict[Location, str] = {
        ("legal", "council_decision", "date"): policy.legal.council_decision.date,
        ("legal", "police_advice", "date"): policy.legal.police_advice.date,
        ("legal", "camera_declaration", "date"): policy.legal.camera_declaration.date,
        ("dpia", "date"): policy.dpia.date,
        ("dpia", "dpo_opinion", "date"): policy.dpia.dpo_opinion.date,
        **{
            ("purposes", name, "safety_evidence", "date"): purpose.safety_evidence.date
            for name, purpose in policy.purposes.items()
        },
    }
    for location, day in dated.items():
        if not day < start:
            yield Flaw(location, "sequence", {"date": day, "limit": start})


def _alternatives(policy: Policy) -> Iterator[Flaw]:
    decided = policy.legal.council_decision.date
    for name in ("physical", "awareness", "targeted"):
        day: str = getattr(policy.alternatives, name).date
        if not day <= decided:
            values = {"date": day, "limit": decided}
            yield Flaw(("alternatives", name, "date"), "alternatives_after_decision", values)


def _dpia(policy: Policy) -> Iterator[Flaw]:
    if not policy.dpia.date < policy.dpia.review_date:
        yield Flaw(("dpia", "review_date"), "dpia_review_order")
    named = {risk.risk for risk in policy.dpia.risks}
    for risk in NAMED_RISKS:
        if risk not in named:
            yield Flaw(("dpia", "risks"), "dpia_risk", {"risk": risk})


def _purposes(policy: Policy) -> Iterator[Flaw]:
    for name in policy.purposes:
        if name not in policy.dpia.purposes:
            yield Flaw(("purposes", name), "purpose_not_in_dpia")


def _retention(policy: Policy) -> Iterator[Flaw]:
    ceiling = RETENTION_CEILING_HOURS[policy.legal.regime]
    for name, purpose in policy.purposes.items():
        if purpose.retention_hours > ceiling:
            values = {"hours": str(purpose.retention_hours), "ceiling": str(ceiling)}
            yield Flaw(("purposes", name, "retention_hours"), "retention", values)


def _finance(policy: Policy) -> Iterator[Flaw]:
    if policy.finance.vendor_paid_per_fine:
        yield Flaw(("finance", "vendor_paid_per_fine"), "paid_per_fine")


def _activation(policy: Policy) -> Iterator[Flaw]:
    start = date.fromisoformat(policy.activation.not_before)
    sunset = date.fromisoformat(policy.activation.sunset)
    if not sunset > start:
        yield Flaw(("activation", "sunset"), "sunset_order")
    if sunset > start + timedelta(days=MAX_SUNSET_YEARS * 365.25):
        yield Flaw(("activation", "sunset"), "sunset_far", {"years": str(MAX_SUNSET_YEARS)})


def _evaluation(policy: Policy) -> Iterator[Flaw]:
    last = policy.evaluation.last
    since = date.fromisoformat(policy.activation.not_before if last is None else last.date)
    due = date.fromisoformat(policy.evaluation.next_due)
    limit = since + timedelta(days=EVALUATION_DAYS)
    if due > limit:
        at = ("evaluation", "next_due")
        yield Flaw(at, "evaluation_far", {"limit": limit.isoformat()})
    if due <= since:
        yield Flaw(("evaluation", "next_due"), "evaluation_order")


def _approvals(policy: Policy) -> Iterator[Flaw]:
    held = {signer.role for signer in policy.approvals.signers.values()}
    for role in ROLES:
        if role not in policy.approvals.quorum:
            yield Flaw(("approvals", "quorum"), "quorum", {"role": role})
        if role not in held:
            yield Flaw(("approvals", "signers"), "quorum", {"role": role})


def _accuracy(policy: Policy) -> Iterator[Flaw]:
    accuracy = policy.accuracy
    if accuracy.exact > accuracy.vehicles:
        yield Flaw(("accuracy", "exact"), "accuracy_counts")
        return
    measured = wilson(accuracy.exact, accuracy.vehicles)
    low, high = accuracy.interval
    if max(abs(low - measured.low), abs(high - measured.high)) > INTERVAL_TOLERANCE:
        values = {"low": f"{measured.low:.3f}", "high": f"{measured.high:.3f}"}
        yield Flaw(("accuracy", "interval"), "accuracy", values)


def _rule_warnings(policy: Policy) -> Iterator[Flaw]:
    for index, rule in enumerate(policy.rules):
        if not rule.human_check:
            yield Flaw(("rules", index, "human_check"), "no_human_check")
        if rule.reveal == "occupants":
            yield Flaw(("rules", index, "reveal"), "occupants")


def _camera_warnings(policy: Policy) -> Iterator[Flaw]:
    for name, camera in policy.cameras.items():
        if _never_shut(camera.hours):
            yield Flaw(("cameras", name, "hours"), "always_open")


def _never_shut(hours: WeeklySchedule) -> bool:
    whole = ("00:00-24:00",)
    return (
        len(hours.weekly) == 7
        and all(day == whole for day in hours.weekly.values())
        and not hours.holidays
        and all(one.hours == whole for one in hours.exceptions)
    )


def _demo_warnings(policy: Policy) -> Iterator[Flaw]:
    demo = (location for location, _, holder in policy.key_holders() if holder.demo)
    for location in islice(demo, 1):
        yield Flaw(location, "demo_key")


_CHECKS: tuple[tuple[frozenset[str], Callable[[Policy], Iterator[Flaw]]], ...] = (
    (frozenset({"legal", "dpia", "purposes", "activation"}), _sequence),
    (frozenset({"legal", "alternatives"}), _alternatives),
    (frozenset({"dpia"}), _dpia),
    (frozenset({"purposes", "dpia"}), _purposes),
    (frozenset({"purposes", "legal"}), _retention),
    (frozenset({"finance"}), _finance),
    (frozenset({"activation"}), _activation),
    (frozenset({"activation", "evaluation"}), _evaluation),
    (frozenset({"approvals"}), _approvals),
    (frozenset({"accuracy"}), _accuracy),
    (frozenset({"rules"}), _rule_warnings),
    (frozenset({"cameras"}), _camera_warnings),
    (frozenset({"approvals", "suspension", "issuers"}), _demo_warnings),
)
