"""`edge-anpr desk people link` and its companions: accounts at a provider that log people in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.desk_acting import acting_at
from edge.cli.desk_people import ActingOption, DeskOption, NameArgument, PersonFileOption
from edge.cli.options import JsonOption
from edge.cli.output import note, print_json, time_text
from edge.formats.identifiers import typed_id

if TYPE_CHECKING:
    from edge.desk.account_links import AccountLink, AccountLinks
    from edge.desk.accounts import ActingPerson

LinkArgument = Annotated[
    str,
    typer.Argument(
        parser=typed_id, metavar="LINK", help="The id of a link, as `people links` shows it."
    ),
]


@contextmanager
def _acting(
    desk: Path, name: str, passphrase_file: Path | None
) -> Iterator[tuple[AccountLinks, ActingPerson]]:
    """The links of a desk, and the person who acts, once she has proved who she is."""
    from edge.desk.account_links import AccountLinks

    with acting_at(desk, name, passphrase_file) as at:
        yield AccountLinks(at.database, at.record, at.utc), at.person


def link(
    name: NameArgument,
    subject: Annotated[
        str,
        typer.Option(
            "--subject",
            metavar="SUB",
            help="The subject (sub) of her account at the provider in section oidc of desk.json.",
        ),
    ],
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose that an account at the authority's provider logs in a person (OpenID Connect).

    It logs her in once another person has approved the link. Whoever has the account becomes the
    person at the desk, so copy the subject from the provider, and compare it.

    Example: edge-anpr desk people link jan-maes --subject 7f3c21 --desk desk --as an-peeters
    """
    from edge.desk.folder import open_folder
    from edge.errors import ConfigError

    config = open_folder(desk).config.oidc
    if config is None:
        raise ConfigError(
            f"{desk}: desk.json has no section oidc, which names the provider; add it as "
            "docs/desk.md shows",
            code="E_OIDC",
        )
    with _acting(desk, acting, passphrase_file) as (links, person):
        made = links.propose(person, name, config.issuer, subject)
    _print(made, as_json=as_json)
    if not as_json:
        note(f"next: another person: edge-anpr desk people approve-link {made.link_id} --help")


def approve_link(
    link_id: LinkArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a link that another person has proposed, after you have compared its subject.

    Example: edge-anpr desk people approve-link 3f9a0c1d2e4b5a67 --desk desk --as dpo
    """
    with _acting(desk, acting, passphrase_file) as (links, person):
        _print(links.approve(person, link_id), as_json=as_json)


def unlink(
    link_id: LinkArgument,
    desk: DeskOption,
    acting: ActingOption,
    passphrase_file: PersonFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a link or a proposal: your own, or as a supervisor that of somebody else.

    Example: edge-anpr desk people unlink 3f9a0c1d2e4b5a67 --desk desk --as an-peeters
    """
    with _acting(desk, acting, passphrase_file) as (links, person):
        gone = links.remove(person, link_id)
    if as_json:
        values = {"link": gone.link_id, "person": gone.person, "by": person.name}
        print_json("edge-anpr/desk-people-unlink/1", values)
    else:
        typer.echo(f"{gone.person}: link {gone.link_id} is removed; its account logs in nobody")


def list_links(desk: DeskOption, as_json: JsonOption = False) -> None:
    """List the accounts at providers that log people in, also those that are only proposed.

    Example: edge-anpr desk people links --desk desk
    """
    from edge.adapters.host.system import SystemClock
    from edge.desk.account_links import AccountLinks
    from edge.desk.folder import open_folder

    with open_folder(desk).open_database() as database:
        found = AccountLinks(database, lambda _: None, SystemClock().utc).all()
    if as_json:
        print_json("edge-anpr/desk-people-links/1", {"links": [_json(one) for one in found]})
        return
    for one in found:
        typer.echo(_line(one))


def _print(one: AccountLink, *, as_json: bool) -> None:
    if as_json:
        print_json("edge-anpr/desk-people-link/1", _json(one))
    else:
        typer.echo(_line(one))


def _line(one: AccountLink) -> str:
    state = "proposed" if one.approved_by is None else f"approved by {one.approved_by}"
    return f"{one.person}  {one.link_id}  {one.issuer} {one.subject}  {state}"


def _json(one: AccountLink) -> dict[str, object]:
    return {
        "link": one.link_id,
        "person": one.person,
        "issuer": one.issuer,
        "subject": one.subject,
        "account_sha256": one.sha256(),
        "proposed_by": one.proposed_by,
        "proposed_at": time_text(one.proposed_at),
        "approved_by": one.approved_by,
        "approved_at": None if one.approved_at is None else time_text(one.approved_at),
    }
