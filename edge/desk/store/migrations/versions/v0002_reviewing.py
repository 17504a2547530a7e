"""The second version: keys of people, cases, judgements, and findings that are never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEVER = "a finding is never changed"
_SQLITE = (
    f"""CREATE TRIGGER finding_update BEFORE UPDATE ON finding
    BEGIN SELECT RAISE(ABORT, '{_NEVER}'); END""",
    f"""CREATE TRIGGER finding_delete BEFORE DELETE ON finding
    BEGIN SELECT RAISE(ABORT, '{_NEVER}'); END""",
    # INSERT OR REPLACE deletes without the trigger above.
    f"""CREATE TRIGGER finding_replace BEFORE INSERT ON finding
    WHEN EXISTS (
        SELECT 1 FROM finding WHERE finding_sha256 = NEW.finding_sha256
        OR (hit_id = NEW.hit_id AND number = NEW.number)
    )
    BEGIN SELECT RAISE(ABORT, '{_NEVER}'); END""",  # noqa: S608 - a constant
)
_POSTGRESQL = (
    f"""CREATE FUNCTION finding_never() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{_NEVER}'; END $$""",
    """CREATE TRIGGER finding_rows BEFORE UPDATE OR DELETE ON finding
    FOR EACH ROW EXECUTE FUNCTION finding_never()""",
    """CREATE TRIGGER finding_all BEFORE TRUNCATE ON finding
    FOR EACH STATEMENT EXECUTE FUNCTION finding_never()""",
)


def upgrade() -> None:
    """Add the tables of reviewing."""
    op.create_table(
        "personal_key",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("public", sa.String(52), nullable=False),
        sa.Column("added_at", sa.String(24), nullable=False),
    )
    op.create_index("personal_key_of_person", "personal_key", ["person"])
    op.create_table(
        "review_case",
        sa.Column("hit_id", sa.String(32), sa.ForeignKey("hit.hit_id"), primary_key=True),
        sa.Column("typing_key", sa.LargeBinary, nullable=False),
        sa.Column("claimed_by", sa.String(40), sa.ForeignKey("person.person")),
        sa.Column("claimed_until", sa.String(24)),
        sa.Column("opened_at", sa.String(24)),
    )
    op.create_table(
        "judgement",
        sa.Column("judgement_id", sa.String(32), primary_key=True),
        sa.Column(
            "hit_id",
            sa.String(32),
            sa.ForeignKey("review_case.hit_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("judgement", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("typed", sa.String(64)),
        sa.Column("judged_at", sa.String(24), nullable=False),
    )
    op.create_index("judgement_once", "judgement", ["hit_id", "number", "person"], unique=True)
    op.create_table(
        "finding",
        sa.Column("finding_sha256", sa.String(64), primary_key=True),
        sa.Column("hit_id", sa.String(32), sa.ForeignKey("hit.hit_id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("person", sa.String(40), sa.ForeignKey("person.person"), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("decided_at", sa.String(24), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("finding_once", "finding", ["hit_id", "number"], unique=True)
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL if postgresql else _SQLITE:
        op.execute(statement)
