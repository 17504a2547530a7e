"""What the box does: rules, records, retention, lists and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.policy.diff import REVEALS
from edge.policy.legal import RETENTION_CEILING_HOURS
from edge.policy.notice.counts import Count, PublishedCounts, shown
from edge.policy.notice.view.parts import AnyRule, Teller, Week
from edge.policy.rule_models import WrongWayRule


@dataclass(frozen=True, slots=True)
class RuleCard:
    """A rule: `week` is None where it is in force whenever the camera is open."""

    name: str
    text: str
    week: Week | None
    cameras: str
    purpose: str
    authority: str
    reveal: str
    certainty: str
    human_check: bool


@dataclass(frozen=True, slots=True)
class Records:
    """What is recorded of a hit, and what never is."""

    pictures: tuple[str, ...]
    never: tuple[str, ...]
    authorities: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long data stays: by purpose, and at most."""

    purposes: tuple[tuple[str, str], ...]
    ceiling: str


@dataclass(frozen=True, slots=True)
class ListRow:
    """A list; `now` is how many are on it, None where no counts are published."""

    text: str
    kind: str
    issuers: str
    entries: str
    days: str
    now: str | None


@dataclass(frozen=True, slots=True)
class CountTable:
    """Counts by quarter, newest first: headings of the rules, and rows of cells."""

    rules: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def rule_cards(teller: Teller) -> Iterator[RuleCard]:
    """Each rule, as it is in the policy."""
    words, policy = teller.words, teller.policy
    for rule in policy.rules:
        yield RuleCard(
            name=teller.rule_name(rule),
            text=_rule_text(rule, teller),
            week=None if rule.schedule is None else teller.week(rule.schedule),
            cameras=words.all_of(
                [teller.cameras[name] for name in rule.cameras or tuple(policy.cameras)]
            ),
            purpose=teller.said(policy.purposes[rule.purpose].text),
            authority=policy.authorities[rule.authority].name,
            reveal=words(f"rules.{rule.reveal}"),
            certainty=words(
                "rules.certainty_text",
                posterior=words.percent(rule.min_posterior),
                margin=words.points(rule.min_margin),
            ),
            human_check=rule.human_check,
        )


def records(teller: Teller) -> Records:
    """What a picture of each rule shows, and what is never recorded."""
    words, epoch = teller.words, teller.policy.epoch_minutes
    levels = {level: _rules_that_show(level, teller) for level in REVEALS}
    levels = {level: names for level, names in levels.items() if names}
    key = "records.hit_picture" if len(levels) == 1 else "records.hit_picture_rule"
    never = ["passing", "video", "people", "faces", "trace", "search"]
    if "occupants" not in levels:
        never.insert(3, "occupants")
    return Records(
        pictures=tuple(
            words(key, rule=words.all_of(names), shown=words(f"rules.{level}"))
            for level, names in levels.items()
        ),
        never=tuple(words(f"records.never_{one}", epoch=epoch) for one in never),
        authorities=teller.authorities(),
        epoch=epoch,
    )


def retention(teller: Teller) -> Retention:
    """How long each purpose keeps a hit that was not delivered."""
    words, policy = teller.words, teller.policy
    return Retention(
        purposes=tuple(
            (teller.said(purpose.text), words.duration(purpose.retention_hours))
            for purpose in policy.purposes.values()
        ),
        ceiling=words.duration(RETENTION_CEILING_HOURS[policy.legal.regime]),
    )


def list_rows(teller: Teller, counts: PublishedCounts | None) -> Iterator[ListRow]:
    """Each list, with how many vehicles are on it where that is published."""
    words, policy = teller.words, teller.policy
    now: Mapping[str, Count] = {} if counts is None else counts.lists
    for name, one in policy.lists.items():
        yield ListRow(
            text=teller.said(one.text),
            kind=words(f"lists.{one.kind}"),
            issuers=words.all_of([policy.issuers[issuer].name for issuer in one.issuers]),
            entries=words("lists.entries_text", count=words.number(one.max_entries)),
            days=words.days(one.max_entry_days),
            now=_count(now.get(name), teller) if now else None,
        )


def count_table(teller: Teller, counts: PublishedCounts | None) -> CountTable | None:
    """What the controller published; None if nothing."""
    words = teller.words
    if counts is None or not counts.quarters:
        return None
    columns = {rule.id: teller.rule_name(rule) for rule in teller.policy.rules}
    # Rules of earlier versions keep their counts.
    for one in counts.quarters:
        columns |= {rule: rule for rule in one.reports if rule not in columns}
    rows = []
    for one in reversed(counts.quarters):
        year, _, number = one.quarter.partition("-Q")
        cells = [one.vehicles, *(one.reports.get(rule) for rule in columns)]
        name = words("counts.quarter_text", year=year, number=number)
        rows.append((name, tuple(_count(cell, teller) for cell in cells)))
    return CountTable(tuple(columns.values()), tuple(rows))


def _count(count: Count | None, teller: Teller) -> str:
    if count is None:
        return teller.words("counts.missing")
    number = shown(count)
    return teller.words("counts.few") if number is None else teller.words.number(number)


def _rules_that_show(level: str, teller: Teller) -> list[str]:
    return [teller.rule_name(rule) for rule in teller.policy.rules if rule.reveal == level]


def _rule_text(rule: AnyRule, teller: Teller) -> str:
    if isinstance(rule, WrongWayRule):
        return teller.words("rules.wrong_way_text")
    plates = teller.policy.lists[rule.list]
    sentence = {"hotlist": "rules.hotlist_text", "permit_zone": "rules.permit_zone_text"}
    return teller.words(sentence[rule.type], list=teller.said(plates.text))
