"""`edge-anpr policy`: from a template to a policy that is signed, activated and renewed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import (
    JsonOption,
    Lang,
    LangOption,
    PassphraseFileOption,
    SignerKeyOption,
    SiteArgument,
)
from edge.cli.output import print_json
from edge.cli.policy_activation import activate, renew
from edge.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from edge.formats.signing import SigningKey
    from edge.formats.yaml_document import Document
    from edge.policy.change import Change
    from edge.policy.dpia_document import DpiaDocument
    from edge.policy.duties import Flaw
    from edge.policy.model import Policy
    from edge.policy.separation import OtherKey
    from edge.policy.signatures import PolicySignatures
    from edge.texts import Language

_MAX_DPIA_BYTES = 32 * 1024 * 1024

app = typer.Typer(
    no_args_is_help=True,
    help="Write, sign, compare and activate a site's policy.\n\n"
    "Controller, police and data protection officer each sign with their own key "
    "([bold]edge-anpr keys new signer[/bold]). A box works only under a policy that all three "
    "have signed, until its activation expires.\n\n"
    "Example: edge-anpr policy new config/my-street",
)


@app.command()
def new(
    site: SiteArgument,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Ask no questions and leave every field empty.")
    ] = False,
    lang: LangOption = Lang.EN,
) -> None:
    """Ask questions in the order of the law, and write policy.yaml, site.yaml and dpia.md.

    Leave an answer empty if you do not know it yet; `edge-anpr check` lists it later. An example
    beside a question is never filled in. Files that exist already stay as they are: beside a
    policy.yaml it asks nothing, and writes only the other files that are missing. dpia.md is a
    skeleton: while a place in it is to be filled in, the policy cannot be signed.

    Example: edge-anpr policy new config/my-street --lang nl
    """
    from edge.adapters.state.state_folder import written_once
    from edge.formats.identifiers import is_id
    from edge.policy.skeleton import DPIA_FILE, PURPOSE, dpia_skeleton, site_file
    from edge.policy.template import Question, ask_all, template
    from edge.site.folder import POLICY_FILE, SITE_FILE, read_draft
    from edge.texts import text

    language: Language = lang.value
    site_id = site.resolve().name if is_id(site.resolve().name) else ""

    def ask(question: Question, sentence: str) -> str:
        own = site_id if question.name == "site" else ""
        hint = text(language, "new.enter", default=own) if own else question.hint(language)
        while True:
            answer: str = typer.prompt(f"{sentence} ({hint})", default=own, show_default=False)
            refused = question.refusal(answer, language) if answer else None
            if refused is None:
                return answer
            typer.echo(text(language, "new.again", why=refused))

    if (site / POLICY_FILE).exists():
        draft = read_draft(site / POLICY_FILE)
        answers = {"site": draft.part.site if "site" in draft.fields else site_id}
        purposes = draft.names(("purposes",)) or (PURPOSE,)
    else:
        if not defaults and not sys.stdin.isatty():
            raise UsageError(
                "no terminal here to ask questions on; add --defaults, or use a terminal"
            )
        if not defaults:
            typer.echo(text(language, "new.intro"))
        answers = {"site": site_id} if defaults else ask_all(language, ask)
        purposes = (PURPOSE,)
    contents = {
        POLICY_FILE: template(language, answers),
        SITE_FILE: site_file(language, answers.get("site", "")),
        DPIA_FILE: dpia_skeleton(language, purposes),
    }
    for name, content in contents.items():
        is_new = written_once(site / name, content)
        typer.echo(text(language, "new.written" if is_new else "new.kept", file=str(site / name)))
    typer.echo(text(language, "new.next", site=str(site)))


@app.command("sign")
def sign_(
    site: SiteArgument,
    key: SignerKeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    lang: LangOption = Lang.EN,
    as_json: JsonOption = False,
) -> None:
    """Sign a site's policy as one of its signers, once its compliance checklist is complete.

    Signatures are written to policy.signatures.json beside the policy. Signatures of an earlier
    version are removed. What changes against the version in force is listed in --lang.

    Example: edge-anpr policy sign config/school-street --key office/mayor.signer.private.json
    """
    from edge.adapters.state.policy_state import PolicyState
    from edge.adapters.state.state_folder import locked_folder, replace_file
    from edge.policy.signatures import (
        SIGNATURES_FILE,
        add_signature,
        missing_roles,
        require_signer,
    )

    signing = signing_key(key, passphrase_file)
    policy = ready_policy(site)
    require_signer(policy, signing)
    file = site / SIGNATURES_FILE
    in_force = PolicyState(state_folder(site)).in_force()
    with locked_folder(site):  # another signer may sign at the same time
        before = signatures_of(site, policy) if file.exists() else None
        signatures = add_signature(policy, signing, before)
        replace_file(file, signatures.text().encode(), mode=0o644)
    lacking = missing_roles(policy.approvals.signers, frozenset(signatures.signatures))
    if as_json:
        print_json(
            "edge-anpr/policy-sign/1",
            {
                "file": str(file),
                "policy_sha256": signatures.policy_sha256,
                "signers": sorted(signatures.signatures),
                "missing_roles": list(lacking),
            },
        )
        return
    if in_force is not None:
        _say_changes(in_force.policy, policy, lang.value)
    typer.echo(f"{signing.signer} has signed version {policy.version} of {policy.site}: "
               f"{signatures.policy_sha256}")  # fmt: skip
    typer.echo(f"still to sign: {', '.join(lacking)}" if lacking else "every role has signed")


@app.command()
def verify(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Show who has signed a site's policy, and verify that every role has.

    On a box it also verifies that the policy may follow the one in force.

    Example: edge-anpr policy verify config/school-street
    """
    from edge.adapters.state.policy_state import PolicyState
    from edge.policy.checklist import unready
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures, signers_of
    from edge.policy.succession import require_authorised
    from edge.site.folder import POLICY_FILE

    policy = finished_policy(site / POLICY_FILE).model
    signatures = read_signatures(site / SIGNATURES_FILE)
    signed = signers_of(policy, signatures)
    require_authorised(policy, signatures, PolicyState(state_folder(site)).history())
    wrong = unready(policy, dpia_document(site, policy))
    if wrong is not None:
        raise wrong
    who = {name: policy.approvals.signers[name] for name in sorted(signed)}
    if as_json:
        facts = {
            "policy_sha256": signatures.policy_sha256,
            "version": policy.version,
            "demo": policy.demo,
            "signers": {name: signer.role for name, signer in who.items()},
        }
        print_json("edge-anpr/policy-verify/1", facts)
        return
    typer.echo(f"version {policy.version} of {policy.site}: {signatures.policy_sha256}")
    for name, signer in who.items():
        demo = "  (a demo key, which is public)" if signer.demo else ""
        typer.echo(f"  {signer.role}: {name}{demo}")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A policy.yaml, or a site's folder.")],
    new: Annotated[
        Path, typer.Argument(help="The next version: a policy.yaml, or a site's folder.")
    ],
    lang: LangOption = Lang.EN,
    as_json: JsonOption = False,
) -> None:
    """List every change between two versions, its direction, and who must sign it.

    WIDENING, the box may do more: the signature of every role, a new DPIA that names the changes
    in dpia.covers, and the data protection officer's opinion on this draft. SUBSTANTIVE, what
    people's rights rest on: the signature of every role. NARROWING and neutral: one signer.

    Example: edge-anpr policy diff old/policy.yaml config/school-street --lang nl
    """
    from edge.policy.change import ChangeEffect
    from edge.policy.diff import changes
    from edge.policy.model import ROLES
    from edge.policy.succession import uncovered

    before, after = _policy_at(old), _policy_at(new)
    if not as_json:
        _say_changes(before, after, lang.value)
        return
    found = changes(before, after)
    widens = any(one.direction is ChangeEffect.WIDENING for one in found)
    all_roles = any(one.direction.needs_all_roles for one in found)
    document = {
        "needs": "quorum-and-dpia" if widens else "quorum" if all_roles else "one-signer",
        "roles": list(ROLES) if all_roles else [],
        "uncovered": list(uncovered(before, after)),
        "draft_sha256": after.draft_sha256(),
        "changes": [_change_as_json(one) for one in found],
    }
    print_json("edge-anpr/policy-diff/1", document, indent=2)


