"""`edge-anpr desk people`: accounts at the desk, and rights that need two people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.options import JsonOption
from edge.cli.output import note, print_json, time_text
from edge.formats.identifiers import typed_id

if TYPE_CHECKING:
    from edge.desk.accounts import ActingPerson
    from edge.desk.people import DeskPeople
    from edge.desk.rights import DeskRight

ROLES_HELP = "officer, second-officer, supervisor, data-protection-officer, clerk or auditor."

app = typer.Typer(
    no_args_is_help=True,
    help="Accounts at the desk and their rights.\n\n"
    "A right has a role, limits, two days and a mandate. A supervisor [bold]propose[/bold]s it; it "
    "comes into force when another person [bold]approve[/bold]s it, a supervisor or the data "
    "protection officer. One supervisor is enough to [bold]revoke[/bold]. The person who acts "
    "(--as) proves who she is with her passphrase, and the audit log names her.\n\n"
    "Example: edge-anpr desk people list --desk desk",
)

DeskOption = Annotated[
    Path, typer.Option("--desk", metavar="FOLDER", help="The desk's folder, made by `desk init`.")
]
ActingOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who acts: the name of your account.")
]
PersonFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase of the person who acts from the first line of this file, and "
        "not from the terminal.",
    ),
]
NewPassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--new-passphrase-file",
        metavar="FILE",
        help="Read the new passphrase from the first line of this file; else it is asked for "
        "twice.",
    ),
]
FullNameOption = Annotated[
    str,
    typer.Option("--full-name", metavar="NAME", help="The person's name as on an identity card."),
]
MandateOption = Annotated[
    str,
    typer.Option(
        "--mandate",
        metavar="REFERENCE",
        help="The reference of the decision that gives the mandate, such as GR-2026/114.",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="DATE", help="The last day of the right, at most five years ahead."
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of an account.")]
RightArgument = Annotated[
    str,
    typer.Argument(
        parser=typed_id, metavar="RIGHT", help="The id of a right, as `people list` shows it."
    ),
]


def day_of(text: str, option: str) -> date:
    """A day as `2027-12-31`.

    Raises:
        UsageError: it is none.
    """
    from edge.errors import UsageError

    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise UsageError(f"{option}: write a day as 2027-12-31")
    return day


@contextmanager
def _acting(
    desk: Path, name: str, passphrase_file: Path | None
) -> Iterator[tuple[DeskPeople, ActingPerson]]:
    """The people of a desk, and the person who acts, once she has proved who she is."""
    from edge.desk.people import DeskPeople

    with acting_at(desk, name, passphrase_file) as at:
        yield DeskPeople(at.database, at.record, at.utc), at.person


@app.command("list")
def list_people(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List people and their rights, also those that are proposed, ended or revoked.

    Example: edge-anpr desk people list --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder

    utc = SystemClock().utc
    with open_folder(desk).open_people(utc) as opened:
        people, rights = opened.people(), opened.rights()
    today = utc().date()
    if as_json:
        rows = [
            {
                "name": one.name,
                "full_name": one.full_name,
                "added_by": one.added_by,
                "added_at": time_text(one.added_at),
            }
            for one in people
        ]
        found = [_right_json(right, today) for right in rights]
        print_json("edge-anpr/desk-people/1", {"people": rows, "rights": found})
        return
    for one in people:
        typer.echo(f"{one.name}  {one.full_name}")
        for right in rights:
            if right.terms.person == one.name:
                typer.echo(f"  {_right_line(right, today)}")


@app.command()
def add(
    name: NameArgument,
    full_name: FullNameOption,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    new_passphrase_file: NewPassphraseFileOption = None,
    enrol_on_web: Annotated[
        bool,
        typer.Option(
            "--enrol", help="Without a passphrase: she gets a code, and adds a passkey with it."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an account without rights. The new person types her own passphrase, twice.

    Example: edge-anpr desk people add jan-maes --full-name "Jan Maes" --desk desk --as an-peeters
    """
    from edge.cli.passphrase import chosen
    from edge.desk.accounts import require_names

    require_names(name, full_name)
    with _acting(desk, acting, passphrase_file) as (people, person):
        fresh = (
            None
            if enrol_on_web
            else chosen(new_passphrase_file, whose=f" of {name}", option="--new-passphrase-file")
        )
        added = people.add(person, name, full_name, fresh)
    if as_json:
        print_json("edge-anpr/desk-people-add/1", {"name": added.name, "by": person.name})
    else:
        typer.echo(f"{added.name}: added by {person.name}, without rights")
        then = "enrol" if enrol_on_web else "propose"
        note(f"next: edge-anpr desk people {then} {added.name} --help")


