"""`edge-anpr lists`: lists of plates, signed by their issuer and sealed to one box or to many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from edge.cli.lists_send import send
from edge.cli.options import JsonOption, PassphraseFileOption, SiteOption
from edge.cli.output import print_json, time_text
from edge.errors import ConfigError, UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.adapters.state.audit_log import AuditTrail
    from edge.adapters.state.list_store import ListStore
    from edge.policy.list_facts import ListFacts
    from edge.policy.lists import ListFile
    from edge.policy.model import Policy
    from edge.site.folder import BoxFolders

SHOWN_LINES = 10
"""How many line numbers a note shows; `--json` shows all."""

app = typer.Typer(
    no_args_is_help=True,
    help="Build, inspect and install lists of plates, signed by an issuer and sealed to boxes."
    "\n\n"
    "The issuer runs [bold]build[/bold]: it turns a CSV file into a bundle for one box, or into "
    "one encrypted list with a manifest for each of many boxes. On the box, [bold]install[/bold] "
    "puts it in force; or the issuer sends it by MQTT with [bold]send[/bold], which waits for the "
    "boxes' answers. A list with any mistake is refused, and the list in force stays in force.\n\n"
    "Example: edge-anpr lists install permits.bundle --site config/school-street",
)

app.command()(send)


@app.command()
def build(
    csv: Annotated[
        Path, typer.Argument(help="A file with the columns id,plate,start,end,basis,reason,issuer.")
    ],
    issuer_key: Annotated[
        Path,
        typer.Option("--issuer-key", help="Private key file of an issuer whom the policy names."),
    ],
    list_id: Annotated[str, typer.Option("--list", help="The list's id in the policy.")],
    purpose: Annotated[
        str, typer.Option(help="The purpose in the policy for which the box may use the list.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="The new bundle file, or with --boxes the new folder; it must not exist yet.",
        ),
    ],
    box_public: Annotated[
        Path | None,
        typer.Option("--box-public", help="Public key file of the one box that the list is for."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes", help="Folder with the public key files of all boxes that the list is for."
        ),
    ] = None,
    counter: Annotated[
        str,
        typer.Option(
            help="A number above that of the previous bundle. [bold]auto[/bold]: the time now."
        ),
    ] = "auto",
    shrinks_from: Annotated[
        int | None,
        typer.Option(
            "--shrinks-from",
            min=0,
            max=100_000,
            help="How many entries the list had before, if it is meant that a permit list loses "
            "more than half of them; signed with the list.",
        ),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Time zone of dates, and of times without an offset.")
    ] = "Europe/Brussels",
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a CSV file line by line, sign it and seal it to one box, or to all boxes of a folder.

    Run it at the issuer. Only the boxes can open the list; the issuer cannot. With --boxes the
    new folder holds the encrypted list once, for a web server, and a manifest for each box. Delete
    the CSV file unless you need it again. Files of spreadsheets are read too: other separators,
    encodings and dates, if they have one meaning only. Notes say what was done, with the lines.

    Example: edge-anpr lists build permits.csv --issuer-key office/mobility.signer.private.json
    --box-public school-street.box-1.public.json --list permits --purpose school-street-safety
    --out permits.bundle
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import (
        load_all_box_public_keys,
        load_box_public_keys,
        load_signer_key,
    )
    from edge.adapters.state.state_folder import replace_file
    from edge.cli.lists_shared import require_free, save_shared, say_shared, shared_json
    from edge.cli.passphrase import typed
    from edge.formats.timestamps import milliseconds, parse_utc, utc_text
    from edge.policy.bundle_format import MOST_ENTRIES
    from edge.policy.bundles import ListContent, build_bundle, parse_bundle
    from edge.policy.list_facts import facts_of
    from edge.policy.lists import read_list_file, with_note_of_ended
    from edge.policy.shared_lists import IssuedList, build_shared

    if (box_public is None) == (boxes is None):
        raise UsageError("build: give --box-public for one box, or --boxes for a folder of them")
    key = load_signer_key(issuer_key, typed(passphrase_file))
    now = parse_utc(utc_text(SystemClock().utc()))
    require_free(out)
    zone = _zone(timezone)
    number = _counter(counter, milliseconds(now))
    inventory = {} if boxes is None else load_all_box_public_keys(boxes)
    alone = None if box_public is None else load_box_public_keys(box_public)
    listed = with_note_of_ended(
        read_list_file(csv, zone=zone, max_entries=MOST_ENTRIES, issued_at=now), now
    )
    issued = IssuedList(
        list_id, key.signer, purpose, number, now, listed.entries, shrinks_from=shrinks_from
    )
    if alone is None:
        shared = build_shared(issued, key, inventory.values())
        save_shared(shared, out)
        if as_json:
            told = {**shared_json(shared), "notes": _notes(listed)}
            print_json("edge-anpr/lists-shared/1", told)
            return
        say_shared(shared, f"{out}: upload the .list file, then run `edge-anpr lists send {out}`")
    else:
        content = ListContent(
            list_id=list_id,
            site=alone.site,
            box=alone.box,
            issuer=key.signer,
            purpose=purpose,
            counter=number,
            issued_at=now,
            entries=listed.entries,
            shrinks_from=shrinks_from,
        )
        bundle = build_bundle(content, key, alone)
        replace_file(out, bundle)
        facts = facts_of(content, parse_bundle(bundle))
        if as_json:
            print_json("edge-anpr/lists/1", {"lists": [_as_json(facts)], "notes": _notes(listed)})
            return
        _say([facts], zone, as_json=False, next_step=f"bundle: {out}")
    for one in listed.notes:
        typer.echo(f"  note: {one.text}{_lines_text(one.lines)}")


@app.command()
def inspect(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="A bundle, or a folder of `build --boxes`. Default: the lists in force on the box."
        ),
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", help="The site's folder, on the box: open the bundle and check all of it."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a bundle's box, list, counter and digest; never a plate.

    With --site, on the box that it is sealed to, it also shows the issuer, the number of entries,
    when they end, and whether the policy allows the bundle. Nothing is installed.

    Example: edge-anpr lists inspect permits.bundle --site config/school-street
    """
    from edge.cli.lists_shared import read_shared, say_shared, shared_json
    from edge.policy.bundles import parse_bundle
    from edge.site.folder import load_site_folder

    if site is not None:
        folder = load_site_folder(site)
        store = _store(folder.box, folder.policy)
        if bundle is None:
            found, state = [store.facts(list_id) for list_id in store.list_ids], "in force"
        else:
            data = read_bundle(bundle, folder.box)
            found, state = [store.examine(data)], "may be installed"
        _say(found, folder.policy.zone, as_json, state)
        return
    if bundle is None:
        raise UsageError("inspect: give a bundle, or --site for the lists in force there")
    if bundle.is_dir():
        shared = read_shared(bundle)
        if as_json:
            print_json("edge-anpr/lists-shared/1", shared_json(shared))
        else:
            say_shared(shared, "only these boxes can open it")
        return
    cover = parse_bundle(read_bundle(bundle))
    if as_json:
        shown = {name: getattr(cover, name) for name in _COVER}
        print_json("edge-anpr/lists-bundle/1", {"bundle": shown})
        return
    typer.echo(f"list {cover.list_id} for box {cover.box} of {cover.site}, counter {cover.counter}")
    typer.echo(f"sealed to key {cover.box_key_id}, {cover.size} bytes; only that box can open it")
    typer.echo(f"sha256 {cover.sha256}")


