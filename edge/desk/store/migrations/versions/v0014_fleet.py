"""What boxes state of themselves, signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns of the newest statement of each box."""
    for column in (
        sa.Column("status_counter", sa.BigInteger),
        sa.Column("status_sha256", sa.String(64)),
        sa.Column("status_said_at", sa.String(24)),
        sa.Column("status_came_at", sa.String(24)),
        sa.Column("twin_at", sa.String(24)),
        sa.Column("status_state", sa.String(8)),
        sa.Column("status_reason", sa.String(60)),
        sa.Column("version", sa.String(60)),
        sa.Column("weights_sha256", sa.String(64)),
        sa.Column("policy_sha256", sa.String(64)),
        sa.Column("policy_version", sa.BigInteger),
        sa.Column("status_lease", sa.String(24)),
        sa.Column("lists", sa.Text),
        sa.Column("synchronised", sa.Boolean),
        sa.Column("clock_steps", sa.String(8)),
        sa.Column("temperature", sa.Integer),
        sa.Column("disk", sa.Integer),
        sa.Column("update_target", sa.String(60)),
        sa.Column("update_outcome", sa.String(12)),
    ):
        op.add_column("box_state", column)
