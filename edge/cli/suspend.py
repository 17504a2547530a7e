"""`edge-anpr suspend`: signed orders that close a site's cameras or let them open again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption, PassphraseFileOption, SiteOption
from edge.cli.output import note, print_json
from edge.errors import ConfigError, EdgeError, UsageError

if TYPE_CHECKING:
    from edge.policy.model import Policy
    from edge.policy.suspension import Action, SuspensionOrder, SuspensionState

app = typer.Typer(
    no_args_is_help=True,
    help="Stop the cameras of a site by a signed order.\n\n"
    "[bold]new[/bold] and [bold]sign[/bold] are for holders of a suspension key that the policy "
    "names. Send the signed order by MQTT, retained, to [bold]anpr/SITE/BOX/command[/bold], or "
    "[bold]install[/bold] the file on the box. The cameras close within 5 seconds and stay closed, "
    "also after a restart. Only an order to resume opens them again. The same key and a controller "
    "of the policy must sign it. A suspension cannot be lifted at the box.\n\n"
    "Example: edge-anpr suspend new school-street --reason dpia-missing --out order.json",
)

_CLOCKS_DIFFER_MS = 60_000
"""A note says that the clock may be wrong if it is further behind an earlier order."""

OrderArgument = Annotated[Path, typer.Argument(help="An order, made by `suspend new`.")]


@app.command()
def new(
    site: Annotated[str, typer.Argument(metavar="SITE", help="The site's id.")],
    reason: Annotated[
        str, typer.Option(help="The reason: one word of a-z, 0-9 and -, such as dpia-missing.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The new order file; it must not exist yet.")],
    box: Annotated[
        str, typer.Option(help="The id of one box of the site; * means all boxes.")
    ] = "*",
    resume: Annotated[
        bool, typer.Option("--resume", help="Write an order to resume, for the same key.")
    ] = False,
    after: Annotated[
        int,
        typer.Option(
            metavar="COUNTER",
            min=0,
            help="Only if a box has refused an order as not newer: the counter that it names.",
        ),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write an order that is not signed yet.

    A box refuses an order that is older than the last one of the same key, by its counter. The
    counter is the current time, but always more than that of each order of the site that lies in
    the folder of --out. So keep all orders of a key in one folder; then a wrong clock does no harm.

    Example: edge-anpr suspend new school-street --reason dpia-missing --out order.json
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.state_folder import locked_folder, new_file
    from edge.formats.timestamps import milliseconds
    from edge.policy.suspension import new_order

    now = SystemClock().utc()
    with locked_folder(out.parent):  # no other order gets the same counter
        if os.path.lexists(out):
            raise UsageError(f"{out}: exists already; name a new file with --out")
        last = max(after, _highest_counter(out.parent, site))
        action: Action = "resume" if resume else "suspend"
        order = new_order(site, action, reason, now, box=box, after=last)
        new_file(out, order.to_bytes())
    if last > milliseconds(now) + _CLOCKS_DIFFER_MS:
        note(
            "an earlier order has a later time than this machine's clock; the new one counts on "
            "from it. Check the clock"
        )
    signers = "the suspension key and a controller" if resume else "the suspension key"
    _say_order(order, as_json, f"order: {out}; have it signed by {signers}")


def _highest_counter(folder: Path, site: str) -> int:
    """The highest counter of the orders of a site that lie in a folder; 0: there is none.

    What cannot be read is left out: it must not keep anybody from suspending a box.
    """
    from edge.policy.suspension import parse_order

    highest = 0
    for file in folder.glob("*.json"):
        with contextlib.suppress(EdgeError):
            found = parse_order(_read(file))
            if found.site == site:
                highest = max(highest, found.counter)
    return highest


@app.command()
def sign(
    order: OrderArgument,
    key: Annotated[Path, typer.Option("--key", help="The signer's private key file.")],
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a signature to an order, in its file.

    Example: edge-anpr suspend sign order.json --key office/supervisor.signer.private.json
    """
    from edge.adapters.state.key_files import load_signer_key
    from edge.adapters.state.state_folder import locked_folder, replace_file
    from edge.cli.passphrase import typed
    from edge.policy.suspension import SuspensionError, parse_order

    shown = parse_order(_read(order))  # before a passphrase is asked for
    private = load_signer_key(key, typed(passphrase_file))
    with locked_folder(order.parent):  # another signer may sign at the same time
        found = parse_order(_read(order))
        if found.without_signatures() != shown.without_signatures():
            raise SuspensionError(f"{order}: changed meanwhile; look at it and sign it again")
        signed = found.signed_by(private)
        replace_file(order, signed.to_bytes())
    _say_order(signed, as_json, f"order: {order}", {private.public.key_id: private.signer})


