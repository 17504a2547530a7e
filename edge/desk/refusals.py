"""Records openings of hits that were refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge.desk.outcomes import OpeningReason
from edge.errors import EdgeError
from edge.privacy.audit_events import CaseOpened, Event


@dataclass(frozen=True, slots=True)
class RefusalRecorder:
    """Writes an opening that is refused into the audit log, with the code of the error."""

    record: Callable[[Event], object]
    person: str
    hit_id: str
    reason: OpeningReason

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, EdgeError) and error.code in _RECORDED:
            self.record(CaseOpened(self.hit_id, self.person, self.reason.value, error.code))


_RECORDED: Final = frozenset(
    {"E_RIGHT", "E_FOUR_EYES", "E_CASE", "E_HIT", "E_SIGNATURE", "E_SEAL", "E_NO_KEY"}
)
"""Refusals that say something of a person or a hit; not those of a database that is away."""
