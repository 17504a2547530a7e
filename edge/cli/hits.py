"""`edge-anpr hits`: receive, open, review and delete hits at the authority."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.hits_tail import tail
from edge.cli.logs import print_error
from edge.cli.options import (
    AuthorityKeysOption,
    BoxKeysOption,
    JsonOption,
    PassphraseFileOption,
    PoliciesOption,
    StoreOption,
)
from edge.cli.output import note, place_text, print_json, time_text
from edge.errors import EdgeError, OutboxError
from edge.formats.identifiers import typed_id
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.authority.policies import SignedPolicies
    from edge.authority.store import HitStore, RuleStatistics, StoredHit
    from edge.privacy.hit import Hit
    from edge.privacy.sealing import Picture

REJECT_HELP = "misread, wrong-vehicle, exempt, no-offence, unusable-picture or duplicate."

app = typer.Typer(
    no_args_is_help=True,
    help="Receive, open, review and delete hits, at the authority.\n\n"
    "[bold]tail[/bold] receives sealed hits and stores each once. [bold]open[/bold] opens them "
    "with the authority's private key. [bold]review[/bold] records a person's decision. "
    "[bold]purge[/bold] deletes. The box cannot ensure that a hit is reviewed, deleted in time or "
    "used for its purpose only: that is the authority's own duty.\n\n"
    "Example: edge-anpr hits tail --broker mqtt.example:8883 --tls --store hits "
    "--box-keys boxes --keys authority",
)


app.command()(tail)


@app.command("list")
def list_hits(store: StoreOption, as_json: JsonOption = False) -> None:
    """List the stored hits, still sealed: time, place, rule and review.

    Example: edge-anpr hits list --store hits
    """
    from edge.authority.store import HitStore

    with HitStore.open(store) as inbox:
        found = inbox.hits()
        aside = len(inbox.aside())
    if as_json:
        rows = [_row(hit) for hit in found]
        print_json("edge-anpr/hits-list/1", {"hits": rows, "set_aside": aside})
        return
    for hit in found:
        typer.echo(
            f"{hit.observed_at:%Y-%m-%d %H:%M:%S}Z  {hit.site}/{hit.box}/{hit.camera}  "
            f"{hit.rule}  {hit.hit_id}  {_state(hit)}"
        )
    typer.echo(f"{quantity(len(found), 'hit')}, {aside} set aside")


@app.command("open")
def open_hits(
    store: StoreOption,
    box_keys: BoxKeysOption,
    keys: AuthorityKeysOption,
    out: Annotated[
        Path, typer.Option("--out", help="A folder that only you can read (mode 0700).")
    ],
    hits: Annotated[
        list[str] | None,
        typer.Argument(
            parser=typed_id, metavar="[HIT]...", help="Ids of hits, or their first characters."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Open every stored hit.")] = False,
    policies: PoliciesOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open hits: write OUT/HIT/hit.json with the plate in clear, and the pictures.

    `masked_by` says of each picture what decided which part of it is shown: `meaning` (the scene
    parser) or `geometry` (the plate's size and place alone, which shows less). `shows` is `vehicle`
    for a picture of a rule of level `driver` in which no driver could be shown, for example because
    the windscreen is not seen from ahead, and null for every other one. `taken_at` gives the
    time of each picture. `approved` is there if the policy names a picture of the empty place:
    `place.jpg` was made and approved beforehand, on the day that it says, and nothing of the moment
    of the hit is in it. For a rule that needs movement, `first` and `last` show one part of the
    view at two times. `vehicle` has the probabilities of its kind and colour; they are empty if
    they are not known.

    With --policies each hit is compared with the signed policy that it names: camera, date, hours,
    competence, certainty and pictures. One that the policy does not allow is opened too, so that
    you can look into it, but marked: do not confirm it. Without --policies nothing is compared.

    Signature and seal are verified first. Nothing is written for an altered hit. Each
    opening is entered in the store's audit log before anything is shown. The stored hit stays
    sealed. Delete OUT when you are done: purge does not delete it.

    Example: edge-anpr hits open --all --store hits --box-keys boxes --keys authority --out opened
    """
    from edge.adapters.host.system import SystemClock
    from edge.adapters.state.audit_log import AuditTrail
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.authority.opening import as_json as opened_json
    from edge.authority.opening import open_hit, require_own, write_opened
    from edge.authority.policies import SignedPolicies
    from edge.authority.store import HitStore
    from edge.cli.passphrase import typed
    from edge.privacy.audit_events import Unsealed
    from edge.privacy.checkpoints import authority_log

    if bool(hits) == every:
        raise typer.BadParameter("name hits, or give --all", param_hint="HIT")
    own = load_authority_private_keys(keys, typed(passphrase_file))
    boxes = load_all_box_public_keys(box_keys)
    signed = None if policies is None else SignedPolicies(policies)
    opened: list[dict[str, object]] = []
    failed: list[tuple[str, EdgeError]] = []
    log, clock = authority_log(own.authority), SystemClock()
    with contextlib.ExitStack() as cleanup:
        inbox = cleanup.enter_context(HitStore.open(store))
        chosen = [hit.hit_id for hit in inbox.hits()] if every else list(hits or ())
        require_own(_payloads(inbox, chosen), own, keys)
        audit = cleanup.enter_context(
            AuditTrail.open(
                store, log, own.newest, clock.utc, known=own.public_keys(), key_folder=keys
            )
        )
        for hit_id in chosen:
            try:
                one = open_hit(inbox.payload(hit_id), boxes, own)
                audit.append(Unsealed(one.hit.hit_id))
                files = write_opened(one, out)
            except EdgeError as error:
                failed.append((hit_id, _with_keys(error, box_keys)))
                continue
            content = opened_json(one)
            opened.append(
                {
                    "hit_id": one.hit.hit_id,
                    "rule": one.hit.rule,
                    "not_allowed": _not_allowed(signed, one.hit, one.content.pictures),
                    "plate": content["plate"],
                    "masked_by": content["masked_by"],
                    "shows": content["shows"],
                    "taken_at": content["taken_at"],
                    **{name: content[name] for name in ("approved",) if name in content},
                    "vehicle": content["vehicle"],
                    "json": str(files.document),
                    "images": [str(picture) for picture in files.pictures],
                }
            )
    if as_json:
        errors = [{"hit_id": hit_id, "error": str(why)} for hit_id, why in failed]
        compared = signed is not None
        print_json(
            "edge-anpr/hits-open/1", {"opened": opened, "failed": errors, "compared": compared}
        )
    else:
        _tell(opened)
    if signed is None and opened:
        note(_NOT_COMPARED)
    if failed:
        for _, why in failed[:-1]:
            print_error(why)
        raise failed[-1][1]


