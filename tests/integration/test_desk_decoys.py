"""Decoys: they look like real hits, no officer's step knows them, and none is ever exported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from edge.adapters.state.audit_log import read_log
from edge.authority.opening import OpenedHit, open_hit, write_opened
from edge.authority.policies import SignedPolicies
from edge.authority.tail import Fate, Receiver
from edge.desk.court.fines import FinesDesk
from edge.desk.decoy_material import DecoyKind, DecoyVehicle, read_vehicles
from edge.desk.decoys import DecoyMaker, decoy_figures, is_real, require_real
from edge.desk.desk_keys import with_desk_keys
from edge.desk.figures import figures
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.queue import HitQueue
from edge.desk.receiving import DeskReceiver
from edge.desk.request_terms import RequestKind, RequestProof, RequestTerms
from edge.desk.requests import PersonRequests
from edge.desk.rights import DeskRole
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.desk.store.tables import DECISION, DECOY, DECOY_KEY, FINDING, HIT, RECEIPT
from edge.domain.plates import PlateText
from edge.domain.reveal import MaskMethod
from edge.errors import AuditError, EdgeError, UsageError
from edge.formats.timestamps import parse_utc
from edge.privacy.audit_events import DecoysAdded, Event
from edge.privacy.hit import Hit, parse_hit
from edge.privacy.sealing import Picture
from tests.integration.test_fines_export import MAPPING, mapping
from tests.support.cases import hit_under, signed_site
from tests.support.desks import FIRST, make_desk, passphrase_file
from tests.support.parties import CAMERA, SITE, Parties, evidence, make_parties, topic_of
from tests.support.product import verb
from tests.support.receiving import boxes_of, utc
from tests.support.reviews import (
    CONFIRMED,
    OFFICER,
    REFERRED,
    REJECTED,
    SECOND,
    SECOND_REVIEW,
    ReviewRoom,
    who,
)
from tests.support.source_tree import EDGE, name_of, python_files

SEEN = "1VKC123"
NOON = datetime.fromisoformat("2026-11-30T11:00:00+00:00")


def pictures(number: int) -> tuple[Picture, ...]:
    return (
        Picture("vehicle", b"\xff\xd8 vehicle %d" % number, MaskMethod.MEANING),
        Picture("plate", b"\xff\xd8 plate %d" % number, MaskMethod.MEANING),
    )


def real_hit(parties: Parties, number: int, **changed: Any) -> Hit:
    values = {
        "counter": 100 + number,
        "observed_at": NOON + timedelta(minutes=3 * number, seconds=number),
        **changed,
    }
    return parties.hit(evidence(*pictures(1000 + number)), **values)


def opened_folder(
    base: Path, count: int, plate: str = SEEN, first: int = 0, **changed: Any
) -> Path:
    """Opened hits of known vehicles, that another box has made for keys of the tester."""
    tester = make_parties(base / "tester")
    folder = base / "opened"
    for number in range(first, first + count):
        content = replace(evidence(*pictures(number)), plate=PlateText(plate), alternatives=())
        hit = tester.hit(content, **{"observed_at": NOON, **changed})
        write_opened(open_hit(hit.to_payload(), boxes_of(tester), tester.authority), folder)
    return folder


class DecoyRoom(ReviewRoom):
    """A desk with twelve real hits of one camera and rule, besides the one of every room."""

    def __init__(self, desk: DeskFolder, database: DeskDatabase, parties: Parties) -> None:
        super().__init__(desk, database, parties)
        self.real = [self.stored(real_hit(parties, number)) for number in range(12)]

    def maker(self, **changed: Any) -> DecoyMaker:
        values = {
            "record": self.audit.append,
            "keys": self.parties.authority,
            "public": self.parties.authority_public,
            **changed,
        }
        return DecoyMaker(self.database, self.people, utc=self.utc, chance=Random(7), **values)

    def add(
        self, vehicles: list[DecoyVehicle], kind: DecoyKind = DecoyKind.MISREAD, **more: Any
    ) -> list[Hit]:
        """Add decoys; returns them."""
        before = set(self.decoys())
        self.maker().add(who(FIRST), kind, vehicles, **more)
        return [self.payload(one) for one in self.decoys() if one not in before]

    def decoys(self) -> list[str]:
        with self.database.reading() as connection:
            return list(connection.execute(select(DECOY.c.hit_id)).scalars())

    def payload(self, hit_id: str) -> Hit:
        return parse_hit(DeskHits(self.database).payload(hit_id) or b"")

    def opened(self, hit: Hit) -> OpenedHit:
        """A decoy as its reviewer opens it."""
        with self.database.reading() as connection:
            boxes = with_desk_keys(connection, boxes_of(self.parties), hit.to_payload())
        return open_hit(hit.to_payload(), boxes, self.parties.authority)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> DeskFolder:
    """A desk; on PostgreSQL where a test asks for it."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return make_desk(tmp_path / "desk")
    return make_desk(tmp_path / "desk", request.getfixturevalue("postgres").new_database())


