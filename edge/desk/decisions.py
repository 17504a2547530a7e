"""Keeps for figures what the newest finding on a hit decided. Nothing here knows of decoys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from edge.desk.findings import DeskFinding
from edge.desk.store.tables import DECISION
from edge.domain.daylight import light_at
from edge.formats.timestamps import parse_utc


def keep_decision(connection: Connection, finding: DeskFinding) -> None:
    """Count what a finding decides; that of an appeal replaces the outcome before it.

    Month and reading stay those of the first decision: figures that moved between months, or a
    reading that changed, would tell which case the appeal was about.
    """
    same = "exact" if finding.typed == finding.box_read else "misread"
    row = {
        "month": finding.decided_at[:7],
        "site": finding.site,
        "camera": finding.camera,
        "rule": finding.rule,
        "light": light_at(parse_utc(finding.observed_at)),
        "outcome": finding.outcome.value,
        "reading": "untested" if finding.typed is None else same,
    }
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    replaced = {"outcome": row["outcome"]}
    insert = dialect.insert(DECISION).values(hit_id=finding.hit_id, **row)
    connection.execute(insert.on_conflict_do_update(index_elements=["hit_id"], set_=replaced))
