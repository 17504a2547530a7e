"""What supervisor and data protection officer see of deletions, holds, terms and requests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from edge.desk.deletion_figures import DeletionFigures, deletion_figures, ending_holds
from edge.desk.request_terms import RequestKind, RequestProof, RequestTerms
from edge.desk.requests import PersonRequests
from edge.desk.retention_terms import HoldReason, RetentionTerm
from edge.desk.rights import DeskRole
from edge.privacy.audit_events import RequestChanged, TermChanged
from edge.texts import LANGUAGES, Language
from edge.texts.pages import with_commands
from tests.integration.test_desk_people import recorded
from tests.integration.test_desk_retention import DAY, DPO, RetentionRoom
from tests.support.desk_web import filled, line_of, says
from tests.support.desks import FIRST, NOW, make_desk
from tests.support.parties import SITE, Parties, make_parties
from tests.support.product import verb
from tests.support.review_web import ReviewOffice
from tests.support.reviews import CONFIRMED, OFFICER, who

OTHER_SITE = "elsewhere"


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def room(tmp_path: Path, parties: Parties) -> Iterator[RetentionRoom]:
    with RetentionRoom.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


@pytest.fixture
def office(room: RetentionRoom) -> ReviewOffice:
    return ReviewOffice(room, people=())


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())


# --- figures of deletions -------------------------------------------------------------------------


def deletions(room: RetentionRoom) -> DeletionFigures:
    return deletion_figures(room.database, room.utc)


def test_p10_what_is_due_is_what_the_next_run_deletes_and_done_what_statements_say(
    room: RetentionRoom,
) -> None:
    room.through(OFFICER, CONFIRMED)
    for _ in range(24):
        room.stored(room.parties.hit(observed_at=NOW))
    room.set_terms(waiting=14, kept=60)
    assert (deletions(room).last_day, deletions(room).missed) == (None, False)
    assert deletions(room).next_day == NOW.date()
    room.at(30)  # far ahead of what the boxes have signed
    assert deletions(room).next_day == (NOW + 30 * DAY).date()

    room.at(13).run()
    found = deletions(room)
    assert (found.last_day, found.next_day) == ((NOW + 13 * DAY).date(), (NOW + 14 * DAY).date())
    (site,) = found.sites
    assert (site.due.not_confirmed, site.due.confirmed) == (20, "<10")
    assert (site.not_confirmed, site.confirmed) == (0, 0)

    report = room.at(14).run()
    assert report.not_confirmed == 24
    (site,) = deletions(room).sites
    assert site.due.not_confirmed == "<10"
    assert (site.not_confirmed, site.confirmed) == (20, 0)
    room.now += 2 * DAY
    assert deletions(room).missed, "no run yesterday"
    room.at(47).run()
    assert deletions(room).sites[0].not_confirmed == 0, "longer ago than 30 days"


def test_p7_figures_of_deletions_hide_what_is_below_ten(
    room: RetentionRoom, office: ReviewOffice
) -> None:
    room.set_terms(waiting=14, kept=60)
    room.at(13).run()
    page = words_of(office.seat(FIRST).get("/figures"))
    hidden = says("figures.few").strip() + " 10"
    each = "fewer than 10 in each run"
    assert f"{SITE} {hidden} {hidden} {each} {each}" in page
    assert "Newest run: 14 December 2026. Next run: 15 December 2026." in page


@pytest.mark.parametrize(
    ("role", "site", "seen"),
    [
        (DeskRole.SUPERVISOR, None, True),
        (DeskRole.DATA_PROTECTION_OFFICER, SITE, True),
        (DeskRole.DATA_PROTECTION_OFFICER, OTHER_SITE, False),
        (DeskRole.AUDITOR, None, None),
    ],
)
def test_holds_that_end_soon_are_for_who_can_renew_them(
    room: RetentionRoom, office: ReviewOffice, role: DeskRole, site: str | None, seen: bool | None
) -> None:
    hit = room.hit.hit_id
    for days, reference in ((5, "PV-2026/1"), (14, "PV-2026/2"), (15, "PV-2026/3")):
        last = (NOW + days * DAY).date()
        room.terms.hold(who(FIRST), hit, HoldReason.COURT, reference, last)
    ended = room.terms.hold(who(FIRST), hit, HoldReason.APPEAL, "PV-2026/4", NOW.date())
    room.terms.release(who(FIRST), ended.hold_id)
    assert [one.reference for one in ending_holds(room.database, NOW.date())] == [
        "PV-2026/1",
        "PV-2026/2",
    ]
    room.give("no-right", role, site=site)

    page = office.seat("no-right").get("/figures")
    assert ("PV-2026/1" in page, hit in page) == (seen is True, seen is True)
    assert (says("figures.no_hold") in page) is (seen is False)
    assert "PV-2026/3" not in page


def test_the_command_shows_deletions_and_holds(room: RetentionRoom) -> None:
    last = (NOW + 5 * DAY).date()
    real = verb("desk", "figures", "--desk", room.desk.path, "--json").json
    assert real["deletions"]["newest_run"] is None
    room.terms.hold(who(FIRST), room.hit.hit_id, HoldReason.COURT, "PV-2026/88", last)
    held = ending_holds(room.database, NOW.date())
    assert [(one.hit_id, one.last_day, one.site) for one in held] == [(room.hit.hit_id, last, SITE)]
    room.retention().run()
    told = verb("desk", "figures", "--desk", room.desk.path)
    assert f"deletions at {SITE}: due on " in told.out
    assert "newest run of deletions: 2026-12-01" in told.out


def test_figures_of_deletions_of_50000_hits_take_less_than_200_ms(room: RetentionRoom) -> None:
    for site in ("a", "b"):
        filled(room.database, site, "stolen", 25_000)
    room.at(30)
    begun = time.process_time()
    found = deletion_figures(room.database, room.utc, frozenset({"a"}))
    spent = time.process_time() - begun
    assert [(one.due.site, one.due.not_confirmed) for one in found.sites] == [("a", 25_000)]
    assert spent < 0.2


# --- what waits for a second person ---------------------------------------------------------------

CLERK = "no-right"
WEEK_AND_A_DAY = timedelta(days=7)


def request_of(room: RetentionRoom, days: timedelta = WEEK_AND_A_DAY) -> str:
    """A request that a clerk has recorded."""
    requests = PersonRequests(room.database, room.audit.append, room.utc, room.secret)
    last = NOW.date() - timedelta(days=1)
    terms = RequestTerms(
        RequestKind.ACCESS, "DSR-2026/17", RequestProof.LEASE, SITE, last - days, last
    )
    return requests.open(who(CLERK), terms).request_id


def test_p4_terms_and_requests_are_approved_on_the_page_by_another_person(
    room: RetentionRoom, office: ReviewOffice
) -> None:
    room.give(CLERK, DeskRole.CLERK)
    room.give(CLERK, DeskRole.DATA_PROTECTION_OFFICER, site=SITE)
    term = room.terms.propose(who(FIRST), RetentionTerm(None, 14, 60, "GR-2026/114")).term_id
    request, alone = request_of(room), request_of(room, timedelta(0))
    first, clerk, second = office.seat(FIRST), office.seat(CLERK), office.seat(DPO)

    shown = first.get("/approvals")
    assert "14 instead of 30" in shown
    assert "60 instead of 365" in shown
    assert (term in shown, request in shown) == (False, True), "nobody approves her own"
    assert term not in clerk.get("/approvals"), "a right for one site approves no term for all"
    assert (alone in shown, "edge-anpr desk request answer" in shown) == (False, True)
    for seat, path, fields, key in (
        (first, "/approvals/term", {"term": term}, "approvals.four_eyes"),
        (clerk, "/approvals/term", {"term": term}, "approvals.refused"),
        (clerk, "/approvals/request", {"request": request}, "approvals.four_eyes"),
        (second, "/approvals/request", {"request": "0" * 16}, "approvals.refused"),
        (second, "/approvals/term", {"term": "0" * 16}, "approvals.refused"),
    ):
        assert line_of(seat.post(path, **fields)) == says(key)
        assert seat.status == 403
    changes = TermChanged, RequestChanged
    done = [one.action for one in recorded(room.desk) if isinstance(one, changes)]
    assert done == ["proposed", "opened", "opened"]

    assert request in second.get("/approvals")
    second.post("/approvals/term", term=term)
    left = second.post("/approvals/request", request=request)
    assert (second.status, second.path) == (200, "/approvals")
    assert says("approvals.no_term") in left
    assert says("approvals.no_request") in left
    found = [one for one in recorded(room.desk) if isinstance(one, changes)][3:]
    assert [(one.action, one.by) for one in found] == [("approved", DPO)] * 2
    assert room.terms.terms()[0].approved_by == DPO


@pytest.mark.parametrize("role", [DeskRole.OFFICER, DeskRole.CLERK, DeskRole.AUDITOR])
def test_p4_who_may_not_approve_sees_and_changes_nothing(
    room: RetentionRoom, office: ReviewOffice, role: DeskRole
) -> None:
    room.give(CLERK, role)
    term = room.terms.propose(who(FIRST), RetentionTerm(None, 14, 60, "GR-2026/114")).term_id
    seat = office.seat(CLERK)
    for said in (seat.get("/approvals"), seat.post("/approvals/term", term=term)):
        assert line_of(said).startswith(says("error.lacking"))
        assert "GR-2026/114" not in said
    assert room.terms.terms()[0].approved_by is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_p14_the_page_is_in_her_language(
    room: RetentionRoom, office: ReviewOffice, language: Language
) -> None:
    room.give(CLERK, DeskRole.CLERK)
    request_of(room)
    room.terms.propose(who(FIRST), RetentionTerm(None, 14, 60, "GR-2026/114"))
    seat = office.seat(DPO)
    seat.client.cookies.set("desk-language", language)
    page = seat.get("/approvals").replace("\N{NO-BREAK SPACE}", " ")
    for key in ("terms", "requests", "answering", "access", "lease", "no_term"):
        shown = with_commands(says(f"approvals.{key}", language))
        assert (shown in page) is (key != "no_term")