LATER = date(2027, 1, 1)
on_both = pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[DecoyRoom]:
    with desk.open_database() as database:
        yield DecoyRoom(desk, database, parties)


def vehicles(base: Path, count: int = 1, kind: DecoyKind = DecoyKind.MISREAD, **more: Any) -> Any:
    return read_vehicles(opened_folder(base, count, **more), kind, Random(3))


# --- what a decoy looks like ----------------------------------------------------------------------


@on_both
def test_a_decoy_has_everything_that_a_real_hit_beside_it_has(
    room: DecoyRoom, tmp_path: Path
) -> None:
    made = room.add(vehicles(tmp_path, 5))

    assert len(made) == 5
    for decoy in made:
        beside = next(one for one in room.real[::-1] if one.observed < decoy.observed)
        same = {
            "schema_", "site", "box", "camera", "rule", "purpose", "authority", "epoch",
            "counter", "human_check_required", "policy_sha256", "authority_key_id",
        }  # fmt: skip
        assert {name: getattr(decoy, name) for name in same} == {
            name: getattr(beside, name) for name in same
        }
        assert decoy.observed < room.real[-1].observed
        assert len(decoy.to_payload()) in {
            len(one.to_payload()) + more for one in room.real for more in range(-4, 5)
        }
        posteriors = [one.posterior for one in room.real]
        assert min(posteriors) <= decoy.posterior <= max(posteriors)
        assert decoy.token not in {one.token for one in room.real}
    with room.database.reading() as connection:
        rows = {row.hit_id: row for row in connection.execute(select(HIT))}
        receipts = set(connection.execute(select(RECEIPT.c.hit_id)).scalars())
    assert {one.hit_id for one in made} <= receipts
    for one in made:
        assert rows[one.hit_id].day == one.observed_at[:10]
    shown = [hit.place.hit_id for hit in room_page(room)]
    assert {one.hit_id for one in made} < set(shown)


def room_page(room: DecoyRoom) -> Any:
    rights = [right for right in room.people.rights() if right.terms.person == OFFICER]
    return HitQueue(room.database).page(rights, now=room.utc())[0]


def test_a_misread_states_one_character_wrongly_and_a_lawful_one_none(
    room: DecoyRoom, tmp_path: Path
) -> None:
    (misread,) = room.add(vehicles(tmp_path / "a"))
    (lawful,) = room.add(
        vehicles(tmp_path / "b", kind=DecoyKind.LAWFUL, first=50), DecoyKind.LAWFUL
    )

    stated = room.opened(misread).content.plate.reveal()
    assert sum(a != b for a, b in zip(stated, SEEN, strict=True)) == 1
    content = room.opened(lawful).content
    assert content.plate.reveal() == SEEN
    assert [one.jpeg for one in content.pictures] == [one.jpeg for one in pictures(50)]
    assert content.first_seen - lawful.observed == evidence().first_seen - NOON


# --- no step of an officer knows ------------------------------------------------------------------

KNOWS_DECOYS = {
    "edge/desk/decoys.py",
    "edge/desk/figures.py",
    "edge/desk/retention.py",
    "edge/desk/store/tables.py",
}


def test_only_figures_and_exports_can_name_the_table_of_decoys() -> None:
    found = {
        name_of(path)
        for path in python_files(EDGE)
        if re.search(r"\bDECOY\b", path.read_text(encoding="utf-8"))
    }
    assert found == KNOWS_DECOYS
    importing = {
        name_of(path)
        for path in python_files(EDGE)
        if re.search(r"edge\.desk\.(decoys|figures)\b", path.read_text(encoding="utf-8"))
    }
    assert importing == {
        "edge/cli/desk_decoys.py", "edge/cli/desk_supervise.py", "edge/desk/web/supervision.py",
        "edge/desk/court/fines.py", "edge/desk/court/making.py", "edge/desk/requests.py",
    }  # fmt: skip


