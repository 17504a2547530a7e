"""What changes between two versions of a policy, and whether it widens what the box may do.

Each change has a direction. A change counts as widening unless it is known to do less, so a field
that this comparison does not know cannot widen a policy unnoticed. A narrowing is what the box
itself enforces. `policy.succession` checks which signatures each direction needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from edge.formats.problems import Location
from edge.formats.yaml_tree import Tree
from edge.policy.change import (
    Change,
    ChangeEffect,
    days_in_force,
    grows,
    hours_changed,
    more,
    named,
    widening,
)
from edge.policy.duties import Pattern
from edge.policy.fields import Texts
from edge.policy.legal import RETENTION_CEILING_HOURS, Dpia, Purpose
from edge.policy.model import Authority, FieldOfView, PlateList, Policy, PolicyCamera
from edge.policy.rule_models import HotlistRule, PermitZoneRule, WrongWayRule, hit_share
from edge.texts import LANGUAGES

REVEALS = ("plate", "vehicle", "driver", "occupants")
"""Levels of disclosure, from least to most."""

SUBSTANTIVE: Mapping[Pattern, str] = {
    # Fields that let the box do no more, but on which people's rights rest, and the kind of each.
    ("legal", "basis"): "legal",
    ("legal", "council_decision"): "legal",
    ("legal", "police_advice"): "legal",
    ("legal", "camera_declaration"): "legal",
    ("purposes", "*", "necessity"): "text",
    ("purposes", "*", "safety_evidence"): "text",
    ("alternatives", "physical"): "text",
    ("alternatives", "awareness"): "text",
    ("alternatives", "targeted"): "text",
    ("dpia", "reference"): "dpia",
    ("dpia", "version"): "dpia",
    ("dpia", "date"): "dpia",
    ("dpia", "file"): "dpia",
    ("dpia", "sha256"): "dpia",
    ("dpia", "dpo_opinion"): "dpia",
    ("dpia", "risks", "*", "measure"): "dpia",
    ("dpia", "purposes"): "dpia",
    ("dpia", "covers"): "dpia",
    ("accuracy",): "accuracy",
    ("evaluation", "last"): "evaluation",
    ("controller", "contact"): "contact",
    ("joint_controllers", "*", "contact"): "contact",
    ("joint_controllers", "*", "agreement"): "text",
    ("processors", "*", "contact"): "contact",
    ("processors", "*", "agreement"): "text",
    ("dpo",): "contact",
    ("supervisory_authorities",): "contact",
    ("rights", "text"): "text",
    ("rights", "contact"): "contact",
    ("rights", "complaint"): "contact",
    ("information_board",): "text",
    ("authorities", "*", "receipts"): "recipient",
    ("cameras", "*", "field_of_view", "text"): "field-of-view",
}

NEUTRAL: Mapping[Pattern, str] = {("version",): "version"}
"""Fields that touch nobody's rights. Order and layout are no fields, and not compared."""


def changes(before: Policy, after: Policy) -> tuple[Change, ...]:
    """Every difference between two policies, widenings first."""
    found = list(_known_changes(before, after))
    covered = [change.location for change in found]
    found += [
        _other(location)
        for location in _differences(_by_name(before), _by_name(after), ())
        if not any(_is_within(location, known) for known in covered)
    ]
    order = list(ChangeEffect)
    return tuple(sorted(found, key=lambda change: order.index(change.direction)))


# --- what is compared, part by part -----------------------------------------------------------


def _known_changes(before: Policy, after: Policy) -> Iterator[Change]:
    yield from _law(before, after)
    yield from _times(before, after)
    yield from named("purpose", ("purposes",), before.purposes, after.purposes)
    for name in before.purposes.keys() & after.purposes.keys():
        at: Location = ("purposes", name)
        yield from _purpose(at, before.purposes[name], after.purposes[name])
    days = days_in_force(before, after)
    zones_differ = before.timezone != after.timezone
    if zones_differ:
        yield widening("hours", ("timezone",), before.timezone, after.timezone)
    yield from named("camera", ("cameras",), before.cameras, after.cameras)
    for name in before.cameras.keys() & after.cameras.keys():
        yield from _camera(("cameras", name), before.cameras[name], after.cameras[name], days)
    yield from named("recipient", ("authorities",), before.authorities, after.authorities)
    for name in before.authorities.keys() & after.authorities.keys():
        at = ("authorities", name)
        yield from _authority(at, before.authorities[name], after.authorities[name], days)
    yield from named("list", ("lists",), before.lists, after.lists)
    for name in before.lists.keys() & after.lists.keys():
        yield from _list(("lists", name), before.lists[name], after.lists[name])
    yield from named("issuer", ("issuers",), before.issuers, after.issuers)
    yield from _rules(before, after, days)
    yield from _oversight(before, after)


