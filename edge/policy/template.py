"""The template that `edge-anpr policy new` writes: questions in the order of the law.

Above each field is the sentence that `edge-anpr check` prints about it, and the reason why it is
asked. A field without an answer stays blank, and `check` lists it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from edge.formats.identifiers import Id
from edge.policy.duties import DUTIES, why
from edge.policy.fields import Contact, DayText, Name, Reference
from edge.policy.skeleton import comment
from edge.texts import Language, text

_ID: TypeAdapter[str] = TypeAdapter(Id)
_DAY: TypeAdapter[str] = TypeAdapter(DayText)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_CONTACT: TypeAdapter[str] = TypeAdapter(Contact)
_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its duty.

    Attributes:
        name: of the answer.
        duty: the field that it belongs to.
        example: how an answer looks; it is never filled in.
        choices: the possible answers, empty for free text.
        kind: validates it as the policy does.
    """

    name: str
    duty: str
    example: str = ""
    choices: tuple[str, ...] = ()
    kind: TypeAdapter[str] = _REFERENCE

    def refusal(self, answer: str, language: Language) -> str | None:
        """Why the policy would refuse an answer; None if it fits."""
        if self.choices:
            if answer in self.choices:
                return None
            return text(language, "new.unfit_choice", choices=", ".join(self.choices))
        try:
            self.kind.validate_python(answer)
        except ValidationError as error:
            values = dict(error.errors()[0].get("ctx", {}))
            reason = "new.unfit_id" if self.kind is _ID else "new.unfit_date"
            key = str(values.pop("text", reason))
            return text(language, key, **values)
        return None

    def sentence(self, language: Language) -> str:
        """What is asked: the duty, and the part of it where several questions share it."""
        told = text(language, f"checklist.duty.{self.duty}")
        if sum(one.duty == self.duty for one in QUESTIONS) == 1:
            return told
        part = self.name.rpartition("_")[2]
        return f"{told} {text(language, f'new.part_{part}')}"

    def hint(self, language: Language) -> str:
        """The possible answers, or an example."""
        if self.choices:
            return text(language, "new.one_of", choices=", ".join(self.choices))
        return text(language, "new.example", example=self.example)


REGIMES = ("gas_speed", "camera_act", "police_function_act", "other")

QUESTIONS: tuple[Question, ...] = (
    Question("site", "site", "my-street", kind=_ID),
    Question("regime", "legal.regime", choices=REGIMES),
    Question("council_reference", "legal.council_decision", "GR 2025-11-24 nr. 12"),
    Question("council_date", "legal.council_decision", "2025-11-24", kind=_DAY),
    Question("police_reference", "legal.police_advice", "PZ 2025-1107"),
    Question("police_date", "legal.police_advice", "2025-11-07", kind=_DAY),
    Question("declaration_reference", "legal.camera_declaration", "2025-884213"),
    Question("declaration_date", "legal.camera_declaration", "2025-12-15", kind=_DAY),
    Question("dpia_reference", "dpia.reference", "GEB-2025-031"),
    Question("dpia_version", "dpia.version", "1.0"),
    Question("dpia_date", "dpia.date", "2025-10-20", kind=_DAY),
    Question("dpia_review", "dpia.review_date", "2027-10-20", kind=_DAY),
    Question("not_before", "activation.not_before", "2026-01-05", kind=_DAY),
    Question("sunset", "activation.sunset", "2028-12-31", kind=_DAY),
    Question("next_due", "evaluation.next_due", "2027-01-04", kind=_DAY),
    Question("controller_name", "controller", "Gemeente Voorbeeldgem", kind=_NAME),
    Question("controller_contact", "controller", "Marktplein 1, 9999 Voorbeeldgem", kind=_CONTACT),
    Question("dpo_name", "dpo", "DPO Voorbeeldgem", kind=_NAME),
    Question("dpo_contact", "dpo", "dpo@voorbeeldgem.example", kind=_CONTACT),
    Question("authority_name", "supervisory_authorities", "Vlaamse Toezichtcommissie", kind=_NAME),
    Question(
        "authority_contact",
        "supervisory_authorities",
        "contact@toezicht.example",
        kind=_CONTACT,
    ),
)