@app.command()
def install(
    bundle: Annotated[
        Path, typer.Argument(help="A bundle of `lists build`, or a folder of `build --boxes`.")
    ],
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Put a list in force on the box, in place of the previous one.

    A running box uses it from its next epoch on. The whole bundle is checked first: issuer, box,
    counter, purpose, and each entry against the policy.

    Example: edge-anpr lists install permits.bundle --site config/school-street
    """
    from edge.adapters.state.audit_log import open_box_audit
    from edge.adapters.state.key_files import load_box_keys
    from edge.adapters.state.log_reader import proven_by
    from edge.adapters.state.trusted_policy import signed_policy
    from edge.box.keys import require_separate_keys
    from edge.cli.policy import other_keys
    from edge.site.folder import load_site_folder

    folder = load_site_folder(site)
    data = read_bundle(bundle, folder.box)
    policy = signed_policy(folder, proven_by(folder.box))
    require_separate_keys(policy, other_keys(site, policy))
    with open_box_audit(folder.box, load_box_keys(folder.keys_folder)) as audit:
        facts = _store(folder.box, policy, audit).install(data)
    _say([facts], policy.zone, as_json, "in force from the next epoch on")


_COVER = ("list_id", "site", "box", "counter", "box_key_id", "sha256", "size")


def _store(box: BoxFolders, policy: Policy, audit: AuditTrail | None = None) -> ListStore:
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.key_files import load_box_keys
    from edge.adapters.state.list_store import ListStore
    from edge.policy.bundles import list_terms

    keys, terms = load_box_keys(box.keys), list_terms(policy)
    if audit is None:
        return ListStore(box.state, keys, terms, SystemClock().utc)
    return ListStore(box.state, keys, terms, SystemClock().utc, audit.append, audit.proven)


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


def read_bundle(bundle: Path, box: BoxFolders | None = None) -> bytes:
    """The content of a bundle's file.

    Args:
        bundle: the file; or, for a box, a folder of `build --boxes`.
        box: the box whose manifest of such a folder is taken, with the body.

    Raises:
        ConfigError: there is none, it cannot be read, or it is another kind of file.
    """
    from edge.adapters.state.state_folder import read_file
    from edge.cli.lists_shared import bundle_of
    from edge.policy.bundle_format import ListBundleError
    from edge.policy.bundles import MAX_BUNDLE_BYTES

    cure = "give a bundle made by `edge-anpr lists build`"
    if bundle.is_dir() and box is not None:
        return bundle_of(bundle, box)
    if bundle.is_dir():
        raise ConfigError(f"{bundle}: a folder; {cure}")
    data = read_file(bundle, MAX_BUNDLE_BYTES)
    if data is None:
        raise ConfigError(f"{bundle}: no such file; {cure}")
    if not data.startswith(b"{"):
        raise ListBundleError(f"{bundle}: not a bundle; {cure}")
    return data


def _notes(listed: ListFile) -> list[dict[str, object]]:
    return [
        {"what": one.what, "text": one.text, "count": len(one.lines), "lines": list(one.lines)}
        for one in listed.notes
    ]


def _lines_text(lines: Sequence[int]) -> str:
    """Where a note belongs: the number of lines and the first of them; empty for a whole file."""
    if not lines:
        return ""
    first = ", ".join(map(str, lines[:SHOWN_LINES]))
    more = ", …" if len(lines) > SHOWN_LINES else ""
    return f" ({len(lines)} line{'s' if len(lines) > 1 else ''}: {first}{more})"


def _say(found: Sequence[ListFacts], zone: ZoneInfo, as_json: bool, next_step: str) -> None:
    if as_json:
        print_json("edge-anpr/lists/1", {"lists": [_as_json(facts) for facts in found]})
        return
    for facts in found:
        typer.echo(
            f"list {facts.list_id} for box {facts.box} of {facts.site}: {_count(facts.entries)} "
            f"for {facts.purpose}, issued by {facts.issuer} {facts.issued_at:%Y-%m-%d %H:%M} UTC"
        )
        if facts.first_end is not None and facts.last_end is not None:
            first, last = (
                f"{end.astimezone(zone):%Y-%m-%d %H:%M}"
                for end in (facts.first_end, facts.last_end)
            )
            span = f"end {last}" if first == last else f"end from {first} to {last}"
            typer.echo(f"  its entries {span} ({zone.key})")
        typer.echo(f"  counter {facts.counter}, sha256 {facts.sha256}")
        typer.echo(f"  {next_step}")


def _count(entries: int) -> str:
    return quantity(entries, "entry", "entries")


def _as_json(facts: ListFacts) -> dict[str, object]:
    return {
        name: time_text(value) if isinstance(value, datetime) else value
        for name, value in asdict(facts).items()
    }
