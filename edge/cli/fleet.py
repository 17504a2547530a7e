"""`edge-anpr fleet`: many boxes, from one inventory and templates to certificates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import fleet_release, fleet_wave
from edge.cli.fleet_box import enrol
from edge.cli.options import JsonOption, PassphraseFileOption
from edge.cli.output import note, print_json, time_text
from edge.errors import ConfigError, UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.fleet.enrolling import EnrolmentOffice
    from edge.fleet.folder import FleetFolder
    from edge.fleet.rendering import RenderedSite

app = typer.Typer(
    no_args_is_help=True,
    help="Enrol and keep many boxes without typing secrets.\n\n"
    "At the authority: init, then check and render the boxes' site folders, hand out one-time "
    "codes, serve, and approve each box. On a box: enrol. docs/fleet.md shows each step with 20 "
    "boxes.\n\n"
    "Example: edge-anpr fleet init fleet --authority police-zone --host fleet.example",
)
app.add_typer(fleet_release.app, name="release")
app.add_typer(fleet_wave.app, name="wave")

FleetArgument = Annotated[
    Path, typer.Argument(metavar="FLEET", help="The fleet's folder.", show_default=False)
]
BoxArgument = Annotated[
    str, typer.Argument(metavar="SITE.BOX", help="A box of the inventory.", show_default=False)
]


@app.command()
def init(
    fleet: FleetArgument,
    authority: Annotated[
        str, typer.Option("--authority", help="The authority's id in the sites' policies.")
    ],
    host: Annotated[
        str,
        typer.Option("--host", help="Name or IP address at which boxes reach this machine."),
    ],
    protect: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Encrypt the authority's key; `serve`, `approve`, `forget` and `issue` ask for "
            "the passphrase.",
        ),
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a fleet's folder: settings, an empty inventory, a template, a certificate authority.

    Run it at the authority. The folder `ca` holds the private key that boxes and broker trust: keep
    it on this machine only, and a copy in a safe place. Files that exist already stay as they are.

    Example: edge-anpr fleet init fleet --authority police-zone --host fleet.example
    """
    from edge.cli.passphrase import chosen
    from edge.fleet.making import make_fleet

    protect = protect or passphrase_file is not None
    passphrase = (lambda: chosen(passphrase_file)) if protect else None
    made = make_fleet(fleet, authority, host, _now(), _random(), passphrase)
    if as_json:
        facts = {"fleet": str(fleet), "ca_sha256": made.ca_sha256, "files": list(made.files)}
        print_json("edge-anpr/fleet-init/1", facts)
        return
    for name in made.files:
        typer.echo(f"{fleet / name} written")
    typer.echo("fill in the template and the inventory, then run `edge-anpr fleet check`")


@app.command()
def check(fleet: FleetArgument, as_json: JsonOption = False) -> None:
    """Check inventory, templates and every box's site folder, as `edge-anpr check` does.

    Nothing is written.

    Each mistake is one line with file, line, field and cure: duplicate boxes, missing values,
    values without a place, policies that are not complete. Boxes that are enrolled and not in the
    inventory any more are named.

    Example: edge-anpr fleet check fleet
    """
    folder = _open(fleet)
    rendered = _rendered(folder)
    unsigned = [one.box.name for one in rendered if not one.signed]
    unlisted = sorted(_enrolled(folder) - {one.box.name for one in rendered})
    if as_json:
        facts = {"boxes": len(rendered), "unsigned": unsigned, "unlisted": unlisted}
        print_json("edge-anpr/fleet-check/1", facts)
        return
    boxes = quantity(len(rendered), "box", "boxes")
    typer.echo(f"{boxes}: nothing is missing or wrong")
    _say_unsigned(unsigned)
    for name in unlisted:
        typer.echo(_unlisted_line(name))


@app.command("render")
def render_(fleet: FleetArgument, as_json: JsonOption = False) -> None:
    """Write each box's site folder from its template, and the broker's access list.

    Everything is checked before the first file is written. A policy without places that its signers
    have signed in the template's folder is copied with the signatures. Any other is written
    unsigned: its box stays shut until they have signed it in `sites/SITE.BOX`. A signed policy is
    never replaced by an unsigned one that does more (E_DPIA_WIDENING).

    Example: edge-anpr fleet render fleet
    """
    from edge.fleet.rendering import write

    folder = _open(fleet)
    rendered = _rendered(folder)
    write(folder, rendered)
    unsigned = [one.box.name for one in rendered if not one.signed]
    if as_json:
        facts = {"boxes": [one.box.name for one in rendered], "unsigned": unsigned}
        print_json("edge-anpr/fleet-render/1", facts)
        return
    typer.echo(f"{quantity(len(rendered), 'site folder')} written to {fleet / 'sites'}")
    typer.echo(f"access list for the broker: {folder.access_list}")
    _say_unsigned(unsigned)


