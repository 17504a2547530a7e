"""Retention with terms, holds, deletions and their statements; requests of people."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NEVER = "a finding is never changed"
_KEPT = "deleted only by retention"
_NO_ROW = "NOT EXISTS (SELECT 1 FROM deletion WHERE deletion.hit_id = OLD.hit_id)"
_OTHER_DAY = """NOT EXISTS (
        SELECT 1 FROM deletion WHERE deletion.hit_id = OLD.hit_id AND deletion.hit_day = OLD.day
    )"""
_IN_FORCE = """OLD.ended_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM deletion
        WHERE deletion.hit_id = OLD.hit_id AND deletion.on_day > OLD.last_day
    )"""
_DELETES = (
    ("finding", _NO_ROW, _NEVER),
    ("hit", _OTHER_DAY, _KEPT),
    ("hold", _IN_FORCE, _KEPT),
)
"""Table, condition under which its rows cannot be deleted, and what the error says."""


def _sqlite() -> Iterator[str]:
    yield "DROP TRIGGER finding_delete"
    for table, condition, why in _DELETES:
        yield f"""CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} WHEN {condition}
        BEGIN SELECT RAISE(ABORT, '{why}'); END"""
    yield f"""CREATE TRIGGER deletion_update BEFORE UPDATE ON deletion
    BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END"""
    yield f"""CREATE TRIGGER statement_update BEFORE UPDATE ON retention_statement
    BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END"""
    yield f"""CREATE TRIGGER statement_delete BEFORE DELETE ON retention_statement
    BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END"""


def _postgresql() -> Iterator[str]:
    yield "DROP TRIGGER finding_rows ON finding"
    yield """CREATE TRIGGER finding_rows BEFORE UPDATE ON finding
    FOR EACH ROW EXECUTE FUNCTION finding_never()"""
    for table, condition, why in _DELETES:
        yield f"""CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {condition} THEN RAISE EXCEPTION '{why}'; END IF; RETURN OLD; END $$"""
        yield f"""CREATE TRIGGER {table}_delete BEFORE DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_kept()"""
    yield f"""CREATE FUNCTION retention_never() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{_KEPT}'; END $$"""
    yield """CREATE TRIGGER deletion_update BEFORE UPDATE ON deletion
    FOR EACH ROW EXECUTE FUNCTION retention_never()"""
    yield """CREATE TRIGGER statement_rows BEFORE UPDATE OR DELETE ON retention_statement
    FOR EACH ROW EXECUTE FUNCTION retention_never()"""
    for table in ("hit", "hold", "retention_statement"):
        yield f"""CREATE TRIGGER {table}_all BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION retention_never()"""


def upgrade() -> None:
    """Add the tables of retention, and triggers that allow deletion by it alone."""
    person = "person.person"
    op.create_table(
        "retention_term",
        sa.Column("term_id", sa.String(16), primary_key=True),
        sa.Column("site", sa.String(40)),
        sa.Column("waiting_days", sa.Integer, nullable=False),
        sa.Column("kept_days", sa.Integer, nullable=False),
        sa.Column("basis", sa.String(60), nullable=False),
        sa.Column("proposed_by", sa.String(40), sa.ForeignKey(person), nullable=False),
        sa.Column("proposed_at", sa.String(24), nullable=False),
        sa.Column("approved_by", sa.String(40), sa.ForeignKey(person)),
        sa.Column("approved_at", sa.String(24)),
        sa.CheckConstraint("waiting_days BETWEEN 1 AND 30", name="wait"),
        sa.CheckConstraint("kept_days BETWEEN 1 AND 1826", name="kept"),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name="term_four_eyes"
        ),
    )
    op.create_table(
        "hold",
        sa.Column("hold_id", sa.String(16), primary_key=True),
        sa.Column(
            "hit_id", sa.String(32), sa.ForeignKey("hit.hit_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("reason", sa.String(12), nullable=False),
        sa.Column("reference", sa.String(60), nullable=False),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("set_by", sa.String(40), sa.ForeignKey(person), nullable=False),
        sa.Column("set_at", sa.String(24), nullable=False),
        sa.Column("ended_by", sa.String(40), sa.ForeignKey(person)),
        sa.Column("ended_at", sa.String(24)),
    )
    op.create_index("hold_of_hit", "hold", ["hit_id"])
    op.create_table(
        "deletion",
        sa.Column("hit_id", sa.String(32), primary_key=True),
        sa.Column("hit_day", sa.String(10), nullable=False),
        sa.Column("due_day", sa.String(10), nullable=False),
        sa.Column("on_day", sa.String(10), nullable=False),
        sa.Column("stored_at", sa.String(24), nullable=False),
        sa.CheckConstraint("hit_day < due_day AND due_day <= on_day", name="ended"),
    )
    op.create_index("deletion_by_day", "deletion", ["on_day"])
    op.create_table(
        "retention_statement",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "retention_time",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("latest_at", sa.String(24), nullable=False),
        sa.CheckConstraint("id = 1", name="one_time"),
    )
    op.create_table(
        "person_request",
        sa.Column("request_id", sa.String(16), primary_key=True),
        sa.Column("asks", sa.String(16), nullable=False),
        sa.Column("reference", sa.String(40), nullable=False),
        sa.Column("proof", sa.String(24), nullable=False),
        sa.Column("site", sa.String(40), nullable=False),
        sa.Column("first_day", sa.String(10), nullable=False),
        sa.Column("last_day", sa.String(10), nullable=False),
        sa.Column("opened_by", sa.String(40), sa.ForeignKey(person), nullable=False),
        sa.Column("opened_at", sa.String(24), nullable=False),
        sa.Column("four_eyes", sa.Boolean, nullable=False),
        sa.Column("approved_by", sa.String(40), sa.ForeignKey(person)),
        sa.Column("approved_at", sa.String(24)),
        sa.Column("answered_at", sa.String(24)),
        sa.Column("plate_hmac", sa.String(64)),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> opened_by", name="request_four_eyes"
        ),
        sa.CheckConstraint(
            "NOT four_eyes OR answered_at IS NULL OR approved_at IS NOT NULL", name="two"
        ),
    )
    op.create_index("person_request_by_clerk", "person_request", ["opened_by", "opened_at"])
    op.create_table(
        "request_case",
        sa.Column("link_id", sa.String(16), primary_key=True),
        sa.Column(
            "request_id",
            sa.String(16),
            sa.ForeignKey("person_request.request_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "hit_id", sa.String(32), sa.ForeignKey("hit.hit_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("linked_at", sa.String(24), nullable=False),
    )
    op.create_index("request_case_of_hit", "request_case", ["hit_id"])
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _postgresql() if postgresql else _sqlite():
        op.execute(statement)
