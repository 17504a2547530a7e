"""Contradictions within a policy: names that refer to nothing, hours that overlap, demo keys.

Each part of a policy may be valid by itself while two parts contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from edge.domain.geometry import is_self_intersecting
from edge.formats.problems import Location, nearest
from edge.policy.fields import WeeklySchedule
from edge.policy.model import Policy
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule
from edge.policy.separation import unmarked_demo_keys


def contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    """The contradictions between parts of a policy: location and message of each."""
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        at: Location = ("rules", index)
        if rule.id in seen:
            yield (*at, "id"), "another rule has the same id; give each its own"
        seen.add(rule.id)
        yield from unknown_name((*at, "purpose"), rule.purpose, policy.purposes, "purpose")
        yield from unknown_name((*at, "authority"), rule.authority, policy.authorities, "authority")
        yield from _unknown_names((*at, "cameras"), rule.cameras or (), policy.cameras, "camera")
        if not isinstance(rule, WrongWayRule):
            yield from _list_contradictions(at, rule, policy)
        else:
            try:
                rule.line.line()
            except ValueError as error:
                yield (*at, "line"), str(error)
        if rule.schedule is not None:
            yield from _schedule_contradictions((*at, "schedule"), rule.schedule, policy.zone)
        authority = policy.authorities.get(rule.authority)
        if authority is not None and rule.id not in authority.competence.rules:
            yield (*at, "authority"), "this authority's competence.rules do not name the rule"
    yield from _authority_contradictions(policy)
    yield from _camera_contradictions(policy)
    yield from _key_contradictions(policy)
    for name, settings in policy.lists.items():
        at = ("lists", name, "issuers")
        yield from _unknown_names(at, settings.issuers, policy.issuers, "issuer")
    # dpia.purposes may name more: dropping a purpose leaves the signed assessment as it is.


def _authority_contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    rules = {rule.id: rule for rule in policy.rules}
    for name, authority in policy.authorities.items():
        at: Location = ("authorities", name)
        competence = authority.competence
        yield from _unknown_names((*at, "competence", "rules"), competence.rules, rules, "rule")
        yield from _unknown_names(
            (*at, "competence", "cameras"), competence.cameras, policy.cameras, "camera"
        )
        if competence.hours is not None:
            yield from _schedule_contradictions(
                (*at, "competence", "hours"), competence.hours, policy.zone
            )
        if authority.valid.until < authority.valid.from_:
            yield (*at, "valid"), "must end on or after the day on which it begins"


def _camera_contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    for name, camera in policy.cameras.items():
        at: Location = ("cameras", name)
        yield from _schedule_contradictions((*at, "hours"), camera.hours, policy.zone)
        for index, polygon in enumerate(camera.privacy_masks):
            if is_self_intersecting(polygon):
                yield (*at, "privacy_masks", index), _CROSSED


_CROSSED = (
    "its sides cross each other, so inside and outside are not clear; give its corners in the "
    "order in which they follow each other"
)


def _key_contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    for at in unmarked_demo_keys(policy):
        yield (*at, "key"), "this is a demo key, which is public; mark it with demo: true"


def _unknown_names(
    at: Location, names: tuple[str, ...], known: Mapping[str, object], what: str
) -> Iterator[tuple[Location, str]]:
    for position, name in enumerate(names):
        yield from unknown_name((*at, position), name, known, what)


def _list_contradictions(
    at: Location, rule: HotlistRule | PermitZoneRule, policy: Policy
) -> Iterator[tuple[Location, str]]:
    needed = "alert" if isinstance(rule, HotlistRule) else "exempt"
    yield from unknown_name((*at, "list"), rule.list, policy.lists, "list")
    found = policy.lists.get(rule.list)
    if found is not None and found.kind != needed:
        yield (
            (*at, "list"),
            f"a {rule.type} rule needs a list of kind {needed}, and this one is {found.kind}",
        )


def _schedule_contradictions(
    at: Location, schedule: WeeklySchedule, zone: ZoneInfo
) -> Iterator[tuple[Location, str]]:
    if not any(schedule.weekly.values()) and not any(e.hours for e in schedule.exceptions):
        yield at, "no hours at all, so the rule is never in force; give weekly hours"
    try:
        schedule.schedule(zone)
    except ValueError as error:
        yield at, str(error)


def unknown_name(
    at: Location, name: str, known: Mapping[str, object], what: str
) -> Iterator[tuple[Location, str]]:
    """Yield an error message for a name that is not defined; nothing for a known one."""
    if name in known:
        return
    near = nearest(name, known)
    if near is not None:
        yield at, f"no {what} has this name; did you mean {near!r}?"
    elif known:
        yield at, f"no {what} has this name; there are: {', '.join(sorted(known))}"
    else:
        yield at, f"no {what} has this name, and the policy defines none; add it"
