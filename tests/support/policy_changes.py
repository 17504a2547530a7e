"""Single changes of a policy, by what they do: for tests of differences and of signatures."""

from __future__ import annotations

from typing import Any

from edge.policy.diff import changes
from edge.policy.model import Policy
from tests.support.policies import Change, document, next_version, policy
from tests.support.sites import texts

BEFORE = policy(real=True)


def after(*more: Change) -> Policy:
    return policy(next_version, *more, real=True)


def told(*more: Change) -> list[str]:
    """The changes, without that of the version."""
    return [
        f"{one.direction.value} {one.what}"
        for one in changes(BEFORE, after(*more))
        if one.location != ("version",)
    ]


def edit(path: str, value: object) -> Change:
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))

    def change(content: Any) -> None:
        for step in way:
            content = content[step]
        content[last] = value

    return change


CAMERA = {
    "place": texts("The west corner"),
    "field_of_view": {
        "text": texts("Lane"),
        "bearing_degrees": 1,
        "angle_degrees": 40,
        "reach_m": 30,
    },
    "hours": {"weekly": {"mon": ["06:00-07:00"]}},
}
JOINT = {"name": "Zone", "contact": "zone@a.example", "agreement": "Arrangement 7"}
PROCESSOR = {**JOINT, "name": "Fitter", "task": texts("Mounts the box")}
PURPOSE = document()["purposes"]["quiet"]
HOURS = "cameras/north/hours/weekly/"
TEXTS = texts("Other words")
SIGNER = document(real=True)["approvals"]["signers"]["mayor"]
WIDENINGS = {
    "a camera more": (edit("cameras/west", CAMERA), "camera"),
    "a camera elsewhere": (edit("cameras/north/place", texts("The tower")), "camera"),
    "a camera on another point": (
        edit("cameras/north/position", {"latitude": 51.0, "longitude": 3.7}),
        "camera",
    ),
    "another bearing": (edit("cameras/north/field_of_view/bearing_degrees", 11), "field-of-view"),
    "a wider angle": (edit("cameras/north/field_of_view/angle_degrees", 41), "field-of-view"),
    "a longer reach": (edit("cameras/north/field_of_view/reach_m", 31), "field-of-view"),
    "a mask less": (edit("cameras/south/privacy_masks", []), "field-of-view"),
    "one more hour": (edit(HOURS + "mon", ["06:00-23:00"]), "hours"),
    "one more day": (edit(HOURS + "sun", ["06:00-07:00"]), "hours"),
    "hours on one date": (
        edit("cameras/north/hours/exceptions", [{"date": "2026-05-03", "hours": ["06:00-06:01"]}]),
        "hours",
    ),
    "a rule without its hours": (edit("rules/0/schedule", None), "hours"),
    "a holiday less": (edit("rules/0/schedule/holidays", []), "hours"),
    "another time zone": (edit("timezone", "Europe/Lisbon"), "hours"),
    "a longer list": (edit("lists/permits/max_entries", 4), "list-size"),
    "longer entries": (edit("lists/permits/max_entry_days", 367), "entry-duration"),
    "another kind of list": (edit("lists/permits/kind", "alert"), "list"),
    "a list more": (edit("lists/more", document()["lists"]["permits"]), "list"),
    "more of the picture": (edit("rules/1/reveal", "vehicle"), "reveal"),
    "the driver too": (edit("rules/0/reveal", "driver"), "reveal"),
    "more of the picture still": (edit("rules/0/reveal", "occupants"), "reveal"),
    "longer retention": (edit("purposes/quiet/retention_hours", 73), "retention"),
    "a lower threshold": (edit("rules/0/min_posterior", 0.94), "threshold"),
    "a smaller margin": (edit("rules/0/min_margin", 0.49), "threshold"),
    "nobody checks": (edit("rules/0/human_check", False), "human-check"),
    "an authority more": (
        edit("authorities/mayor", document()["authorities"]["police"]),
        "recipient",
    ),
    "an authority by another name": (edit("authorities/police/name", "Guards"), "recipient"),
    "an authority with other keys": (edit("authorities/police/keys", "keys/x.json"), "recipient"),
    "a longer mandate": (edit("authorities/police/valid/until", "2029-01-01"), "recipient"),
    "an earlier mandate": (edit("authorities/police/valid/from", "2025-12-31"), "recipient"),
    "a processor more": (
        edit("processors", [PROCESSOR]),
        "recipient",
    ),
    "a purpose more": (edit("purposes/more", PURPOSE), "purpose"),
    "a purpose in other words": (edit("purposes/quiet/text", TEXTS), "purpose"),
    "another line": (edit("rules/2/line", {"from": [0.1, 0.5], "to": [0.9, 0.6]}), "rule"),
    "a rule on every camera": (edit("rules/1/cameras", None), "camera"),
    "a later end": (edit("activation/sunset", "2029-01-01"), "sunset"),
    "a longer lease": (edit("activation/lease_days", 91), "lease"),
    "an evaluation put off": (edit("evaluation/next_due", "2027-01-05"), "evaluation"),
    "a longer epoch": (edit("epoch_minutes", 16), "epoch"),
    "another act": (edit("legal/regime", "gas_speed"), "legal"),
    "another controller": (edit("controller/name", "Village"), "controller"),
    "nobody can suspend": (
        edit("suspension/keys", {"x": document()["issuers"]["office"]}),
        "suspension",
    ),
    "an issuer more": (edit("issuers/second", document()["issuers"]["office"]), "issuer"),
    "an issuer's other key": (
        edit("issuers/office/key", document()["suspension"]["keys"]["vtc"]["key"]),
        "other",
    ),
    "a DPIA that is reviewed later": (edit("dpia/review_date", "2027-10-21"), "dpia"),
    "a risk less": (lambda c: c["dpia"]["risks"].pop(), "dpia"),
    "an earlier start": (edit("activation/not_before", "2026-01-04"), "start"),
    "a list about other vehicles": (edit("lists/stolen/text", TEXTS), "list"),
    "a list from another file": (edit("lists/stolen/file", "lists/permits.csv"), "list"),
}