def _oversight(before: Policy, after: Policy) -> Iterator[Change]:
    if before.audit != after.audit:
        lost = before.audit.witness is not None
        direction = ChangeEffect.WIDENING if lost else ChangeEffect.SUBSTANTIVE
        yield Change(direction, "audit", ("audit", "witness"), "another witness, or none")
    if _approvals(before) != _approvals(after):
        yield Change(
            ChangeEffect.SUBSTANTIVE, "approvals", ("approvals",), "other signers or another quorum"
        )
    for name, holder in before.suspension.keys.items():
        if after.suspension.keys.get(name) != holder:
            at = ("suspension", "keys", name)
            yield Change(ChangeEffect.WIDENING, "suspension", at, "can no longer stop the box")
    for name in after.suspension.keys.keys() - before.suspension.keys.keys():
        at = ("suspension", "keys", name)
        yield Change(ChangeEffect.NARROWING, "suspension", at, "can stop the box as well")


def _approvals(policy: Policy) -> tuple[object, ...]:
    """Who approves; the order of the quorum has no meaning."""
    return policy.approvals.signers, sorted(policy.approvals.quorum)


def _law(before: Policy, after: Policy) -> Iterator[Change]:
    if before.legal.regime != after.legal.regime:
        yield widening("legal", ("legal", "regime"), before.legal.regime, after.legal.regime)
    yield from grows(
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
        known = {one.name.en: one for one in getattr(before, section)}
        new = {one.name.en: one for one in getattr(after, section)}
        # Who is responsible, and to whom data goes, is what people are told; nothing enforces it.
        yield from named("recipient", (section,), known, new, gone=ChangeEffect.SUBSTANTIVE)
    yield from _dpia(before.dpia, after.dpia)


def _dpia(before: Dpia, after: Dpia) -> Iterator[Change]:
    kept, known = ({one.risk for one in dpia.risks} for dpia in (after, before))
    for risk in sorted(known - kept):
        yield Change(ChangeEffect.WIDENING, "dpia", ("dpia", "risks", risk), "a risk removed")
    for risk in sorted(kept - known):
        yield Change(ChangeEffect.SUBSTANTIVE, "dpia", ("dpia", "risks", risk), "a risk added")
    at: Location = ("dpia", "review_date")
    for change in grows("dpia", at, before.review_date, after.review_date):
        # A new assessment sets a date of its own; `flaws` limits how far ahead.
        of_new = before.sha256 != after.sha256
        yield replace(change, direction=ChangeEffect.SUBSTANTIVE) if of_new else change


def _times(before: Policy, after: Policy) -> Iterator[Change]:
    old, new = before.activation, after.activation
    start: Location = ("activation", "not_before")
    for change in grows("start", start, old.not_before, new.not_before, reverse=True):
        # A later start is not less: sunset and first evaluation may be later with it.
        later = change.direction is ChangeEffect.NARROWING
        yield replace(change, direction=ChangeEffect.SUBSTANTIVE) if later else change
    yield from grows("sunset", ("activation", "sunset"), old.sunset, new.sunset)
    yield from grows("lease", ("activation", "lease_days"), old.lease_days, new.lease_days)
    yield from grows("epoch", ("epoch_minutes",), before.epoch_minutes, after.epoch_minutes)
    at: Location = ("evaluation", "next_due")
    for change in grows("evaluation", at, before.evaluation.next_due, after.evaluation.next_due):
        prolonged = change.direction is ChangeEffect.WIDENING and evaluated_anew(before, after)
        yield replace(change, direction=ChangeEffect.SUBSTANTIVE) if prolonged else change


def evaluated_anew(before: Policy, after: Policy) -> bool:
    """Whether the later policy names an evaluation that the earlier one does not know."""
    known, new = before.evaluation.last, after.evaluation.last
    return new is not None and (known is None or new.date > known.date)


def _purpose(at: Location, before: Purpose, after: Purpose) -> Iterator[Change]:
    if before.text != after.text:
        yield Change(ChangeEffect.WIDENING, "purpose", (*at, "text"), "reworded")
    yield from grows(
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
        yield Change(ChangeEffect.WIDENING, "field-of-view", masks, "a mask removed or changed")
    if set(after.privacy_masks) - set(before.privacy_masks):
        yield Change(ChangeEffect.NARROWING, "field-of-view", masks, "a mask added or changed")
    still = (*at, "place_picture")
    old, new = before.place_picture, after.place_picture
    yield from _optional("reveal", still, old, new, "another file or day")
    yield from hours_changed((*at, "hours"), before.hours, after.hours, days)
    yield from _justification(at, before.hours_justification, after.hours_justification)


def _justification(at: Location, before: Texts | None, after: Texts | None) -> Iterator[Change]:
    yield from _optional("hours", (*at, "hours_justification"), before, after, "reworded")


def _optional(
    what: str, at: Location, before: object, after: object, other: str
) -> Iterator[Change]:
    """A part that allows more where it is there, so a new or another one is a widening."""
    if before != after:
        gone = after is None
        direction = ChangeEffect.NARROWING if gone else ChangeEffect.WIDENING
        detail = "gone" if gone else "new" if before is None else other
        yield Change(direction, what, at, detail)


def _view(at: Location, before: FieldOfView, after: FieldOfView) -> Iterator[Change]:
    if before.bearing_degrees != after.bearing_degrees:
        yield widening(
            "field-of-view",
            (*at, "bearing_degrees"),
            before.bearing_degrees,
            after.bearing_degrees,
        )
    for name in ("angle_degrees", "reach_m"):
        old, new = getattr(before, name), getattr(after, name)
        for change in grows("field-of-view", (*at, name), old, new):
            # The lens is what it was: a smaller view is told to people, and nothing enforces it.
            told = change.direction is ChangeEffect.NARROWING
            yield replace(change, direction=ChangeEffect.SUBSTANTIVE) if told else change


def _authority(
    at: Location, before: Authority, after: Authority, days: Sequence[date]
) -> Iterator[Change]:
    for name in ("name", "keys"):
        if getattr(before, name) != getattr(after, name):
            yield Change(ChangeEffect.WIDENING, "recipient", (*at, name), "another recipient")
    if before.key_sha256 != after.key_sha256:
        detail = "other keys, or none named"
        yield Change(ChangeEffect.WIDENING, "recipient", (*at, "key_sha256"), detail)
    yield from grows("recipient", (*at, "valid", "until"), before.valid.until, after.valid.until)
    yield from grows(
        "recipient", (*at, "valid", "from"), before.valid.from_, after.valid.from_, reverse=True
    )
    for name in ("rules", "cameras"):
        old, new = getattr(before.competence, name), getattr(after.competence, name)
        yield from more("recipient", (*at, "competence", name), old, new)
    hours = (*at, "competence", "hours")
    yield from hours_changed(hours, before.competence.hours, after.competence.hours, days)


def _list(at: Location, before: PlateList, after: PlateList) -> Iterator[Change]:
    if before.kind != after.kind:
        yield widening("list", (*at, "kind"), before.kind, after.kind)
    if before.text != after.text:
        yield Change(ChangeEffect.WIDENING, "list", (*at, "text"), "about other vehicles")
    if before.file != after.file:
        yield Change(ChangeEffect.WIDENING, "list", (*at, "file"), "another file")
    for what, name in (("list-size", "max_entries"), ("entry-duration", "max_entry_days")):
        for change in grows(what, (*at, name), getattr(before, name), getattr(after, name)):
            # Fewer or shorter permits make more offenders; more or longer ones keep more data.
            permits = after.kind == "exempt"
            yield replace(change, direction=ChangeEffect.WIDENING) if permits else change
    yield from more("issuer", (*at, "issuers"), before.issuers, after.issuers)


AnyRule = HotlistRule | PermitZoneRule | WrongWayRule


def _rules(before: Policy, after: Policy, days: Sequence[date]) -> Iterator[Change]:
    old = {rule.id: rule for rule in before.rules}
    new = {rule.id: rule for rule in after.rules}
    yield from named("rule", ("rules",), old, new)
    for name in sorted(old.keys() & new.keys()):
        yield from _rule(("rules", name), old[name], new[name], days, before, after)


def _rule(
    at: Location, before: AnyRule, after: AnyRule, days: Sequence[date], *whole: Policy
) -> Iterator[Change]:
    simple = (("type", "rule"), ("purpose", "purpose"), ("authority", "recipient"))
    for name, what in simple:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield widening(what, (*at, name), old, new)
    for name in ("list", "line", "allowed"):
        if getattr(before, name, None) != getattr(after, name, None):
            yield Change(ChangeEffect.WIDENING, "rule", (*at, name), "changed")
    old_level, new_level = REVEALS.index(before.reveal), REVEALS.index(after.reveal)
    if old_level != new_level:
        direction = ChangeEffect.WIDENING if new_level > old_level else ChangeEffect.NARROWING
        detail = f"{before.reveal} → {after.reveal}"
        yield Change(direction, "reveal", (*at, "reveal"), detail)
    for name in ("min_posterior", "min_margin"):
        old, new = getattr(before, name), getattr(after, name)
        yield from grows("threshold", (*at, name), old, new, reverse=True)
    if before.human_check != after.human_check:
        direction = ChangeEffect.NARROWING if after.human_check else ChangeEffect.WIDENING
        yield Change(direction, "human-check", (*at, "human_check"), str(after.human_check).lower())
    old_cameras = before.cameras or tuple(whole[0].cameras)
    new_cameras = after.cameras or tuple(whole[1].cameras)
    yield from more("camera", (*at, "cameras"), old_cameras, new_cameras)
    yield from hours_changed((*at, "schedule"), before.schedule, after.schedule, days)
    yield from _justification(at, before.hours_justification, after.hours_justification)
    # Compared as the box applies it: a share that is left out is the usual one of its kind.
    yield from grows("hit-share", (*at, "max_hit_share"), hit_share(before), hit_share(after))
    if before.max_hit_share != after.max_hit_share and hit_share(before) == hit_share(after):
        same = "the same share, written differently"
        yield Change(ChangeEffect.NEUTRAL, "hit-share", (*at, "max_hit_share"), same)


# --- changes that are not compared one by one -------------------------------------------------


def _by_name(policy: Policy) -> dict[str, Any]:
    """The policy's document; lists whose order has no meaning become mappings."""
    document = policy.document()
    names: tuple[tuple[dict[str, Any], str, Callable[[Any], str]], ...] = (
        (document, "rules", lambda rule: rule["id"]),
        (document, "processors", lambda party: party["name"]["en"]),
        (document, "joint_controllers", lambda party: party["name"]["en"]),
        (document["dpia"], "risks", lambda risk: risk["risk"]),
    )
    for holder, section, name_of in names:
        named = {name_of(one): one for one in holder[section]}
        if len(named) == len(holder[section]):
            holder[section] = named
    document["approvals"]["quorum"].sort()
    return document


_IN_LANGUAGES = set(LANGUAGES)


def _differences(before: Tree, after: Tree, at: Location) -> Iterator[Location]:
    """Where two documents differ: the deepest mapping keys and list positions.

    A text in four languages is one place: whoever corrects it corrects all of it.
    """
    if isinstance(before, dict) and isinstance(after, dict) and set(before) != _IN_LANGUAGES:
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


def _other(location: Location) -> Change:
    """A change that has no comparison of its own; a widening if no pattern names it."""
    for direction, patterns in (
        (ChangeEffect.SUBSTANTIVE, SUBSTANTIVE),
        (ChangeEffect.NEUTRAL, NEUTRAL),
    ):
        for pattern, what in patterns.items():
            if len(pattern) <= len(location) and all(
                one in {"*", step} for one, step in zip(pattern, location, strict=False)
            ):
                return Change(direction, what, location, "changed")
    return Change(ChangeEffect.WIDENING, "other", location, "changed")
