"""The finding that a person has signed, from her signature until it is logged and stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to the cases; no case has such a finding yet."""
    op.add_column("review_case", sa.Column("signed", sa.LargeBinary))
