"""`desk serve` and PostgreSQL, killed in the middle of a decision: each finding is whole, and once.

The desk is the real command in a process of its own, which ends by SIGKILL at a chosen moment. The
moments are set here, by wrapping a function in that process; the product has no such option.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edge.adapters.state import audit_log
from edge.adapters.state.audit_log import AuditTrail, read_log
from edge.cli import execute
from edge.desk import cases
from edge.desk.accounts import ActingPerson
from edge.desk.court.verifying import verify_case
from edge.desk.findings import verify_findings
from edge.desk.folder import DeskFolder
from edge.desk.personal_keys import personal_keys
from edge.desk.reviewing import CaseReviews, finding_payloads
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import JUDGEMENT
from edge.errors import AuditError
from edge.privacy.audit_events import Event, FindingSigned, RightChanged
from edge.privacy.checkpoints import desk_log
from tests.integration.test_desk_people import recorded
from tests.support.brokers import free_port, wait_until
from tests.support.cases import CaseRoom
from tests.support.desk_web import line_of, says
from tests.support.desks import make_desk, passphrase_of, staffed
from tests.support.parties import AUTHORITY, PLATE, Parties, evidence, make_parties
from tests.support.postgres import Postgres
from tests.support.product import verb
from tests.support.receiving import boxes_of, utc
from tests.support.review_web import ReviewOffice
from tests.support.reviews import (
    CONFIRMED,
    OFFICER,
    PICTURES,
    REFERRED,
    SECOND,
    SECOND_REVIEW,
    ReviewRoom,
    who,
)

MOMENTS = {  # whether judgement and finding are there after the restart
    "before the judgement is committed": (0, 0),
    "after the judgement was committed": (1, 0),
    "before the signature is committed": (1, 0),
    "after the signature was committed": (1, 1),
    "in the middle of the log's entry": (1, 1),
    "between the log's entry and the commit": (1, 1),
    "after the finding was committed": (1, 1),
}
FOR_POSTGRESQL = tuple(MOMENTS)[1::2]
"""Of the same program: what is committed there, and what is not, is known to be the same."""


# --- in the process that is killed ----------------------------------------------------------------


def killed(descriptor: int = -1, data: bytes = b"", offset: int = 0) -> None:
    """End this process; before that, write the first half of a line if one is given."""
    if data:
        os.pwrite(descriptor, data[: len(data) // 2], offset)
    os.kill(os.getpid(), signal.SIGKILL)


PLACES: dict[str, tuple[Any, str, bool, str]] = {  # function, whether before it, what it concerns
    "before the judgement is committed": (cases, "keep_judgement", False, ""),
    "after the judgement was committed": (CaseReviews, "judge", False, ""),
    "before the signature is committed": (cases, "write_signed", False, ""),
    "after the signature was committed": (cases, "keep_finding", True, ""),
    "in the middle of the log's entry": (audit_log, "_write_all", True, '"finding"'),
    "between the log's entry and the commit": (AuditTrail, "append", False, "FindingSigned"),
    "after the finding was committed": (CaseReviews, "decide", False, ""),
}


def served(words: list[str], moment: str, hit_id: str) -> None:
    """Run `desk serve`; it kills itself at the moment, if that concerns this hit."""
    if moment:
        owner, name, before, concerns = PLACES[moment]
        real = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> object:
            mine = hit_id in repr(arguments) and concerns in repr(arguments)
            if mine and before:
                killed(*(arguments if name == "_write_all" else ()))
            result = real(*arguments, **named)
            if mine:
                killed()
            return result

        setattr(owner, name, wrapped)
    execute(words)


# --- the tests ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@dataclass
class Served:
    """A desk that is started again and again on one port, and one officer's browser."""

    desk: DeskFolder
    parties: Parties
    client: httpx2.Client
    port: int

    @contextmanager
    def running(self, moment: str = "", hit_id: str = "") -> Iterator[Any]:
        words = [
            "desk", "serve", "--desk", self.desk.path, "--port", self.port, "--keys",
            self.parties.authority_folder, "--box-keys", self.parties.box_file,
        ]  # fmt: skip
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__, "edge.cli.desk_serve", "edge.desk.web.serving"])
        process = context.Process(target=served, args=(list(map(str, words)), moment, hit_id))
        process.start()
        try:
            assert wait_until(self._answers)
            yield process
        finally:
            process.kill()
            process.join()

    def _answers(self) -> bool:
        with suppress(httpx2.HTTPError):
            return self.client.get("/desk.css").status_code == 200
        return False

    def post(self, path: str, page: str, **fields: str) -> str:
        token = page.split('name="token" value="')[1][:64]
        return str(self.client.post(path, data={"token": token, **fields}).text)

    def judge(self, hit_id: str) -> str:
        page = self.post("/case/claim", self.client.get("/account").text, hit=hit_id)
        return self.post(f"/case/{hit_id}/judge", page, judgement="offence", typed=PLATE)

    def decide(self, hit_id: str, page: str) -> str:
        fields = {"outcome": "confirmed", "passphrase": passphrase_of(OFFICER)}
        return self.post(f"/case/{hit_id}/decide", page, **fields)

    def there(self, hit_id: str) -> tuple[int, int]:
        """How many judgements and findings on a hit there are."""
        with self.desk.open_database() as database:
            with database.reading() as connection:
                rows = connection.execute(JUDGEMENT.select()).all()
            findings = len(finding_payloads(database, hit_id))
        return len([one for one in rows if one.hit_id == hit_id]), findings

    def require_one(self, hit_id: str) -> None:
        """One finding on the hit: signed by the officer, and the only one that the log names."""
        with self.desk.open_database() as database:
            payloads = finding_payloads(database, hit_id)
            (finding,) = verify_findings(payloads, personal_keys(database))
        assert finding.person.name == OFFICER
        log = read_log(self.desk.path, origin=desk_log(AUTHORITY))
        events = [one.event for one in log.entries if isinstance(one.event, FindingSigned)]
        named = {one.finding_sha256 for one in events if one.hit_id == hit_id}
        assert named == {finding.sha256()}


