"""Which boxes have hits at a desk, and the newest time that each has signed, read from an index.

`SELECT DISTINCT` and `GROUP BY` would read every hit, and retention asks in each of its steps. The
index `hit_by_box` has what is asked in order, so each box costs two look-ups, however many hits it
has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select, tuple_

from edge.desk.store.tables import HIT


@dataclass(frozen=True, slots=True)
class HitBox:
    """A box with hits; `newest` is the latest `observed_at` among them."""

    site: str
    box: str
    newest: str


def boxes_with_hits(connection: Connection) -> tuple[HitBox, ...]:
    """Each box of which the desk has a hit, by site and box."""
    return tuple(HitBox(*row) for row in connection.execute(boxes_query()))


def boxes_query() -> Select[Any]:
    """The statement that reads them."""
    order = (HIT.c.site, HIT.c.box)
    first = select(*order).order_by(*order).limit(1).subquery()
    boxes = select(first.c.site, first.c.box).cte("boxes", recursive=True)
    later = tuple_(*order) > tuple_(boxes.c.site, boxes.c.box)
    following = (
        select(column).where(later).order_by(*order).limit(1).correlate(boxes).scalar_subquery()
        for column in order
    )
    boxes = boxes.union_all(select(*following).where(boxes.c.site.is_not(None)))
    newest = (
        select(func.max(HIT.c.observed_at))
        .where(HIT.c.site == boxes.c.site, HIT.c.box == boxes.c.box)
        .correlate(boxes)
        .scalar_subquery()
    )
    # After the last box the recursion has one row of nulls.
    return select(boxes.c.site, boxes.c.box, newest).where(boxes.c.site.is_not(None))
