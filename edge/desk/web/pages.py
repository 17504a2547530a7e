"""The pages: queue, and supervision."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from edge.desk.appeals import open_appeals, waiting_appeals
from edge.desk.queue import HitQueue, QueuePlace
from edge.desk.rights import APPROVERS, JUDGES, DeskRight, DeskRole
from edge.desk.web.calls import Call, see
from edge.formats.timestamps import utc_text


@dataclass(frozen=True, slots=True)
class ShownRight:
    """A right as a table shows it."""

    right: DeskRight
    state: str
    waits: bool
    ended: bool


def start(call: Call) -> Response:
    """Lead to the first page that the reader's rights open."""
    return see(f"/{call.menu()[0]}")


# --- the queue ------------------------------------------------------------------------------------


def queue(call: Call) -> Response:
    """The hits that wait, within the officer's rights, and the appeals that she may answer."""
    rights, now = call.rights_of(*JUDGES), call.desk.utc()
    after = call.after()
    hits, more = HitQueue(call.desk.database).page(
        rights, None if after is None else QueuePlace(*after), now=now
    )
    following = ""
    if more:
        last = hits[-1].place
        following = f"{utc_text(last.observed_at)}.{last.hit_id}"
    return call.page(
        "queue",
        hits=hits,
        objected=open_appeals(call.desk.database, [one.place.hit_id for one in hits], now),
        waiting=waiting_appeals(call.desk.database, rights, now),
        now=now,
        following=following,
        begins=after is None,
        reviewing=call.desk.reviews is not None,
        appeals=any(right.terms.role is DeskRole.SECOND_OFFICER for right in rights),
    )


# --- supervision ----------------------------------------------------------------------------------


def people(call: Call) -> Response:
    """Queue of each site, people and their rights, and rights that wait for a second person."""
    mine = {right.terms.scope.site for right in call.rights_of(*APPROVERS)}
    desk, today = call.desk, call.desk.utc().date()
    rights = [
        ShownRight(
            right,
            call.words(f"state.{right.state(today).replace(' ', '_')}"),
            waits=right.state(today) == "proposed",
            ended=right.state(today) in {"ended", "revoked"},
        )
        for right in desk.people.rights()
    ]
    last = max(
        (
            one.right.terms.last_day
            for one in rights
            if one.right.in_force(today) and one.right.terms.role is DeskRole.SUPERVISOR
        ),
        default=today,
    )
    return call.page(
        "people",
        sites=[one for one in HitQueue(desk.database).sites() if mine & {None, one.site}],
        people=desk.people.people(),
        waiting=[one for one in rights if one.waits],
        rights=[one for one in rights if not one.waits and not one.ended],
        keys=[one for one in desk.keys.all() if one.revoked_at is None],
        links=desk.links.all(),
        now=desk.utc(),
        last=last.isoformat(),
        days=(last - today).days,
    )


def approve(call: Call) -> Response:
    """Approve a right that waits."""
    call.desk.people.approve(call.reader.acting, call.form.get("right", ""))
    return see("/people")


def revoke(call: Call) -> Response:
    """Revoke a right, or a proposal."""
    call.desk.people.revoke(call.reader.acting, call.form.get("right", ""))
    return see("/people")


def revoke_key(call: Call) -> Response:
    """Revoke the key or passkey of a person."""
    call.rights_of(DeskRole.SUPERVISOR)
    call.desk.keys.revoke(call.reader.acting, call.form.get("key", ""))
    return see("/people")


def approve_link(call: Call) -> Response:
    """Approve a link of a person with an account at a provider."""
    call.desk.links.approve(call.reader.acting, call.form.get("link", ""))
    return see("/people")


def remove_link(call: Call) -> Response:
    """Remove a link of a person with an account at a provider, or a proposal."""
    call.rights_of(DeskRole.SUPERVISOR)
    call.desk.links.remove(call.reader.acting, call.form.get("link", ""))
    return see("/people")


def whom_to_ask(call: Call) -> str:
    """A sentence that names the supervisors."""
    today = call.desk.utc().date()
    names = {one.name: one.full_name for one in call.desk.people.people()}
    found = {
        names[right.terms.person]
        for right in call.desk.people.rights()
        if right.in_force(today) and right.terms.role is DeskRole.SUPERVISOR
    }
    return call.words("error.ask", people=", ".join(sorted(found))) if found else ""
