"""Policies and their notices: a plain one, and several that together use every text and drawing.

The several have fixed dates, so that their notices are the same bytes on every day.
"""

from __future__ import annotations

import functools
import html
import re
from dataclasses import replace
from typing import Any

from edge.domain.schedule import DAYS
from edge.formats.signing import SigningKey
from edge.policy.change import ChangeEffect
from edge.policy.model import ROLES, Policy, Role
from edge.policy.notice.content import NoticeContent
from edge.policy.notice.counts import PublishedCounts
from edge.policy.notice.history import Version
from edge.policy.notice.publication import PAGE_FILE, notice_content, publication
from edge.privacy.deletions import verify_deletions
from tests.support.deletions import statement_lines
from tests.support.sites import AUTHORITY, hotlist_rule, policy

MADE_BY = "1.2.3"
SPECIAL = """<b title="x">Town & 'Sons'</b> https://a.example/?x=1&y='2' me@a.example."""
EACH_MONTH = [{"date": f"2027-{month:02}-01", "hours": []} for month in range(1, 13)]
KINDS = (
    "camera", "field-of-view", "hit-share", "hours", "list", "list-size", "entry-duration",
    "issuer", "reveal", "retention", "threshold", "recipient", "purpose", "rule", "audit",
)  # fmt: skip
SHOWN_OF_VEHICLES = {
    "body_enough": [53, 60],
    "glass_leaks": [1, 58],
    "people": [0, 1250],
    "others_blocks": [2, 4310],
}
RESTED_ON = ("legal", "dpia", "accuracy", "evaluation", "start", "contact", "approvals", "text")


def fixed_policy(**changed: Any) -> dict[str, Any]:
    """The policy of the test site with an evaluation on fixed days."""
    content = policy()
    content["evaluation"] = {
        "last": {
            "reference": "Evaluation 1",
            "date": "2026-10-01",
            "outcome": said("Still needed: 50 % « less » traffic!"),
        },
        "next_due": "2027-10-01",
    }
    return {**content, **changed}


def said(text: str) -> dict[str, str]:
    return {language: f"{text} ({language})" for language in ("nl", "fr", "de", "en")}


def long_notice() -> NoticeContent:
    """A draft with every part that a policy may have, more than once, and markup in its texts."""
    content = fixed_policy(version=7)
    content["controller"] = {"name": SPECIAL, "contact": SPECIAL}
    content["joint_controllers"] = [
        {"name": f"Zone {SPECIAL}", "contact": "zone@a.example", "agreement": SPECIAL}
    ]
    content["processors"] = [
        {
            "name": "Fitter",
            "contact": "https://fit.example/a.",
            "task": said(SPECIAL),
            "agreement": "C 9",
        }
    ]
    content["purposes"]["wanted-vehicles"]["text"] = said(SPECIAL)
    content["purposes"]["quiet"] = {
        **content["purposes"]["wanted-vehicles"],
        "text": said("Quiet street? Yes; really"),
        "retention_hours": 1,
    }
    content["dpia"]["risks"].append({"risk": "a-further-risk", "measure": said(SPECIAL)})
    content["cameras"] = {f"cam-{number}": camera(number) for number in range(1, 9)}
    content["lists"]["permits"] = {
        **content["lists"]["stolen"],
        "kind": "exempt",
        "text": said(SPECIAL),
        "max_entries": 12345,
        "max_entry_days": 1,
    }
    content["lists"]["stolen"]["max_entries"] = 1
    weekly = {"mon": ["08:15-08:45", "15:30-16:00"], "tue": ["08:15-08:45", "15:30-16:00"]}
    content["rules"] = [
        hotlist_rule(human_check=False, cameras=["cam-1"]),
        hotlist_rule(id="stolen-2", reveal="occupants", purpose="quiet"),
        {**hotlist_rule(id="zone", reveal="plate"), "type": "permit_zone", "list": "permits"},
        wrong_way_rule(schedule={"weekly": weekly, "exceptions": EACH_MONTH}),
    ]
    content["authorities"]["other"] = {**content["authorities"][AUTHORITY], "name": SPECIAL}
    content["rules"][1]["authority"] = "other"
    content["accuracy"]["pictures"] = {
        "date": "2026-05-01",
        "method": said(SPECIAL),
        "levels": {
            "vehicle": SHOWN_OF_VEHICLES,
        },
    }
    counts = {
        "site": content["site"],
        "quarters": [
            {"quarter": "2026-Q1", "vehicles": 41230, "reports": {"stolen": 9, "gone": 12}},
            {"quarter": "2026-Q2", "vehicles": "<10"},
        ],
        "lists": {"stolen": 3, "permits": 312},
    }
    changed = {
        ChangeEffect.WIDENING: KINDS,
        ChangeEffect.SUBSTANTIVE: RESTED_ON,
        ChangeEffect.NARROWING: ("rule", "text"),
        ChangeEffect.NEUTRAL: ("version", "hours"),
    }
    versions = (
        Version(7, "2026-05-05", "ab" * 32, changed),
        Version(6, "2026-04-05", "cd" * 32, {}),
        Version(5, "2026-03-05", "ef" * 32, {ChangeEffect.SUBSTANTIVE: ("text",)}),
        Version(4, "2026-02-05", "01" * 32, None),
    )
    return NoticeContent(
        Policy.model_validate(content),
        frozenset(),
        versions,
        PublishedCounts.model_validate(counts),
        draft=True,
        made_by=MADE_BY,
    )


