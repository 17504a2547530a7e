"""Every field of the policy, and who must sign when it changes; a new field needs a decision."""

from __future__ import annotations

import copy
import itertools
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from typing_extensions import Self

from edge.errors import EdgeError
from edge.formats.signing import SigningKey
from edge.policy.change import ChangeEffect
from edge.policy.diff import changes
from edge.policy.fields import Texts, WeeklySchedule
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, add_signature
from edge.policy.succession import require_allowed, uncovered
from tests.support.policies import KEYS, assess, document, next_version
from tests.support.sites import texts

# --- the fields -------------------------------------------------------------------------------

WHOLE = (Texts, WeeklySchedule)
"""Models that are compared as a whole."""


def leaves(kind: Any, at: str = "") -> Iterator[str]:
    """The paths of the fields of a model; `*` stands for any name or position."""
    arguments = [one for one in get_args(kind) if one is not type(None)]
    if not has_model(kind):
        yield at
    elif isinstance(kind, type):
        for name, field in kind.model_fields.items():  # type: ignore[attr-defined]
            yield from leaves(field.annotation, f"{at}.{field.alias or name}".lstrip("."))
    elif get_origin(kind) is dict:
        yield from leaves(arguments[1], f"{at}.*")
    elif get_origin(kind) is tuple:
        yield from leaves(arguments[0], f"{at}.*")
    else:
        assert get_origin(kind) in {typing.Union, types.UnionType, typing.Annotated}, kind
        for one in filter(has_model, arguments):
            yield from leaves(one, at)


def has_model(kind: Any) -> bool:
    """Whether a type is or holds a model whose fields are decided on one by one."""
    if isinstance(kind, type) and not get_args(kind):
        return issubclass(kind, BaseModel) and not issubclass(kind, WHOLE)
    return any(has_model(one) for one in get_args(kind))


LEAVES = tuple(dict.fromkeys(leaves(Policy)))

# --- the decisions ----------------------------------------------------------------------------

OTHER = object()
"""Any other value of the same kind."""
DATE = "2026-02-01"
LINE = (0.3, 0.3)
MORE, LESS = {"weekly": {"mon": ["05:00-23:00"]}}, {"weekly": {"mon": ["08:20-08:30"]}}
KEY = SigningKey.generate("other").public.text
MASK = [[0, 0], [0.2, 0], [0.2, 0.3]]
PARTY = {"name": "Commission 2", "contact": "other@square.example"}

