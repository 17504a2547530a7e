"""P13: a box's answer to a list is signed, says why it refuses, and shows no path and no plate."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
import rfc8785

from edge.errors import EdgeError, KeyFileError, OutboxError
from edge.policy.bundle_format import ListBundleError
from edge.policy.list_answer import MAX_REASON, sign_answer, verified_answer
from tests.support import plate_lists
from tests.support.parties import Parties, make_parties

NOW = datetime(2026, 3, 10, 7, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def answer(parties: Parties, refused: EdgeError | None = None) -> bytes:
    bundle = plate_lists.bundle(parties.box_public)
    return sign_answer(plate_lists.LIST, bundle, refused, NOW, parties.box).to_bytes()


@pytest.mark.parametrize(
    ("refused", "code", "reason"),
    [
        (None, "", ""),
        (ListBundleError("entries[3].end: too late", code="E_LIST"), "E_LIST", "entries[3].end:"),
        (KeyFileError("sealed to key ab", code="E_NO_KEY"), "E_NO_KEY", "sealed to key ab"),
        (OutboxError("/var/lib/box: full"), "E_STORAGE", "the state folder cannot be read"),
        (OutboxError("/var/lib/box: odd", code="E_NEWER"), "E_NEWER", "a bug in the program"),
        (ListBundleError("x" * 9999), "E_LIST_BUNDLE", "x" * MAX_REASON),
    ],
)
def test_p13_an_answer_says_whether_the_list_is_in_force_and_why_not(
    parties: Parties, refused: EdgeError | None, code: str, reason: str
) -> None:
    found = verified_answer(answer(parties, refused), parties.box_public)

    assert found.state == ("in-force" if refused is None else "refused")
    assert (found.code, found.counter) == (code, plate_lists.COUNTER)
    assert found.reason.startswith(reason)
    assert "/var/lib" not in found.reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "refused"),
        ("bundle_sha256", "0" * 64),
        ("list", "other"),
        ("counter", 8),
        ("code", "E_LIST"),
        ("reason", "because"),
        ("answered_at", "2026-03-10T07:00:00.001Z"),
        ("box", "box-2"),
        ("site", "elsewhere"),
        ("box_key_id", "0" * 16),
        ("schema", "edge-anpr/list-answer/2"),
        ("more", "fields"),
    ],
)
def test_p13_a_changed_answer_is_refused(parties: Parties, name: str, value: Any) -> None:
    changed = rfc8785.dumps({**json.loads(answer(parties)), name: value})

    with pytest.raises(EdgeError):
        verified_answer(changed, parties.box_public)


def test_p13_an_answer_signed_by_another_box_is_refused(
    parties: Parties, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = make_parties(tmp_path_factory.mktemp("stranger"))

    with pytest.raises(KeyFileError, match="is not signed by a key of box"):
        verified_answer(answer(stranger), parties.box_public)


@pytest.mark.parametrize("payload", [b"", b"{}", b"x" * 5000, b" " + b"{}"])
def test_other_messages_are_no_answers(parties: Parties, payload: bytes) -> None:
    with pytest.raises(ListBundleError, match="it was ignored"):
        verified_answer(payload, parties.box_public)
