"""What the law asks before a camera may work: which fields, and what can be wrong with them.

The sentences are in `edge/texts`: `checklist.duty` says what to fill in, `checklist.fault` what is
wrong, and `checklist.why` why the supervisory authority asks it, by requirement (P1 to P20).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from edge.formats.problems import Location
from edge.texts import Language, text

Pattern = tuple[str, ...]
"""A place in the policy; `*` stands for any name or position."""


class Severity(Enum):
    """The severity of a finding."""

    MISSING = "missing"
    WRONG = "wrong"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Duty:
    """A field that must be filled in.

    Attributes:
        name: its path, joined with dots; `*` stands for any name or position.
        requirement: why it is asked.
        code: the error code if only this field is missing.
    """

    name: str
    requirement: str
    code: str = "E_HOMEWORK"

    @property
    def field(self) -> Pattern:
        """Its path in the policy."""
        return tuple(self.name.split("."))

    @property
    def key(self) -> str:
        """The text that says what to do."""
        return f"checklist.duty.{self.name}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with what was filled in."""

    code: str
    requirement: str
    severity: Severity = Severity.WRONG


def why(requirement: str, language: Language) -> str:
    """Why the supervisory authority asks it."""
    return text(language, f"checklist.why.{requirement}")


DUTIES: tuple[Duty, ...] = (
    # In the order of the work: first the law, then the people, then the equipment.
    Duty("legal.regime", "P1", "E_SEQUENCE"),
    Duty("legal.basis", "P1", "E_SEQUENCE"),
    Duty("legal.council_decision", "P1", "E_SEQUENCE"),
    Duty("legal.police_advice", "P1", "E_SEQUENCE"),
    Duty("legal.camera_declaration", "P1", "E_SEQUENCE"),
    Duty("purposes", "P3"),
    Duty("purposes.*.text", "P14"),
    Duty("purposes.*.necessity", "P20"),
    Duty("purposes.*.safety_evidence", "P15", "E_FINANCIAL_MOTIVE"),
    Duty("purposes.*.retention_hours", "P10", "E_RETENTION_CEILING"),
    Duty("finance.vendor_paid_per_fine", "P15", "E_FINANCIAL_MOTIVE"),
    Duty("alternatives.physical", "P16", "E_ALTERNATIVES"),
    Duty("alternatives.awareness", "P16", "E_ALTERNATIVES"),
    Duty("alternatives.targeted", "P16", "E_ALTERNATIVES"),
    Duty("dpia.reference", "P2", "E_DPIA"),
    Duty("dpia.version", "P2", "E_DPIA"),
    Duty("dpia.date", "P1", "E_SEQUENCE"),
    Duty("dpia.file", "P2", "E_DPIA_HASH"),
    Duty("dpia.sha256", "P2", "E_DPIA_HASH"),
    Duty("dpia.review_date", "P2", "E_DPIA_REVIEW"),
    Duty("dpia.dpo_opinion", "P2", "E_DPIA"),
    Duty("dpia.risks", "P2", "E_DPIA"),
    Duty("dpia.purposes", "P3", "E_PURPOSE_NOT_IN_DPIA"),
    Duty("accuracy", "P12", "E_ACCURACY"),
    Duty("activation.not_before", "P1", "E_SEQUENCE"),
    Duty("activation.sunset", "P11", "E_SUNSET"),
    Duty("evaluation.next_due", "P20", "E_EVALUATION"),
    Duty("controller", "P14"),
    Duty("dpo", "P14"),
    Duty("supervisory_authorities", "P19"),
    Duty("rights.text", "P19"),
    Duty("rights.contact", "P19"),
    Duty("rights.complaint", "P19"),
    Duty("information_board", "P14"),
    Duty("suspension.keys", "P17"),
    Duty("approvals.quorum", "P1", "E_QUORUM"),
    Duty("approvals.signers", "P1", "E_QUORUM"),
    Duty("cameras", "P11"),
    Duty("cameras.*.place", "P14"),
    Duty("cameras.*.field_of_view", "P11"),
    Duty("cameras.*.hours", "P11"),
    Duty("authorities", "P4"),
    Duty("authorities.*.valid", "P4"),
    Duty("authorities.*.competence", "P4"),
    Duty("lists.*.text", "P14"),
    Duty("lists.*.issuers", "P13"),
    Duty("lists.*.max_entries", "P13"),
    Duty("lists.*.max_entry_days", "P13"),
    Duty("rules", "P3"),
    Duty("site", "P14"),
    Duty("version", "P4"),
    Duty("schema", "P4"),
)

