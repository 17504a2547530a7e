"""The signatures of a policy: by whom, over what, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.errors import EdgeError, ExitCode
from edge.formats.signing import PublicKey, SigningKey, verify
from edge.policy.signatures import (
    CONTEXT,
    SIGNATURES_FILE,
    add_signature,
    missing_roles,
    parse_signatures,
    read_signatures,
    require_quorum,
    signers_of,
)
from tests.support.policies import KEYS, next_version, policy, signed

REAL = policy(real=True)


def refused(text: str) -> EdgeError:
    with pytest.raises(EdgeError) as caught:
        parse_signatures(text, Path(SIGNATURES_FILE))
    return caught.value


def test_p1_the_signature_covers_the_canonical_policy_and_verifies_with_a_public_key() -> None:
    signatures = signed(REAL)

    for name, holder in REAL.approvals.signers.items():
        key = PublicKey.parse(holder.key)
        verify(CONTEXT, REAL.document(), signatures.signatures[name], key)
    assert signers_of(REAL, signatures) == {"mayor", "chief", "officer"}
    assert missing_roles(REAL.approvals.signers, frozenset({"chief"})) == ("controller", "dpo")


def test_p3_signing_a_new_version_removes_the_signatures_of_the_previous_one() -> None:
    changed = policy(next_version, real=True)

    after = add_signature(changed, KEYS["chief"], signed(REAL))

    assert set(after.signatures) == {"chief"}
    assert set(add_signature(REAL, KEYS["chief"], signed(REAL, "mayor")).signatures) == {
        *("mayor", "chief")
    }


def test_p1_a_signature_of_a_person_not_named_by_the_policy_is_refused() -> None:
    stranger = SigningKey.generate("stranger")
    signatures = add_signature(REAL, stranger, signed(REAL, "mayor", "chief"))

    assert signers_of(REAL, signatures) == {"mayor", "chief"}
    with pytest.raises(EdgeError, match="not signed by: dpo"):
        require_quorum(REAL, signatures)


def test_p1_a_signature_moved_to_another_name_is_refused() -> None:
    one = signed(REAL, "mayor")
    moved = one.model_copy(update={"signatures": {"chief": one.signatures["mayor"]}})

    with pytest.raises(EdgeError) as caught:
        signers_of(REAL, moved)

    assert caught.value.code == "E_SIGNATURE"
    assert caught.value.exit_code is ExitCode.KEYS


def test_p3_valid_signatures_that_name_another_policy_are_refused() -> None:
    other = signed(REAL).model_copy(update={"policy_sha256": "0" * 64})

    with pytest.raises(EdgeError, match="changed since it was signed"):
        signers_of(REAL, other)


def test_p3_signatures_of_the_previous_version_are_refused_even_if_they_name_the_new_one() -> None:
    changed = policy(next_version, real=True)
    renamed = signed(REAL).model_copy(update={"policy_sha256": changed.sha256()})

    with pytest.raises(EdgeError, match="mayor: ") as caught:
        signers_of(changed, renamed)

    assert caught.value.code == "E_SIGNATURE"


def test_p1_a_demo_key_that_is_not_marked_as_demo_is_refused() -> None:
    from edge.policy.contradictions import contradictions

    def hide(content: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
        content["approvals"]["signers"]["mayor"]["demo"] = False

    found = [message for _, message in contradictions(policy(hide))]

    assert any("demo: true" in message for message in found)


def test_signatures_read_back_unchanged(tmp_path: Path) -> None:
    file = tmp_path / SIGNATURES_FILE
    file.write_text(signed(REAL).text())

    assert read_signatures(file) == signed(REAL)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "edge-anpr/policy-signatures/2"},
        {"policy_sha256": "0" * 63},
        {"signatures": {"mayor": {"key_id": "0" * 16, "signature": "x"}}},
        {"signatures": {"Mayor": {}}},
        {"signatures": []},
        {"more": 1},
    ],
)
def test_p1_an_invalid_signature_document_is_refused(change: dict[str, object]) -> None:
    content = {**json.loads(signed(REAL).text()), **change}

    error = refused(json.dumps(content))

    assert error.code == "E_SIGNATURE"
    assert SIGNATURES_FILE in error.message


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"schema": 1e999}', "\ud800", "[" * 9999])
def test_p1_invalid_json_is_refused(text: str) -> None:
    assert refused(text).code == "E_SIGNATURE"


def test_p1_the_error_for_a_policy_without_signatures_gives_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="edge-anpr policy sign") as caught:
        read_signatures(tmp_path / SIGNATURES_FILE)

    assert caught.value.code == "E_SIGNATURE"
