"""A desk's web application in which officers review, each in a browser of her own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from html import unescape

from starlette.testclient import TestClient

from edge.adapters.host.system import random_bytes
from edge.desk.accounts import ActingPerson, hashed
from edge.desk.findings import DeskFinding, parse_finding
from edge.desk.folder import DeskFolder
from edge.desk.passkey_signing import PasskeySigning
from edge.desk.personal_keys import insert_personal_key
from edge.desk.store.tables import PASSWORD, SEALED_KEY
from edge.desk.web.app import desk_app
from edge.desk.web.calls import WebDesk
from edge.desk.web.serving import web_desk
from edge.desk.web.sessions import WebSessions
from edge.formats.signing import SigningKey
from edge.policy.model import Policy
from edge.privacy.key_formats import key_file_bytes
from edge.privacy.key_generation import signer_file
from edge.privacy.protected_keys import protected
from tests.support.desk_web import HERE, PARTY
from tests.support.desks import NOW, passphrase_of
from tests.support.parties import Parties
from tests.support.reviews import OFFICER, OTHER, SECOND, ReviewRoom, who


@cache
def _hash_of(person: str) -> str:
    return hashed(passphrase_of(person))


@cache
def _key_of(person: str) -> tuple[SigningKey, bytes]:
    """A key and its sealed file; made once, because scrypt takes its time."""
    key = SigningKey.generate(person)
    return key, key_file_bytes(
        protected(signer_file(key, NOW), passphrase_of(person), random_bytes)
    )


class ReviewOffice:
    """A room for reviews whose officers have passphrases and keys at the desk."""

    def __init__(
        self,
        room: ReviewRoom,
        policies: Mapping[str, Policy] | None = None,
        people: tuple[str, ...] = (OFFICER, OTHER, SECOND),
    ) -> None:
        self.room = room
        with room.database.writing() as connection:
            for person in people:
                key, content = _key_of(person)
                room.keys[person] = key
                connection.execute(
                    PASSWORD.update()
                    .where(PASSWORD.c.person == person)
                    .values(argon2=_hash_of(person))
                )
                room.now = NOW + timedelta(seconds=1)
                insert_personal_key(
                    connection, room.audit.append, who(person), key.public, room.now
                )
                connection.execute(
                    SEALED_KEY.insert().values(
                        key_id=key.public.key_id, person=person, content=content
                    )
                )
        room.now += timedelta(seconds=1)
        self.sessions = WebSessions(room.database, room.audit.append, room.utc)
        shared = web_desk(room.desk, room.database, room.audit.append, room.utc, PARTY, HERE)
        self.desk = replace(
            shared,
            reviews=room.reviews,
            signing=PasskeySigning(room.reviews, room.utc, PARTY),
            policies=policies or {},
        )

    def seat(self, person: str, desk: WebDesk | None = None) -> Seat:
        """A browser in which a person is logged in."""
        client = TestClient(desk_app(desk or self.desk), headers={"accept-language": "en"})
        client.cookies.set("desk-session", self.sessions.begin(ActingPerson(person)))
        return Seat(self, person, client)

    def findings(self) -> list[DeskFinding]:
        return [parse_finding(payload) for payload in self.room.findings()]


def opened_office(desk: DeskFolder, parties: Parties) -> Iterator[ReviewOffice]:
    """The office of a desk, with one stored hit, until the caller is done."""
    with ReviewRoom.of(desk, parties) as room:
        yield ReviewOffice(room)


@dataclass
class Seat:
    """One person's browser."""

    office: ReviewOffice
    person: str
    client: TestClient
    status: int = 0
    path: str = ""

    @property
    def case(self) -> str:
        return f"/case/{self.office.room.hit.hit_id}"

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        self.status, self.path = answer.status_code, answer.url.path
        return unescape(answer.text)

    def token(self, path: str = "/account") -> str:
        found = re.search(r'name="token" value="(\w+)"', self.client.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, *, token: str | None = None, **fields: str) -> str:
        answer = self.client.post(path, data={"token": token or self.token(), **fields})
        self.status, self.path = answer.status_code, answer.url.path
        return unescape(answer.text)

    def claim(self, **more: str) -> str:
        return self.post("/case/claim", hit=self.office.room.hit.hit_id, **more)

    def judge(self, judgement: str = "offence", typed: str = "", reason: str = "") -> str:
        return self.post(f"{self.case}/judge", judgement=judgement, typed=typed, reason=reason)

    def decide(self, outcome: str, reason: str = "", passphrase: str | None = None) -> str:
        return self.post(
            f"{self.case}/decide",
            outcome=outcome,
            outcome_reason=reason,
            passphrase=passphrase_of(self.person) if passphrase is None else passphrase,
        )
