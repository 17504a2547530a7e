"""Payloads of hits beside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table that says where they are."""
    op.create_table(
        "hit_payload",
        sa.Column(
            "hit_id",
            sa.String(32),
            sa.ForeignKey("hit.hit_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
    )
    op.create_index("hit_payload_by_key", "hit_payload", ["key"])
    op.create_table(
        "payload_desk",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(16), nullable=False),
        sa.CheckConstraint("id = 1", name="one_desk"),
    )
