"""`edge-anpr desk request`: requests of people about themselves, answered from cases only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, PersonFileOption, day_of
from edge.cli.options import (
    AuthorityKeysOption,
    BoxKeysOption,
    JsonOption,
    KeysPassphraseFileOption,
)
from edge.cli.output import note, print_json, time_text
from edge.formats.identifiers import typed_id
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.desk.accounts import ActingPerson
    from edge.desk.folder import DeskFolder
    from edge.desk.request_terms import PersonRequest
    from edge.desk.requests import PersonRequests
    from edge.domain.plates import PlateText

app = typer.Typer(
    no_args_is_help=True,
    help="Requests of people about their vehicle: access, rectification, erasure, objection.\n\n"
    "A clerk [bold]open[/bold]s a request for one site and at most 31 days, with the number of the "
    "file and how the person proved that the vehicle is hers. For more than 7 days another person "
    "[bold]approve[/bold]s it. [bold]answer[/bold] asks for the plate, compares it with the cases "
    "of that site and time, and writes the answer in four languages. Each of these steps and each "
    "case that is shown is in the audit log, with the clerk; no plate is.\n\n"
    "Example: edge-anpr desk request list --desk desk",
)

RequestArgument = Annotated[
    str,
    typer.Argument(
        parser=typed_id, metavar="REQUEST", help="The id of a request, as `list` shows it."
    ),
]


@app.command("open")
def open_request(
    desk: DeskOption,
    acting: ActingOption,
    asks: Annotated[
        str, typer.Option("--asks", help="access, rectification, erasure or objection.")
    ],
    reference: Annotated[
        str, typer.Option("--reference", metavar="NUMBER", help="Of the file, such as DSR-2026/17.")
    ],
    proof: Annotated[
        str,
        typer.Option(
            "--proof",
            help="What shows that the vehicle is hers: registration, lease or mandate.",
        ),
    ],
    site: Annotated[str, typer.Option("--site", metavar="ID", help="The site that she names.")],
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day, local time.")],
    last: Annotated[str, typer.Option("--until", metavar="DATE", help="Last day, local time.")],
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a request, without the plate. A clerk may do this ten times a day.

    Example: edge-anpr desk request open --asks access --reference DSR-2026/17 --proof registration
    --site school-street --from 2026-11-02 --until 2026-11-06 --desk desk --as els-clerk
    """
    from edge.desk.request_terms import RequestKind, RequestProof, RequestTerms
    from edge.errors import UsageError

    for option, said, known in (("--asks", asks, RequestKind), ("--proof", proof, RequestProof)):
        if said not in {one.value for one in known}:
            raise UsageError(f"{option}: one of {', '.join(one.value for one in known)}")
    terms = RequestTerms(
        RequestKind(asks),
        reference,
        RequestProof(proof),
        site,
        day_of(first, "--from"),
        day_of(last, "--until"),
    )
    with _acting(desk, acting, passphrase_file) as (_, requests, person):
        _say(requests.open(person, terms), as_json=as_json)


