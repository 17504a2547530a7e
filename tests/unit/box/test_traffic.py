"""Published traffic counts: an epoch with one vehicle looks like an empty one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.box.traffic import ClosedEpochs, Shown, TrafficTotals

OUTCOMES, RULES, STAGES = ("read", "ambiguous", "unreadable"), ("stolen",), ("detect", "read")


def shown(*epochs: TrafficTotals) -> Shown:
    """The published counts after these totals, one for each closed epoch."""
    closed = ClosedEpochs(OUTCOMES, RULES, STAGES)
    for totals in epochs:
        closed.close(totals)
    return closed.shown


def test_p7_one_vehicle_gives_the_same_counters_as_an_empty_epoch() -> None:
    one = TrafficTotals(
        vehicles={"read": 1},
        hits={"stolen": 1},
        analysed=60,
        dropped=3,
        stage_s={"detect": 2.5, "read": 0.4},
        waiting=1,
    )

    assert shown(one) == shown(TrafficTotals())


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 10_000), st.floats(0, 900))
def test_p7_fewer_than_ten_vehicles_are_never_shown(
    vehicles: int, hits: int, frames: int, seconds: float
) -> None:
    few = TrafficTotals(
        vehicles={"read": vehicles},
        hits={"stolen": hits},
        analysed=frames,
        dropped=frames,
        stage_s={"read": seconds},
        waiting=hits,
    )

    assert shown(few) == shown(TrafficTotals())


def test_small_counts_of_several_epochs_are_not_added() -> None:
    epochs = [
        TrafficTotals(
            vehicles={"read": 9 * n}, hits={"stolen": 9 * n}, contradicted={"stolen": 9 * n}
        )
        for n in range(1, 20)
    ]

    assert shown(*epochs).vehicles["read"] == 0
    assert shown(*epochs).contradicted["stolen"] == 0
    assert shown(*epochs).hits["stolen"] == 0
    assert shown(*epochs).epochs == 19


def test_large_counts_are_rounded_to_tens_and_two_digits() -> None:
    busy = TrafficTotals(
        vehicles={"read": 47, "ambiguous": 3, "unreadable": 12},
        hits={"stolen": 10},
        contradicted={"stolen": 29},
        analysed=8_765,
        dropped=123,
        stage_s={"detect": 98.7, "read": 0.456},
        waiting=31,
    )

    found = shown(busy)

    assert found.vehicles == {"read": 40, "ambiguous": 0, "unreadable": 10}
    assert found.hits == {"stolen": 10}
    assert found.contradicted == {"stolen": 20}
    assert (found.analysed, found.dropped, found.waiting) == (8_700, 120, 30)
    assert found.stage_s["detect"] == 98
    assert abs(found.stage_s["read"] - 0.45) < 1e-9


def test_the_backlog_has_an_age_only_while_ten_hits_wait_at_each_close() -> None:
    waiting = [TrafficTotals(waiting=count) for count in (12, 10, 55)]

    assert shown(*waiting).waiting_epochs == 3
    assert shown(*waiting, TrafficTotals(waiting=9)).waiting_epochs == 0


def test_every_counter_exists_before_the_first_vehicle() -> None:
    before = ClosedEpochs(OUTCOMES, RULES, STAGES).shown

    assert before.vehicles == dict.fromkeys(OUTCOMES, 0)
    assert before.hits == before.contradicted == {"stolen": 0}
    assert before.stage_s == {"detect": 0.0, "read": 0.0}