@app.command()
def install(
    order: OrderArgument,
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Install an order on the box; a running box obeys it within 5 seconds.

    The keys are those of the policy in force; before the first activation, of the signed policy.

    Example: edge-anpr suspend install order.json --site config/school-street
    """
    from edge.adapters.state.audit_log import open_box_audit
    from edge.adapters.state.key_files import load_box_keys
    from edge.adapters.state.log_reader import proven_by
    from edge.adapters.state.state_folder import is_locked
    from edge.adapters.state.suspension_store import SuspensionStore
    from edge.adapters.state.trusted_policy import policy_in_force, policy_to_suspend
    from edge.policy.suspension import parse_order, suspension_terms
    from edge.privacy.audit_events import Event, SuspensionChanged
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    data = _read(order)
    trusted = policy_in_force if parse_order(data).action == "resume" else policy_to_suspend
    terms = suspension_terms(trusted(folder, lambda: proven_by(folder.box)), folder.settings.box)
    events: list[Event] = []

    def record(event: Event) -> None:
        """Record an order: at once if it resumes, after it is in force if it suspends."""
        if isinstance(event, SuspensionChanged) and event.action == "suspended":
            events.append(event)
            return
        with open_box_audit(folder.box, load_box_keys(folder.keys_folder)) as audit:
            audit.append(event)

    store = SuspensionStore(folder.state_folder, record, lambda: proven_by(folder.box))
    taken = store.take(data, terms)
    _say_state(taken, as_json, _holders(folder.policy))
    if taken.suspended and not is_locked(folder.state_folder):
        note(
            f"no box runs with {folder.state_folder} now; the order holds from the next start. If "
            "the box runs, it uses the state folder that site.yaml named before: stop it"
        )
    # The order holds from here on, also if the log cannot be opened.
    with open_box_audit(folder.box, load_box_keys(folder.keys_folder)) as audit:
        for event in events:
            audit.append(event)


@app.command()
def status(
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Show whether the box is suspended, by whose key, since when and why.

    A key is named as in the site's policy.

    Example: edge-anpr suspend status --site config/school-street
    """
    from edge.adapters.state.log_reader import proven_by
    from edge.adapters.state.suspension_store import SuspensionStore
    from edge.site.folder import load_site_folder, read_box_folders

    box = read_box_folders(site)
    store = SuspensionStore(box.state)
    state = store.load()
    policy: Policy | None = None
    with contextlib.suppress(EdgeError):  # the state is shown also if the policy cannot be read
        policy = load_site_folder(site).policy
    if not state.suspended:  # the record may be lost, and the log and its anchor with it
        real = box.public_keys.exists() and (policy is None or not policy.demo)
        store.require(proven_by(box, in_use=real))
    _say_state(state, as_json, {} if policy is None else _holders(policy))


def _holders(policy: Policy) -> dict[str, str]:
    """The holders of the policy's suspension keys, by the key's short id."""
    from edge.formats.signing import PublicKey

    return {
        PublicKey.parse(holder.key).key_id: f"{name}, {holder.name.en}"
        for name, holder in policy.suspension.keys.items()
    }


def _read(order: Path) -> bytes:
    from edge.adapters.state.state_folder import read_file
    from edge.policy.suspension import MAX_ORDER_BYTES, SuspensionError

    cure = "give an order made by `edge-anpr suspend new`"
    if order.is_dir():
        raise ConfigError(f"{order}: a folder; {cure}")
    data = read_file(order, MAX_ORDER_BYTES)
    if data is None:
        raise ConfigError(f"{order}: no such file; {cure}")
    if not data.lstrip().startswith(b"{"):
        raise SuspensionError(f"{order}: not an order; {cure}")
    return data


def _say_order(
    order: SuspensionOrder, as_json: bool, next_step: str, names: Mapping[str, str] | None = None
) -> None:
    if as_json:
        print_json("edge-anpr/suspend-order/1", {"order": order.model_dump(by_alias=True)})
        return
    boxes = "every box" if order.box == "*" else f"box {order.box}"
    typer.echo(f"{order.action} {boxes} of {order.site}: {order.reason}, {order.issued_at}")
    signers = ", ".join(_named(one.key_id, names or {}) for one in order.signatures)
    typer.echo(f"  signed by {signers or 'nobody yet'}")
    typer.echo(f"  {next_step}")


def _named(key_id: str, names: Mapping[str, str]) -> str:
    name = names.get(key_id)
    return f"key {key_id}" if name is None else f"key {key_id} ({name})"


def _say_state(state: SuspensionState, as_json: bool, names: Mapping[str, str]) -> None:
    from edge.formats.signing import PublicKey

    orders = [
        {
            "key_id": PublicKey.parse(one.key).key_id,
            "action": one.order.action,
            "reason": one.order.reason,
            "issued_at": one.order.issued_at,
            "counter": one.order.counter,
        }
        for one in state.obeyed
    ]
    if as_json:
        document = {"suspended": state.suspended, "orders": orders}
        print_json("edge-anpr/suspend-status/1", document)
        return
    typer.echo("suspended: the cameras stay shut" if state.suspended else "not suspended")
    for one in state.obeyed:
        key, order = _named(PublicKey.parse(one.key).key_id, names), one.order
        typer.echo(
            f"  {order.action} by {key} since {order.issued_at}: {order.reason}, "
            f"counter {order.counter}"
        )