@app.command()
def approve(
    request: RequestArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a request that is not answered yet, as supervisor or data protection officer.

    A request for more than 7 days needs this. So does one that holds a case again which its clerk
    has held before.

    Example: edge-anpr desk request approve 3f9a0c1d2e4b5a67 --desk desk --as jan-maes
    """
    with _acting(desk, acting, passphrase_file) as (_, requests, person):
        _say(requests.approve(person, request), as_json=as_json)


@app.command()
def answer(
    request: RequestArgument,
    desk: DeskOption,
    keys: AuthorityKeysOption,
    box_keys: BoxKeysOption,
    out: Annotated[
        Path,
        typer.Option("--out", help="A folder that only you can read, for answer and pictures."),
    ],
    acting: ActingOption,
    plate_file: Annotated[
        Path | None,
        typer.Option(
            "--plate-file",
            metavar="FILE",
            help="Read the plate from the first line of this file, and not from the terminal.",
        ),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="DIR",
            help="The sites' policies, so that the answer says place, rule, purpose and where to "
            "write in words. Without them it has the ids of the hit.",
            show_default=False,
        ),
    ] = None,
    passphrase_file: PersonFileOption = None,
    keys_passphrase_file: KeysPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a request, once: ask for the plate, compare it with the cases, write the answer.

    It writes OUT/REQUEST/answer.txt in Dutch, French, German and English, and the pictures of each
    case to OUT/HIT. An objection, or a request for rectification, is attached to its cases, which
    then wait for an officer who has not judged them (`desk review HIT --appeal`). A request for
    erasure is attached to those in which an offence was established. Delete OUT once
    the answer is sent. If the command is interrupted, open a new request.

    Example: edge-anpr desk request answer 3f9a0c1d2e4b5a67 --desk desk --keys authority
    --box-keys boxes --policies policies --out answer --as els-clerk
    """
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.adapters.state.state_folder import replace_file
    from edge.authority.opening import write_pictures
    from edge.cli.passphrase import typed
    from edge.desk.policies import newest_policy, read_policies
    from edge.desk.recipients import files_made
    from edge.desk.request_answer import answer_text
    from edge.desk.request_terms import HOME
    from edge.errors import OutboxError, UsageError
    from edge.formats.identifiers import shown_id

    if not re.fullmatch(r"[0-9a-f]{16}", request):
        raise UsageError(f"{shown_id(request)}: no id of a request; see `desk request list`")
    known = {} if policies is None else read_policies(policies)
    # An empty list makes the folder with its mode: a request is answered once, so that the answer
    # can be written is tried first.
    write_pictures(request, (), out)
    opener = load_authority_private_keys(keys, typed(keys_passphrase_file))
    boxes = load_all_box_public_keys(box_keys)
    with _acting(desk, acting, passphrase_file) as (folder, requests, person):
        site = next((one.terms.site for one in requests.list() if one.request_id == request), "")
        policy = newest_policy(known, site)
        zone = HOME if policy is None else policy.zone
        given = requests.answer(person, request, _plate(plate_file), boxes, opener, zone)
        officers = requests.data_protection_officers(given.request.terms.site)
    document = out / request / "answer.txt"
    try:
        with folder.open_database() as database:
            hit_ids = [one.opened.hit.hit_id for one in given.cases]
            made = files_made(database, folder.path, hit_ids)
        files = {
            one.opened.hit.hit_id: [
                f"{one.opened.hit.hit_id}/{file.name}"
                for file in write_pictures(one.opened.hit.hit_id, one.pictures, out)
            ]
            if one.pictures
            else []
            for one in given.cases
        }
        text = answer_text(given, folder.config.authority, officers, files, known, made)
        replace_file(document, text.encode())
    except OutboxError as error:
        raise OutboxError(
            f"{error.message}; then record the request anew with `edge-anpr desk request open`: "
            "this one counts as answered",
            code=error.code,
        ) from None
    note(f"Delete {out} once the answer is sent.")
    if given.unopened:
        note(f"cases that these keys do not open: {given.unopened}; the answer says so")
    if not_held := sum(one.not_held_again for one in given.cases):
        note(
            f"{quantity(not_held, 'case is', 'cases are')} not held anew: such a request holds it "
            "already, or you have "
            "held it before; then have another person approve a new request before you answer it "
            "(`edge-anpr desk request approve`)"
        )
    if as_json:
        print_json(
            "edge-anpr/desk-request-answer/1",
            {
                "request_id": request,
                "file": str(document),
                "cases": [one.opened.hit.hit_id for one in given.cases],
                "unopened": given.unopened,
                "plate_hmac": given.plate_hmac,
            },
        )
        return
    typer.echo(f"{document}  cases: {len(given.cases)}")


@app.command("list")
def list_requests(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List requests and their state, and the cases of each that wait for an officer.

    `hold ended, not judged`: no officer has judged the case in time, and none can now. Record the
    request anew, and have another person approve it before it is answered.

    An answered request is deleted a year after it was recorded.

    Example: edge-anpr desk request list --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder
    from edge.desk.requests import PersonRequests

    folder, utc = open_folder(desk), SystemClock().utc
    with folder.open_database() as database, folder.open_audit(utc) as audit:
        secret = folder.typing_secret(database)
        requests = PersonRequests(database, audit.append, utc, secret)
        rows = [_row(one) for one in requests.list()]
    if as_json:
        print_json("edge-anpr/desk-request-list/1", {"requests": rows})
        return
    for row in rows:
        typer.echo(
            f"{row['request_id']}  {row['reference']}  {row['asks']}  {row['site']}  "
            f"{row['first_day']} to {row['last_day']}  {row['state']}  by {row['opened_by']}"
        )
        for hit_id in row["waiting_cases"]:
            typer.echo(f"  waits for an officer: {hit_id}")
        for hit_id in row["missed_cases"]:
            typer.echo(f"  hold ended, not judged: {hit_id}")


def _plate(file: Path | None) -> PlateText:
    from edge.domain.plates import PlateFormatError, PlateText
    from edge.errors import UsageError

    if file is None:
        said: str = typer.prompt("plate, as the person gave it", err=True)
    else:
        try:
            said = file.read_text("utf-8").split("\n")[0]
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"--plate-file: {file}: cannot be read as text") from None
    try:
        return PlateText.parse(said)
    except PlateFormatError as error:
        raise UsageError(f"the plate: {error}; run the command again") from None


@contextmanager
def _acting(
    desk: Path, name: str, passphrase_file: Path | None
) -> Iterator[tuple[DeskFolder, PersonRequests, ActingPerson]]:
    from edge.desk.requests import PersonRequests

    with acting_at(desk, name, passphrase_file) as at:
        requests = PersonRequests(at.database, at.record, at.utc, at.typing_secret())
        yield at.folder, requests, at.person


def _row(one: PersonRequest) -> dict[str, Any]:
    return {
        "request_id": one.request_id,
        "asks": one.terms.asks.value,
        "reference": one.terms.reference,
        "proof": one.terms.proof.value,
        "site": one.terms.site,
        "first_day": one.terms.first_day.isoformat(),
        "last_day": one.terms.last_day.isoformat(),
        "opened_by": one.opened_by,
        "opened_at": time_text(one.opened_at),
        "approved_by": one.approved_by,
        "state": one.state,
        "waiting_cases": list(one.waiting),
        "missed_cases": list(one.missed),
    }


def _say(one: PersonRequest, *, as_json: bool) -> None:
    if as_json:
        print_json("edge-anpr/desk-request/1", _row(one))
        return
    typer.echo(f"{one.request_id}: {one.state}")
