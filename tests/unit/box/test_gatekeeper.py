"""The gatekeeper: checks repeatedly, reports once, and treats an error as a refusal."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import pytest

from edge.box.gatekeeper import STOP_WITHIN_S, Gatekeeper
from edge.errors import EdgeError, PolicyError

NOW = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
SUNSET = PolicyError("the policy ended", code="E_SUNSET")
SUSPENDED = PolicyError("suspended", code="E_SUSPENDED")


def never(_error: EdgeError) -> None:
    raise AssertionError("nothing is wrong")


def test_p1_the_gate_is_open_only_while_every_condition_holds() -> None:
    asked: list[datetime] = []

    def holds(now: datetime) -> EdgeError | None:
        asked.append(now)
        return None

    Gatekeeper([holds, holds], lambda: NOW, never).require_open()
    assert asked == [NOW, NOW]
    for conditions in ([holds, lambda _now: SUNSET], [lambda _now: SUNSET, lambda _now: SUSPENDED]):
        with pytest.raises(PolicyError) as caught:
            Gatekeeper(conditions, lambda: NOW, never).require_open()
        assert caught.value is SUNSET


def test_p1_a_gate_without_conditions_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="always be open"):
        Gatekeeper([], lambda: NOW, never)


def test_p11_a_condition_that_fails_during_a_run_is_reported_once_within_seconds() -> None:
    broken, told = threading.Event(), threading.Event()
    said: list[EdgeError] = []

    def on_refusal(error: EdgeError) -> None:
        said.append(error)
        told.set()

    keeper = Gatekeeper(
        [lambda _now: SUNSET if broken.is_set() else None], lambda: NOW, on_refusal, every_s=0.01
    )
    keeper.start()
    assert not told.wait(0.1)
    broken.set()
    assert told.wait(5)
    assert not threading.Event().wait(0.1)
    keeper.stop()

    assert said == [SUNSET]


def test_p1_an_exception_in_a_condition_counts_as_a_refusal_and_is_not_quoted() -> None:
    def bug(_now: datetime) -> EdgeError | None:
        raise RuntimeError("1-ABC-123")

    def no_time() -> datetime:
        raise PolicyError("no clock", code="E_STORAGE")

    error = Gatekeeper([bug], lambda: NOW, never).refusal()
    assert error is not None
    assert "ABC" not in str(error)
    assert "RuntimeError" in str(error)
    late = Gatekeeper([lambda _now: None], no_time, never).refusal()
    assert late is not None
    assert late.code == "E_STORAGE"


def test_a_gatekeeper_can_be_stopped_twice_and_from_its_own_thread() -> None:
    keepers: list[Gatekeeper] = []
    done = threading.Event()

    def on_refusal(_error: EdgeError) -> None:
        keepers[0].stop()
        done.set()

    keepers.append(Gatekeeper([lambda _now: SUNSET], lambda: NOW, on_refusal, every_s=0.01))
    keepers[0].start()
    assert done.wait(5)
    keepers[0].stop()
    keepers[0].stop()


@pytest.mark.parametrize("where", ["condition", "clock"])
def test_p1_a_check_that_hangs_shuts_the_box_and_does_not_delay_its_end(where: str) -> None:
    hangs, goes_on, told = threading.Event(), threading.Event(), threading.Event()
    said: list[EdgeError] = []

    def condition(_now: datetime) -> EdgeError | None:
        if where == "condition" and hangs.is_set():
            goes_on.wait(30)
        return None

    def now() -> datetime:
        if where == "clock" and hangs.is_set():
            goes_on.wait(30)
        return NOW

    def on_refusal(error: EdgeError) -> None:
        said.append(error)
        told.set()

    keeper = Gatekeeper([condition], now, on_refusal, every_s=0.05)
    keeper.start()
    assert not told.wait(0.5), "checks that are in time are not refused"
    assert keeper.is_alive()
    hangs.set()
    assert told.wait(5)
    assert [error.code for error in said] == ["E_GATE_STALLED"]
    assert not keeper.is_alive(), "health must tell it"
    before = time.monotonic()
    keeper.stop()
    assert time.monotonic() - before < 2 * STOP_WITHIN_S
    goes_on.set()
