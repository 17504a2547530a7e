"""The audit log as bytes: its contents, and the detection of every change (P21)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.errors import AuditError
from edge.formats.signing import PublicKey, SigningKey
from edge.privacy.audit import Chain, verify_log
from edge.privacy.audit_events import (
    EVENTS,
    AccountLinkChanged,
    CaseExported,
    CaseOpened,
    DecoysAdded,
    Deleted,
    EnrolmentChanged,
    Entry,
    EpochClosed,
    Event,
    FindingSigned,
    HoldChanged,
    KeyInUse,
    ListChanged,
    LogSearched,
    PasskeyChanged,
    PersonChanged,
    PersonKeyAdded,
    PersonKeyRevoked,
    PolicyChanged,
    ReadingShown,
    RequestChanged,
    RetentionRun,
    RightChanged,
    RuleStopped,
    SecondFactorChanged,
    SessionChanged,
    Started,
    StateChanged,
    Stopped,
    StoreMoved,
    SuspensionChanged,
    TermChanged,
    Unsealed,
)
from edge.privacy.checkpoints import (
    Checkpoint,
    MerkleTree,
    box_log,
    note_key_hash,
    parse_checkpoints,
)

START = datetime(2026, 11, 30, 3, 0, tzinfo=timezone.utc)
LOG = box_log("school-street", "box-1")
BOX = SigningKey.demo_of("box")
NEXT_BOX = SigningKey.demo_of("next-box")
THIEF = SigningKey.demo_of("thief")
DIGEST = "ab" * 32

EXAMPLES: tuple[Event, ...] = (
    KeyInUse(LOG, BOX.public.text),
    Started("0.2.0", DIGEST, DIGEST),
    StateChanged("online", "running"),
    EpochClosed(1, "<10", "<10", "<10"),
    PolicyChanged("activated", DIGEST, True),
    ListChanged("installed", "stolen", 7, DIGEST),
    ListChanged("installed", "permits", 7, DIGEST, plates=120, shrinks=True),
    RuleStopped("zone", "E_HIT_SHARE"),
    SuspensionChanged("suspended", DIGEST, "ab" * 8),
    Deleted("erased", "wanted-vehicles", 20),
    Unsealed("cd" * 16),
    PersonChanged("added", "jan-maes", "an-peeters"),
    RightChanged("approved", "ab" * 8, DIGEST, "officer", "jan-maes", "an-peeters", alone=False),
    StoreMoved(DIGEST, "an-peeters"),
    PersonKeyAdded("jan-maes", BOX.public.text),
    PersonKeyRevoked("jan-maes", "ab" * 8, "an-peeters"),
    PasskeyChanged("added", "jan-maes", DIGEST, "jan-maes"),
    EnrolmentChanged("made", "jan-maes", "an-peeters"),
    SecondFactorChanged("set-up", "jan-maes"),
    AccountLinkChanged("approved", "ab" * 8, DIGEST, "jan-maes", "an-peeters"),
    CaseOpened("cd" * 16, "jan-maes", "second-review", "opened"),
    ReadingShown("cd" * 16, "jan-maes"),
    FindingSigned("cd" * 16, 2, "jan-maes", "confirmed", DIGEST),
    CaseExported("cd" * 16, "jan-maes", "court", DIGEST),
    SessionChanged("refused", None),
    TermChanged("approved", "ab" * 8, DIGEST, "jan-maes"),
    HoldChanged("set", "cd" * 16, "court", DIGEST, "jan-maes"),
    RetentionRun(1, DIGEST, "trusted", None),
    RequestChanged("answered", "ab" * 8, DIGEST, "access", DIGEST, "els-clerk"),
    LogSearched("jan-maes", None, "cd" * 16),
    DecoysAdded("street", 10, "jan-maes"),
    EpochClosed(2, 120, "<10", "<10"),
    Stopped("end"),
)


def written(
    *events: Event, chain: Chain | None = None, signer: SigningKey = BOX
) -> tuple[bytes, list[Checkpoint]]:
    """A log of these events, and the checkpoint of each."""
    chain = chain or Chain(LOG)
    lines, checkpoints = [], []
    for event in events:
        at = START + timedelta(minutes=15 * chain.tree.size)
        line, checkpoint = chain.sign(event, at, signer)
        chain.take(line[:-1])
        lines.append(line)
        checkpoints.append(checkpoint)
    return b"".join(lines), checkpoints


DATA, CHECKPOINTS = written(*EXAMPLES)
LINES = DATA.splitlines(keepends=True)


# --- the formats of others --------------------------------------------------------------------


def test_the_tree_has_the_roots_of_certificate_transparency() -> None:
    """Test vectors of the Certificate Transparency project for RFC 6962."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    tree = MerkleTree()
    roots = [tree.root.hex()]
    for leaf in leaves:
        tree.append(bytes.fromhex(leaf))
        roots.append(tree.root.hex())

    assert roots[0] == hashlib.sha256(b"").hexdigest()
    assert roots[1] == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert roots[2] == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert roots[3] == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert roots[8] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_a_signed_note_of_the_go_checksum_database_verifies() -> None:
    """The example of golang.org/x/mod/sumdb/note."""
    raw = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    field = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    key = PublicKey.from_raw(raw[1:])
    text = (
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
    )

    assert note_key_hash("PeterNeumann", key).hex() == "c74f20a3"
    assert field[:4] == note_key_hash("PeterNeumann", key)
    assert key.verify(field[4:], text)


