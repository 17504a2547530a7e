"""Every `--json`: a document with a schema and UTC times that end in Z, or one JSON error.

Longer than 500 lines because every verb that prints JSON is run in it.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.key_files import load_box_keys
from edge.authority.opening import open_hit, write_opened
from edge.desk.accounts import ActingPerson
from edge.desk.folder import open_folder
from edge.desk.personal_keys import personal_keys
from edge.desk.rights import DeskRole, RightScope, RightTerms
from edge.desk.store.hits import DeskHits
from edge.domain.reveal import MaskMethod
from edge.domain.scene import SceneClass
from edge.errors import CODES, ExitCode
from edge.formats.enrolment import OneTimeCode
from edge.formats.signing import SigningKey
from edge.policy.activation import activate
from edge.policy.list_answer import sign_answer
from edge.privacy.keys import BoxKeys
from edge.privacy.sealing import Picture
from edge.site.folder import POLICY_FILE, read_policy
from tests.integration.test_metrics import watched_street
from tests.support.cases import hit_under, signed_site
from tests.support.colour_parser import plate_in_a_street
from tests.support.desks import passphrase_file
from tests.support.fleets import BOX, enrol, enrol_by_hand, make_test_fleet, served
from tests.support.parties import (
    AUTHORITY,
    MORNING,
    PLATE,
    SITE,
    Parties,
    evidence,
    make_parties,
    topic_of,
)
from tests.support.product import REPOSITORY, Finished, at_terminal, product, verb
from tests.support.provider import Provider
from tests.support.real_site import RealSite, make_real_site
from tests.support.receiving import boxes_of
from tests.support.sites import SITE as SITE_OF_FLEET
from tests.support.sites import MadeSite, make_site, set_port
from tests.support.update_commands import update_documents
from tests.support.verbs import commands, json_verbs

NOT_RUN = {("demo",), ("update", "rollback")}
"""tests/e2e/test_demo.py runs the demo and looks at its document, and test_update_commands.py goes
back to an older version."""

SCHEMA = re.compile(r"edge-anpr/[a-z-]+/[1-9]")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,6})?Z")
DOCUMENTED = dict(
    re.findall(
        r"^\| `([a-z -]+) --json` \| `(\S+)` \|",
        (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
)

Run = Callable[..., None]
Words = tuple[str | Path, ...]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """The output of each command with `--json`, on real files."""
    base = tmp_path_factory.mktemp("json")
    found: dict[str, Finished] = {}

    def run(
        words: str, *arguments: str | Path, status: int | None = 0, typed: str | None = None
    ) -> None:
        all_words = (*words.split(), *arguments, "--json")
        done = verb(*all_words) if typed is None else at_terminal(*all_words, typed=typed)
        assert status in {None, done.status}, (words, done.err)
        found[words] = done

    for part, act in (
        ("keys", keys), ("policy", policies), ("box", box), ("hits", hits), ("desk", desk),
        ("models", models), ("updates", update_documents), ("fleets", fleets),
    ):  # fmt: skip
        (base / part).mkdir()
        act(run, base / part)
    with watched_street([]) as (port, _):
        run("status", "--listen", f"127.0.0.1:{port}")
    return found


def keys(run: Run, base: Path) -> None:
    site = make_site(base / "new").folder
    shutil.rmtree(site / "keys")
    run("keys new box", "--site", site)
    trial = make_site(base / "trial").folder
    shutil.rmtree(trial / "keys")
    run("keys new trial", "--site", trial)
    run("keys new authority", "police-zone", "--out", base / "authority")
    run("keys new signer", "mayor", "--out", base / "signer")
    run("keys rotate box", "--site", site)
    run("keys rotate authority", "--keys", base / "authority")
    run("keys show", base / "authority")


def fleets(run: Run, base: Path) -> None:
    fleet = make_test_fleet(base)
    run("fleet init", base / "new", "--authority", "police-zone", "--host", "fleet.example")
    run("fleet check", fleet.path)
    run("fleet render", fleet.path)
    run("fleet codes", fleet.path, BOX)
    code, now = OneTimeCode.parse(fleet.code()), datetime.now(timezone.utc)
    fleet.office.enrol(code.secret, enrol_by_hand(base / "hand", SITE_OF_FLEET, "box-1"), now)
    run("fleet pending", fleet.path)
    (waiting,) = fleet.office.register.waiting()
    run("fleet approve", fleet.path, BOX, waiting.fingerprint)
    run("fleet status", fleet.path)
    run("fleet issue", fleet.path, "broker", "--host", "mqtt.example", "--out", base / "b.pem")
    run("fleet forget", fleet.path, BOX)
    with served(fleet):
        enrol(fleet, base / "box")
        run("fleet enrol", "--site", base / "box")


def policies(run: Run, base: Path) -> None:
    made: RealSite = make_real_site(base)
    mayor = made.keys["mayor"]
    run("check", made.folder)
    run("policy sign", made.folder, "--key", mayor)
    run("policy verify", made.folder)
    run("policy diff", made.folder, REPOSITORY / "config" / "school-street")
    run("policy activate", made.folder, "--key", mayor)
    run("policy renew", made.folder, "--key", mayor)
    run("notice make", made.folder, "--out", base / "public")
    run("notice verify", base / "public", "--site", made.folder)
    run(*_words(made.build(made.csv(["1QQQ777"]))))
    run("lists inspect", base / "stolen.bundle")
    run("lists install", base / "stolen.bundle", "--site", made.folder)
    with EmbeddedBroker() as broker, _answering(broker, load_box_keys(made.folder / "keys")):
        run(
            "lists send", base / "stolen.bundle", "--box-public", made.box_public,
            "--broker", f"{broker.host}:{broker.port}",
        )  # fmt: skip
    order = base / "order.json"
    run("suspend new", "test-street", "--reason", "dpia-missing", "--out", order)
    run("suspend sign", order, "--key", made.keys["vtc"])
    run("suspend install", order, "--site", made.folder)
    run("suspend status", "--site", made.folder)


@contextlib.contextmanager
def _answering(broker: EmbeddedBroker, keys: BoxKeys) -> Iterator[None]:
    """Answer one list as the box would."""
    topics = BoxTopics(keys.site, keys.box, frozenset(), frozenset({"stolen"}))

    def answer() -> None:
        with BrokerLink.open(BrokerOptions(broker.host, broker.port, "box")) as link:
            link.subscribe([topics.bundle("stolen")])
            message = link.receive(30)
            assert message is not None
            moment = datetime.now(timezone.utc)
            signed = sign_answer("stolen", message.payload, None, moment, keys)
            link.publish(topics.list_answer, signed.to_bytes())

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join()


def box(run: Run, base: Path) -> None:
    made: MadeSite = make_site(base)
    picture = base / "road.png"
    cv2.imwrite(str(picture), np.full((360, 640, 3), 90, np.uint8))
    at = ("--recorded-at", "2026-03-10T08:25:00+01:00")
    with EmbeddedBroker() as broker:
        set_port(made, broker.port)
        run("run", "--site", made.folder, "--source", picture, *at, "--drain", "0")
        # Its status depends on the clock of the machine that the test runs on.
        run("doctor", "--site", made.folder, "--source", picture, *at, status=None)
    run("stats", "--site", made.folder)
    run("audit verify", "--site", made.folder)
    run("audit show", "--site", made.folder)
    run("evidence-pack make", base / "pack.zip", "--site", made.folder)
    run("evidence-pack verify", base / "pack.zip")
    run("erase", "--site", made.folder, "--all", "--yes")
    run("redact", picture, base / "masked.jpg")


def hits(run: Run, base: Path) -> None:
    parties: Parties = make_parties(base)
    store = ("--store", base / "store")
    both = ("--box-keys", parties.box_file, "--keys", parties.authority_folder)
    one = parties.hit(
        evidence(
            Picture(
                "scene", (REPOSITORY / "docs/img/demo.png").read_bytes()[:9], MaskMethod.MEANING
            )
        )
    )
    with EmbeddedBroker() as broker:
        tail = ("--broker", f"127.0.0.1:{broker.port}", *store, *both)
        # The first run opens the session, with which the broker then keeps the hit.
        run("hits tail", *tail, "--idle", "0.5")
        with BrokerLink.open(BrokerOptions("127.0.0.1", broker.port, "a-box")) as link:
            link.publish(topic_of(one), one.to_payload())
        run("hits tail", *tail, "--once", "1")
    run("hits list", *store)
    run("hits open", "--all", *store, *both, "--out", base / "opened")
    run("hits review", one.hit_id, "--reject", "misread", *store)
    run("hits stats", *store)
    run("hits purge", "--older-than", "0", *store)


def desk(run: Run, base: Path) -> None:
    parties: Parties = make_parties(base)
    an, jan = (passphrase_file(base, name) for name in ("an", "jan"))
    first = ("--person", "an", "--full-name", "An", "--mandate", "GR-1")
    folder, acting = base / "desk", ("--as", "an", "--passphrase-file", an)
    run("desk init", folder, "--authority", AUTHORITY, *first, "--passphrase-file", an)
    with EmbeddedBroker() as broker:
        run(
            "desk consume", "--desk", folder, "--broker", f"127.0.0.1:{broker.port}", "--idle",
            "0.2", "--box-keys", parties.box_file, "--keys", parties.authority_folder,
        )  # fmt: skip
    on = ("--desk", folder)
    run("desk people add", "jan", "--full-name", "Jan", *on, *acting, "--new-passphrase-file", jan)
    run("desk people enrol", "jan", *on, *acting)
    run(
        "desk people propose", "jan", "--role", "supervisor", "--mandate", "GR-2", "--until",
        (datetime.now(timezone.utc).date() + timedelta(days=9)).isoformat(), *on, *acting,
    )  # fmt: skip
    right = verb("desk", "people", "list", *on, "--json").json["rights"][-1]["right"]
    other = ("--as", "jan", "--passphrase-file", jan)
    run("desk people approve", right, *on, *other)
    hit = review(run, base, parties)
    case(run, base, parties)
    searched(run, base)
    decoys(run, base, parties)
    run("desk people keys", *on)
    key_id = verb("desk", "people", "keys", *on, "--json").json["keys"][-1]["key_id"]
    run("desk people revoke-key", key_id, *on, *acting)
    links(run, folder, acting, other)
    retain(run, base, hit, acting, other)
    request(run, base, parties, acting, other)
    run("desk people revoke", right, *on, *acting)
    run("desk people passphrase", *on, *other, "--new-passphrase-file", jan)
    run("desk people list", *on)
    run("desk status", *on)
    run("desk figures", *on)
    run("desk boxes", *on, status=3)
    run("desk lease", REPOSITORY / "config" / "school-street", leased(base), *on)
    target = f"sqlite:///{base / 'moved.sqlite3'}"
    run("desk migrate", "--from", folder, "--to", target, *acting)


def links(run: Run, folder: Path, acting: Words, other: Words) -> None:
    file, on = folder / "desk.json", ("--desk", folder)
    section = Provider(lambda: MORNING, [], "https://login.example").config()
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"oidc": section}))
    run("desk people link", "jan", "--subject", "7f3c21", *on, *acting)
    run("desk people links", *on)
    link = verb("desk", "people", "links", *on, "--json").json["links"][-1]["link"]
    run("desk people approve-link", link, *on, *other)
    run("desk people unlink", link, *on, *acting)


def searched(run: Run, base: Path) -> None:
    now = datetime.now(timezone.utc)
    terms = RightTerms(
        "jan", DeskRole.AUDITOR, RightScope(AUTHORITY), now.date(), now.date(), "GR-4"
    )
    with open_folder(base / "desk").open_people(lambda: now) as people:
        people.approve(ActingPerson("an"), people.propose(ActingPerson("jan"), terms).right_id)
    jan = ("--as", "jan", "--passphrase-file", base / "jan.passphrase")
    run("desk log", "--person", "an", "--desk", base / "desk", *jan)


def decoys(run: Run, base: Path, parties: Parties) -> None:
    now = datetime.now(timezone.utc)
    pictures = (Picture("vehicle", b"jpeg", MaskMethod.MEANING),)
    with open_folder(base / "desk").open_database() as database:
        for number in range(10):
            seen = MORNING + timedelta(minutes=number)
            hit = parties.hit(evidence(*pictures), observed_at=seen)
            DeskHits(database).put(hit, hit.to_payload(), now)
    known = parties.hit(evidence(*pictures))
    opened = open_hit(known.to_payload(), boxes_of(parties), parties.authority)
    write_opened(opened, base / "known")
    run(
        "desk decoys add", base / "known", "--kind", "lawful", "--keys", parties.authority_folder,
        "--desk", base / "desk", "--as", "jan", "--passphrase-file", base / "jan.passphrase",
    )  # fmt: skip


def leased(base: Path) -> Path:
    """An activation record of the example site."""
    policy = read_policy(REPOSITORY / "config" / "school-street" / POLICY_FILE).model
    begins = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
    record = activate(policy, "box-1", SigningKey.demo_of("mayor"), begins)
    (base / "lease.json").write_text(record.text(), encoding="utf-8")
    return base / "lease.json"


def review(run: Run, base: Path, parties: Parties) -> str:
    hit = parties.hit(evidence(Picture("vehicle", b"jpeg", MaskMethod.MEANING)))
    now, folder = datetime.now(timezone.utc), open_folder(base / "desk")
    scope = RightScope(AUTHORITY)
    terms = RightTerms("an", DeskRole.OFFICER, scope, now.date(), now.date(), "GR-3")
    with folder.open_people(lambda: now) as people:
        given = people.propose(ActingPerson("an"), terms)
        people.approve(ActingPerson("jan"), given.right_id)
    with folder.open_database() as database:
        DeskHits(database).put(hit, hit.to_payload(), now)
    acting = ("--desk", folder.path, "--as", "an", "--passphrase-file", base / "an.passphrase")
    run("desk people key", "--out", base / "my-keys", *acting)
    run(
        "desk review", hit.hit_id, *acting, "--keys", parties.authority_folder, "--box-keys",
        parties.box_file, "--sign-with", base / "my-keys" / "an.signer.private.json", "--out",
        base / "pictures", typed="cannot-tell\n",
    )  # fmt: skip
    return hit.hit_id


def retain(run: Run, base: Path, hit: str, acting: Words, other: Words) -> None:
    today, on = datetime.now(timezone.utc).date(), ("--desk", base / "desk")
    run(
        "desk retain propose", "--waiting-days", "30", "--kept-days", "365", "--basis", "GR-2026/1",
        *on, *acting,
    )  # fmt: skip
    term = verb("desk", "retain", "terms", *on, "--json").json["terms"][-1]["term_id"]
    run("desk retain terms", *on)
    run("desk retain approve", term, *on, *other)
    run(
        "desk retain hold", hit, "--reason", "court", "--reference", "PV-2026/88", "--until",
        today.isoformat(), *on, *acting,
    )  # fmt: skip
    hold = verb("desk", "retain", "holds", *on, "--json").json["holds"][-1]["hold_id"]
    run("desk retain holds", *on)
    run("desk retain release", hold, *on, *acting)
    run("desk retain run", "--clock-is-right", *on, *acting)
    run("desk retain statements", base / "deletions.jsonl", *on)


def request(run: Run, base: Path, parties: Parties, acting: Words, other: Words) -> None:
    now, folder = datetime.now(timezone.utc), open_folder(base / "desk")
    on = ("--desk", folder.path)
    with folder.open_people(lambda: now) as people:
        terms = RightTerms(
            "jan", DeskRole.CLERK, RightScope(AUTHORITY), now.date(), now.date(), "GR-3"
        )
        people.approve(ActingPerson("an"), people.propose(ActingPerson("jan"), terms).right_id)
    (base / "plate").write_text("1ABC123\n")
    run(
        "desk request open", "--asks", "access", "--reference", "DSR-2026/1", "--proof", "lease",
        "--site", SITE, "--from", (now.date() - timedelta(days=9)).isoformat(), "--until",
        now.date().isoformat(), *on, *other,
    )  # fmt: skip
    asked = verb("desk", "request", "list", *on, "--json").json["requests"][-1]["request_id"]
    run("desk request list", *on)
    run("desk request approve", asked, *on, *acting)
    run(
        "desk request answer", asked, *on, *other, "--keys", parties.authority_folder,
        "--box-keys", parties.box_file, "--out", base / "answer", "--plate-file", base / "plate",
    )  # fmt: skip


def case(run: Run, base: Path, parties: Parties) -> None:
    """A confirmed case as a case file, and as a row for fines."""
    policy = signed_site(base / "site")
    shots = (Picture("vehicle", b"jpeg", MaskMethod.MEANING),)
    hit = hit_under(parties, policy, evidence(*shots))
    with open_folder(base / "desk").open_database() as database:
        DeskHits(database).put(hit, hit.to_payload(), datetime.now(timezone.utc))
    acting = ("--desk", base / "desk", "--as", "an", "--passphrase-file", base / "an.passphrase")
    opening = ("--keys", parties.authority_folder, "--box-keys", parties.box_file)
    run(
        "desk review", hit.hit_id, *acting, *opening, "--sign-with",
        base / "my-keys" / "an.signer.private.json", "--out", base / "pictures",
        typed=f"offence\n{PLATE}\nconfirmed\n",
    )  # fmt: skip
    file = base / "case.zip"
    run(
        "desk export", hit.hit_id, "--out", file, *acting, *opening, "--policy", base / "site",
        "--reason", "court",
    )  # fmt: skip
    key = open_folder(base / "desk").signing_key().public.text
    with open_folder(base / "desk").open_database() as database:
        (signed,) = personal_keys(database)["an"]
    run(
        "case verify", file, "--box-keys", parties.box_file, "--desk-key", key, "--person-key",
        f"an={signed.text}",
    )  # fmt: skip
    (base / "fines.yaml").write_text(
        "schema: edge-anpr/fines-mapping/1\nformat: csv\nrules: [stolen]\n"
        "columns: [{field: case, column: Case}]\n"
    )
    run(
        "desk fines", "--out", base / "f.csv", "--mapping", base / "fines.yaml", *acting, *opening,
        "--policies", base / "site",
    )  # fmt: skip


def models(run: Run, base: Path) -> None:
    cv2.imwrite(str(base / "road.png"), np.full((360, 640, 3), 90, np.uint8))
    run("read", base / "road.png")
    run("models list")
    run("models verify")
    run("models bench", "--repeat", "3")
    (base / "images.csv").write_text("image,x,y,w,h,plate\nroad.png,9,9,90,20,1ABC123\n")
    (base / "clips.csv").write_text("clip,plate\nroad.png,1ABC123\n")
    street, shapes, plate = plate_in_a_street()
    cv2.imwrite(str(base / "street.png"), street)
    outlines = [
        f"street.png,{kind},{box.x1:.0f} {box.y1:.0f} {box.x2:.0f} {box.y2:.0f}"
        for kind, box in (("plate", plate), ("body", shapes[SceneClass.BODY]))
    ]
    (base / "redaction.csv").write_text("\n".join(["image,kind,outline", *outlines]) + "\n")
    for kind in ("images", "clips", "redaction"):
        run(f"evaluate {kind}", "--labels", base / f"{kind}.csv", "--root", base, "--no-progress")


def _words(arguments: list[str | Path]) -> tuple[str | Path, ...]:
    """A command line whose command has two words, as `run` takes it."""
    return (f"{arguments[0]} {arguments[1]}", *arguments[2:])


# --- documents ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", sorted(set(json_verbs()) - NOT_RUN), ids=" ".join)
def test_each_document_has_its_documented_schema(
    words: tuple[str, ...], documents: dict[str, Finished]
) -> None:
    document = documents[" ".join(words)].json

    assert next(iter(document)) == "schema"
    assert SCHEMA.fullmatch(document["schema"])
    assert document["schema"] == DOCUMENTED[" ".join(words)]


def test_every_document_is_documented() -> None:
    assert set(DOCUMENTED) == {" ".join(words) for words in json_verbs()}


def test_every_time_in_a_document_ends_in_z(documents: dict[str, Finished]) -> None:
    moments = [
        (words, text)
        for words, done in documents.items()
        for text in texts(done.json)
        if MOMENT.fullmatch(text)
    ]

    assert {"hits list", "keys show", "lists install", "evaluate clips", "audit show"} <= {
        words for words, _ in moments
    }
    assert [(words, text) for words, text in moments if not UTC.fullmatch(text)] == []


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


# --- errors -------------------------------------------------------------------------------------


def the_error(done: Finished) -> dict[str, Any]:
    """The one JSON object on standard error; standard output must be empty."""
    assert done.out == ""
    error: dict[str, Any] = json.loads(done.err)
    assert list(error) == ["schema", "code", "message", "exit_status"]
    assert error["schema"] == "edge-anpr/error/1"
    assert error["exit_status"] == done.status
    assert error["code"] in CODES
    return error


@pytest.mark.parametrize("words", json_verbs(), ids=" ".join)
def test_with_json_a_usage_error_is_json_in_each_verb(words: tuple[str, ...]) -> None:
    error = the_error(verb(*words, "--json", "--no-such-option"))

    assert (error["code"], error["exit_status"]) == ("E_USAGE", ExitCode.USAGE)
    assert "--no-such-option" in error["message"]


@pytest.mark.parametrize("words", json_verbs(), ids=" ".join)
def test_with_json_a_missing_argument_is_json_in_each_verb_that_needs_one(
    words: tuple[str, ...],
) -> None:
    needed = [one for one in commands()[words].params if one.required]
    if needed:
        assert the_error(verb(*words, "--json"))["code"] == "E_USAGE"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "--site", "nowhere"), "E_CONFIG"),
        (("models", "verify", "no-such-weights"), "E_MODEL_NAME"),
        (("keys", "show", "nowhere"), "E_KEYS"),
        (("hits", "list", "--store", "nowhere"), "E_NO_STORE"),
        (("desk", "status", "--desk", "nowhere"), "E_NO_DESK"),
        (("no-such-verb",), "E_USAGE"),
    ],
)
def test_with_json_a_refusal_of_the_process_is_one_json_object(
    arguments: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    assert the_error(product(*arguments, "--json", cwd=tmp_path))["code"] == code


def test_with_json_each_of_several_errors_is_a_line_of_json(tmp_path: Path) -> None:
    parties = make_parties(tmp_path)
    verb("hits", "stats", "--store", tmp_path / "store")
    with EmbeddedBroker() as broker:
        made = verb(
            "hits", "tail", "--broker", f"127.0.0.1:{broker.port}", "--idle", "0.2", "--store",
            tmp_path / "store", "--box-keys", parties.box_file, "--keys", parties.authority_folder,
        )  # fmt: skip
    assert made.status == 0

    done = verb(
        "hits", "open", "0000", "1111", "--store", tmp_path / "store", "--box-keys",
        parties.box_file, "--keys", parties.authority_folder, "--out", tmp_path / "out", "--json",
    )  # fmt: skip

    errors = [json.loads(line) for line in done.err.splitlines()]
    assert [error["code"] for error in errors] == ["E_NO_HIT", "E_NO_HIT"]
    assert done.json["schema"] == "edge-anpr/hits-open/1"
    assert [row["hit_id"] for row in done.json["failed"]] == ["0000", "1111"]


def test_json_logs_and_json_errors_are_one_line(tmp_path: Path) -> None:
    done = product("--log-format", "json", "run", "--site", tmp_path, "--json")

    entry = json.loads(done.err)
    assert (entry["schema"], entry["level"]) == ("edge-anpr/error/1", "error")
    assert (entry["code"], entry["exit_status"]) == ("E_CONFIG", done.status)
    assert datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).tzinfo == timezone.utc


def test_without_json_an_error_is_a_line_for_a_person(tmp_path: Path) -> None:
    done = product("stats", "--site", tmp_path)

    assert done.err.startswith("error: E_CONFIG: ")
    assert done.err.count("\n") == 1
