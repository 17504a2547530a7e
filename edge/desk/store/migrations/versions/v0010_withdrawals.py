"""Fines to withdraw, and the day of hits that boxes with a wrong clock have dated ahead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of fines to withdraw, and count retention from the earlier day."""
    op.create_table(
        "fine_withdrawal",
        sa.Column("case_id", sa.String(32), primary_key=True),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("finding_sha256", sa.String(64), nullable=False),
        sa.Column("named_at", sa.String(24)),
    )
    op.execute("UPDATE hit SET day = substr(stored_at, 1, 10) WHERE substr(stored_at, 1, 10) < day")
