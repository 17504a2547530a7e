"""Accounts at a provider of logins, and how a session began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the column of sessions."""
    op.add_column("session", sa.Column("way", sa.String(16), nullable=False, server_default="own"))
    op.create_table(
        "account_link",
        sa.Column("link_id", sa.String(16), primary_key=True),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("proposed_by", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("proposed_at", sa.String(24), nullable=False),
        sa.Column("approved_by", sa.String(40), sa.ForeignKey("person.person")),
        sa.Column("approved_at", sa.String(24)),
    )
    op.create_index("account_link_of_subject", "account_link", ["issuer", "subject"], unique=True)
    op.create_index("account_link_of_person", "account_link", ["person", "issuer"], unique=True)
