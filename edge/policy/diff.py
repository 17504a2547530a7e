"""What changes between two versions of a policy, and whether it widens what the box may do.

Each change has a direction. What is not known to narrow or to be harmless counts as widening: a
field that nobody thought of must not become the way in.

A widening takes the signatures of all roles, of the policy in force as well as of the new one, and
a DPIA that was written anew for it. A narrowing takes one signer of the policy in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

from edge.domain.schedule import Schedule
from edge.errors import PolicyError
from edge.formats.yaml_document import Location, Tree, path_text
from edge.policy.fields import WeeklySchedule
from edge.policy.legal import RETENTION_CEILING_HOURS, Purpose
from edge.policy.model import Authority, FieldOfView, PlateList, Policy, PolicyCamera
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule
from edge.policy.signatures import PolicySignatures, require_quorum, signers_of

REVEALS = ("plate", "vehicle", "occupants")
"""From little to much."""

# Who answers, what was found, whom to write to: these say something and allow nothing.
NEUTRAL = frozenset(
    {
        ("version",),
        ("legal", "basis"),
        ("legal", "council_decision"),
        ("legal", "police_advice"),
        ("legal", "camera_declaration"),
        ("purposes", "*", "necessity"),
        ("purposes", "*", "safety_evidence"),
        ("alternatives",),
        ("dpia", "reference"),
        ("dpia", "version"),
        ("dpia", "date"),
        ("dpia", "file"),
        ("dpia", "sha256"),
        ("dpia", "dpo_opinion"),
        ("dpia", "purposes"),
        ("accuracy",),
        ("activation", "not_before"),
        ("evaluation", "last"),
        ("controller", "contact"),
        ("joint_controllers", "*", "contact"),
        ("processors", "*", "contact"),
        ("dpo",),
        ("supervisory_authorities",),
        ("rights",),
        ("information_board",),
        ("authorities", "*", "receipts"),
        ("lists", "*", "text"),
        ("lists", "*", "file"),
        ("cameras", "*", "field_of_view", "text"),
    }
)


class ChangeEffect(Enum):
    """Whether a change lets the box do more, less, or the same."""

    WIDENING = "WIDENING"
    NARROWING = "NARROWING"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `what` is a word such as `hours`, `detail` says from what to what."""

    direction: ChangeEffect
    what: str
    location: Location
    detail: str

    def __str__(self) -> str:
        return f"{self.direction.value} {self.what}: {path_text(self.location)}: {self.detail}"


def changes(before: Policy, after: Policy) -> tuple[Change, ...]:
    """All that differs, widenings first."""
    found = list(_known_changes(before, after))
    covered = [change.location for change in found]
    for location in _differences(_by_name(before), _by_name(after), ()):
        if not any(_is_within(location, known) for known in covered):
            direction = _direction_of_other(location)
            what = "text" if direction is ChangeEffect.NEUTRAL else "other"
            found.append(Change(direction, what, location, "changed"))
    order = list(ChangeEffect)
    return tuple(sorted(found, key=lambda change: order.index(change.direction)))


def require_allowed(before: Policy, after: Policy, signatures: PolicySignatures) -> None:
    """Refuse a new version that the policy in force does not let come after it.

    Args:
        before: the policy in force.
        after: the new version.
        signatures: those of the new version.

    Raises:
        PolicyError: `E_VERSION`: another site, or a version that does not rise;
            `E_DPIA_WIDENING`: a widening without a new DPIA; `E_QUORUM`: signatures are lacking.
        KeyFileError: `E_SIGNATURE`: a signature does not hold.
    """
    if (after.site, after.version) != (before.site, max(after.version, before.version + 1)):
        raise PolicyError(
            f"version {after.version} of {after.site} does not follow version {before.version} of "
            f"{before.site}, which is in force; give it a higher version",
            code="E_VERSION",
        )
    widenings = [one for one in changes(before, after) if one.direction is ChangeEffect.WIDENING]
    if not widenings:
        if not signers_of(after, signatures, before.approvals.signers):
            raise PolicyError(
                "no signer of the policy in force has signed this one; one of them must, with "
                "`edge-anpr policy sign`",
                code="E_QUORUM",
            )
        return
    told = "; ".join(map(str, widenings[:5]))
    more = f" and {len(widenings) - 5} more" if len(widenings) > 5 else ""
    try:
        require_quorum(after, signatures)
        require_quorum(after, signatures, before.approvals.signers)
    except PolicyError as error:
        raise PolicyError(f"{told}{more}: {error.message}", code=error.code) from None
    if after.dpia.sha256 == before.dpia.sha256 or after.dpia.date < before.dpia.date:
        raise PolicyError(
            f"{told}{more}: the DPIA is the one of version {before.version}; write it anew for "
            "what widens, and have the policy signed with it",
            code="E_DPIA_WIDENING",
        )


