"""`edge-anpr notice`: the public page of a site, and whether a page still says what was signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from edge.errors import EdgeError, PolicyError, UsageError

if TYPE_CHECKING:
    from edge.policy.model import Policy, Role
    from edge.policy.notice.content import NoticeContent
    from edge.policy.signatures import PolicySignatures

MAX_BYTES = 8 * 1024 * 1024
"""Far above any notice."""


class _MakeByDefault(TyperGroup):
    """`notice SITE` is `notice make SITE`."""

    # typer brings a click of its own along, whose names are private: hence no type for it.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MakeByDefault,
    no_args_is_help=True,
    help="The public page of a site, made from its signed policy.\n\n"
    "[bold]edge-anpr notice SITE --out DIR[/bold] writes one page in Dutch, French, German and "
    "English and the sign for the place in each of them. The same policy always makes the same "
    "bytes, so [bold]notice verify[/bold] finds every change.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@app.command()
def make(
    site: Annotated[Path, typer.Argument(help="The site's folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Where to write; made if it is not there.")],
    draft: Annotated[
        bool,
        typer.Option("--draft", help="Also of a policy that is not signed; marked as a draft."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the page (index.html) and the signs (information-board.*.svg) of a site.

    It reads policy.yaml, policy.signatures.json, the versions that were in force before
    (state/policies) and, if it is there, counts.json with the counts of each quarter.
    """
    from edge.adapters.state.policy_state import FileDigest
    from edge.adapters.state.state_folder import replace_file
    from edge.policy.checklist import unready
    from edge.policy.notice.publication import PAGE_FILE, publication

    facts = _facts(site, draft=draft)
    policy = facts.policy
    if not draft:
        wrong = unready(policy, FileDigest(site / policy.dpia.file).sha256())
        if wrong is not None:
            raise wrong
    files = publication(facts)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out: {out}: {error.strerror}; name a folder") from None
    # The page last: who sees it finds the signs beside it.
    for name in sorted(files, key=lambda name: name == PAGE_FILE):
        replace_file(out / name, files[name].encode(), mode=0o644)
    if as_json:
        facts_json = {
            "policy_sha256": facts.sha256,
            "version": policy.version,
            "draft": draft,
            "files": [str(out / name) for name in files],
        }
        typer.echo(json.dumps(facts_json))
        return
    what = "a draft of version" if draft else "version"
    typer.echo(f"{what} {policy.version} of {policy.site}: {facts.sha256}")
    for name in files:
        typer.echo(f"  {out / name}")


@app.command()
def verify(
    page: Annotated[
        Path,
        typer.Argument(help="A page, a sign, or the folder with all of them.", show_default=False),
    ],
    site: Annotated[
        Path,
        typer.Option("--site", help="A folder with policy.yaml and policy.signatures.json."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Say whether a page still says what was signed; every other character is found.

    Made from the policy anew and compared, so that the page itself need not be believed. Where the
    page tells earlier versions or counts, state/policies and counts.json belong to the folder.
    Status 3 and E_NOTICE: it says something else.
    """
    from edge.formats.yaml_document import read_text
    from edge.policy.notice.publication import publication, require_genuine

    facts = _facts(site, draft=False)
    names = publication(facts)
    files = [page / name for name in names] if page.is_dir() else [page]
    found = {}
    for file in files:
        kind = require_genuine(read_text(file, MAX_BYTES), str(file), facts)
        if page.is_dir() and kind != file.name:
            raise PolicyError(
                f"{file}: holds {kind}; publish the folder anew with `edge-anpr notice`",
                code="E_NOTICE",
            )
        found[str(file)] = kind
    if as_json:
        typer.echo(json.dumps({"policy_sha256": facts.sha256, "files": found}))
        return
    signed = ", ".join(sorted(facts.signed))
    for name in found:
        typer.echo(
            f"{name}: says what version {facts.policy.version} of {facts.policy.site} says, "
            f"signed by {signed}: {facts.sha256}"
        )


def _facts(site: Path, *, draft: bool) -> NoticeContent:
    from edge.adapters.host.system import product_version
    from edge.adapters.state.policy_state import PolicyState
    from edge.cli.policy import state_folder
    from edge.formats.problems import refuse
    from edge.policy.checklist import problems
    from edge.policy.notice.counts import COUNTS_FILE, read_counts
    from edge.policy.notice.publication import notice_content
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures
    from edge.policy.succession import require_authorised
    from edge.site.folder import POLICY_FILE, read_policy

    document = read_policy(site / POLICY_FILE)
    refuse(problems(document))
    policy = document.model
    history = PolicyState(state_folder(site)).history()
    try:
        signatures = read_signatures(site / SIGNATURES_FILE)
        signed = _signed_roles(policy, signatures)
        require_authorised(policy, signatures, history)
    except EdgeError:
        if not draft:
            raise
        signed = frozenset()
    return notice_content(
        policy,
        signed,
        earlier=[one for one, _ in history],
        counts=read_counts(site / COUNTS_FILE, policy.site),
        draft=draft,
        made_by=product_version(),
    )


def _signed_roles(policy: Policy, signatures: PolicySignatures) -> frozenset[Role]:
    from edge.policy.signatures import signers_of

    signers = policy.approvals.signers
    return frozenset(signers[name].role for name in signers_of(policy, signatures))
