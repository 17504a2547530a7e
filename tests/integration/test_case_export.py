"""A confirmed case as one package: who may export it, what is in it, and its proof offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from edge.adapters.state.archive import Archive
from edge.adapters.state.pack_zip import write_zip
from edge.authority.store import Reason
from edge.desk.accounts import hashed, replace_password
from edge.desk.court.making import export_case
from edge.desk.court.package import (
    AUDIT,
    AUTHORITY_KEYS,
    BOX_KEYS,
    EVIDENCE,
    HIT,
    OPENED,
    PEOPLE,
    POLICY,
    POLICY_SIGNATURES,
    RECEIPT,
    finding_name,
    read_package,
)
from edge.desk.court.verdict import CaseVerdict, KnownKeys
from edge.desk.court.verifying import verify_case
from edge.desk.findings import FindingTerms, parse_finding, sign_finding
from edge.desk.outcomes import OpeningReason
from edge.desk.rights import DeskRole
from edge.desk.store.tables import PERSON
from edge.errors import AuditError, EdgeError
from edge.formats.canonical import canonical_json
from edge.formats.signing import SigningKey
from edge.privacy.audit_events import CaseExported, CaseOpened, Event, PasskeyChanged
from edge.privacy.audit_proofs import AuditProof
from edge.privacy.checkpoints import Checkpoint, MerkleTree, parse_checkpoints
from tests.integration.test_authority_install import MAIN, base_program
from tests.integration.test_desk_passkey_findings import Desk
from tests.integration.test_desk_people import recorded, refused
from tests.support.cases import CaseRoom, repacked
from tests.support.desks import FIRST, make_desk, passphrase_file, passphrase_of
from tests.support.parties import PLATE, Parties, make_parties
from tests.support.product import verb
from tests.support.reviews import (
    CONFIRMED,
    NO_WORD,
    OFFICER,
    OTHER,
    REFERRED,
    REJECTED,
    SECOND,
    SECOND_REVIEW,
    THIRD,
    TYPED,
    who,
)

COURT, APPEAL = OpeningReason.COURT, OpeningReason.APPEAL


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, parties: Parties) -> Iterator[CaseRoom]:
    """A desk of many cases."""
    folder = tmp_path_factory.mktemp("shared")
    with CaseRoom.of(make_desk(folder / "desk"), parties, folder) as made:
        yield made


@pytest.fixture
def room(shared: CaseRoom) -> CaseRoom:
    """The desk with a new case that nobody has seen."""
    shared.hit = shared.new_hit()
    return shared


def exports(room: CaseRoom) -> list[CaseExported]:
    """The exports of the case that the log records."""
    return [
        one
        for one in recorded(room.desk)
        if isinstance(one, CaseExported) and one.hit_id == room.hit.hit_id
    ]


class Exported:
    """Two confirmed cases of one desk; the first has two findings."""

    def __init__(self, room: CaseRoom) -> None:
        self.key, self.known, self.personal = room.desk.signing_key(), room.known, room.keys
        first = room.hit
        room.hit = room.new_hit()
        room.through(OFFICER, CONFIRMED)
        self.other = room.export().package
        room.hit = first
        room.through(OFFICER, REFERRED, TYPED)
        room.through(SECOND, CONFIRMED, opening=SECOND_REVIEW)
        self.package = room.export(THIRD).package
        self.contents = read_package(self.package)[1]
        self.of_other = read_package(self.other)[1]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, parties: Parties) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    with CaseRoom.of(make_desk(folder / "desk"), parties, folder) as room:
        return Exported(room)


def failed(verdict: CaseVerdict) -> str:
    """The check that failed."""
    (one,) = [check for check in verdict.checks if check.proven is False]
    assert verdict.failure is not None
    assert verdict.hit is None
    return one.what


# --- export ---------------------------------------------------------------------------------------


def test_p7_an_undecided_or_rejected_case_is_not_exported_and_the_attempt_is_logged(
    room: CaseRoom,
) -> None:
    refused(room.export, "E_CASE")
    room.through(OFFICER, REFERRED, TYPED)
    refused(partial(room.export, OTHER), "E_CASE")
    room.through(SECOND, NO_WORD, None, SECOND_REVIEW)
    refused(partial(room.export, OTHER), "E_CASE")

    assert exports(room) == []
    tries = [one for one in recorded(room.desk) if isinstance(one, CaseOpened)]
    tries = [one for one in tries if (one.hit_id, one.reason) == (room.hit.hit_id, "court")]
    assert [(one.person, one.reason, one.result) for one in tries] == [
        (OFFICER, "court", "E_CASE"), (OTHER, "court", "E_CASE"), (OTHER, "court", "E_CASE"),
    ]  # fmt: skip


def test_p7_an_appeal_that_rejects_ends_the_export_and_one_that_confirms_does_not(
    room: CaseRoom,
) -> None:
    room.through(OFFICER, CONFIRMED)
    once = verify_case(room.export().package, room.known)
    assert once.failure is None
    assert [one.told.partition(",")[0] for one in once.checks if one.what == "findings"] == [
        "1 finding"
    ]
    room.through(SECOND, CONFIRMED, opening=APPEAL)
    again = verify_case(room.export().package, room.known)
    assert [one.outcome for one in again.findings] == [CONFIRMED, CONFIRMED]
    room.begin(THIRD, APPEAL)
    room.judge(THIRD)
    room.decide(THIRD, REJECTED, Reason.NO_OFFENCE)
    refused(room.export, "E_CASE")


@pytest.mark.parametrize("person", ["no-right", FIRST])
def test_p4_who_is_no_officer_exports_nothing(room: CaseRoom, person: str) -> None:
    room.through(OFFICER, CONFIRMED)
    refused(partial(room.export, person), "E_RIGHT")
    room.give("no-right", DeskRole.OFFICER, site="another-site")
    refused(partial(room.export, person), "E_RIGHT")


def test_p21_the_log_has_person_reason_and_digest_or_nothing_is_exported(room: CaseRoom) -> None:
    room.through(OFFICER, CONFIRMED)

    def full(event: Event) -> None:
        if isinstance(event, CaseExported):
            raise AuditError("the disk is full")
        room.audit.append(event)

    unlogged = replace(room.sources, record=full)
    refused(lambda: export_case(unlogged, who(OFFICER), room.hit.hit_id, COURT, ["nl"]), "E_AUDIT")
    done = room.export(reason=OpeningReason.DATA_SUBJECT)
    (event,) = exports(room)
    assert event == CaseExported(room.hit.hit_id, OFFICER, "data-subject", done.sha256)
    assert done.sha256 == hashlib.sha256(done.package).hexdigest()


def test_the_same_case_gives_the_same_bytes_whoever_exports_it(room: CaseRoom) -> None:
    room.through(OFFICER, CONFIRMED)

    assert room.export(OFFICER).package == room.export(OTHER).package


def test_p4_who_has_exported_a_case_gives_no_finding_on_it(room: CaseRoom) -> None:
    room.through(OFFICER, CONFIRMED)
    room.export(SECOND)

    refused(partial(room.through, SECOND, CONFIRMED, opening=APPEAL), "E_FOUR_EYES")


def test_a_policy_that_is_not_the_one_of_the_hit_is_refused_before_anything_is_opened(
    room: CaseRoom, tmp_path: Path
) -> None:
    room.through(OFFICER, CONFIRMED)
    before = recorded(room.desk)
    for wrong in (tmp_path, room.site / "policy.yaml", tmp_path / "missing"):
        sources = replace(room.sources, policy=wrong)
        with pytest.raises(EdgeError, match=r"policy|pack"):
            export_case(sources, who(OFFICER), room.hit.hit_id, COURT, ["nl"])
    assert recorded(room.desk) == before


def test_the_policy_may_be_in_an_evidence_pack_or_a_copy_of_the_boxs_archive(
    room: CaseRoom, tmp_path: Path
) -> None:
    room.through(OFFICER, CONFIRMED)
    (tmp_path / "state").mkdir()
    signatures = (room.site / "policy.signatures.json").read_bytes()
    Archive(tmp_path / "state").keep_policy(room.policy, signatures)
    pack = tmp_path / "pack.zip"
    pack.write_bytes(write_zip(Archive(tmp_path / "state").contents()))
    for place in (tmp_path / "state" / "archive", pack):
        sources = replace(room.sources, policy=place)
        done = export_case(sources, who(OFFICER), room.hit.hit_id, COURT, ["nl"])
        assert done.package == room.export().package


# --- proof ----------------------------------------------------------------------------------------


def test_a_package_proves_itself_with_the_public_keys(exported: Exported) -> None:
    verdict = verify_case(exported.package, exported.known)

    assert verdict.failure is None
    assert [one.proven for one in verdict.checks] == [True] * 10
    assert [one.outcome for one in verdict.findings] == [REFERRED, CONFIRMED]
    assert verdict.unconfirmed == ()
    without = verify_case(exported.package)
    assert (without.failure, [one.whose for one in without.unconfirmed]) == (
        None,
        [
            "desk police-zone",
            "box box-1 at test-street",
            f"person {OFFICER}",
            f"person {SECOND}",
        ],
    )
    assert (verdict.confirmed, without.confirmed) == (True, False)


def test_every_changed_byte_of_every_member_is_found(exported: Exported) -> None:
    """Start, middle and end of each file, of its header, its name and its directory entry."""
    package = exported.package
    places = {0, len(package) - 1, len(package) - 10, len(package) - 22}
    for name, content in exported.contents.items():
        at = package.index(name.encode() + content)
        central = package.rindex(name.encode())
        body = at + len(name)
        places |= {at - 30, at - 16, at, body, body + len(content) // 2, body + len(content) - 1}
        places |= {central, central - 46, central - 20, central - 4}
    for place in sorted(places):
        changed = bytearray(package)
        changed[place] ^= 1
        verdict = verify_case(bytes(changed), exported.known)
        assert failed(verdict) in {"files", "desk's signature"}, place


def test_a_file_that_is_missing_added_or_cut_off_is_found(exported: Exported) -> None:
    for name in exported.contents:
        if name.startswith(("manifest", "report")):
            continue
        less = repacked(exported.package, exported.key, {name: None})
        assert verify_case(less, exported.known).failure is not None, name
    for name in ("pictures/third.jpg", "findings/0003.json"):
        more = repacked(exported.package, exported.key, {name: b"{}"})
        assert verify_case(more, exported.known).failure is not None, name
    for cut in (1, 22, len(exported.package) // 2):
        assert verify_case(exported.package[:-cut], exported.known).failure is not None
    assert verify_case(b"", exported.known).failure is not None
    assert verify_case(exported.package + b"\0", exported.known).failure is not None


def test_no_content_of_a_member_is_anything_but_refused(exported: Exported) -> None:
    for name, content in exported.contents.items():
        if name.startswith(("manifest", "report")):
            continue
        for wrong in (b"", b"{}", b"[]", b"\xff" * 9, b"[" * 50_000, content[:-2], content * 2):
            changed = repacked(exported.package, exported.key, {name: wrong})
            assert verify_case(changed, exported.known).failure is not None, (name, wrong[:9])


FOREIGN = {
    HIT: "hit", RECEIPT: "receipt", EVIDENCE: "evidence", OPENED: "evidence", AUDIT: "audit log",
    finding_name(1): "findings", PEOPLE: "findings",
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_belongs_to_another_case_is_found_even_if_the_desk_signs_it(
    exported: Exported, name: str
) -> None:
    changed = repacked(exported.package, exported.key, {name: exported.of_other[name]})

    assert failed(verify_case(changed, exported.known)) == FOREIGN[name]


def test_p21_what_the_desk_itself_makes_up_is_found(exported: Exported, tmp_path: Path) -> None:
    """A desk that cheats has its own key, but not those of box, people and policy signers."""
    contents = exported.contents
    opened = contents[OPENED].replace(PLATE.encode(), b"9ZZZ999")
    stranger = make_parties(tmp_path)
    unsigned = json.loads(contents[POLICY_SIGNATURES])
    unsigned["signatures"].pop("chief")
    key = SigningKey.generate(SECOND)
    last = parse_finding(contents[finding_name(2)])
    person = last.person.model_copy(update={"full_name": "Somebody Else"})
    fields = dict(last) | {"person": person}
    fields.pop("signature")
    rewritten = sign_finding(FindingTerms.model_construct(**fields), key)
    unread = dict(last) | {"typed": "ab" * 32}
    unread.pop("signature")
    collusion = sign_finding(FindingTerms.model_construct(**unread), exported.personal[SECOND])
    people = json.loads(contents[PEOPLE])
    next(one for one in people["people"] if one["name"] == SECOND)["keys"] = [key.public.text]
    made_up: list[tuple[str, dict[str, bytes | None]]] = [
        ("pictures", {"pictures/plate.jpg": b"another picture"}),
        ("evidence", {OPENED: opened}),
        ("hit", {BOX_KEYS: stranger.box_file.read_bytes()}),
        ("receipt", {AUTHORITY_KEYS: stranger.authority_file.read_bytes()}),
        ("policy", {POLICY: contents[POLICY].replace(b'"version":1', b'"version":2')}),
        ("policy", {POLICY_SIGNATURES: json.dumps(unsigned).encode()}),
        ("findings", {finding_name(2): None}),
        ("findings", {finding_name(2): collusion.to_payload()}),
        ("audit log", {AUDIT: contents[AUDIT].replace(b"second-review", b"appeal")}),
        (
            "audit log",
            {finding_name(2): rewritten.to_payload(), PEOPLE: canonical_json(people)},
        ),
        ("people and rights", {PEOPLE: contents[PEOPLE].replace(b"GR-2026/114", b"GR-2026/115")}),
    ]
    assert opened != contents[OPENED]
    for check, changes in made_up:
        changed = repacked(exported.package, exported.key, changes)
        verdict = verify_case(changed, exported.known)
        assert verdict.failure is not None, list(changes)
        assert failed(verdict) == check, list(changes)


@pytest.mark.parametrize(
    ("actions", "proven"),
    [(["added"], True), ([], False), (["added", "removed"], False)],
    ids=["in force", "unknown to the log", "removed before"],
)
def test_a_finding_that_a_passkey_signed_is_proved_if_the_log_has_the_passkey(
    room: CaseRoom, actions: list[Literal["added", "removed"]], proven: bool
) -> None:
    passkeys = Desk(room)
    authenticator, key = passkeys.passkey(OFFICER)
    for action in actions:
        room.audit.append(PasskeyChanged(action, OFFICER, key.sha256(), OFFICER))
    passkeys.judged(OFFICER)
    passkeys.sign(OFFICER, authenticator)

    if not proven:
        refused(room.export, "E_CASE_FILE")
        return
    known = replace(room.known, people={OFFICER: frozenset({key})})
    verdict = verify_case(room.export().package, known)
    assert verdict.failure is None
    assert verdict.confirmed
    assert [one.whose for one in verdict.keys if one.key == key.text] == [f"person {OFFICER}"]


def test_a_package_of_another_desk_or_box_is_not_that_of_the_keys_that_are_known(
    exported: Exported, tmp_path: Path
) -> None:
    stranger, other = make_parties(tmp_path), SigningKey.generate("desk")
    forged = repacked(exported.package, other, {})

    assert verify_case(forged).failure is None
    found = verify_case(forged, exported.known)
    assert (failed(found), found.failure and found.failure.code) == (
        "desk's signature", "E_CASE_KEYS",
    )  # fmt: skip
    assert failed(verify_case(exported.package, KnownKeys(box=stranger.box_public))) == "hit"


def test_a_witness_that_saw_another_log_is_believed(exported: Exported) -> None:
    proof = AuditProof.model_validate_json(exported.contents[AUDIT])
    (seen,) = parse_checkpoints(proof.checkpoint.encode())
    agrees = replace(exported.known, witness=(seen,))
    assert verify_case(exported.package, agrees).failure is None
    tree = MerkleTree()
    for at in range(seen.size):
        tree.append(b"%d" % at)
    differs = replace(exported.known, witness=(Checkpoint.sign(seen.origin, tree, exported.key),))
    assert failed(verify_case(exported.package, differs)) == "audit log"


# --- the command line -----------------------------------------------------------------------------


def test_a_case_is_exported_and_proven_at_the_terminal(room: CaseRoom, tmp_path: Path) -> None:
    with room.database.writing() as connection:
        replace_password(connection, OFFICER, hashed(passphrase_of(OFFICER)), room.now)
    room.give(OFFICER, DeskRole.OFFICER, first=datetime.now(timezone.utc).date())
    room.through(OFFICER, CONFIRMED)
    out, hit_id = tmp_path / "case.zip", room.hit.hit_id
    words: list[str | Path] = [
        "desk", "export", hit_id, "--out", out, "--desk", room.desk.path, "--as", OFFICER,
        "--passphrase-file", passphrase_file(tmp_path, OFFICER), "--keys",
        room.parties.authority_folder, "--box-keys", room.parties.box_folder, "--policy",
        room.site, "--reason", "court", "--language", "fr", "--language", "nl", "--json",
    ]  # fmt: skip
    done = verb(*words)
    assert done.status == 0, done.err
    assert PLATE not in done.out + done.err
    assert out.stat().st_mode & 0o077 == 0
    assert {one.name for one in tmp_path.iterdir() if one.name.startswith((".", "case"))} == {
        "case.zip"
    }
    before = recorded(room.desk)
    assert verb(*words).status == 8  # never overwritten, and nothing opened for it
    assert recorded(room.desk) == before

    known = ["--box-keys", room.parties.box_file, "--desk-key", done.json["desk_key"]]
    nobody = verb("case", "verify", out, *known)
    assert (nobody.status, f"--person-key {OFFICER}=KEY" in nobody.err) == (7, True)
    known += ["--person-key", f"{OFFICER}={room.keys[OFFICER].public.text}"]
    proven = verb("case", "verify", out, *known)
    assert proven.status == 0, proven.err
    other = verb("case", "verify", out, *known[:-1], f"{OFFICER}={room.keys[OTHER].public.text}")
    assert (other.status, "E_CASE_KEYS" in other.err) == (7, True)
    loose = verb("case", "verify", out, *known[:-1], room.keys[OFFICER].public.text)
    assert (loose.status, "NAME=KEY" in loose.err) == (2, True)
    assert proven.out.count("proven") == 10
    unknown = verb("case", "verify", out, "--json")
    assert (unknown.status, unknown.json["proven"], unknown.json["confirmed"]) == (7, True, False)
    out.write_bytes(out.read_bytes()[:-1])
    changed = verb("case", "verify", out, *known)
    assert (changed.status, "E_CASE_FILE" in changed.err) == (8, True)
    assert "FAILED" in changed.out


def test_proving_a_case_that_a_passkey_signed_needs_no_package_of_an_extra(
    room: CaseRoom, tmp_path: Path
) -> None:
    passkeys = Desk(room)
    authenticator, key = passkeys.passkey(OFFICER)
    room.audit.append(PasskeyChanged("added", OFFICER, key.sha256(), OFFICER))
    passkeys.judged(OFFICER)
    passkeys.sign(OFFICER, authenticator)
    file = tmp_path / "case.zip"
    file.write_bytes(room.export().package)

    done = base_program(
        MAIN, "case", "verify", file, "--box-keys", room.parties.box_file, "--desk-key",
        room.desk.signing_key().public.text, "--person-key", f"{OFFICER}={key.text}", "--json",
    )  # fmt: skip

    assert done.status == 0, done.err
    assert done.json["confirmed"] is True


def test_hostile_names_are_harmless_on_the_terminal(room: CaseRoom, tmp_path: Path) -> None:
    with room.database.writing() as connection:
        connection.execute(
            PERSON.update().where(PERSON.c.person == OTHER).values(full_name=HOSTILE)
        )
    room.through(OTHER, CONFIRMED)
    (tmp_path / "case.zip").write_bytes(room.export().package)
    for words in ([], ["--json"]):
        done = verb("case", "verify", tmp_path / "case.zip", *words)
        assert "[U+202E]" in done.out
        assert not {"\x1b", "\u202e"} & set(done.out)


HOSTILE = "\x1b[2J\u202eRevo <script>alert(1)</script> #eval(1) \u4e2d"
