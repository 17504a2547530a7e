"""A box refuses a key with two duties: of the policy, of itself and of the authorities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.box.keys import keys_of, require_separate_keys
from edge.errors import PolicyError
from tests.support.parties import AUTHORITY, Parties, make_parties
from tests.support.policies import policy


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    return make_parties(tmp_path)


@pytest.mark.parametrize(
    "place",
    [("approvals", "signers", "chief"), ("suspension", "keys", "vtc"), ("issuers", "office")],
)
@pytest.mark.parametrize("whose", ["box", "authority"])
def test_p1_a_key_of_the_policy_is_none_of_the_box_or_an_authority(
    parties: Parties, place: tuple[str, ...], whose: str
) -> None:
    authorities = {AUTHORITY: parties.authority_public}
    taken = parties.box.public if whose == "box" else parties.authority_public.public_keys()[0]

    def same(content: Any) -> None:
        for step in place:
            content = content[step]
        content["key"] = taken.text

    with pytest.raises(PolicyError) as refused:
        require_separate_keys(policy(same, real=True), keys_of(parties.box, authorities))

    assert refused.value.code == "E_DUTIES"
    assert ".".join(place) in refused.value.message
    require_separate_keys(policy(real=True), keys_of(parties.box, authorities))


def test_p1_a_box_does_not_sign_with_an_authoritys_key(parties: Parties) -> None:
    authority = parties.authority
    mixed = replace(parties.box, _signing=authority.newest._receipts)

    with pytest.raises(PolicyError, match="receipts"):
        require_separate_keys(
            policy(real=True), keys_of(mixed, {AUTHORITY: parties.authority_public})
        )


def test_p10_a_box_cannot_open_what_it_seals(parties: Parties) -> None:
    mixed = replace(parties.box, _lists=parties.authority.newest.sealing)

    with pytest.raises(PolicyError, match="sealed to"):
        require_separate_keys(
            policy(real=True), keys_of(mixed, {AUTHORITY: parties.authority_public})
        )
    old = replace(parties.box, _lists=None)
    require_separate_keys(policy(real=True), keys_of(old, {AUTHORITY: parties.authority_public}))
