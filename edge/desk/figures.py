"""Figures of decisions for the supervisor: outcomes, and how often the box read the right plate.

Counts are coarse: below ten as `<10`, larger ones rounded down to tens (P7). A share is computed
from these counts, so it tells no more. Readings count once their month is over: else the figures
before and after a decision would tell, with the log, how one person judged. Decoys are in no figure
here. What is counted is a month and the conditions of a hit: no person, no time of a passage.

The accuracy is that of readings which made a hit and which a person tested by typing the plate. It
says nothing of vehicles that made none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import Select, func, select

from edge.desk.outcomes import FindingOutcome
from edge.desk.store.database import DeskDatabase
from edge.desk.store.tables import DECISION, DECOY
from edge.domain.counting import SMALLEST_SHOWN, coarse
from edge.domain.intervals import Interval, shown_share, wilson

OUTCOMES: Final = (
    FindingOutcome.CONFIRMED.value,
    FindingOutcome.REJECTED.value,
    FindingOutcome.CANNOT_TELL.value,
)
CONDITIONS: Final = ("site", "camera", "light", "rule")


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """The decisions of one month at one site under one rule; each count is coarse."""

    month: str
    site: str
    rule: str
    decisions: int | Literal["<10"]
    outcomes: dict[str, int | Literal["<10"]]


@dataclass(frozen=True, slots=True)
class ReadingFigures:
    """Readings that people have tested under one condition.

    Attributes:
        condition: one of `CONDITIONS`.
        value: the site, or `site/value`.
        tested: how many, in tens; None: fewer than ten, or the difference of others would show so
            few.
        misread: how many of them the box read wrongly; coarse.
        share: what these two counts give, with its 95 % interval; None if one is below ten.
    """

    condition: str
    value: str
    tested: int | None
    misread: int | Literal["<10"] | None
    share: Interval | None


@dataclass(frozen=True, slots=True)
class SiteAccuracy:
    """The accuracy of a site's hits, as the section `accuracy` of a policy states it.

    Attributes:
        vehicles: tested readings.
        exact: those in which the box read every character as a person did.
        interval: Wilson's 95 % interval of the share of exact ones.
        first: the first month of the decisions.
        last: the last one.
    """

    site: str
    vehicles: int
    exact: int
    interval: Interval
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class DeskFigures:
    """All figures of decisions."""

    outcomes: tuple[OutcomeCounts, ...]
    readings: tuple[ReadingFigures, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """Decisions that have everything in common that is counted."""

    month: str
    site: str
    camera: str
    rule: str
    light: str
    outcome: str
    reading: str
    count: int


def figures(database: DeskDatabase, day: date, sites: frozenset[str] | None = None) -> DeskFigures:
    """The figures of these sites; None: of all.

    Args:
        database: of the desk.
        day: today; readings of its month do not count yet.
        sites: which.

    Raises:
        OutboxError: the database cannot be used.
    """
    groups = _groups(database, sites)
    return DeskFigures(_outcomes(groups), _readings(_closed(groups, day)))


def site_accuracy(database: DeskDatabase, site: str, day: date) -> SiteAccuracy | None:
    """The accuracy of a site's hits until the month before `day`; None below ten tested readings.

    Raises:
        OutboxError: the database cannot be used.
    """
    groups = _closed(_groups(database, frozenset({site})), day)
    tested = [one for one in groups if one.reading != "untested"]
    vehicles, exact = _sum(tested), _sum(one for one in tested if one.reading == "exact")
    if vehicles < SMALLEST_SHOWN:
        return None
    months = [one.month for one in tested]
    return SiteAccuracy(site, vehicles, exact, wilson(exact, vehicles), min(months), max(months))


def accuracy_section(found: SiteAccuracy, day: date) -> dict[str, object]:
    """The section `accuracy` of a policy that cites these figures.

    The bounds are rounded outwards to three decimals.
    """
    low, high = found.interval.low, found.interval.high
    n, first, last = found.vehicles, found.first, found.last
    return {
        "date": day.isoformat(),
        "method": {
            "nl": f"{n} treffers van deze plaats, {first} tot {last}: een bevoegd persoon typte de "
            "plaat uit het beeld voordat de lezing van de camera zichtbaar was; alleen treffers, "
            "niet alle voertuigen",
            "fr": f"{n} signalements de ce lieu, {first} à {last} : une personne compétente a tapé "
            "la plaque d'après l'image avant de voir la lecture de la caméra ; les signalements "
            "seulement, pas tous les véhicules",
            "de": f"{n} Treffer dieses Ortes, {first} bis {last}: Eine zuständige Person hat das "
            "Kennzeichen vom Bild abgetippt, bevor die Lesung der Kamera zu sehen war; nur "
            "Treffer, nicht alle Fahrzeuge",
            "en": f"{n} hits of this place, {first} to {last}: a competent person typed the plate "
            "from the picture before the camera's reading was shown; hits only, not all vehicles",
        },
        "vehicles": n,
        "exact": found.exact,
        "interval": [round(low, 3), round(high, 3)],
    }


def groups_query() -> Select[Any]:
    """The statement that counts decisions; it reads the index `decision_figures` only."""
    columns = [
        DECISION.c[name]
        for name in ("month", "site", "camera", "rule", "light", "outcome", "reading")
    ]
    decoys = select(DECOY.c.hit_id)
    return (
        select(*columns, func.count().label("count"))
        .where(DECISION.c.hit_id.not_in(decoys))
        .group_by(*columns)
    )


def _groups(database: DeskDatabase, sites: frozenset[str] | None) -> list[_Group]:
    with database.reading() as connection:
        rows = connection.execute(groups_query()).all()
    found = [_Group(*row) for row in rows]
    return [one for one in found if sites is None or one.site in sites]


def _closed(groups: list[_Group], day: date) -> list[_Group]:
    """Those of months that are over."""
    return [one for one in groups if one.month < f"{day:%Y-%m}"]


def _outcomes(groups: Iterable[_Group]) -> tuple[OutcomeCounts, ...]:
    counts: dict[tuple[str, str, str], dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(OUTCOMES, 0)
    )
    for one in groups:
        counts[one.month, one.site, one.rule][one.outcome] += one.count
    return tuple(
        OutcomeCounts(
            *place,
            coarse(sum(found.values())),
            {name: coarse(count) for name, count in found.items()},
        )
        for place, found in sorted(counts.items(), key=lambda item: (item[0][1:], item[0][0]))
    )


def _readings(groups: list[_Group]) -> tuple[ReadingFigures, ...]:
    tested: dict[tuple[str, str], dict[str, list[_Group]]] = defaultdict(lambda: defaultdict(list))
    for one in groups:
        if one.reading != "untested":
            for condition in CONDITIONS:
                value = one.site if condition == "site" else f"{one.site}/{getattr(one, condition)}"
                tested[condition, one.site][value].append(one)
    found = []
    for (condition, _), parts in tested.items():
        hidden = _hidden({value: _sum(each) for value, each in parts.items()})
        for value, each in parts.items():
            if value in hidden:
                found.append(ReadingFigures(condition, value, None, None, None))
                continue
            total = _sum(each)
            wrong = _sum(one for one in each if one.reading == "misread")
            tens = total - total % SMALLEST_SHOWN
            share = shown_share(coarse(wrong), tens)
            found.append(ReadingFigures(condition, value, tens, coarse(wrong), share))
    return tuple(sorted(found, key=lambda one: (CONDITIONS.index(one.condition), one.value)))


def _hidden(totals: dict[str, int]) -> set[str]:
    """The parts of a site that are not shown: below ten, or what would show such a one.

    The total of the site is shown. If the parts that are not shown had fewer than ten together,
    the difference would tell; so the smallest of the others is not shown either.
    """
    order = sorted(totals, key=lambda value: (totals[value], value))
    hidden = {value for value in order if totals[value] < SMALLEST_SHOWN}
    for value in order:
        if 0 < sum(totals[one] for one in hidden) < SMALLEST_SHOWN:
            hidden.add(value)
    return hidden


def _sum(groups: Iterable[_Group]) -> int:
    return sum(one.count for one in groups)
