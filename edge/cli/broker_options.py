"""The options with which a command connects to a broker, and what they say."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.adapters.broker.options import BrokerOptions
    from edge.formats.brokers import BrokerAddress

PLAIN_PORT, TLS_PORT = 1883, 8883

BrokerOption = Annotated[
    str, typer.Option("--broker", metavar="HOST[:PORT]", help="The MQTT 5 broker.")
]
BrokersOption = Annotated[
    list[str],
    typer.Option(
        "--broker",
        metavar="HOST[:PORT]",
        help="The MQTT 5 broker. With --shard: each of them, in the same order for every consumer.",
    ),
]
UsernameOption = Annotated[str | None, typer.Option("--username", help="User name at the broker.")]
PasswordEnvOption = Annotated[
    str | None,
    typer.Option("--password-env", help="Environment variable that holds the broker's password."),
]
PasswordFileOption = Annotated[
    Path | None, typer.Option("--password-file", help="File that holds the broker's password.")
]
TlsOption = Annotated[
    bool, typer.Option("--tls", help="Use TLS and trust the system's certificate authorities.")
]
TlsCaOption = Annotated[
    Path | None,
    typer.Option("--tls-ca", help="Use TLS and trust the authorities in this PEM file."),
]
TlsCertOption = Annotated[
    Path | None, typer.Option("--tls-cert", help="Client certificate for the broker (PEM).")
]
TlsKeyOption = Annotated[
    Path | None, typer.Option("--tls-key", help="Private key of --tls-cert (PEM).")
]


def broker_options(
    broker: str,
    client_id: str,
    *,
    username: str | None,
    password_env: str | None,
    password_file: Path | None,
    tls: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> BrokerOptions:
    """The broker's address and credentials.

    Raises:
        ConfigError: the password cannot be read, or is there without a user name.
        typer.BadParameter: the address is none.
    """
    from edge.adapters.broker.options import COMMAND_OPTIONS, BrokerOptions, TlsFiles
    from edge.site.passwords import read_password

    files = None
    if tls or tls_ca is not None or tls_cert is not None:
        files = TlsFiles(tls_ca, tls_cert, tls_key)
    password = read_password(
        "broker",
        variable=password_env,
        setting="--password-env",
        file=password_file,
        environment=os.environ,
    )
    address = broker_address(broker, tls=files is not None)
    if password is not None and username is None:
        raise ConfigError("a password without a user name; add --username")
    return BrokerOptions(
        address.host, address.port, client_id, username, password, files, names=COMMAND_OPTIONS
    )


def broker_address(text: str, *, tls: bool) -> BrokerAddress:
    """The address that --broker names; without a port it has that of MQTT, with or without TLS.

    Raises:
        typer.BadParameter: it is none.
    """
    from edge.formats.brokers import parse_address

    try:
        address = parse_address(text, TLS_PORT if tls else PLAIN_PORT)
    except ValueError:
        address = None
    if address is None or not address.host or not 1 <= address.port <= 65535:
        raise typer.BadParameter("write HOST or HOST:PORT, port 1 to 65535", param_hint="--broker")
    return address


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGINT or SIGTERM came; what has begun is finished."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _frame: asked.append(got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
