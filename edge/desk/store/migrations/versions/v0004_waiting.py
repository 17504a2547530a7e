"""For whom each hit waits, with an index of those that wait, and sealed keys of people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NEWEST = """(
    SELECT finding.outcome FROM finding WHERE finding.hit_id = hit.hit_id
    ORDER BY finding.number DESC LIMIT 1
)"""


def upgrade() -> None:
    """Add the column from the findings so far, the index, and the table of sealed keys."""
    # The default makes a hit wait that a program of the version before stores.
    op.add_column("hit", sa.Column("waits_for", sa.String(14), server_default="officer"))
    op.execute(
        f"UPDATE hit SET waits_for = CASE {_NEWEST} WHEN 'referred' THEN 'second-officer' END "  # noqa: S608 - a constant
        "WHERE EXISTS (SELECT 1 FROM finding WHERE finding.hit_id = hit.hit_id)"
    )
    op.drop_index("hit_in_queue", "hit")
    waits = sa.text("waits_for IS NOT NULL")
    op.create_index(
        "hit_in_queue",
        "hit",
        ["waits_for", "site", "rule", "observed_at", "hit_id"],
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_table(
        "sealed_key",
        sa.Column("key_id", sa.String(16), sa.ForeignKey("personal_key.key_id"), primary_key=True),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("sealed_key_of_person", "sealed_key", ["person"], unique=True)