_TEMPLATE = """\
# new.policy
schema: edge-anpr/policy/3
@site
site: {site}
version: 1
timezone: Europe/Brussels

# --- new.law

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
  file: dpia.md
  @dpia.sha256
  sha256:
  @dpia.review_date
  review_date: {dpia_review}
  @dpia.dpo_opinion
  dpo_opinion: {{date: , text: {{nl: , fr: , de: , en: }}}}
  @dpia.risks
  risks:
    - {{risk: excessive-monitoring, measure: {{nl: , fr: , de: , en: }}}}
    - {{risk: error-margins, measure: {{nl: , fr: , de: , en: }}}}
    - {{risk: permanent-lists, measure: {{nl: , fr: , de: , en: }}}}
  @dpia.purposes
  purposes: []

@accuracy
accuracy:
  date:
  method: {{nl: , fr: , de: , en: }}
  vehicles:
  exact:
  interval:
  # {pictures}
  # pictures:
  #   date:
  #   method: {{nl: , fr: , de: , en: }}
  #   levels:
  #     vehicle: {{body_enough: [0, 1], glass_leaks: [0, 1], people: [0, 1], others_blocks: [0, 1]}}

activation:
  @activation.not_before
  not_before: {not_before}
  @activation.sunset
  sunset: {sunset}
  lease_days: 90

evaluation:
  @evaluation.next_due
  next_due: {next_due}

# --- new.people

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
information_board:
  places:
    - {{nl: , fr: , de: , en: }}
  website:

# --- new.signatures

approvals:
  @approvals.quorum
  quorum: [controller, police, dpo]
  @approvals.signers
  signers:
    # {own_key}: edge-anpr keys new signer mayor --out FOLDER
    # mayor: {{role: controller, name: , key: "ed25519:..."}}
    # chief-of-police: {{role: police, name: , key: "ed25519:..."}}
    # data-protection: {{role: dpo, name: , key: "ed25519:..."}}
suspension:
  @suspension.keys
  keys:
    # commission: {{name: , key: "ed25519:..."}}

# --- new.camera

@cameras
cameras:
  cam-1:
    @cameras.*.place
    place: {{nl: , fr: , de: , en: }}
    @cameras.*.field_of_view
    field_of_view:
      {{text: {{nl: , fr: , de: , en: }}, bearing_degrees: , angle_degrees: , reach_m: }}
    @cameras.*.hours
    hours:
      # weekly: {{mon: ["08:00-09:00", "15:15-16:15"], tue: ["08:00-09:00"]}}

@authorities
authorities:
  # police-zone:
  #   name: {zone}
  #   keys: keys/police-zone.public.json
  #   key_sha256: []  # edge-anpr keys show keys/police-zone.public.json
  #   valid: {{from: 2026-01-01, until: 2028-12-31}}
  #   competence: {{rules: [school-street], cameras: [cam-1]}}

# issuers:
#   mobility-office: {{name: {office}, key: "ed25519:..."}}
# lists:
#   permits: {{kind: exempt, text: {{nl: , fr: , de: , en: }}, file: lists/permits.csv,
#             issuers: [mobility-office], max_entries: 500, max_entry_days: 366}}

@rules
rules:
  # - id: school-street
  #   type: permit_zone              # hotlist | permit_zone | wrong_way
  #   purpose: purpose-1
  #   authority: police-zone
  #   reveal: plate                  # plate | vehicle; {occupants}
  #   list: permits
  #   min_posterior: 0.95            # {posterior}
  #   min_margin: 0.5                # {margin}
  #   human_check: true              # {check}
  #   schedule: {{weekly: {{mon: ["08:15-08:45"], tue: ["08:15-08:45"]}}}}
  #   # {hours}
  #   # hours_justification: {{nl: , fr: , de: , en: }}
  #   # max_hit_share: 0.8           # {share}

epoch_minutes: 15                    # {epoch}
"""


_COMMENTS = (
    *("own_key", "zone", "office", "occupants", "posterior", "pictures"),
    *("margin", "check", "hours", "share", "epoch"),
)
"""The texts of the template's comments and examples: `new.template_...`."""


def ask_all(language: Language, ask: Callable[[Question, str], str]) -> dict[str, str]:
    """Every answer by the question's name; an empty one leaves the field blank."""
    return {question.name: ask(question, question.sentence(language)) for question in QUESTIONS}


def template(language: Language, answers: Mapping[str, str]) -> str:
    """The text of a policy.yaml with the answers filled in."""
    values = {question.name: _scalar(answers.get(question.name, "")) for question in QUESTIONS}
    values |= {name: text(language, f"new.template_{name}") for name in _COMMENTS}
    duties = {duty.name: duty for duty in DUTIES}
    lines: list[str] = []
    for line in _TEMPLATE.format_map(values).splitlines():
        field = line.strip()
        if line == "# new.policy":
            lines += comment(text(language, "new.policy"))
            lines += comment(text(language, "checklist.result.legend"))
        elif line.startswith("# --- new."):
            lines.append(f"# --- {text(language, line.removeprefix('# --- '))} ".ljust(98, "-"))
        elif field.startswith("@"):
            duty = duties[field[1:]]
            told = f"{text(language, duty.key)} ({duty.requirement}) "
            indent = line[: len(line) - len(line.lstrip())]
            lines += comment(told + why(duty.requirement, language), indent=indent)
        else:
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _scalar(answer: str) -> str:
    """An answer as YAML reads it back: quoted, since JSON is YAML."""
    return json.dumps(answer, ensure_ascii=False) if answer else ""
