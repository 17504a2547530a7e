"""Status statements of boxes for tests."""

from __future__ import annotations

from typing import Any

from edge.privacy.box_status import (
    BoxClock,
    ListInForce,
    PolicyInForce,
    StatusFacts,
    UpdateResult,
)


def facts(**changed: Any) -> StatusFacts:
    """What a healthy box says of itself."""
    whole = StatusFacts(
        version="1.2.0",
        state="online",
        reason="running",
        weights_sha256="ab" * 32,
        policy=PolicyInForce(sha256="cd" * 32, version=3, lease_ends="2027-03-01T00:00:00.000Z"),
        lists=(ListInForce(list_="stolen", counter=41),),
        clock=BoxClock(synchronised=True, steps="none"),
        temperature_c=40,
        disk_percent=20,
        update=UpdateResult(target="1.2.0", outcome="installed"),
    )
    return whole.model_copy(update=changed)
