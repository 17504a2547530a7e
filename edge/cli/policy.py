"""`edge-anpr policy`: from a template to a policy that is signed, activated and renewed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.check import Lang, LangOption
from edge.errors import ConfigError, KeyFileError, PolicyError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from edge.formats.signing import SigningKey
    from edge.policy.activation import ActivationRecord
    from edge.policy.diff import Change
    from edge.policy.model import Policy
    from edge.policy.signatures import PolicySignatures

app = typer.Typer(
    no_args_is_help=True,
    help="A site's policy: write it, sign it, compare it, put it into force.\n\n"
    "Controller, police and data protection officer each sign with a key of their own "
    "([bold]edge-anpr keys new signer[/bold]). A box works under a policy that all three have "
    "signed, and for as long as its activation lasts.",
)

SiteArgument = Annotated[Path, typer.Argument(help="The site's folder.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="A signer's private file, from `keys new signer`.")
]


@app.command()
def new(
    site: SiteArgument,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Ask nothing: every field is left to fill in.")
    ] = False,
    lang: LangOption = Lang.EN,
) -> None:
    """Start a policy: questions in the order of the law, and a commented policy.yaml.

    An answer that is not known yet is left empty; `edge-anpr check` lists it later.
    """
    from edge.policy.template import Question, ask_all, template
    from edge.site.folder import POLICY_FILE

    file = site / POLICY_FILE
    if file.exists():
        raise UsageError(f"{file}: exists already; name a new folder")

    def ask(question: Question, text: str) -> str:
        hint = " | ".join(question.choices) or question.hint
        while True:
            answer: str = typer.prompt(f"{text} [{hint}]", default="", show_default=False)
            if not answer or not question.choices or answer in question.choices:
                return answer

    if not defaults and not sys.stdin.isatty():
        raise UsageError("nobody is there to answer; add --defaults, or run it in a terminal")
    text = template(lang.value, {} if defaults else ask_all(lang.value, ask))
    try:
        site.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; name a folder that can be written") from None
    typer.echo(f"{file} written; `edge-anpr check {site}` says what is missing")


@app.command("sign")
def sign_(site: SiteArgument, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Sign a site's policy as one of its signers, once its compliance checklist is in order.

    Signatures lie beside it in policy.signatures.json; those of an earlier version are dropped.
    """
    from edge.adapters.state.policy_state import PolicyState
    from edge.adapters.state.state_folder import replace_file
    from edge.policy.checklist import unready
    from edge.policy.diff import changes
    from edge.policy.signatures import SIGNATURES_FILE, add_signature, missing_roles
    from edge.site.folder import POLICY_FILE, read_policy

    signing = _signing_key(key)
    policy = read_policy(site / POLICY_FILE).model
    wrong = unready(policy, _dpia_digest(site, policy))
    if wrong is not None:
        raise PolicyError(f"{site / POLICY_FILE}: {wrong.message}", code=wrong.code)
    _require_signer(policy, signing)
    file = site / SIGNATURES_FILE
    before = _signatures_of(site, policy) if file.exists() else None
    signatures = add_signature(policy, signing, before)
    in_force = PolicyState(state_folder(site)).in_force()
    replace_file(file, signatures.text().encode(), mode=0o644)
    lacking = missing_roles(policy.approvals.signers, frozenset(signatures.signatures))
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "file": str(file),
                    "policy_sha256": signatures.policy_sha256,
                    "signers": sorted(signatures.signatures),
                    "missing_roles": list(lacking),
                }
            )
        )
        return
    if in_force is not None:
        for change in changes(in_force.policy, policy):
            typer.echo(str(change))
    typer.echo(f"{signing.signer} has signed version {policy.version} of {policy.site}: "
               f"{signatures.policy_sha256}")  # fmt: skip
    typer.echo(f"still to sign: {', '.join(lacking)}" if lacking else "every role has signed")


