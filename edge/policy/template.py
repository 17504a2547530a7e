"""The template that `edge-anpr policy new` writes: questions in the order of the law.

Above each field is the sentence that `edge-anpr check` prints about it, and the reason why it is
asked. A field without an answer stays blank, and `check` lists it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.policy.duties import DUTIES, why
from edge.texts import Language, text


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its duty; `choices` are the possible answers, empty for free text."""

    name: str
    duty: str
    hint: str = ""
    choices: tuple[str, ...] = ()


REGIMES = ("gas_speed", "camera_act", "police_function_act", "other")

QUESTIONS: tuple[Question, ...] = (
    Question("site", "site", "a-z, 0-9, -"),
    Question("regime", "legal.regime", choices=REGIMES),
    Question("council_reference", "legal.council_decision", "reference"),
    Question("council_date", "legal.council_decision", "2025-11-24"),
    Question("police_reference", "legal.police_advice", "reference"),
    Question("police_date", "legal.police_advice", "2025-11-07"),
    Question("declaration_reference", "legal.camera_declaration", "reference"),
    Question("declaration_date", "legal.camera_declaration", "2025-12-15"),
    Question("dpia_reference", "dpia.reference", "reference"),
    Question("dpia_version", "dpia.version", "1.0"),
    Question("dpia_date", "dpia.date", "2025-10-20"),
    Question("dpia_review", "dpia.review_date", "2027-10-20"),
    Question("not_before", "activation.not_before", "2026-01-05"),
    Question("sunset", "activation.sunset", "2028-12-31"),
    Question("next_due", "evaluation.next_due", "2027-01-04"),
    Question("controller_name", "controller", "name"),
    Question("controller_contact", "controller", "contact"),
    Question("dpo_name", "dpo", "name"),
    Question("dpo_contact", "dpo", "contact"),
    Question("authority_name", "supervisory_authorities", "name"),
    Question("authority_contact", "supervisory_authorities", "contact"),
)

