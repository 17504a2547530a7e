"""Values about rules, records, retention, lists and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge.policy.diff import REVEALS
from edge.policy.legal import RETENTION_CEILING_HOURS
from edge.policy.limits import SHOW_PEOPLE
from edge.policy.notice.counts import Count, PublishedCounts, shown
from edge.policy.notice.view.parts import AnyRule, PolicyWording, Week
from edge.policy.rule_models import WrongWayRule, hit_share
from edge.privacy.deletions import DeletionStatement


@dataclass(frozen=True, slots=True)
class RuleCard:
    """A rule.

    `week` is None where it is in force whenever the camera is open, `long` None where the policy
    gives no reason for its hours.
    """

    name: str
    text: str
    week: Week | None
    long: str | None
    cameras: str
    purpose: str
    authority: str
    reveal: str
    certainty: str
    hit_share: str
    human_check: bool


@dataclass(frozen=True, slots=True)
class Records:
    """What is recorded about a hit, and what is never recorded."""

    pictures: tuple[str, ...]
    never: tuple[str, ...]
    authorities: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long data stays: by purpose, at most, and what the authority's desk has stated."""

    purposes: tuple[tuple[str, str], ...]
    ceiling: str
    stated: StatedDeletions | None


@dataclass(frozen=True, slots=True)
class StatedDeletions:
    """What the newest statement of deletion says, with the counts of all of them."""

    authority: str
    date: str
    waiting: str
    kept: str
    not_confirmed: str
    confirmed: str
    key: str


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


def rule_cards(wording: PolicyWording) -> Iterator[RuleCard]:
    """Each rule, as it is in the policy."""
    words, policy = wording.words, wording.policy
    for rule in policy.rules:
        yield RuleCard(
            name=wording.rule_name(rule),
            text=rule_text(rule, wording),
            week=None if rule.schedule is None else wording.week(rule.schedule),
            long=None
            if rule.hours_justification is None
            else wording.in_language(rule.hours_justification),
            cameras=words.all_of(
                [wording.cameras[name] for name in rule.cameras or tuple(policy.cameras)]
            ),
            purpose=wording.in_language(policy.purposes[rule.purpose].text),
            authority=wording.authority(rule),
            reveal=words(f"rules.{rule.reveal}"),
            certainty=words(
                "rules.certainty_text",
                posterior=words.percent(rule.min_posterior),
                margin=words.points(rule.min_margin),
            ),
            hit_share=words("rules.stops_text", share=words.percent(hit_share(rule))),
            human_check=rule.human_check,
        )


def records(wording: PolicyWording) -> Records:
    """What a picture of each rule shows, and what is never recorded."""
    words, epoch = wording.words, wording.policy.epoch_minutes
    levels = {level: _rules_that_show(level, wording) for level in REVEALS}
    levels = {level: names for level, names in levels.items() if names}
    key = "records.hit_picture" if len(levels) == 1 else "records.hit_picture_rule"
    never = ["passing", "video", "people", "faces", "trace", "search"]
    if not set(SHOW_PEOPLE) & set(levels):
        never.insert(3, "occupants")
    pictures = [
        words(key, rule=words.all_of(names), shown=words(f"rules.{level}"))
        for level, names in levels.items()
    ]
    moving = [
        wording.rule_name(rule) for rule in wording.policy.rules if isinstance(rule, WrongWayRule)
    ]
    if moving:
        pictures.append(words("records.hit_path", rule=words.all_of(moving)))
    pictures += _places(wording)
    return Records(
        pictures=tuple(pictures),
        never=tuple(words(f"records.never_{one}", epoch=epoch) for one in never),
        authorities=wording.authorities(),
        epoch=epoch,
    )


def _places(wording: PolicyWording) -> Iterator[str]:
    """The approved pictures of empty places that go with hits which show the vehicle."""
    showing = [rule for rule in wording.policy.rules if rule.reveal != REVEALS[0]]
    for name, camera in wording.policy.cameras.items():
        still = camera.place_picture
        if still is not None and any(name in (rule.cameras or (name,)) for rule in showing):
            yield wording.words(
                "records.hit_place",
                camera=wording.cameras[name],
                date=wording.words.date(still.approved),
            )