@app.command()
def verify(site: SiteArgument, as_json: JsonOption = False) -> None:
    """Say who has signed a site's policy, and whether that is enough.

    On a box also: whether it may come after the policy in force.
    """
    from edge.adapters.state.policy_state import PolicyState
    from edge.policy.checklist import unready
    from edge.policy.diff import require_authorised
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures, signers_of
    from edge.site.folder import POLICY_FILE, read_policy

    policy = read_policy(site / POLICY_FILE).model
    signatures = read_signatures(site / SIGNATURES_FILE)
    signed = signers_of(policy, signatures)
    require_authorised(policy, signatures, PolicyState(state_folder(site)).history())
    wrong = unready(policy, _dpia_digest(site, policy))
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
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"version {policy.version} of {policy.site}: {signatures.policy_sha256}")
    for name, signer in who.items():
        demo = "  (a demo key, which everybody has)" if signer.demo else ""
        typer.echo(f"  {signer.role}: {name}{demo}")


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A policy.yaml, or a site's folder.")],
    new: Annotated[Path, typer.Argument(help="The version that is to come after it.")],
    as_json: JsonOption = False,
) -> None:
    """List every change between two versions, and whether it widens what the box may do.

    A widening takes the signatures of every role and a new DPIA, a narrowing one signer.
    """
    from edge.policy.diff import ChangeEffect, changes

    found = changes(_policy_at(old), _policy_at(new))
    widens = any(one.direction is ChangeEffect.WIDENING for one in found)
    if as_json:
        document = {
            "schema": "edge-anpr/policy-diff/1",
            "needs": "quorum-and-dpia" if widens else "one-signer",
            "changes": [_change_as_json(one) for one in found],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for one in found:
        typer.echo(str(one))
    if not found:
        typer.echo("no change")
    elif widens:
        typer.echo("needs: a signature of every role, and a DPIA written anew for what widens")
    else:
        typer.echo("needs: one signer of the policy in force")


OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Write the record to this file and change nothing here."),
]
RecordOption = Annotated[
    Path | None,
    typer.Option("--record", help="Put a record into force that was written with --out."),
]


