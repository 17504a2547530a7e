"""Requests of people at the desk: answered from cases, within limits, logged, without a plate."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.authority.store import Reason
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.policies import read_policies
from edge.desk.recipients import FileMade
from edge.desk.request_answer import answer_text
from edge.desk.request_terms import (
    HOME,
    LONGEST_SPAN,
    MOST_A_DAY,
    PersonRequest,
    RequestKind,
    RequestProof,
    RequestTerms,
)
from edge.desk.requests import HELD_FOR, PersonRequests, RequestAnswer
from edge.desk.retention import DeskRetention
from edge.desk.retention_terms import RetentionTerm, RetentionTerms
from edge.desk.rights import DeskRole
from edge.desk.store.hits import DeskHits
from edge.domain.plates import PlateText
from edge.domain.reveal import MaskMethod
from edge.errors import AuditError, ExitCode
from edge.formats.signing import SigningKey
from edge.policy.notice.words import Words
from edge.privacy.audit_events import CaseOpened, Event, HoldChanged, RequestChanged
from edge.privacy.hit import Hit
from edge.privacy.sealing import Picture
from edge.texts import LANGUAGES, catalogue
from tests.integration.test_desk_people import recorded, refused
from tests.integration.test_desk_store import dumped
from tests.support.desks import FIRST, NOW, make_desk, passphrase_file
from tests.support.parties import PLATE, SITE, Parties, evidence, make_parties
from tests.support.product import REPOSITORY, at_terminal, verb
from tests.support.receiving import boxes_of
from tests.support.reviews import (
    BOX_READ,
    CONFIRMED,
    NO_WORD,
    OFFICER,
    PICTURES,
    REFERRED,
    REJECTED,
    SECOND,
    SECOND_REVIEW,
    THIRD_READ,
    TYPED,
    ReviewRoom,
    who,
)

CLERK, DPO = "no-right", "jan-maes"
YESTERDAY = NOW.date() - timedelta(days=1)
OWN = PlateText(PLATE)
NOBODY: Mapping[str, tuple[FileMade, ...]] = defaultdict(tuple)
"""No file was made of any case."""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class Counter(ReviewRoom):
    """A review room with a clerk for its site."""

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.give(CLERK, DeskRole.CLERK, site=SITE)
        self.requests = PersonRequests(self.database, self.audit.append, self.utc, self.secret)

    def opened(self, asks: RequestKind = RequestKind.ACCESS, **changed: Any) -> PersonRequest:
        return self.requests.open(who(CLERK), asked(asks, **changed))

    def answered(
        self,
        request: PersonRequest,
        plate: PlateText = OWN,
        parties: Parties | None = None,
        person: str = CLERK,
        zone: ZoneInfo = HOME,
    ) -> RequestAnswer:
        boxes, keys = boxes_of(self.parties), (parties or self.parties).authority
        return self.requests.answer(who(person), request.request_id, plate, boxes, keys, zone)

    def another(self, hit: Hit) -> Hit:
        """Another hit becomes the one that the room reviews."""
        self.hit = self.stored(hit)
        return self.hit


def asked(asks: RequestKind = RequestKind.ACCESS, **changed: Any) -> RequestTerms:
    whole: dict[str, Any] = {
        "reference": "DSR-2026/17",
        "proof": RequestProof.REGISTRATION,
        "site": SITE,
        "first_day": YESTERDAY,
        "last_day": YESTERDAY,
    }
    return RequestTerms(asks, **(whole | changed))


@pytest.fixture
def room(desk: DeskFolder, parties: Parties) -> Iterator[Counter]:
    with Counter.of(desk, parties) as made:
        yield made
    for plate in (PLATE, TYPED.reveal(), THIRD_READ.reveal()):
        assert plate.encode() not in dumped(desk)
        assert plate not in (desk.path / "audit.log").read_text("utf-8")


@pytest.fixture
def small(tmp_path: Path, parties: Parties) -> Iterator[Counter]:
    """The same on SQLite only, for what does not depend on the database."""
    with Counter.of(make_desk(tmp_path / "desk"), parties) as made:
        yield made


def test_p7_an_answer_has_the_cases_about_that_plate_site_and_time_only(room: Counter) -> None:
    own = room.hit
    room.through(OFFICER, CONFIRMED)
    other = evidence(*PICTURES, plate=THIRD_READ)
    room.another(room.parties.hit(other))
    room.through(OFFICER, REFERRED, BOX_READ)  # the box read another plate, the officer hers
    misread = room.hit
    room.another(room.parties.hit(other))
    room.through(OFFICER, CONFIRMED, THIRD_READ)
    room.stored()  # nobody has taken it up
    room.another(room.parties.hit(evidence(*PICTURES), observed_at=NOW - timedelta(days=9)))
    room.through(OFFICER, CONFIRMED)

    answer = room.answered(room.opened())

    assert {one.opened.hit.hit_id for one in answer.cases} == {own.hit_id, misread.hit_id}
    assert [one.outcome for one in answer.cases if one.opened.hit == own] == [CONFIRMED]
    assert answer.unopened == 0
    assert {one.last_day - YESTERDAY for one in answer.cases} == {
        timedelta(days=30),
        timedelta(days=365),
    }
    room.give(CLERK, DeskRole.CLERK)
    room.give("no-right", DeskRole.CLERK, site="another-site")  # so the desk knows it
    assert room.answered(room.opened(site="another-site")).cases == ()


def misread(room: Counter) -> None:
    """Two officers type the same plate, and the box read another."""
    room.through(OFFICER, REFERRED, TYPED)
    room.begin(SECOND, SECOND_REVIEW)
    room.judge(SECOND, typed=TYPED)
    room.decide(SECOND, REJECTED)


def disputed(room: Counter) -> None:
    room.through(OFFICER, REFERRED, TYPED)


def undecidable(room: Counter) -> None:
    disputed(room)
    room.through(SECOND, NO_WORD, THIRD_READ, SECOND_REVIEW)


def settled(room: Counter) -> None:
    disputed(room)
    room.through(SECOND, CONFIRMED, BOX_READ, SECOND_REVIEW)


def agreed(room: Counter) -> None:
    room.through(OFFICER, REFERRED, BOX_READ)


def looked_at(room: Counter) -> None:
    room.through(OFFICER, REFERRED, None)


def with_other_plates(room: Counter) -> None:
    """The plate in the picture is hers, and the vehicle somebody else's."""
    room.reject(OFFICER, Reason.WRONG_VEHICLE)