def require_authorised(
    policy: Policy,
    signatures: PolicySignatures,
    history: Sequence[tuple[Policy, PolicySignatures]] = (),
) -> None:
    """Refuse a policy that is signed neither by all roles nor as a narrowing of one that is.

    Args:
        policy: what is to be in force.
        signatures: those of it.
        history: what was in force before it, newest first.

    Raises:
        PolicyError: `E_QUORUM`: signatures are lacking; `E_VERSION`: a later version, or another
            one of that number, was in force already.
        KeyFileError: `E_SIGNATURE`: a signature does not hold.
    """
    for known, _ in history:
        replaced = known.version == policy.version and known.sha256() != policy.sha256()
        if known.version > policy.version or replaced:
            raise PolicyError(
                f"version {known.version} was in force here already; give this one a higher "
                "version",
                code="E_VERSION",
            )
    earlier = next((one for one in history if one[0].version < policy.version), None)
    if earlier is None:
        require_quorum(policy, signatures)
        return
    require_allowed(earlier[0], policy, signatures)
    require_authorised(*earlier, [one for one in history if one[0].version < earlier[0].version])


# --- what is compared, part by part -----------------------------------------------------------


def _known_changes(before: Policy, after: Policy) -> Iterator[Change]:
    yield from _law(before, after)
    yield from _times(before, after)
    yield from _named("purpose", ("purposes",), before.purposes, after.purposes)
    for name in before.purposes.keys() & after.purposes.keys():
        at: Location = ("purposes", name)
        yield from _purpose(at, before.purposes[name], after.purposes[name])
    days = _days(before, after)
    zones_differ = before.timezone != after.timezone
    if zones_differ:
        yield _widening("hours", ("timezone",), before.timezone, after.timezone)
    yield from _named("camera", ("cameras",), before.cameras, after.cameras)
    for name in before.cameras.keys() & after.cameras.keys():
        yield from _camera(("cameras", name), before.cameras[name], after.cameras[name], days)
    yield from _named("recipient", ("authorities",), before.authorities, after.authorities)
    for name in before.authorities.keys() & after.authorities.keys():
        at = ("authorities", name)
        yield from _authority(at, before.authorities[name], after.authorities[name], days)
    yield from _named("list", ("lists",), before.lists, after.lists)
    for name in before.lists.keys() & after.lists.keys():
        yield from _list(("lists", name), before.lists[name], after.lists[name])
    yield from _named("issuer", ("issuers",), before.issuers, after.issuers)
    yield from _rules(before, after, days)
    yield from _oversight(before, after)


def _oversight(before: Policy, after: Policy) -> Iterator[Change]:
    if before.audit != after.audit:
        lost = before.audit.witness is not None
        direction = ChangeEffect.WIDENING if lost else ChangeEffect.NEUTRAL
        yield Change(direction, "audit", ("audit", "witness"), "another witness, or none")
    if before.approvals != after.approvals:
        yield Change(
            ChangeEffect.WIDENING, "approvals", ("approvals",), "another say in the matter"
        )
    for name, holder in before.suspension.keys.items():
        if after.suspension.keys.get(name) != holder:
            at = ("suspension", "keys", name)
            yield Change(ChangeEffect.WIDENING, "suspension", at, "can no longer stop the box")
    for name in after.suspension.keys.keys() - before.suspension.keys.keys():
        at = ("suspension", "keys", name)
        yield Change(ChangeEffect.NARROWING, "suspension", at, "can stop the box as well")


