"""`policy.yaml`: everything that touches people's rights, and nothing technical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.domain.competence import Competence
from edge.domain.geometry import Direction, Line, is_self_intersecting
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.schedule import DAYS, DatedHours, Dates, Hours, Schedule
from edge.formats.signing import PublicKey, PublicKeyText, is_demo_key
from edge.formats.yaml_document import ID_PATTERN, Location, nearest
from edge.texts import Language

MIN_POSTERIOR_FLOOR = 0.5
"""No policy can let a rule fire on a read that is more likely wrong than right."""

RETENTION_CEILING_HOURS: Mapping[str, int] = {
    # Article 5, section 4 of the Belgian camera act of 21 March 2007: at most one month.
    "camera_act": 30 * 24,
    # What a box holds is what was not delivered yet: no regime needs more than that month.
    "gas_speed": 30 * 24,
    "police_function_act": 30 * 24,
    # Where no act says how long, Article 5(1)(e) GDPR does: no longer than needed.
    "other": 72,
}
"""The longest that an undelivered hit may wait on a box, hours, by legal regime. A policy may
only shorten it."""

MAX_SUNSET_YEARS = 5
"""As with list entries: what lasts longer is permanent in disguise."""

EVALUATION_DAYS = 366
"""An evaluation is due within a year of the start, and then within a year of the last one."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    return name


def _hours(text: str) -> str:
    Hours.parse(text)
    return text


def _dates(text: str) -> str:
    Dates.parse(text)
    return text


def _day(text: str) -> str:
    if ".." in text:
        raise ValueError("one day, written as 2026-11-30")
    return _dates(text)


def _real_key(text: str) -> str:
    PublicKey.parse(text)  # the pattern has left nothing that could fail but its bytes
    return text


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
FilePath = Annotated[str, Field(min_length=1, max_length=1000)]
HoursText = Annotated[str, AfterValidator(_hours), Field(examples=["08:15-08:45"])]
DatesText = Annotated[
    str, AfterValidator(_dates), Field(examples=["2026-12-25", "2026-12-24..2027-01-02"])
]
DayText = Annotated[str, AfterValidator(_day), Field(examples=["2026-11-30"])]
"""A day in the policy's time zone, from its first moment to its last."""
KeyText = Annotated[PublicKeyText, AfterValidator(_real_key)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[Fraction, Fraction], ...], Field(min_length=3, max_length=32)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Strict(BaseModel):
    """A part of a file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DatedException(Strict):
    """The hours of one date instead of those of week and holidays."""

    date: DayText
    hours: tuple[HoursText, ...] = Field(description="Empty: not in force on this date.")


class WeeklySchedule(Strict):
    """When a rule is in force, on the wall clocks of the policy's time zone."""

    weekly: dict[Weekday, tuple[HoursText, ...]] = Field(
        default={}, description="Hours by day. 22:00-06:00 belongs to the day it begins on."
    )
    holidays: tuple[DatesText, ...] = Field(
        default=(), description="Days or ranges on which the weekly hours do not begin."
    )
    exceptions: tuple[DatedException, ...] = Field(
        default=(), description="Dates with hours of their own; they stand above holidays."
    )

    def schedule(self, zone: tzinfo) -> Schedule:
        """The value that judges moments.

        Raises:
            ScheduleError: hours overlap, or a date has two exceptions.
        """
        by_day = dict(self.weekly)
        return Schedule(
            zone=zone,
            weekly=tuple(tuple(Hours.parse(text) for text in _of(by_day, day)) for day in DAYS),
            holidays=tuple(Dates.parse(text) for text in self.holidays),
            exceptions=tuple(
                DatedHours(
                    Dates.parse(exception.date).first,
                    tuple(Hours.parse(text) for text in exception.hours),
                )
                for exception in self.exceptions
            ),
        )


def _of(weekly: dict[Weekday, tuple[HoursText, ...]], day: str) -> tuple[HoursText, ...]:
    return next((hours for name, hours in weekly.items() if name == day), ())


