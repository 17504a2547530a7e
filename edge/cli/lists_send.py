"""`edge-anpr lists send`: send a list to its boxes by MQTT, and wait for their answers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.broker_options import (
    BrokerOption,
    PasswordEnvOption,
    PasswordFileOption,
    TlsCaOption,
    TlsCertOption,
    TlsKeyOption,
    TlsOption,
    UsernameOption,
)
from edge.cli.options import JsonOption
from edge.cli.output import note, print_json
from edge.errors import UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.adapters.broker.options import BrokerOptions
    from edge.authority.list_sender import Waiting
    from edge.authority.list_spreading import Spread
    from edge.privacy.keys import BoxPublicKeys


def send(
    bundle: Annotated[
        Path, typer.Argument(help="A bundle of `lists build`, or a folder of `build --boxes`.")
    ],
    broker: BrokerOption,
    box_public: Annotated[
        Path | None,
        typer.Option("--box-public", help="Public key file of the one box that the list is for."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes", help="Folder with the public key files of the boxes that the list is for."
        ),
    ] = None,
    parts: Annotated[
        bool,
        typer.Option(
            "--parts",
            help="Publish the encrypted list at the broker too, once for all boxes whose site.yaml "
            "says `lists: {source: mqtt}`.",
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for the answers.")
    ] = 60.0,
    username: UsernameOption = None,
    password_env: PasswordEnvOption = None,
    password_file: PasswordFileOption = None,
    tls: TlsOption = False,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a list to its boxes by MQTT, and wait until they say that it is in force.

    The broker keeps the list for a box that is away. A box's answer is signed. Of a list for many
    boxes, upload the encrypted list first, or give --parts; each box gets its manifest. Status 0:
    the list is in force, and rules use it from the next epoch on. Status 3 or 7: a box has refused
    it, with the code and the reason in the message. Status 6: the broker refuses it or cannot be
    reached, no answer came in time, or a box cannot fetch the list.

    Example: edge-anpr lists send permits.bundle --broker mqtt.example --tls-ca ca.pem
    --tls-cert office.pem --tls-key office.key --box-public school-street.box-1.public.json
    """
    from edge.adapters.state.key_files import load_all_box_public_keys, load_box_public_keys
    from edge.authority.list_sender import Waiting, send_list
    from edge.cli.broker_options import broker_options, stop_signals
    from edge.cli.lists import read_bundle
    from edge.policy.bundles import parse_bundle

    if (box_public is None) == (boxes is None):
        raise UsageError("send: give --box-public for one box, or --boxes for a folder of them")
    many = bundle.is_dir()
    if parts and not many:
        raise UsageError("--parts: only a list of `build --boxes` is sent in parts; leave it out")
    if boxes is not None and not many:
        raise UsageError(f"{bundle}: a bundle for one box; give --box-public")
    options = broker_options(
        broker,
        f"edge-anpr-issuer-{secrets.token_hex(8)}",
        username=username,
        password_env=password_env,
        password_file=password_file,
        tls=tls,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    if many:
        inventory = load_all_box_public_keys(boxes or box_public or bundle)
        with stop_signals() as stopped:
            _spread(bundle, inventory, options, Waiting(timeout, stopped), parts, as_json)
        return
    data = read_bundle(bundle)
    sealed = parse_bundle(data)
    box = load_box_public_keys(box_public or bundle)
    with stop_signals() as stopped:
        answer = send_list(options, data, sealed, box, Waiting(timeout, stopped), note)
    if as_json:
        print_json("edge-anpr/lists-send/1", {"answer": answer.model_dump(by_alias=True)})
        return
    typer.echo(
        f"list {answer.list_}, counter {answer.counter}, is in force on box {answer.box} of "
        f"{answer.site}, says the box at {answer.answered_at}; rules use it from the next epoch on"
    )
    typer.echo(f"sha256 {answer.bundle_sha256}")


def _spread(
    folder: Path,
    boxes: Mapping[tuple[str, str], BoxPublicKeys],
    options: BrokerOptions,
    waiting: Waiting,
    parts: bool,
    as_json: bool,
) -> None:
    """Send a list for many boxes, and print what they answer."""
    from edge.authority.list_spreading import spread_list
    from edge.cli.lists_shared import read_body, read_shared

    shared = read_shared(folder)
    if parts:
        shared = replace(shared, body=read_body(shared, folder))
    spread = spread_list(options, shared, boxes, waiting, note)
    if as_json:
        told = {**spread.in_force, **spread.refused}
        answers = [told[box].model_dump(by_alias=True) for box in sorted(told)]
        silent = [{"site": site, "box": box} for site, box in spread.silent]
        unsent = [{"site": a, "box": b, "reason": why} for (a, b), why in spread.unsent.items()]
        facts = {"answers": answers, "silent": silent, "unsent": unsent}
        print_json("edge-anpr/lists-spread/1", facts)
    else:
        typer.echo(
            f"list {shared.list_id}, counter {shared.counter}, is in force on "
            f"{len(spread.in_force)} of {quantity(len(boxes), 'box', 'boxes')}, as they say; rules "
            "use it from the "
            "next epoch on"
        )
        for (site, box), line in sorted(_lines(spread)):
            typer.echo(f"  {site}/{box}  {line}")
    spread.require_all()


def _lines(spread: Spread) -> Iterator[tuple[tuple[str, str], str]]:
    """Each box with what became of the list there."""
    for one in spread.in_force:
        yield one, "in force"
    for one, answer in spread.refused.items():
        yield one, f"refuses it: {answer.code}: {answer.reason}"
    for one, why in spread.unsent.items():
        yield one, f"not sent: the broker {why}"
    for one in spread.silent:
        yield one, "no answer yet"
