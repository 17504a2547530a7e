"""The keys with which officers sign in a browser, kept at the desk under their passphrases."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.desk import passkeys
from edge.desk.findings import PASSKEY_SCHEMA, verify_findings
from edge.desk.personal_keys import personal_keys
from edge.desk.relying_party import (
    creation_options,
    parse_creation,
    verified_creation,
)
from edge.desk.sealed_keys import open_sealed_key, signs_here
from edge.desk.store.tables import PERSONAL_KEY
from edge.formats.signing import PublicKey
from tests.integration.test_desk_store import dumped
from tests.support.authenticator import UP, Authenticator
from tests.support.desk_web import PARTY, line_of, says
from tests.support.desks import make_desk, passphrase_of
from tests.support.parties import PLATE, make_parties
from tests.support.review_web import ReviewOffice, opened_office
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, REFERRED, THIRD, TYPED, who


@pytest.fixture
def office(tmp_path: Path) -> Iterator[ReviewOffice]:
    yield from opened_office(make_desk(tmp_path / "desk"), make_parties(tmp_path / "parties"))


def test_p21_the_key_at_the_desk_opens_with_her_passphrase_only(office: ReviewOffice) -> None:
    room = office.room
    seat = office.seat(OFFICER)
    before = open_sealed_key(room.database, who(OFFICER), passphrase_of(OFFICER))
    assert says("account.key_here") in seat.get("/account")
    seat.post("/account/key", passphrase="a wrong passphrase")
    assert seat.status == 403
    made = seat.post("/account/key", passphrase=passphrase_of(OFFICER))
    after = open_sealed_key(room.database, who(OFFICER), passphrase_of(OFFICER))
    assert after.public.key_id in line_of(made)
    assert after.public != before.public
    for raw in (after.raw(), before.raw()):
        assert raw not in dumped(room.desk)
        assert base64.b64encode(raw) not in dumped(room.desk)

    new = "another long passphrase"
    seat.post("/account", current=passphrase_of(OFFICER), new=new, again=new)
    seat.claim()
    seat.judge(typed=PLATE)
    assert line_of(seat.decide("confirmed")) == says("case.wrong_passphrase")
    assert says("case.done") in seat.decide("confirmed", passphrase=new)
    (finding,) = office.findings()
    assert finding.signature.key_id == after.public.key_id
    with room.database.reading() as connection:
        keys = connection.execute(PERSONAL_KEY.select()).all()
    assert after.public.key_id in {PublicKey.parse(one.public).key_id for one in keys}


def test_who_has_no_key_at_the_desk_is_told_before_she_takes_a_hit(office: ReviewOffice) -> None:
    assert not signs_here(office.room.database, THIRD)
    seat = office.seat(THIRD)
    page = seat.claim()
    assert line_of(page) == says("case.no_key")
    assert 'href="/account"' in page
    assert says("account.key_missing") in seat.get("/account")
    seat.post("/case/next")
    assert seat.status == 403


# --- passkeys -------------------------------------------------------------------------------------


def passkey_of(office: ReviewOffice, person: str) -> Authenticator:
    made = Authenticator(PARTY.origin)
    options = creation_options(PARTY, bytes(56), "desk", (person, person, bytes(32)), ())
    key, count = verified_creation(parse_creation(made.create(options)), PARTY)
    with office.room.database.writing() as connection:
        passkeys.insert(connection, key, person, "blue key", bytes(32), count, office.room.now)
    return made


def asked_in(page: str) -> tuple[str, str]:
    """What the page asks a passkey to sign, and the moment of the decision."""
    options = re.search(r'data-options="(.*?\})"', page)
    moment = re.search(r'name="decided_at" value="([^"]+)"', page)
    assert options is not None
    assert moment is not None
    return options[1], moment[1]


def test_p4_an_officer_without_a_key_signs_with_her_passkey(office: ReviewOffice) -> None:
    made = passkey_of(office, THIRD)
    office.room.through(OFFICER, REFERRED, TYPED)
    seat = office.seat(THIRD)
    seat.claim()
    page = seat.judge(typed=PLATE)
    assert 'name="passphrase"' not in page
    before = office.room.findings()

    fields = {"by": "passkey", "outcome": "confirmed"}
    options, moment = asked_in(seat.post(f"{seat.case}/decide", **fields))
    sent = {"outcome": "confirmed", "decided_at": moment}
    honest, made.flags = made.flags, UP
    page = seat.post(f"{seat.case}/sign", answer=made.get(options), **sent)
    assert (seat.status, line_of(page)) == (403, says("passkey.refused"))
    made.flags = honest
    for wrong in ({"decided_at": "yesterday"}, {"decided_at": "2026-13-01T00:00:00.000Z"}):
        seat.post(f"{seat.case}/sign", answer=made.get(options), **{**sent, **wrong})
        assert seat.status == 400
    assert office.room.findings() == before
    answer = made.get(options)
    assert says("case.done") in seat.post(f"{seat.case}/sign", answer=answer, **sent)
    assert says("case.done") in seat.post(f"{seat.case}/sign", answer=answer, **sent)
    found = verify_findings(office.room.findings(), personal_keys(office.room.database))
    assert [(one.schema_, one.outcome) for one in found[1:]] == [(PASSKEY_SCHEMA, CONFIRMED)]


def test_the_page_for_a_passkey_names_the_chosen_outcome_and_reason_only(
    office: ReviewOffice,
) -> None:
    passkey_of(office, OFFICER)
    seat = office.seat(OFFICER)
    seat.claim()
    seat.judge(typed=PLATE)
    fields = {"by": "passkey", "outcome": "rejected", "outcome_reason": "exempt"}
    page = seat.post(f"{seat.case}/decide", **fields)
    assert "<p>Outcome: rejected</p>" in page
    assert "<p>Reason: exempt vehicle</p>" in page
    assert says("case.only") not in page, "she chose among several"
    assert says("passkey.script") in page


def test_without_a_script_each_page_with_passkeys_says_what_is_missing(
    office: ReviewOffice,
) -> None:
    seat = office.seat(OFFICER)
    passkey_of(office, OFFICER)
    for page in (seat.get("/account"), seat.get("/enrol")):
        (told,) = re.findall("<noscript>(.*?)</noscript>", page, re.DOTALL)
        assert says("passkey.script") in told


def test_who_types_her_passphrase_signs_with_her_key(office: ReviewOffice) -> None:
    passkey_of(office, OFFICER)
    seat = office.seat(OFFICER)
    seat.claim()
    seat.judge(typed=PLATE)
    fields = {"by": "passkey", "outcome": "confirmed", "passphrase": passphrase_of(OFFICER)}
    assert says("case.done") in seat.post(f"{seat.case}/decide", **fields)
    assert office.findings()[0].schema_ != PASSKEY_SCHEMA


def test_p4_no_plate_is_sent_in_the_name_of_another_person(office: ReviewOffice) -> None:
    seat = office.seat(OFFICER)
    assert f'data-person="{OFFICER}"' in seat.claim()
    for made_for in ("", OTHER):  # for whom the page was made, on which the plate was typed
        seat.client.headers["desk-made-for"] = made_for
        assert (seat.get(f"{seat.case}/ready"), seat.status) == ("other", 409)
