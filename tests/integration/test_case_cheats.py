"""Packages that a cheating desk makes: with its own key, its own log, and keys of some people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.state.audit_log import FILE_NAME, AuditTrail
from edge.authority.opening import open_hit, opened_bytes
from edge.desk.court.package import (
    AUDIT,
    AUTHORITY_KEYS,
    EVIDENCE,
    HIT,
    OPENED,
    PEOPLE,
    RECEIPT,
    CaseRight,
    finding_name,
)
from edge.desk.court.verdict import CaseVerdict
from edge.desk.court.verifying import verify_case
from edge.desk.findings import FindingTerms, parse_finding, sign_finding
from edge.desk.personal_keys import add_personal_key
from edge.formats.canonical import canonical_json
from edge.formats.signing import SigningKey
from edge.formats.timestamps import utc_text
from edge.policy.model import Policy
from edge.privacy.audit_events import (
    CaseOpened,
    Event,
    FindingSigned,
    KeyInUse,
    ReadingShown,
    RightChanged,
)
from edge.privacy.audit_proofs import prove_entries, verify_proof
from edge.privacy.checkpoints import desk_log
from edge.privacy.hit import Hit
from edge.privacy.sealing import open_body
from tests.integration.test_case_export import Exported, failed
from tests.integration.test_desk_passkey_findings import Desk
from tests.integration.test_desk_people import refused
from tests.support.cases import CaseRoom, for_the_hit, hit_under, repacked
from tests.support.desks import FIRST, NOW, make_desk
from tests.support.parties import AUTHORITY, Parties, evidence, make_parties
from tests.support.policies import document, signed, write
from tests.support.product import verb
from tests.support.receiving import boxes_of
from tests.support.reviews import CONFIRMED, OFFICER, OTHER, SECOND, who


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, parties: Parties) -> Iterator[CaseRoom]:
    folder = tmp_path_factory.mktemp("desk")
    with CaseRoom.of(make_desk(folder / "desk"), parties, folder) as made:
        yield made


@pytest.fixture(scope="module")
def exported(room: CaseRoom) -> Exported:
    return Exported(room)


@dataclass
class Forger:
    """A case as its desk would rewrite it: findings, log and people are made anew from these."""

    exported: Exported
    folder: Path
    events: list[tuple[datetime, Event]] = field(default_factory=list)
    terms: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, bytes | None] = field(default_factory=dict)
    hit_id: str | None = None

    def __post_init__(self) -> None:
        contents = self.exported.contents
        _, _, entries = verify_proof(contents[AUDIT], desk_log(AUTHORITY))
        self.events = [
            (one.at, one.event) for one in entries if not isinstance(one.event, KeyInUse)
        ]
        found = [parse_finding(contents[finding_name(at)]) for at in (1, 2)]
        self.terms = [one.model_dump(mode="json", by_alias=True) for one in found]
        self.people = json.loads(contents[PEOPLE])

    def moved(self, number: int, names: Iterable[str], by: timedelta) -> None:
        """Give a finding other times."""
        for name in names:
            self.terms[number - 1][name] = utc_text(NOW + by)

    def right_of(self, number: int, **changed: Any) -> None:
        """Give a finding a right with other terms, which the log records too."""
        person = self.terms[number - 1]["person"]
        (right,) = [one for one in self.people["rights"] if one["right"] == person["right"]]
        right |= changed
        digest = CaseRight.model_validate_json(json.dumps(right)).terms().sha256()
        person |= {"right_sha256": digest, "role": right["role"]}
        self.each(
            lambda event: (
                replace(event, right_sha256=digest, role=right["role"])
                if isinstance(event, RightChanged) and event.right == person["right"]
                else event
            )
        )

    def each(self, change: Callable[[Event], Event]) -> None:
        """Change every event of the log."""
        self.events = [(at, change(event)) for at, event in self.events]

    def approved(self, number: int, **changed: Any) -> None:
        """Change the approval of a finding's right in the log."""
        right = self.terms[number - 1]["person"]["right"]
        self.each(
            lambda event: (
                replace(event, **changed)
                if isinstance(event, RightChanged)
                and (event.right, event.action) == (right, "approved")
                else event
            )
        )

    def before_finding(self, number: int, at: datetime, event: Event) -> None:
        """Put an event into the log just before a finding."""
        (place,) = [
            place
            for place, (_, one) in enumerate(self.events)
            if isinstance(one, FindingSigned) and one.number == number
        ]
        self.events.insert(place, (at, event))

    def put_under(self, hit: Hit, parties: Parties) -> None:
        """Move findings and log to another hit, which the box has signed."""
        opened = open_hit(hit.to_payload(), boxes_of(parties), parties.authority)
        pictures = [name for name in self.exported.contents if name.startswith("pictures/")]
        self.hit_id = hit.hit_id
        self.changes = {
            **dict.fromkeys([*pictures, RECEIPT, AUTHORITY_KEYS]),
            HIT: hit.to_payload(),
            EVIDENCE: open_body(hit.sealed_bytes, hit.seal_context(), authority=parties.authority),
            OPENED: opened_bytes(opened),
        }
        for terms in self.terms:
            terms["hit_id"] = hit.hit_id
            terms["hit_sha256"] = hashlib.sha256(hit.to_payload()).hexdigest()
        self.each(
            lambda event: (
                replace(event, hit_id=hit.hit_id)
                if isinstance(event, CaseOpened | FindingSigned | ReadingShown)
                else event
            )
        )

    def package(self) -> bytes:
        changes = {**self.changes, PEOPLE: canonical_json(self.people)}
        predecessor, digests = None, []
        for terms in self.terms:
            terms.pop("signature", None)
            whole = FindingTerms.model_validate_json(
                json.dumps({**terms, "predecessor": predecessor})
            )
            finding = sign_finding(whole, self.exported.personal[whole.person.name])
            predecessor = finding.sha256()
            digests.append(predecessor)
            changes[finding_name(whole.number)] = finding.to_payload()
        times = iter([NOW - timedelta(days=1), *(at for at, _ in self.events)])
        key, origin = self.exported.key, desk_log(AUTHORITY)
        with AuditTrail.open(self.folder, origin, key, lambda: next(times)) as log:
            for _, event in self.events:
                log.append(
                    replace(event, finding_sha256=digests[event.number - 1])
                    if isinstance(event, FindingSigned)
                    else event
                )
        changes[AUDIT] = prove_entries(
            (self.folder / FILE_NAME).read_bytes(), origin, (key.public,), {"event"},
            lambda entries: [one.number for one in entries],
        ).canonical()  # fmt: skip
        return repacked(self.exported.package, key, changes, self.hit_id)

    def verdict(self) -> CaseVerdict:
        return verify_case(self.package(), self.exported.known)


