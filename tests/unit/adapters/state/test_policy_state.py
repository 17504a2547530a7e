"""The box's record of its policies: replaced completely, and never by an older version."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.adapters.state.policy_state import (
    ACTIVATION,
    CLOCK,
    POLICIES,
    DpiaFile,
    PolicyState,
    SteadyClock,
)
from edge.errors import EdgeError, OutboxError, PolicyError
from edge.formats.timestamps import parse_utc
from tests.support.policies import NOON, in_force, next_version, policy

REAL = in_force(policy(real=True))
NEXT = in_force(policy(next_version, real=True))


class SetClock:
    """A clock that stays where the test sets it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def utc(self) -> datetime:
        return self.now


def test_the_policy_in_force_is_read_back_with_all_earlier_versions(tmp_path: Path) -> None:
    state = PolicyState(tmp_path / "state")
    assert state.in_force() is None
    assert state.history() == ()

    state.put_in_force(REAL)
    state.put_in_force(NEXT)

    assert PolicyState(tmp_path / "state").in_force() == NEXT
    assert [one.version for one, _ in state.history()] == [2, 1]
    file = tmp_path / "state" / ACTIVATION
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_the_policy_in_force_stays_if_it_cannot_be_replaced(tmp_path: Path) -> None:
    state = PolicyState(tmp_path)
    state.put_in_force(REAL)
    (tmp_path / POLICIES / "2.json").mkdir()  # no file can replace a folder

    with pytest.raises(OutboxError):
        state.put_in_force(NEXT)

    assert state.in_force() == REAL
    assert [file.name for file in tmp_path.rglob(".*")] == []


def test_a_policy_in_force_of_format_2_is_refused_with_one_line_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    state = PolicyState(tmp_path)
    state.put_in_force(REAL)
    for file in (tmp_path / ACTIVATION, tmp_path / POLICIES / "1.json"):
        written = json.loads(file.read_text())
        written["policy"]["schema"] = "edge-anpr/policy/2"
        written["policy"]["cameras"]["north"]["place"] = "The north corner"
        file.write_text(json.dumps(written))

    for read in (state.in_force, state.history):
        with pytest.raises(PolicyError) as caught:
            read()
        assert caught.value.code == "E_LEASE"
        assert "docs/sites.md, Format 3" in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "edge-anpr/in-force/1"}', "\x00"])
def test_a_damaged_record_is_refused_and_never_treated_as_missing(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / ACTIVATION).write_text(text)

    with pytest.raises(PolicyError, match="activate the policy again") as caught:
        PolicyState(tmp_path).in_force()

    assert caught.value.code == "E_LEASE"


def test_p1_turning_the_clock_back_does_not_lower_the_high_water_mark(tmp_path: Path) -> None:
    system = SetClock(NOON)
    clock = SteadyClock(system, tmp_path)
    assert clock.utc() == NOON

    system.now = NOON + timedelta(days=40)
    assert clock.utc() == NOON + timedelta(days=40)
    system.now = NOON
    assert clock.utc() == NOON + timedelta(days=40)

    restarted = SteadyClock(SetClock(NOON), tmp_path)
    assert restarted.utc() == NOON + timedelta(days=40)


def test_p1_the_high_water_mark_is_written_once_a_minute(
    tmp_path: Path,
) -> None:
    system = SetClock(NOON)
    clock = SteadyClock(system, tmp_path)

    def written() -> datetime:
        return parse_utc(json.loads((tmp_path / CLOCK).read_text())["latest"])

    system.now = NOON + timedelta(seconds=59)
    clock.utc()
    assert written() == NOON
    system.now = NOON + timedelta(seconds=60)
    clock.utc()
    assert written() == NOON + timedelta(seconds=60)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"latest": 1}', '{"latest": "yesterday"}'])
def test_p1_a_damaged_high_water_mark_is_refused_and_not_reset(tmp_path: Path, text: str) -> None:
    (tmp_path / CLOCK).write_text(text)

    with pytest.raises(EdgeError, match=r"clock\.json: damaged"):
        SteadyClock(SetClock(NOON), tmp_path)


def test_p2_a_changed_dpia_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "dpia.md"
    dpia = DpiaFile(file)
    assert dpia.document() is None

    file.write_bytes(b"one")
    first = dpia.document()
    assert first is not None
    assert (first.sha256, first.text) == (hashlib.sha256(b"one").hexdigest(), "one")
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if it were the same
    second = dpia.document()
    assert second is not None
    assert (second.sha256, second.text) == (hashlib.sha256(b"two").hexdigest(), "two")
    assert dpia.document() is second
    file.unlink()
    assert dpia.document() is None
    file.mkdir()
    assert dpia.document() is None
