"""Checks of a policy that is filled in: each yields the flaws that it finds, with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice

from edge.domain.intervals import wilson
from edge.formats.problems import Location, path_text
from edge.policy.duties import Fault, Flaw
from edge.policy.fields import WeeklySchedule
from edge.policy.hours import camera_hours, justifications, rule_hours
from edge.policy.legal import (
    EVALUATION_DAYS,
    MAX_ACCURACY_YEARS,
    MAX_DPIA_REVIEW_DAYS,
    MAX_EVIDENCE_YEARS,
    MAX_SUNSET_YEARS,
    RETENTION_CEILING_HOURS,
)
from edge.policy.limits import (
    HIT_SHARES,
    LIMITS,
    SHOW_PEOPLE,
    SHOW_VEHICLE,
    TRIAL_ACCURACY_LOW,
    TRIAL_LEASE_DAYS,
    needs_occupants,
    sanction_may_follow,
)
from edge.policy.model import ROLES, Policy
from edge.policy.separation import (
    abbreviated_persons,
    holders_of_controller,
    shared_keys,
    shared_persons,
)
from edge.policy.trials import last_trial_day, trial_values

NAMED_RISKS = ("excessive-monitoring", "error-margins", "permanent-lists")
"""Risks that the supervisory authority names in its warning: each needs a measure in the DPIA."""

INTERVAL_TOLERANCE = 0.002
"""Allowed difference of a bound, which is written with three decimals."""


def flaws(policy: Policy, fields: frozenset[str] | None = None) -> Iterator[Flaw]:
    """The flaws that do not depend on the date, warnings included.

    Args:
        policy: complete or incomplete.
        fields: the sections that are filled in; None for a complete policy.
    """
    written = frozenset(Policy.model_fields) if fields is None else fields
    for needed, check in _CHECKS:
        if written >= needed:
            yield from check(policy)


def flaws_on(
    policy: Policy,
    moment: datetime,
    present: datetime | None = None,
    fields: frozenset[str] | None = None,
) -> Iterator[Flaw]:
    """The dates that keep the policy from being in force at a moment.

    Args:
        policy: complete or incomplete; its time zone is filled in.
        moment: judge it at this moment.
        present: the wall clock, if it is not the moment: no document may be of a day to come.
        fields: the sections that are filled in; None for a complete policy.
    """
    written = frozenset(Policy.model_fields) if fields is None else fields
    day = _day(policy, moment)
    windows = (
        ("activation", "not_before", "not_yet"),
        ("activation", "sunset", "sunset_passed"),
        ("dpia", "review_date", "dpia_review_passed"),
        ("evaluation", "next_due", "evaluation_overdue"),
    )
    for section, name, fault in windows:
        if section in written:
            limit: str = getattr(getattr(policy, section), name)
            if (day < limit) if fault == "not_yet" else (day > limit):
                yield Flaw((section, name), fault, {"date": limit})
    if written >= _OF_A_TRIAL and not policy.demo:
        end = last_trial_day(policy)
        if end is not None and day > end:
            yield Flaw(("accuracy",), "trial_ended", trial_values(policy, end))
    today = _day(policy, moment if present is None else present)
    for section, kind, dates in _PAST:
        for location, past in dates(policy) if section in written else ():
            if past > today:
                values = {"date": past, "today": today}
                yield Flaw((section, *location), "future", values, kind)


_OF_A_TRIAL = frozenset({"legal", "accuracy", "activation", "approvals", "suspension", "issuers"})


def _day(policy: Policy, moment: datetime) -> str:
    return moment.astimezone(policy.zone).date().isoformat()


def _legal_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    for name in ("council_decision", "police_advice", "camera_declaration"):
        yield (name, "date"), getattr(policy.legal, name).date


def _evidence_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    for name, purpose in policy.purposes.items():
        yield (name, "safety_evidence", "date"), purpose.safety_evidence.date


def _alternative_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    for name in ("physical", "awareness", "targeted"):
        yield (name, "date"), getattr(policy.alternatives, name).date


def _dpia_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    yield ("date",), policy.dpia.date
    yield ("dpo_opinion", "date"), policy.dpia.dpo_opinion.date


def _accuracy_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    yield ("date",), policy.accuracy.date
    if policy.accuracy.pictures is not None:
        yield ("pictures", "date"), policy.accuracy.pictures.date


def _evaluation_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    if policy.evaluation.last is not None:
        yield ("last", "date"), policy.evaluation.last.date


def _approval_dates(policy: Policy) -> Iterator[tuple[Location, str]]:
    for name, camera in policy.cameras.items():
        if camera.place_picture is not None:
            yield (name, "place_picture", "approved"), camera.place_picture.approved


_PAST: tuple[tuple[str, Fault, Callable[[Policy], Iterator[tuple[Location, str]]]], ...] = (
    ("legal", Fault("E_SEQUENCE", "P1"), _legal_dates),
    ("purposes", Fault("E_FINANCIAL_MOTIVE", "P15"), _evidence_dates),
    ("alternatives", Fault("E_ALTERNATIVES", "P16"), _alternative_dates),
    ("dpia", Fault("E_DPIA", "P2"), _dpia_dates),
    ("accuracy", Fault("E_ACCURACY", "P12"), _accuracy_dates),
    ("evaluation", Fault("E_EVALUATION", "P20"), _evaluation_dates),
    ("cameras", Fault("E_CONFIG", "P6"), _approval_dates),
)
"""The days on which something has happened: the section, what a day to come is there, the dates."""


# --- the checks, each with the sections that it needs -----------------------------------------


def _sequence(policy: Policy) -> Iterator[Flaw]:
    """Every legal document is dated before the camera may work under this version."""
    start = policy.activation.not_before
    for section, dates in (
        ("legal", _legal_dates),
        ("dpia", _dpia_dates),
        ("purposes", _evidence_dates),
    ):
        for location, day in dates(policy):
            if not day < start:
                yield Flaw((section, *location), "sequence", {"date": day, "limit": start})


def _alternatives(policy: Policy) -> Iterator[Flaw]:
    decided = policy.legal.council_decision.date
    for location, day in _alternative_dates(policy):
        if not day <= decided:
            values = {"date": day, "limit": decided}
            yield Flaw(("alternatives", *location), "alternatives_after_decision", values)


def _aged(section: str, years: int) -> Callable[[Policy], Iterator[Flaw]]:
    """Refuses what was found out so many years before the start that it says nothing of it."""

    def check(policy: Policy) -> Iterator[Flaw]:
        start = date.fromisoformat(policy.activation.not_before)
        limit = (start - timedelta(days=years * 365.25)).isoformat()
        kind, dates = next((kind, dates) for name, kind, dates in _PAST if name == section)
        for location, day in dates(policy):
            if day < limit:
                values = {"date": day, "years": str(years), "limit": limit}
                yield Flaw((section, *location), "aged", values, kind)

    return check


def _dpia(policy: Policy) -> Iterator[Flaw]:
    if not policy.dpia.date < policy.dpia.review_date:
        yield Flaw(("dpia", "review_date"), "dpia_review_order")
    written = date.fromisoformat(policy.dpia.date)
    limit = written + timedelta(days=MAX_DPIA_REVIEW_DAYS)
    if date.fromisoformat(policy.dpia.review_date) > limit:
        yield Flaw(("dpia", "review_date"), "dpia_review_far", {"limit": limit.isoformat()})
    if policy.dpia.dpo_opinion.date < policy.dpia.date:
        values = {"date": policy.dpia.dpo_opinion.date, "limit": policy.dpia.date}
        yield Flaw(("dpia", "dpo_opinion", "date"), "opinion_order", values)
    named = {risk.risk for risk in policy.dpia.risks}
    for risk in NAMED_RISKS:
        if risk not in named:
            yield Flaw(("dpia", "risks"), "dpia_risk", {"risk": risk})


def _purposes(policy: Policy) -> Iterator[Flaw]:
    for name in policy.purposes:
        if name not in policy.dpia.purposes:
            yield Flaw(("purposes", name), "purpose_not_in_dpia")


def _retention(policy: Policy) -> Iterator[Flaw]:
    ceiling = RETENTION_CEILING_HOURS[policy.legal.regime]
    for name, purpose in policy.purposes.items():
        if purpose.retention_hours > ceiling:
            values = {"hours": str(purpose.retention_hours), "ceiling": str(ceiling)}
            yield Flaw(("purposes", name, "retention_hours"), "retention", values)


def _finance(policy: Policy) -> Iterator[Flaw]:
    if policy.finance.vendor_paid_per_fine:
        yield Flaw(("finance", "vendor_paid_per_fine"), "paid_per_fine")


def _activation(policy: Policy) -> Iterator[Flaw]:
    start = date.fromisoformat(policy.activation.not_before)
    sunset = date.fromisoformat(policy.activation.sunset)
    if not sunset > start:
        yield Flaw(("activation", "sunset"), "sunset_order")
    if sunset > start + timedelta(days=MAX_SUNSET_YEARS * 365.25):
        yield Flaw(("activation", "sunset"), "sunset_far", {"years": str(MAX_SUNSET_YEARS)})


def _evaluation(policy: Policy) -> Iterator[Flaw]:
    last = policy.evaluation.last
    since = date.fromisoformat(policy.activation.not_before if last is None else last.date)
    due = date.fromisoformat(policy.evaluation.next_due)
    limit = since + timedelta(days=EVALUATION_DAYS)
    if due > limit:
        at = ("evaluation", "next_due")
        yield Flaw(at, "evaluation_far", {"limit": limit.isoformat()})
    if due <= since:
        yield Flaw(("evaluation", "next_due"), "evaluation_order")
    start = policy.activation.not_before
    if last is not None and policy.version == 1 and last.date < start:
        # A later version may start anew; `succession` knows when the one before it started.
        values = {"date": last.date, "limit": start}
        yield Flaw(("evaluation", "last", "date"), "evaluation_early", values)


def _approvals(policy: Policy) -> Iterator[Flaw]:
    held = {signer.role for signer in policy.approvals.signers.values()}
    for role in ROLES:
        if role not in policy.approvals.quorum:
            yield Flaw(("approvals", "quorum"), "quorum", {"role": role})
        if role not in held:
            yield Flaw(("approvals", "signers"), "quorum", {"role": role})


def _separation(policy: Policy) -> Iterator[Flaw]:
    for at, earlier in shared_keys(policy):
        yield Flaw((*at, "key"), "same_key", {"other": path_text(earlier)})
    for at, earlier in shared_persons(policy):
        yield Flaw((*at, "name"), "two_duties", {"other": path_text(earlier)})
    for at, earlier in abbreviated_persons(policy):
        yield Flaw((*at, "name"), "short_name", {"other": path_text(earlier)})


def _controller_apart(policy: Policy) -> Iterator[Flaw]:
    for at in holders_of_controller(policy):
        yield Flaw((*at, "name"), "of_controller")


def _receipts(policy: Policy) -> Iterator[Flaw]:
    """Brokers drop hits after they have acknowledged them, so only a receipt proves delivery."""
    if policy.demo:
        return
    for name, authority in policy.authorities.items():
        if authority.receipts == "none":
            yield Flaw(("authorities", name, "receipts"), "receipts_none")


def _recipients(policy: Policy) -> Iterator[Flaw]:
    """Who opens the hits is not signed unless the policy names the keys of the authority."""
    if policy.demo:
        return
    for name, authority in policy.authorities.items():
        if authority.key_sha256 is None:
            yield Flaw(("authorities", name, "key_sha256"), "keys_unnamed")


def _pictures(policy: Policy) -> Iterator[Flaw]:
    """The counts of what released pictures show."""
    pictures = policy.accuracy.pictures
    for level, shown in () if pictures is None else pictures.levels.items():
        for name, (count, total) in shown.counts().items():
            if count > total:
                at = ("accuracy", "pictures", "levels", level, name)
                yield Flaw(at, "picture_counts")


def _accuracy(policy: Policy) -> Iterator[Flaw]:
    accuracy = policy.accuracy
    if accuracy.exact > accuracy.vehicles:
        yield Flaw(("accuracy", "exact"), "accuracy_counts")
        return
    measured = wilson(accuracy.exact, accuracy.vehicles)
    low, high = accuracy.interval
    if max(abs(low - measured.low), abs(high - measured.high)) > INTERVAL_TOLERANCE:
        values = {"low": f"{measured.low:.3f}", "high": f"{measured.high:.3f}"}
        yield Flaw(("accuracy", "interval"), "accuracy", values)


def _measured(policy: Policy) -> Iterator[Flaw]:
    """A policy whose accuracy is not proven is a trial: checked by people, and short."""
    end = last_trial_day(policy)
    if end is None:
        return
    accuracy, limits = policy.accuracy, LIMITS[policy.legal.regime]
    if not accuracy.exact:
        yield Flaw(("accuracy", "exact"), "accuracy_none")
        return
    if wilson(accuracy.exact, accuracy.vehicles).low < TRIAL_ACCURACY_LOW:
        least = {"least": f"{TRIAL_ACCURACY_LOW:g}"}
        yield Flaw(("accuracy", "exact"), "accuracy_trial_low", least)
        return
    values = {
        "vehicles": str(limits.vehicles),
        "low": f"{limits.accuracy_low:g}",
        "days": str(TRIAL_LEASE_DAYS),
        "end": end,
    }
    yield Flaw(("accuracy",), "trial", values)
    if policy.activation.lease_days > TRIAL_LEASE_DAYS:
        yield Flaw(("activation", "lease_days"), "accuracy_trial_lease", values)
    for index, rule in enumerate(policy.rules):
        if not rule.human_check:
            yield Flaw(("rules", index, "human_check"), "accuracy_trial_check", values)


def _certainty(policy: Policy) -> Iterator[Flaw]:
    limits = LIMITS[policy.legal.regime]
    for index, rule in enumerate(policy.rules):
        if rule.min_posterior < limits.min_posterior:
            values = {"value": f"{rule.min_posterior:g}", "floor": f"{limits.min_posterior:g}"}
            yield Flaw(("rules", index, "min_posterior"), "posterior", values)
        if rule.min_margin < limits.min_margin:
            values = {"value": f"{rule.min_margin:g}", "floor": f"{limits.min_margin:g}"}
            yield Flaw(("rules", index, "min_margin"), "margin", values)


def _people(policy: Policy) -> Iterator[Flaw]:
    """Who checks a hit, and who is seen on it."""
    regime = policy.legal.regime
    for index, rule in enumerate(policy.rules):
        if not rule.human_check:
            sanction = sanction_may_follow(regime, rule.type)
            at = ("rules", index, "human_check")
            yield Flaw(at, "human_check" if sanction else "no_human_check")
        if rule.reveal in SHOW_PEOPLE:
            at = ("rules", index, "reveal")
            if not needs_occupants(regime, rule.type):
                yield Flaw(at, "occupants_unneeded")
            elif not rule.human_check:
                yield Flaw(at, "occupants_unchecked")
            else:
                yield Flaw(at, "occupants")


def _hit_shares(policy: Policy) -> Iterator[Flaw]:
    for index, rule in enumerate(policy.rules):
        most = HIT_SHARES[rule.type].most
        if rule.max_hit_share is not None and rule.max_hit_share > most:
            values = {"value": f"{rule.max_hit_share:g}", "ceiling": f"{most:g}"}
            yield Flaw(("rules", index, "max_hit_share"), "hit_share", values)


def _epoch(policy: Policy) -> Iterator[Flaw]:
    ceiling = LIMITS[policy.legal.regime].epoch_minutes
    if policy.epoch_minutes > ceiling:
        values = {"minutes": str(policy.epoch_minutes), "ceiling": str(ceiling)}
        yield Flaw(("epoch_minutes",), "epoch", values)


def _unused_pictures(policy: Policy) -> Iterator[Flaw]:
    """An approved picture of a place that no rule of its camera sends: only a vehicle brings it."""
    for name, camera in policy.cameras.items():
        rules = [one for one in policy.rules if name in (one.cameras or policy.cameras)]
        if camera.place_picture is not None and not any(
            rule.reveal in SHOW_VEHICLE for rule in rules
        ):
            yield Flaw(("cameras", name, "place_picture"), "place_unused")


def _camera_warnings(policy: Policy) -> Iterator[Flaw]:
    for name, camera in policy.cameras.items():
        if _never_shut(camera.hours):
            yield Flaw(("cameras", name, "hours"), "always_open")


def _never_shut(hours: WeeklySchedule) -> bool:
    whole = ("00:00-24:00",)
    return (
        len(hours.weekly) == 7
        and all(day == whole for day in hours.weekly.values())
        and not hours.holidays
        and all(one.hours == whole for one in hours.exceptions)
    )


def _demo_warnings(policy: Policy) -> Iterator[Flaw]:
    demo = (location for location, _, holder in policy.key_holders() if holder.demo)
    for location in islice(demo, 1):
        yield Flaw(location, "demo_key")


_CHECKS: tuple[tuple[frozenset[str], Callable[[Policy], Iterator[Flaw]]], ...] = (
    (frozenset({"legal", "dpia", "purposes", "activation"}), _sequence),
    (frozenset({"legal", "alternatives"}), _alternatives),
    (frozenset({"purposes", "activation"}), _aged("purposes", MAX_EVIDENCE_YEARS)),
    (frozenset({"alternatives", "activation"}), _aged("alternatives", MAX_EVIDENCE_YEARS)),
    (frozenset({"accuracy", "activation"}), _aged("accuracy", MAX_ACCURACY_YEARS)),
    (frozenset({"dpia"}), _dpia),
    (frozenset({"purposes", "dpia"}), _purposes),
    (frozenset({"purposes", "legal"}), _retention),
    (frozenset({"finance"}), _finance),
    (frozenset({"activation"}), _activation),
    (frozenset({"activation", "evaluation"}), _evaluation),
    (frozenset({"approvals"}), _approvals),
    (frozenset({"approvals", "suspension", "issuers"}), _separation),
    (frozenset({"controller", "approvals", "suspension", "issuers"}), _controller_apart),
    (frozenset({"authorities", "approvals", "suspension", "issuers"}), _receipts),
    (frozenset({"authorities", "approvals", "suspension", "issuers"}), _recipients),
    (frozenset({"accuracy"}), _accuracy),
    (frozenset({"accuracy"}), _pictures),
    (frozenset({"accuracy", "legal", "activation", "rules"}), _measured),
    (frozenset({"legal", "rules"}), _certainty),
    (frozenset({"legal", "rules"}), _people),
    (frozenset({"rules"}), _hit_shares),
    (frozenset({"legal", "epoch_minutes"}), _epoch),
    (frozenset({"legal", "cameras"}), camera_hours),
    (frozenset({"legal", "cameras", "rules", "purposes"}), rule_hours),
    (frozenset({"cameras", "rules"}), justifications),
    (frozenset({"cameras"}), _camera_warnings),
    (frozenset({"cameras", "rules"}), _unused_pictures),
    (frozenset({"approvals", "suspension", "issuers"}), _demo_warnings),
)
