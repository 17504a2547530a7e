"""Sealed hits beside the desk's database: in a folder, and in a real S3 server."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from edge.authority.store import Outcome
from edge.desk.folder import DeskFolder
from edge.desk.retention import DeskRetention
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.desk.store.kept_payloads import delete_payloads, sweep
from edge.desk.store.payloads import SealedPayloads, open_payloads
from edge.desk.store.tables import HIT, HIT_PAYLOAD, PAYLOAD_DESK
from edge.errors import ConfigError, ExitCode, OutboxError
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import Event
from edge.privacy.hit import Hit
from tests.support.desks import NOW, make_desk
from tests.support.object_store import CREDENTIALS, ObjectServer, object_server
from tests.support.parties import Parties, make_parties
from tests.support.product import run_program, verb

COUNT = itertools.count()
DESK_KEY = SigningKey.generate("desk")


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with object_server() as running:
            yield running


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(params=["file", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path / 'payloads'}"
    server: ObjectServer = request.getfixturevalue("server")
    return server.new_bucket(f"bucket-{next(COUNT)}")


@pytest.fixture
def desk(tmp_path: Path, address: str) -> DeskFolder:
    made = make_desk(tmp_path / "desk")
    file = made.path / "desk.json"
    text = file.read_text("utf-8").replace('"payloads": null', f'"payloads": "{address}"')
    file.write_text(text, "utf-8")
    return replace(made, config=made.config.model_copy(update={"payloads": address}))


@pytest.fixture
def database(desk: DeskFolder) -> Iterator[DeskDatabase]:
    with desk.open_database() as opened:
        yield opened


@pytest.fixture
def beside(database: DeskDatabase) -> SealedPayloads:
    assert database.payloads is not None
    return database.payloads


def put(database: DeskDatabase, hit: Hit) -> Outcome:
    return DeskHits(database).put(hit, hit.to_payload(), NOW)[0]


def key_of(database: DeskDatabase, hit: Hit) -> str:
    with database.reading() as connection:
        query = select(HIT_PAYLOAD.c.key).where(HIT_PAYLOAD.c.hit_id == hit.hit_id)
        return str(connection.execute(query).scalar_one())


def keys(database: DeskDatabase, beside: SealedPayloads) -> list[str]:
    with database.reading() as connection:
        name = connection.execute(select(PAYLOAD_DESK.c.name)).scalar_one()
    return list(beside.keys(name))


def test_a_hit_is_kept_beside_the_database_as_it_was_sealed(
    database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    hit = parties.hit()
    payload = hit.to_payload()

    assert put(database, hit) is Outcome.NEW
    assert put(database, hit) is Outcome.KNOWN
    assert put(database, parties.hit(hit_id=hit.hit_id)) is Outcome.CONFLICT

    with database.reading() as connection:
        assert bytes(connection.execute(select(HIT.c.payload)).scalar_one()) == b""
        row = connection.execute(select(HIT_PAYLOAD)).one()
    assert (row.sha256, row.bytes) == (hashlib.sha256(payload).hexdigest(), len(payload))
    assert keys(database, beside) == [row.key]
    assert beside.get(row.key) == payload == DeskHits(database).payload(hit.hit_id)


def lose(beside: SealedPayloads, key: str) -> None:
    beside.delete([key])


def alter(beside: SealedPayloads, key: str) -> None:
    payload = beside.get(key)
    assert payload is not None
    beside.put(key, payload[:-1] + b"!")


@pytest.mark.parametrize(("harm", "says"), [(lose, "there is no"), (alter, "was altered")])
def test_a_damaged_hit_is_one_error_and_is_counted(
    desk: DeskFolder,
    database: DeskDatabase,
    beside: SealedPayloads,
    parties: Parties,
    harm: Callable[[SealedPayloads, str], None],
    says: str,
) -> None:
    hit, other = parties.hit(), parties.hit()
    put(database, hit)
    put(database, other)
    key = key_of(database, hit)
    harm(beside, key)

    with pytest.raises(OutboxError) as damaged:
        DeskHits(database).payload(hit.hit_id)
    assert damaged.value.code == "E_PAYLOAD"
    assert f"hit {hit.hit_id} is damaged" in damaged.value.message
    assert says in damaged.value.message
    assert DeskHits(database).payload(other.hit_id) == other.to_payload()
    done = verb("desk", "status", "--desk", desk.path, "--read-all", "--json")
    assert (done.status, done.json["damaged"]) == (ExitCode.STORAGE, [hit.hit_id])
    (line,) = done.error_lines
    assert damaged.value.message in line


def retention(database: DeskDatabase, record: Callable[[Event], object]) -> DeskRetention:
    return DeskRetention(database, record, lambda: NOW + timedelta(days=3), DESK_KEY)


def old_and_new(database: DeskDatabase, parties: Parties) -> tuple[Hit, Hit]:
    """A hit that is due, and one that says that the clock is right."""
    old = parties.hit(observed_at=NOW - timedelta(days=40))
    fresh = parties.hit(observed_at=NOW + timedelta(days=3))
    put(database, old)
    DeskHits(database).put(fresh, fresh.to_payload(), NOW + timedelta(days=3))
    return old, fresh


def test_p10_retention_deletes_the_payload_beside_the_database(
    database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    _, fresh = old_and_new(database, parties)

    report = retention(database, lambda _event: None).run()

    assert report.not_confirmed == 1
    assert keys(database, beside) == [key_of(database, fresh)]


class StoppedError(Exception):
    """The log of a test that cannot be written."""


def test_p10_no_statement_says_that_a_payload_was_deleted_that_is_still_there(
    database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    old, _ = old_and_new(database, parties)
    key = key_of(database, old)

    def stop(_event: Event) -> None:
        # The statement is about to be committed; by now the payload is gone.
        assert beside.get(key) is None
        raise StoppedError

    by = retention(database, stop)
    with pytest.raises(StoppedError):
        by.run()
    assert by.statements() == ()
    assert retention(database, lambda _event: None).run().not_confirmed == 1


def test_p10_what_cannot_be_deleted_beside_the_database_is_in_no_statement(
    tmp_path: Path, parties: Parties
) -> None:
    with object_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        desk = make_desk(tmp_path / "desk")
        with DeskDatabase.open(desk.address, server.new_bucket("hits")) as database:
            old, _ = old_and_new(database, parties)
            server.process.kill()
            by = retention(database, lambda _event: None)
            with pytest.raises(OutboxError) as away:
                by.run()
            with pytest.raises(OutboxError) as receiving:
                put(database, parties.hit())

            assert away.value.code == receiving.value.code == "E_PAYLOADS"
            assert "EndpointConnectionError; check endpoint" in away.value.message
            assert by.statements() == ()
            assert key_of(database, old)
            assert DeskHits(database).counts()["hits"] == 2


PUT_AND_DIE = """
import os, sys
from pathlib import Path
from edge.desk.folder import open_folder
from edge.desk.store.hits import DeskHits
from edge.desk.store.payloads import FolderPayloads
from edge.desk.store.s3 import S3Payloads
from edge.formats.timestamps import parse_utc
from edge.privacy.hit import parse_hit
for kind in (FolderPayloads, S3Payloads):
    def die(self, key, payload, put=kind.put):
        put(self, key, payload)
        if key.count("/") == 2:  # not what only tells the place
            os.kill(os.getpid(), 9)
    kind.put = die