WIDENING: dict[str, list[object]] = {
    # More is possible, or for longer. One value, or several, each of which widens.
    "timezone": ["Europe/Lisbon"],
    "controller.name": [OTHER],
    "joint_controllers.*.name": [OTHER],
    "processors.*.name": [OTHER],
    "processors.*.task": [OTHER],
    "legal.regime": ["gas_speed"],
    "purposes.*.text": [OTHER],
    "finance.vendor_paid_per_fine": [True],
    "dpia.risks.*.risk": [OTHER],
    "suspension.keys.*.name": [OTHER],
    "suspension.keys.*.key": [KEY],
    "suspension.keys.*.demo": [True],
    "cameras.*.place": [OTHER],
    "cameras.*.field_of_view.bearing_degrees": [11],
    "cameras.*.place_picture.sha256": ["cd" * 32],
    "cameras.*.place_picture.approved": ["2026-01-11"],
    "cameras.*.position.latitude": [50.0],
    "cameras.*.position.longitude": [3.0],
    "authorities.*.name": [OTHER],
    "authorities.*.keys": [OTHER],
    "authorities.*.key_sha256": [["cd" * 32], ["ab" * 32, "cd" * 32], None],
    "issuers.*.name": [OTHER],
    "issuers.*.key": [KEY],
    "issuers.*.demo": [True],
    "lists.*.kind": ["alert"],
    "lists.*.text": [OTHER],
    "lists.*.file": [OTHER, None],
    "rules.*.id": [OTHER],
    "rules.*.type": ["hotlist"],
    "rules.*.purpose": [OTHER],
    "rules.*.authority": [OTHER],
    "rules.*.list": [OTHER],
    "rules.*.line.from": [LINE],
    "rules.*.line.to": [LINE],
    "rules.*.allowed": ["right_to_left"],
    "rules.*.cameras": [None, ["south"]],
    "rules.*.human_check": [False],
    "rules.*.hours_justification": [OTHER],
    "cameras.*.hours_justification": [OTHER],
    "lists.*.issuers": [["office", "x"], ["x"]],
    # Of a list of permits: fewer or shorter ones make more offenders.
    "lists.*.max_entries": [4, 2],
    "lists.*.max_entry_days": [367, 365],
    "audit.witness": [None, OTHER],
}
ORDERED: dict[str, list[object]] = {
    # The first value widens, the second narrows.
    "purposes.*.retention_hours": [73, 71],
    "activation.not_before": ["2026-01-04"],
    "activation.sunset": ["2029-01-01", "2028-12-30"],
    "activation.lease_days": [91, 89],
    "evaluation.next_due": ["2027-01-05", "2027-01-03"],
    "dpia.review_date": ["2027-10-21", "2027-10-19"],
    "cameras.*.field_of_view.angle_degrees": [41],
    "cameras.*.field_of_view.reach_m": [31],
    "cameras.*.privacy_masks": [[], [MASK, [[0, 0], [1, 0], [1, 1]]]],
    "cameras.*.hours": [MORE, LESS],
    "authorities.*.valid.from": ["2025-12-31", "2026-01-02"],
    "authorities.*.valid.until": ["2029-01-01", "2028-12-30"],
    "authorities.*.competence.rules": [["zone", "looked-for", "one-way", "x"], ["zone"]],
    "authorities.*.competence.cameras": [["north", "south", "x"], ["north"]],
    "authorities.*.competence.hours": [MORE, LESS],
    "rules.*.reveal": ["occupants", "plate"],
    "rules.*.min_posterior": [0.94, 0.96],
    "rules.*.min_margin": [0.49, 0.51],
    "rules.*.schedule": [MORE, LESS],
    "rules.*.max_hit_share": [0.21, 0.19],
    "epoch_minutes": [16, 14],
}
SUBSTANTIVE: dict[str, list[object]] = {
    # No more is possible; what people's rights rest on changes, either way.
    "controller.contact": [OTHER],
    "joint_controllers.*.contact": [OTHER],
    "joint_controllers.*.agreement": [OTHER],
    "processors.*.contact": [OTHER],
    "processors.*.agreement": [OTHER],
    "dpo.name": [OTHER],
    "dpo.contact": [OTHER],
    "supervisory_authorities.*.name": [OTHER],
    "supervisory_authorities.*.contact": [OTHER],
    "legal.basis": [OTHER],
    "legal.council_decision.reference": [OTHER],
    "legal.council_decision.date": [DATE],
    "legal.police_advice.reference": [OTHER],
    "legal.police_advice.date": [DATE],
    "legal.camera_declaration.reference": [OTHER],
    "legal.camera_declaration.date": [DATE],
    "purposes.*.necessity": [OTHER],
    "purposes.*.safety_evidence.reference": [OTHER],
    "purposes.*.safety_evidence.date": [DATE],
    "purposes.*.safety_evidence.finding": [OTHER],
    "alternatives.physical.date": [DATE],
    "alternatives.physical.evidence": [OTHER],
    "alternatives.physical.outcome": [OTHER],
    "alternatives.awareness.date": [DATE],
    "alternatives.awareness.evidence": [OTHER],
    "alternatives.awareness.outcome": [OTHER],
    "alternatives.targeted.date": [DATE],
    "alternatives.targeted.evidence": [OTHER],
    "alternatives.targeted.outcome": [OTHER],
    "dpia.reference": [OTHER],
    "dpia.version": [OTHER],
    "dpia.date": [DATE],
    "dpia.file": [OTHER],
    "dpia.sha256": ["0" * 64],
    "dpia.dpo_opinion.date": [DATE],
    "dpia.dpo_opinion.text": [OTHER],
    "dpia.dpo_opinion.draft_sha256": ["0" * 64],
    "dpia.risks.*.measure": [OTHER],
    "dpia.purposes": [["other"]],
    "dpia.covers": [["cameras.north"]],
    "accuracy.date": [DATE],
    "accuracy.method": [OTHER],
    "accuracy.vehicles": [26, 1],
    "accuracy.exact": [24, 0],
    "accuracy.interval": [[0.9, 1]],
    "accuracy.pictures.date": [DATE],
    "accuracy.pictures.method": [OTHER],
    "accuracy.pictures.levels.*.body_enough": [[51, 60]],
    "accuracy.pictures.levels.*.glass_leaks": [[2, 58], None],
    "accuracy.pictures.levels.*.heads": [[8, 10], None],
    "accuracy.pictures.levels.*.people": [[1, 12], None],
    "accuracy.pictures.levels.*.others_blocks": [[1, 4000], None],
    "evaluation.last.reference": [OTHER],
    "evaluation.last.date": ["2026-07-01"],
    "evaluation.last.outcome": [OTHER],
    "approvals.quorum": [["controller", "police"]],
    "approvals.signers.*.name": [OTHER],
    "approvals.signers.*.key": [KEY],
    "approvals.signers.*.demo": [True],
    "approvals.signers.*.role": ["dpo"],
    "cameras.*.field_of_view.text": [OTHER],
    "authorities.*.receipts": ["none"],
    "rights.text": [OTHER],
    "rights.contact": [OTHER],
    "rights.complaint.name": [OTHER],
    "rights.complaint.contact": [OTHER],
    "information_board.places": [[texts("At the tower")]],
    "information_board.website": [OTHER],
}
NEUTRAL = ("version",)
FIXED = ("schema", "site")
"""Another schema is not read, and a policy of another site never follows."""

