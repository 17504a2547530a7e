from __future__ import annotations

import pytest

from edge.adapters.broker.publisher import reconnect_delay_s


@pytest.mark.parametrize(
    ("attempt", "away_s", "jitter", "expected"),
    [
        (1, 0.0, 1.0, 0.2),
        (1, 0.0, 0.0, 0.1),
        (3, 5.0, 1.0, 0.8),
        (10, 59.9, 1.0, 1.0),
        (5, 60.0, 1.0, 3.2),
        (1000, 7 * 86400.0, 1.0, 10.0),
        (1000, 7 * 86400.0, 0.0, 5.0),
    ],
)
def test_a_lost_broker_is_tried_every_second_and_later_every_ten_seconds(
    attempt: int, away_s: float, jitter: float, expected: float
) -> None:
    assert reconnect_delay_s(attempt, away_s, jitter) == pytest.approx(expected)
