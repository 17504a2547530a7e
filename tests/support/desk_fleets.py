"""Boxes of a desk, as rows of its table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from edge.desk.fleet import LATE_AFTER, BoxProblem
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.formats.timestamps import utc_text
from tests.support.desks import NOW

HEALTHY: dict[str, Any] = {
    "log_size": 900, "root_sha256": "ab" * 32, "proved_at": utc_text(NOW), "state": "online",
    "reason": "running", "said_at": utc_text(NOW), "status_counter": 7,
    "status_sha256": "ab" * 32, "status_said_at": utc_text(NOW), "status_came_at": utc_text(NOW),
    "status_state": "online", "status_reason": "running", "version": "1.10.0",
    "weights_sha256": "11" * 32, "policy_sha256": "22" * 32, "policy_version": 4,
    "status_lease": "2027-06-01T00:00:00.000Z", "lists": '{"stolen": 41}', "synchronised": True,
    "clock_steps": "none", "temperature": 40, "disk": 20, "twin_at": None,
    "update_target": None, "update_outcome": None,
}  # fmt: skip


def put(database: DeskDatabase, *boxes: dict[str, Any]) -> None:
    """Add healthy boxes, changed as each dictionary says, which names site and box."""
    rows = [{**HEALTHY, **one, "box_id": f"{one['site']}/{one['box']}"} for one in boxes]
    with database.writing() as connection:
        connection.execute(insert(BOX_STATE), rows)


URGENT: tuple[dict[str, Any], ...] = (
    {"status_state": "safe", "status_reason": "E_SUSPENDED"},
    {"status_state": "safe", "status_reason": "E_LEASE"},
    {"twin_at": utc_text(NOW)},
    {
        "proved_at": utc_text(NOW - timedelta(days=2)),
        "status_said_at": utc_text(NOW - timedelta(days=2)),
    },
    {"state": "offline", "reason": "stopped"},
    {"update_target": "2.0", "update_outcome": "failed"},
    {"status_lease": utc_text(NOW - timedelta(days=1))},
    {"status_lease": utc_text(NOW + timedelta(days=1))},
    {"status_came_at": utc_text(NOW - LATE_AFTER - timedelta(seconds=1))},
    {"version": "1.9.0"},
    {"weights_sha256": "33" * 32},
    {"policy_version": 3},
    {"synchronised": False},
    {"temperature": 90},
    {"disk": 90},
)


def urgent(database: DeskDatabase) -> None:
    """One box with each problem, and more without any; their names say nothing of the order."""
    problems = zip(BoxProblem, URGENT, strict=True)
    put(
        database,
        *(
            {"site": "a", "box": f"{99 - place}-{problem.value}", **changed}
            for place, (problem, changed) in enumerate(problems)
        ),
        *({"site": "a", "box": f"0-{number:02d}"} for number in range(20)),
    )
