"""Proofs that single entries are in a log: for every size and place, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

from edge.errors import AuditError
from edge.formats.canonical import canonical_json
from edge.formats.signing import SigningKey
from edge.privacy.audit import Chain
from edge.privacy.audit_events import Entry, KeyInUse, ReadingShown
from edge.privacy.audit_proofs import AuditProof, prove_entries, verify_proof
from edge.privacy.checkpoints import desk_log

LOG = desk_log("police-zone")
KEY, THIEF = SigningKey.generate("desk"), SigningKey.generate("thief")
NOW = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)


def log_of(size: int, key: SigningKey = KEY, name: str = LOG) -> bytes:
    chain, lines = Chain(name), b""
    for number in range(size):
        event = ReadingShown(f"{number:032x}", "jan-maes")
        line, _ = chain.sign(KeyInUse(name, key.public.text) if not number else event, NOW, key)
        chain.take(line[:-1])
        lines += line
    return lines


def proof(log: bytes, *numbers: int) -> AuditProof:
    return prove_entries(log, LOG, (KEY.public,), ["jan-maes"], lambda _: numbers)


def refused(data: bytes, code: str) -> None:
    with pytest.raises(AuditError) as error:
        verify_proof(data, LOG)
    assert error.value.code == code


def test_p21_each_entry_of_a_log_of_each_size_is_proven() -> None:
    log = log_of(20)
    for number in range(20):
        checkpoint, key, entries = verify_proof(proof(log, number).canonical(), LOG)
        assert (checkpoint.size, key) == (number + 1, KEY.public)
        assert [one.number for one in entries] == sorted({0, number})
    for last in range(1, 20):
        _, _, entries = verify_proof(proof(log, 1, last).canonical(), LOG)
        assert {one.number for one in entries} == {0, 1, last}


def test_p21_a_proof_does_not_change_when_the_log_grows_and_shows_no_other_entry() -> None:
    assert proof(log_of(9), 3, 6) == proof(log_of(20), 3, 6)
    assert b"%032x" % 5 not in proof(log_of(9), 3, 6).canonical()


def test_p21_no_entry_is_proven_that_is_not_in_the_log() -> None:
    good = proof(log_of(13), 4, 11)
    for at, one in enumerate(good.entries):
        entry = Entry.parse(one.entry.encode())
        others: Sequence[dict[str, object]] = [
            {"entry": one.entry.replace("police-zone", "police-zona").replace("jan", "jon")},
            {"entry": Entry(entry.number + 1, NOW, entry.event).canonical().decode()},
            {"path": one.path[:-1]},
            {"path": (*one.path, "ab" * 32)},
            {"path": ("ab" * 32, *one.path[1:])},
        ]
        for change in others:
            entries = list(good.entries)
            entries[at] = one.model_copy(update=change)
            changed = good.model_copy(update={"entries": tuple(entries)})
            refused(changed.canonical(), "E_AUDIT_EDITED")
    for several in (good.entries[::-1], (*good.entries, good.entries[-1])):
        changed = good.model_copy(update={"entries": several})
        refused(changed.canonical(), "E_AUDIT_EDITED")
    refused(b" " + good.canonical(), "E_AUDIT_EDITED")
    refused(canonical_json({"schema": "edge-anpr/audit-proof/1"}), "E_AUDIT_EDITED")


def test_p21_a_checkpoint_of_another_key_or_log_proves_nothing() -> None:
    good = proof(log_of(5), 4)
    other = prove_entries(log_of(5, THIEF), LOG, (THIEF.public,), [], lambda _: [4])
    mixed = good.model_copy(update={"checkpoint": other.checkpoint})
    with pytest.raises(AuditError):
        verify_proof(mixed.canonical(), LOG)
    without = good.model_copy(update={"entries": good.entries[1:]})
    refused(without.canonical(), "E_AUDIT_FORK")
    name = desk_log("another-zone")
    another = prove_entries(log_of(5, name=name), name, (KEY.public,), [], lambda _: [4])
    refused(another.canonical(), "E_AUDIT_FORK")


def test_p21_a_log_of_another_key_or_without_the_entries_gives_no_proof() -> None:
    with pytest.raises(AuditError) as error:
        prove_entries(log_of(3), LOG, (THIEF.public,), [], lambda _: [1])
    assert error.value.code == "E_AUDIT_KEYS"
    with pytest.raises(AuditError) as error:
        prove_entries(log_of(3), LOG, (KEY.public,), [], lambda _: [])
    assert error.value.code == "E_NO_AUDIT"


def test_p21_a_log_that_was_changed_gives_no_proof_of_what_follows() -> None:
    log = log_of(9)
    changed = log.replace(b"%032x" % 2, b"%032x" % 99)
    with pytest.raises(AuditError) as error:
        proof(changed, 6)
    assert error.value.code == "E_AUDIT_FORK"
    assert proof(log, 6) != proof(log, 1)
