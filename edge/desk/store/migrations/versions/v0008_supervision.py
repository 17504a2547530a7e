"""Figures of decisions, the state of boxes, and decoys."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from edge.domain.daylight import light_at
from edge.formats.timestamps import parse_utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the figures of the findings that there are."""
    decision = op.create_table(
        "decision",
        sa.Column("hit_id", sa.String(32), primary_key=True),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("camera", sa.String(40), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("light", sa.String(5), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("reading", sa.String(8), nullable=False),
    )
    op.create_index(
        "decision_figures",
        "decision",
        ["month", "site", "camera", "rule", "light", "outcome", "reading", "hit_id"],
    )
    op.create_table(
        "box_state",
        sa.Column("box_id", sa.String(81), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("box", sa.String(40), nullable=False),
        sa.Column("log_size", sa.BigInteger),
        sa.Column("root_sha256", sa.String(64)),
        sa.Column("proved_at", sa.String(24)),
        sa.Column("state", sa.String(8)),
        sa.Column("reason", sa.String(60)),
        sa.Column("said_at", sa.String(24)),
        sa.Column("lease_ends", sa.String(24)),
        sa.Column("lease_sha256", sa.String(64)),
    )
    op.create_table(
        "decoy_key",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("box", sa.String(40), nullable=False),
        sa.Column("public", sa.String(52), nullable=False),
    )
    op.create_table(
        "decoy",
        sa.Column("hit_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("material_sha256", sa.String(64), nullable=False),
        sa.Column("added_by", sa.String(40), nullable=False),
        sa.Column("added_at", sa.String(24), nullable=False),
    )
    op.create_index("decoy_material", "decoy", ["material_sha256"], unique=True)
    finding = sa.table("finding", sa.column("hit_id"), sa.column("number"), sa.column("payload"))
    connection = op.get_bind()
    newest: dict[str, dict[str, Any]] = {}
    order = (finding.c.hit_id, finding.c.number)
    for (payload,) in connection.execute(sa.select(finding.c.payload).order_by(*order)).all():
        document = json.loads(bytes(payload))
        if document["outcome"] != "referred":
            newest[document["hit_id"]] = _figures(document)
    if newest:
        connection.execute(decision.insert(), list(newest.values()))


def _figures(finding: dict[str, Any]) -> dict[str, Any]:
    typed = finding["typed"]
    same = "exact" if typed == finding["box_read"] else "misread"
    return {
        "hit_id": finding["hit_id"],
        "month": finding["decided_at"][:7],
        "site": finding["site"],
        "camera": finding["camera"],
        "rule": finding["rule"],
        "light": light_at(parse_utc(finding["observed_at"])),
        "outcome": finding["outcome"],
        "reading": "untested" if typed is None else same,
    }
