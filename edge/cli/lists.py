"""`edge-anpr lists`: lists of plates, signed by their issuer and sealed to one box."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from edge.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from edge.adapters.state.list_store import ListStore
    from edge.policy.bundles import ListFacts
    from edge.policy.model import Policy
    from edge.privacy.audit import Event
    from edge.site.folder import BoxFolders

app = typer.Typer(
    no_args_is_help=True,
    help="Lists of plates: signed by whom the policy names, readable by one box alone.\n\n"
    "[bold]build[/bold] is the issuer's: it turns a CSV file into a bundle for one box. "
    "[bold]install[/bold] is the box's; a bundle can be sent by MQTT just as well, retained, on "
    "[bold]anpr/SITE/BOX/lists/LIST[/bold]. What is not in order changes nothing: the list that "
    "was in force stays in force.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


@app.command()
def build(
    csv: Annotated[Path, typer.Argument(help="id,plate,start,end,basis,reason,issuer")],
    issuer_key: Annotated[
        Path, typer.Option("--issuer-key", help="Private file of an issuer whom the policy names.")
    ],
    box_public: Annotated[
        Path, typer.Option("--box-public", help="Public file of the box that it is for.")
    ],
    list_id: Annotated[str, typer.Option("--list", help="The id that the policy gives the list.")],
    purpose: Annotated[
        str, typer.Option(help="What the box may use it for: the purpose of the policy's rules.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The bundle; it must not exist yet.")],
    counter: Annotated[
        str,
        typer.Option(
            help="Higher than that of the bundle before. [bold]auto[/bold]: the time now."
        ),
    ] = "auto",
    timezone: Annotated[
        str, typer.Option(help="Of dates, and of times without an offset.")
    ] = "Europe/Brussels",
    as_json: JsonOption = False,
) -> None:
    """Turn a CSV file into a bundle: checked line by line, signed, and sealed to one box.

    Run it at the issuer. Nobody but the box can open the bundle, its issuer included: keep the
    CSV file if it is needed again, or better, do not.

    Example: edge-anpr lists build permits.csv --issuer-key office/mobility.signer.private.json
    --box-public school-street.box-1.public.json --list permits --purpose school-street-safety
    --out permits.bundle
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.state_folder import replace_file
    from edge.formats.timestamps import milliseconds, parse_utc, utc_text
    from edge.policy.bundles import (
        ListContent,
        build_bundle,
        facts_of,
        parse_bundle,
    )
    from edge.policy.lists import read_list
    from edge.privacy.keys import BoxPublicKeys, load_signer_key

    key = load_signer_key(issuer_key)
    box = BoxPublicKeys.load(box_public)
    now = parse_utc(utc_text(SystemClock().utc()))
    if out.exists():
        raise UsageError(f"{out}: exists already; name a new file with --out")
    content = ListContent(
        list_id=list_id,
        site=box.site,
        box=box.box,
        issuer=key.signer,
        purpose=purpose,
        counter=_counter(counter, milliseconds(now)),
        issued_at=now,
        entries=read_list(csv, zone=_zone(timezone), max_entries=100_000),
    )
    bundle = build_bundle(content, key, box)
    replace_file(out, bundle)
    _say([facts_of(content, parse_bundle(bundle))], as_json, f"bundle: {out}")


@app.command()
def inspect(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle; left out: the lists in force on the box.")
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", help="The site's folder, on the box: opens the bundle and checks all of it."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a bundle is: for which box and list, its counter and digest; never a plate.

    With --site, on the box that it is sealed to, also who issued it, how many entries it has and
    when they end, and whether the policy allows it. Nothing is installed.
    """
    from edge.policy.bundles import parse_bundle
    from edge.site.folder import load_site_folder

    if site is not None:
        folder = load_site_folder(site)
        store = _store(folder.box, folder.policy)
        if bundle is None:
            _say([store.facts(list_id) for list_id in store.list_ids], as_json, "in force")
        else:
            _say([store.examine(_read(bundle))], as_json, "may be installed")
        return
    if bundle is None:
        raise UsageError("inspect: give a bundle, or --site for the lists in force there")
    cover = parse_bundle(_read(bundle))
    if as_json:
        shown = {name: getattr(cover, name) for name in _COVER}
        typer.echo(json.dumps({"bundle": shown}))
        return
    typer.echo(f"list {cover.list_id} for box {cover.box} of {cover.site}, counter {cover.counter}")
    typer.echo(f"sealed to key {cover.box_key_id}, {cover.size} bytes; only that box can open it")
    typer.echo(f"sha256 {cover.sha256}")


@app.command()
def install(
    bundle: Annotated[Path, typer.Argument(help="A bundle, made by `lists build`.")],
    site: Annotated[Path, typer.Option("--site", help="The site's folder, on the box.")],
    as_json: JsonOption = False,
) -> None:
    """Put a list in force on the box, in place of the one before it.

    A box that runs takes it up when its next epoch begins. The whole bundle is checked first:
    issuer, box, counter, purpose, and each entry against the policy.
    """
    from edge.adapters.state.audit_log import open_box_audit
    from edge.privacy.keys import BoxKeys
    from edge.site.folder import load_site_folder

    data = _read(bundle)
    folder = load_site_folder(site)
    with open_box_audit(folder.box, BoxKeys.load(folder.keys_folder)) as audit:
        facts = _store(folder.box, folder.policy, audit.append).install(data)
    _say([facts], as_json, "in force from the next epoch on")


_COVER = ("list_id", "site", "box", "counter", "box_key_id", "sha256", "size")


def _store(
    box: BoxFolders, policy: Policy, record: Callable[[Event], object] | None = None
) -> ListStore:
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.list_store import ListStore
    from edge.policy.bundles import list_terms
    from edge.privacy.keys import BoxKeys

    keys = BoxKeys.load(box.keys)
    return ListStore(box.state, keys, list_terms(policy), SystemClock().utc, record)


def _counter(text: str, now: int) -> int:
    if text == "auto":
        return now
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:17]) <= now:
        raise UsageError(f"--counter: must be auto, or a whole number from 1 to {now}")
    return int(text)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError("--timezone: must be a time zone such as Europe/Brussels") from None


def _read(bundle: Path) -> bytes:
    from edge.adapters.state.state_folder import read_file
    from edge.policy.bundles import MAX_BUNDLE_BYTES

    data = read_file(bundle, MAX_BUNDLE_BYTES)
    if data is None:
        raise ConfigError(f"{bundle}: no such file; give a bundle made by `edge-anpr lists build`")
    return data


def _say(found: Sequence[ListFacts], as_json: bool, what_now: str) -> None:
    if as_json:
        typer.echo(json.dumps({"lists": [_as_json(facts) for facts in found]}))
        return
    for facts in found:
        typer.echo(
            f"list {facts.list_id} for box {facts.box} of {facts.site}: {facts.entries} entries "
            f"for {facts.purpose}, issued by {facts.issuer} {facts.issued_at:%Y-%m-%d %H:%M} UTC"
        )
        if facts.first_end is not None and facts.last_end is not None:
            typer.echo(
                f"  its entries end from {facts.first_end:%Y-%m-%d} to {facts.last_end:%Y-%m-%d}"
            )
        typer.echo(f"  counter {facts.counter}, sha256 {facts.sha256}")
        typer.echo(f"  {what_now}")


def _as_json(facts: ListFacts) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(facts).items()
    }
