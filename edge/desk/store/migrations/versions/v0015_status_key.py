"""With which key a box has signed its newest statement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the key's id; it stays empty until the box's next statement."""
    op.add_column("box_state", sa.Column("status_key", sa.String(16)))
