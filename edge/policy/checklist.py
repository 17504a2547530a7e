"""The compliance checklist: what is missing in a policy, what is wrong, and why it is asked.

A policy with something missing or wrong is not loaded, cannot be signed and opens no camera.
`edge-anpr check` prints the checklist in four languages, also of a policy that is not complete yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from edge.errors import PolicyError
from edge.formats.problems import Location, Problem, path_text
from edge.formats.yaml_document import Document, Draft
from edge.policy.contradictions import contradictions
from edge.policy.dpia_document import DpiaDocument, dpia_flaws
from edge.policy.duties import DUTIES, Duty, Flaw, Severity, why
from edge.policy.flaws import flaws, flaws_on
from edge.policy.model import Policy
from edge.policy.separation import OtherKey, keys_of_others
from edge.texts import LANGUAGES, Language, in_every_language


@dataclass(frozen=True, slots=True)
class Finding:
    """One item of the compliance checklist; line and column count from 1.

    Attributes:
        file: the policy, or site.yaml.
        line: where the field is, or where it is missing.
        column: likewise.
        field: its path.
        code: the error code.
        requirement: which requirement of the authority asks it; empty for a syntax error.
        severity: whether it is missing, wrong or a warning.
        sentences: what to do or what is wrong, by language.
        lacking: the blank parts of a field that is partly filled in.
    """

    file: Path
    line: int
    column: int
    field: str
    code: str
    requirement: str
    severity: Severity
    sentences: Mapping[Language, str]
    lacking: tuple[str, ...] = ()

    def why(self, language: Language) -> str:
        """Why the authority asks it; empty for a syntax error."""
        return why(self.requirement, language) if self.requirement else ""


# --- a complete policy ------------------------------------------------------------------------


def problems(document: Document[Policy]) -> Iterator[Problem]:
    """The problems that prevent loading a policy, apart from passed dates and changed files."""
    for location, message in contradictions(document.model):
        yield document.problem(location, message)
    for flaw in flaws(document.model):
        # Not here: for a purpose added after signing, the gate first reports the signatures.
        if flaw.severity is Severity.WRONG and flaw.fault != "purpose_not_in_dpia":
            problem = document.problem(flaw.location, flaw.text("en"))
            yield replace(problem, code=flaw.code)


def coded(problem: Problem | str) -> Problem | str:
    """The problem of a missing or empty text with the code of its duty; others unchanged."""
    if isinstance(problem, str) or not (problem.wanted or problem.text):
        return problem
    duty = next(iter(_duties_of(problem.wanted or problem.location)), None)
    if duty is None:
        return problem
    message = f"{problem.message} ({duty.requirement}: {why(duty.requirement, 'en')})"
    return replace(problem, code=duty.code, message=message)


def unready(
    policy: Policy,
    dpia: DpiaDocument | None,
    moment: datetime | None = None,
    present: datetime | None = None,
) -> PolicyError | None:
    """Why a policy must not be in force: its first flaw, or None.

    Args:
        policy: a policy without `problems`.
        dpia: the DPIA's file, None if it is not there.
        moment: judge dates at this moment; None skips dates that can pass or come.
        present: the wall clock, if it is not the moment.
    """
    wrong = [flaw for flaw in flaws(policy) if flaw.severity is Severity.WRONG]
    wrong += dpia_flaws(policy, dpia)
    if moment is not None:
        wrong += flaws_on(policy, moment, present)
    for flaw in wrong:
        return PolicyError(f"{path_text(flaw.location)}: {flaw.text('en')}", code=flaw.code)
    return None


# --- an incomplete policy ---------------------------------------------------------------------


def checklist(
    draft: Draft[Policy],
    *,
    moment: datetime | None = None,
    present: datetime | None = None,
    dpia: DpiaDocument | None = None,
    dpia_blanks: Flaw | None = None,
    others: Sequence[OtherKey] = (),
) -> tuple[Finding, ...]:
    """All findings: what is missing, wrong or a warning, in the order of `DUTIES`.

    Args:
        draft: the incomplete policy.
        moment: judge its dates at this moment; None skips dates that can pass or come.
        present: the wall clock, if it is not the moment.
        dpia: the DPIA's file; None if it is not there.
        dpia_blanks: that it has places to fill in, if it has any.
        others: the keys of the box and of the authorities, as far as they are known.
    """
    found: list[Finding] = []
    open_duties: dict[tuple[int, Location], list[Problem]] = {}
    for problem in draft.problems:
        duties = _duties_of(problem.wanted) if problem.wanted else ()
        for duty in duties:
            key = (DUTIES.index(duty), _place(duty, problem.wanted))
            open_duties.setdefault(key, []).append(problem)
        if not duties:
            found.append(_wrong(problem))
    for (index, location), missing in sorted(open_duties.items(), key=lambda item: item[0][0]):
        duty = DUTIES[index]
        at = replace(missing[0], location=location)
        one = _finding(
            at, duty.code, duty.requirement, Severity.MISSING, in_every_language(duty.key)
        )
        found.append(replace(one, lacking=_lacking(missing, location)))
    part, fields = draft.part, draft.fields
    all_flaws = [*flaws(part, fields), *([] if dpia_blanks is None else [dpia_blanks])]
    if "dpia" in fields:
        all_flaws += dpia_flaws(part, dpia)
    all_flaws += _shared_keys(part, fields, others)
    if moment is not None and "timezone" in fields:
        all_flaws += flaws_on(part, moment, present, fields)
    if fields == frozenset(Policy.model_fields):
        for location, message in contradictions(part):
            problem = draft.problem(location, message)
            found.append(_finding(problem, "E_CONFIG", "", Severity.WRONG, _same(message)))
    for flaw in all_flaws:
        problem = draft.problem(flaw.location, flaw.text("en"))
        sentences = {language: flaw.text(language) for language in LANGUAGES}
        found.append(_finding(problem, flaw.code, flaw.requirement, flaw.severity, sentences))
    return tuple(found)


def site_findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Findings of site.yaml. What is missing there is a warning: the box's installer adds it."""
    return tuple(
        _finding(
            one,
            "E_CONFIG",
            "",
            Severity.WARNING if one.wanted else Severity.WRONG,
            in_every_language(one.text, **one.values) if one.text else _same(one.message),
        )
        for one in problems
    )


