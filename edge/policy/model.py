"""`policy.yaml`: everything that touches people's rights, and nothing technical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from edge.domain.competence import Competence
from edge.domain.rules import Rule
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import Id, Sha256
from edge.formats.problems import Location
from edge.formats.strict import Grown, Strict
from edge.policy import wording
from edge.policy.fields import (
    Contacts,
    DayText,
    FilePath,
    KeyText,
    Names,
    Party,
    Polygon,
    Statements,
    Texts,
    Website,
    WeeklySchedule,
)
from edge.policy.legal import (
    Accuracy,
    Activation,
    Alternatives,
    Dpia,
    Evaluation,
    Finance,
    JointController,
    Legal,
    Processor,
    Purpose,
)
from edge.policy.rule_models import RuleModel, domain_rule

FORMAT = 3
"""The format of policy documents that this version reads and writes."""


def _this_format(schema: object) -> object:
    earlier = [f"edge-anpr/policy/{number}" for number in range(1, FORMAT)]
    if schema in earlier:
        raise wording.refusal("format", format=earlier.index(schema) + 1, known=FORMAT)
    return schema


_OF_THE_MACHINE = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""What zones begin with that are not the same on each machine: the signed hours would not be."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Brussels") from None
    if name.startswith(_OF_THE_MACHINE):
        raise ValueError("must be a time zone such as Europe/Brussels, which no machine sets")
    return name


# --- people, keys and lists -------------------------------------------------------------------

Role = Literal["controller", "police", "dpo"]
ROLES: tuple[Role, ...] = ("controller", "police", "dpo")


class KeyHolder(Strict):
    """The holder of a key whose signatures are accepted."""

    name: Names
    key: KeyText
    demo: bool = Field(
        default=False,
        description="Marks a demo key, which is public; with one only recordings are read.",
    )


class Signer(KeyHolder):
    """A signer of the policy, with a role."""

    role: Role


class Approvals(Strict):
    """The signers of the policy, and the roles that must sign."""

    quorum: tuple[Role, ...] = Field(description="One valid signature of each: all three roles.")
    signers: dict[Id, Signer] = Field(min_length=1, max_length=32)


class Suspension(Strict):
    """The keys that can suspend the cameras."""

    keys: dict[Id, KeyHolder] = Field(min_length=1, max_length=8)


class Validity(Strict):
    """A period, first and last day included."""

    from_: DayText = Field(alias="from")
    until: DayText


class CompetenceModel(Strict):
    """An authority's competence: a hit outside it is never sealed to the authority."""

    rules: tuple[Id, ...] = Field(min_length=1)
    cameras: tuple[Id, ...] = Field(min_length=1)
    hours: WeeklySchedule | None = Field(default=None, description="Left out: at any hour.")


