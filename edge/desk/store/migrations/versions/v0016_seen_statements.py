"""Which statements of a box came last, so that none seems new when it comes again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the beginnings of the digests; they stay empty until the box's next statement."""
    op.add_column("box_state", sa.Column("status_seen", sa.Text))
