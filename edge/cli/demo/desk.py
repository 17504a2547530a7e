"""The demo's desk: the hits of the demo, still sealed, and demo people who can review them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
from edge.authority.tail import Receiver
from edge.box import RunProgress
from edge.cli.demo.play import StreetRun, demo_site, run_street
from edge.desk.accounts import ActingPerson
from edge.desk.folder import DeskConfig, DeskFolder, FirstAccount, make_folder
from edge.desk.people import DeskPeople
from edge.desk.receiving import DeskReceiver
from edge.desk.rights import JUDGES, DeskRole, RightScope, RightTerms
from edge.desk.sealed_keys import make_sealed_key
from edge.desk.store.hits import DeskHits
from edge.desk.web.serving import CaseFolders, WhatOpensHits

MANDATE = "DEMO/1"
PEOPLE = (
    ("supervisor", "Sofie Demo", DeskRole.SUPERVISOR),
    ("protection-officer", "Dirk Demo", DeskRole.DATA_PROTECTION_OFFICER),
    ("officer", "Olivia Demo", DeskRole.OFFICER),
    ("second-officer", "Tom Demo", DeskRole.SECOND_OFFICER),
)
"""Name, full name and role of each demo person; the first one makes the desk."""

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
_DAYS = 30


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A person of this demo only."""

    name: str
    role: DeskRole
    passphrase: str = field(repr=False)

    def as_json(self) -> dict[str, str]:
        """The account with its passphrase, which is for this demo only."""
        return {"name": self.name, "role": self.role.value, "passphrase": self.passphrase}


@dataclass(frozen=True, slots=True)
class FilledDesk:
    """A desk with the demo's hits, and what the street and the broker saw."""

    folder: Path
    desk: DeskFolder
    opens: WhatOpensHits
    accounts: tuple[DemoAccount, ...]
    ran: StreetRun


def fill_desk(folder: Path, progress: RunProgress) -> FilledDesk:
    """Run the demo with a desk as the authority. Its hits stay sealed: a person opens each.

    Args:
        folder: a new folder for everything that is made.
        progress: callbacks for progress bars.

    Raises:
        EdgeError: something could not start.
    """
    utc = SystemClock().utc
    site = demo_site(folder)
    boxes = load_all_box_public_keys(site.keys_folder)
    keys = load_authority_private_keys(folder / "authority" / "keys")
    desk, accounts = make_demo_desk(folder, keys.authority)

    @contextmanager
    def receiver() -> Iterator[Receiver]:
        with desk.open_database() as database:
            yield DeskReceiver(DeskHits(database), boxes, keys, utc)

    folders = CaseFolders(folder / "authority" / "keys", site.keys_folder, folder / "box")
    opens = WhatOpensHits(keys, boxes, {site.policy_sha256: site.policy}, folders)
    return FilledDesk(folder, desk, opens, accounts, run_street(site, progress, receiver))


def make_demo_desk(folder: Path, authority: str) -> tuple[DeskFolder, tuple[DemoAccount, ...]]:
    """A desk in `<folder>/desk`, with people whose passphrases are made up for this demo.

    Every right but the first two goes through two people, as on a real desk. The keys with which
    officers sign are kept there, under their passphrases.
    """
    utc = SystemClock().utc
    today = utc().date()
    accounts = tuple(
        DemoAccount(
            name,
            role,
            "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3)),
        )
        for name, _, role in PEOPLE
    )
    names = [full_name for _, full_name, _ in PEOPLE]
    terms = [
        RightTerms(name, role, RightScope(authority), today, today + timedelta(days=_DAYS), MANDATE)
        for name, _, role in PEOPLE
    ]
    first = FirstAccount(PEOPLE[0][0], PEOPLE[0][1], terms[0])
    # A first look needs no passkey: this desk is on this machine only, for a few minutes.
    config = DeskConfig(authority=authority, second_factor="optional")
    desk = make_folder(folder / "desk", config, first, accounts[0].passphrase, utc)
    supervisor, approver = ActingPerson(PEOPLE[0][0]), ActingPerson(PEOPLE[1][0])
    with desk.open_database() as database, desk.open_audit(utc) as audit:
        people = DeskPeople(database, audit.append, utc)
        for account, full_name, term in list(zip(accounts, names, terms, strict=True))[1:]:
            people.add(supervisor, account.name, full_name, account.passphrase)
            people.approve(approver, people.propose(supervisor, term).right_id)
            if account.role in JUDGES:
                acting = ActingPerson(account.name)
                make_sealed_key(database, audit.append, acting, account.passphrase, utc())
    return desk, accounts