def retention(wording: PolicyWording, deletions: Sequence[DeletionStatement] = ()) -> Retention:
    """How long each purpose keeps a hit that was not delivered, and the desk what it received."""
    words, policy = wording.words, wording.policy
    return Retention(
        purposes=tuple(
            (wording.in_language(purpose.text), words.duration(purpose.retention_hours))
            for purpose in policy.purposes.values()
        ),
        ceiling=words.duration(RETENTION_CEILING_HOURS[policy.legal.regime]),
        stated=_stated(wording, deletions),
    )


def _stated(
    wording: PolicyWording, deletions: Sequence[DeletionStatement]
) -> StatedDeletions | None:
    """What the statements say of this site; None if they say nothing of it."""
    words, policy = wording.words, wording.policy
    own = [
        (statement, site)
        for statement in deletions
        for site in statement.sites
        if site.site == policy.site and statement.authority in policy.authorities
    ]
    if not own:
        return None
    last, terms = own[-1]

    def total(counts: Iterable[Count]) -> str:
        # Each count was rounded down to tens, so a sum is a lower bound.
        sum_of = sum(count for count in counts if isinstance(count, int))
        if not sum_of:
            return words("counts.few")
        return words("retention.least", count=words.number(sum_of))

    return StatedDeletions(
        authority=wording.in_language(policy.authorities[last.authority].name),
        date=words.date(last.day),
        waiting=words.days(terms.waiting_days),
        kept=words.days(terms.kept_days),
        not_confirmed=total(site.not_confirmed for _, site in own),
        confirmed=total(site.confirmed for _, site in own),
        key=last.signature.key_id,
    )


def list_rows(wording: PolicyWording, counts: PublishedCounts | None) -> Iterator[ListRow]:
    """Each list, with its number of vehicles if that is published."""
    words, policy = wording.words, wording.policy
    now: Mapping[str, Count] = {} if counts is None else counts.lists
    for name, one in policy.lists.items():
        yield ListRow(
            text=wording.in_language(one.text),
            kind=words(f"lists.{one.kind}"),
            issuers=words.all_of(
                [wording.in_language(policy.issuers[issuer].name) for issuer in one.issuers]
            ),
            entries=words("lists.entries_one", count=words.number(1))
            if one.max_entries == 1
            else words("lists.entries_text", count=words.number(one.max_entries)),
            days=words.days(one.max_entry_days),
            now=_count(now.get(name), wording) if now else None,
        )


def count_table(wording: PolicyWording, counts: PublishedCounts | None) -> CountTable | None:
    """The counts that the controller published; None if there are none."""
    words = wording.words
    if counts is None or not counts.quarters:
        return None
    columns = {rule.id: wording.rule_name(rule) for rule in wording.policy.rules}
    # Rules of earlier versions keep their counts.
    for one in counts.quarters:
        columns |= {rule: rule for rule in one.reports if rule not in columns}
    rows = []
    for one in reversed(counts.quarters):
        year, _, number = one.quarter.partition("-Q")
        cells = [one.vehicles, *(one.reports.get(rule) for rule in columns)]
        name = words("counts.quarter_text", year=year, number=number)
        rows.append((name, tuple(_count(cell, wording) for cell in cells)))
    return CountTable(tuple(columns.values()), tuple(rows))


def _count(count: Count | None, wording: PolicyWording) -> str:
    if count is None:
        return wording.words("counts.missing")
    number = shown(count)
    return wording.words("counts.few") if number is None else wording.words.number(number)


def _rules_that_show(level: str, wording: PolicyWording) -> list[str]:
    return [wording.rule_name(rule) for rule in wording.policy.rules if rule.reveal == level]


def rule_text(rule: AnyRule, wording: PolicyWording) -> str:
    """What a rule forbids or looks for, in a sentence."""
    if isinstance(rule, WrongWayRule):
        return wording.words("rules.wrong_way_text")
    plates = wording.policy.lists[rule.list]
    sentence = {"hotlist": "rules.hotlist_text", "permit_zone": "rules.permit_zone_text"}
    return wording.words(sentence[rule.type], list=wording.in_language(plates.text))