def with_other_plates_after_all(room: Counter) -> None:
    room.through(OFFICER, CONFIRMED)
    room.reject(SECOND, Reason.WRONG_VEHICLE, OpeningReason.APPEAL)


@pytest.mark.parametrize(
    ("review", "hers"),
    [
        (misread, {TYPED}), (disputed, set()), (undecidable, set()),
        (settled, {OWN}), (agreed, {OWN}), (looked_at, set()),
        (with_other_plates, set()), (with_other_plates_after_all, set()),
    ],
)  # fmt: skip
def test_p7_pictures_are_given_only_to_whom_the_vehicle_in_them_belongs(
    small: Counter, review: Callable[[Counter], None], hers: set[PlateText]
) -> None:
    review(small)
    given = set()
    for plate in (OWN, TYPED, THIRD_READ):
        answer = small.answered(small.opened(), plate)
        text = answer_text(answer, "police-zone", (), {small.hit.hit_id: []}, {}, NOBODY)
        text = text.replace("\u00a0", " ").replace("\u202f", " ")
        for case in answer.cases:
            if case.pictures:
                given.add(plate)
                assert case.pictures == case.opened.content.pictures
            for language in LANGUAGES:
                told = catalogue(language)["answer.held_doubt"].split(". ")[1]
                assert (told in text) is (case.pictures == ())
    assert given == hers


def test_p21_request_and_digest_are_logged_before_a_hit_is_opened_and_cases_before_shown(
    small: Counter,
) -> None:
    small.through(OFFICER, CONFIRMED)
    request = small.opened()
    seen: list[Event] = []

    def record(event: Event) -> None:
        seen.append(event)
        raise AuditError("the disk is full")

    unlogged = PersonRequests(small.database, record, small.utc, small.secret)
    answer = partial(
        unlogged.answer, who(CLERK), request.request_id, OWN, {}, small.parties.authority
    )
    refused(answer, "E_AUDIT")
    (event,) = seen
    assert isinstance(event, RequestChanged)
    assert small.requests.list()[0].state == "to be answered"

    given = small.answered(request)
    assert recorded(small.desk)[-2:] == [
        RequestChanged(
            "answered", request.request_id, asked().sha256(), "access", given.plate_hmac, CLERK
        ),
        CaseOpened(small.hit.hit_id, CLERK, "data-subject", "opened"),
    ]
    # Only the answer holds the key: with it the person can prove what was asked.
    assert given.plate_hmac == hmac.new(given.key, PLATE.encode(), hashlib.sha256).hexdigest()
    assert given.key not in dumped(small.desk)
    assert given.key.hex().encode() not in dumped(small.desk)