def _law(before: Policy, after: Policy) -> Iterator[Change]:
    if before.legal.regime != after.legal.regime:
        yield _widening("legal", ("legal", "regime"), before.legal.regime, after.legal.regime)
    yield from _grows(
        "retention",
        ("legal", "regime"),
        RETENTION_CEILING_HOURS[before.legal.regime],
        RETENTION_CEILING_HOURS[after.legal.regime],
    )
    if before.controller.name != after.controller.name:
        yield Change(
            ChangeEffect.WIDENING, "controller", ("controller", "name"), "another controller"
        )
    for section in ("processors", "joint_controllers"):
        known = {one.name: one for one in getattr(before, section)}
        new = {one.name: one for one in getattr(after, section)}
        yield from _named("recipient", (section,), known, new)
    kept = {risk.risk for risk in after.dpia.risks}
    for index, risk in enumerate(before.dpia.risks):
        if risk.risk not in kept:
            yield Change(ChangeEffect.WIDENING, "dpia", ("dpia", "risks", index), "a risk less")
    if after.dpia.risks != before.dpia.risks and {one.risk for one in before.dpia.risks} <= kept:
        yield Change(ChangeEffect.NEUTRAL, "dpia", ("dpia", "risks"), "measures written anew")
    if before.dpia.sha256 == after.dpia.sha256:
        at: Location = ("dpia", "review_date")
        yield from _grows("dpia", at, before.dpia.review_date, after.dpia.review_date)
    elif before.dpia.review_date != after.dpia.review_date:
        yield Change(ChangeEffect.NEUTRAL, "dpia", ("dpia", "review_date"), "of the new DPIA")


def _times(before: Policy, after: Policy) -> Iterator[Change]:
    old, new = before.activation, after.activation
    yield from _grows("sunset", ("activation", "sunset"), old.sunset, new.sunset)
    yield from _grows("lease", ("activation", "lease_days"), old.lease_days, new.lease_days)
    yield from _grows("epoch", ("epoch_minutes",), before.epoch_minutes, after.epoch_minutes)
    last_before, last_after = before.evaluation.last, after.evaluation.last
    evaluated = last_after is not None and (
        last_before is None or last_after.date > last_before.date
    )
    at: Location = ("evaluation", "next_due")
    due = list(_grows("evaluation", at, before.evaluation.next_due, after.evaluation.next_due))
    for change in due:
        if change.direction is ChangeEffect.WIDENING and evaluated:
            yield Change(ChangeEffect.NEUTRAL, "evaluation", at, "evaluated, and due again")
        else:
            yield change


def _purpose(at: Location, before: Purpose, after: Purpose) -> Iterator[Change]:
    if before.text != after.text:
        yield Change(ChangeEffect.WIDENING, "purpose", (*at, "text"), "worded anew")
    yield from _grows(
        "retention", (*at, "retention_hours"), before.retention_hours, after.retention_hours
    )


def _camera(
    at: Location, before: PolicyCamera, after: PolicyCamera, days: Sequence[date]
) -> Iterator[Change]:
    if before.place != after.place:
        yield Change(ChangeEffect.WIDENING, "camera", (*at, "place"), "at another place")
    if before.position != after.position:
        yield Change(ChangeEffect.WIDENING, "camera", (*at, "position"), "at another position")
    yield from _view((*at, "field_of_view"), before.field_of_view, after.field_of_view)
    masks = (*at, "privacy_masks")
    if set(before.privacy_masks) - set(after.privacy_masks):
        yield Change(ChangeEffect.WIDENING, "field-of-view", masks, "a mask less, or another one")
    if set(after.privacy_masks) - set(before.privacy_masks):
        yield Change(ChangeEffect.NARROWING, "field-of-view", masks, "a mask more, or another one")
    yield from _hours((*at, "hours"), before.hours, after.hours, days)