DECIDED = (*WIDENING, *ORDERED, *SUBSTANTIVE, *NEUTRAL, *FIXED)


def test_p4_there_is_a_decision_for_every_field_of_the_policy() -> None:
    assert len(set(DECIDED)) == len(DECIDED)
    assert set(LEAVES) - set(DECIDED) == set(), "decide which signatures a change of these needs"
    assert set(DECIDED) - set(LEAVES) == set(), "these fields are gone"


# --- changing them ----------------------------------------------------------------------------


def fill(content: dict[str, Any]) -> None:
    """Fill in every field that the example leaves out."""
    party = {"name": "Zone", "contact": "zone@square.example", "agreement": "Contract 1"}
    content["joint_controllers"] = [party]
    content["processors"] = [{**party, "task": texts("Mounts the box")}]
    content["cameras"]["north"]["position"] = {"latitude": 51.0, "longitude": 3.7}
    content["cameras"]["north"]["privacy_masks"] = [MASK]
    still = {"sha256": "ab" * 32, "approved": "2026-01-10"}
    content["cameras"]["north"]["place_picture"] = still
    outcome = texts("Still needed")
    content["evaluation"]["last"] = {"reference": "E 1", "date": "2026-06-01", "outcome": outcome}
    content["authorities"]["police"]["competence"]["hours"] = {"weekly": {"mon": ["06:00-22:00"]}}
    content["authorities"]["police"]["key_sha256"] = ["ab" * 32]
    content["audit"]["witness"] = "The archive"
    content["accuracy"]["pictures"] = {
        "date": "2026-01-10",
        "method": texts("Photographs of the place"),
        "levels": {
            "vehicle": {
                "body_enough": [50, 60],
                "glass_leaks": [1, 58],
                "heads": [9, 10],
                "people": [0, 12],
                "others_blocks": [0, 4000],
            }
        },
    }
    content["rules"][0]["cameras"] = ["north"]
    content["rules"][0]["max_hit_share"] = 0.2
    for holder in (content["rules"][0], content["cameras"]["north"]):
        holder["hours_justification"] = texts("Vehicles pass this place at any hour")
    content["rules"][0]["schedule"] = {"weekly": {"mon": ["08:15-08:45"]}}


FILLED = document(fill, real=True)
BEFORE = Policy.model_validate(FILLED)
ROLES = ("mayor", "chief", "officer")
"""One signer of each role."""


def change(path: str, value: object) -> dict[str, Any]:
    """The next version with another value in the first place that has this path."""
    content = copy.deepcopy(FILLED)
    next_version(content)
    steps = path.split(".")
    holder: Any = content
    for step, following in itertools.pairwise(steps):
        if step != "*":
            holder = holder[step]
        elif isinstance(holder, dict):
            holder = next(iter(holder.values()))
        else:
            holder = next(one for one in holder if following in one)
    last = steps[-1]
    holder[last] = other(holder[last]) if value is OTHER else value
    return content


