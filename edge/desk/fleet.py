"""All boxes of a desk at one moment: what is wrong with each, most urgent first.

One query reads every box, and the rest is compared as text: moments in their one spelling sort as
they follow each other. Nothing here depends on the traffic of a box.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, namedtuple
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from edge.desk.boxes import LEASE_SOON, SILENT_AFTER, SUSPENDED
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import BOX_STATE
from edge.formats.timestamps import utc_text

LATE_AFTER: Final = timedelta(minutes=45)
"""A box that has sent no status statement for so long counts as late: three were due."""

TWIN_SHOWN: Final = timedelta(days=1)
"""For so long a second box with the same keys is shown after its last statement."""

HOT_C: Final = 80
"""From this temperature on, measured for a whole interval, a box counts as hot."""

FULL_PERCENT: Final = 90
PAGE: Final = 100
"""Boxes on one page."""


class BoxState(str, Enum):
    """What a box does, as far as the desk knows."""

    SUSPENDED = "suspended"
    SHUT = "shut"
    OFFLINE = "offline"
    ONLINE = "online"
    UNKNOWN = "unknown"


class BoxProblem(str, Enum):
    """What needs attention, the most urgent first."""

    SUSPENDED = "suspended"
    SHUT = "shut"
    TWIN = "twin"
    SILENT = "silent"
    OFFLINE = "offline"
    UPDATE = "update"
    LEASE_OVER = "lease-over"
    LEASE_SOON = "lease-soon"
    LATE = "late"
    VERSION = "version"
    WEIGHTS = "weights"
    POLICY = "policy"
    CLOCK = "clock"
    HOT = "hot"
    DISK = "disk"


# Read much faster than the rows of the library, of which 10,000 are too slow for a page.
_Row = namedtuple("_Row", [column.name for column in BOX_STATE.columns])  # type: ignore[misc] # noqa: PYI024
_to_row: Callable[[Any], Any] = _Row._make
_URGENCY: Final = {problem: place for place, problem in enumerate(BoxProblem)}


class FleetBox(NamedTuple):
    """A box as the desk knows it; moments are texts as `utc_text` writes them.

    Attributes:
        state: what it does, and `reason` why, in one word or code; empty: it has said nothing.
        problems: what needs attention, the most urgent first.
        alive_at: its newest signed sign of life; None: none came yet.
        lease_ends: from its statement, else from the record of `desk lease`; None: not known.
        stated_at: when it made its newest statement; None: none came, as with earlier versions.
        list_counters: counters by list, as JSON; None: not known.
        synchronised: whether a time service keeps its clock; None: not known.
    """

    site: str
    box: str
    state: BoxState
    reason: str
    problems: tuple[BoxProblem, ...]
    alive_at: str | None
    lease_ends: str | None
    stated_at: str | None
    twin_at: str | None
    version: str | None
    weights_sha256: str | None
    policy_sha256: str | None
    policy_version: int | None
    list_counters: str | None
    synchronised: bool | None
    clock_steps: str | None
    temperature_c: int | None
    disk_percent: int | None
    update_target: str | None
    update_outcome: str | None

    @property
    def lists(self) -> dict[str, int]:
        """Counters by list."""
        counters: dict[str, int] = json.loads(self.list_counters or "{}")
        return counters

    @property
    def urgency(self) -> tuple[int, str, str]:
        """What boxes are sorted by."""
        first = _URGENCY[self.problems[0]] if self.problems else len(_URGENCY)
        return first, self.site, self.box


@dataclass(frozen=True, slots=True)
class FleetFilter:
    """Which boxes to show; None: all of them.

    Attributes:
        problem: one of the problems that they must have; with `any_problem`, at least one.
    """

    site: str | None = None
    state: BoxState | None = None
    version: str | None = None
    problem: BoxProblem | None = None
    any_problem: bool = False

    def takes(self, box: FleetBox) -> bool:
        """Whether a box is to be shown."""
        return (
            (self.site is None or box.site == self.site)
            and (self.state is None or box.state is self.state)
            and (self.version is None or box.version == self.version)
            and (self.problem is None or self.problem in box.problems)
            and (bool(box.problems) or not self.any_problem)
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """Boxes at one moment, the most urgent first."""

    boxes: tuple[FleetBox, ...]

    def chosen(self, wanted: FleetFilter) -> tuple[FleetBox, ...]:
        """The boxes that a filter takes, the most urgent first."""
        return tuple(box for box in self.boxes if wanted.takes(box))

    def find(self, site: str, box: str) -> FleetBox | None:
        """One box."""
        return next((one for one in self.boxes if (one.site, one.box) == (site, box)), None)

    def states(self) -> dict[BoxState, int]:
        """How many boxes are in each state; those without any are left out."""
        found = Counter(box.state for box in self.boxes)
        return {state: found[state] for state in BoxState if found[state]}

    def problems(self) -> dict[BoxProblem, int]:
        """How many boxes have each problem; those without any are left out."""
        found = Counter(problem for box in self.boxes for problem in box.problems)
        return {problem: found[problem] for problem in BoxProblem if found[problem]}

    def versions(self) -> tuple[str, ...]:
        """The versions that boxes run, the most frequent first."""
        found = Counter(box.version for box in self.boxes if box.version is not None)
        return tuple(version for version, _ in found.most_common())


def fleet(database: DeskDatabase, now: datetime, sites: Collection[str] | None = None) -> Fleet:
    """All boxes, the most urgent first.

    Args:
        database: of the desk.
        now: the wall clock, aware.
        sites: those that the reader may see; None: all.

    Raises:
        OutboxError: the database cannot be used.
    """
    with database.reading() as connection:
        found = connection.execute(select(BOX_STATE))
        rows = [row for row in map(_to_row, found) if sites is None or row.site in sites]
    most, limits = _Most.of(rows), _Limits.at(now)
    boxes = (_box(row, most, limits) for row in rows)
    return Fleet(tuple(sorted(boxes, key=lambda one: one.urgency)))


@dataclass(frozen=True, slots=True)
class _Limits:
    """The moments with which those of a box are compared."""

    now: str
    silent: str
    late: str
    twin: str
    lease: str

    @classmethod
    def at(cls, now: datetime) -> _Limits:
        return cls(
            utc_text(now),
            utc_text(now - SILENT_AFTER),
            utc_text(now - LATE_AFTER),
            utc_text(now - TWIN_SHOWN),
            utc_text(now + LEASE_SOON),
        )


@dataclass(frozen=True, slots=True)
class _Most:
    """What most boxes use: by version, weights; by site, policy version and digest.

    `older` holds the versions that are earlier than the most frequent one.
    """

    older: frozenset[str]
    weights: Mapping[str, str]
    policies: Mapping[str, tuple[int, str]]

    @classmethod
    def of(cls, rows: Iterable[Any]) -> _Most:
        versions: list[str] = []
        weights: dict[str, list[str]] = defaultdict(list)
        policies: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in rows:
            if row.version is not None:
                versions.append(row.version)
                if row.weights_sha256 is not None:
                    weights[row.version].append(row.weights_sha256)
            if row.policy_version is not None:
                policies[row.site].append((row.policy_version, row.policy_sha256))
        frequent = Counter(versions)
        numbers = {one: _numbers(one) for one in frequent}
        most = max(frequent, key=lambda one: (frequent[one], numbers[one]), default="")
        return cls(
            frozenset(one for one in frequent if one != most and numbers[one] <= numbers[most]),
            {version: one for version, found in weights.items() if (one := _majority(found))},
            {site: _highest(several) for site, several in policies.items()},
        )


def _majority(found: Sequence[str]) -> str | None:
    """What more than half of the boxes use; None: nothing."""
    (one, count), *_ = Counter(found).most_common(1)
    return one if 2 * count > len(found) else None


def _highest(found: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """The most frequent policy; of several, the one with the highest version."""
    counts: Counter[Hashable] = Counter(found)
    return max(found, key=lambda one: (counts[one], one))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, by which an earlier one is told."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


class _Known(NamedTuple):
    state: BoxState
    stated: str | None
    alive: str | None
    lease: str | None


def _box(row: Any, most: _Most, limits: _Limits) -> FleetBox:  # noqa: ANN401 - a row
    stated = None
    if row.status_counter is not None:
        # What was made long ago, or comes from a clock that runs ahead, proves no later life.
        stated = min(row.status_said_at, row.status_came_at)
    alive = max(filter(None, (row.proved_at, stated)), default=None)
    state, reason = _state(row)
    lease = row.status_lease or row.lease_ends
    problems = tuple(_problems(row, most, limits, _Known(state, stated, alive, lease)))
    return FleetBox(
        site=row.site,
        box=row.box,
        state=state,
        reason=reason,
        problems=problems,
        alive_at=alive,
        lease_ends=lease,
        stated_at=row.status_said_at,
        twin_at=row.twin_at,
        version=row.version,
        weights_sha256=row.weights_sha256,
        policy_sha256=row.policy_sha256,
        policy_version=row.policy_version,
        list_counters=row.lists,
        synchronised=row.synchronised,
        clock_steps=row.clock_steps,
        temperature_c=row.temperature,
        disk_percent=row.disk,
        update_target=row.update_target,
        update_outcome=row.update_outcome,
    )


def _state(row: Any) -> tuple[BoxState, str]:  # noqa: ANN401 - a row
    """What a box does: its signed statement, unless the broker has lost it since."""
    state, reason = row.state, row.reason
    if row.status_state is not None and not (
        state == "offline" and row.said_at >= row.status_came_at
    ):
        state, reason = row.status_state, row.status_reason
    if state is None:
        return BoxState.UNKNOWN, ""
    if reason == SUSPENDED:
        return BoxState.SUSPENDED, reason
    return _STATES[state], reason


_STATES: Final = {
    "safe": BoxState.SHUT,
    "offline": BoxState.OFFLINE,
    "online": BoxState.ONLINE,
}
_OF_STATE: Final = {
    BoxState.SUSPENDED: BoxProblem.SUSPENDED,
    BoxState.SHUT: BoxProblem.SHUT,
    BoxState.OFFLINE: BoxProblem.OFFLINE,
}


def _problems(row: Any, most: _Most, limits: _Limits, known: _Known) -> list[BoxProblem]:  # noqa: ANN401 - a row
    """What needs attention, the most urgent first."""
    silent = known.alive is None or known.alive < limits.silent
    found = [*_of_state(row, known.state), *_of_version(row, most)]
    if row.twin_at is not None and row.twin_at > limits.twin:
        found.append(BoxProblem.TWIN)
    if silent:
        found.append(BoxProblem.SILENT)
    elif known.stated is not None and known.stated < limits.late:
        found.append(BoxProblem.LATE)
    if known.lease is not None and known.lease < limits.lease:
        over = known.lease <= limits.now
        found.append(BoxProblem.LEASE_OVER if over else BoxProblem.LEASE_SOON)
    if row.synchronised is False or row.clock_steps == "several":
        found.append(BoxProblem.CLOCK)
    if row.temperature is not None and row.temperature >= HOT_C:
        found.append(BoxProblem.HOT)
    if row.disk is not None and row.disk >= FULL_PERCENT:
        found.append(BoxProblem.DISK)
    return sorted(found, key=_URGENCY.__getitem__) if len(found) > 1 else found


def _of_state(row: Any, state: BoxState) -> Iterator[BoxProblem]:  # noqa: ANN401 - a row
    """What the state and the last update of a box need."""
    if state in _OF_STATE:
        yield _OF_STATE[state]
    if row.update_outcome in {"failed", "rolled-back"}:
        yield BoxProblem.UPDATE


def _of_version(row: Any, most: _Most) -> Iterator[BoxProblem]:  # noqa: ANN401 - a row
    """In what a box is behind most others."""
    if row.version in most.older:
        yield BoxProblem.VERSION
    weights, policy = row.weights_sha256, row.policy_version
    if weights is not None and most.weights.get(row.version, weights) != weights:
        yield BoxProblem.WEIGHTS
    if policy is not None:
        version, digest = most.policies[row.site]
        if policy < version or (policy == version and row.policy_sha256 != digest):
            yield BoxProblem.POLICY
