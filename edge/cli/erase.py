"""`edge-anpr erase`: destroy what waits on a box, before its time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def erase(
    site: Annotated[Path, typer.Option("--site", help="The site's folder.")],
    purpose: Annotated[
        str | None, typer.Option(help="Hits that were made for this purpose only.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All hits that wait on the box.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="It cannot be undone, and you know it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON document.")
    ] = False,
) -> None:
    """Destroy undelivered hits and their keys, and enter that in the audit log.

    No copy of the state folder opens afterwards. What was delivered is at the authority, what a
    copy of the keyring still holds it still opens, and counts of epochs stay. The box must not
    run; the policy need not be in order.
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
        raise typer.BadParameter("this cannot be undone; say --yes", param_hint="--yes")
    box = read_box_folders(site)
    with (
        Keyring.open(box.keyring, SystemClock()) as keyring,
        Outbox.open(box.state, keyring, reserve_mib=box.reserve_mib, drop_foreign=every) as outbox,
    ):
        erased = outbox.erase(purpose) + outbox.unreadable
    # Said before it is recorded: erasing is a right, and has happened whatever the log says.
    if as_json:
        typer.echo(json.dumps({"erased": erased, "purpose": purpose}))
    else:
        hits = "1 hit" if erased == 1 else f"{erased} hits"
        typer.echo(f"{hits} erased{'' if purpose is None else f' of purpose {purpose}'}")
    with open_box_audit(box, load_box_keys(box.keys)) as audit:
        audit.append(Deleted("erased", purpose, coarse(erased)))