def other(value: Any) -> Any:
    """Another text, contact or website of the same kind."""
    if isinstance(value, dict):
        return {key: other(one) for key, one in value.items()}
    return value.replace("://", "://other.") if "://" in value else f"other-{value}"


@dataclass(frozen=True)
class Draft:
    """A next version, with the signature of one signer of each role."""

    policy: Policy
    signatures: PolicySignatures

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        policy = Policy.model_validate(content)
        signatures = PolicySignatures(policy_sha256=policy.sha256(), signatures={})
        for name in ROLES:
            signatures = add_signature(policy, KEYS[name], signatures)
        return cls(policy, signatures)

    def directions(self) -> set[ChangeEffect]:
        """The directions of the changes, without that of the version."""
        found = changes(BEFORE, self.policy)
        return {one.direction for one in found if one.location != ("version",)}

    def refusal(self, *signers: str) -> str | None:
        """The code with which it is refused when only these have signed; None if it may follow."""
        only = {name: self.signatures.signatures[name] for name in signers}
        signatures = self.signatures.model_copy(update={"signatures": only})
        try:
            require_allowed(BEFORE, self.policy, signatures)
        except EdgeError as error:
            return error.code
        return None


def incomplete(path: str) -> str:
    """The code for a change that not every role has signed."""
    return "E_EVALUATION" if path.startswith("evaluation.") else "E_QUORUM"


def each(table: Mapping[str, Sequence[object]]) -> list[Any]:
    return [
        pytest.param(path, value, id=f"{path}-{number}")
        for path, values in table.items()
        for number, value in enumerate(values)
    ]


MORE_POSSIBLE = {**WIDENING, **{path: values[:1] for path, values in ORDERED.items()}}
LESS_POSSIBLE = {path: values[1:] for path, values in ORDERED.items()}
FEWER_THAN_ALL = [
    signers for number in (0, 1, 2) for signers in itertools.combinations(ROLES, number)
]


@pytest.mark.parametrize(("path", "value"), each(MORE_POSSIBLE))
def test_p4_what_lets_the_box_do_more_needs_all_roles_and_a_dpia_that_names_it(
    path: str, value: object
) -> None:
    content = change(path, value)
    draft = Draft.of(content)

    assert ChangeEffect.WIDENING in draft.directions()
    for signers in FEWER_THAN_ALL:
        assert draft.refusal(*signers) == incomplete(path)
    assert draft.refusal(*ROLES) == "E_DPIA_WIDENING"

    covers = uncovered(BEFORE, draft.policy)
    assert covers
    assess(content, covers[1:])
    if path != "dpia.review_date":  # a new assessment sets a date of its own
        assert Draft.of(content).refusal(*ROLES) == "E_DPIA_WIDENING"
    assess(content, covers)
    assessed = Draft.of(content)
    assert assessed.refusal(*ROLES) is None
    for signer in ROLES:
        assert assessed.refusal(signer) is not None


@pytest.mark.parametrize(
    ("name", "value", "direction"),
    [
        ("max_entries", 99_999, ChangeEffect.WIDENING),
        ("max_entries", 1, ChangeEffect.NARROWING),
        ("max_entry_days", 999, ChangeEffect.WIDENING),
        ("max_entry_days", 1, ChangeEffect.NARROWING),
    ],
)
def test_p4_a_list_of_vehicles_looked_for_may_have_fewer_or_shorter_entries(
    name: str, value: int, direction: ChangeEffect
) -> None:
    content = copy.deepcopy(FILLED)
    next_version(content)
    assert content["lists"]["stolen"]["kind"] == "alert"
    content["lists"]["stolen"][name] = value
    assert Draft.of(content).directions() == {direction}


TOLD_ONLY: dict[str, list[object]] = {
    # Less of it is told to people, and no box enforces it.
    "activation.not_before": [DATE],
    "cameras.*.field_of_view.angle_degrees": [39, 1],
    "cameras.*.field_of_view.reach_m": [29, 1],
}


