"""`edge-anpr desk serve`: the web application of the officer's desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import PassphraseFileOption
from edge.cli.output import note

if TYPE_CHECKING:
    from edge.desk.folder import DeskFolder
    from edge.desk.web.serving import WhatOpensHits


def serve(
    desk: Annotated[
        Path,
        typer.Option(
            "--desk",
            metavar="FOLDER",
            help="The desk's folder. If it holds no desk, a terminal asks for the first account.",
        ),
    ] = Path("desk"),
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")
    ] = 8010,
    address: Annotated[
        str, typer.Option("--address", metavar="IP", help="The address to listen on.")
    ] = "127.0.0.1",
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            metavar="FILE",
            help="PEM file with the certificate, for TLS.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key", metavar="FILE", help="PEM file with its private key.", show_default=False
        ),
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-tls-proxy",
            help="A proxy with TLS is in front, and browsers reach the desk through it only.",
        ),
    ] = False,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin",
            metavar="URL",
            help="How browsers reach the desk, such as https://desk.example: passkeys are valid "
            "there only. Without TLS it is http://localhost and the port.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="DIR",
            help="The authority's folder of private keys, to review hits here.",
            show_default=False,
        ),
    ] = None,
    box_keys: Annotated[
        Path | None,
        typer.Option(
            "--box-keys",
            metavar="PATH",
            help="The boxes' public files, or one of them; needed with --keys.",
            show_default=False,
        ),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="DIR",
            help="The sites' policies, so that officers read rule, place and local time; and, with "
            "their signatures beside them, export cases.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="ADDRESS",
            help="Also serve the state of all boxes for Prometheus, at this address of this "
            "machine, such as 127.0.0.1:9110.",
            show_default=False,
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Serve the desk's pages to browsers until Ctrl-C.

    Where there is no desk yet, it asks for the authority and the first account, and makes one
    with its store in a file. With --keys, officers review hits here: the private keys are
    decrypted once, and stay in this process. It listens on this machine only. Another address needs
    TLS, here or at a proxy in front. Each login, refused login and logout goes into
    the desk's audit log. Once a day it deletes hits whose retention period has ended.

    Example: edge-anpr desk serve --desk desk --keys keys --box-keys boxes --policies policies
    """
    from edge.adapters.host.system import SystemClock
    from edge.cli.desk_first import opened_or_made
    from edge.desk.retention import running_retention
    from edge.desk.web.serving import WhereToServe
    from edge.desk.web.serving import serve as serve_desk

    where = WhereToServe(address, port, certificate, key, behind_proxy, origin)
    folder, utc = opened_or_made(desk), SystemClock().utc
    opens = _opens(keys, box_keys, policies, passphrase_file)
    with running_retention(folder, utc), _metrics(folder, metrics, utc):
        serve_desk(folder, where, opens, utc, lambda page: note(f"the desk is at {page}"))


@contextmanager
def _metrics(folder: DeskFolder, listen: str | None, utc: Callable[[], datetime]) -> Iterator[None]:
    """Serve the state of the boxes until the block ends, if there is an address."""
    from edge.desk.fleet_metrics import fleet_server

    if listen is None:
        yield
        return
    with folder.open_database() as database, fleet_server(listen, database, utc) as server:
        note(f"metrics of all boxes: {server.address}/metrics")
        yield


def _opens(
    keys: Path | None, box_keys: Path | None, policies: Path | None, passphrase_file: Path | None
) -> WhatOpensHits | None:
    from edge.adapters.state.box_key_folder import BoxKeyFolder
    from edge.adapters.state.key_files import load_authority_private_keys
    from edge.cli.passphrase import typed
    from edge.desk.policies import read_policies
    from edge.desk.web.serving import CaseFolders, WhatOpensHits
    from edge.errors import UsageError

    if (keys is None) != (box_keys is None) or (keys is None and policies is not None):
        raise UsageError(
            "to review hits give --keys and --box-keys together, and --policies with them"
        )
    if keys is None or box_keys is None:
        return None
    return WhatOpensHits(
        load_authority_private_keys(keys, typed(passphrase_file)),
        BoxKeyFolder(box_keys),
        {} if policies is None else read_policies(policies),
        CaseFolders(keys, box_keys, policies),
    )
