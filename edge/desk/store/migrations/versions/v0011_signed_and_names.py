"""Signed findings until they are logged and stored, and keyed digests of the names of logins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to the cases, and forget failed logins: their digests had no key."""
    op.add_column("review_case", sa.Column("signed", sa.LargeBinary))
    op.execute("DELETE FROM attempt")
    op.execute("ALTER TABLE attempt RENAME COLUMN name_sha256 TO name_hmac")
