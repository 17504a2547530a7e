"""No fine follows from a hit that the signed policy does not allow, and who opens one is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.authority.store import HitStore
from edge.desk.folder import DeskFolder
from edge.domain.reveal import MaskMethod
from edge.privacy.audit_events import CaseOpened
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from tests.integration.test_desk_people import recorded
from tests.integration.test_fines_export import FinesRoom
from tests.support.cases import SHOTS, closed, hit_under, jpeg, signed_policies
from tests.support.desks import make_desk
from tests.support.parties import MORNING, Parties, evidence, make_parties
from tests.support.product import Finished, verb
from tests.support.reviews import CONFIRMED, OFFICER

MORE = Picture("first", jpeg((9, 9, 9)), MaskMethod.MEANING, MORNING)
"""A picture that the rule of these hits has not."""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


# --- fines ----------------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path, parties: Parties) -> Iterator[FinesRoom]:
    desk: DeskFolder = make_desk(tmp_path / "desk")
    with FinesRoom.of(desk, parties, tmp_path) as made:
        yield made


def confirmed(room: FinesRoom, hit: Hit) -> Hit:
    room.hit = room.stored(hit)
    room.through(OFFICER, CONFIRMED)
    return hit


def opened_for_fines(room: FinesRoom) -> set[str]:
    return {
        one.hit_id
        for one in recorded(room.desk)
        if isinstance(one, CaseOpened) and one.reason == "fine"
    }


def test_p4_no_fine_follows_from_a_hit_that_its_signed_policy_does_not_allow(
    room: FinesRoom,
) -> None:
    shut = signed_policies(room.site, closed)
    while_closed = confirmed(room, hit_under(room.parties, shut, evidence(*SHOTS)))
    shows_more = confirmed(room, hit_under(room.parties, room.policy, evidence(*SHOTS, MORE)))
    unknown = confirmed(
        room, room.parties.hit(evidence(*SHOTS), purpose=room.policy.rules[0].purpose)
    )
    allowed = room.confirmed()

    done = room.fines()

    assert done.hit_ids == (allowed.hit_id,)
    assert [row[0] for row in room.rows()[1:]] == [allowed.hit_id]
    why = dict(done.not_allowed)
    assert set(why) == {while_closed.hit_id, shows_more.hit_id, unknown.hit_id}
    assert "closed" in why[while_closed.hit_id]
    assert "has not the picture" in why[shows_more.hit_id]
    assert "does not hold the policy" in why[unknown.hit_id]
    assert all(hit_id in told for hit_id, told in why.items())
    assert opened_for_fines(room) == {allowed.hit_id, shows_more.hit_id}, "else nothing is opened"

    only = room.fines(only=(while_closed.hit_id,))
    assert (only.sha256, [hit for hit, _ in only.not_allowed]) == (None, [while_closed.hit_id])
    assert len(room.files) == 1


def test_p4_no_fine_follows_under_a_policy_that_not_all_roles_have_signed(room: FinesRoom) -> None:
    hit = room.confirmed()
    file = room.site / "policy.signatures.json"
    lists = json.loads(file.read_text())
    lists["signatures"].popitem()
    file.write_text(json.dumps(lists))

    done = room.fines()

    assert (done.sha256, room.files) == (None, [])
    assert [hit_id for hit_id, _ in done.not_allowed] == [hit.hit_id]
    assert "not signed by" in done.not_allowed[0][1]


# --- the store without a desk ---------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Callable[[Hit], list[str | Path]]:
    def put(hit: Hit) -> list[str | Path]:
        with HitStore.open(tmp_path / "store", create=True) as inbox:
            inbox.put(hit, hit.to_payload(), datetime.now(timezone.utc))
        return ["--store", tmp_path / "store"]

    return put


def opened(parties: Parties, tmp_path: Path, *words: str | Path) -> Finished:
    keys = ("--box-keys", parties.box_file, "--keys", parties.authority_folder)
    return verb("hits", "open", "--all", "--out", tmp_path / "opened", *keys, *words)


@pytest.mark.parametrize(
    ("changes", "more", "why"),
    [((), (), None), ((closed,), (), "closed"), ((), (MORE,), "has not the picture")],
    ids=["allowed", "camera closed", "another picture"],
)
def test_p4_who_opens_a_hit_is_told_that_its_policy_does_not_allow_it(
    store: Callable[[Hit], list[str | Path]],
    parties: Parties,
    tmp_path: Path,
    changes: tuple[Callable[[dict[str, Any]], None], ...],
    more: tuple[Picture, ...],
    why: str | None,
) -> None:
    policy = signed_policies(tmp_path / "policies", *changes)
    kept = store(hit_under(parties, policy, evidence(*SHOTS, *more)))
    compared = (*kept, "--policies", tmp_path / "policies")

    told = opened(parties, tmp_path, *compared)
    document = opened(parties, tmp_path, *compared, "--json").json

    (row,) = document["opened"]
    assert document["compared"] is True
    assert ("do not confirm it" in told.out) is (why is not None)
    assert (row["not_allowed"] is None) is (why is None)
    assert (why or "") in told.out


def test_p4_the_file_whose_signatures_are_damaged_is_named(
    store: Callable[[Hit], list[str | Path]], parties: Parties, tmp_path: Path
) -> None:
    policy = signed_policies(tmp_path / "policies")
    damaged = tmp_path / "policies" / "other.signatures.json"
    damaged.write_text("{}")
    hit = hit_under(parties, policy, evidence(*SHOTS))
    kept = (*store(hit), "--policies", tmp_path / "policies")

    refused = verb("hits", "review", hit.hit_id, "--confirm", *kept)

    assert (refused.status, str(damaged) in refused.err) == (3, True)


def test_p4_who_opens_or_confirms_a_hit_without_policies_is_told_that_none_was_compared(
    store: Callable[[Hit], list[str | Path]], parties: Parties, tmp_path: Path
) -> None:
    hit = parties.hit()
    kept = store(hit)

    assert "not compared with the signed policy" in opened(parties, tmp_path, *kept).err
    assert opened(parties, tmp_path, *kept, "--json").json["compared"] is False
    done = verb("hits", "review", hit.hit_id, "--confirm", *kept)
    assert (done.status, "not compared with the signed policy" in done.err) == (0, True)


def test_p4_a_hit_that_its_signed_policy_does_not_allow_is_not_confirmed(
    store: Callable[[Hit], list[str | Path]], parties: Parties, tmp_path: Path
) -> None:
    policy = signed_policies(tmp_path / "policies", closed)
    hit = hit_under(parties, policy, evidence(*SHOTS))
    words = ("hits", "review", hit.hit_id, *store(hit), "--policies", tmp_path / "policies")

    refused = verb(*words, "--confirm")

    assert (refused.status, "E_POLICY" in refused.err, "closed" in refused.err) == (3, True, True)
    with HitStore.open(tmp_path / "store") as inbox:
        assert not inbox.find(hit.hit_id).reviewed
    assert verb(*words, "--reject", "no-offence").status == 0
