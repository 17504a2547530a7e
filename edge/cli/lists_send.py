"""`edge-anpr lists send`: send a bundle to its box by MQTT, and wait for the box's answer."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

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


def send(
    bundle: Annotated[Path, typer.Argument(help="A bundle, made by `lists build`.")],
    broker: BrokerOption,
    box_public: Annotated[
        Path, typer.Option("--box-public", help="Public key file of the box that the list is for.")
    ],
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long to wait for the box's answer.")
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
    """Send a list to its box by MQTT, and wait until the box says that it is in force.

    The broker keeps the list for a box that is away. The box's answer is signed. Status 0: the
    list is in force, and rules use it from the next epoch on. Status 3 or 7: the box has refused
    it, with the code and the reason in the message. Status 6: the broker refuses it or cannot be
    reached, or no answer came in time.

    Example: edge-anpr lists send permits.bundle --broker mqtt.example --tls-ca ca.pem
    --tls-cert office.pem --tls-key office.key --box-public school-street.box-1.public.json
    """
    from edge.adapters.state.key_files import load_box_public_keys
    from edge.authority.list_sender import Waiting, send_list
    from edge.cli.broker_options import broker_options, stop_signals
    from edge.cli.lists import read_bundle
    from edge.policy.bundles import parse_bundle

    data = read_bundle(bundle)
    sealed = parse_bundle(data)
    box = load_box_public_keys(box_public)
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
