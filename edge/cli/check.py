"""`edge-anpr check`: the compliance checklist, in plain words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, Lang, LangOption, SiteArgument
from edge.cli.output import print_json
from edge.errors import EdgeError, PolicyError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from edge.formats.problems import Problem
    from edge.formats.yaml_document import Draft
    from edge.policy.checklist import Finding
    from edge.policy.duties import Flaw
    from edge.policy.model import Policy
    from edge.policy.separation import OtherKey
    from edge.texts import Language


_NAME = re.compile(r"\S+:(\s|$)|\S*[./]\S")
"""A text that begins with a name: before a colon, or with a point or slash in it."""

_POSITION = re.compile(r"((?P<line>\d+):((?P<column>\d+):)?)? *(?P<what>.+)", re.DOTALL)


def check(
    site: SiteArgument,
    lang: LangOption = Lang.EN,
    on: Annotated[
        str | None,
        typer.Option("--on", help="Check dates as of this day (2026-03-10) and not today."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the compliance checklist: what is missing or wrong, in which field, and why.

    It reads an incomplete policy as well, and site.yaml if there is one. Status 0: nothing is
    open; the policy is signed or can be signed. Status 3: something is missing or wrong.

    Example: edge-anpr check config/school-street --lang nl
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.policy_state import DpiaFile
    from edge.policy.checklist import checklist, site_findings
    from edge.site.folder import POLICY_FILE, read_draft
    from edge.texts import text

    draft = read_draft(site / POLICY_FILE)
    file = draft.text(("dpia", "file"))
    dpia = DpiaFile(site / file).document() if file else None
    digest = None if dpia is None else dpia.sha256
    now = SystemClock().utc()
    moment = now if on is None else _noon(on)
    blanks = _dpia_blanks(site, draft)
    findings = checklist(
        draft,
        moment=moment,
        present=max(moment, now),
        dpia=dpia,
        dpia_blanks=blanks,
        others=_other_keys(site, draft),
    )
    findings += site_findings(_problems_of_site(site, draft))
    missing_roles = _missing_roles(site, draft)
    blocking = [one for one in findings if one.severity.value != "warning"]
    if as_json:
        document = _as_json(site, lang, findings, missing_roles, digest)
        print_json("edge-anpr/check/1", document, indent=2)
    else:
        _show(lang, findings, missing_roles, None if blanks else digest)
    if blocking:
        codes = {one.code for one in blocking}
        counts = _counts(findings)
        raise PolicyError(
            text(
                lang.value,
                "checklist.result.unfinished",
                file=", ".join(dict.fromkeys(str(one.file) for one in blocking)),
                missing=counts["missing"],
                wrong=counts["wrong"],
            ),
            code=codes.pop() if len(codes) == 1 else "E_HOMEWORK",
        )


def _noon(on: str) -> datetime:
    from datetime import datetime, timezone

    try:
        # Noon: the same day in every zone of Europe.
        return datetime.strptime(on, "%Y-%m-%d").replace(hour=12, tzinfo=timezone.utc)
    except ValueError:
        raise UsageError(f"--on: {on!r} is not a date; write it like 2026-03-10") from None


def _dpia_blanks(site: Path, draft: Draft[Policy]) -> Flaw | None:
    from edge.cli.policy import dpia_blanks
    from edge.policy.skeleton import DPIA_FILE

    return dpia_blanks(site / (draft.text(("dpia", "file")) or DPIA_FILE))


def _problems_of_site(site: Path, draft: Draft[Policy]) -> list[Problem]:
    """What is wrong with site.yaml."""
    from edge.formats.problems import Problem
    from edge.formats.yaml_document import read_document
    from edge.policy.model import Policy
    from edge.site.folder import POLICY_FILE, SITE_FILE, site_problems

    policy = None if draft.problems else read_document(site / POLICY_FILE, Policy)
    return [
        one if isinstance(one, Problem) else _problem_of(site / SITE_FILE, one)
        for one in site_problems(site, policy)
    ]


def _problem_of(file: Path, message: str) -> Problem:
    """A message that begins with the file, and perhaps line and column, in parts."""
    from edge.formats.problems import Problem

    at = _POSITION.fullmatch(message.removeprefix(f"{file}:"))
    if not message.startswith(f"{file}:") or at is None:
        return Problem(file, 1, 1, (), message)
    return Problem(file, int(at["line"] or 1), int(at["column"] or 1), (), at["what"])


def _other_keys(site: Path, draft: Draft[Policy]) -> tuple[OtherKey, ...]:
    """The keys of the box and of the authorities, as far as their files are there."""
    from edge.cli.policy import other_keys

    try:
        return other_keys(site, draft.part) if "authorities" in draft.fields else ()
    except EdgeError as error:
        if error.code == "E_AUTHORITY_KEYS":
            raise
        return ()  # site.yaml or a key file cannot be read; activation and run say so


def _missing_roles(site: Path, draft: Draft[Policy]) -> tuple[str, ...] | None:
    """The roles that have not signed this policy; None while it cannot be signed."""
    from edge.policy.model import ROLES
    from edge.policy.signatures import (
        SIGNATURES_FILE,
        missing_roles,
        read_signatures,
        signers_of,
    )

    if draft.problems:
        return None
    policy = draft.part
    try:
        signed = signers_of(policy, read_signatures(site / SIGNATURES_FILE))
    except EdgeError:
        return ROLES
    return missing_roles(policy.approvals.signers, signed)


def _counts(findings: tuple[Finding, ...]) -> dict[str, int]:
    return {
        name: sum(one.severity.value == name for one in findings)
        for name in ("missing", "wrong", "warning")
    }


def _as_json(
    site: Path,
    lang: Lang,
    findings: tuple[Finding, ...],
    missing_roles: tuple[str, ...] | None,
    digest: str | None,
) -> dict[str, object]:
    counts = _counts(findings)
    language: Language = lang.value
    return {
        "folder": str(site),
        "ready": counts["missing"] == counts["wrong"] == 0,
        "signed": missing_roles == (),
        "missing_roles": None if missing_roles is None else list(missing_roles),
        "dpia_sha256": digest,
        "counts": counts,
        "findings": [
            {
                "severity": one.severity.value,
                "code": one.code,
                "requirement": one.requirement or None,
                "field": one.field,
                "file": str(one.file),
                "line": one.line,
                "column": one.column,
                "what": one.sentences[language],
                "lacking": list(one.lacking),
                "why": one.why(language) or None,
            }
            for one in findings
        ],
    }


def _sentence(text: str) -> str:
    """The text as a sentence; the name of a file or field at its beginning stays as it is."""
    end = "" if text[-1] in ".?" else "."
    start = text[0] if _NAME.match(text) else text[0].upper()
    return f"{start}{text[1:]}{end}"


def _show(
    lang: Lang,
    findings: tuple[Finding, ...],
    missing_roles: tuple[str, ...] | None,
    digest: str | None,
) -> None:
    """Print the findings; `digest` is of the DPIA's document, once it is written."""
    from edge.policy.duties import Severity
    from edge.texts import colon, text

    language: Language = lang.value
    number = 0
    for severity in Severity:
        some = [one for one in findings if one.severity is severity]
        if some:
            typer.secho(text(language, f"checklist.heading.{severity.value}"), bold=True)
        for one in some:
            number += 1
            lacking = f"  ({', '.join(one.lacking)})" if one.lacking else ""
            typer.secho(f"{number:3}. {one.field or one.file.name}{lacking}", bold=True)
            typer.echo(f"     {_sentence(one.sentences[language])}")
            if digest and one.field == "dpia.sha256" and severity is Severity.MISSING:
                told = text(language, "checklist.result.digest", sha256=digest)
                typer.echo(f"     {told}")
            why = one.why(language)
            if why:
                asked = text(language, "checklist.result.why")
                typer.echo(f"     {asked} ({one.requirement}){colon(language)}{why}")
            typer.secho(f"     {one.file}:{one.line}:{one.column}  {one.code}", dim=True)
    if any(one.requirement for one in findings):
        typer.secho(text(language, "checklist.result.legend"), dim=True)
    counts = _counts(findings)
    if counts["missing"] or counts["wrong"]:
        typer.secho(text(language, "checklist.result.open", **counts), bold=True)
        return
    typer.secho(text(language, "checklist.result.ready"), bold=True)
    if missing_roles:
        roles = (text(language, f"checklist.role.{role}") for role in missing_roles)
        typer.echo(text(language, "checklist.result.unsigned", roles=", ".join(roles)))
    else:
        typer.echo(text(language, "checklist.result.signed"))
