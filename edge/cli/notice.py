"""`edge-anpr notice`: write the public page of a site, and compare a page with its policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.lazy import MakeByDefault
from edge.cli.options import JsonOption, SiteArgument
from edge.cli.output import print_json
from edge.errors import EdgeError, PolicyError, UsageError

if TYPE_CHECKING:
    from edge.policy.model import Policy, Role
    from edge.policy.notice.content import NoticeContent
    from edge.policy.signatures import PolicySignatures

MAX_BYTES = 8 * 1024 * 1024
"""Largest file that is verified, bytes: far above any real notice."""


app = typer.Typer(
    cls=MakeByDefault,
    no_args_is_help=True,
    help="Write the public page of a site from its signed policy, or verify a page.\n\n"
    "[bold]edge-anpr notice SITE --out DIR[/bold] writes one page in Dutch, French, German and "
    "English, and a sign in each language. The same policy always gives the same bytes, so "
    "[bold]notice verify[/bold] finds every change.\n\n"
    "Example: edge-anpr notice config/school-street --out public",
)


@app.command()
def make(
    site: SiteArgument,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    draft: Annotated[
        bool,
        typer.Option(
            "--draft", help="Also accept an unsigned policy; the page is marked as a draft."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the page (index.html) and the signs (information-board.*.svg) of a site.

    It reads policy.yaml, policy.signatures.json, earlier versions (state/policies) and, if it
    exists, counts.json with the counts of each quarter, and deletions.jsonl with what the desk of
    the authority has stated.

    Example: edge-anpr notice make config/school-street --out public
    """
    from edge.adapters.state.policy_state import DpiaFile
    from edge.adapters.state.state_folder import replace_file
    from edge.formats.atomic_files import disk_full
    from edge.policy.checklist import unready
    from edge.policy.notice.publication import PAGE_FILE, publication

    facts = _facts(site, draft=draft)
    policy = facts.policy
    if not draft:
        wrong = unready(policy, DpiaFile(site / policy.dpia.file).document())
        if wrong is not None:
            raise wrong
    files = publication(facts)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_full(out, error) or UsageError(
            f"--out: {out}: {error.strerror}; name a folder"
        ) from None
    # The page is written last, so that the signs exist when it appears.
    for name in sorted(files, key=lambda name: name == PAGE_FILE):
        replace_file(out / name, files[name].encode(), mode=0o644)
    if as_json:
        facts_json = {
            "policy_sha256": facts.sha256,
            "version": policy.version,
            "draft": draft,
            "files": [str(out / name) for name in files],
        }
        print_json("edge-anpr/notice-make/1", facts_json)
        return
    what = "a draft of version" if draft else "version"
    typer.echo(f"{what} {policy.version} of {policy.site}: {facts.sha256}")
    for name in files:
        typer.echo(f"  {out / name}")


@app.command()
def verify(
    page: Annotated[
        Path,
        typer.Argument(help="A page, a sign, or the folder that holds them.", show_default=False),
    ],
    site: Annotated[
        Path,
        typer.Option("--site", help="A folder with policy.yaml and policy.signatures.json."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Verify that a page or sign is exactly what the signed policy gives.

    It writes the page again from the policy and compares every character. If the page shows
    earlier versions, counts or deletions, the folder must hold state/policies, counts.json and
    deletions.jsonl. Status 3 with E_NOTICE: the page differs.

    Example: edge-anpr notice verify public --site config/school-street
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
                f"{file}: holds {kind}; publish the folder again with `edge-anpr notice`",
                code="E_NOTICE",
            )
        found[str(file)] = kind
    if as_json:
        document = {"policy_sha256": facts.sha256, "files": found}
        print_json("edge-anpr/notice-verify/1", document)
        return
    signed = ", ".join(sorted(facts.signed))
    for name in found:
        typer.echo(
            f"{name}: matches version {facts.policy.version} of {facts.policy.site}, "
            f"signed by {signed}: {facts.sha256}"
        )


def _facts(site: Path, *, draft: bool) -> NoticeContent:
    from edge.adapters.host.system import product_version
    from edge.adapters.state.policy_state import PolicyState
    from edge.cli.policy import finished_policy, state_folder
    from edge.policy.notice.counts import COUNTS_FILE, read_counts
    from edge.policy.notice.publication import notice_content
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures
    from edge.policy.succession import require_authorised
    from edge.privacy.deletions import DELETIONS_FILE, read_deletions
    from edge.site.folder import POLICY_FILE

    policy = finished_policy(site / POLICY_FILE, checked=True).model
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
        deletions=read_deletions(stated)[1] if (stated := site / DELETIONS_FILE).exists() else (),
    )


def _signed_roles(policy: Policy, signatures: PolicySignatures) -> frozenset[Role]:
    from edge.policy.signatures import signers_of

    signers = policy.approvals.signers
    return frozenset(signers[name].role for name in signers_of(policy, signatures))