@pytest.fixture(params=["sqlite", "postgresql"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, parties: Parties
) -> Iterator[tuple[Served, dict[str, str]]]:
    """A served desk, and a hit for each moment."""
    moments, address = tuple(MOMENTS), None
    if request.param == "postgresql":
        moments, address = FOR_POSTGRESQL, request.getfixturevalue("postgres").new_database()
    desk = make_desk(tmp_path / "desk", address, utc)
    staffed(desk, utc, {"jan-maes": DeskRole.SUPERVISOR, OFFICER: DeskRole.OFFICER})
    with desk.open_people(utc) as people:
        people.make_key(ActingPerson(OFFICER), passphrase_of(OFFICER))
    hits = {moment: parties.hit(evidence(*PICTURES)) for moment in moments}
    with desk.open_database() as database:
        for hit in hits.values():
            DeskHits(database).put(hit, hit.to_payload(), utc())
    port = free_port()
    with httpx2.Client(base_url=f"http://localhost:{port}", follow_redirects=True) as client:
        made = Served(desk, parties, client, port)
        yield made, {moment: hit.hit_id for moment, hit in hits.items()}


def test_p4_a_desk_killed_in_the_middle_of_a_decision_keeps_it_whole_or_not_at_all(
    place: tuple[Served, dict[str, str]],
) -> None:
    at, hits = place
    before = ""
    for moment, hit_id in [*hits.items(), ("", "")]:
        with at.running(moment, hit_id) as process:
            if not before:
                sent = {"name": OFFICER, "passphrase": passphrase_of(OFFICER)}
                assert "server" not in at.client.get("/login").headers, "no banner of a server"
                assert "/logout" in at.post("/login", at.client.get("/login").text, **sent)
            else:  # she opens the page again: the restarted desk goes on where it was
                page = at.client.get(f"/case/{hits[before]}").text
                assert at.there(hits[before]) == MOMENTS[before], before
                if MOMENTS[before][0] == 0:
                    page = at.judge(hits[before])
                if MOMENTS[before][1] == 0:
                    page = at.decide(hits[before], page)
                assert says("case.done") in page, before
                at.require_one(hits[before])
            if not moment:
                break
            with pytest.raises(httpx2.HTTPError):
                at.decide(hit_id, at.judge(hit_id))
            process.join(30)
            assert process.exitcode == -signal.SIGKILL, moment
        verified = verb("audit", "verify", at.desk.path)
        # Only an unfinished line of the log is refused, until the desk opens it and cuts it off.
        assert (verified.status == 0) is (moment != "in the middle of the log's entry")
        before = moment
    assert verb("audit", "verify", at.desk.path).status == 0


class Boxes(dict[Any, Any]):
    """Keys of boxes that do something when they are asked for: a hit is opened in a transaction."""

    def __init__(self, boxes: Mapping[Any, Any], then: Callable[[], None]) -> None:
        super().__init__(boxes)
        self.then = then

    def get(self, *arguments: Any) -> Any:
        self.then()
        return super().get(*arguments)


@pytest.mark.parametrize("moment", ["as it is drafted", "after the log's entry"])
def test_p4_a_database_killed_in_the_middle_of_a_decision_keeps_it_whole_or_not_at_all(
    postgres: Postgres, parties: Parties, tmp_path: Path, moment: str
) -> None:
    armed = False

    def kill() -> None:
        if armed:
            postgres.kill()

    def record(event: Event) -> None:
        office.room.audit.append(event)
        if isinstance(event, FindingSigned) and moment == "after the log's entry":
            kill()

    with ReviewRoom.of(make_desk(tmp_path / "desk", postgres.new_database()), parties) as room:
        office = ReviewOffice(room)
        boxes = Boxes(boxes_of(parties), kill if moment == "as it is drafted" else lambda: None)
        reviews = CaseReviews(
            room.database, record, room.utc, boxes, parties.authority, room.secret
        )
        seat = office.seat(OFFICER, replace(office.desk, reviews=reviews))
        seat.claim()
        seat.judge(typed=PLATE)
        token, armed = seat.token(), True
        fields = {"outcome": "confirmed", "passphrase": passphrase_of(OFFICER)}
        try:
            page = seat.post(f"{seat.case}/decide", token=token, **fields)
        finally:
            armed = False
            postgres.start()
        assert (seat.status, line_of(page)) == (503, says("error.unavailable"))
        assert room.findings() == ()
        page = seat.get(seat.case)
        if moment == "as it is drafted":
            page = seat.decide("confirmed")
        assert says("case.done") in page
        (finding,) = office.findings()
        log = read_log(room.desk.path, origin=desk_log(AUTHORITY))
        named = {one.event for one in log.entries if isinstance(one.event, FindingSigned)}
        assert {one.finding_sha256 for one in named} == {finding.sha256()}


def test_p4_what_was_interrupted_and_done_again_is_proven_in_a_case_file(
    parties: Parties, tmp_path: Path
) -> None:
    """The log has two entries of one finding, and two of who approved the officer's right."""

    def record(event: Event) -> None:
        room.audit.append(event)
        if isinstance(event, FindingSigned):
            raise AuditError("the desk ends here")

    with CaseRoom.of(make_desk(tmp_path / "desk"), parties, tmp_path) as room:
        approvals = [
            one
            for one in recorded(room.desk)
            if isinstance(one, RightChanged) and (one.person, one.action) == (OFFICER, "approved")
        ]
        room.audit.append(approvals[0])
        room.begin(OFFICER)
        room.judge(OFFICER)
        ending = room.reviews_with(record=record)
        with pytest.raises(AuditError):
            ending.decide(who(OFFICER), room.hit.hit_id, REFERRED, room.keys[OFFICER])
        assert room.findings() == ()
        room.through(SECOND, CONFIRMED, opening=SECOND_REVIEW)

        verdict = verify_case(room.export().package, room.known)
        assert verdict.failure is None
        assert len([one for one in recorded(room.desk) if isinstance(one, FindingSigned)]) == 3
        assert len(room.findings()) == 2
