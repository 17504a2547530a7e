"""The legal parts of a policy: legal basis, DPIA, alternatives, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.formats.identifiers import Id, Sha256
from edge.formats.strict import Grown, Strict
from edge.policy.fields import (
    DayText,
    FilePath,
    Fraction,
    Party,
    Reference,
    References,
    SeenText,
    Statements,
    Texts,
)
from edge.policy.limits import Regime

RETENTION_CEILING_HOURS: Mapping[str, int] = {
    # Article 5, section 4 of the Belgian camera act of 21 March 2007: at most one month.
    "camera_act": 30 * 24,
    # A box holds undelivered hits only, so no regime needs more than that month.
    "gas_speed": 30 * 24,
    "police_function_act": 30 * 24,
    # If no act sets a limit, Article 5(1)(e) GDPR applies: no longer than needed.
    "other": 72,
}
"""The longest that an undelivered hit may wait on a box, hours, by legal regime. A policy may
only shorten it."""

MAX_SUNSET_YEARS = 5
"""Longest term of a policy; as with list entries, a longer one would in fact be permanent."""

MAX_DPIA_REVIEW_DAYS = 3 * 366
"""Longest interval until a DPIA is reviewed. Article 35(11) GDPR asks for the review and names no
term; the French CNIL asks for one every three years at the latest, and the Dutch Autoriteit
Persoonsgegevens gives three years as its example."""

MAX_EVIDENCE_YEARS = 5
"""How old the evidence of a purpose and the alternatives may be when the cameras start. Article
5(1)(c) GDPR: what is necessary is judged now. Our choice: as long as the term of a policy."""

MAX_ACCURACY_YEARS = 2
"""How old the measured accuracy may be when the cameras start. Article 5(1)(d) GDPR. Our choice:
within two years plates, weights and cameras change so much that it says little."""

EVALUATION_DAYS = 366
"""An evaluation is due within a year of the start, and then within a year of the last one."""


class JointController(Party):
    """A joint controller under Article 26 GDPR."""

    agreement: References = Field(description="Reference of the arrangement between them.")


class Processor(Party):
    """A processor under Article 28 GDPR."""

    task: Texts
    agreement: References = Field(description="Reference of the contract.")


class Dated(Strict):
    """A document by reference and date."""

    reference: References
    date: DayText


class Legal(Strict):
    """The legal ground for the cameras."""

    regime: Regime = Field(
        description="The act that applies; it limits retention, hours and more, see docs/sites.md."
    )
    basis: Statements = Field(description="The legal basis in plain words, with its articles.")
    council_decision: Dated
    police_advice: Dated = Field(description="The advice of the chief of police.")
    camera_declaration: Dated = Field(description="The declaration of the cameras.")


class SafetyEvidence(Dated):
    """The evidence that the purpose is safety: accidents, counts, complaints."""

    finding: Statements


class Purpose(Strict):
    """A purpose of the processing. Every rule serves exactly one purpose."""

    text: Texts = Field(description="The purpose in plain words.")
    necessity: Statements = Field(description="Why a milder measure is not enough.")
    safety_evidence: SafetyEvidence
    retention_hours: int = Field(
        ge=1,
        description="How long an undelivered hit may stay on the box; the regime sets a limit.",
    )


class Finance(Strict):
    """Safeguards against a financial motive. There is no field for revenue."""

    vendor_paid_per_fine: bool = Field(description="Only false is accepted.")


class DpoOpinion(Strict):
    """The data protection officer's opinion on the assessment."""

    date: DayText
    text: Statements
    draft_sha256: Sha256 | None = Field(
        default=None,
        description="The draft that the officer has seen, as `edge-anpr policy diff` prints it; "
        "needed for a policy that widens the one in force.",
    )


class Risk(Strict):
    """A risk that the assessment names, and the measure against it."""

    risk: Id
    measure: Statements


ChangeName = Annotated[SeenText, Field(min_length=1, max_length=400)]