class Texts(Strict):
    """What the public reads, in the four languages of the notice."""

    nl: Sentence
    fr: Sentence
    de: Sentence
    en: Sentence

    def of(self, language: Language) -> str:
        """The text in one language."""
        text: str = getattr(self, language)
        return text


# --- who answers for it -----------------------------------------------------------------------


class Party(Strict):
    """Somebody who can be written to."""

    name: Sentence
    contact: Sentence = Field(description="Postal address, e-mail or web form.")


class JointController(Party):
    """Who decides together with the controller, under Article 26 GDPR."""

    agreement: Sentence = Field(description="Reference of the arrangement between them.")


class Processor(Party):
    """Who works for the controller, under Article 28 GDPR."""

    task: Sentence
    agreement: Sentence = Field(description="Reference of the contract.")


# --- what the law asks first ------------------------------------------------------------------


class Dated(Strict):
    """A document by reference and date."""

    reference: Sentence
    date: DayText


class Legal(Strict):
    """On what ground the cameras stand."""

    regime: Literal["gas_speed", "camera_act", "police_function_act", "other"] = Field(
        description="Which act governs; it sets the ceiling of retention."
    )
    basis: Texts = Field(description="The legal basis in plain words, with its articles.")
    council_decision: Dated
    police_advice: Dated = Field(description="The advice of the chief of police.")
    camera_declaration: Dated = Field(description="The declaration of the cameras.")


class SafetyEvidence(Dated):
    """What shows that the purpose is safety: accidents, counts, complaints."""

    finding: Texts


class Purpose(Strict):
    """What the processing is for. Every rule serves exactly one purpose."""

    text: Texts = Field(description="The purpose in plain words.")
    necessity: Texts = Field(description="Why nothing less will do.")
    safety_evidence: SafetyEvidence
    retention_hours: int = Field(
        ge=1,
        description="How long an undelivered hit may stay on the box; the regime has a ceiling.",
    )


class Finance(Strict):
    """What the cameras must not be about. Revenue has no field."""

    vendor_paid_per_fine: bool = Field(description="Only false is accepted.")


class DpoOpinion(Strict):
    """What the data protection officer said of the assessment."""

    date: DayText
    text: Sentence


class Risk(Strict):
    """A risk that the assessment names, and what is done about it."""

    risk: Id
    measure: Sentence


class Dpia(Strict):
    """The data protection impact assessment, pinned by its hash."""

    reference: Sentence
    version: Sentence
    date: DayText
    file: FilePath = Field(description="The document, relative to the site folder.")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="Of the file; `edge-anpr check` prints it."
    )
    review_date: DayText = Field(description="After this day the box is in its safe state.")
    dpo_opinion: DpoOpinion
    risks: tuple[Risk, ...] = Field(
        min_length=1,
        max_length=64,
        description="excessive-monitoring, error-margins and permanent-lists are among them.",
    )
    purposes: tuple[Id, ...] = Field(min_length=1, description="The purposes that it covers.")


class Alternative(Strict):
    """Something that was tried or weighed before a camera."""

    date: DayText
    evidence: Sentence = Field(description="Reference of the report.")
    outcome: Texts


class Alternatives(Strict):
    """What was considered first."""

    physical: Alternative = Field(description="Bollards, narrowing, another street plan.")
    awareness: Alternative = Field(description="Signs, campaigns, talks.")
    targeted: Alternative = Field(description="Checks by people at chosen places and times.")


class Activation(Strict):
    """When the box may work."""

    not_before: DayText = Field(description="Every document above is dated before this day.")
    sunset: DayText = Field(description="The last day; there is no policy without one.")
    lease_days: int = Field(
        default=90, ge=1, le=366, description="How long one activation or renewal lasts."
    )


class LastEvaluation(Dated):
    """The evaluation that was made last."""

    outcome: Texts


class Evaluation(Strict):
    """Whether the cameras are still necessary."""

    last: LastEvaluation | None = Field(default=None, description="Left out before the first.")
    next_due: DayText = Field(description="After this day no activation is renewed.")