@app.command()
def codes(
    fleet: FleetArgument,
    boxes: Annotated[
        list[str] | None, typer.Argument(metavar="SITE.BOX...", help="Boxes of the inventory.")
    ] = None,
    everyone: Annotated[
        bool,
        typer.Option(
            "--all", help="Every box that is not enrolled, does not wait and has no code."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make one-time codes for boxes: each is for one box, and can be used once.

    Give each code to the person who installs the box, not over the network that the box uses. It
    is shown here only. It proves the server to the box too. An earlier code of the same box is not
    valid any more. `code_hours` in fleet.yaml says how long a code is valid.

    Example: edge-anpr fleet codes fleet school-street.box-1
    """
    from edge.formats.enrolment import SECRET_BYTES

    if everyone == bool(boxes):
        raise UsageError("name boxes, or give --all")
    office = _office(fleet)
    inventory = office.inventory()
    names = boxes or []
    if everyone:
        register = office.register
        taken = {*register.boxes(), *(one.name for one in register.waiting())}
        taken |= set(register.codes(_now()))  # those on paper stay valid
        names = [name for name in inventory.boxes if name not in taken]
    chosen = [inventory.box(name) for name in dict.fromkeys(names)]
    made = {}
    for box in chosen:
        made[box.name] = office.new_code(box.name, _random()(SECRET_BYTES), _now()).text()
    if as_json:
        print_json("edge-anpr/fleet-codes/1", {"codes": made})
        return
    for name, code in made.items():
        typer.echo(f"{name}  {code}")
    if not made:
        note("every box is enrolled, waits or has a code; name a box to replace its code")


@app.command()
def serve(
    fleet: FleetArgument,
    address: Annotated[
        str, typer.Option("--address", help="IP address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 8443,
    retry: Annotated[
        int,
        typer.Option("--retry", min=1, max=3600, help="Seconds until a waiting box asks again."),
    ] = 10,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Serve the boxes until Ctrl-C: EST (RFC 7030) over TLS, with one-time codes and certificates.

    It also renews its own certificate and the list of revoked ones. Boxes need it to enrol and,
    every few weeks, to renew their certificates; it may be away in between. If the authority's key
    has a passphrase, the command asks for it once, at the start.

    Example: edge-anpr fleet serve fleet --address 0.0.0.0
    """
    from edge.adapters.host.system import SystemClock
    from edge.fleet.serving import serve as serve_fleet

    office = _unlocked(fleet, passphrase_file)
    serve_fleet(
        office,
        address,
        port,
        SystemClock().utc,
        lambda where: note(f"the fleet's server is at {where}"),
        retry,
    )


@app.command()
def pending(fleet: FleetArgument, as_json: JsonOption = False) -> None:
    """List what waits for the operator: boxes to approve with their fingerprints, and copied boxes.

    Example: edge-anpr fleet pending fleet
    """
    office = _office(fleet)
    waiting = office.register.waiting()
    held = [one for one in office.register.boxes().values() if one.held is not None]
    if as_json:
        facts = {
            "waiting": [
                {"box": one.name, "fingerprint": one.fingerprint, "asked": time_text(one.asked)}
                for one in waiting
            ],
            "held": [one.name for one in held],
        }
        print_json("edge-anpr/fleet-pending/1", facts)
        return
    for one in waiting:
        typer.echo(f"{one.name}  {one.fingerprint}  waits since {one.asked:%Y-%m-%d %H:%M} UTC")
    for two in held:
        typer.echo(_held_line(two.name, two.held))
    if not waiting and not held:
        typer.echo("nothing waits")


@app.command()
def approve(
    fleet: FleetArgument,
    box: BoxArgument,
    fingerprint: Annotated[
        str, typer.Argument(help="What the box's screen shows.", show_default=False)
    ],
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a box whose screen shows this fingerprint.

    It gets its certificate, and its keys count from then on.

    Read the fingerprint from the box itself, or have the installer read it to you. Its public keys
    then lie in FLEET/boxes, for `desk consume --box-keys` and `lists build --boxes`.

    Example: edge-anpr fleet approve fleet school-street.box-1 3V3R-Z2F8-819C-ZQM3
    """
    office = _unlocked(fleet, passphrase_file)
    office.approve(office.inventory().box(box).name, fingerprint, _now())
    if as_json:
        print_json("edge-anpr/fleet-approve/1", {"box": box, "keys": str(office.fleet.boxes)})
        return
    typer.echo(f"box {box} is enrolled; its public keys are in {office.fleet.boxes}")


@app.command()
def forget(
    fleet: FleetArgument,
    box: BoxArgument,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a box's certificates, and its code and request, so that it can be enrolled again.

    For a stolen, replaced or copied box. Then give FLEET/ca/crl.pem to the broker and restart it:
    until then the broker accepts the old certificate. Its public keys go to FLEET/boxes/former.

    Example: edge-anpr fleet forget fleet school-street.box-1
    """
    office = _unlocked(fleet, passphrase_file)
    if not office.forget(box, _now()):
        office.inventory().box(box)  # says which name may be meant
        raise ConfigError(f"{box}: is not enrolled, and no request or code of it waits")
    revoked = office.fleet.ca / "crl.pem"
    if as_json:
        print_json("edge-anpr/fleet-forget/1", {"box": box, "revoked": str(revoked)})
        return
    typer.echo(f"box {box} is forgotten; give {revoked} to the broker, and restart it")


@app.command()
def issue(
    fleet: FleetArgument,
    name: Annotated[str, typer.Argument(help="An id: the user name at the broker.")],
    out: Annotated[
        Path, typer.Option("--out", help="The file to write, with key and certificate.")
    ],
    host: Annotated[
        str | None,
        typer.Option("--host", help="For the broker itself: its name or IP address."),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make key and certificate of the broker (--host) or of its other clients, in one PEM file.

    Example: edge-anpr fleet issue fleet broker --host mqtt.example --out broker.pem
    """
    from edge.formats.identifiers import is_id

    if not is_id(name):
        raise UsageError("NAME: use 1 to 40 of a-z, 0-9 and '-'")
    if out.exists():
        raise UsageError(f"--out: {out} exists already and was not overwritten; move it away first")
    _unlocked(fleet, passphrase_file).issue_client(name, host, out, _now())
    if as_json:
        print_json("edge-anpr/fleet-issue/1", {"file": str(out), "name": name})
        return
    typer.echo(f"{out} written; keep it secret: it holds the private key")


@app.command()
def status(fleet: FleetArgument, as_json: JsonOption = False) -> None:
    """Show each box: enrolled and until when, waiting, copied, or with a code.

    Boxes that are not in the inventory any more are shown too.

    Example: edge-anpr fleet status fleet
    """
    office = _office(fleet)
    now = _now()
    known, coded = office.register.boxes(), office.register.codes(now)
    waiting = {one.name: one for one in office.register.waiting()}
    listed = office.inventory().boxes
    rows: list[dict[str, object]] = []
    for name in dict.fromkeys([*listed, *known, *waiting]):
        box = known.get(name)
        days = None if box is None else round((box.ends - now).total_seconds() / 86400, 1)
        state = (
            "copied"
            if box is not None and box.held is not None
            else "not in the inventory"
            if name not in listed
            else "waits"
            if name in waiting
            else "enrolled"
            if box is not None and box.ends > now
            else "ended"
            if box is not None
            else "has a code"
            if name in coded
            else "not enrolled"
        )
        rows.append({"box": name, "state": state, "days_left": days})
        if not as_json:
            left = "" if days is None else f"  certificate: {days} days"
            if days is not None and days < 0:
                left = f"  certificate ended {-days} days ago: enrol it anew"
            line = f"{name}  {state}{left}"
            if box and box.held:
                line = _held_line(name, box.held)
            elif name not in listed:
                line = _unlisted_line(name)
            typer.echo(line)
    if as_json:
        print_json("edge-anpr/fleet-status/1", {"boxes": rows}, indent=2)
        return
    counts = Counter(str(row["state"]) for row in rows)
    note(", ".join([quantity(len(rows), "box", "boxes"), *(f"{n} {s}" for s, n in counts.items())]))


app.command()(enrol)


def _held_line(name: str, since: datetime | None) -> str:
    when = "" if since is None else f" since {since:%Y-%m-%d %H:%M} UTC"
    return (
        f"{name}  COPIED: two boxes have this identity{when}; both are held. Find the copy, then "
        "`edge-anpr fleet forget` and enrol the right one"
    )


def _unlisted_line(name: str) -> str:
    return (
        f"{name}  NOT IN THE INVENTORY: its certificate is not renewed, and is valid until it "
        "ends. Put the box back, or run `edge-anpr fleet forget`"
    )


def _enrolled(folder: FleetFolder) -> set[str]:
    """The names of the enrolled boxes."""
    from edge.fleet.register import FleetRegister

    if not folder.register.exists():  # a copy of templates and inventory can be checked too
        return set()
    return set(FleetRegister.open(folder.register).boxes())


def _say_unsigned(unsigned: list[str]) -> None:
    if unsigned:
        typer.echo(f"not signed yet, so shut: {', '.join(unsigned)}")


def _open(fleet: Path) -> FleetFolder:
    from edge.fleet.folder import FleetFolder

    return FleetFolder.open(fleet)


def _office(fleet: Path) -> EnrolmentOffice:
    from edge.fleet.enrolling import EnrolmentOffice

    return EnrolmentOffice.open(_open(fleet))


def _unlocked(fleet: Path, passphrase_file: Path | None) -> EnrolmentOffice:
    """The fleet with the authority's private key, whose passphrase is asked for if it has one."""
    from edge.cli.passphrase import typed
    from edge.fleet.enrolling import EnrolmentOffice

    office = EnrolmentOffice.open(_open(fleet), typed(passphrase_file))
    office.authority.unlock()
    return office


def _rendered(folder: FleetFolder) -> tuple[RenderedSite, ...]:
    from edge.cli.policy import ready_policy
    from edge.fleet.inventory import read_inventory
    from edge.fleet.rendering import render

    return render(folder, read_inventory(folder.inventory, folder.templates), ready_policy)


def _now() -> datetime:
    from edge.adapters.host.system import SystemClock

    return SystemClock().utc()


def _random() -> Callable[[int], bytes]:
    from edge.adapters.host.system import random_bytes

    return random_bytes