def _tell(opened: Sequence[dict[str, object]]) -> None:
    """Print a line for each opened hit, and what to look at."""
    for row in opened:
        typer.echo(
            f"{row['hit_id']}  {row['rule']}  {row['plate']}  {_vehicle_text(row)}"
            f"{_mask_text(row)}{row['json']}"
        )
        for line in (*_times(row), *_approvals(row)):
            typer.echo(line)
        if row["not_allowed"] is not None:
            typer.echo(f"  do not confirm it: {row['not_allowed']}")


_NOT_COMPARED = (
    "the hits were not compared with the signed policy: whoever has the key of a box can sign any "
    "hit; give --policies"
)


def _not_allowed(
    signed: SignedPolicies | None, hit: Hit, pictures: Sequence[Picture]
) -> str | None:
    """Why the signed policy does not allow a hit; None if it does, or is not compared."""
    from edge.errors import PolicyError

    try:
        if signed is not None:
            signed.require_allowed(hit, pictures)
    except PolicyError as error:
        return error.message
    return None


def _mask_text(row: dict[str, object]) -> str:
    """What decided which part of the vehicle is shown, if there is a picture of it that says so."""
    masks, shows = row["masked_by"], row["shows"]
    assert isinstance(masks, dict)  # noqa: S101 - `opened_json` makes it
    assert isinstance(shows, dict)  # noqa: S101 - as above
    method, level = masks.get("vehicle.jpg"), shows.get("vehicle.jpg")
    if method is None:
        return ""
    told = "" if level is None else f", at level {level}: no driver could be shown"
    return f"vehicle shown by {method}{told}  "


def _times(row: dict[str, object]) -> Iterator[str]:
    """A line for each picture, oldest first, if they were taken at several times."""
    taken = row["taken_at"]
    assert isinstance(taken, dict)  # noqa: S101 - `opened_json` makes it
    known = {name: moment for name, moment in taken.items() if moment is not None}
    if len(set(known.values())) > 1:
        for name in sorted(known, key=lambda one: (known[one], one)):
            yield f"  {known[name]}  {name}"


def _approvals(row: dict[str, object]) -> Iterator[str]:
    """A line for a picture that is not from the moment of the hit."""
    approved = row.get("approved", {})
    assert isinstance(approved, dict)  # noqa: S101 - `opened_json` makes it
    for name, day in approved.items():
        yield f"  {name}: {place_text(day)}"


def _vehicle_text(row: dict[str, object]) -> str:
    """The most probable kind and colour of the vehicle, with their probabilities."""
    vehicle = row["vehicle"]
    assert isinstance(vehicle, dict)  # noqa: S101 - `opened_json` makes it
    best = [next(iter(vehicle[of].items()), None) for of in ("kinds", "colours")]
    told = ", ".join(f"{name} {share:.0%}" for name, share in filter(None, best))
    return f"{told}  " if told else "kind and colour unknown  "