class Accuracy(Strict):
    """How often the box reads right, measured, with the 95 % interval after Wilson."""

    date: DayText
    method: Sentence = Field(description="Which recordings, at which place, with which weights.")
    vehicles: int = Field(ge=1, le=10_000_000)
    exact: int = Field(ge=0, description="Vehicles of which every character was right.")
    interval: tuple[Fraction, Fraction] = Field(
        description="Lower and upper bound, as `edge-anpr evaluate clips` prints them."
    )


# --- who has a say ----------------------------------------------------------------------------

Role = Literal["controller", "police", "dpo"]
ROLES: tuple[Role, ...] = ("controller", "police", "dpo")


class KeyHolder(Strict):
    """Somebody whose signature counts."""

    name: Sentence
    key: KeyText
    demo: bool = Field(
        default=False,
        description="A key that everybody has. With one of these only recordings are read.",
    )


class Signer(KeyHolder):
    """Who may sign the policy, and as whom."""

    role: Role


class Approvals(Strict):
    """Whose signatures put a policy into force."""

    quorum: tuple[Role, ...] = Field(description="One valid signature of each: all three roles.")
    signers: dict[Id, Signer] = Field(min_length=1, max_length=32)


class Suspension(Strict):
    """Who can stop the cameras."""

    keys: dict[Id, KeyHolder] = Field(min_length=1, max_length=8)


class Validity(Strict):
    """From one day to another, both included."""

    from_: DayText = Field(alias="from")
    until: DayText


class CompetenceModel(Strict):
    """For what an authority is competent: what lies outside is never sealed to it."""

    rules: tuple[Id, ...] = Field(min_length=1)
    cameras: tuple[Id, ...] = Field(min_length=1)
    hours: WeeklySchedule | None = Field(default=None, description="Left out: at any hour.")


class Authority(Strict):
    """Who may open the hits of a rule."""

    name: Sentence
    keys: FilePath = Field(
        description="The authority's public keys, relative to the site folder; "
        "made by `edge-anpr keys new`."
    )
    receipts: Literal["required", "none"] = Field(
        default="required",
        description="Whether a hit stays on the box until the authority's signed receipt is in.",
    )
    valid: Validity
    competence: CompetenceModel


class PlateList(Strict):
    """A list of plates."""

    kind: Literal["alert", "exempt"] = Field(
        description="alert: vehicles looked for (hotlist); exempt: vehicles let through "
        "(permit_zone)."
    )
    text: Texts = Field(description="Whom the list is about, for the public notice.")
    file: FilePath | None = Field(
        default=None,
        description="A CSV file, relative to the site folder, for trials: read with demo keys and "
        "as long as no bundle is installed. With real keys a list comes as a bundle alone.",
    )
    issuers: tuple[Id, ...] = Field(min_length=1, description="Who may issue it.")
    max_entries: int = Field(ge=1, le=100_000, description="A longer list is refused whole.")
    max_entry_days: int = Field(
        ge=1, le=5 * 366, description="An entry that lasts longer refuses the list."
    )


# --- where and when ---------------------------------------------------------------------------


class Position(Strict):
    """A point on the map, WGS 84."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class FieldOfView(Strict):
    """What a camera can see."""

    text: Sentence
    bearing_degrees: int = Field(ge=0, le=359, description="Where it looks, from north.")
    angle_degrees: int = Field(ge=1, le=180, description="How wide, horizontally.")
    reach_m: int = Field(ge=1, le=500, description="How far, in metres.")


class PolicyCamera(Strict):
    """A camera that the policy allows."""

    place: Sentence = Field(description="Where it stands, in words.")
    field_of_view: FieldOfView
    position: Position | None = Field(default=None, description="For the map on the notice.")
    privacy_masks: tuple[Polygon, ...] = Field(
        default=(),
        max_length=32,
        description="Parts of the picture that nothing ever looks at, as polygons in fractions "
        "of its width and height from the top left corner.",
    )
    hours: WeeklySchedule = Field(description="When the camera is open; outside it is shut.")


class Audit(Strict):
    """Who else keeps the box's checkpoints."""

    witness: Sentence | None = None


class Rights(Strict):
    """Where people turn to."""

    text: Texts = Field(description="Which rights they have, and how to use them.")
    contact: Sentence
    complaint: Party = Field(description="Who handles complaints.")