@pytest.mark.parametrize(("path", "value"), each({**SUBSTANTIVE, **TOLD_ONLY}))
def test_p4_what_rights_rest_on_needs_all_roles_and_no_new_dpia(path: str, value: object) -> None:
    draft = Draft.of(change(path, value))

    assert draft.directions() == {ChangeEffect.SUBSTANTIVE}
    for signers in FEWER_THAN_ALL:
        code = draft.refusal(*signers)
        assert code is not None
        if not path.startswith("approvals."):
            assert code == incomplete(path)
    # A signer whose key or role changes cannot sign for both versions alone.
    if path not in {"approvals.signers.*.key", "approvals.signers.*.role"}:
        assert draft.refusal(*ROLES) is None


def test_p4_each_field_that_one_signer_may_lower_is_enforced_by_the_box() -> None:
    """Decided one by one; a smaller view, which only the notice tells, is none of them."""
    enforced = {
        "purposes.*.retention_hours",
        "activation.sunset",
        "activation.lease_days",
        "evaluation.next_due",  # no renewal after it
        "dpia.review_date",  # the gate shuts after it
        "cameras.*.privacy_masks",
        "cameras.*.hours",
        "authorities.*.valid.from",
        "authorities.*.valid.until",
        "authorities.*.competence.rules",
        "authorities.*.competence.cameras",
        "authorities.*.competence.hours",
        "rules.*.reveal",
        "rules.*.min_posterior",
        "rules.*.min_margin",
        "rules.*.schedule",
        "rules.*.max_hit_share",
        "epoch_minutes",
    }
    assert {path for path, values in LESS_POSSIBLE.items() if values} == enforced


@pytest.mark.parametrize(("path", "value"), each(LESS_POSSIBLE))
def test_p4_what_lets_the_box_do_less_needs_one_signer(path: str, value: object) -> None:
    draft = Draft.of(change(path, value))

    assert draft.directions() == {ChangeEffect.NARROWING}
    assert draft.refusal() == "E_QUORUM"
    for signer in ROLES:
        assert draft.refusal(signer) is None


def test_p4_only_a_new_number_and_another_order_touch_nobody() -> None:
    content = change("version", 9)
    content["rules"].reverse()
    content["approvals"]["quorum"].reverse()
    draft = Draft.of(content)

    assert draft.directions() == set()
    assert draft.refusal() == "E_QUORUM"
    assert draft.refusal("chief") is None


@pytest.mark.parametrize(
    ("path", "direction"),
    [
        *((path, ChangeEffect.WIDENING) for path in ("purposes", "cameras", "authorities")),
        *((path, ChangeEffect.WIDENING) for path in ("issuers", "lists", "suspension.keys")),
        ("approvals.signers", ChangeEffect.SUBSTANTIVE),
    ],
)
def test_p4_a_new_name_is_no_neutral_change(path: str, direction: ChangeEffect) -> None:
    content = copy.deepcopy(FILLED)
    next_version(content)
    holder: Any = content
    for step in path.split("."):
        holder = holder[step]
    name = next(iter(holder))
    holder["renamed"] = holder.pop(name)
    draft = Draft.of(content)

    assert direction in draft.directions()
    assert draft.refusal("mayor") in {"E_QUORUM", "E_SIGNATURE"}


@pytest.mark.parametrize("section", ["processors", "joint_controllers", "supervisory_authorities"])
def test_p14_a_party_that_people_are_told_of_does_not_disappear_with_one_signature(
    section: str,
) -> None:
    content = change(section, [] if section != "supervisory_authorities" else [PARTY])
    draft = Draft.of(content)

    assert draft.directions() == {ChangeEffect.SUBSTANTIVE}
    assert draft.refusal("mayor") == "E_QUORUM"


def test_p4_a_field_that_is_filled_in_for_the_first_time_is_no_neutral_change() -> None:
    bare = Policy.model_validate(document(real=True))
    for path in ("audit", "evaluation", "joint_controllers", "processors"):
        after = bare.model_copy(update={path: getattr(BEFORE, path), "version": 2})
        found = {one.direction for one in changes(bare, after) if one.location != ("version",)}
        assert found
        assert found <= {ChangeEffect.WIDENING, ChangeEffect.SUBSTANTIVE}