def _with_keys(error: EdgeError, box_keys: Path) -> EdgeError:
    """The error; that of a wrong signature also names the folder of the box's keys."""
    if error.code != "E_SIGNATURE":
        return error
    text = f"{error.message}; or --box-keys ({box_keys}) names the keys of another box"
    return type(error)(text, code=error.code)


def _payloads(inbox: HitStore, hit_ids: list[str]) -> Iterator[bytes]:
    """The stored hits of these ids; an id that names no hit is reported when it is opened."""
    for hit_id in hit_ids:
        with contextlib.suppress(EdgeError):
            yield inbox.payload(hit_id)


@app.command()
def review(
    hit: Annotated[
        str,
        typer.Argument(
            parser=typed_id, metavar="HIT", help="The id of a hit, or its first characters."
        ),
    ],
    store: StoreOption,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="A person agrees with the hit.")
    ] = False,
    reject: Annotated[
        str | None, typer.Option("--reject", metavar="REASON", help=REJECT_HELP)
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Replace an earlier decision on this hit.")
    ] = False,
    policies: PoliciesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a person's decision on a hit. The error statistics come from these decisions.

    Reasons are a closed list, because free text could hold a plate or a name. A second decision on
    the same hit is refused unless --again replaces the first.

    With --policies a hit is confirmed only if the signed policy that it names allows it: camera,
    date, hours, competence and certainty. Its pictures are compared when it is opened.

    Example: edge-anpr hits review 3f9a --reject misread --store hits
    """
    from edge.adapters.host.system import SystemClock
    from edge.authority.policies import SignedPolicies
    from edge.authority.store import HitStore, Reason
    from edge.privacy.hit import parse_hit

    if confirm == (reject is not None):
        raise typer.BadParameter("give --confirm or --reject REASON", param_hint="review")
    reason = None
    if reject is not None:
        if reject not in {each.value for each in Reason}:
            allowed = ", ".join(each.value for each in Reason)
            raise typer.BadParameter(f"one of: {allowed}", param_hint="--reject")
        reason = Reason(reject)
    with HitStore.open(store) as inbox:
        if confirm and policies is not None:
            SignedPolicies(policies).require_allowed(parse_hit(inbox.payload(hit)))
        elif confirm:
            note(_NOT_COMPARED)
        inbox.review(hit, reason, SystemClock().utc(), again=again)
        reviewed = inbox.find(hit)
    if as_json:
        print_json("edge-anpr/hits-review/1", _row(reviewed))
    else:
        typer.echo(f"{reviewed.hit_id}  {_state(reviewed)}")


@app.command()
def stats(store: StoreOption, as_json: JsonOption = False) -> None:
    """Show how often reviewed hits were wrong, by rule, with a 95 % interval.

    Reviews of hits that were purged later still count.

    Example: edge-anpr hits stats --store hits
    """
    from edge.authority.store import HitStore

    with HitStore.open(store) as inbox:
        rules = inbox.statistics()
    if as_json:
        figures = {rule.rule: _figures(rule) for rule in rules}
        print_json("edge-anpr/hits-stats/1", {"rules": figures})
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
        int,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="Age of the hits to delete, in days since they were observed.",
        ),
    ],
    clock_is_right: Annotated[
        bool,
        typer.Option(
            "--clock-is-right", help="You have compared this machine's clock, and it is right."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete hits that were observed more than DAYS ago. Counts of their reviews stay.

    If this machine's clock is more than a week ahead of the last run and of every hit, or behind
    them, only hits that are due by those times are deleted (`E_RETENTION_CLOCK`). Correct the
    clock; if it is right, confirm it with --clock-is-right. Let a timer run it every day.

    The space in the file is overwritten. Opened copies, backups and older blocks of the disk are
    not.

    Example: edge-anpr hits purge --older-than 30 --store hits
    """
    from datetime import timedelta

    from edge.adapters.host.system import SystemClock
    from edge.authority.store import HitStore
    from edge.privacy.retention_clock import clock_words

    now = SystemClock().utc()
    with HitStore.open(store) as inbox:
        purged = inbox.purge(timedelta(days=older_than), now, confirmed=clock_is_right)
    if as_json:
        facts = {"purged": purged.hits, "clock": purged.time.state.value}
        print_json("edge-anpr/hits-purge/1", facts)
    else:
        typer.echo(f"{quantity(purged.hits, 'hit')} deleted")
    if purged.time.doubted:
        command = f"hits purge --older-than {older_than}"
        raise OutboxError(clock_words(purged.time, now, command), code="E_RETENTION_CLOCK")


def _row(hit: StoredHit) -> dict[str, object]:
    return {
        "hit_id": hit.hit_id,
        "site": hit.site,
        "box": hit.box,
        "camera": hit.camera,
        "rule": hit.rule,
        "observed_at": time_text(hit.observed_at, timespec="milliseconds"),
        "stored_at": time_text(hit.stored_at, timespec="milliseconds"),
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