class InformationBoard(Strict):
    """The sign at the place."""

    places: tuple[Sentence, ...] = Field(min_length=1)
    website: Sentence = Field(description="Where the public notice is.")


class LineModel(Strict):
    """A line across the picture, in fractions of its width and height, origin top left."""

    from_: tuple[Fraction, Fraction] = Field(alias="from")
    to: tuple[Fraction, Fraction]

    def line(self) -> Line:
        """The value that trajectories are held against.

        Raises:
            ValueError: both ends are in one place.
        """
        return Line(self.from_, self.to)


class _RuleModel(Strict):
    id: Id
    purpose: Id = Field(description="One of the purposes above.")
    authority: Id = Field(description="Who may open this rule's hits.")
    reveal: Literal["plate", "vehicle", "occupants"] = Field(
        description="How much of the picture a hit shows."
    )
    cameras: tuple[Id, ...] | None = Field(
        default=None, min_length=1, description="Left out: all cameras of the policy."
    )
    min_posterior: float = Field(
        ge=MIN_POSTERIOR_FLOOR, le=1, description="How certain the read must be to make a hit."
    )
    min_margin: float = Field(
        gt=0, le=1, description="By how much the read must lead the next most probable plate."
    )
    human_check: bool = Field(default=True, description="Whether a person must confirm each hit.")
    schedule: WeeklySchedule | None = Field(default=None, description="Left out: always.")


class HotlistRule(_RuleModel):
    """A vehicle on an alert list."""

    type: Literal["hotlist"]
    list: Id = Field(description="A list of kind alert.")


class PermitZoneRule(_RuleModel):
    """A vehicle that is on no exempt list, in a zone that needs a permit."""

    type: Literal["permit_zone"]
    list: Id = Field(description="A list of kind exempt.")


class WrongWayRule(_RuleModel):
    """A vehicle that goes over a line against the allowed direction."""

    type: Literal["wrong_way"]
    line: LineModel
    allowed: Literal["left_to_right", "right_to_left"] = Field(
        description="Over the line, as seen looking from its `from` to its `to`."
    )


RuleModel = Annotated[HotlistRule | PermitZoneRule | WrongWayRule, Field(discriminator="type")]


# --- the whole --------------------------------------------------------------------------------