@contextmanager
def statements(database: DeskDatabase) -> Iterator[list[str]]:
    """Every statement that runs in the block."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        # How many hits wait is in the length of such a list.
        seen.append(re.sub(r"\(\?(, \?)*\)", "(?)", statement))

    event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database._engine, "before_cursor_execute", note)


def test_a_review_does_the_same_on_a_decoy_as_on_a_real_hit(
    room: DecoyRoom, tmp_path: Path
) -> None:
    (decoy,) = room.add(vehicles(tmp_path, kind=DecoyKind.LAWFUL), DecoyKind.LAWFUL)
    done: list[list[str]] = []
    for hit, plate in ((room.real[3], "1ABC123"), (decoy, SEEN)):
        room.hit = hit
        with statements(room.database) as seen:
            room_page(room)
            room.through(OFFICER, CONFIRMED, PlateText(plate))
        done.append(seen)

    assert done[0] == done[1]
    assert not [one for one in done[1] if re.search(r"\bdecoy\b", one)]
    assert [one for one in done[1] if "decoy_key" in one], "each opening asks for the desk's keys"


# --- what a finding on a decoy is -----------------------------------------------------------------


@on_both
def test_p12_findings_on_decoys_are_caught_or_missed_and_in_no_other_figure(
    room: DecoyRoom, tmp_path: Path
) -> None:
    (lawful,) = room.add(vehicles(tmp_path / "a", kind=DecoyKind.LAWFUL), DecoyKind.LAWFUL)
    (misread,) = room.add(vehicles(tmp_path / "b", first=50))
    room.hit = lawful
    room.through(OFFICER, CONFIRMED, PlateText(SEEN))
    room.hit = misread
    room.through(OFFICER, REFERRED, PlateText(SEEN))
    room.through(SECOND, REJECTED, PlateText(SEEN), SECOND_REVIEW)

    assert decoy_figures(room.database, LATER).decided is None, "two are too few to show"
    with room.database.reading() as connection:
        rows = connection.execute(
            select(DECISION.c.hit_id, DECISION.c.outcome).join(
                DECOY, DECOY.c.hit_id == DECISION.c.hit_id
            )
        ).all()
    assert {row.hit_id: row.outcome for row in rows} == {
        lawful.hit_id: "confirmed", misread.hit_id: "rejected"
    }  # fmt: skip
    assert figures(room.database, LATER).outcomes == ()
    assert figures(room.database, LATER).readings == ()


@pytest.mark.parametrize(("decided", "shown"), [(9, None), (10, "<10"), (24, 20)])
def test_p7_the_catch_rate_is_shown_from_ten_on_and_of_all_people_together(
    room: DecoyRoom, decided: int, shown: int | str | None
) -> None:
    base = {"month": "2026-10", "site": SITE, "camera": CAMERA, "rule": "stolen", "light": "day"}
    with room.database.writing() as connection:
        for number in range(decided):
            hit_id, outcome = f"{number:032x}", "confirmed" if number < 2 else "rejected"
            connection.execute(
                insert(DECISION).values(hit_id=hit_id, outcome=outcome, reading="misread", **base)
            )
            connection.execute(
                insert(DECOY).values(
                    hit_id=hit_id, kind="misread", material_sha256=f"{number:064x}",
                    added_by=FIRST, added_at="2026-11-30T11:00:00.000Z",
                )
            )  # fmt: skip

    found = decoy_figures(room.database, LATER)
    assert (found.decided, found.caught) == (None if shown is None else 10 * (decided // 10), shown)
    month = date(2026, 10, 31)
    assert decoy_figures(room.database, month).decided is None, "not before the month is over"
    assert decoy_figures(room.database, LATER, frozenset({"elsewhere"})).decided is None
    told = verb("desk", "figures", "--desk", room.desk.path, "--json").json["decoys"]
    assert (told["decided"], told["caught"]) == (found.decided, found.caught)
    assert set(told) == {"decided", "caught", "share"}, "nothing about one person"


def test_p12_a_decoy_is_never_exported_and_verifies_nowhere_else(
    room: DecoyRoom, tmp_path: Path
) -> None:
    (decoy,) = room.add(vehicles(tmp_path, kind=DecoyKind.LAWFUL), DecoyKind.LAWFUL)
    policy = signed_site(tmp_path / "site")
    real = room.stored(hit_under(room.parties, policy, evidence(*pictures(2000))))
    for hit, plate in ((decoy, SEEN), (real, "1ABC123")):
        room.hit = hit
        room.through(OFFICER, CONFIRMED, PlateText(plate))

    with room.database.reading() as connection:
        confirmed = select(FINDING.c.hit_id).where(FINDING.c.outcome == "confirmed")
        exported = connection.execute(confirmed.where(is_real(FINDING.c.hit_id))).scalars().all()
    assert exported == [real.hit_id]
    require_real(room.database, real.hit_id)
    with pytest.raises(UsageError, match="never exported"):
        require_real(room.database, decoy.hit_id)
    fines = FinesDesk(
        room.database, room.audit.append, room.utc, room.reviews, SignedPolicies(tmp_path / "site")
    )
    files: list[bytes] = []
    done = fines.export(who(OFFICER), mapping(MAPPING), files.append)
    assert done.hit_ids == (real.hit_id,)
    assert SEEN.encode() not in files[0]
    with pytest.raises(UsageError, match="never exported"):  # the officer has just confirmed it
        fines.export(who(OFFICER), mapping(MAPPING), files.append, only=[decoy.hit_id])
    # Nor does a person's request find it, or count it among what could not be opened.
    room.give("no-right", DeskRole.CLERK)
    requests = PersonRequests(room.database, room.audit.append, room.utc, room.secret)
    day = parse_utc(decoy.observed_at).date()
    terms = RequestTerms(RequestKind.ACCESS, "DSR-2026/17", RequestProof.LEASE, SITE, day, day)
    request = requests.open(who("no-right"), terms)
    for_plate = (PlateText(SEEN), boxes_of(room.parties), room.parties.authority)
    answer = requests.answer(who("no-right"), request.request_id, *for_plate)
    assert (answer.cases, answer.unopened) == ((), 0)
    # Whoever opens a decided case, a court and every other reader know the box's own keys only.
    room.reviews.open_decided(who(SECOND), real.hit_id, OpeningReason.COURT)
    with pytest.raises(EdgeError, match="has not signed it"):
        room.reviews.open_decided(who(SECOND), decoy.hit_id, OpeningReason.COURT)
    with pytest.raises(EdgeError, match="has not signed it"):
        open_hit(decoy.to_payload(), boxes_of(room.parties), room.parties.authority)


def test_a_decoy_is_not_taken_from_the_broker(
    room: DecoyRoom, parties: Parties, tmp_path: Path
) -> None:
    (decoy,) = room.add(vehicles(tmp_path))
    other = DeskReceiver(DeskHits(room.database), boxes_of(parties), parties.authority, room.utc)

    arrival = Receiver.take(other, topic_of(decoy), decoy.to_payload())
    assert (arrival.fate, arrival.receipt) == (Fate.SET_ASIDE, None)


# --- where one could be told ----------------------------------------------------------------------


def test_decoys_that_an_officer_could_tell_are_refused_with_the_reason(
    desk: DeskFolder, parties: Parties, tmp_path: Path
) -> None:
    with desk.open_database() as database:
        room = DecoyRoom(desk, database, parties)
        plain = vehicles(tmp_path / "plain")
        (one,) = plain
        large = Picture("vehicle", b"\xff\xd8" + b"x" * 30_000, MaskMethod.MEANING)
        for given, said in (
            ([replace(one, rule="other")], "only 0 real hits"),
            ([replace(one, camera="cam-9")], "only 0 real hits"),
            ([replace(one, observed=NOON + timedelta(hours=9))], r"\(night\)"),
            ([replace(one, content=replace(one.content, pictures=(large,)))], "another size"),
            ([one, replace(one, camera="cam-9")], "one site, camera and rule"),
        ):
            with pytest.raises(UsageError, match=said) as refused:
                room.maker().add(who(FIRST), DecoyKind.MISREAD, given)
            assert refused.value.code == "E_DECOY"
        assert room.decoys() == []
        room.add(plain)
        with pytest.raises(UsageError, match="know them again"):
            room.add(plain)


def test_no_decoy_stands_in_a_gap_in_which_no_hit_can_be(
    desk: DeskFolder, parties: Parties, tmp_path: Path
) -> None:
    with desk.open_database() as database:
        room = ReviewRoom(desk, database, parties)
        for number in range(12):  # one a day, as at the end of each school morning
            room.stored(real_hit(parties, 0, observed_at=NOON + timedelta(days=number)))
        maker = DecoyMaker(
            database, room.people, room.audit.append, room.utc, parties.authority,
            parties.authority_public,
        )  # fmt: skip
        with pytest.raises(UsageError, match="30 minutes apart"):
            maker.add(who(FIRST), DecoyKind.MISREAD, vehicles(tmp_path))


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 1), (0.25, 3), (0.5, 4)])
def test_the_share_of_decoys_among_the_hits_that_wait_is_kept(
    room: DecoyRoom, tmp_path: Path, share: float, count: int
) -> None:
    given = vehicles(tmp_path, 4)
    assert len(room.add(given, share=share)) == count
    if count < 4:
        assert room.add(given, share=share) == []


def test_material_that_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no opened hits"):
        read_vehicles(tmp_path, DecoyKind.MISREAD, Random(1))
    folder = opened_folder(tmp_path, 1, plate="ACC9")
    (odd,) = read_vehicles(folder, DecoyKind.MISREAD, Random(1))  # no character has a twin
    assert sum(a != b for a, b in zip(odd.stated.reveal(), "ACC9", strict=True)) == 1
    (file,) = folder.glob("*/hit.json")
    whole = file.read_text("utf-8")
    for broken in ("{}", whole.replace('"vehicle.jpg"', '"../vehicle.jpg"'), whole[:-40], "[]"):
        file.write_text(broken, "utf-8")
        with pytest.raises(UsageError, match="open it again") as refused:
            read_vehicles(folder, DecoyKind.LAWFUL, Random(1))
        assert "ACC9" not in str(refused.value)


# --- who may, and in which order ------------------------------------------------------------------


def test_p4_who_judges_hits_or_is_no_supervisor_adds_none(room: DecoyRoom, tmp_path: Path) -> None:
    given = vehicles(tmp_path)
    with pytest.raises(EdgeError, match="supervisor"):
        room.maker().add(who(OFFICER), DecoyKind.MISREAD, given)
    room.give(OFFICER, DeskRole.SUPERVISOR)
    with pytest.raises(EdgeError, match="also judges hits"):
        room.maker().add(who(OFFICER), DecoyKind.MISREAD, given)
    assert room.decoys() == []


def test_p21_decoys_that_cannot_be_logged_are_not_added(room: DecoyRoom, tmp_path: Path) -> None:
    def full(_: Event) -> None:
        raise AuditError("disk full", code="E_DISK_FULL")

    with pytest.raises(AuditError):
        room.maker(record=full).add(who(FIRST), DecoyKind.MISREAD, vehicles(tmp_path))
    with room.database.reading() as connection:
        assert connection.execute(select(DECOY_KEY)).first() is None
    assert room.decoys() == []


def test_what_stops_in_between_leaves_no_hit_that_is_not_known_as_a_decoy(
    room: DecoyRoom, tmp_path: Path
) -> None:
    stranger = make_parties(tmp_path / "stranger", authority="other-zone").authority
    with pytest.raises(UsageError, match="could not be stored"):
        room.maker(keys=stranger).add(who(FIRST), DecoyKind.MISREAD, vehicles(tmp_path))

    (known,) = room.decoys()
    assert DeskHits(room.database).payload(known) is None


def test_the_command_adds_and_the_log_says_how_many_in_tens(
    tmp_path: Path, parties: Parties
) -> None:
    desk = make_desk(tmp_path / "desk", utc=utc)
    with desk.open_database() as database:
        for number in range(12):
            hit = real_hit(parties, number)
            DeskHits(database).put(hit, hit.to_payload(), utc())
    done = verb(
        "desk", "decoys", "add", opened_folder(tmp_path, 2), "--kind", "misread", "--desk",
        desk.path, "--keys", parties.authority_folder, "--as", FIRST, "--passphrase-file",
        passphrase_file(tmp_path, FIRST), "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert (done.json["added"], done.json["of"]) == (2, 2)
    last = read_log(desk.path).entries[-1].event
    assert last == DecoysAdded(SITE, "<10", FIRST)