@app.command()
def enrol(
    name: NameArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a code with which a person adds a passkey on the page /enrol, within 15 minutes, once.

    When the passkey is added, every earlier way to log in to the account is removed. So this also
    helps a person who has forgotten her passphrase or lost her authenticators. Whoever has the code
    can log in as the person. Therefore she must have no right: revoke her rights first;
    afterwards two people give them anew.

    Example: edge-anpr desk people enrol jan-maes --desk desk --as an-peeters
    """
    from edge.desk.enrolling import LASTS, make_code

    with acting_at(desk, acting, passphrase_file) as at:
        code = make_code(at.database, at.record, at.person, name, at.utc())
    minutes = LASTS.seconds // 60
    if as_json:
        print_json(
            "edge-anpr/desk-people-enrol/1", {"name": name, "code": code, "minutes": minutes}
        )
    else:
        typer.echo(f"{name}: code {code}, valid for {minutes} minutes and once, on the page /enrol")


@app.command()
def passphrase(
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    new_passphrase_file: NewPassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give yourself a new passphrase.

    Example: edge-anpr desk people passphrase --desk desk --as jan-maes
    """
    from edge.cli.passphrase import chosen
    from edge.desk.people import DeskPeople

    with acting_at(desk, acting, passphrase_file) as at:
        person = at.person
        fresh = chosen(new_passphrase_file, whose=f" of {acting}", option="--new-passphrase-file")
        people = DeskPeople(at.database, at.record, at.utc)
        people.set_passphrase(person, fresh, before=at.passphrase)
    if as_json:
        print_json("edge-anpr/desk-people-passphrase/1", {"name": person.name})
    else:
        typer.echo(f"{person.name}: the new passphrase is valid from now on")


@app.command()
def key(
    desk: DeskOption,
    acting: ActingOption,
    out: Annotated[
        Path, typer.Option("--out", help="A folder of yours for the private key (mode 0700).")
    ],
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key with which you sign findings, under the passphrase of your account.

    The private key stays in OUT; the desk keeps the public one, and the audit log records it. With
    a new key, findings of earlier ones still verify. If you change your passphrase later, change
    that of the key too: `edge-anpr keys protect`.

    Example: edge-anpr desk people key --out my-keys --desk desk --as els-wouters
    """
    from edge.adapters.state.key_files import load_signer_key
    from edge.adapters.state.key_making import new_signer_key
    from edge.desk.personal_keys import add_personal_key

    with acting_at(desk, acting, passphrase_file) as at:
        person, now = at.person, at.utc()
        file = new_signer_key(out, person.name, now, passphrase=at.passphrase)
        public = load_signer_key(file, lambda _: at.passphrase).public
        add_personal_key(at.database, at.record, person, public, now)
    if as_json:
        print_json(
            "edge-anpr/desk-people-key/1",
            {
                "name": person.name,
                "key_id": public.key_id,
                "public": public.text,
                "file": str(file),
            },
        )
    else:
        typer.echo(f"{file}: {person.name} signs findings with key {public.key_id}")


@app.command()
def keys(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List the keys and passkeys of all people, also those that were revoked.

    Example: edge-anpr desk people keys --desk desk
    """
    from edge.desk.folder import open_folder
    from edge.desk.personal_keys import all_keys

    with open_folder(desk).open_database() as database:
        found = all_keys(database)
    if as_json:
        rows = [
            {
                "person": one.person,
                "key_id": one.key.key_id,
                "public": one.key.text,
                "name": one.name or None,
                "added_at": time_text(one.added_at),
                "revoked_at": None if one.revoked_at is None else time_text(one.revoked_at),
            }
            for one in found
        ]
        print_json("edge-anpr/desk-people-keys/1", {"keys": rows})
        return
    for one in found:
        kind = f"passkey {one.name}" if one.name else "key"
        end = "" if one.revoked_at is None else f", revoked {time_text(one.revoked_at)}"
        typer.echo(f"{one.person}  {one.key.key_id}  {kind}, added {time_text(one.added_at)}{end}")
        typer.echo(f"  {one.key.text}")


@app.command("revoke-key")
def revoke_key_of(
    key_id: Annotated[
        str,
        typer.Argument(
            parser=typed_id, metavar="KEY", help="The id of a key, as `people keys` shows it."
        ),
    ],
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key or passkey that was lost: your own, or as a supervisor that of somebody else.

    It signs no more findings, and a passkey logs nobody in. Findings that it signed before stay
    valid.

    Example: edge-anpr desk people revoke-key 3f9a0c1d2e4b5a67 --desk desk --as an-peeters
    """
    from edge.desk.key_revoking import DeskKeys

    with acting_at(desk, acting, passphrase_file) as at:
        by = at.person
        person = DeskKeys(at.database, at.record, at.utc).revoke(by, key_id)
    if as_json:
        values = {"person": person, "key_id": key_id, "by": by.name}
        print_json("edge-anpr/desk-people-revoke-key/1", values)
    else:
        typer.echo(f"{person}: key {key_id} is revoked")


@app.command()
def propose(
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help=ROLES_HELP)],
    mandate: MandateOption,
    until: Annotated[
        str,
        typer.Option(
            "--until", metavar="DATE", help="The last day of the right, at most five years ahead."
        ),
    ],
    desk: DeskOption,
    acting: ActingOption,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day of the right. Default: today."),
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", metavar="ID", help="Only for this site.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="ID", help="Only for this rule.")
    ] = None,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a right for a person. It is in force once another person has approved it.

    Example: edge-anpr desk people propose jan-maes --role officer --site school-street
    --mandate GR-2026/114 --until 2027-12-31 --desk desk --as an-peeters
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.folder import open_folder
    from edge.desk.rights import DeskRole, RightScope, RightTerms
    from edge.errors import UsageError

    if role not in {each.value for each in DeskRole}:
        raise UsageError(f"--role: one of {', '.join(each.value for each in DeskRole)}")
    today = SystemClock().utc().date()
    terms = RightTerms(
        name,
        DeskRole(role),
        RightScope(open_folder(desk).config.authority, site, rule),
        today if first is None else day_of(first, "--from"),
        day_of(until, "--until"),
        mandate,
    )
    terms.require_valid()
    with _acting(desk, acting, passphrase_file) as (people, person):
        _print(people.propose(person, terms), today, as_json=as_json)


@app.command()
def approve(
    right: RightArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a right that another person has proposed, after you have read it in `people list`.

    Example: edge-anpr desk people approve 3f9a0c1d2e4b5a67 --desk desk --as dpo
    """
    from edge.adapters.host.system import SystemClock

    with _acting(desk, acting, passphrase_file) as (people, person):
        _print(people.approve(person, right), SystemClock().utc().date(), as_json=as_json)


@app.command()
def revoke(
    right: RightArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a right at once. One supervisor is enough, because it takes a right away.

    Example: edge-anpr desk people revoke 3f9a0c1d2e4b5a67 --desk desk --as an-peeters
    """
    from edge.adapters.host.system import SystemClock

    with _acting(desk, acting, passphrase_file) as (people, person):
        _print(people.revoke(person, right), SystemClock().utc().date(), as_json=as_json)


def _print(right: DeskRight, today: date, *, as_json: bool) -> None:
    if as_json:
        print_json("edge-anpr/desk-right/1", _right_json(right, today))
        return
    typer.echo(f"{right.terms.person}  {_right_line(right, today)}")
    if right.state(today) == "proposed":
        note(f"next: another person: edge-anpr desk people approve {right.right_id} --help")


def _right_line(right: DeskRight, today: date) -> str:
    terms = right.terms
    return (
        f"{right.right_id}  {terms.role.value}  {terms.scope}  {terms.first_day} to "
        f"{terms.last_day}  {terms.mandate}  {right.state(today)}"
    )


def _right_json(right: DeskRight, today: date) -> dict[str, object]:
    terms = right.terms
    return {
        "right": right.right_id,
        "person": terms.person,
        "role": terms.role.value,
        "authority": terms.scope.authority,
        "site": terms.scope.site,
        "rule": terms.scope.rule,
        "first_day": terms.first_day.isoformat(),
        "last_day": terms.last_day.isoformat(),
        "mandate": terms.mandate,
        "state": right.state(today),
        "proposed_by": right.proposed_by,
        "approved_by": right.approved_by,
        "revoked_by": right.revoked_by,
        "alone": right.alone,
        "sha256": terms.sha256(),
    }
