"""Digests of typed plates need a secret of the desk's folder: the database alone tries no plate."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

import pytest
from sqlalchemy import select

from edge.desk.accounts import prove
from edge.desk.findings import parse_finding, typing_digest, typing_key
from edge.desk.folder import TYPING_KEY_NAME, DeskFolder
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import ATTEMPT, JUDGEMENT, REVIEW_CASE
from edge.domain.plates import PlateText
from edge.errors import OutboxError
from tests.integration.test_desk_people import refused
from tests.integration.test_desk_store import dumped
from tests.support.desks import FIRST, make_desk, passphrase_of
from tests.support.parties import AUTHORITY, Parties, make_parties
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    OFFICER,
    REFERRED,
    SECOND,
    SECOND_REVIEW,
    TYPED,
    ReviewRoom,
    at_once,
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def case_key(room: ReviewRoom) -> bytes:
    with room.database.reading() as connection:
        return bytes(connection.execute(REVIEW_CASE.select()).one().typing_key)


def digests(room: ReviewRoom) -> set[str]:
    """All digests of plates on the room's hit."""
    with room.database.reading() as connection:
        typed = set(connection.execute(select(JUDGEMENT.c.typed)).scalars())
    findings = [parse_finding(one) for one in room.findings()]
    return {
        one for one in typed | {f.typed for f in findings} | {f.box_read for f in findings} if one
    }


def tried(key: bytes, plate: PlateText) -> str:
    return hmac.new(key, plate.reveal().encode(), hashlib.sha256).hexdigest()


def test_p7_a_copy_of_the_database_tries_no_plate(room: ReviewRoom) -> None:
    room.through(OFFICER, REFERRED, TYPED)
    room.through(SECOND, CONFIRMED, BOX_READ, SECOND_REVIEW)
    kept, key = digests(room), case_key(room)
    assert kept == {tried(typing_key(room.secret, key), one) for one in (TYPED, BOX_READ)}

    assert len(key) == 33
    for known in (key, key[1:], key[:32], bytes(32)):
        keys = (
            known,
            typing_key(bytes(32), known),
            typing_key(known, known),
            typing_key(b"", known),
        )
        assert kept.isdisjoint(tried(one, plate) for one in keys for plate in (TYPED, BOX_READ))
    room.database.close()
    content = dumped(room.desk)
    for form in (room.secret, room.secret.hex().encode()):
        assert form not in content + (room.desk.path / "audit.log").read_bytes()


@pytest.mark.parametrize("typed", [TYPED.reveal(), "a long passphrase of somebody", FIRST])
def test_p7_a_copy_of_the_database_tries_nothing_that_was_typed_as_a_name(
    room: ReviewRoom, typed: str
) -> None:
    """A plate or a passphrase in the wrong field: its failed attempt is counted all the same."""
    refused(lambda: room.people.prove(typed, "wrong"), "E_LOGIN")
    with room.database.reading() as connection:
        (kept,) = connection.execute(select(ATTEMPT.c.name_hmac)).scalars()
    name = typed.encode()
    assert kept == hmac.new(room.desk.names_key(room.database), name, hashlib.sha256).hexdigest()

    guesses = {hashlib.new(how, name).hexdigest() for how in ("sha256", "sha3_256", "blake2s")}
    for known in (b"", bytes(32), AUTHORITY.encode(), name):
        guesses.add(hmac.new(known, name, hashlib.sha256).hexdigest())
    assert kept not in guesses
    content = dumped(room.desk) + (room.desk.path / "audit.log").read_bytes()
    for key in (room.desk.names_key(room.database), room.desk.codes_key(room.database)):
        assert key not in content
        assert key.hex().encode() not in content


def test_p7_without_the_folder_of_a_desk_nobody_logs_in(room: ReviewRoom) -> None:
    with DeskDatabase.open(room.desk.address) as database:
        refused(lambda: prove(database, FIRST, passphrase_of(FIRST), room.utc), "E_RIGHT")


def test_p7_another_desk_tries_no_plate_either(room: ReviewRoom, tmp_path: Path) -> None:
    room.through(OFFICER, CONFIRMED)
    other = make_desk(tmp_path / "other")
    with other.open_database() as database:
        assert typing_digest(
            typing_key(other.typing_secret(database), case_key(room)), BOX_READ
        ) not in digests(room)


def test_a_case_of_an_earlier_version_goes_on_under_its_own_key(room: ReviewRoom) -> None:
    old = secrets.token_bytes(32)
    room.begin(OFFICER)
    with room.database.writing() as connection:
        connection.execute(REVIEW_CASE.update().values(typing_key=old))
    room.judge(OFFICER, typed=TYPED)
    room.decide(OFFICER, REFERRED)
    finding = room.through(SECOND, CONFIRMED, BOX_READ, SECOND_REVIEW)

    assert (finding.typed, finding.box_read) == (tried(old, BOX_READ),) * 2
    assert digests(room) == {tried(old, one) for one in (TYPED, BOX_READ)}
    assert case_key(room) == old


def secret_file(desk: DeskFolder) -> Path:
    return desk.path / TYPING_KEY_NAME


def test_the_secret_is_private_and_stays_the_same(room: ReviewRoom) -> None:
    file = secret_file(room.desk)
    assert file.stat().st_mode & 0o777 == 0o600
    assert room.desk.typing_secret(room.database) == room.secret
    file.chmod(0o640)
    refused(lambda: room.desk.typing_secret(room.database), "E_STORE_MODE")
    file.chmod(0o600)
    file.write_text("short\n")
    with pytest.raises(OutboxError, match="64 hexadecimal"):
        room.desk.typing_secret(room.database)


def test_a_secret_that_is_lost_is_not_replaced_in_silence(room: ReviewRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    kept = secret_file(room.desk).read_bytes()
    secret_file(room.desk).unlink()
    with pytest.raises(OutboxError, match=r"restore it from a backup.*openssl rand -hex 32"):
        room.desk.typing_secret(room.database)
    assert not secret_file(room.desk).exists()

    secret_file(room.desk).write_bytes(kept)
    secret_file(room.desk).chmod(0o600)
    assert room.desk.typing_secret(room.database) == room.secret


def test_processes_that_start_together_have_one_secret(tmp_path: Path) -> None:
    desk, found = make_desk(tmp_path / "desk"), set()

    def start() -> None:
        with desk.open_database() as database:
            found.add(desk.typing_secret(database))

    at_once(*[start] * 8)
    assert found == {bytes.fromhex(secret_file(desk).read_text())}
