"""`edge-anpr suspend`: orders to stop looking, and to look again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from edge.policy.suspension import Action, SuspensionOrder, SuspensionState

app = typer.Typer(
    no_args_is_help=True,
    help="Stop the cameras of a site by a signed order.\n\n"
    "[bold]new[/bold] and [bold]sign[/bold] are for those whose suspension key the policy names. "
    "Send the signed order by MQTT, retained, to [bold]anpr/SITE/BOX/command[/bold], or "
    "[bold]install[/bold] the file on the box. The cameras are shut within 5 seconds and stay "
    "shut, also after a restart, until an order of the same key to resume comes, which a "
    "controller of the policy has signed too. Nobody can lift it at the box.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
OrderArgument = Annotated[Path, typer.Argument(help="An order, made by `suspend new`.")]


@app.command()
def new(
    site: Annotated[str, typer.Argument(metavar="SITE", help="The site's id.")],
    reason: Annotated[
        str, typer.Option(help="Why, in one word of a-z, 0-9 and -, such as dpia-missing.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The order; it must not exist yet.")],
    box: Annotated[str, typer.Option(help="One box of the site; * is all of them.")] = "*",
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume what the same key has suspended.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an order that nobody has signed yet.

    Its counter is the time, so set the clock of this machine: an order that seems older than the
    last one of its key is refused.
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.state_folder import replace_file
    from edge.policy.suspension import new_order

    if out.exists():
        raise UsageError(f"{out}: exists already; name a new file with --out")
    action: Action = "resume" if resume else "suspend"
    order = new_order(site, action, reason, SystemClock().utc(), box=box)
    replace_file(out, order.to_bytes())
    signers = "the suspension key and a controller" if resume else "the suspension key"
    _say_order(order, as_json, f"order: {out}; have it signed by {signers}")


@app.command()
def sign(
    order: OrderArgument,
    key: Annotated[Path, typer.Option("--key", help="The signer's private file.")],
    as_json: JsonOption = False,
) -> None:
    """Add a signature to an order, in its file."""
    from edge.adapters.state.state_folder import replace_file
    from edge.policy.suspension import parse_order
    from edge.privacy.keys import load_signer_key

    signed = parse_order(_read(order)).signed_by(load_signer_key(key))
    replace_file(order, signed.to_bytes())
    _say_order(signed, as_json, f"order: {order}")


@app.command()
def install(
    order: OrderArgument,
    site: Annotated[Path, typer.Option("--site", help="The site's folder, on the box.")],
    as_json: JsonOption = False,
) -> None:
    """Hand an order to the box; one that runs obeys it within 5 seconds."""
    from edge.adapters.state.audit_log import open_box_audit
    from edge.adapters.state.suspension_store import SuspensionStore
    from edge.policy.suspension import suspension_terms
    from edge.privacy.audit import Event
    from edge.privacy.keys import BoxKeys
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    terms = suspension_terms(folder.policy, folder.settings.box)
    events: list[Event] = []
    store = SuspensionStore(folder.state_folder, events.append)
    _say_state(store.take(_read(order), terms), as_json)
    # The order holds from here on, also if the log cannot be opened.
    with open_box_audit(folder.box, BoxKeys.load(folder.keys_folder)) as audit:
        for event in events:
            audit.append(event)


@app.command()
def status(
    site: Annotated[Path, typer.Option("--site", help="The site's folder, on the box.")],
    as_json: JsonOption = False,
) -> None:
    """Show whether the box is suspended, by whose key, since when and why."""
    from edge.adapters.state.suspension_store import SuspensionStore
    from edge.formats.yaml_document import read_document
    from edge.site.folder import SITE_FILE
    from edge.site.settings import Site

    model = read_document(site / SITE_FILE, Site).model
    _say_state(SuspensionStore(site / model.folders.state).load(), as_json)


def _read(order: Path) -> bytes:
    from edge.adapters.state.state_folder import read_file
    from edge.policy.suspension import MAX_ORDER_BYTES

    data = read_file(order, MAX_ORDER_BYTES)
    if data is None:
        raise ConfigError(f"{order}: no such file; give an order made by `edge-anpr suspend new`")
    return data


def _say_order(order: SuspensionOrder, as_json: bool, what_now: str) -> None:
    if as_json:
        typer.echo(json.dumps({"order": order.model_dump(by_alias=True)}))
        return
    boxes = "every box" if order.box == "*" else f"box {order.box}"
    typer.echo(f"{order.action} {boxes} of {order.site}: {order.reason}, {order.issued_at}")
    signers = ", ".join(one.key_id for one in order.signatures) or "nobody yet"
    typer.echo(f"  signed by {signers}")
    typer.echo(f"  {what_now}")


def _say_state(state: SuspensionState, as_json: bool) -> None:
    from edge.formats.signing import PublicKey

    orders = [
        {
            "key_id": PublicKey.parse(one.key).key_id,
            "action": one.order.action,
            "reason": one.order.reason,
            "issued_at": one.order.issued_at,
        }
        for one in state.obeyed
    ]
    if as_json:
        typer.echo(json.dumps({"suspended": state.suspended, "orders": orders}))
        return
    typer.echo("suspended: the cameras stay shut" if state.suspended else "not suspended")
    for order in orders:
        typer.echo("  {action} by key {key_id} since {issued_at}: {reason}".format(**order))