def test_p7_a_request_is_answered_once_by_its_clerk_and_for_one_plate(small: Counter) -> None:
    small.give(OFFICER, DeskRole.CLERK)
    request = small.opened()
    refused(partial(small.answered, request, person=OFFICER), "E_RIGHT")
    refused(partial(small.answered, request, person=SECOND), "E_RIGHT")
    assert small.answered(request, TYPED).cases == ()

    for plate in (OWN, TYPED):
        refused(partial(small.answered, request, plate), "E_REQUEST")


def test_p7_no_request_goes_beyond_its_limits(small: Counter) -> None:
    day = timedelta(days=1)
    for changed, code in (
        ({"first_day": YESTERDAY - LONGEST_SPAN * day}, "E_USAGE"),
        ({"first_day": YESTERDAY + day}, "E_USAGE"),
        ({"last_day": NOW.date() + day}, "E_USAGE"),
        ({"reference": PLATE}, "E_USAGE"),
        ({"reference": "1-ABC-123"}, "E_USAGE"),
        ({"site": "Not A Site"}, "E_USAGE"),
        ({"site": "another-site"}, "E_RIGHT"),
    ):
        refused(partial(small.opened, **changed), code)
    refused(partial(small.requests.open, who(OFFICER), asked()), "E_RIGHT")
    refused(partial(small.requests.open, who(FIRST), asked()), "E_RIGHT")
    for _ in range(MOST_A_DAY):
        small.opened()
    refused(small.opened, "E_REQUEST")

    small.now += day
    assert small.opened().state == "to be answered"


def test_the_days_of_a_request_are_those_of_the_place(small: Counter) -> None:
    day = YESTERDAY
    for hour, minute in ((22, 59), (23, 0)):  # in Belgium the last minute of a day, and midnight
        late = NOW.replace(day=day.day, month=day.month, hour=hour, minute=minute)
        small.another(small.parties.hit(evidence(*PICTURES), observed_at=late))
        small.through(OFFICER, CONFIRMED)
    before = small.answered(small.opened())
    after = small.answered(small.opened(first_day=NOW.date(), last_day=NOW.date()))
    assert [one.opened.hit.observed.hour for one in before.cases] == [22]
    assert [one.opened.hit for one in after.cases] == [small.hit]
    text = answer_text(after, "police-zone", (), {small.hit.hit_id: []}, {}, NOBODY)
    assert "1\N{NO-BREAK SPACE}December 2026, 00:00:00 (2026-11-30 23:00:00 UTC)" in text

    london = small.answered(small.opened(), zone=ZoneInfo("Europe/London"))
    assert [one.opened.hit.observed.hour for one in london.cases] == [22, 23]
    small.now = NOW.replace(hour=23)  # the next day has begun at the place
    assert small.opened(last_day=NOW.date() + timedelta(days=1)).state == "to be answered"


def test_p4_more_than_a_week_needs_another_person(room: Counter) -> None:
    request = room.opened(first_day=YESTERDAY - timedelta(days=7))
    assert request.state == "to be approved"
    refused(partial(room.answered, request), "E_REQUEST")
    room.give(CLERK, DeskRole.SUPERVISOR)
    refused(partial(room.requests.approve, who(CLERK), request.request_id), "E_FOUR_EYES")
    refused(partial(room.requests.approve, who(OFFICER), request.request_id), "E_RIGHT")

    assert room.requests.approve(who(DPO), request.request_id).state == "to be answered"
    refused(partial(room.requests.approve, who(DPO), request.request_id), "E_REQUEST")
    assert room.answered(request).request.state == "answered"