class Dpia(Strict):
    """The data protection impact assessment, pinned by its hash."""

    reference: References
    version: Reference
    date: DayText
    file: FilePath = Field(description="The document, relative to the site folder.")
    sha256: Sha256 = Field(description="SHA-256 of the file; `edge-anpr check` prints it.")
    review_date: DayText = Field(description="After this day the box is in its safe state.")
    dpo_opinion: DpoOpinion
    risks: tuple[Risk, ...] = Field(
        min_length=1,
        max_length=64,
        description="excessive-monitoring, error-margins and permanent-lists are among them.",
    )
    purposes: tuple[Id, ...] = Field(min_length=1, description="The purposes that it covers.")
    covers: tuple[ChangeName, ...] = Field(
        default=(),
        max_length=1000,
        description="The widenings that it assesses, as `edge-anpr policy diff` prints them: "
        "cameras.cam-1.hours. Left out in a first policy.",
    )


class Alternative(Strict):
    """An alternative to cameras that was tried or considered."""

    date: DayText
    evidence: References = Field(description="Reference of the report.")
    outcome: Statements


class Alternatives(Strict):
    """The alternatives that were considered before cameras."""

    physical: Alternative = Field(description="Bollards, narrowing, another street plan.")
    awareness: Alternative = Field(description="Signs, campaigns, talks.")
    targeted: Alternative = Field(description="Checks by people at chosen places and times.")


class Activation(Strict):
    """When the box may work."""

    not_before: DayText = Field(description="Every document above is dated before this day.")
    sunset: DayText = Field(description="The last day of the policy; it is required.")
    lease_days: int = Field(
        default=90, ge=1, le=366, description="How long one activation or renewal lasts."
    )


class LastEvaluation(Dated):
    """The last evaluation."""

    outcome: Statements


class Evaluation(Strict):
    """The evaluation of whether the cameras are still necessary."""

    last: LastEvaluation | None = Field(default=None, description="Left out before the first.")
    next_due: DayText = Field(description="After this day no activation is renewed.")


Counts = tuple[
    Annotated[int, Field(ge=0, le=10_000_000)], Annotated[int, Field(ge=1, le=10_000_000)]
]
"""How many, and of how many: `count` and `total` of `edge-anpr evaluate redaction --json`."""


class ShownAtLevel(Grown):
    """What pictures of one level show of labelled vehicles."""

    added: ClassVar[frozenset[str]] = frozenset({"others_blocks"})

    body_enough: Counts = Field(description="Vehicles with at least 60 % of the bodywork shown.")
    glass_leaks: Counts | None = Field(
        default=None, description="Vehicles with more than 3 % of the glass shown."
    )
    heads: Counts | None = Field(default=None, description="Heads of occupants shown.")
    people: Counts | None = Field(default=None, description="People outside, shown in part.")
    others_blocks: Counts | None = Field(
        default=None, description="Blocks of other vehicles, shown in part."
    )

    def counts(self) -> Mapping[str, Counts]:
        """What was counted, by its name."""
        every = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: counts for name, counts in every.items() if counts is not None}


class ReleasedPictures(Strict):
    """What released pictures show, measured on photographs of the place."""

    date: DayText
    method: Statements = Field(description="Which photographs, of which place, with which weights.")
    levels: dict[Literal["vehicle", "driver", "occupants"], ShownAtLevel] = Field(
        min_length=1, description="The figures of `edge-anpr evaluate redaction --json`."
    )


class Accuracy(Grown):
    """The measured accuracy of the box, with the 95 % Wilson interval."""

    added: ClassVar[frozenset[str]] = frozenset({"pictures"})

    date: DayText
    method: Statements = Field(description="Which recordings, at which place, with which weights.")
    vehicles: int = Field(ge=1, le=10_000_000)
    exact: int = Field(ge=0, description="Vehicles with every character right.")
    interval: tuple[Fraction, Fraction] = Field(
        description="Lower and upper bound, as `edge-anpr evaluate clips` prints them."
    )
    pictures: ReleasedPictures | None = Field(
        default=None,
        description="What released pictures show. Left out: the notice gives the figures of the "
        "model card.",
    )
