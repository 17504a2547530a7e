"""What must not be possible at the desk (P5, P7): no search by plate, and no place that holds one.

A whole life of a case is run, with all SQL that it needs: reviews, an objection, the queue, and
deletion. What is statements, verbs and pages is walked, so that later ones are examined too.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import LargeBinary, String, event
from starlette.routing import Route

from edge.desk.outcomes import OpeningReason
from edge.desk.people import DeskPeople
from edge.desk.queue import HitQueue
from edge.desk.request_terms import RequestKind, RequestProof, RequestTerms
from edge.desk.requests import PersonRequests
from edge.desk.retention import DeskRetention
from edge.desk.rights import DeskRole
from edge.desk.store.tables import METADATA
from edge.desk.web.app import desk_app
from edge.domain.plates import PlateText
from edge.formats.signing import SigningKey
from edge.privacy.deletions import DeletedAtSite
from tests.integration.test_desk_store import dumped
from tests.support.desk_web import opened
from tests.support.desks import FIRST, NOW
from tests.support.parties import PLATE, SITE, Parties, make_parties
from tests.support.receiving import boxes_of
from tests.support.reviews import CONFIRMED, OFFICER, REFERRED, SECOND, TYPED, ReviewRoom, who
from tests.support.source_tree import EDGE, name_of, python_files, tree
from tests.support.verbs import commands

CLERK = "no-right"

MAY_HOLD = {
    "account_link.issuer": "the address of a provider of logins",
    "account_link.subject": "the id of a person with an account, as that provider says it",
    "aside.payload": "a message as it was received; hits in it are sealed",
    "aside.topic": "the topic of a message",
    "aside.why": "a text of the product",
    "box_state.box_id": "the id of a box, with its site",
    "box_state.reason": "an error code of the product",
    "box_state.version": "the product's version on a box",
    "box_state.lists": "ids of lists with their counters",
    "box_state.status_seen": "the beginnings of digests of a box's statements",
    "box_state.status_reason": "an error code of the product",
    "box_state.update_target": "a kind and version of an update",
    "decoy_key.public": "a public key",
    "entitlement.mandate": "the reference of a decision",
    "finding.payload": "signed; typed plates are keyed digests in it",
    "hit.payload": "sealed",
    "hit_payload.key": "random name of the desk, day, random id and digest of a sealed hit",
    "hit_payload.sha256": "of a sealed hit",
    "passkey.credential": "random, of an authenticator",
    "passkey.origin": "the desk's address",
    "passkey.public_key": "a public key",
    "passkey.rp_id": "the desk's host name",
    "passkey.user_handle": "random",
    "password.argon2": "a hash of a passphrase",
    "person.full_name": "the name of a person with an account",
    "personal_key.public": "a public key",
    "receipt.payload": "signed; names a hit by its id",
    "retention_statement.payload": "signed; counts rounded to tens",
    "retention_term.basis": "the number of a decision",
    "hold.reference": "the number of a file",
    "review_case.signed": "a finding; its digests of plates are keyed",
    "review_case.typing_key": "random",
    "sealed_key.content": "a key for signing, encrypted",
    "second_factor.sealed": "a secret of one-time codes, encrypted",
}
"""Columns of bytes or longer texts, and what they hold. A new line is a decision of a review."""

SECRET = {"payload", "plate_hmac", "signed", "typed", "typing_key"}
"""Columns by which no row is looked for, except a whole message set aside, by its own digest."""


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


def live(room: ReviewRoom) -> None:
    """A case from the first officer to its deletion, with an objection, and one that stays."""
    room.through(OFFICER, CONFIRMED)
    room.give(CLERK, DeskRole.CLERK)
    requests = PersonRequests(room.database, room.audit.append, room.utc, room.secret)
    day = NOW.date() - timedelta(days=1)
    terms = RequestTerms(RequestKind.OBJECTION, "DSR-2026/17", RequestProof.MANDATE, SITE, day, day)
    request = requests.open(who(CLERK), terms)
    for_plate = (PlateText(PLATE), boxes_of(room.parties), room.parties.authority)
    requests.answer(who(CLERK), request.request_id, *for_plate)
    room.through(SECOND, CONFIRMED, opening=OpeningReason.APPEAL)
    room.hit = room.stored()
    room.through(OFFICER, REFERRED, TYPED)
    rights = DeskPeople(room.database, room.audit.append, room.utc).rights()
    HitQueue(room.database).page(rights, now=room.now)
    HitQueue(room.database).sites()
    requests.list()
    old = room.stored(room.parties.hit(observed_at=NOW - timedelta(days=60)))
    key = SigningKey.generate("desk")
    run = DeskRetention(room.database, room.audit.append, room.utc, key)
    assert run.run(who(FIRST)).not_confirmed == 1
    assert old.hit_id.encode() in dumped(room.desk)


def forms(plate: str) -> set[bytes]:
    """How a plate could stand somewhere: in clear, encoded, or as a digest without a key."""
    spoken = {plate, plate.lower(), f"{plate[0]}-{plate[1:4]}-{plate[4:]}"}
    found = {text.encode() for text in spoken}
    for text in spoken:
        raw = text.encode()
        found |= {base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), raw[::-1]}
        for name in ("md5", "sha1", "sha256"):
            digest = hashlib.new(name, raw, usedforsecurity=False)
            found |= {digest.digest(), digest.hexdigest().encode()}
    return found


def test_p5_no_statement_looks_for_a_plate_and_none_is_a_value_of_one(room: ReviewRoom) -> None:
    statements: set[str] = set()
    values: set[bytes] = set()

    def seen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.add(" ".join(statement.split()))
        rows = parameters if isinstance(parameters, list) else [parameters]
        for row in rows:
            given = row.values() if isinstance(row, dict) else row or ()
            values.update(one if isinstance(one, bytes) else str(one).encode() for one in given)

    event.listen(room.database._engine, "before_cursor_execute", seen)
    live(room)

    assert len(statements) > 40
    whole = b"\n".join(sorted(values))
    for plate in (PLATE, TYPED.reveal()):
        assert [form for form in forms(plate) if form in whole] == []
    for statement in statements:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            _, _, condition = statement.partition(" WHERE ")
            # Whether a case has a signature that waits is asked, never which.
            condition = condition.replace("review_case.signed IS NOT NULL", "")
            assert SECRET.isdisjoint(re.findall(r"\w+", condition)), statement
        assert not re.search(r"\b(LIKE|GLOB|REGEXP|SIMILAR|MATCH)\b", statement), statement


def test_p7_a_copy_of_the_desk_holds_no_plate_in_any_form(room: ReviewRoom) -> None:
    live(room)

    kept = dumped(room.desk) + (room.desk.path / "audit.log").read_bytes()
    for plate in (PLATE, TYPED.reveal()):
        assert [form for form in forms(plate) if form in kept] == []


def test_p7_no_column_is_for_a_plate() -> None:
    named = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if re.search(r"plate|licen|registration|vehicle", column.name)
    }
    wide = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
        or (isinstance(column.type, String) and not 0 < (column.type.length or 0) <= 40)
    }

    assert named == {"person_request.plate_hmac"}
    digests = {one for one in wide if re.search(r"_sha256$|_hmac$|judgement\.typed$", one)}
    assert wide - digests == set(MAY_HOLD)


def test_p5_no_code_of_the_desk_compares_texts_of_rows_by_a_pattern() -> None:
    found = [
        (name_of(path), node.lineno)
        for path in python_files(EDGE / "desk")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and (
            node.attr in {"like", "ilike", "contains", "icontains", "regexp_match"}
            or (node.attr in {"match", "op"} and ".c." in ast.unparse(node.value))
        )
    ]

    assert found == []


def test_p5_only_the_answer_to_a_person_takes_a_plate_and_no_verb_searches() -> None:
    found = {path: command for path, command in commands().items() if path[:1] == ("desk",)}
    taking = {
        path
        for path, command in found.items()
        for one in command.params
        if re.search(r"plate|vehicle|search|movement", " ".join((one.name, *one.opts)))
    }

    assert taking == {("desk", "request", "answer")}
    for path in found:
        assert not re.search(r"search|find|track|movement|statistic", " ".join(path)), path


def test_p5_no_page_takes_a_plate_in_its_address(room: ReviewRoom) -> None:
    room.audit.close()  # the pages open the log themselves
    with opened(room.desk, room.utc) as desk:
        routes = [one for one in desk_app(desk)._application.routes if isinstance(one, Route)]  # type: ignore[attr-defined]
    asked = {
        argument.value
        for path in python_files(EDGE / "desk" / "web")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and "query_params" in ast.unparse(node.func)
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert len(routes) > 10
    assert "after" in asked

    for words in ([one.path for one in routes], asked):
        assert not [one for one in words if re.search(r"plate|typed|search|vehicle", one)]


@pytest.mark.parametrize("count", [0, 1, 9, 11, 19])
def test_p7_no_statement_can_say_a_small_or_exact_count(count: int) -> None:
    site: dict[str, Any] = {
        "site": SITE, "waiting_days": 30, "kept_days": 365, "terms_sha256": None,
        "not_confirmed": count, "confirmed": "<10",
    }  # fmt: skip
    with pytest.raises(ValidationError):
        DeletedAtSite.model_validate(site)
    assert DeletedAtSite.model_validate(site | {"not_confirmed": 10}).not_confirmed == 10
