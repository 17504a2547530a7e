"""The same command in several processes at once: each is done once, and nobody's work is lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from edge.adapters.state.state_folder import locked_folder
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
from tests.support.brokers import wait_until
from tests.support.parties import make_parties
from tests.support.product import start, verb
from tests.support.sites import SIGNERS, make_site
from tests.support.update_commands import Commands

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


@contextlib.contextmanager
def waiting(commands: Sequence[Words], folder: Path, status: int = 0) -> Iterator[None]:
    """Start commands, and wait until each waits for the lock of a folder; then let them go on."""
    inode = f":{folder.stat().st_ino} "

    def all_wait() -> bool:
        locks = Path("/proc/locks").read_text().splitlines()
        return sum("->" in one and inode in one for one in locks) == len(commands)

    with locked_folder(folder):
        running = [start(one) for one in commands]
        assert wait_until(all_wait), "they do not wait for each other"
        yield
    for one in running:
        _, told = one.communicate(timeout=60)
        assert one.wait() == status, told


@pytest.fixture
def office(tmp_path: Path) -> Commands:
    made = Commands(tmp_path)
    made.init()
    made.add_templates()
    return made


def release_sign(office: Commands, *names: str) -> list[Words]:
    targets = office.pending / "targets.json"
    return [["fleet", "release", "sign", targets, "--key", office.private(one)] for one in names]


def test_vendor_and_controller_who_sign_at_once_have_both_signed(office: Commands) -> None:
    with waiting(release_sign(office, "vendor", "controller"), office.pending):
        pass

    assert "not published" not in office.run("release", "publish", office.repo, *office.online)


def test_what_was_changed_after_it_was_shown_is_not_signed(office: Commands) -> None:
    targets = office.pending / "targets.json"
    with waiting(release_sign(office, "vendor"), office.pending, status=8):
        changed = json.loads(targets.read_bytes())
        changed["signed"]["version"] += 1
        targets.write_text(json.dumps(changed))

    assert json.loads(targets.read_bytes()) == changed


def suspend_sign(folder: Path, *names: str) -> list[Words]:
    order = folder / "order.json"
    made = verb("suspend", "new", "street", "--resume", "--reason", "x", "--out", order)
    assert made.status == 0, made.err
    for name in names:
        assert verb("keys", "new", "signer", name, "--out", folder / "office", "--demo").status == 0
    keys = [folder / "office" / f"{name}.signer.private.json" for name in names]
    return [["suspend", "sign", order, "--key", key] for key in keys]


def test_p17_two_who_sign_an_order_at_once_have_both_signed(tmp_path: Path) -> None:
    with waiting(suspend_sign(tmp_path, "vtc", "mayor"), tmp_path):
        pass

    assert len(json.loads((tmp_path / "order.json").read_bytes())["signatures"]) == 2


def test_p17_an_order_that_was_changed_after_it_was_shown_is_not_signed(tmp_path: Path) -> None:
    order = tmp_path / "order.json"
    with waiting(suspend_sign(tmp_path, "vtc"), tmp_path, status=3):
        changed = order.read_bytes().replace(b'"resume"', b'"suspend"')
        order.write_bytes(changed)

    assert order.read_bytes() == changed