@pytest.fixture
def forger(exported: Exported, tmp_path: Path) -> Forger:
    return Forger(exported, tmp_path / "log")


def test_what_a_forger_leaves_as_it_is_is_proven(forger: Forger) -> None:
    assert forger.verdict().confirmed


MINUTE = timedelta(minutes=1)
CHEATS: dict[str, tuple[Callable[[Forger], None], str]] = {
    "an auditor gives the first finding": (
        lambda one: one.right_of(1, role="auditor"), "people and rights",
    ),
    "an officer gives the second finding": (
        lambda one: one.right_of(2, role="officer"), "people and rights",
    ),
    "who proposed a right approved it": (
        lambda one: one.approved(1, by=FIRST), "people and rights",
    ),
    "who got a right approved it": (
        lambda one: one.approved(2, by=SECOND), "people and rights",
    ),
    "a right was approved alone": (
        lambda one: one.approved(2, alone=True), "people and rights",
    ),
    "a right was never proposed": (
        lambda one: one.approved(1, action="proposed"), "people and rights",
    ),
    "decided before it was judged": (
        lambda one: one.moved(1, ["decided_at"], -MINUTE), "audit log",
    ),
    "decided before it was opened": (
        lambda one: one.moved(2, ("judged_at", "decided_at"), -MINUTE),
        "audit log",
    ),
    "opened after it was decided": (
        lambda one: one.moved(1, ["opened_at"], MINUTE), "audit log",
    ),
    "decided after the log has it": (
        lambda one: one.moved(2, ["decided_at"], MINUTE), "audit log",
    ),
    "opened for a court before it was judged": (
        lambda one: one.before_finding(
            2, NOW - MINUTE, CaseOpened(one.terms[0]["hit_id"], SECOND, "court", "opened")
        ),
        "audit log",
    ),
    "the reading was shown before it was judged": (
        lambda one: one.before_finding(
            2, NOW - MINUTE, ReadingShown(one.terms[0]["hit_id"], SECOND)
        ),
        "audit log",
    ),
}  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS)
def test_p4_a_finding_against_the_rules_of_the_desk_proves_nothing(
    forger: Forger, cheat: str
) -> None:
    act, check = CHEATS[cheat]
    act(forger)

    assert failed(forger.verdict()) == check


