"""Stores coarse counts of closed epochs, in which one vehicle looks the same as none.

`statistics.jsonl` has one line for each closed epoch, with the same fields in each. So an epoch
with one vehicle and an epoch with none leave the same bytes. Lines are deleted after 400 days.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.adapters.state.state_folder import storage_error
from edge.adapters.state.state_version import require_known
from edge.domain.counting import SMALLEST_SHOWN, coarse
from edge.formats.atomic_files import write_file
from edge.formats.identifiers import Id
from edge.formats.strict import Strict
from edge.formats.timestamps import UtcText, parse_utc, utc_text
from edge.privacy.audit_events import Coarse, EpochClosed

FILE_NAME = "statistics.jsonl"
KEPT: Final = timedelta(days=400)
"""A year, and time to write a report about it."""

log = logging.getLogger(__name__)


class EpochStatistics(Strict, populate_by_name=True):
    """The counts of one closed epoch: `"<10"`, or a count rounded down to tens."""

    schema_: Literal["edge-anpr/statistics/1"] = Field(
        default="edge-anpr/statistics/1", alias="schema"
    )
    closed_at: UtcText
    vehicles: dict[Literal["read", "ambiguous", "unreadable"], Coarse]
    hits: dict[Id, Coarse]

    @classmethod
    def of(
        cls, closed_at: datetime, vehicles: Mapping[str, int], hits: Mapping[str, int]
    ) -> EpochStatistics:
        """Make coarse counts from exact ones, which are not stored."""
        return cls.model_validate(
            {
                "closed_at": utc_text(closed_at),
                "vehicles": {name: coarse(count) for name, count in vehicles.items()},
                "hits": {rule: coarse(count) for rule, count in hits.items()},
            }
        )


class StatisticsFile:
    """The statistics in a state folder; a writer must hold the folder's lock.

    Args:
        folder: the state folder.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to it.
    """

    def __init__(self, folder: Path) -> None:
        require_known(folder)
        self._path = folder / FILE_NAME

    def append(self, epoch: EpochStatistics) -> None:
        """Add an epoch.

        Raises:
            OutboxError: it cannot be written.
        """
        line = epoch.model_dump_json(by_alias=True).encode() + b"\n"
        try:
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self._path, error) from error

    def read(self) -> tuple[EpochStatistics, ...]:
        """All epochs, oldest first; unfinished or damaged lines are skipped.

        Raises:
            OutboxError: it cannot be read.
        """
        return tuple(epoch for _, epoch in self._lines())

    def prune(self, now: datetime) -> None:
        """Delete epochs older than 400 days, and lines that are not valid.

        Raises:
            OutboxError: it cannot be written.
        """
        found = self._lines()
        kept = [line for line, epoch in found if parse_utc(epoch.closed_at) > now - KEPT]
        content = b"".join(line + b"\n" for line in kept)
        try:
            if self._path.exists() and self._path.read_bytes() != content:
                write_file(self._path, content, sole_writer=True)
        except OSError as error:
            raise storage_error(self._path, error) from error

    def _lines(self) -> list[tuple[bytes, EpochStatistics]]:
        try:
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        except OSError as error:
            raise storage_error(self._path, error) from error
        found = []
        for line in lines:
            try:
                epoch = EpochStatistics.model_validate_json(line)
            except ValidationError:
                log.warning("%s: a line that is not the record of an epoch was skipped", self._path)
                continue
            found.append((line, epoch))
        return found


class CountTotals(BaseModel):
    """Sums over epochs. Counts under ten are not included, so each sum is a lower bound."""

    model_config = ConfigDict(frozen=True)

    epochs: int
    first: str | None
    last: str | None
    vehicles_at_least: dict[str, int]
    hits_at_least: dict[str, int]


def totals(epochs: Iterable[EpochStatistics]) -> CountTotals:
    """Lower bounds of the counts of all epochs together."""
    every = tuple(epochs)
    vehicles: dict[str, int] = {}
    hits: dict[str, int] = {}
    for epoch in every:
        for name, count in epoch.vehicles.items():
            vehicles[name] = vehicles.get(name, 0) + _at_least(count)
        for rule, count in epoch.hits.items():
            hits[rule] = hits.get(rule, 0) + _at_least(count)
    return CountTotals(
        epochs=len(every),
        first=every[0].closed_at if every else None,
        last=every[-1].closed_at if every else None,
        vehicles_at_least=vehicles,
        hits_at_least=hits,
    )


def first_unrecorded(
    epochs: Iterable[EpochStatistics], recorded: Iterable[EpochClosed]
) -> int | None:
    """The number of the first epoch, from 1, that the audit log does not have; None: it has all.

    The log may have more: lines of statistics end after 400 days, and a process may have been
    killed before it wrote one.

    Args:
        epochs: in the order of the file.
        recorded: what the audit log says of closed epochs, in its order.
    """
    rest = iter(recorded)
    for number, epoch in enumerate(epochs, start=1):
        if not any(_may_be_one(epoch, one) for one in rest):
            return number
    return None


def _may_be_one(epoch: EpochStatistics, recorded: EpochClosed) -> bool:
    return _may_add_up(epoch.vehicles.values(), recorded.vehicles) and _may_add_up(
        epoch.hits.values(), recorded.hits
    )


def _may_add_up(parts: Collection[int | str], total: int | str) -> bool:
    """Whether exact counts that are shown as these parts may have a sum that is shown so."""
    unseen = SMALLEST_SHOWN - 1
    least, shown = sum(map(_at_least, parts)), _at_least(total)
    return least <= shown + unseen and shown <= least + unseen * len(parts)


def _at_least(count: int | str) -> int:
    return count if isinstance(count, int) and count >= SMALLEST_SHOWN else 0
