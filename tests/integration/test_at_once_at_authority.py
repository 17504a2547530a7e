"""The same command in several processes at once: each is done once, and nobody's work is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edge.policy.signatures import SIGNATURES_FILE, read_signatures
from tests.integration.test_full_disk_at_authority import (
    Words,
    desk_init,
    fleet_issue,
    fleet_render,
    lists_build,
    release_add,
    wave_plan,
)
from tests.support.parties import make_parties
from tests.support.product import start, verb
from tests.support.sites import SIGNERS, make_site

TIMES = 3


def at_once(*commands: Sequence[str | Path]) -> list[int]:
    """Run commands in processes of their own at the same time; returns how they ended, sorted."""
    running = [start(one) for one in commands]
    for one in running:
        one.communicate(timeout=60)
    return sorted(one.wait() for one in running)


@pytest.mark.parametrize(
    ("prepared", "others"),
    [
        (desk_init, {8}),
        (fleet_issue, {2, 8}),
        (lists_build, {2}),
        (release_add, {3}),
        (wave_plan, {3}),
        (fleet_render, {0}),
    ],
)
def test_a_command_given_several_times_at_once_is_done_once(
    tmp_path: Path, prepared: Callable[[Path], Words], others: set[int]
) -> None:
    words = prepared(tmp_path)
    done, *refused = at_once(*[words] * TIMES)
    assert done == 0
    assert set(refused) <= others
    assert set(at_once(words)) <= others, "all that it makes is there"
    if prepared is lists_build:
        body = verb("lists", "inspect", tmp_path / "out", "--json").json["body_sha256"]
        assert {one.name for one in (tmp_path / "out").iterdir()} == {
            *(f"{body}.list", "manifests.jsonl"),
        }


def test_keys_that_are_rotated_several_times_at_once_are_all_in_the_public_file(
    tmp_path: Path,
) -> None:
    folder = make_parties(tmp_path).authority_folder
    rotate = ("keys", "rotate", "authority", "--keys", folder)

    assert at_once(*[rotate] * TIMES) == [0] * TIMES

    (public,) = (
        one
        for one in verb("keys", "show", folder, "--json").json["keys"]
        if "public" in one["file"]
    )
    named = {one["key_id"] for one in public["generations"]}
    assert named == {one.name.split(".")[0] for one in folder.glob("*.private.json")}
    assert len(named) == TIMES + 1


def test_p3_signers_who_sign_at_once_have_all_signed(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site").folder
    (site / SIGNATURES_FILE).unlink()
    office = tmp_path / "office"
    for name in SIGNERS:
        assert verb("keys", "new", "signer", name, "--out", office, "--demo").status == 0

    signing = [
        ("policy", "sign", site, "--key", office / f"{name}.signer.private.json")
        for name in SIGNERS
    ]

    assert at_once(*signing) == [0] * len(SIGNERS)
    assert set(read_signatures(site / SIGNATURES_FILE).signatures) == set(SIGNERS)