app.command()(activate)
app.command()(renew)


def signatures_of(site: Path, policy: Policy) -> PolicySignatures:
    """The signatures beside a policy; empty if they are of another version."""
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures

    signatures = read_signatures(site / SIGNATURES_FILE)
    if signatures.policy_sha256 != policy.sha256():
        return signatures.model_copy(update={"signatures": {}})
    return signatures


def signing_key(file: Path | None, passphrase_file: Path | None) -> SigningKey:
    """The key of a signer's private file.

    Args:
        file: the private file.
        passphrase_file: holds its passphrase; None: ask at the terminal, if it has one.

    Raises:
        UsageError: no file was given.
        KeyFileError: the file cannot be used.
    """
    from edge.adapters.state.key_files import load_signer_key
    from edge.cli.passphrase import typed

    if file is None:
        raise UsageError("--key: name the signer's private file")
    return load_signer_key(file, typed(passphrase_file))


def ready_policy(site: Path) -> Policy:
    """The policy that is to be signed: `edge-anpr check` has nothing against it but warnings.

    Raises:
        EdgeError: it has.
    """
    from edge.adapters.host.system import SystemClock
    from edge.box.keys import require_separate_keys
    from edge.formats.problems import refuse
    from edge.policy.checklist import unready
    from edge.site.folder import POLICY_FILE, site_problems

    document = finished_policy(site / POLICY_FILE, checked=True)
    policy = document.model
    # What is missing in site.yaml, the box's installer adds; `fleet check` looks at a template's.
    problems = [] if is_template(site) else site_problems(site, document)
    refuse(one for one in problems if isinstance(one, str) or not one.wanted)
    blank = dpia_blanks(site / policy.dpia.file)
    if blank is not None:
        raise PolicyError(f"{site / policy.dpia.file}: {blank.text('en')}", code=blank.code)
    now = SystemClock().utc()
    # It is signed before its first day, and recordings are judged by their own day.
    first_day = policy.begins(policy.activation.not_before)
    moment = first_day if policy.demo else max(now, first_day)
    wrong = unready(policy, dpia_document(site, policy), moment, now)
    if wrong is not None:
        raise PolicyError(f"{site / POLICY_FILE}: {wrong.message}", code=wrong.code)
    require_separate_keys(policy, other_keys(site, policy))
    return policy


