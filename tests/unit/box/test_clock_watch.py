"""Wall clock steps, detected with the monotonic clock."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest

from edge.box.clock_watch import ClockWatch
from tests.support.fakes import STARTED


class TwoClocks:
    """A wall clock and a monotonic clock that the test sets."""

    def __init__(self) -> None:
        self.wall, self.steady_s = STARTED, 100.0

    def utc(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady_s

    def tick(self, wall_s: float) -> None:
        self.wall += timedelta(seconds=wall_s)
        self.steady_s += 1.0


def test_an_accurate_clock_keeps_the_cameras_open() -> None:
    clocks = TwoClocks()
    watch = ClockWatch(clocks)
    for _ in range(100):
        clocks.tick(1.0001)
        assert watch(clocks.wall) is None
    assert watch.steps == 0


@pytest.mark.parametrize(("back_s", "shut"), [(9.0, False), (11.0, True), (3600.0, True)])
def test_a_large_backward_clock_step_shuts_the_cameras(
    back_s: float, shut: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    clocks = TwoClocks()
    watch = ClockWatch(clocks)
    latest = clocks.wall
    assert watch(latest) is None
    clocks.tick(-back_s)
    refusal = watch(latest)

    assert (refusal is not None and refusal.code == "E_CLOCK") is shut
    assert watch.steps == 1
    assert "was stepped by -" in caplog.text


def test_a_forward_clock_step_is_logged_and_accepted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clocks = TwoClocks()
    watch = ClockWatch(clocks)
    watch(clocks.wall)
    clocks.tick(3601.0)
    assert watch(clocks.wall) is None
    assert "stepped by +3600.0 s" in caplog.text