def test_p7_what_is_typed_as_a_site_is_kept_only_if_the_desk_knows_it(small: Counter) -> None:
    small.give(CLERK, DeskRole.CLERK)  # for all sites
    for typed in (PLATE.lower(), "1-abc-234"):
        told = refused(partial(small.opened, site=typed), "E_USAGE")
        assert typed not in told
    propose = RetentionTerms(small.database, small.audit.append, small.utc).propose
    term = propose(who(FIRST), RetentionTerm("new-street", 10, 20, "GR-2026/114")).term_id
    refused(partial(small.opened, site="new-street"), "E_USAGE")
    assert small.requests.list() == ()
    RetentionTerms(small.database, small.audit.append, small.utc).approve(who(DPO), term)
    assert small.opened(site="new-street").terms.site == "new-street"


@pytest.mark.parametrize("asks", [RequestKind.OBJECTION, RequestKind.RECTIFICATION])
def test_p7_an_objection_waits_for_another_officer_and_keeps_the_case(
    small: Counter, asks: RequestKind
) -> None:
    small.through(OFFICER, CONFIRMED)
    terms = RetentionTerms(small.database, small.audit.append, small.utc)
    term = RetentionTerm(SITE, 10, 20, "GR-2026/114")
    terms.approve(who(DPO), terms.propose(who(FIRST), term).term_id)
    answer = small.answered(small.opened(asks))
    assert answer.request.state == "waits for an officer"
    (case,) = answer.cases
    assert isinstance(recorded(small.desk)[-1], HoldChanged)
    assert (case.held, case.last_day) == (True, NOW.date() + HELD_FOR)

    small.now += timedelta(minutes=5)
    small.through(SECOND, CONFIRMED, BOX_READ, OpeningReason.APPEAL)
    assert small.requests.list()[0].state == "answered"
    assert len(small.findings()) == 2
    run = DeskRetention(
        small.database, small.audit.append, small.utc, SigningKey.generate("desk")
    ).run
    for days, deleted in ((60, 0), (61, 1)):
        small.now = NOW + timedelta(days=days)
        assert run(who(FIRST), clock_is_right=True).confirmed == deleted
    assert small.requests.list()[0].state == "answered"
    small.now = NOW + timedelta(days=365)
    run(who(FIRST), clock_is_right=True)
    assert small.requests.list() == ()


def test_p4_a_clerk_who_was_shown_a_case_gives_no_finding_on_it(small: Counter) -> None:
    small.through(OFFICER, REFERRED, TYPED)
    small.give(CLERK, DeskRole.SECOND_OFFICER)
    small.answered(small.opened())

    refused(partial(small.reviews.claim, who(CLERK), small.hit.hit_id), "E_FOUR_EYES")
    small.begin(SECOND, SECOND_REVIEW)


def test_a_case_that_cannot_be_opened_is_counted_and_never_left_out_silently(
    small: Counter, tmp_path: Path
) -> None:
    small.through(OFFICER, CONFIRMED)
    strangers = make_parties(tmp_path / "strangers")

    answer = small.answered(small.opened(), parties=strangers)
    assert (answer.cases, answer.unopened) == ((), 1)
    assert "that could not be opened and compared: 1." in answer_text(
        answer, "police-zone", (), {}, {}, {}
    )


def test_p14_the_answer_says_in_four_languages_what_why_until_when_and_where_to_complain(
    small: Counter,
) -> None:
    small.through(OFFICER, CONFIRMED)
    answer = small.answered(small.opened(RequestKind.OBJECTION))
    files = {small.hit.hit_id: ["vehicle.jpg", "plate.jpg"]}
    text = answer_text(answer, "police-zone", ("Jan Maes",), files, {}, NOBODY)
    text = text.replace("\u00a0", " ").replace("\u202f", " ")

    for language in LANGUAGES:
        texts = catalogue(language)
        for key in ("heading", "asked", "confirmed", "held", "until", "linked", "unseen", "log"):
            first = texts[f"answer.{key}"].split("{")[0]
            assert first in text, (language, key)
        for key in ("why", "supervisor", "court", "objection", "given_nobody"):
            assert texts[f"answer.{key}"] in text
    for lists in ("names the lists", "vermeldt de lijsten", "énonce les listes", "die Listen"):
        assert lists in text, "a vehicle without a report may be on a list"
    assert "30 November 2026, 08:16:05 (2026-11-30 07:16:05 UTC)" in text
    assert "30 November 2027" in text
    assert answer.key.hex() in text
    assert PLATE not in text
    assert "{" not in text


