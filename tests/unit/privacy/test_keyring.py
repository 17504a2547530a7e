"""Retention keys, and the clock that decides on their expiry (P10)."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import KeyFileError
from edge.privacy.keyring import (
    LARGEST_STEP,
    SETTLING_S,
    SLOT,
    RetentionClock,
    RetentionKey,
    slot_end,
)
from tests.support.fakes import SetClock

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def clock_at(now: datetime, mark: datetime | None = None) -> tuple[SetClock, RetentionClock]:
    wall = SetClock(now)
    return wall, RetentionClock(wall.monotonic, wall.utc, mark)


class TestAKey:
    def test_opens_what_it_sealed(self) -> None:
        key = RetentionKey.generate("wanted-vehicles", NOON)
        assert key.open("a", key.seal("a", b"item")) == b"item"

    def test_p10_ends_within_the_quarter_before_its_items_and_never_after_them(self) -> None:
        for minutes, end in [(0, 0), (1, 0), (14, 0), (15, 15), (44, 30), (59, 45)]:
            expires_at = NOON + timedelta(minutes=minutes, seconds=0)
            assert slot_end(expires_at) == NOON + timedelta(minutes=end)
        assert RetentionKey.generate("p", NOON + HOUR / 3).expires_at == NOON + HOUR / 4

    @given(st.integers(-(10**9), 10**9), st.integers(-12, 14))
    def test_p10_is_never_kept_past_any_end_in_any_time_zone(self, ms: int, zone: int) -> None:
        moment = NOON + timedelta(milliseconds=ms)
        expires_at = moment.astimezone(timezone(timedelta(hours=zone)))
        assert expires_at - SLOT < slot_end(expires_at) <= expires_at

    def test_opens_nothing_under_another_id_or_key_and_nothing_that_was_changed(self) -> None:
        key, other = (RetentionKey.generate("p", NOON) for _ in range(2))
        stored = key.seal("a", b"item")
        again = key.seal("a", b"item")
        assert stored != again
        assert key.open("b", stored) is None
        assert other.open("a", stored) is None
        assert key.open("a", replace(stored, body=again.body)) is None
        assert key.open("a", replace(stored, body=stored.body[:-1] + b"\0")) in {None, b"item"}
        for damaged in (b"", bytes(10), bytes(100)):
            assert key.open("a", replace(stored, body=damaged)) is None
            assert key.open("a", replace(stored, wrapped_key=damaged)) is None

    def test_p10_neither_seals_nor_opens_once_destroyed(self) -> None:
        key = RetentionKey.generate("p", NOON)
        stored = key.seal("a", b"item")
        held = key._secret
        key.destroy()
        key.destroy()
        assert held == bytes(32)
        with pytest.raises(KeyFileError) as refused:
            key.open("a", stored)
        assert refused.value.code == "E_RETENTION_ENDED"
        with pytest.raises(KeyFileError):
            key.seal("a", b"item")

    def test_shows_no_secret_and_is_never_copied(self) -> None:
        key = RetentionKey.generate("p", NOON)
        assert key.raw().hex() not in repr(key)
        for copier in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="never copied"):
                copier(key)


class TestTheClock:
    def test_p10_goes_on_when_the_wall_clock_is_turned_back(self) -> None:
        wall, clock = clock_at(NOON)
        wall.pass_time(HOUR)
        assert clock.utc() == NOON + HOUR
        wall.now = NOON - timedelta(days=300)
        assert clock.utc() == NOON + HOUR
        wall.pass_time(HOUR)
        assert clock.utc() == NOON + 2 * HOUR

    def test_p10_begins_at_the_mark_when_the_clock_is_behind_it(self) -> None:
        wall, clock = clock_at(datetime(1970, 1, 1, tzinfo=timezone.utc), mark=NOON)
        assert clock.utc() == NOON
        wall.pass_time(HOUR)
        assert clock.utc() == NOON + HOUR
        wall.now = NOON + 3 * HOUR  # a time server set it right
        assert clock.utc() == NOON + 3 * HOUR

    def test_p10_believes_the_clock_at_the_start_however_long_the_box_was_off(self) -> None:
        _, clock = clock_at(NOON + timedelta(days=90), mark=NOON)
        assert clock.utc() == NOON + timedelta(days=90)

    def test_follows_a_small_step_forward_at_once(self) -> None:
        wall, clock = clock_at(NOON)
        wall.now = NOON + LARGEST_STEP
        assert clock.utc() == NOON + LARGEST_STEP

    def test_p10_follows_a_large_step_forward_only_when_it_has_stayed(self) -> None:
        wall, clock = clock_at(NOON)
        wall.now = NOON + timedelta(days=30)
        assert clock.utc() == NOON
        wall.pass_time(timedelta(seconds=SETTLING_S - 1))
        assert clock.utc() == NOON + timedelta(seconds=SETTLING_S - 1)
        wall.pass_time(timedelta(seconds=1))
        assert clock.utc() == wall.now

    def test_a_slip_forward_that_is_mended_in_time_changes_nothing(self) -> None:
        wall, clock = clock_at(NOON)
        for _ in range(3):
            right = wall.now
            wall.now += timedelta(days=4000)
            assert clock.utc() == right
            wall.pass_time(timedelta(seconds=SETTLING_S / 2))
            clock.utc()
            wall.now -= timedelta(days=4000)
            assert clock.utc() == wall.now

    def test_a_mark_in_the_future_is_given_up_when_nothing_depends_on_it(self) -> None:
        wall, clock = clock_at(NOON, mark=NOON + timedelta(days=4000))
        assert clock.utc() == NOON + timedelta(days=4000)
        clock.give_up_mark()
        assert clock.utc() == NOON
        assert clock.monotonic() == wall.monotonic()

    @given(st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 10**6)), max_size=12))
    def test_p10_never_goes_back_and_never_slower_than_the_monotonic_clock(
        self, steps: list[tuple[int, int]]
    ) -> None:
        wall, clock = clock_at(NOON)
        before, steady = clock.utc(), wall.steady
        for step, passing in steps:
            wall.now += timedelta(seconds=step)
            wall.pass_time(timedelta(seconds=passing))
            now = clock.utc()
            assert now - before >= timedelta(seconds=wall.steady - steady)
            before, steady = now, wall.steady
