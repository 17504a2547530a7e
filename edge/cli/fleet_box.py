"""`edge-anpr fleet enrol`: the part of a fleet that runs on a box."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import JsonOption
from edge.cli.output import note, print_json, time_text
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.adapters.enrolment.identity import BoxIdentity


def enrol(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="URL",
            help="The fleet's server, https://HOST:PORT. Left out: go on with what was begun.",
            show_default=False,
        ),
    ] = None,
    site: Annotated[Path, typer.Option("--site", help="The site's folder; it is made.")] = Path(
        "site"
    ),
    code_file: Annotated[
        Path | None,
        typer.Option(
            "--code-file",
            metavar="FILE",
            help="Read the one-time code from the first line of this file, such as /dev/fd/3, and "
            "not from the terminal.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """On a bare box: make its keys, and get its certificate and its site folder from the fleet.

    It asks for the one-time code. Then it shows a fingerprint and waits until the operator, who
    sees the same one, approves it. Private keys never leave the box; where it has a TPM 2.0, a copy
    of its disk opens none of them.

    Run it again without the address: after a restart it goes on, and on an enrolled box it fetches
    what has changed in the site folder. With the address and a new code a box enrols anew.

    Example: edge-anpr fleet enrol https://fleet.example:8443 --site /etc/edge-anpr/site
    """
    from edge.adapters.enrolment.enrolling import (
        KEYS,
        client_of,
        enrolled,
        install_site,
        shown_fingerprint,
    )
    from edge.adapters.enrolment.identity import BoxIdentity
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_sealing import FILE_NAME
    from edge.formats.enrolment import RequestError

    identity = BoxIdentity.read(site / KEYS)
    if server is not None:
        identity = _begun(site, server, code_file, identity)
    if identity is None:
        raise UsageError("give the address of the fleet's server, https://HOST:PORT")
    if identity.enrolled and identity.days_left(SystemClock().utc()) < 0:
        raise RequestError(
            f"{identity.file}: the certificate has ended; check the clock, or have the operator "
            "run `edge-anpr fleet forget` and make a new code, and enrol with address and code"
        )
    shown = shown_fingerprint(identity)
    sealed = (site / KEYS / FILE_NAME).exists()
    if shown is not None:
        note(f"box {identity.state.box} of site {identity.state.site}: fingerprint {shown}")
        note("the operator approves it with `edge-anpr fleet approve`; waiting")
    said: set[str] = set()

    def away(error: Exception) -> None:
        if str(error) not in said:
            said.add(str(error))
            note(f"{error}; trying again")

    identity = enrolled(identity, time.sleep, away)
    changed = install_site(site, client_of(identity).site_files())
    ends = identity.certificate().not_valid_after_utc
    if as_json:
        facts = {
            "site": identity.state.site,
            "box": identity.state.box,
            "certificate_until": time_text(ends),
            "tpm": sealed,
            "files": list(changed),
        }
        print_json("edge-anpr/fleet-enrol/1", facts)
        return
    typer.echo(f"box {identity.state.box} of site {identity.state.site} is enrolled")
    typer.echo(f"certificate until {ends:%Y-%m-%d %H:%M} UTC; the box renews it by itself")
    under = "encrypted under this box's TPM" if sealed else "files, since this box has no TPM 2.0"
    typer.echo(f"private keys: {under}")
    typer.echo(f"files new or changed: {', '.join(changed) or 'none'}")


def _begun(
    site: Path, server: str, code_file: Path | None, before: BoxIdentity | None
) -> BoxIdentity:
    """The identity with the request of this code, which may be under way already."""
    from edge.adapters.enrolment.enrolling import begin
    from edge.adapters.enrolment.est_client import FleetAddress
    from edge.adapters.host.system import SystemClock
    from edge.cli.passphrase import code_typed
    from edge.formats.enrolment import OneTimeCode

    address = FleetAddress.parse(server)
    code = OneTimeCode.parse(code_typed(code_file, "--code-file"))
    if before is not None and before.state.code == code.text():
        return before
    return begin(site, address, code, SystemClock().utc())