def test_p14_with_the_policy_the_answer_has_its_words_in_place_of_ids(small: Counter) -> None:
    ((_, known),) = read_policies(REPOSITORY / "config" / "school-street").items()
    rule, (camera, place) = known.rules[0], next(iter(known.cameras.items()))
    hit = small.hit.model_copy(update={"rule": rule.id, "camera": camera, "purpose": rule.purpose})
    named = known.model_copy(update={"site": SITE})
    small.through(OFFICER, CONFIRMED)
    found = small.answered(small.opened(RequestKind.ACCESS))
    case = replace(found.cases[0], opened=replace(found.cases[0].opened, hit=hit))
    answer = replace(found, cases=(case,))

    text = answer_text(
        answer, "police-zone", ("Jan Maes",), {hit.hit_id: []}, {hit.policy_sha256: named}, NOBODY
    )

    for language in LANGUAGES:
        words = Words(language)
        for said in (place.place, known.purposes[rule.purpose].text, known.rights.contact):
            assert words.set(said.of(language)) in text.replace("\n", " "), language
        assert known.authorities["police-zone"].name.of(language) in text
    assert f"camera {camera}, rule {rule.id}" not in text


def test_a_clerk_answers_and_the_files_are_hers_alone(tmp_path: Path, parties: Parties) -> None:
    from tests.integration.test_desk_review_cli import Office

    office, clerk = Office(tmp_path), "ria-clerk"
    with office.desk.open_database() as database:
        picture = evidence(Picture("vehicle", b"a jpeg of a vehicle", MaskMethod.MEANING))
        office.hit = office.parties.hit(picture, observed_at=office.utc() - timedelta(minutes=5))
        DeskHits(database).put(office.hit, office.hit.to_payload(), office.utc())
    with office.desk.open_people(office.utc) as people:
        people.add(who(FIRST), clerk, "Ria Clerk", f"a long passphrase of {clerk}")
        office.give(people, clerk, DeskRole.CLERK)
    done = at_terminal(*office.words(OFFICER), typed=f"offence\n{PLATE}\nconfirmed\n")
    assert done.status == 0, done.err
    day = office.hit.observed.astimezone(HOME).date().isoformat()
    acting: list[str | Path] = ["--desk", office.desk.path, "--as", clerk]
    acting += ["--passphrase-file", passphrase_file(tmp_path, clerk)]
    opening: list[str | Path] = [
        "desk", "request", "open", "--asks", "access", "--reference", "DSR-2026/17", "--proof",
        "registration", "--site", SITE, "--from", day, "--until", day, *acting,
    ]  # fmt: skip
    opened = verb(*opening)
    assert opened.status == 0, opened.err
    request = opened.out.split(":")[0]
    plate = tmp_path / "plate"
    plate.write_text("1-abc-123\n")
    words: list[str | Path] = [
        "desk", "request", "answer", request, *acting, "--keys", office.parties.authority_folder,
        "--box-keys", office.parties.box_file, "--plate-file", plate, "--out",
    ]  # fmt: skip

    done = verb(*words, tmp_path / "answer")
    assert done.status == 0, done.err
    document = tmp_path / "answer" / request / "answer.txt"
    assert done.out == f"{document}  cases: 1\n"
    assert done.err == f"Delete {tmp_path / 'answer'} once the answer is sent.\n"
    assert "Given to nobody: to no court" in document.read_text("utf-8")
    assert office.hit.hit_id in document.read_text("utf-8")
    assert (document.stat().st_mode & 0o777, document.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )
    copy = tmp_path / "answer" / office.hit.hit_id / "vehicle.jpg"
    assert copy.read_bytes() == b"a jpeg of a vehicle"
    assert PLATE not in document.read_text("utf-8") + done.out + done.err

    words[3] = verb(*opening).out.split(":")[0]
    (tmp_path / "full" / words[3] / "answer.txt").mkdir(parents=True)
    for folder in (tmp_path / "full", tmp_path / "full" / words[3]):
        folder.chmod(0o700)
    lost = verb(*words, tmp_path / "full")
    assert lost.status == ExitCode.STORAGE
    assert "then record the request anew with `edge-anpr desk request open`" in lost.err
    assert PLATE not in lost.out + lost.err
