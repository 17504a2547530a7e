"""`edge-anpr hits tail`: receive hits from the broker."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.options import AuthorityKeysOption, BoxKeysOption, JsonOption, StoreOption
from edge.cli.output import note, print_json
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.adapters.broker.options import BrokerOptions, TlsFiles
    from edge.authority.tail import ReceivedMessage

PLAIN_PORT, TLS_PORT = 1883, 8883


def tail(
    broker: Annotated[
        str, typer.Option("--broker", metavar="HOST[:PORT]", help="The MQTT 5 broker.")
    ],
    store: StoreOption,
    box_keys: BoxKeysOption,
    keys: AuthorityKeysOption,
    site: Annotated[
        str | None, typer.Option("--site", metavar="ID", help="Receive hits of this site only.")
    ] = None,
    once: Annotated[
        int | None,
        typer.Option("--once", min=1, metavar="HITS", help="Stop after this many stored hits."),
    ] = None,
    idle: Annotated[
        float | None,
        typer.Option(
            "--idle",
            min=0,
            metavar="SECONDS",
            help="Stop after this many seconds without a message.",
        ),
    ] = None,
    username: Annotated[str | None, typer.Option(help="User name at the broker.")] = None,
    password_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the broker's password.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File that holds the broker's password.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Use TLS and trust the system's certificate authorities.")
    ] = False,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Use TLS and trust the authorities in this PEM file.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Client certificate for the broker (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of --tls-cert (PEM).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Receive hits until Ctrl-C. Each is verified and stored exactly once, still sealed.

    While this command does not run, the broker keeps new hits. A hit is first written to disk,
    then its receipt is sent to the box, then it is acknowledged to the broker. Hits
    of a box or key that is not known yet are set aside and tried again at the next start.

    Example: edge-anpr hits tail --broker mqtt.example:8883 --tls --store hits
    --box-keys boxes --keys authority
    """
    from edge.adapters.broker.options import TlsFiles
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.authority.store import HitStore
    from edge.authority.tail import Fate, Receiver, Tail, Until
    from edge.site.passwords import read_password

    own = load_authority_private_keys(keys)
    boxes = load_all_box_public_keys(box_keys)
    files = None
    if tls or tls_ca is not None or tls_cert is not None:
        files = TlsFiles(tls_ca, tls_cert, tls_key)
    options = _broker_options(
        broker,
        files,
        "-".join(["edge-anpr-authority", own.authority, *([site] if site else [])]),
        username,
        read_password(
            "broker",
            variable=password_env,
            setting="--password-env",
            file=password_file,
            environment=os.environ,
        ),
    )
    if own.trial:
        note("these are trial keys; never use them for a real site")
    counts: Counter[str] = Counter()
    stored: list[str] = []

    def arrived(arrival: ReceivedMessage) -> None:
        counts[arrival.fate.value] += 1
        if as_json and arrival.fate is Fate.STORED and arrival.hit is not None:
            stored.append(arrival.hit.hit_id)
        if arrival.why:
            note(f"{arrival.fate.value}: {arrival.why}")
        elif not as_json and arrival.hit is not None and arrival.receipt is not None:
            hit = arrival.hit
            typer.echo(
                f"{hit.observed_at}  {hit.site}/{hit.box}/{hit.camera}  {hit.rule}  "
                f"{hit.hit_id}  {arrival.fate.value}"
            )

    with HitStore.open(store, create=True) as inbox, _stop_signals() as stopped:
        receiver = Receiver(inbox, boxes, own, SystemClock().utc)
        Tail(options, receiver, site=site, on_arrival=arrived).run(
            Until(stored=once, idle_s=idle), cancelled=stopped
        )
    if as_json:
        print_json("edge-anpr/hits-tail/1", {**_all_fates(counts), "hits": stored})
    else:
        note(", ".join(f"{count} {fate}" for fate, count in _all_fates(counts).items()))


def _broker_options(
    broker: str,
    tls: TlsFiles | None,
    client_id: str,
    username: str | None,
    password: str | None,
) -> BrokerOptions:
    from edge.adapters.broker.options import BrokerOptions

    host, colon, port = broker.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = broker, str(TLS_PORT if tls is not None else PLAIN_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter("write HOST or HOST:PORT, port 1 to 65535", param_hint="--broker")
    if password is not None and username is None:
        raise ConfigError("a password without a user name; add --username")
    return BrokerOptions(host, int(port), client_id, username, password, tls)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGINT or SIGTERM came; the current hit is finished."""
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


def _all_fates(counts: Counter[str]) -> dict[str, int]:
    from edge.authority.tail import Fate

    return {fate.value: counts[fate.value] for fate in Fate}
