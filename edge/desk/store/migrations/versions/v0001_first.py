"""The first version: hits, receipts, messages set aside, people, passwords, attempts, rights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "desk_state",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_row"), primary_key=True),
        sa.Column("authority", sa.String(40), nullable=False),
        sa.Column("moved", sa.Boolean, nullable=False),
    )
    op.create_table(
        "hit",
        sa.Column("hit_id", sa.String(32), primary_key=True),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("box", sa.String(40), nullable=False),
        sa.Column("camera", sa.String(40), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("human_check_required", sa.Boolean, nullable=False),
        sa.Column("observed_at", sa.String(24), nullable=False),
        sa.Column("stored_at", sa.String(24), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("hit_by_day", "hit", ["day", "hit_id"])
    op.create_table(
        "receipt",
        sa.Column(
            "hit_id",
            sa.String(32),
            sa.ForeignKey("hit.hit_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("signed_at", sa.String(24), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "aside",
        sa.Column("payload_sha256", sa.String(64), primary_key=True),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("received_at", sa.String(24), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "person",
        sa.Column("person", sa.String(40), primary_key=True),
        sa.Column("full_name", sa.String(80), nullable=False),
        sa.Column("added_by", sa.String(40), nullable=False),
        sa.Column("added_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "password",
        sa.Column(
            "person",
            sa.String(40),
            sa.ForeignKey("person.person", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("argon2", sa.String(200), nullable=False),
        sa.Column("set_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "attempt",
        sa.Column("name_sha256", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "entitlement",
        sa.Column("right_id", sa.String(16), primary_key=True),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("role", sa.String(24), nullable=False),
        sa.Column("authority", sa.String(40), nullable=False),
        sa.Column("site", sa.String(40)),
        sa.Column("rule", sa.String(40)),
        sa.Column("first_day", sa.String(10), nullable=False),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("mandate", sa.String(60), nullable=False),
        sa.Column("proposed_by", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("proposed_at", sa.String(24), nullable=False),
        sa.Column("approved_by", sa.String(40), sa.ForeignKey("person.person")),
        sa.Column("approved_at", sa.String(24)),
        sa.Column("revoked_by", sa.String(40), sa.ForeignKey("person.person")),
        sa.Column("revoked_at", sa.String(24)),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.CheckConstraint(
            "alone OR approved_by IS NULL OR approved_by <> proposed_by", name="four_eyes"
        ),
        sa.CheckConstraint("NOT alone OR role = 'supervisor'", name="alone_supervisor"),
        sa.CheckConstraint("first_day <= last_day", name="days"),
    )
    op.create_index("entitlement_of_person", "entitlement", ["person"])
