"""`edge-anpr erase`: delete the undelivered hits of a box before their retention ends."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli.options import JsonOption, SiteOption
from edge.cli.output import print_json


def erase(
    site: SiteOption,
    purpose: Annotated[
        str | None, typer.Option(help="Erase the hits of this purpose only.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Erase all undelivered hits.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: this cannot be undone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy undelivered hits and their keys, and record it in the audit log.

    Afterwards no copy of the state folder can be opened, unless a copy of the keyring exists.
    Delivered hits stay at the authority, and the counts of epochs stay. Stop the box first. The
    policy need not be valid.

    Example: edge-anpr erase --site config/school-street --all --yes
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.audit_log import open_box_audit
    from edge.adapters.state.key_files import load_box_keys
    from edge.adapters.state.keyring import Keyring
    from edge.adapters.state.outbox import Outbox
    from edge.domain.counting import coarse
    from edge.formats.identifiers import is_id
    from edge.privacy.audit_events import Deleted
    from edge.site.folder import read_box_folders

    if (purpose is None) != every:
        raise typer.BadParameter("give --purpose ID or --all, one of them", param_hint="--purpose")
    if purpose is not None and not is_id(purpose):
        raise typer.BadParameter("use 1 to 40 of a-z, 0-9 and '-'", param_hint="--purpose")
    if not yes:
        raise typer.BadParameter("this cannot be undone; add --yes to confirm", param_hint="--yes")
    box = read_box_folders(site)
    with (
        Keyring.open(box.keyring, SystemClock()) as keyring,
        Outbox.open(box.state, keyring, reserve_mib=box.reserve_mib, drop_foreign=every) as outbox,
    ):
        erased = outbox.erase(purpose) + outbox.unreadable
    # Printed before the audit entry is written: the hits are erased even if the log fails.
    if as_json:
        print_json("edge-anpr/erase/2", {"erased": coarse(erased), "purpose": purpose})
    else:
        typer.echo(
            f"{coarse(erased)} hits erased{'' if purpose is None else f' of purpose {purpose}'}"
        )
    with open_box_audit(box, load_box_keys(box.keys)) as audit:
        audit.append(Deleted("erased", purpose, coarse(erased)))