def _view(at: Location, before: FieldOfView, after: FieldOfView) -> Iterator[Change]:
    if before.bearing_degrees != after.bearing_degrees:
        yield _widening(
            "field-of-view",
            (*at, "bearing_degrees"),
            before.bearing_degrees,
            after.bearing_degrees,
        )
    for name in ("angle_degrees", "reach_m"):
        old, new = getattr(before, name), getattr(after, name)
        yield from _grows("field-of-view", (*at, name), old, new)


def _authority(
    at: Location, before: Authority, after: Authority, days: Sequence[date]
) -> Iterator[Change]:
    for name in ("name", "keys"):
        if getattr(before, name) != getattr(after, name):
            yield Change(ChangeEffect.WIDENING, "recipient", (*at, name), "another recipient")
    yield from _grows("recipient", (*at, "valid", "until"), before.valid.until, after.valid.until)
    yield from _grows(
        "recipient", (*at, "valid", "from"), before.valid.from_, after.valid.from_, reverse=True
    )
    for name in ("rules", "cameras"):
        old, new = getattr(before.competence, name), getattr(after.competence, name)
        yield from _more("recipient", (*at, "competence", name), old, new)
    hours = (*at, "competence", "hours")
    yield from _hours(hours, before.competence.hours, after.competence.hours, days)


def _list(at: Location, before: PlateList, after: PlateList) -> Iterator[Change]:
    if before.kind != after.kind:
        yield _widening("list", (*at, "kind"), before.kind, after.kind)
    yield from _grows("list-size", (*at, "max_entries"), before.max_entries, after.max_entries)
    yield from _grows(
        "entry-duration", (*at, "max_entry_days"), before.max_entry_days, after.max_entry_days
    )
    yield from _more("issuer", (*at, "issuers"), before.issuers, after.issuers)


AnyRule = HotlistRule | PermitZoneRule | WrongWayRule


def _rules(before: Policy, after: Policy, days: Sequence[date]) -> Iterator[Change]:
    old = {rule.id: rule for rule in before.rules}
    new = {rule.id: rule for rule in after.rules}
    yield from _named("rule", ("rules",), old, new)
    for name in sorted(old.keys() & new.keys()):
        yield from _rule(("rules", name), old[name], new[name], days, before, after)


def _rule(
    at: Location, before: AnyRule, after: AnyRule, days: Sequence[date], *whole: Policy
) -> Iterator[Change]:
    simple = (("type", "rule"), ("purpose", "purpose"), ("authority", "recipient"))
    for name, what in simple:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield _widening(what, (*at, name), old, new)
    for name in ("list", "line", "allowed"):
        if getattr(before, name, None) != getattr(after, name, None):
            yield Change(ChangeEffect.WIDENING, "rule", (*at, name), "another one")
    old_level, new_level = REVEALS.index(before.reveal), REVEALS.index(after.reveal)
    if old_level != new_level:
        direction = ChangeEffect.WIDENING if new_level > old_level else ChangeEffect.NARROWING
        detail = f"{before.reveal} → {after.reveal}"
        yield Change(direction, "reveal", (*at, "reveal"), detail)
    for name in ("min_posterior", "min_margin"):
        old, new = getattr(before, name), getattr(after, name)
        yield from _grows("threshold", (*at, name), old, new, reverse=True)
    if before.human_check != after.human_check:
        direction = ChangeEffect.NARROWING if after.human_check else ChangeEffect.WIDENING
        yield Change(direction, "human-check", (*at, "human_check"), str(after.human_check).lower())
    old_cameras = before.cameras or tuple(whole[0].cameras)
    new_cameras = after.cameras or tuple(whole[1].cameras)
    yield from _more("camera", (*at, "cameras"), old_cameras, new_cameras)
    yield from _hours((*at, "schedule"), before.schedule, after.schedule, days)


# --- how things grow --------------------------------------------------------------------------


def _widening(what: str, at: Location, old: object, new: object) -> Change:
    return Change(ChangeEffect.WIDENING, what, at, f"{old} → {new}")