@app.command()
def activate(
    site: SiteArgument,
    key: KeyOption = None,
    record: RecordOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a signed policy into force on this box, for as long as its lease lasts.

    A controller's signer does it. Private keys do not belong on a box: make the record where the
    key is (--key, --out), carry it to the box, and install it there (--record). What was in force
    stays in force when anything is refused.
    """
    _put_in_force(site, key, record, out, renewing=False, as_json=as_json)


@app.command()
def renew(
    site: SiteArgument,
    key: KeyOption = None,
    record: RecordOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Extend the activation of the policy in force, while its evaluation is not overdue."""
    _put_in_force(site, key, record, out, renewing=True, as_json=as_json)


def _put_in_force(
    site: Path,
    key: Path | None,
    record: Path | None,
    out: Path | None,
    *,
    renewing: bool,
    as_json: bool,
) -> None:
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.policy_state import PolicyState, SteadyClock
    from edge.adapters.state.state_folder import replace_file
    from edge.policy import activation as activations
    from edge.policy.checklist import unready
    from edge.policy.diff import require_authorised

    if (key is None) == (record is None):
        raise UsageError("give either --key, to make a record, or --record, to install one")
    folder, policy, signatures, box = _whole_site(site)
    state = PolicyState(folder)
    in_force = state.in_force()
    if renewing and out is None:
        if in_force is None:
            raise PolicyError(
                "nothing is in force here to be renewed; use `edge-anpr policy activate`",
                code="E_LEASE",
            )
        if in_force.policy.sha256() != policy.sha256():
            raise PolicyError(
                f"version {in_force.policy.version} is in force, and not this one; use "
                "`edge-anpr policy activate`",
                code="E_NOT_IN_FORCE",
            )
    require_authorised(policy, signatures, state.history())
    now = SystemClock().utc() if out is not None else SteadyClock(SystemClock(), folder).utc()
    wrong = unready(policy, _dpia_digest(site, policy), now)
    if wrong is not None:
        raise wrong
    made = (
        activations.activate(policy, box, _signing_key(key), now)
        if record is None
        else _read_record(record)
    )
    if out is not None:
        replace_file(out, made.text().encode(), mode=0o644)
    else:
        activations.require_lease(policy, box, made, now)
        # Recorded first: what cannot be recorded does not come into force.
        _enter(site, policy, None if in_force is None else in_force.policy)
        state.put_in_force(
            activations.InForce(activation=made, policy=policy, signatures=signatures)
        )
    _say_lease(made, now, as_json=as_json, out=out)


def _enter(site: Path, policy: Policy, before: Policy | None) -> None:
    """Enter in the box's audit log what comes into force, or goes on for longer."""
    from edge.adapters.state.audit_log import open_box_audit
    from edge.policy.diff import ChangeEffect, changes
    from edge.privacy.audit import PolicyChanged
    from edge.privacy.keys import BoxKeys
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    same = before is not None and before.sha256() == policy.sha256()
    widening = before is None or any(
        one.direction is ChangeEffect.WIDENING for one in changes(before, policy)
    )
    with open_box_audit(box, BoxKeys.load(box.keys)) as audit:
        audit.append(
            PolicyChanged(
                action="renewed" if same else "activated",
                policy_sha256=policy.sha256(),
                widening=widening,
            )
        )


def _say_lease(made: ActivationRecord, now: datetime, *, as_json: bool, out: Path | None) -> None:
    if as_json:
        typer.echo(made.lease.model_dump_json())
        return
    lease = made.lease
    days = (made.expires - now).days
    done = "may work" if out is None else f"may work once {out} is installed there"
    typer.echo(
        f"box {lease.box} at {lease.site} {done} under version {lease.policy_version} until "
        f"{lease.expires_at} ({days} days)"
    )


def _whole_site(site: Path) -> tuple[Path, Policy, PolicySignatures, str]:
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    return (
        folder.state_folder,
        folder.policy,
        _signatures_of(site, folder.policy),
        folder.settings.box,
    )


def _signatures_of(site: Path, policy: Policy) -> PolicySignatures:
    """The signatures beside a policy; those of another version are as good as none."""
    from edge.policy.signatures import SIGNATURES_FILE, read_signatures

    signatures = read_signatures(site / SIGNATURES_FILE)
    if signatures.policy_sha256 != policy.sha256():
        return signatures.model_copy(update={"signatures": {}})
    return signatures


def _signing_key(file: Path | None) -> SigningKey:
    from edge.privacy.keys import load_signer_key

    if file is None:
        raise UsageError("--key: name the signer's private file")
    return load_signer_key(file)


def _require_signer(policy: Policy, key: SigningKey) -> None:
    signer = policy.approvals.signers.get(key.signer)
    if signer is None:
        raise PolicyError(
            f"the policy names no signer {key.signer}; add the signer to approvals.signers",
            code="E_QUORUM",
        )
    if signer.key != key.public.text:
        raise KeyFileError(
            f"signer {key.signer}: the policy names another key; correct approvals.signers, or use "
            "the key that it names",
            code="E_SIGNATURE",
        )


def _read_record(file: Path) -> ActivationRecord:
    from edge.formats.yaml_document import read_text
    from edge.policy.activation import MAX_BYTES, read_activation

    return read_activation(read_text(file, MAX_BYTES), file)


def _policy_at(path: Path) -> Policy:
    from edge.site.folder import POLICY_FILE, read_policy

    return read_policy(path / POLICY_FILE if path.is_dir() else path).model


def state_folder(site: Path) -> Path:
    """Where the box keeps its state; without a site.yaml where it would be by default."""
    from edge.formats.yaml_document import read_document
    from edge.site.folder import SITE_FILE
    from edge.site.settings import Folders, Site

    if not (site / SITE_FILE).exists():
        return site / Folders().state
    return site / read_document(site / SITE_FILE, Site).model.folders.state


def _dpia_digest(site: Path, policy: Policy) -> str | None:
    from edge.adapters.state.policy_state import FileDigest

    return FileDigest(site / policy.dpia.file).sha256()


def _change_as_json(change: Change) -> dict[str, str]:
    from edge.formats.yaml_document import path_text

    return {
        "direction": change.direction.value,
        "what": change.what,
        "field": path_text(change.location),
        "detail": change.detail,
    }
