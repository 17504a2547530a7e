"""Findings that a passkey signs, and keys that were revoked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from sqlalchemy import select

from edge.desk import passkeys
from edge.desk.findings import (
    PASSKEY_SCHEMA,
    DeskFinding,
    FindingKey,
    PasskeySignature,
    finding_challenge,
    parse_finding_key,
    verify_finding,
    verify_findings,
)
from edge.desk.key_revoking import DeskKeys
from edge.desk.outcomes import FindingOutcome
from edge.desk.passkey_keys import PasskeyKey, RelyingParty
from edge.desk.passkey_signing import SIGNED_WITHIN, PasskeySigning
from edge.desk.passkey_statements import cose_public_key, verify_statement
from edge.desk.people import DeskPeople
from edge.desk.personal_keys import all_keys, personal_keys
from edge.desk.relying_party import (
    creation_options,
    parse_creation,
    verified_creation,
)
from edge.desk.sign_in import DeskSignIn
from edge.desk.store.tables import REVIEW_CASE
from edge.errors import KeyFileError
from edge.privacy.audit_events import FindingSigned, PasskeyChanged, PersonKeyRevoked
from tests.integration.test_desk_people import recorded, refused
from tests.support.authenticator import UP, Authenticator, PrivateKey, cose_of, signed_with
from tests.support.desk_web import PARTY
from tests.support.desks import FIRST, make_desk
from tests.support.parties import Parties, make_parties
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
    REFERRED,
    SECOND,
    SECOND_REVIEW,
    THIRD_READ,
    TYPED,
    ReviewRoom,
    who,
)


class Desk:
    """A room for reviews in which officers sign with passkeys."""

    def __init__(self, room: ReviewRoom) -> None:
        self.room = room
        self.signing = PasskeySigning(room.reviews, room.utc, PARTY)

    def passkey(
        self, person: str, key: PrivateKey | None = None
    ) -> tuple[Authenticator, PasskeyKey]:
        made = Authenticator(PARTY.origin) if key is None else Authenticator(PARTY.origin, key=key)
        options = creation_options(PARTY, bytes(56), "desk", (person, person, bytes(32)), ())
        public, count = verified_creation(parse_creation(made.create(options)), PARTY)
        with self.room.database.writing() as connection:
            passkeys.insert(connection, public, person, "blue key", bytes(32), count, self.room.now)
        return made, public

    def sign(
        self, person: str, made: Authenticator, outcome: FindingOutcome = CONFIRMED
    ) -> DeskFinding:
        hit_id = self.room.hit.hit_id
        asked = self.signing.begin(who(person), hit_id, outcome)
        answer = made.get(asked.options)
        return self.finish(person, answer, outcome)

    def finish(self, person: str, answer: str, outcome: FindingOutcome = CONFIRMED) -> DeskFinding:
        hit_id, now = self.room.hit.hit_id, self.room.now
        return self.signing.finish(who(person), hit_id, outcome, answer, decided_at=now)

    def judged(self, person: str) -> None:
        self.room.begin(person)
        self.room.judge(person)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def own(tmp_path: Path, parties: Parties) -> Iterator[Desk]:
    with ReviewRoom.of(make_desk(tmp_path / "desk"), parties) as room:
        yield Desk(room)


def test_a_passkey_signs_a_finding_that_verifies_with_its_public_key_alone(own: Desk) -> None:
    made, key = own.passkey(OFFICER)
    own.judged(OFFICER)
    finding = own.sign(OFFICER, made)
    (payload,) = own.room.findings()

    assert (finding.schema_, finding.number, finding.outcome) == (PASSKEY_SCHEMA, 1, CONFIRMED)
    told = parse_finding_key(key.text)
    assert told == key
    assert verify_findings([payload], {OFFICER: (told,)}) == [finding]
    assert verify_findings([payload], personal_keys(own.room.database)) == [finding]
    assert recorded(own.room.desk)[-1] == FindingSigned(
        own.room.hit.hit_id, 1, OFFICER, "confirmed", finding.sha256()
    )
    refused(lambda: own.sign(OFFICER, made), "E_RIGHT")
    for at in range(len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        refused(partial(verify_finding, changed, told), "E_FINDING")


KINDS: dict[str, Callable[[], PrivateKey]] = {
    "EdDSA": Ed25519PrivateKey.generate,
    "ES256": lambda: generate_ec(SECP256R1()),
    "RS256": lambda: generate_rsa(65537, 2048),
}


@pytest.mark.parametrize("kind", KINDS)
def test_p4_a_passkey_of_each_kind_is_verified_and_no_lie_of_one(own: Desk, kind: str) -> None:
    made, key = own.passkey(OFFICER, KINDS[kind]())
    own.judged(OFFICER)
    own.sign(OFFICER, made)
    (payload,) = own.room.findings()
    finding = verify_finding(payload, key)
    assert isinstance(finding.signature, PasskeySignature)
    challenge = finding_challenge(finding)
    kept = finding.signature
    data, client = map(base64.b64decode, (kept.authenticator_data, kept.client_data))

    def signed(data: bytes, client: bytes, private: PrivateKey = made.key) -> None:
        signature = signed_with(private, data + hashlib.sha256(client).digest())
        verify_statement(key, challenge, data, client, signature)

    def told(**changed: object) -> bytes:
        return json.dumps({**json.loads(client), **changed}).encode()

    signed(data, client)
    signed(data[:32] + b"\x85" + data[33:] + b"\xa0", told(tokenBinding={}))
    lies = [
        (bytes(32) + data[32:], client),
        *((data[:32] + bytes([flags]) + data[33:], client) for flags in (0x00, 0x01, 0x04, 0x45)),
        (data + b"\xa0", client),
        (data[:36], client),
        (b"", client),
        *(
            (data, told(**changed))
            for changed in (
                {"type": "webauthn.create"},
                {"challenge": "AAAA"},
                {"origin": "https://desk.example"},
                {"crossOrigin": True},
            )
        ),
        *(
            (data, each)
            for each in (b"", b"[]", b"\xff", b"[" * 9999, client.decode().encode("utf-16"))
        ),
    ]
    for lie in lies:
        refused(partial(signed, *lie), "E_PASSKEY")
    refused(partial(signed, data, client, KINDS[kind]()), "E_PASSKEY")


def test_p4_a_passkey_whose_public_key_has_another_form_is_not_added() -> None:
    """A court reads the three forms that the desk asks for, so no other signs findings."""
    good = cose_of(Ed25519PrivateKey.generate())
    point = cose_of(generate_ec(SECP256R1()))
    short = cose_of(generate_rsa(65537, 2048)).replace(b"\x59\x01\x00", b"\x58\xff")
    for wrong in (
        b"", good[:-1], good + b"\0", b"\xa4\x20\x06" + good[1:3] + good[3:],
        point[:-32] + bytes(32), short,
        good.replace(b"\x20\x06", b"\x20\x07"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"COSE|curve|point"):
            cose_public_key(wrong)
    mixed = b"\xa4\x20\x06" + good[1:5] + good[7:]  # another order of the same map
    assert cbor2.loads(mixed) == cbor2.loads(good)
    told = Authenticator(PARTY.origin, cose=mixed).create(
        creation_options(PARTY, bytes(56), "desk", (OFFICER, OFFICER, bytes(32)), ())
    )
    refused(lambda: verified_creation(parse_creation(told), PARTY), "E_PASSKEY")


def test_both_forms_of_finding_follow_each_other(own: Desk) -> None:
    made, _ = own.passkey(SECOND)
    own.room.through(OFFICER, REFERRED, TYPED)
    own.room.begin(SECOND, SECOND_REVIEW)
    own.room.judge(SECOND, typed=THIRD_READ)
    own.sign(SECOND, made, NO_WORD)
    both = own.room.findings()

    found = verify_findings(both, personal_keys(own.room.database))
    assert [one.schema_[-1] for one in found] == ["1", "2"]
    assert found[1].predecessor == found[0].sha256()
    refused(lambda: verify_findings(both[1:], personal_keys(own.room.database)), "E_FINDING")


LIES: dict[str, Callable[[Authenticator], None]] = {
    "another origin": lambda made: setattr(made, "origin", "https://desk.example"),
    "a frame": lambda made: setattr(made, "cross_origin", True),
    "another host": lambda made: setattr(made, "rp_id", "desk.example"),
    "no verification of the person": lambda made: setattr(made, "flags", UP),
    "another key": lambda made: setattr(made, "key", Authenticator("").key),
    "another passkey": lambda made: setattr(made, "credential", bytes(32)),
    "an old count": lambda made: setattr(made, "count", -1),
}


def test_p4_a_passkey_that_lies_signs_no_finding(own: Desk) -> None:
    made, _ = own.passkey(OFFICER)
    others, _ = own.passkey(OTHER)
    own.judged(OFFICER)
    hit_id = own.room.hit.hit_id
    with own.room.database.writing() as connection:
        (kept,) = passkeys.of_person(connection, OFFICER)
        passkeys.write_count(connection, kept, 5)
    made.count = 5
    asked = own.signing.begin(who(OFFICER), hit_id, CONFIRMED)
    honest = dict(vars(made))
    for lie in LIES.values():
        lie(made)
        refused(lambda: own.finish(OFFICER, made.get(asked.options)), "E_PASSKEY")
        vars(made).update(honest)
    rejecting = made.get(json.dumps({**json.loads(asked.options), "challenge": "AAAA"}))
    answer = made.get(asked.options)
    for act in (
        lambda: own.finish(OFFICER, others.get(asked.options)),
        lambda: own.finish(OFFICER, rejecting),
        lambda: own.finish(OFFICER, "{}"),
        lambda: own.signing.finish(
            who(OFFICER), hit_id, REFERRED, answer, decided_at=own.room.now
        ),
    ):  # fmt: skip
        refused(act, "E_PASSKEY")
    earlier = own.room.now - timedelta(milliseconds=1)  # before she held the case
    refused(
        lambda: own.signing.finish(who(OFFICER), hit_id, CONFIRMED, answer, decided_at=earlier),
        "E_CASE",
    )
    decided_at = own.room.now
    own.room.now += SIGNED_WITHIN
    refused(
        lambda: own.signing.finish(who(OFFICER), hit_id, CONFIRMED, answer, decided_at=decided_at),
        "E_PASSKEY",
    )
    assert own.room.findings() == ()


def test_p4_only_who_holds_and_has_judged_the_case_signs_with_a_passkey(own: Desk) -> None:
    made, _ = own.passkey(OFFICER)
    hit_id = own.room.hit.hit_id
    refused(lambda: own.signing.begin(who(OFFICER), hit_id, CONFIRMED), "E_CASE")
    own.judged(OFFICER)
    refused(lambda: own.signing.begin(who(OTHER), hit_id, CONFIRMED), "E_PASSKEY")
    refused(lambda: own.signing.begin(who(OFFICER), hit_id, NO_WORD), "E_CASE")
    asked = own.signing.begin(who(OFFICER), hit_id, CONFIRMED)
    answer = made.get(asked.options)
    for right in own.room.people.rights():
        if right.terms.person == OFFICER:
            own.room.people.revoke(who(FIRST), right.right_id)
    refused(lambda: own.finish(OFFICER, answer), "E_RIGHT")
    assert own.room.findings() == ()


def test_a_signature_of_the_other_form_is_no_finding(own: Desk) -> None:
    made, key = own.passkey(OFFICER)
    own.judged(OFFICER)
    own.sign(OFFICER, made)
    (payload,) = own.room.findings()
    keys: tuple[FindingKey, ...] = (own.room.keys[OFFICER].public, key)
    other = payload.replace(b"finding/2", b"finding/1")

    refused(lambda: verify_findings([other], keys), "E_FINDING")
    refused(lambda: verify_finding(payload, own.room.keys[OFFICER].public), "E_FINDING")
    refused(lambda: verify_findings([payload], {OTHER: keys}), "E_FINDING")
    elsewhere = PasskeyKey(
        key.credential, key.public_key, RelyingParty("desk.example", "https://desk.example")
    )
    refused(lambda: verify_finding(payload, elsewhere), "E_FINDING")


@pytest.mark.parametrize("change", ["x", "passkey:", "passkey:e30=", "ed25519:AAAA"])
def test_a_key_of_another_form_is_refused(change: str) -> None:
    with pytest.raises(KeyFileError):
        parse_finding_key(change)


def test_one_passkey_has_one_text() -> None:
    key = PasskeyKey(b"\0" * 16, b"\1" * 44, PARTY)
    inner = base64.b64decode(key.text.removeprefix("passkey:"))
    other = json.dumps(json.loads(inner)).encode()
    with pytest.raises(KeyFileError):
        parse_finding_key("passkey:" + base64.b64encode(other).decode())
    for name in ("credential", "public_key"):
        loose = {**json.loads(inner), name: json.loads(inner)[name][:-3] + "B=="}
        text = json.dumps(loose, separators=(",", ":"), sort_keys=True).encode()
        with pytest.raises(KeyFileError):
            parse_finding_key("passkey:" + base64.b64encode(text).decode())


# --- revoking -------------------------------------------------------------------------------------


def test_p4_a_revoked_key_signs_no_more_and_what_it_signed_stays_valid(own: Desk) -> None:
    room = own.room
    made, key = own.passkey(OFFICER)
    own.judged(OFFICER)
    own.sign(OFFICER, made, REFERRED)
    room.now += timedelta(hours=1)
    second = room.keys[SECOND].public
    for person, key_id in ((OFFICER, key.key_id), (SECOND, second.key_id)):
        refused(partial(revoke, own, OTHER, key_id), "E_RIGHT")
        assert revoke(own, FIRST if person == SECOND else OFFICER, key_id) == person
        refused(partial(revoke, own, FIRST, key_id), "E_RIGHT")

    assert recorded(room.desk)[-2:] == [
        PasskeyChanged("removed", OFFICER, key.sha256(), OFFICER),
        PersonKeyRevoked(SECOND, second.key_id, FIRST),
    ]
    ended = {
        one.key.key_id: one.revoked_at
        for one in all_keys(room.database)
        if one.revoked_at is not None
    }
    assert set(ended) == {key.key_id, second.key_id}
    payloads = room.findings()
    (valid,) = verify_findings(payloads, personal_keys(room.database))
    assert valid.person.name == OFFICER
    room.begin(SECOND, SECOND_REVIEW)
    room.judge(SECOND, typed=BOX_READ)
    refused(lambda: room.decide(SECOND, CONFIRMED), "E_RIGHT")
    assert room.findings() == payloads


def revoke(own: Desk, by: str, key_id: str) -> str:
    room = own.room
    return DeskKeys(room.database, room.audit.append, room.utc).revoke(who(by), key_id)


def taken_away(own: Desk, what: str) -> None:
    """Take a key, a passkey or the right from the officer, each in every way that there is."""
    room, (_, public) = own.room, own.passkey(OFFICER)
    people = DeskPeople(room.database, room.audit.append, room.utc)
    sign_in = DeskSignIn(
        room.database, room.audit.append, room.utc, PARTY, bytes(32), required=False
    )
    if what == "key":
        revoke(own, FIRST, room.keys[OFFICER].public.key_id)
    elif what == "passkey":
        revoke(own, FIRST, public.key_id)
    elif what == "own passkey":
        sign_in.remove_passkey(who(OFFICER), public.key_id)
    else:
        (right,) = people.rights(OFFICER)
        people.revoke(who(FIRST), right.right_id)


@pytest.mark.parametrize("what", ["key", "passkey", "own passkey", "right"])
def test_p4_what_a_person_signed_is_kept_before_her_key_or_right_ends(own: Desk, what: str) -> None:
    room = own.room
    own.judged(OFFICER)
    room.interrupted(OFFICER)
    with room.database.reading() as connection:
        signed = connection.execute(select(REVIEW_CASE.c.signed)).scalar_one()

    taken_away(own, what)
    assert (room.findings(), room.waits()) == ((bytes(signed),), False)
    assert isinstance(recorded(room.desk)[-2], FindingSigned)


@pytest.mark.parametrize("what", ["key", "passkey", "own passkey", "right"])
def test_p4_a_row_that_nobody_signed_does_not_stop_what_is_revoked(
    own: Desk, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    room = own.room
    own.judged(OFFICER)
    room.interrupted(OFFICER)
    with room.database.writing() as connection:
        connection.execute(REVIEW_CASE.update().values(signed=b"{}"))
    before = recorded(room.desk)

    taken_away(own, what)
    later = recorded(room.desk)[len(before) :]
    assert later
    assert not [one for one in later if isinstance(one, FindingSigned)]
    assert room.findings() == ()
    assert room.hit.hit_id in caplog.text
