"""Further keys under which this desk opens hits of its boxes.

Only reviewing uses them: receiving, exports and a court know the box's own keys alone, so a hit
that was signed under one of these is never accepted from the broker and never verifies elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from edge.desk.store.tables import DECOY_KEY
from edge.formats.signing import PublicKey
from edge.privacy.hit import HitError, parse_hit
from edge.privacy.keys import BoxPublicKeys

BoxMap = Mapping[tuple[str, str], BoxPublicKeys]


def with_desk_keys(connection: Connection, boxes: BoxMap, payload: bytes) -> BoxMap:
    """The keys of the box that a hit names, and this desk's own for it; for every hit alike."""
    try:
        hit = parse_hit(payload)
    except HitError:
        return boxes
    place = (hit.site, hit.box)
    keys = boxes.get(place)
    if keys is None:
        return boxes
    rows = connection.execute(
        select(DECOY_KEY.c.key_id, DECOY_KEY.c.public).where(
            DECOY_KEY.c.site == hit.site, DECOY_KEY.c.box == hit.box
        )
    )
    for key_id, public in rows:
        keys = keys.knowing(key_id, PublicKey.parse(public))
    return {place: keys}