class Authority(Strict):
    """An authority that may open the hits of a rule."""

    name: Names
    keys: FilePath = Field(
        description="The authority's public keys, relative to the site folder; "
        "made by `edge-anpr keys new`."
    )
    key_sha256: Annotated[tuple[Sha256, ...], Field(min_length=1, max_length=32)] | None = Field(
        default=None,
        description="The digest of each key in that file, as `edge-anpr keys show` prints it: a "
        "box then takes no other. Left out: the box takes the file that it was given.",
    )
    receipts: Literal["required", "none"] = Field(
        default="required",
        description="Whether a hit stays on the box until the authority's signed receipt arrives.",
    )
    valid: Validity
    competence: CompetenceModel

    @model_serializer(mode="wrap")
    def _as_signed(self, to_fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `key_sha256` where it is left out: policies signed before keep their digest."""
        fields: dict[str, Any] = to_fields(self)
        if self.key_sha256 is None:
            del fields["key_sha256"]
        return fields


class PlateList(Strict):
    """A list of plates."""

    kind: Literal["alert", "exempt"] = Field(
        description="alert: vehicles looked for (hotlist); exempt: vehicles let through "
        "(permit_zone)."
    )
    text: Texts = Field(description="Which vehicles the list is about, for the public notice.")
    file: FilePath | None = Field(
        default=None,
        description="A CSV file, relative to the site folder, for trials: read with demo keys and "
        "as long as no bundle is installed. With real keys, lists come as bundles only.",
    )
    issuers: tuple[Id, ...] = Field(min_length=1, description="Who may issue it.")
    max_entries: int = Field(ge=1, le=100_000, description="A list with more entries is refused.")
    max_entry_days: int = Field(
        ge=1, le=5 * 366, description="The list is refused if an entry lasts longer."
    )


# --- cameras and public information -----------------------------------------------------------


class Position(Strict):
    """A point on the map, WGS 84."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class FieldOfView(Strict):
    """The field of view of a camera."""

    text: Texts
    bearing_degrees: int = Field(
        ge=0, le=359, description="Direction of view, in degrees from north."
    )
    angle_degrees: int = Field(ge=1, le=180, description="How wide, horizontally.")
    reach_m: int = Field(ge=1, le=500, description="How far, in metres.")


class ApprovedStill(Strict):
    """A still of the empty place, which goes into the seal of hits that show the vehicle."""

    sha256: Sha256 = Field(description="The file's digest; `edge-anpr redact --place` prints it.")
    approved: DayText = Field(
        description="The day on which a person looked at it, saw nobody in it and approved it."
    )


class PolicyCamera(Grown):
    """A camera that the policy allows."""

    added: ClassVar[frozenset[str]] = frozenset({"place_picture"})

    place: Texts = Field(description="The place of the camera, in words.")
    field_of_view: FieldOfView
    position: Position | None = Field(default=None, description="For the map on the notice.")
    privacy_masks: tuple[Polygon, ...] = Field(
        default=(),
        max_length=32,
        description="Parts of the picture that are never analysed, as polygons in fractions "
        "of its width and height from the top left corner.",
    )
    place_picture: ApprovedStill | None = Field(
        default=None,
        description="A picture of the empty place, made and approved when the camera was aimed. "
        "Left out: hits carry none.",
    )
    hours: WeeklySchedule = Field(description="When the camera is open; outside it is shut.")
    hours_justification: Statements | None = Field(
        default=None,
        description="Why the camera must be open for so long, for the public notice. Required "
        "above the hours per week of the legal regime.",
    )


class Audit(Strict):
    """The witness that keeps the box's checkpoints."""

    witness: Names | None = None


class Rights(Strict):
    """The rights of people, and where to use them."""

    text: Statements = Field(description="Which rights they have, and how to use them.")
    contact: Contacts
    complaint: Party = Field(description="Who handles complaints.")


class InformationBoard(Strict):
    """The sign at the place."""

    places: tuple[Texts, ...] = Field(min_length=1)
    website: Website = Field(description="Where the public notice is.")


# --- the policy -------------------------------------------------------------------------------


class Policy(Strict):
    """The policy of one site: everything that touches people's rights."""

    schema_: Annotated[Literal["edge-anpr/policy/3"], BeforeValidator(_this_format)] = Field(
        alias="schema"
    )
    site: Id
    version: int = Field(ge=1, le=1_000_000, description="Increases with each change.")
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
        default=15, ge=1, le=24 * 60, description="How long one salt lives: at most an hour."
    )
    audit: Audit = Audit()
    rights: Rights
    information_board: InformationBoard

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def domain_rules(self) -> tuple[Rule, ...]:
        """The rules as domain values; `contradictions` must be empty.

        Raises:
            ValueError: a schedule or a line contradicts itself.
        """
        return tuple(domain_rule(rule, self.zone) for rule in self.rules)

    def competences(self) -> dict[str, Competence]:
        """The competence of each authority, by id; `contradictions` must be empty.

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
        """All key holders of the policy: location, id and holder."""
        for name, signer in self.approvals.signers.items():
            yield ("approvals", "signers", name), name, signer
        for name, holder in self.suspension.keys.items():
            yield ("suspension", "keys", name), name, holder
        for name, holder in self.issuers.items():
            yield ("issuers", name), name, holder

    @property
    def demo(self) -> bool:
        """Whether any of its keys is a demo key."""
        return any(holder.demo for _, _, holder in self.key_holders())

    def document(self) -> dict[str, Any]:
        """The document that is signed: the policy as JSON values, defaults written out.

        Comments, order of keys and layout of the YAML file make no difference.
        """
        return self.model_dump(mode="json", by_alias=True)

    def canonical(self) -> bytes:
        """The bytes that are signed: the document as canonical JSON (RFC 8785).

        Raises:
            NotCanonicalError: it holds a value that canonical JSON cannot write.
        """
        return canonical_json(self.document())

    def sha256(self) -> str:
        """Hex digest of the policy's canonical JSON (RFC 8785)."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def draft_sha256(self) -> str:
        """Hex digest of the policy without the data protection officer's opinion.

        The opinion names it, so that it is an opinion on exactly this policy.
        """
        document = self.document()
        del document["dpia"]["dpo_opinion"]
        return hashlib.sha256(canonical_json(document)).hexdigest()
