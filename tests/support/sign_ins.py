"""A desk on which people log in, for tests of logins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edge.adapters.state.audit_log import read_log
from edge.desk.accounts import ActingPerson, DeskPerson, hashed, insert_person
from edge.desk.enrolling import make_code
from edge.desk.folder import DeskFolder
from edge.desk.sign_in import DeskSignIn
from edge.desk.web.calls import WebDesk
from edge.privacy.audit_events import (
    Event,
)
from edge.privacy.checkpoints import desk_log
from tests.support.authenticator import Authenticator
from tests.support.desk_web import PARTY
from tests.support.desks import FIRST, NOW
from tests.support.parties import AUTHORITY

HERE, ELSEWHERE = "the cookie of a browser", "the cookie of another browser"
PASSPHRASE = "a long passphrase that all share"
HASHED = hashed(PASSPHRASE)


@dataclass
class SignInPlace:
    """A desk that is served, with a clock that tests set. Each test has people of its own."""

    folder: DeskFolder
    web: WebDesk = field(init=False)
    now: datetime = NOW

    def utc(self) -> datetime:
        return self.now

    @property
    def sign_in(self) -> DeskSignIn:
        return self.web.sign_in

    def person(self, name: str, *, passphrase: bool = False) -> ActingPerson:
        with self.web.database.writing() as connection:
            added = DeskPerson(name, name.title(), FIRST, self.now)
            insert_person(connection, added, HASHED if passphrase else None)
        return ActingPerson(name)

    def with_passkey(self, name: str, *, passphrase: bool = False) -> Authenticator:
        """A new person with a passkey."""
        person, made = self.person(name, passphrase=passphrase), Authenticator(PARTY.origin)
        self.add(person, made)
        return made

    def add(self, person: ActingPerson, made: Authenticator) -> tuple[str, ...]:
        answer = made.create(self.sign_in.creation(person, HERE, "desk"))
        return self.sign_in.add_passkey(person, "blue key", answer, HERE)

    def log_in(self, made: Authenticator) -> str:
        return self.sign_in.with_passkey(made.get(self.sign_in.login_options(HERE)), HERE).name

    def events(self) -> list[Event]:
        log = read_log(self.folder.path, origin=desk_log(AUTHORITY))
        return [one.event for one in log.entries]

    def code(self, person: str, by: str = FIRST) -> str:
        record = self.web.people._record
        return make_code(self.web.database, record, ActingPerson(by), person, self.now)
