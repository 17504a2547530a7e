"""`edge-anpr policy activate` and `renew`: put a signed policy in force on a box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, PassphraseFileOption, SignerKeyOption, SiteArgument
from edge.cli.output import print_json
from edge.errors import PolicyError, UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from datetime import datetime

    from edge.policy.activation import ActivationRecord
    from edge.policy.model import Policy
    from edge.policy.signatures import PolicySignatures

OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Write the activation record to this file and change nothing here."),
]
RecordOption = Annotated[
    Path | None,
    typer.Option("--record", help="Install an activation record that was written with --out."),
]


def activate(
    site: SiteArgument,
    key: SignerKeyOption = None,
    record: RecordOption = None,
    out: OutOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a signed policy in force on this box until its lease expires.

    A controller's signer does this. Private keys do not belong on a box: make the record where
    the key is (--key, --out), carry it to the box, and install it there (--record). If anything
    is refused, the policy in force stays in force.

    Example: edge-anpr policy activate config/school-street --record lease.json
    """
    _put_in_force(
        site, key, record, out, renewing=False, as_json=as_json, passphrase_file=passphrase_file
    )


def renew(
    site: SiteArgument,
    key: SignerKeyOption = None,
    record: RecordOption = None,
    out: OutOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Extend the activation of the policy in force, unless its evaluation is overdue.

    Example: edge-anpr policy renew config/school-street --record lease.json
    """
    _put_in_force(
        site, key, record, out, renewing=True, as_json=as_json, passphrase_file=passphrase_file
    )


def _put_in_force(
    site: Path,
    key: Path | None,
    record: Path | None,
    out: Path | None,
    *,
    renewing: bool,
    as_json: bool,
    passphrase_file: Path | None,
) -> None:
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.log_reader import proven_by
    from edge.adapters.state.policy_state import PolicyState, SteadyClock
    from edge.adapters.state.state_folder import replace_file
    from edge.adapters.state.suspension_store import SuspensionStore
    from edge.box.keys import require_separate_keys
    from edge.cli.policy import dpia_document, other_keys, signing_key
    from edge.policy import activation as activations
    from edge.policy.checklist import unready
    from edge.policy.succession import require_authorised
    from edge.policy.trials import require_trial
    from edge.site.folder import read_box_folders

    if (key is None) == (record is None):
        raise UsageError("give either --key, to make a record, or --record, to install one")
    folder, policy, signatures, box = _whole_site(site) if out is None else _away(site)
    state = PolicyState(folder)
    in_force = state.in_force()
    if renewing and out is None:
        if in_force is None:
            raise PolicyError(
                "no policy is in force here to renew; use `edge-anpr policy activate`",
                code="E_LEASE",
            )
        if in_force.policy.sha256() != policy.sha256():
            raise PolicyError(
                f"version {in_force.policy.version} is in force, not this one; use "
                "`edge-anpr policy activate`",
                code="E_NOT_IN_FORCE",
            )
    if out is None:
        # A state folder that has lost something must not be given a new beginning.
        recorded = proven_by(read_box_folders(site), in_use=not policy.demo)
        state.require_history(recorded, activating=policy.sha256())
        now = SteadyClock(SystemClock(), folder, recorded.latest).utc()
    else:
        now = SystemClock().utc()
    history = state.history()
    require_authorised(policy, signatures, history)
    earlier = [one for one, _ in history if one.version < policy.version]
    require_trial(policy, earlier, now)
    wrong = unready(policy, dpia_document(site, policy), now)
    if wrong is not None:
        raise wrong
    require_separate_keys(policy, other_keys(site, policy))
    made = (
        activations.activate(policy, box, signing_key(key, passphrase_file), now, earlier)
        if record is None
        else _read_record(record)
    )
    if out is not None:
        replace_file(out, made.text().encode(), mode=0o644)
    else:
        activations.require_lease(policy, box, made, now)
        # The audit log is written first, so that nothing comes into force without a record.
        _enter(site, policy, None if in_force is None else in_force.policy)
        state.put_in_force(
            activations.InForce(activation=made, policy=policy, signatures=signatures)
        )
    _say_lease(made, now, as_json=as_json, out=out)
    if out is None and not as_json and SuspensionStore(folder).load().suspended:
        typer.echo(
            "but it is suspended, so its cameras stay shut: see `edge-anpr suspend status --site "
            f"{site}`"
        )


def _enter(site: Path, policy: Policy, before: Policy | None) -> None:
    """Enter in the box's audit log that a policy was activated or renewed."""
    from edge.adapters.state.audit_log import open_box_audit
    from edge.adapters.state.key_files import load_box_keys
    from edge.policy.change import ChangeEffect
    from edge.policy.diff import changes
    from edge.privacy.audit_events import PolicyChanged
    from edge.site.folder import read_box_folders

    box = read_box_folders(site)
    same = before is not None and before.sha256() == policy.sha256()
    widening = before is None or any(
        one.direction is ChangeEffect.WIDENING for one in changes(before, policy)
    )
    with open_box_audit(box, load_box_keys(box.keys)) as audit:
        audit.append(
            PolicyChanged(
                action="renewed" if same else "activated",
                policy_sha256=policy.sha256(),
                widening=widening,
            )
        )


def _say_lease(made: ActivationRecord, now: datetime, *, as_json: bool, out: Path | None) -> None:
    if as_json:
        print_json("edge-anpr/policy-lease/1", made.lease.model_dump(mode="json"))
        return
    lease = made.lease
    days = (made.expires - now).days
    done = "may work" if out is None else f"may work once {out} is installed there"
    typer.echo(
        f"box {lease.box} at {lease.site} {done} under version {lease.policy_version} until "
        f"{lease.expires_at} ({quantity(days, 'day')})"
    )


def _whole_site(site: Path) -> tuple[Path, Policy, PolicySignatures, str]:
    from edge.cli.policy import signatures_of
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    return (
        folder.state_folder,
        folder.policy,
        signatures_of(site, folder.policy),
        folder.settings.box,
    )


def _away(site: Path) -> tuple[Path, Policy, PolicySignatures, str]:
    """As `_whole_site`, away from the box: the files that only the box has may be missing."""
    from edge.cli.policy import finished_policy, signatures_of
    from edge.formats.problems import refuse
    from edge.formats.yaml_document import read_document
    from edge.site.folder import POLICY_FILE, SITE_FILE, site_problems
    from edge.site.settings import Site

    document = finished_policy(site / POLICY_FILE, checked=True)
    refuse(site_problems(site, document))
    settings = read_document(site / SITE_FILE, Site).model
    policy = document.model
    return site / settings.folders.state, policy, signatures_of(site, policy), settings.box


def _read_record(file: Path) -> ActivationRecord:
    from edge.formats.yaml_document import read_text
    from edge.policy.activation import MAX_BYTES, read_activation

    return read_activation(read_text(file, MAX_BYTES), file)