_TEMPLATE = """\
# policy.yaml: everything that touches people's rights. Fill in from top to bottom: the law first.
# `edge-anpr check` says what is still missing, `edge-anpr schema policy` what each field may hold.
schema: edge-anpr/policy/2
@site
site: {site}
version: 1
timezone: Europe/Brussels

# --- the law comes first ----------------------------------------------------------------------

legal:
  @legal.regime
  regime: {regime}
  @legal.basis
  basis:
    nl:
    fr:
    de:
    en:
  @legal.council_decision
  council_decision: {{reference: {council_reference}, date: {council_date}}}
  @legal.police_advice
  police_advice: {{reference: {police_reference}, date: {police_date}}}
  @legal.camera_declaration
  camera_declaration: {{reference: {declaration_reference}, date: {declaration_date}}}

@purposes
purposes:
  purpose-1:
    @purposes.*.text
    text: {{nl: , fr: , de: , en: }}
    @purposes.*.necessity
    necessity: {{nl: , fr: , de: , en: }}
    @purposes.*.safety_evidence
    safety_evidence: {{reference: , date: , finding: {{nl: , fr: , de: , en: }}}}
    @purposes.*.retention_hours
    retention_hours:

finance:
  @finance.vendor_paid_per_fine
  vendor_paid_per_fine:

alternatives:
  @alternatives.physical
  physical: {{date: , evidence: , outcome: {{nl: , fr: , de: , en: }}}}
  @alternatives.awareness
  awareness: {{date: , evidence: , outcome: {{nl: , fr: , de: , en: }}}}
  @alternatives.targeted
  targeted: {{date: , evidence: , outcome: {{nl: , fr: , de: , en: }}}}

dpia:
  @dpia.reference
  reference: {dpia_reference}
  @dpia.version
  version: {dpia_version}
  @dpia.date
  date: {dpia_date}
  @dpia.file
  file:
  @dpia.sha256
  sha256:
  @dpia.review_date
  review_date: {dpia_review}
  @dpia.dpo_opinion
  dpo_opinion: {{date: , text: }}
  @dpia.risks
  risks:
    - {{risk: excessive-monitoring, measure: }}
    - {{risk: error-margins, measure: }}
    - {{risk: permanent-lists, measure: }}
  @dpia.purposes
  purposes: []

@accuracy
accuracy: {{date: , method: , vehicles: , exact: , interval: }}

activation:
  @activation.not_before
  not_before: {not_before}
  @activation.sunset
  sunset: {sunset}
  lease_days: 90

evaluation:
  @evaluation.next_due
  next_due: {next_due}

# --- who answers for it -----------------------------------------------------------------------

@controller
controller: {{name: {controller_name}, contact: {controller_contact}}}
@dpo
dpo: {{name: {dpo_name}, contact: {dpo_contact}}}
@supervisory_authorities
supervisory_authorities:
  - {{name: {authority_name}, contact: {authority_contact}}}
rights:
  @rights.text
  text: {{nl: , fr: , de: , en: }}
  @rights.contact
  contact:
  @rights.complaint
  complaint: {{name: , contact: }}
@information_board
information_board: {{places: [], website: }}

# --- whose signature counts -------------------------------------------------------------------

approvals:
  @approvals.quorum
  quorum: [controller, police, dpo]
  @approvals.signers
  signers:
    # each signer makes a key of their own: edge-anpr keys new signer mayor --out FOLDER
    # mayor: {{role: controller, name: , key: "ed25519:..."}}
    # chief-of-police: {{role: police, name: , key: "ed25519:..."}}
    # data-protection: {{role: dpo, name: , key: "ed25519:..."}}
suspension:
  @suspension.keys
  keys:
    # commission: {{name: , key: "ed25519:..."}}

# --- what the camera does ---------------------------------------------------------------------

@cameras
cameras:
  cam-1:
    @cameras.*.place
    place:
    @cameras.*.field_of_view
    field_of_view: {{text: , bearing_degrees: , angle_degrees: , reach_m: }}
    @cameras.*.hours
    hours:

@authorities
authorities:
  # police-zone:
  #   name: Police zone, processing unit
  #   keys: keys/police-zone.public.json
  #   valid: {{from: 2026-01-01, until: 2028-12-31}}
  #   competence: {{rules: [school-street], cameras: [cam-1]}}

# issuers:
#   mobility-office: {{name: Mobility office, key: "ed25519:..."}}
# lists:
#   permits: {{kind: exempt, text: {{nl: , fr: , de: , en: }}, file: lists/permits.csv,
#             issuers: [mobility-office], max_entries: 500, max_entry_days: 366}}

@rules
rules:
  # - id: school-street
  #   type: permit_zone              # hotlist | permit_zone | wrong_way
  #   purpose: purpose-1
  #   authority: police-zone
  #   reveal: plate                  # plate | vehicle; occupants: only under police_function_act
  #   list: permits
  #   min_posterior: 0.95            # at least 0.9; 0.95 under gas_speed and other
  #   min_margin: 0.5                # at least 0.5
  #   human_check: true              # false only for a hotlist under police_function_act
  #   schedule: {{weekly: {{mon: ["08:15-08:45"], tue: ["08:15-08:45"]}}}}
  #   # without a schedule, and above 84 hours a week, the notice says why; cameras likewise:
  #   # hours_justification: {{nl: , fr: , de: , en: }}
  #   # max_hit_share: 0.8           # the rule stops itself above it; left out: 0.5 for permit_zone

epoch_minutes: 15                    # at most 60
"""


def questions(language: Language) -> tuple[tuple[Question, str], ...]:
    """The questions in order, each with its sentence."""
    return tuple(
        (question, text(language, f"checklist.duty.{question.duty}")) for question in QUESTIONS
    )


def ask_all(language: Language, ask: Callable[[Question, str], str]) -> dict[str, str]:
    """Every answer by the question's name; an empty one leaves the field blank."""
    return {question.name: ask(question, text) for question, text in questions(language)}


def template(language: Language, answers: Mapping[str, str]) -> str:
    """The text of a policy.yaml with the answers filled in."""
    values = {question.name: _scalar(answers.get(question.name, "")) for question in QUESTIONS}
    duties = {duty.name: duty for duty in DUTIES}
    lines: list[str] = []
    for line in _TEMPLATE.format_map(values).splitlines():
        field = line.strip()
        if not field.startswith("@"):
            lines.append(line.rstrip())
            continue
        duty = duties[field[1:]]
        reason = why(duty.requirement, language)
        comment = f"{text(language, duty.key)} ({duty.requirement}) {reason}"
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            comment, 98, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
    return "\n".join(lines) + "\n"


def _scalar(answer: str) -> str:
    """An answer as YAML reads it back: quoted, since JSON is YAML."""
    return json.dumps(answer, ensure_ascii=False) if answer else ""
