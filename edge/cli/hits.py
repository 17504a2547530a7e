"""`edge-anpr hits`: what the competent authority does with hits."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from edge.adapters.broker.mqtt import BrokerOptions, TlsFiles
    from edge.authority.store import RuleStatistics, StoredHit
    from edge.authority.tail import ReceivedMessage

PLAIN_PORT, TLS_PORT = 1883, 8883
REJECT_HELP = "misread, wrong-vehicle, exempt, no-offence, unusable-picture or duplicate."

app = typer.Typer(
    no_args_is_help=True,
    help="The authority's side: receive, open, review and forget hits.\n\n"
    "[bold]tail[/bold] receives sealed hits and stores each once; [bold]open[/bold] opens them "
    "with the authority's private key; [bold]review[/bold] records what a person says of one; "
    "[bold]purge[/bold] forgets. The box cannot see to it that a hit is reviewed, kept no longer "
    "than its purpose allows, or used for nothing else: that is the authority's own duty.",
)

StoreOption = Annotated[Path, typer.Option("--store", help="The folder of the store.")]
KeysOption = Annotated[Path, typer.Option("--keys", help="The authority's folder of private keys.")]
BoxKeysOption = Annotated[
    Path,
    typer.Option("--box-keys", help="A box's public file, or a folder with those of all boxes."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@app.command()
def tail(
    broker: Annotated[
        str, typer.Option("--broker", metavar="HOST[:PORT]", help="The MQTT 5 broker.")
    ],
    store: StoreOption,
    box_keys: BoxKeysOption,
    keys: KeysOption,
    site: Annotated[str | None, typer.Option("--site", help="Hits of this site only.")] = None,
    once: Annotated[
        int | None, typer.Option("--once", min=1, help="Stop after so many stored hits.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option("--idle", min=0, help="Stop after so many quiet seconds.")
    ] = None,
    username: Annotated[str | None, typer.Option(help="For the broker.")] = None,
    password_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the broker's password.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File that holds the broker's password.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="TLS, trusting the system's authorities.")
    ] = False,
    tls_ca: Annotated[
        Path | None, typer.Option(help="TLS, trusting the authorities in this PEM file.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate to show to the broker (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Receive hits until stopped (Ctrl-C), each verified and stored exactly once, still sealed.

    The broker keeps a session, so what comes while this does not run is not lost. A hit is on
    disk before its receipt goes to the box, and acknowledged to the broker last. Hits of a box
    or key that is not known yet are set aside and tried again at the next start.

    Example: edge-anpr hits tail --broker mqtt.example:8883 --tls --store hits
    --box-keys boxes --keys authority
    """
    from edge.adapters.broker.mqtt import TlsFiles
    from edge.adapters.host.system import SystemClock
    from edge.authority.store import HitStore
    from edge.authority.tail import Fate, Receiver, Tail, Until
    from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
    from edge.site.passwords import read_password

    own = AuthorityPrivateKeys.load(keys)
    boxes = BoxPublicKeys.load_all(box_keys)
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
        _note("these are trial keys; never use them for a real site")
    counts: Counter[str] = Counter()
    stored: list[str] = []

    def arrived(arrival: ReceivedMessage) -> None:
        counts[arrival.fate.value] += 1
        if as_json and arrival.fate is Fate.STORED and arrival.hit is not None:
            stored.append(arrival.hit.hit_id)
        if arrival.why:
            _note(f"{arrival.fate.value}: {arrival.why}")
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
        typer.echo(json.dumps({**_all_fates(counts), "hits": stored}))
    else:
        _note(", ".join(f"{count} {fate}" for fate, count in _all_fates(counts).items()))