def _named(
    what: str, at: Location, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[Change]:
    for name in sorted(after.keys() - before.keys()):
        yield Change(ChangeEffect.WIDENING, what, (*at, name), "new")
    for name in sorted(before.keys() - after.keys()):
        yield Change(ChangeEffect.NARROWING, what, (*at, name), "gone")


_Size = TypeVar("_Size", int, float, str)


def _grows(
    what: str, at: Location, old: _Size, new: _Size, *, reverse: bool = False
) -> Iterator[Change]:
    """A number or a day that grew: more is wider, or with `reverse` less is."""
    if old != new:
        wider = (new < old) if reverse else (new > old)
        direction = ChangeEffect.WIDENING if wider else ChangeEffect.NARROWING
        yield Change(direction, what, at, f"{old} → {new}")


def _more(what: str, at: Location, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    added, removed = sorted(set(new) - set(old)), sorted(set(old) - set(new))
    if added:
        yield Change(ChangeEffect.WIDENING, what, at, f"and {', '.join(added)}")
    if removed:
        yield Change(ChangeEffect.NARROWING, what, at, f"without {', '.join(removed)}")


def _days(before: Policy, after: Policy) -> tuple[date, ...]:
    """Every day on which one of the two may be in force."""
    first = min(before.activation.not_before, after.activation.not_before)
    last = date.fromisoformat(max(before.activation.sunset, after.activation.sunset))
    start = date.fromisoformat(first)
    return tuple(start + timedelta(days=number) for number in range((last - start).days + 1))


def _hours(
    at: Location,
    before: WeeklySchedule | None,
    after: WeeklySchedule | None,
    days: Sequence[date],
) -> Iterator[Change]:
    """Hours that are added or taken away, day by day; no schedule means all day, every day."""
    if before == after:
        return
    old, new = _open(before, days), _open(after, days)
    more = sum(len(new_day - old_day) for old_day, new_day in zip(old, new, strict=True))
    less = sum(len(old_day - new_day) for old_day, new_day in zip(old, new, strict=True))
    until = days[-1].isoformat()
    if more:
        yield Change(ChangeEffect.WIDENING, "hours", at, f"{_length(more)} more until {until}")
    if less:
        yield Change(ChangeEffect.NARROWING, "hours", at, f"{_length(less)} less until {until}")
    if not more and not less:
        yield Change(ChangeEffect.NEUTRAL, "hours", at, "written another way")


def _length(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _open(hours: WeeklySchedule | None, days: Sequence[date]) -> list[frozenset[int]]:
    """The minutes of each day that are in force, by the day on which they begin."""
    if hours is None:
        return [frozenset(range(24 * 60))] * len(days)
    # The zone plays no part: hours are wall-clock hours of the policy, which is compared apart.
    schedule = hours.schedule(timezone.utc)
    known: dict[tuple[tuple[int, int], ...], frozenset[int]] = {}
    return [_minutes(schedule, day, known) for day in days]


def _minutes(
    schedule: Schedule, day: date, known: dict[tuple[tuple[int, int], ...], frozenset[int]]
) -> frozenset[int]:
    spans = tuple((hours.start, hours.end) for hours in schedule.hours_on(day))
    if spans not in known:
        known[spans] = frozenset(minute for start, end in spans for minute in range(start, end))
    return known[spans]


# --- what nobody thought of -------------------------------------------------------------------


def _by_name(policy: Policy) -> dict[str, Any]:
    """The policy's document, with those lists as mappings whose order says nothing."""
    document = policy.document()
    for section, key in (("rules", "id"), ("processors", "name"), ("joint_controllers", "name")):
        named = {one[key]: one for one in document[section]}
        if len(named) == len(document[section]):
            document[section] = named
    return document


def _differences(before: Tree, after: Tree, at: Location) -> Iterator[Location]:
    """Where two documents differ: the deepest mapping keys and list positions."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in before or key not in after:
                yield (*at, key)
            else:
                yield from _differences(before[key], after[key], (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, (*at, index))
    elif before != after:
        yield at


def _is_within(location: Location, known: Location) -> bool:
    return location[: len(known)] == known


def _direction_of_other(location: Location) -> ChangeEffect:
    for pattern in NEUTRAL:
        if len(pattern) <= len(location) and all(
            one in {"*", step} for one, step in zip(pattern, location, strict=False)
        ):
            return ChangeEffect.NEUTRAL
    return ChangeEffect.WIDENING