FAULTS: Mapping[str, Fault] = {
    # By the name of their text: `checklist.fault.sequence`.
    "sequence": Fault("E_SEQUENCE", "P1"),
    "alternatives_after_decision": Fault("E_SEQUENCE", "P16"),
    "opinion_order": Fault("E_SEQUENCE", "P1"),
    "future": Fault("E_SEQUENCE", "P1"),
    "aged": Fault("E_SEQUENCE", "P1"),
    "dpia_risk": Fault("E_DPIA", "P2"),
    "dpia_format": Fault("E_DPIA", "P2"),
    "dpia_size": Fault("E_DPIA", "P2"),
    "dpia_short": Fault("E_DPIA", "P2"),
    "dpia_repeats": Fault("E_DPIA", "P2"),
    "dpia_sentences": Fault("E_DPIA", "P2"),
    "dpia_unread": Fault("E_DPIA", "P2"),
    "dpia_silent": Fault("E_DPIA", "P2"),
    "dpia_review_order": Fault("E_DPIA_REVIEW", "P2"),
    "dpia_review_far": Fault("E_DPIA_REVIEW", "P2"),
    "dpia_review_passed": Fault("E_DPIA_REVIEW", "P2"),
    "dpia_file": Fault("E_DPIA_HASH", "P2"),
    "dpia_hash": Fault("E_DPIA_HASH", "P2"),
    "dpia_unfinished": Fault("E_DPIA", "P2"),
    "dpia_damaged": Fault("E_DPIA", "P2"),
    "dpia_unseen": Fault("E_DPIA", "P2"),
    "purpose_not_in_dpia": Fault("E_PURPOSE_NOT_IN_DPIA", "P3"),
    "paid_per_fine": Fault("E_FINANCIAL_MOTIVE", "P15"),
    "retention": Fault("E_RETENTION_CEILING", "P10"),
    "sunset_order": Fault("E_SUNSET", "P11"),
    "sunset_far": Fault("E_SUNSET", "P11"),
    "sunset_passed": Fault("E_SUNSET", "P11"),
    # A policy is signed before it starts; `check` warns, and the gate stays shut until then.
    "not_yet": Fault("E_SEQUENCE", "P1", Severity.WARNING),
    "evaluation_far": Fault("E_EVALUATION", "P20"),
    "evaluation_order": Fault("E_EVALUATION", "P20"),
    "evaluation_early": Fault("E_EVALUATION", "P20"),
    "evaluation_overdue": Fault("E_EVALUATION", "P20"),
    "quorum": Fault("E_QUORUM", "P1"),
    "same_key": Fault("E_DUTIES", "P1"),
    "two_duties": Fault("E_DUTIES", "P1"),
    "short_name": Fault("E_DUTIES", "P1"),
    "of_controller": Fault("E_DUTIES", "P1"),
    "receipts_none": Fault("E_RECEIPTS", "P10"),
    "accuracy": Fault("E_ACCURACY", "P12"),
    "accuracy_counts": Fault("E_ACCURACY", "P12"),
    "picture_counts": Fault("E_ACCURACY", "P6"),
    "accuracy_none": Fault("E_ACCURACY", "P12"),
    "accuracy_trial_lease": Fault("E_ACCURACY", "P12"),
    "accuracy_trial_check": Fault("E_ACCURACY", "P12"),
    "accuracy_trial_low": Fault("E_ACCURACY", "P12"),
    "trial_ended": Fault("E_ACCURACY", "P12"),
    "posterior": Fault("E_CERTAINTY", "P12"),
    "margin": Fault("E_CERTAINTY", "P12"),
    "human_check": Fault("E_HUMAN_CHECK", "P12"),
    "occupants_unneeded": Fault("E_OCCUPANTS", "P6"),
    "occupants_unchecked": Fault("E_OCCUPANTS", "P6"),
    "epoch": Fault("E_EPOCH", "P5"),
    "camera_hours": Fault("E_HOURS", "P11"),
    "rule_hours": Fault("E_HOURS", "P11"),
    "rule_schedule": Fault("E_HOURS", "P11"),
    "camera_hours_together": Fault("E_HOURS", "P11"),
    "rule_hours_together": Fault("E_HOURS", "P11"),
    "justification_short": Fault("E_HOURS", "P11"),
    "hit_share": Fault("E_HIT_SHARE", "P11"),
    "trial": Fault("W_TRIAL", "P12", Severity.WARNING),
    "no_human_check": Fault("W_HUMAN_CHECK", "P12", Severity.WARNING),
    "occupants": Fault("W_OCCUPANTS", "P6", Severity.WARNING),
    "always_open": Fault("W_ALWAYS_OPEN", "P11", Severity.WARNING),
    "place_unused": Fault("W_PLACE_UNUSED", "P6", Severity.WARNING),
    "keys_unnamed": Fault("W_AUTHORITY_KEYS", "P4", Severity.WARNING),
    "demo_key": Fault("W_DEMO_KEYS", "P1", Severity.WARNING),
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault of `FAULTS` at a place of the policy.

    `kind` is the fault's code and requirement, where the place decides them.
    """

    location: Location
    fault: str
    values: dict[str, str] = field(default_factory=dict)
    kind: Fault | None = None

    @property
    def code(self) -> str:
        return self._kind.code

    @property
    def requirement(self) -> str:
        return self._kind.requirement

    @property
    def severity(self) -> Severity:
        return self._kind.severity

    @property
    def _kind(self) -> Fault:
        return FAULTS[self.fault] if self.kind is None else self.kind

    @property
    def key(self) -> str:
        """The text that says what is wrong."""
        return f"checklist.fault.{self.fault}"

    def text(self, language: Language) -> str:
        """What is wrong, in one sentence."""
        values = dict(self.values)
        if "role" in values:
            values["role"] = text(language, f"checklist.role.{values['role']}")
        return text(language, self.key, **values)
