"""How retention finds what is due: from indexes, and each site once in a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timezone

import pytest
from sqlalchemy import Connection, event, text

from edge.desk import retention
from edge.desk.accounts import DeskPerson, insert_person
from edge.desk.folder import DeskFolder
from edge.desk.retention_terms import PRODUCT_TERM
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hit_boxes import HitBox, boxes_query, boxes_with_hits
from edge.desk.store.tables import HIT, RETENTION_TERM
from edge.formats.timestamps import utc_text
from tests.support.desks import FIRST

TODAY = date(2026, 12, 1)


@pytest.fixture
def database(desk: DeskFolder) -> Iterator[DeskDatabase]:
    with desk.open_database() as opened:
        yield opened


def add(connection: Connection, site: str, box: str, count: int, day: str = "2026-10-30") -> None:
    rows = [
        {
            "hit_id": f"{site}{box}{day}{number:06d}",
            "day": day,
            "site": site,
            "box": box,
            "camera": "cam-1",
            "rule": "stolen",
            "counter": number,
            "human_check_required": True,
            "observed_at": f"{day}T10:00:00.{number % 1000:03d}Z",
            "stored_at": f"{day}T10:00:01.000Z",
            "payload": b"",
        }
        for number in range(count)
    ]
    connection.execute(HIT.insert(), rows)


def test_the_boxes_with_hits_are_found_without_reading_each_hit(database: DeskDatabase) -> None:
    with database.writing() as connection:
        assert boxes_with_hits(connection) == ()
        for site, box, count in (("b", "1", 2000), ("a", "2", 1), ("a", "1", 2000), ("c", "9", 7)):
            add(connection, site, box, count)
        if database.is_postgresql:
            connection.execute(text("ANALYZE hit"))
        found = boxes_with_hits(connection)
        explain = "EXPLAIN" if database.is_postgresql else "EXPLAIN QUERY PLAN"
        compiled = boxes_query().compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        plan = str(connection.execute(text(f"{explain} {compiled}")).all())

    at = "2026-10-30T10:00:00"
    assert found == (
        HitBox("a", "1", f"{at}.999Z"),
        HitBox("a", "2", f"{at}.000Z"),
        HitBox("b", "1", f"{at}.999Z"),
        HitBox("c", "9", f"{at}.006Z"),
    )
    assert "hit_by_box" in plan
    assert "Seq Scan" not in plan


def test_the_next_run_of_many_sites_is_counted_with_few_statements(database: DeskDatabase) -> None:
    asked: list[str] = []
    now = datetime.combine(TODAY, time(12), timezone.utc)
    with database.writing() as connection:
        for number in range(60):
            add(connection, f"site-{number:02d}", "1", 1, day="2026-11-30")
        add(connection, "site-07", "1", 23)
        own = {
            "term_id": "a" * 16, "site": "site-07", "waiting_days": 30, "kept_days": 400,
            "basis": "GR-1", "proposed_by": FIRST, "proposed_at": utc_text(now),
            "approved_by": "jan-maes", "approved_at": utc_text(now),
        }  # fmt: skip
        insert_person(connection, DeskPerson("jan-maes", "Jan Maes", FIRST, now), "none")
        connection.execute(RETENTION_TERM.insert().values(own))
        add(connection, "site-08", "1", 12)

    def seen(*given: object) -> None:
        asked.append(str(given[2]))

    event.listen(database._engine, "before_cursor_execute", seen)
    coming = retention.next_run(database, lambda: now)

    due = {one.site: (one.not_confirmed, one.confirmed) for one in coming.sites}
    assert len(due) == 60
    assert {site: count for site, count in due.items() if count != ("<10", "<10")} == {
        "site-07": (20, "<10"), "site-08": (10, "<10"),
    }  # fmt: skip
    assert len([one for one in asked if one.startswith("SELECT")]) < 10


def test_a_site_without_more_due_hits_is_not_asked_again_in_a_run(database: DeskDatabase) -> None:
    asked: list[str] = []
    terms = dict.fromkeys(("a", "b", "c"), (PRODUCT_TERM, False))
    finished: set[str] = set()
    with database.writing() as connection:
        add(connection, "a", "1", 3)
        add(connection, "b", "1", retention._BATCH)
        add(connection, "c", "1", 2)
        add(connection, "c", "1", 2, day="2026-11-30")

        @event.listens_for(connection, "before_cursor_execute")
        def _ask(*given: object) -> None:
            asked.append(str(given[2]))

        first = retention._due(connection, terms, TODAY, finished)
        connection.execute(HIT.update().values(day="2026-11-30").where(HIT.c.site == "a"))
        ids = [hit.hit_id for hit in first]
        connection.execute(HIT.update().values(day="2026-11-30").where(HIT.c.hit_id.in_(ids)))
        second = retention._due(connection, terms, TODAY, finished)
        third = retention._due(connection, terms, TODAY, finished)

    assert (len(first), len(second), third) == (retention._BATCH, 5, [])
    assert {hit.site for hit in first} == {"a", "b"}
    assert [hit.site for hit in second] == ["b"] * 3 + ["c"] * 2
    assert finished == {"a", "b", "c"}
    assert len([one for one in asked if one.startswith("SELECT")]) == 2 + 2