@app.command("list")
def list_hits(store: StoreOption, as_json: JsonOption = False) -> None:
    """List the stored hits, still sealed: when, where, which rule, and whether reviewed."""
    from edge.authority.store import HitStore

    with HitStore.open(store) as inbox:
        found = inbox.hits()
        aside = len(inbox.aside())
    if as_json:
        typer.echo(json.dumps({"hits": [_row(hit) for hit in found], "set_aside": aside}))
        return
    for hit in found:
        typer.echo(
            f"{hit.observed_at:%Y-%m-%d %H:%M:%S}Z  {hit.site}/{hit.box}/{hit.camera}  "
            f"{hit.rule}  {hit.hit_id}  {_state(hit)}"
        )
    typer.echo(f"{len(found)} hits, {aside} set aside")


@app.command("open")
def open_hits(
    store: StoreOption,
    box_keys: BoxKeysOption,
    keys: KeysOption,
    out: Annotated[
        Path, typer.Option("--out", help="A folder that only you can look into (mode 0700).")
    ],
    hits: Annotated[
        list[str] | None, typer.Argument(metavar="[HIT]...", help="Ids, or how they begin.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Open every stored hit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open hits into OUT/<hit id>/: hit.json with the plate in clear, and its pictures.

    Signature and seal are verified first; of a hit that is not as the box sealed it nothing
    is written. Each opening is entered in the store's audit log before anything is shown. The
    store keeps it sealed. Delete OUT when you are done: purge does not know of it.
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.audit_log import AuditTrail
    from edge.authority.opening import as_json as opened_json
    from edge.authority.opening import open_hit, write_opened
    from edge.authority.store import HitStore
    from edge.privacy.audit import Unsealed, authority_log
    from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys

    if bool(hits) == every:
        raise typer.BadParameter("name hits, or give --all", param_hint="HIT")
    own = AuthorityPrivateKeys.load(keys)
    boxes = BoxPublicKeys.load_all(box_keys)
    opened: list[dict[str, object]] = []
    failed: list[tuple[str, EdgeError]] = []
    log, clock = authority_log(own.authority), SystemClock()
    with (
        HitStore.open(store) as inbox,
        AuditTrail.open(store, log, own.newest, clock.utc, known=own.public_keys()) as audit,
    ):
        chosen = [hit.hit_id for hit in inbox.hits()] if every else list(hits or ())
        for hit_id in chosen:
            try:
                one = open_hit(inbox.payload(hit_id), boxes, own)
                audit.append(Unsealed(one.hit.hit_id))
                files = write_opened(one, out)
            except EdgeError as error:
                failed.append((hit_id, error))
                continue
            opened.append(
                {
                    "hit_id": one.hit.hit_id,
                    "rule": one.hit.rule,
                    "plate": opened_json(one)["plate"],
                    "json": str(files.document),
                    "images": [str(picture) for picture in files.pictures],
                }
            )
    if as_json:
        errors = [{"hit_id": hit_id, "error": str(why)} for hit_id, why in failed]
        typer.echo(json.dumps({"opened": opened, "failed": errors}))
    else:
        for row in opened:
            typer.echo(f"{row['hit_id']}  {row['rule']}  {row['plate']}  {row['json']}")
    if failed:
        for _, why in failed[:-1]:
            _note(f"error: {why}")
        raise failed[-1][1]


@app.command()
def review(
    hit: Annotated[str, typer.Argument(metavar="HIT", help="Its id, or how it begins.")],
    store: StoreOption,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="A person has looked: it is as the box says.")
    ] = False,
    reject: Annotated[
        str | None, typer.Option("--reject", metavar="REASON", help=REJECT_HELP)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a person says of a hit; this makes the error statistics.

    Reasons are a closed list: free text could come to hold a plate or a name. A later review
    of the same hit replaces the earlier one.
    """
    from edge.adapters.host.system import SystemClock
    from edge.authority.store import HitStore, Reason

    if confirm == (reject is not None):
        raise typer.BadParameter("give --confirm or --reject REASON", param_hint="review")
    reason = None
    if reject is not None:
        if reject not in {each.value for each in Reason}:
            allowed = ", ".join(each.value for each in Reason)
            raise typer.BadParameter(f"one of: {allowed}", param_hint="--reject")
        reason = Reason(reject)
    with HitStore.open(store) as inbox:
        inbox.review(hit, reason, SystemClock().utc())
        reviewed = inbox.find(hit)
    if as_json:
        typer.echo(json.dumps(_row(reviewed)))
    else:
        typer.echo(f"{reviewed.hit_id}  {_state(reviewed)}")


@app.command()
def stats(store: StoreOption, as_json: JsonOption = False) -> None:
    """Show how often reviewed hits were wrong, by rule, with a 95 % interval.

    Hits that were purged since still count.
    """
    from edge.authority.store import HitStore

    with HitStore.open(store) as inbox:
        rules = inbox.statistics()
    if as_json:
        typer.echo(json.dumps({"rules": {rule.rule: _figures(rule) for rule in rules}}))
        return
    for rule in rules:
        rate = rule.error_rate
        wrong = (
            "no review yet"
            if rate is None
            else (f"{rate.share:.1%} wrong (95 % interval {rate.low:.1%} to {rate.high:.1%})")
        )
        reasons = ", ".join(f"{count} {reason.value}" for reason, count in rule.rejected.items())
        typer.echo(
            f"{rule.rule}: {rule.reviewed} reviewed, {rule.waiting} waiting, {wrong}"
            + (f": {reasons}" if reasons else "")
        )


@app.command()
def purge(
    store: StoreOption,
    older_than: Annotated[
        int, typer.Option("--older-than", metavar="DAYS", min=0, help="Since they were observed.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Forget hits that were observed longer ago than DAYS; of their reviews counts stay.

    The file is overwritten. Opened copies, backups and older blocks of the disk are not.
    """
    from datetime import timedelta

    from edge.adapters.host.system import SystemClock
    from edge.authority.store import HitStore

    with HitStore.open(store) as inbox:
        purged = inbox.purge(timedelta(days=older_than), SystemClock().utc())
    typer.echo(json.dumps({"purged": purged}) if as_json else f"{purged} hits forgotten")


def _broker_options(
    broker: str,
    tls: TlsFiles | None,
    client_id: str,
    username: str | None,
    password: str | None,
) -> BrokerOptions:
    from edge.adapters.broker.mqtt import BrokerOptions

    host, colon, port = broker.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = broker, str(TLS_PORT if tls is not None else PLAIN_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter("HOST or HOST:PORT, port 1 to 65535", param_hint="--broker")
    if password is not None and username is None:
        raise ConfigError("a password without a name; add --username")
    return BrokerOptions(host, int(port), client_id, username, password, tls)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Tells whether somebody asked to stop; what is in hand is finished first."""
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


def _row(hit: StoredHit) -> dict[str, object]:
    return {
        "hit_id": hit.hit_id,
        "site": hit.site,
        "box": hit.box,
        "camera": hit.camera,
        "rule": hit.rule,
        "observed_at": hit.observed_at.isoformat(timespec="milliseconds"),
        "stored_at": hit.stored_at.isoformat(timespec="milliseconds"),
        "human_check_required": hit.human_check_required,
        "state": _state(hit),
    }


def _state(hit: StoredHit) -> str:
    if not hit.reviewed:
        return "to be reviewed" if hit.human_check_required else "not reviewed"
    return "confirmed" if hit.reason is None else f"rejected: {hit.reason.value}"


def _figures(rule: RuleStatistics) -> dict[str, object]:
    rate = rule.error_rate
    return {
        "waiting": rule.waiting,
        "reviewed": rule.reviewed,
        "confirmed": rule.confirmed,
        "rejected": {reason.value: count for reason, count in rule.rejected.items()},
        "error_rate": None if rate is None else rate.share,
        "error_rate_ci95": None if rate is None else [rate.low, rate.high],
    }


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
