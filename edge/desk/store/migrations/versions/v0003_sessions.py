"""Sessions of the web application, and the index from which its queue is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "session",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column(
            "person",
            sa.String(40),
            sa.ForeignKey("person.person", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("begun_at", sa.String(24), nullable=False),
        sa.Column("seen_at", sa.String(24), nullable=False),
    )
    op.create_index("hit_in_queue", "hit", ["site", "rule", "observed_at", "hit_id"])
