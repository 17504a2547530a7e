"""Every `--json`: a document with a schema and UTC times that end in Z, or one JSON error."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
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
from edge.domain.reveal import MaskMethod
from edge.domain.scene import SceneClass
from edge.errors import CODES, ExitCode
from edge.policy.list_answer import sign_answer
from edge.privacy.keys import BoxKeys
from edge.privacy.sealing import Picture
from tests.integration.test_metrics import watched_street
from tests.support.colour_parser import plate_in_a_street
from tests.support.parties import Parties, evidence, make_parties, topic_of
from tests.support.product import REPOSITORY, Finished, product, verb
from tests.support.real_site import RealSite, make_real_site
from tests.support.sites import MadeSite, make_site, set_port
from tests.support.verbs import commands, json_verbs

NOT_RUN = {("demo",)}
"""tests/e2e/test_demo.py runs the demo and looks at its document."""

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


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """The output of each command with `--json`, on real files."""
    base = tmp_path_factory.mktemp("json")
    found: dict[str, Finished] = {}

    def run(words: str, *arguments: str | Path, status: int | None = 0) -> None:
        done = verb(*words.split(), *arguments, "--json")
        assert status in {None, done.status}, (words, done.err)
        found[words] = done

    for part, act in (
        ("keys", keys), ("policy", policies), ("box", box), ("hits", hits), ("models", models),
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
