"""The page of what waits for a second person: terms of retention, and requests of people.

It does what the commands `desk retain approve` and `desk request approve` do. Rights that wait are
on the page of people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from edge.desk.request_terms import PersonRequest
from edge.desk.retention_terms import ProposedTerm, RetentionTerm, term_of
from edge.desk.rights import APPROVERS, RightScope
from edge.desk.web.calls import Call, see
from edge.errors import AccessError


@dataclass(frozen=True, slots=True)
class ShownTerm:
    """A term that waits, and the one that applies there now. `mine`: the reader proposed it."""

    proposed: ProposedTerm
    now: RetentionTerm
    mine: bool


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A request that waits. `mine`: the reader has written it down."""

    request: PersonRequest
    mine: bool


def show_approvals(call: Call) -> Response:
    """What waits for a second person, within the reader's rights."""
    rights, desk = call.rights_of(*APPROVERS), call.desk

    def covered(site: str | None) -> bool:
        scope = RightScope(desk.authority, site)
        return any(right.terms.scope.covers(scope) for right in rights)

    name, terms = call.reader.acting.name, desk.terms.terms()
    return call.page(
        "approvals",
        terms=[
            ShownTerm(one, term_of(terms, one.term.site or ""), one.proposed_by == name)
            for one in terms
            if one.approved_at is None and covered(one.term.site)
        ],
        requests=[
            ShownRequest(one, one.opened_by == name)
            for one in desk.requests.list()
            if one.state == "to be approved" and covered(one.terms.site)
        ],
    )


def approve_term(call: Call) -> Response:
    """Approve a term that another person has proposed."""
    return _approve(call, partial(call.desk.terms.approve, call.reader.acting), "term")


def approve_request(call: Call) -> Response:
    """Approve a request that another person has recorded."""
    return _approve(call, partial(call.desk.requests.approve, call.reader.acting), "request")


def _approve(call: Call, approve: Callable[[str], object], field: str) -> Response:
    call.rights_of(*APPROVERS)
    try:
        approve(call.form.get(field, ""))
    except AccessError as error:
        four_eyes = error.code == "E_FOUR_EYES"
        line = call.words("approvals.four_eyes" if four_eyes else "approvals.refused")
        return call.line(403, line, back="/approvals")
    return see("/approvals")
