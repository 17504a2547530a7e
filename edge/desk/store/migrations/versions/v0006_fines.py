"""Which confirmed cases went to a fines system."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "fine_export",
        sa.Column("row_id", sa.String(32), primary_key=True),
        sa.Column("export_id", sa.String(16), nullable=False),
        sa.Column(
            "hit_id",
            sa.String(32),
            sa.ForeignKey("hit.hit_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("finding_sha256", sa.String(64), nullable=False),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("exported_at", sa.String(24), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
    )
    op.create_index("fine_export_once", "fine_export", ["hit_id", "export_id"], unique=True)