def _shared_keys(
    policy: Policy, fields: frozenset[str], others: Sequence[OtherKey]
) -> Iterator[Flaw]:
    known = others if fields >= {"approvals", "suspension", "issuers"} else ()
    for at, holder in keys_of_others(policy, known) if known else ():
        yield Flaw((*at, "key"), "same_key", {"other": holder})


def _finding(
    problem: Problem,
    code: str,
    requirement: str,
    severity: Severity,
    sentences: Mapping[Language, str],
) -> Finding:
    return Finding(
        problem.file,
        problem.line,
        problem.column,
        path_text(problem.location),
        code,
        requirement,
        severity,
        sentences,
    )


def _lacking(missing: Sequence[Problem], at: Location) -> tuple[str, ...]:
    """The blank parts below a location; a text that lacks all its languages is named once."""
    parts = [problem.wanted[len(at) :] for problem in missing]
    whole = {part[:-1] for part in parts if {(*part[:-1], one) for one in LANGUAGES} <= set(parts)}
    named = (part[:-1] if part[:-1] in whole and part[-1] in LANGUAGES else part for part in parts)
    return tuple(path_text(part) for part in dict.fromkeys(named) if part)


def _wrong(problem: Problem) -> Finding:
    """A field that cannot be read, or a text that says nothing."""
    if not problem.text:
        return _finding(problem, "E_CONFIG", "", Severity.WRONG, _same(problem.message))
    duty = next(iter(_duties_of(problem.location)), None)
    code, requirement = ("E_CONFIG", "") if duty is None else (duty.code, duty.requirement)
    sentences = in_every_language(problem.text, **problem.values)
    return _finding(problem, code, requirement, Severity.WRONG, sentences)


def _same(message: str) -> Mapping[Language, str]:
    """The message of a syntax error, which is in English only."""
    return dict.fromkeys(LANGUAGES, message)


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
    """The duty's location, with the file's names in place of `*` where they are known."""
    return (*wanted, *duty.field[len(wanted) :])[: len(duty.field)]
