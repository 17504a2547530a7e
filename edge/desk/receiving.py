"""Receives hits for the desk: stored once, receipt signed and kept, then sent, then acknowledged.

Several consumers may receive the same hits, each in a session of its own at the broker; the
database stores each hit once. If one dies at any moment, its session still holds what it had not
acknowledged, and the others have received the same hits.

A hit that was observed after the desk's clock is set aside: the clock of the box or that of the
desk is wrong, and retention counts from both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from edge.authority.tail import ReceivedMessage, Receiver
from edge.desk.retention import COMMAND
from edge.desk.store.hits import DeskHits
from edge.formats.timestamps import parse_utc, utc_text
from edge.privacy.hit import Hit
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.retention_clock import TOLERANCE


class DeskReceiver(Receiver):
    """A receiver that also keeps receipts, after their hits are on disk and before any is sent."""

    deletes: ClassVar[str] = COMMAND

    def __init__(
        self,
        hits: DeskHits,
        boxes: Mapping[tuple[str, str], BoxPublicKeys],
        keys: AuthorityPrivateKeys,
        utc: Callable[[], datetime],
    ) -> None:
        super().__init__(hits, boxes, keys, utc)
        self._hits = hits
        self._now = utc

    def too_early(self, hit: Hit) -> str:
        """Why a hit is set aside that was observed more than `TOLERANCE` after the clock."""
        now = self._now()
        if parse_utc(hit.observed_at) <= now + TOLERANCE:
            return ""
        return (
            f"box {hit.box} of site {hit.site} says that it was observed at {hit.observed_at}, and "
            f"the clock here says {utc_text(now)}; synchronise both clocks"
        )

    def take_all(self, messages: Sequence[tuple[str, bytes]]) -> list[ReceivedMessage]:
        arrivals = super().take_all(messages)
        receipts = {
            arrival.hit.hit_id: arrival.receipt
            for arrival in arrivals
            if arrival.receipt is not None and arrival.hit is not None
        }
        if receipts:
            self._hits.keep_receipts(receipts, self._now())
        return arrivals
