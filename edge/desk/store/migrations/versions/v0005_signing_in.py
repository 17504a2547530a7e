"""Passkeys, one-time codes, codes for enrolment and recovery, and keys that are revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the columns of revoking."""
    op.add_column("personal_key", sa.Column("revoked_at", sa.String(24)))
    op.add_column("personal_key", sa.Column("revoked_by", sa.String(40)))
    op.create_table(
        "passkey",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("credential", sa.String(1400), nullable=False),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("user_handle", sa.LargeBinary, nullable=False),
        sa.Column("rp_id", sa.String(253), nullable=False),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("added_at", sa.String(24), nullable=False),
        sa.Column("removed_at", sa.String(24)),
        sa.Column("removed_by", sa.String(40)),
    )
    op.create_index("passkey_of_person", "passkey", ["person"])
    op.create_index("passkey_of_credential", "passkey", ["credential"], unique=True)
    op.create_table(
        "enrolment",
        _of_person(),
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("ends_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "second_factor",
        _of_person(),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recovery_code",
        sa.Column("code_sha256", sa.String(64), primary_key=True),
        sa.Column(
            "person",
            sa.String(40),
            sa.ForeignKey("person.person", ondelete="CASCADE"),
            nullable=False,
        ),
    )
    op.create_index("recovery_code_of_person", "recovery_code", ["person"])


def _of_person() -> sa.Column[str]:
    return sa.Column(
        "person",
        sa.String(40),
        sa.ForeignKey("person.person", ondelete="CASCADE"),
        primary_key=True,
    )