class Policy(Strict):
    """The policy of one site: everything that touches people's rights."""

    schema_: Literal["edge-anpr/policy/2"] = Field(alias="schema")
    site: Id
    version: int = Field(ge=1, le=1_000_000, description="Rises with each change.")
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Brussels"

    controller: Party
    joint_controllers: tuple[JointController, ...] = Field(default=(), max_length=16)
    processors: tuple[Processor, ...] = Field(default=(), max_length=32)
    dpo: Party = Field(description="The data protection officer.")
    supervisory_authorities: tuple[Party, ...] = Field(min_length=1, max_length=8)

    legal: Legal
    purposes: dict[Id, Purpose] = Field(min_length=1, max_length=16)
    finance: Finance
    alternatives: Alternatives
    dpia: Dpia
    accuracy: Accuracy
    activation: Activation
    evaluation: Evaluation
    approvals: Approvals
    suspension: Suspension

    cameras: dict[Id, PolicyCamera] = Field(min_length=1, max_length=32)
    authorities: dict[Id, Authority] = Field(min_length=1, max_length=16)
    issuers: dict[Id, KeyHolder] = Field(default={}, max_length=16)
    lists: dict[Id, PlateList] = Field(default={}, max_length=32)
    rules: tuple[RuleModel, ...] = Field(
        min_length=1, max_length=64, description="A policy without rules is refused."
    )
    epoch_minutes: int = Field(
        default=15, ge=1, le=24 * 60, description="How long one salt lives: 1 minute to a day."
    )
    audit: Audit = Audit()
    rights: Rights
    information_board: InformationBoard

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def domain_rules(self) -> tuple[Rule, ...]:
        """The rules as the judge knows them; `contradictions` must be empty.

        Raises:
            ValueError: a schedule or a line contradicts itself.
        """
        return tuple(_domain_rule(rule, self.zone) for rule in self.rules)

    def competences(self) -> dict[str, Competence]:
        """For what each authority is competent; `contradictions` must be empty.

        Raises:
            ValueError: a schedule contradicts itself.
        """
        return {
            name: Competence(
                rules=frozenset(authority.competence.rules),
                cameras=frozenset(authority.competence.cameras),
                since=self.begins(authority.valid.from_),
                until=self.ends(authority.valid.until),
                hours=None
                if authority.competence.hours is None
                else authority.competence.hours.schedule(self.zone),
            )
            for name, authority in self.authorities.items()
        }

    def begins(self, day: DayText) -> datetime:
        """The first moment of a day in the policy's time zone."""
        return datetime.combine(date.fromisoformat(day), time(), self.zone)

    def ends(self, day: DayText) -> datetime:
        """The first moment after a day in the policy's time zone."""
        following = date.fromisoformat(day) + timedelta(days=1)
        return datetime.combine(following, time(), self.zone)

    def key_holders(self) -> Iterator[tuple[Location, str, KeyHolder]]:
        """Everybody whose signature counts for something: where, id, key."""
        for name, signer in self.approvals.signers.items():
            yield ("approvals", "signers", name), name, signer
        for name, holder in self.suspension.keys.items():
            yield ("suspension", "keys", name), name, holder
        for name, holder in self.issuers.items():
            yield ("issuers", name), name, holder

    @property
    def demo(self) -> bool:
        """Whether some key in it is one that everybody has."""
        return any(holder.demo for _, _, holder in self.key_holders())

    def document(self) -> dict[str, Any]:
        """What is signed: the policy as JSON values, defaults written out.

        Comments, order of keys and layout of the YAML file make no difference.
        """
        return self.model_dump(mode="json", by_alias=True)

    def sha256(self) -> str:
        """Hex digest of the policy's canonical JSON (RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self.document())).hexdigest()


def _domain_rule(rule: HotlistRule | PermitZoneRule | WrongWayRule, zone: ZoneInfo) -> Rule:
    return Rule(
        id=rule.id,
        kind=RuleKind(rule.type),
        purpose=rule.purpose,
        authority=rule.authority,
        reveal=RevealLevel(rule.reveal),
        min_posterior=rule.min_posterior,
        min_margin=rule.min_margin,
        human_check=rule.human_check,
        cameras=frozenset(rule.cameras or ()),
        list_id=None if isinstance(rule, WrongWayRule) else rule.list,
        schedule=rule.schedule.schedule(zone) if rule.schedule is not None else None,
        line=rule.line.line() if isinstance(rule, WrongWayRule) else None,
        allowed=Direction(rule.allowed) if isinstance(rule, WrongWayRule) else None,
    )


def contradictions(policy: Policy) -> Iterator[tuple[Location, str]]:
    """What each part allows but the whole does not: a location and one line for each."""
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        at: Location = ("rules", index)
        if rule.id in seen:
            yield (*at, "id"), "another rule has this id; give each its own"
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
    yield from _unknown_names(
        ("dpia", "purposes"), policy.dpia.purposes, policy.purposes, "purpose"
    )


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
    """One key, one holder: a quorum of three signatures must be three people's."""
    seen: dict[str, Location] = {}
    for at, name, holder in policy.key_holders():
        key = PublicKey.parse(holder.key)
        if key.key_id in seen and at[:-1] == seen[key.key_id][:-1]:
            yield (*at, "key"), "somebody else here has the same key; each needs one of their own"
        seen[key.key_id] = at
        if is_demo_key(name, key) and not holder.demo:
            yield (*at, "key"), "this is a demo key, which everybody has; say so with demo: true"


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
    """A complaint about a name that refers to nothing; none if it is known."""
    if name in known:
        return
    near = nearest(name, known)
    if near is not None:
        yield at, f"no {what} has this name; did you mean {near!r}?"
    elif known:
        yield at, f"no {what} has this name; there are: {', '.join(sorted(known))}"
    else:
        yield at, f"no {what} has this name, and the policy defines none; add it"