def short_notice(regime: str = "gas_speed", reveal: str = "vehicle") -> NoticeContent:
    """A policy with the least that it may have; one role has signed it."""
    content = fixed_policy(lists={}, rules=[wrong_way_rule(reveal=reveal)])
    content["legal"]["regime"] = regime
    content["evaluation"]["last"] = None
    content["accuracy"].update(vehicles=10, exact=10, interval=[0.722, 1])  # a trial
    content["cameras"]["cam-1"]["hours"] = {}
    return notice_of(content, "controller")


def notice_of(content: dict[str, Any], *signed: Role) -> NoticeContent:
    model = Policy.model_validate(content)
    first = Version(1, model.activation.not_before, model.sha256(), None)
    return NoticeContent(model, frozenset(signed), (first,), None, draft=False, made_by=MADE_BY)


def every_notice() -> dict[str, NoticeContent]:
    """Notices by name; no text of the notice is left that none of them uses."""
    return {
        "long": long_notice(),
        "short": short_notice(),
        "police": short_notice("police_function_act", "driver"),
        "other": with_deletions(short_notice("other", "occupants")),
        "signed": notice_of(fixed_policy(), *ROLES),
    }


def with_deletions(notice: NoticeContent) -> NoticeContent:
    """The notice with what a desk of one of its authorities has stated."""
    lines = statement_lines(
        [(120, "<10"), (30, "<10")],
        authority=next(iter(notice.policy.authorities)),
        site=notice.policy.site,
        key=SigningKey.demo_of("desk"),
    )
    return replace(notice, deletions=verify_deletions(b"".join(lines)))


def camera(number: int) -> dict[str, Any]:
    """One of eight cameras that look in eight directions, with less or more of everything."""
    weeks: list[dict[str, Any]] = [
        {"weekly": {day: ["00:00-24:00"] for day in DAYS}},
        {"weekly": {"mon": ["08:00-09:00"], "wed": ["08:00-09:00"], "sat": ["22:00-06:00"]}},
        {"weekly": {day: ["07:00-19:00"] for day in DAYS[:5]}, "holidays": ["2026-12-25"]},
        {"holidays": ["2026-07-01..2026-08-31", "2026-11-11", "2026-12-25"]},
    ]
    near = {"latitude": 51.05 + number / 2000, "longitude": 3.72 - number / 1500}
    far = {"latitude": 50.1, "longitude": 4.0}
    still = {"sha256": "ab" * 32, "approved": "2026-01-10"}
    return {
        "place": said(f"Place {(number + 1) // 2} {SPECIAL}"),
        "field_of_view": {
            "text": said(f"lane {SPECIAL}"),
            "bearing_degrees": (number - 1) * 45,
            "angle_degrees": 20 * number,
            "reach_m": 12 * number,
        },
        "position": {7: far, 8: None}.get(number, near),
        "privacy_masks": [[[0, 0], [0.5, 0], [0.5, 0.5]]] * (number % 3),
        "place_picture": still if number == 2 else None,
        "hours": weeks[number % 4],
    }


def wrong_way_rule(**changed: Any) -> dict[str, Any]:
    rule = hotlist_rule(
        id="wrong-way",
        type="wrong_way",
        allowed="left_to_right",
        line={"from": [0, 0.5], "to": [1, 0.5]},
    )
    del rule["list"]
    return {**rule, **changed}


def model(**changed: Any) -> Policy:
    return Policy.model_validate({**policy(), **changed})


def facts(whole: Policy | None = None, **changed: Any) -> NoticeContent:
    return notice_content(
        whole if whole is not None else model(), frozenset(ROLES), made_by="1.2.3", **changed
    )


def page(shown: NoticeContent | None = None) -> str:
    return _plain_page() if shown is None else publication(shown)[PAGE_FILE]


@functools.cache
def _plain_page() -> str:
    return publication(facts())[PAGE_FILE]


def section(text: str, language: str, name: str) -> str:
    start = text.index(f'<section id="{language}-{name}"')
    return text[start : text.index("</section>", start)]


def words_of(markup: str) -> str:
    return html.unescape(re.sub(r"[ \n]+", " ", re.sub(r"<[^>]+>", " ", markup)))