SUBSTANTIVE = {
    "a signer more": (edit("approvals/signers/second", SIGNER), "approvals"),
    "a signer's other key": (
        edit("approvals/signers/mayor/key", document()["approvals"]["signers"]["chief"]["key"]),
        "approvals",
    ),
    "the officer's other contact": (edit("dpo/contact", "new@square.example"), "contact"),
    "another contact for rights": (edit("rights/contact", "new@square.example"), "contact"),
    "complaints to the mayor": (
        edit("rights/complaint/contact", "mayor@square.example"),
        "contact",
    ),
    "another legal basis": (edit("legal/basis", TEXTS), "legal"),
    "an invented council": (edit("legal/council_decision/reference", "Council 99"), "legal"),
    "other measurements": (edit("accuracy/method", TEXTS), "accuracy"),
    "a view in other words": (edit("cameras/north/field_of_view/text", TEXTS), "field-of-view"),
    "a narrower angle": (edit("cameras/north/field_of_view/angle_degrees", 39), "field-of-view"),
    "a shorter reach": (edit("cameras/north/field_of_view/reach_m", 29), "field-of-view"),
    "a witness": (edit("audit/witness", "The archive"), "audit"),
    "an evaluation": (
        edit("evaluation/last", {"reference": "E 1", "date": "2026-06-01", "outcome": TEXTS}),
        "evaluation",
    ),
    "a later start": (edit("activation/not_before", "2026-01-06"), "start"),
    "a measure in other words": (edit("dpia/risks/0/measure", TEXTS), "dpia"),
}

NARROWINGS = {
    "a camera less": (lambda c: c["cameras"].pop("south"), "camera"),
    "one hour less": (edit(HOURS + "mon", ["06:00-21:00"]), "hours"),
    "a holiday": (edit("cameras/north/hours/holidays", ["2026-05-04"]), "hours"),
    "a shorter list": (edit("lists/stolen/max_entries", 2), "list-size"),
    "shorter entries": (edit("lists/stolen/max_entry_days", 91), "entry-duration"),
    "less of the picture": (edit("rules/0/reveal", "plate"), "reveal"),
    "the driver alone": (edit("rules/2/reveal", "driver"), "reveal"),
    "shorter retention": (edit("purposes/quiet/retention_hours", 71), "retention"),
    "a higher threshold": (edit("rules/0/min_posterior", 0.96), "threshold"),
    "somebody checks": (edit("rules/1/human_check", True), "human-check"),
    "an earlier end": (edit("activation/sunset", "2028-12-30"), "sunset"),
    "an earlier evaluation": (edit("evaluation/next_due", "2027-01-03"), "evaluation"),
    "a rule less": (lambda c: c["rules"].pop(), "rule"),
    "somebody more can suspend": (
        edit("suspension/keys/second", document()["issuers"]["office"]),
        "suspension",
    ),
}
