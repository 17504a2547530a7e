"""`edge-anpr hits tail`: receive hits from the broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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
from edge.cli.options import (
    AuthorityKeysOption,
    BoxKeysOption,
    JsonOption,
    PassphraseFileOption,
    StoreOption,
)
from edge.cli.output import note, print_json

if TYPE_CHECKING:
    from edge.adapters.broker.options import BrokerOptions
    from edge.authority.tail import ReceivedMessage, Receiver, StateKeeper


Turn = Callable[[Callable[[], bool]], AbstractContextManager[Callable[[], bool]]]
"""Gets a function that says whether to stop; waits, and yields one for the time after the wait."""

OneSiteOption = Annotated[
    str | None, typer.Option("--site", metavar="ID", help="Receive hits of this site only.")
]
OnceOption = Annotated[
    int | None,
    typer.Option("--once", min=1, metavar="HITS", help="Stop after this many stored hits."),
]
IdleOption = Annotated[
    float | None,
    typer.Option(
        "--idle", min=0, metavar="SECONDS", help="Stop after this many seconds without a message."
    ),
]


def tail(
    broker: BrokerOption,
    store: StoreOption,
    box_keys: BoxKeysOption,
    keys: AuthorityKeysOption,
    site: OneSiteOption = None,
    once: OnceOption = None,
    idle: IdleOption = None,
    username: UsernameOption = None,
    password_env: PasswordEnvOption = None,
    password_file: PasswordFileOption = None,
    tls: TlsOption = False,
    tls_ca: TlsCaOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Receive hits until Ctrl-C. Each is verified and stored exactly once, still sealed.

    While this command does not run, the broker keeps new hits. A hit is first written to disk,
    then its receipt is sent to the box, then it is acknowledged to the broker. Hits of a box or key
    that is not known yet are set aside and tried again when the files of the boxes change.

    Example: edge-anpr hits tail --broker mqtt.example:8883 --tls --store hits
    --box-keys boxes --keys authority
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.box_key_folder import BoxKeyFolder
    from edge.adapters.state.key_files import load_authority_private_keys
    from edge.authority.store import HitStore
    from edge.authority.tail import Receiver
    from edge.cli.broker_options import broker_options
    from edge.cli.passphrase import typed

    own = load_authority_private_keys(keys, typed(passphrase_file))
    boxes = BoxKeyFolder(box_keys)
    options = broker_options(
        broker,
        "-".join(["edge-anpr-authority", own.authority, *([site] if site else [])]),
        username=username,
        password_env=password_env,
        password_file=password_file,
        tls=tls,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    with HitStore.open(store, create=True) as inbox:
        receiver = Receiver(inbox, boxes, own, SystemClock().utc)
        receive(
            options,
            receiver,
            WhatToReceive(site, once, idle, own.trial),
            "hits-tail",
            as_json=as_json,
            key_changes=boxes.changes,
        )


@dataclass(frozen=True)
class WhatToReceive:
    """What to receive and until when; `trial`: the keys are trial keys."""

    site: str | None
    once: int | None
    idle: float | None
    trial: bool


def receive(
    options: BrokerOptions,
    receiver: Receiver,
    what: WhatToReceive,
    schema: str,
    *,
    as_json: bool,
    key_changes: Callable[[], int],
    states: StateKeeper | None = None,
    turn: Turn = nullcontext,
) -> None:
    """Receive until Ctrl-C or the given end, and print what arrives.

    `key_changes` counts the changes of the boxes' keys. `states` also gets what boxes tell of
    themselves. `turn` waits until this consumer may begin.

    Raises:
        PublishError: the broker cannot be reached at the start, or refuses.
        OutboxError: the store cannot be written.
    """
    from edge.authority.tail import Fate, Tail, Until
    from edge.cli.broker_options import stop_signals

    if what.trial:
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

    with stop_signals() as stopped, turn(stopped) as ended:
        if not ended():
            tail = Tail(
                options,
                receiver,
                site=what.site,
                on_arrival=arrived,
                states=states,
                key_changes=key_changes,
            )
            tail.run(Until(stored=what.once, idle_s=what.idle), cancelled=ended)
    if as_json:
        print_json(f"edge-anpr/{schema}/1", {**_all_fates(counts), "hits": stored})
    else:
        note(", ".join(f"{count} {fate}" for fate, count in _all_fates(counts).items()))


def _all_fates(counts: Counter[str]) -> dict[str, int]:
    from edge.authority.tail import Fate

    return {fate.value: counts[fate.value] for fate in Fate}