def test_a_checkpoint_is_a_signed_note_of_five_lines_and_reads_back() -> None:
    note = CHECKPOINTS[2].note()
    origin, size, root, empty, signature, end = note.decode().split("\n")

    assert (origin, size, empty, end) == (LOG, "3", "", "")
    assert len(base64.b64decode(root)) == 32
    assert signature.startswith(f"— {LOG} ")
    assert parse_checkpoints(note) == (CHECKPOINTS[2],)
    assert CHECKPOINTS[2].signed_by(BOX.public)
    assert not CHECKPOINTS[2].signed_by(THIEF.public)


def test_a_witness_file_may_have_blank_lines_and_the_witnesss_own_signature() -> None:
    kept = b"\n".join(checkpoint.note() for checkpoint in CHECKPOINTS)
    cosigned = CHECKPOINTS[0].note() + "— witness.example/w1 AAAA\n".encode() + b"\n\n"

    assert parse_checkpoints(kept) == tuple(CHECKPOINTS)
    assert parse_checkpoints(cosigned + kept) == (CHECKPOINTS[0], *CHECKPOINTS)
    assert parse_checkpoints(b"") == ()


# --- what can stand in it ----------------------------------------------------------------------


def test_p21_no_event_has_a_field_for_text_plates_tokens_pictures_or_times() -> None:
    """Each field is a number, a yes or no, a digest, or a text with a narrow pattern."""
    patterns: dict[str, set[str]] = {}
    for kind, event in EVENTS.items():
        for field in dataclasses.fields(event):
            patterns.setdefault(str(field.type), set()).add(f"{kind}.{field.name}")

    assert set(patterns) <= {
        "Origin", "PublicKeyText", "Word", "Sha256", "Sha256 | None", "KeyId", "HitId",
        "HitId | None", "Id", "Id | None",
        "Number", "Coarse", "Coarse | None", "StrictBool", "StrictBool | None",
        "Literal['online', 'safe']",
        "Literal['activated', 'renewed', 'withdrawn']",
        "Literal['installed', 'refused', 'removed']",
        "Literal['suspended', 'resumed']",
        "Literal['erased', 'unreadable']",
        "Literal['added', 'passphrase']",
        "Literal['added', 'removed']",
        "Literal['made', 'used']",
        "Literal['proposed', 'approved', 'removed']",
        "Literal['set-up', 'removed', 'recovery-codes', 'recovered']",
        "Literal['login', 'refused', 'logout']",
        "Literal['proposed', 'approved', 'revoked']",
        "Literal['review', 'second-review', 'appeal', 'court', 'data-subject', 'fine']",
        "Literal['court', 'data-subject', 'fine']",
        "Literal['confirmed', 'rejected', 'cannot-tell', 'referred']",
        "Literal['proposed', 'approved']",
        "Literal['set', 'ended']",
        "Literal['appeal', 'court']",
        "Literal['trusted', 'ahead', 'behind', 'confirmed']",
        "Literal['opened', 'approved', 'answered']",
        "Literal['access', 'rectification', 'erasure', 'objection']",
    }  # fmt: skip
    assert {type(example) for example in EXAMPLES} == set(get_args(Event))


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (Stopped, {"reason": "1-ABC-123 was seen"}),
        (Stopped, {"reason": "x" * 61}),
        (EpochClosed, {"epoch": 1, "vehicles": 7, "hits": "<10", "deleted": "<10"}),
        (EpochClosed, {"epoch": 1, "vehicles": 17, "hits": "<10", "deleted": "<10"}),
        (EpochClosed, {"epoch": -1, "vehicles": 20, "hits": "<10", "deleted": "<10"}),
        (Unsealed, {"hit_id": "1ABC123"}),
        (PolicyChanged, {"action": "shared", "policy_sha256": DIGEST, "widening": False}),
        (PersonChanged, {"action": "added", "person": "1ABC 123", "by": "an-peeters"}),
        (StoreMoved, {"rows_sha256": "1ABC123", "by": "an-peeters"}),
        (
            CaseOpened,
            {"hit_id": "cd" * 16, "person": "jan", "reason": "1ABC123", "result": "opened"},
        ),
        (PersonKeyAdded, {"person": "jan", "key": "1ABC123"}),
        (SessionChanged, {"action": "refused", "person": "1-ABC-123"}),
        (
            RequestChanged,
            {
                "action": "answered",
                "request": "ab" * 8,
                "request_sha256": DIGEST,
                "asks": "access",
                "plate_hmac": "1ABC123",
                "by": "els-clerk",
            },
        ),
        (
            HoldChanged,
            {
                "action": "set",
                "hit_id": "cd" * 16,
                "reason": "1ABC123",
                "hold_sha256": DIGEST,
                "by": "jan",
            },
        ),
        (LogSearched, {"by": "jan", "person": "1-ABC-123", "hit_id": None}),
        (DecoysAdded, {"site": "street", "decoys": 7, "by": "jan"}),
        (KeyInUse, {"log": LOG, "key": "ed25519:short"}),
        (KeyInUse, {"log": "two words", "key": BOX.public.text}),
    ],
)
def test_p21_an_event_with_an_unknown_field_is_refused(event: type, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        event(**fields)
    assert "1-ABC-123" not in str(refused.value)


# --- whole logs -----------------------------------------------------------------------------------


def test_p21_an_unchanged_log_verifies_and_returns_its_entries() -> None:
    log = verify_log(DATA, origin=LOG, keys=[BOX.public], witness=CHECKPOINTS)

    assert tuple(entry.event for entry in log.entries) == EXAMPLES
    assert log.entries[3].at == START + timedelta(minutes=45)
    assert (log.origin, log.last, log.witnessed) == (LOG, CHECKPOINTS[-1], len(EXAMPLES))
    assert log.vouched


def test_p21_without_a_trusted_key_a_log_proves_only_its_consistency() -> None:
    log = verify_log(DATA)

    assert log.key == BOX.public
    assert not log.vouched


def test_p21_a_log_continues_under_a_new_key_and_the_newest_key_verifies_all() -> None:
    chain = Chain(LOG)
    before, kept = written(*EXAMPLES, chain=chain)
    after, more = written(
        KeyInUse(LOG, NEXT_BOX.public.text), Stopped("end"), chain=chain, signer=NEXT_BOX
    )

    log = verify_log(before + after, keys=[NEXT_BOX.public], witness=[*kept, *more])

    assert log.key == NEXT_BOX.public
    with pytest.raises(AuditError) as refused:
        verify_log(before + after, keys=[BOX.public])
    assert refused.value.code == "E_AUDIT_FORK"


def test_p21_a_log_continued_with_another_key_is_refused() -> None:
    chain = Chain(LOG)
    before, _ = written(*EXAMPLES, chain=chain)
    after, _ = written(KeyInUse(LOG, THIEF.public.text), chain=chain, signer=THIEF)

    with pytest.raises(AuditError) as refused:
        verify_log(before + after, keys=[BOX.public])
    assert refused.value.code == "E_AUDIT_FORK"


def test_p21_a_checkpoint_signed_with_an_unannounced_key_is_refused() -> None:
    chain = Chain(LOG)
    written(*EXAMPLES[:3], chain=chain)
    line, _ = chain.sign(Stopped("end"), START, THIEF)

    with pytest.raises(AuditError, match="line 4: its signature"):
        verify_log(b"".join(LINES[:3]) + line)


@pytest.mark.parametrize("cut", range(1, len(LINES)))
def test_p21_a_truncated_log_is_detected_with_a_witness(cut: int) -> None:
    with pytest.raises(AuditError) as refused:
        verify_log(b"".join(LINES[:cut]), witness=CHECKPOINTS)
    assert refused.value.code == "E_AUDIT_TRUNCATED"


def test_p21_a_rewritten_history_is_detected_with_a_witness() -> None:
    other, _ = written(*EXAMPLES[:4], EpochClosed(2, "<10", "<10", "<10"), *EXAMPLES[5:])

    assert verify_log(other, keys=[BOX.public]).vouched
    with pytest.raises(AuditError) as refused:
        verify_log(other, keys=[BOX.public], witness=CHECKPOINTS)
    assert refused.value.code == "E_AUDIT_FORK"
    verify_log(other, keys=[BOX.public], witness=CHECKPOINTS[:4])


def test_p21_two_different_checkpoints_of_one_size_prove_a_fork() -> None:
    _, others = written(*EXAMPLES[:4], Stopped("end"))

    with pytest.raises(AuditError) as refused:
        verify_log(DATA, witness=[CHECKPOINTS[4], others[4]])
    assert refused.value.code == "E_AUDIT_FORK"


def test_p21_checkpoints_of_another_log_or_key_are_refused_as_witness() -> None:
    _, foreign = written(KeyInUse(LOG, THIEF.public.text), signer=THIEF)
    other_log = Chain("edge-anpr/other/box")
    _, elsewhere = written(KeyInUse(other_log.origin, BOX.public.text), chain=other_log)

    for witness in (foreign, elsewhere):
        with pytest.raises(AuditError) as refused:
            verify_log(DATA, witness=witness)
        assert refused.value.code == "E_AUDIT_WITNESS"


def test_p21_a_signature_has_one_encoding() -> None:
    """Base64 has spare bits in its last digit: another digit would decode to the same bytes."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    line = LINES[2].decode()
    assert line[91] == "="
    twin = digits[digits.index(line[90]) ^ 1]
    other = f"{line[:90]}{twin}{line[91:]}".encode()
    assert base64.b64decode(other[:92]) == base64.b64decode(LINES[2][:92])

    with pytest.raises(AuditError, match="line 3"):
        verify_log(b"".join([*LINES[:2], other, *LINES[3:]]))


def test_p21_an_incomplete_line_is_detected_without_a_witness() -> None:
    with pytest.raises(AuditError, match=f"line {len(EXAMPLES) + 1}: it is incomplete") as refused:
        verify_log(DATA + LINES[1][:-1])
    assert refused.value.code == "E_AUDIT_TRUNCATED"


def test_p21_entries_must_be_numbered_consecutively() -> None:
    chain = Chain(LOG)
    written(EXAMPLES[0], chain=chain)
    entry = Entry(7, START, Stopped("end")).canonical()
    tree = chain.tree.copy()
    tree.append(entry)
    signature = base64.b64encode(Checkpoint.sign(LOG, tree, BOX).signature)

    with pytest.raises(AuditError, match="this is entry 7, but entry 1 belongs here"):
        verify_log(LINES[0] + signature + b" " + entry + b"\n")


def test_p21_a_log_with_another_origin_is_refused() -> None:
    with pytest.raises(AuditError, match="another log"):
        verify_log(DATA, origin=box_log("school-street", "box-2"))


# --- fuzz ---------------------------------------------------------------------------------------


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_p21_any_changed_byte_is_detected(at: int, change: int) -> None:
    edited = bytearray(DATA)
    edited[at] ^= change

    with pytest.raises(AuditError):
        verify_log(bytes(edited), keys=[BOX.public])


@given(st.integers(0, len(DATA) - 1))
def test_p21_any_truncation_is_detected_with_a_witness(keep: int) -> None:
    with pytest.raises(AuditError) as refused:
        verify_log(DATA[:keep], witness=CHECKPOINTS[-1:])
    assert refused.value.code == "E_AUDIT_TRUNCATED"


@given(st.permutations(LINES))
def test_p21_any_swapped_lines_are_detected(lines: list[bytes]) -> None:
    assume(lines != LINES)

    with pytest.raises(AuditError):
        verify_log(b"".join(lines))


@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_p21_any_removed_or_repeated_lines_are_detected(lines: list[bytes]) -> None:
    assume(lines != LINES[: len(lines)])

    with pytest.raises(AuditError):
        verify_log(b"".join(lines), witness=CHECKPOINTS[-1:])


@given(st.binary(max_size=400))
def test_p21_random_log_bytes_are_refused_without_a_crash(data: bytes) -> None:
    with pytest.raises(AuditError):
        verify_log(data)
    with pytest.raises(AuditError):
        verify_log(LINES[0] + data, witness=CHECKPOINTS[-1:])
    if data.strip(b"\n"):
        with pytest.raises(AuditError):
            parse_checkpoints(data)


@given(st.integers(0, len(CHECKPOINTS[5].note()) - 1), st.integers(1, 255))
def test_p21_a_changed_checkpoint_is_refused_as_witness(at: int, change: int) -> None:
    note = bytearray(CHECKPOINTS[5].note())
    note[at] ^= change
    try:
        found = parse_checkpoints(bytes(note))
    except AuditError:
        return
    if found == (CHECKPOINTS[5],):
        return  # the byte after the last signature is another line's
    with pytest.raises(AuditError):
        verify_log(DATA, witness=found)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3))
def test_an_entry_of_another_form_is_refused(value: Any) -> None:
    good = json.loads(LINES[3][93:])
    for name in good:
        raw = json.dumps({**good, name: value}, sort_keys=True, separators=(",", ":")).encode()
        assume(raw != LINES[3][93:].strip())
        try:
            entry = Entry.parse(raw)
        except ValueError:
            continue
        assert entry.canonical() == raw
