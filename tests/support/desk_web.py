"""A desk's web application for tests, with its clock and one browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape

from sqlalchemy import insert
from starlette.testclient import TestClient

from edge.adapters.state.audit_log import read_log
from edge.desk.accounts import ActingPerson
from edge.desk.folder import DeskFolder
from edge.desk.passkey_keys import RelyingParty
from edge.desk.people import DeskPeople
from edge.desk.rights import DeskRight, DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import DECISION, HIT
from edge.desk.web.calls import WebDesk
from edge.desk.web.serving import WhereToServe, web_desk
from edge.formats.timestamps import utc_text
from edge.privacy.audit_events import SessionChanged
from edge.privacy.checkpoints import desk_log
from edge.texts import Language, catalogue
from tests.support.desks import FIRST, NOW, passphrase_of, terms
from tests.support.parties import AUTHORITY, SITE

OFFICER = "jan-maes"
SECOND = "els-claes"


PARTY = RelyingParty("localhost", "http://localhost:8010")
HERE = WhereToServe("127.0.0.1", 8010)


@contextmanager
def opened(
    desk: DeskFolder,
    utc: Callable[[], datetime],
    party: RelyingParty | None = PARTY,
    where: WhereToServe = HERE,
) -> Iterator[WebDesk]:
    """What the pages of a desk share, with its database and log."""
    with desk.open_database() as database, desk.open_audit(utc) as audit:
        yield web_desk(desk, database, audit.append, utc, party, where)


@dataclass
class Web:
    """A desk's application, its clock, and one browser."""

    folder: DeskFolder
    database: DeskDatabase
    people: DeskPeople
    now: datetime
    client: TestClient
    status: int = 0

    def log_in(self, name: str = FIRST, passphrase: str | None = None) -> str:
        """Log in; returns the page that follows."""
        return self.post(
            "/login",
            name=name,
            passphrase=passphrase_of(name) if passphrase is None else passphrase,
        )

    def post(self, path: str, *, page: str | None = None, **fields: str) -> str:
        token = re.search(r'name="token" value="(\w+)"', self.client.get(page or path).text)
        assert token is not None
        answer = self.client.post(path, data={"token": token[1], **fields})
        self.status = answer.status_code
        return answer.text

    def give(
        self, person: str, role: DeskRole, *, site: str | None = None, rule: str | None = None
    ) -> DeskRight:
        """Give a right that two people have approved."""
        right = self.people.propose(ActingPerson(FIRST), terms(person, role, site=site, rule=rule))
        return self.people.approve(ActingPerson(SECOND), right.right_id)

    def events(self) -> list[SessionChanged]:
        log = read_log(self.folder.path, origin=desk_log(AUTHORITY))
        return [one.event for one in log.entries if isinstance(one.event, SessionChanged)]


def line_of(page: str) -> str:
    """The one line that a page says."""
    found = re.findall(r'<p class="line" role="alert">(.*?)</p>', page)
    assert len(found) == 1
    return unescape(re.sub("<.*?>", "", found[0]))


def says(key: str, language: Language = "en") -> str:
    """The fixed beginning of a text."""
    return catalogue(language)[f"desk.{key}"].split("{")[0]


def filled(
    database: DeskDatabase, site: str, rule: str, count: int, *, first: datetime = NOW
) -> None:
    """Hits of one site and rule, one a second."""
    rows = [
        {
            "hit_id": f"{abs(hash((site, rule))) % 16**8:08x}{number:024x}",
            "day": "2026-12-01",
            "site": site,
            "box": "box-1",
            "camera": "cam-1",
            "rule": rule,
            "counter": number,
            "human_check_required": True,
            "observed_at": utc_text(first + timedelta(seconds=number)),
            "stored_at": utc_text(first),
            "payload": b"sealed",
        }
        for number in range(count)
    ]
    with database.writing() as connection:
        connection.execute(insert(HIT), rows)


def decided(
    database: DeskDatabase,
    count: int,
    outcome: str = "confirmed",
    reading: str = "exact",
    **changed: str,
) -> None:
    """Decisions with everything else in common."""
    row = {
        "month": "2026-10", "site": SITE, "camera": "cam-1", "rule": "stolen", "light": "day",
        "outcome": outcome, "reading": reading, **changed,
    }  # fmt: skip
    base = abs(hash(tuple(sorted(row.items())))) % 16**8
    rows = [{"hit_id": f"{base:08x}{number:024x}", **row} for number in range(count)]
    with database.writing() as connection:
        connection.execute(insert(DECISION), rows)