payload = sys.stdin.buffer.read()
database = open_folder(Path(sys.argv[1])).open_database()
DeskHits(database).put(parse_hit(payload), payload, parse_utc(sys.argv[2]))
"""


def die_after_writing(desk: DeskFolder, hit: Hit) -> None:
    at = "2026-12-01T12:00:00.000Z"
    done = run_program(PUT_AND_DIE, desk.path, at, given=hit.to_payload(), env=CREDENTIALS)
    assert done.status == -9


def test_a_payload_whose_row_was_not_committed_is_used_again_or_swept(
    desk: DeskFolder, database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    again, never, kept = (parties.hit() for _ in range(3))
    put(database, kept)
    for hit in (again, never):
        die_after_writing(desk, hit)
    assert len(keys(database, beside)) == 3
    assert DeskHits(database).counts()["hits"] == 1

    assert put(database, again) is Outcome.NEW
    assert len(keys(database, beside)) == 3
    assert sweep(database) == 1

    assert set(keys(database, beside)) == {key_of(database, hit) for hit in (again, kept)}
    assert DeskHits(database).payload(again.hit_id) == again.to_payload()


def test_p10_the_first_payload_of_a_desk_is_swept_too(
    desk: DeskFolder, database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    die_after_writing(desk, parties.hit())
    assert len(keys(database, beside)) == 1
    assert sweep(database) == 1
    assert keys(database, beside) == []


def test_p10_what_a_put_that_was_killed_has_half_written_is_swept(
    tmp_path: Path, parties: Parties
) -> None:
    place = tmp_path / "place"
    desk = make_desk(tmp_path / "half")
    with DeskDatabase.open(desk.address, f"file://{place}") as database:
        hit = parties.hit()
        put(database, hit)
        file = place / key_of(database, hit)
        half = file.with_name(f".{file.name}.0123abcd")
        half.write_bytes(b"half of a sealed hit")
        assert sweep(database) == 1
        assert file.exists()
    assert not half.exists()


def test_p10_an_empty_mount_point_is_not_taken_for_the_place(
    tmp_path: Path, parties: Parties
) -> None:
    place = tmp_path / "place"
    desk = make_desk(tmp_path / "mounted")
    with DeskDatabase.open(desk.address, f"file://{place}") as database:
        hit = parties.hit()
        put(database, hit)
        place.rename(tmp_path / "away")
        place.mkdir(mode=0o700)
        for act in (
            lambda: put(database, parties.hit()),
            lambda: sweep(database),
            lambda: deleted(database, hit.hit_id),
        ):
            with pytest.raises(OutboxError) as refused:
                act()
            assert refused.value.code == "E_PAYLOADS"
            assert "mount it" in refused.value.message
        assert DeskHits(database).counts()["hits"] == 1
        place.rmdir()
        (tmp_path / "away").rename(place)
        assert DeskHits(database).payload(hit.hit_id) == hit.to_payload()


def test_a_place_of_which_only_the_small_object_is_lost_is_known_by_its_payloads(
    database: DeskDatabase, beside: SealedPayloads, parties: Parties
) -> None:
    hit = parties.hit()
    put(database, hit)
    mark = f"{key_of(database, hit).split('/')[0]}/desk"
    whole = beside.get(mark)
    harms: tuple[Callable[[], None], ...] = (
        lambda: beside.delete([mark]),
        lambda: beside.put(mark, b""),
    )
    for lost in harms:
        lost()
        assert put(database, parties.hit()) is Outcome.NEW
        assert beside.get(mark) == whole
    assert DeskHits(database).payload(hit.hit_id) == hit.to_payload()


def deleted(database: DeskDatabase, hit_id: str) -> None:
    with database.writing() as connection:
        delete_payloads(connection, [hit_id])


@pytest.mark.parametrize("address", ["s3://[x", "file:///tmp/q#1/x", "file:///tmp/q?x=1"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="payloads: write"):
        open_payloads(address)


def test_desks_at_one_place_delete_nothing_of_each_other(
    tmp_path: Path, database: DeskDatabase, address: str, parties: Parties
) -> None:
    hit = parties.hit()
    put(database, hit)
    other = make_desk(tmp_path / "other")
    with DeskDatabase.open(other.address, address) as second:
        assert sweep(second) == 0
        put(second, parties.hit())
        assert sweep(second) == 0
    assert DeskHits(database).payload(hit.hit_id) == hit.to_payload()


def test_hits_beside_a_database_need_the_name_of_the_place(
    desk: DeskFolder, database: DeskDatabase, parties: Parties
) -> None:
    hit = parties.hit()
    put(database, hit)
    with DeskDatabase.open(desk.address) as nowhere, pytest.raises(OutboxError) as refused:
        DeskHits(nowhere).payload(hit.hit_id)
    assert refused.value.code == "E_PAYLOADS"
    assert "name the place in `payloads` of desk.json" in refused.value.message


def test_p10_a_bucket_that_keeps_versions_is_refused(server: ObjectServer) -> None:
    address = server.new_bucket("with-versions", versions=True)
    with pytest.raises(OutboxError) as refused:
        open_payloads(address)
    assert refused.value.code == "E_PAYLOADS"
    assert "keeps versions, so deleted hits would stay" in refused.value.message


def test_a_bucket_that_is_not_there_is_one_line(server: ObjectServer) -> None:
    with pytest.raises(OutboxError) as refused:
        open_payloads(server.address("missing"))
    assert "NoSuchBucket; check endpoint, bucket" in refused.value.message


@pytest.mark.parametrize(
    "address",
    ["payloads", "file://host/folder", "file:relative", "s3://", "s3://key:secret@bucket/x",
     "http://x/y", "s3://bucket/x?secret=y"],
)  # fmt: skip
def test_an_address_of_another_form_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_payloads(address)
    assert "secret" not in refused.value.message


def test_a_folder_that_others_can_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "payloads"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(OutboxError, match="chmod 700") as refused:
        open_payloads(f"file://{folder}")
    assert refused.value.code == "E_PAYLOADS"