def other_keys(site: Path, policy: Policy) -> tuple[OtherKey, ...]:
    """The keys of the site's box and authorities, as far as their files are there.

    Raises:
        KeyFileError: a file cannot be read, or is of another holder; `E_AUTHORITY_KEYS`: it has a
            key that the policy does not name.
    """
    from edge.box.keys import keys_at_hand
    from edge.site.folder import read_box_folders, resolved

    box = read_box_folders(site) if is_of_box(site) else None
    files = {name: resolved(site, one.keys) for name, one in policy.authorities.items()}
    return keys_at_hand(box, files, policy)


def _say_changes(before: Policy, after: Policy, language: Language) -> None:
    """Print every change, and what the new version needs before it may come into force."""
    from edge.policy.change import ChangeEffect
    from edge.policy.diff import changes
    from edge.policy.model import ROLES
    from edge.policy.succession import uncovered
    from edge.texts import text

    def say(key: str, **values: str) -> None:
        typer.echo(text(language, f"diff.result.{key}", **values))

    found = changes(before, after)
    for one in found:
        typer.echo(one.text(language))
    roles = ", ".join(text(language, f"checklist.role.{role}") for role in ROLES)
    if not found:
        say("none")
    elif any(one.direction is ChangeEffect.WIDENING for one in found):
        say("quorum", roles=roles)
        missing = uncovered(before, after)
        if missing:
            say("uncovered", names=", ".join(missing))
        else:
            say("draft", sha256=after.draft_sha256())
    elif any(one.direction.needs_all_roles for one in found):
        say("all_roles", roles=roles)
    else:
        say("one_signer")


def _policy_at(path: Path) -> Policy:
    from edge.site.folder import POLICY_FILE

    return finished_policy(path / POLICY_FILE if path.is_dir() else path).model


def finished_policy(file: Path, *, checked: bool = False) -> Document[Policy]:
    """Read a policy for a command that needs a finished one.

    Args:
        file: the policy.
        checked: also refuse what makes it impossible to load, such as a passed date order.

    Raises:
        ConfigError: it cannot be read; or it is not finished: the first problem, how many more
            there are, and the command that lists all of them.
    """
    from edge.formats.problems import MistakesError, refuse
    from edge.policy.checklist import problems
    from edge.site.folder import read_policy

    try:
        document = read_policy(file)
        if checked:
            refuse(problems(document))
    except MistakesError as mistakes:
        raise MistakesError(
            mistakes.problems, code=mistakes.code, listed_by=f"edge-anpr check {file.parent}"
        ) from None
    return document


def state_folder(site: Path) -> Path:
    """The box's state folder; without a site.yaml, or in a template of a fleet, the default one."""
    from edge.formats.yaml_document import read_document
    from edge.site.folder import SITE_FILE
    from edge.site.settings import Folders, Site

    if not is_of_box(site):
        return site / Folders().state
    return site / read_document(site / SITE_FILE, Site).model.folders.state


def is_of_box(site: Path) -> bool:
    """Whether a folder has a site.yaml, and not that of a fleet's template, with places."""
    from edge.site.folder import SITE_FILE

    return (site / SITE_FILE).exists() and not is_template(site)


def is_template(site: Path) -> bool:
    """Whether a folder is a template of a fleet: places in its site.yaml are to be filled in."""
    from edge.fleet.templates import has_places
    from edge.site.folder import SITE_FILE

    return (site / SITE_FILE).exists() and has_places(site / SITE_FILE)


def dpia_document(site: Path, policy: Policy) -> DpiaDocument | None:
    """The DPIA's file; None if it is missing."""
    from edge.adapters.state.policy_state import DpiaFile

    return DpiaFile(site / policy.dpia.file).document()


def dpia_blanks(file: Path) -> Flaw | None:
    """Whether a DPIA is the skeleton of `policy new` with places to fill in."""
    from edge.formats.regular_files import open_regular_file
    from edge.policy.skeleton import unfinished

    try:
        with open_regular_file(file) as stream:
            return unfinished(stream.read(_MAX_DPIA_BYTES))
    except OSError:
        return None  # `dpia_digest` reports it


def _change_as_json(change: Change) -> dict[str, str]:
    from edge.formats.problems import path_text

    return {
        "direction": change.direction.value,
        "what": change.what,
        "field": path_text(change.location),
        "detail": change.detail,
    }