@pytest.mark.usefixtures("exported")  # which is signed with her own key
def test_p4_a_key_that_somebody_else_made_for_a_person_is_not_hers(room: CaseRoom) -> None:
    """The desk can add a key of its own to an account; only the person knows which is hers."""
    room.hit = room.new_hit()
    known, hers = room.known, room.keys[OFFICER]
    made_up = SigningKey.generate(OFFICER)
    room.now += timedelta(seconds=1)
    add_personal_key(room.database, room.audit.append, who(OFFICER), made_up.public, room.now)
    room.keys[OFFICER] = made_up
    room.through(OFFICER, CONFIRMED)
    package = room.export().package
    room.keys[OFFICER] = hers

    found = verify_case(package, known)
    assert (failed(found), found.failure and found.failure.code) == (
        "people and rights", "E_CASE_KEYS",
    )  # fmt: skip
    for people in ({}, {OTHER: known.people[OTHER]}, {SECOND: frozenset({made_up.public})}):
        verdict = verify_case(package, replace(known, people=people))
        assert [one.whose for one in verdict.unconfirmed] == [f"person {OFFICER}"]
        assert not verdict.confirmed


def test_p4_the_key_of_a_person_is_no_key_of_the_desk(exported: Exported) -> None:
    forged = repacked(
        exported.package, exported.personal[OFFICER], {"report.nl.pdf": b"%PDF-1.7 forged"}
    )
    assert failed(verify_case(forged, exported.known)) == "desk's signature"
    without = verify_case(forged, replace(exported.known, desk=frozenset()))
    assert [one.whose for one in without.unconfirmed[:1]] == ["desk police-zone"]


def test_p4_a_person_or_a_key_that_is_named_twice_is_found(forger: Forger) -> None:
    first, second = forger.people["people"]
    for people in (
        [first, {**second, "keys": first["keys"]}],
        [first, {**second, "keys": [*first["keys"], *second["keys"]]}],
        [first, second, second],
    ):
        changed = {PEOPLE: canonical_json({**forger.people, "people": people})}
        forged = repacked(forger.exported.package, forger.exported.key, changed)
        assert failed(verify_case(forged, forger.exported.known)) == "findings"


def test_p4_an_offence_without_a_picture_proves_nothing(
    forger: Forger, room: CaseRoom, parties: Parties
) -> None:
    hit = hit_under(parties, room.policy, evidence())
    forger.put_under(hit, parties)
    for terms in forger.terms:
        terms["shown"] = []

    verdict = forger.verdict()
    assert (failed(verdict), "without any picture" in verdict.checks[7].told) == ("findings", True)


def test_p4_a_passkey_signs_no_finding_that_is_decided_before_it_is_judged(room: CaseRoom) -> None:
    room.hit = room.new_hit()
    passkeys = Desk(room)
    authenticator, _ = passkeys.passkey(OTHER)
    room.begin(OTHER)
    room.now += timedelta(minutes=2)
    room.judge(OTHER)
    judged = room.now
    asked = passkeys.signing.begin(who(OTHER), room.hit.hit_id, CONFIRMED)
    answer = authenticator.get(asked.options)
    refused(
        lambda: passkeys.signing.finish(
            who(OTHER), room.hit.hit_id, CONFIRMED, answer, decided_at=judged - timedelta(minutes=1)
        ),
        "E_CASE",
    )
    room.now = judged - timedelta(minutes=1)
    refused(lambda: passkeys.signing.begin(who(OTHER), room.hit.hit_id, CONFIRMED), "E_CASE")
    room.now = judged
    passkeys.finish(OTHER, answer)


def test_p4_a_case_under_a_policy_of_demo_keys_proves_nothing(
    tmp_path: Path, parties: Parties
) -> None:
    desk = make_desk(tmp_path / "desk")
    with desk.open_database() as database:
        room = CaseRoom(desk, database, parties, tmp_path)
        content = document(for_the_hit)
        room.policy = Policy.model_validate(content)
        write(room.site, content)
        (room.site / "policy.signatures.json").write_text(signed(room.policy).text())
        with room.audit:
            room.hit = room.new_hit()
            room.through(OFFICER, CONFIRMED)
            (tmp_path / "case.zip").write_bytes(room.export().package)

    done = verb(
        "case", "verify", tmp_path / "case.zip", "--box-keys", parties.box_file, "--desk-key",
        desk.signing_key().public.text, "--person-key",
        f"{OFFICER}={room.keys[OFFICER].public.text}", "--json",
    )  # fmt: skip
    assert (done.status, "demo keys signed the policy" in done.err) == (7, True)
    assert (done.json["demo"], done.json["confirmed"], done.json["proven"]) == (True, False, True)
