"""P13: the body of a list is used only if it is the one that a signed manifest names.

A real HTTPS server, a real folder. Each fault ends in one line with its cure. A box tries again
what is no fault of the list, and never takes an older list for a newer one.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedIOBase
from pathlib import Path

import pytest

from edge.adapters.broker.list_parts import PART_BYTES, MqttBodies, part_topics
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.system import SystemClock
from edge.adapters.state.list_bodies import (
    BodySource,
    Cutoff,
    FolderBodies,
    HttpsBodies,
    ListFetchError,
    fetched,
)
from edge.adapters.state.list_process import ListOpener, OpenedHere
from edge.adapters.state.list_store import ListStore
from edge.box.list_receiving import ListReceiver
from edge.errors import AuditError, EdgeError, ExitCode, OutboxError
from edge.policy.bundle_format import ListBundleError
from edge.policy.bundles import ListTerms
from edge.policy.list_answer import verified_answer
from edge.policy.list_facts import ListFacts
from edge.policy.shared_lists import IssuedList, build_shared
from edge.policy.shrunk_lists import ListSize
from edge.privacy.keys import ListOpeningKey
from tests.support import plate_lists
from tests.support.brokers import TestAuthority, flooding_broker, free_port, wait_until
from tests.support.list_server import Bodies, deaf_server, list_server, silent_server
from tests.support.parties import BOX, SITE, Parties, make_parties
from tests.support.plate_lists import ISSUED, ISSUER, ISSUER_KEY, LIST, PURPOSE

NOW = ISSUED + timedelta(hours=1)
BODY = os.urandom(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PATH = f"/anpr/{SHA256}.list"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture
def server(authority: TestAuthority) -> Iterator[Bodies]:
    with list_server(authority.issue("server")) as bodies:
        bodies.files[PATH] = BODY
        yield bodies


def refusal(source: BodySource, *, seconds: float = 10) -> str:
    """The one line of a refusal."""
    with pytest.raises(ListFetchError) as caught:
        fetched(source, SHA256, len(BODY), Cutoff.after(seconds))
    assert (caught.value.code, caught.value.exit_code) == ("E_LIST_FETCH", ExitCode.BROKER)
    assert "\n" not in caught.value.message
    assert "; " in caught.value.message, "a cure"
    return caught.value.message


def test_p13_a_body_comes_over_https_by_its_digest(
    server: Bodies, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{free_port()}")
    for url in (server.url, f"{server.url}/"):
        source = HttpsBodies(url, authority.path)
        assert fetched(source, SHA256, len(BODY), Cutoff.after(10)) == BODY
    assert server.asked == [PATH, PATH]


def test_p13_a_file_that_is_not_the_body_is_refused(
    server: Bodies, authority: TestAuthority
) -> None:
    source = HttpsBodies(server.url, authority.path)
    for content, says in (
        (BODY[:-1] + bytes([BODY[-1] ^ 1]), "does not match the digest in the manifest"),
        (BODY[:-5], "has 199995 bytes there and 200000 in the manifest; upload the whole file"),
        (b"", "has 0 bytes there and 200000 in the manifest"),
    ):
        server.files[PATH] = content
        assert says in refusal(source)
    server.files.clear()
    assert f"has no {SHA256}.list (404); upload it" in refusal(source)


def test_p13_a_half_written_or_endless_answer_is_refused(
    server: Bodies, authority: TestAuthority
) -> None:
    source = HttpsBodies(server.url, authority.path)
    server.raw = HEAD + BODY[:1000]
    said = refusal(source)
    assert "only 1000 of the 200000 bytes" in said or "the connection ended early" in said
    server.drip(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, b"x" * 65536, pause_s=0)
    assert "has no usable Content-Length there and 200000 in the manifest" in refusal(source)


@pytest.mark.parametrize("chunk", ["-1", "-5", "30d40"])
def test_p13_an_answer_in_chunks_is_refused(
    server: Bodies, authority: TestAuthority, chunk: str
) -> None:
    """A chunk of -1 bytes would be read until the memory is full."""
    coded = HEAD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    server.raw = coded + chunk.encode() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
    said = refusal(HttpsBodies(server.url, authority.path))
    assert "in chunks or compressed; let the server send such files as they are" in said


@pytest.mark.parametrize(
    "field",
    ["Content-Length: 200000", "Content-Encoding: gzip", "Content-Encoding: identity, br"],
)
def test_p13_an_answer_with_another_length_or_coding_is_refused(
    server: Bodies, authority: TestAuthority, field: str
) -> None:
    server.raw = HEAD[:-2] + field.encode() + b"\r\n\r\n" + BODY
    assert "Content-Length" in refusal(HttpsBodies(server.url, authority.path))


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "0200000", "200000x", "\u0662"])
def test_p13_a_length_that_is_not_the_manifests_is_refused_and_not_quoted(
    server: Bodies, authority: TestAuthority, length: str
) -> None:
    server.raw = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + BODY
    said = refusal(HttpsBodies(server.url, authority.path))
    assert "there and 200000 in the manifest" in said
    assert length == "0200000" or length not in said


def test_p13_a_name_that_cannot_be_looked_up_is_refused(authority: TestAuthority) -> None:
    said = refusal(HttpsBodies("https://a..b/", authority.path))
    assert "its name or its answer is not valid" in said


def test_a_server_that_accepts_no_connection_is_given_up_in_time(authority: TestAuthority) -> None:
    said: list[str] = []
    with deaf_server() as port:
        source = HttpsBodies(f"https://127.0.0.1:{port}", authority.path)
        fetch = threading.Thread(
            target=lambda: said.append(refusal(source, seconds=0.3)), daemon=True
        )
        fetch.start()
        fetch.join(5)
    assert "the time was over" in "".join(said)


PART = part_topics(SHA256, 5000)[0]


@pytest.mark.parametrize(
    ("topic", "length", "subscribes", "says"),
    [
        ("anpr/other", 64, True, f"no part on {PART} within 0.5 s"),
        (PART, 4999, True, f"the part on {PART} has 4999 bytes, not 5000"),
        (PART, PART_BYTES * 2, True, "sent more than this client takes; check the broker"),
        ("anpr/other", 64, False, "sent more than this client takes; check the broker"),
    ],
    ids=["another topic", "another length", "too large", "before it has subscribed"],
)
def test_p13_a_broker_that_sends_other_messages_without_end_is_given_up(
    topic: str, length: int, subscribes: bool, says: str
) -> None:
    with flooding_broker(topic, bytes(length), subscribes=subscribes) as port:
        source = MqttBodies(BrokerOptions("127.0.0.1", port, "box"), idle_s=0.5)
        with pytest.raises(ListFetchError, match=re.escape(says)):
            fetched(source, SHA256, 5000, Cutoff.after(5))


def test_p13_a_fetch_of_parts_ends_at_its_deadline_while_other_messages_come() -> None:
    with flooding_broker("anpr/other", b"x", subscribes=True) as port:
        source = MqttBodies(BrokerOptions("127.0.0.1", port, "box"), idle_s=3.0)
        with pytest.raises(ListFetchError, match="when the time was over"):
            fetched(source, SHA256, 5000, Cutoff.after(0.4))


def test_p13_a_box_follows_no_redirect(server: Bodies, authority: TestAuthority) -> None:
    with list_server(authority.issue("other")) as other:
        other.files[PATH] = BODY
        for status in (301, 302, 307, 308):
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}/{SHA256}.list\r\n\r\n"
            server.raw = head.encode()
            assert f"refers to another address ({status})" in refusal(
                HttpsBodies(server.url, authority.path)
            )
        assert other.asked == []


def test_p13_only_the_server_of_the_certificate_is_asked(
    authority: TestAuthority, tmp_path: Path
) -> None:
    stranger = TestAuthority(tmp_path, "stranger")
    for certificate, says in (
        (stranger.issue("server"), "its certificate is not accepted"),
        (authority.issue("elsewhere", address="192.0.2.7"), "its certificate is not accepted"),
        (authority.issue("late", days=-1), "its certificate is not accepted"),
    ):
        with list_server(certificate) as bodies:
            bodies.files[PATH] = BODY
            assert says in refusal(HttpsBodies(bodies.url, authority.path))
            assert bodies.asked == []
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for file in (bad, tmp_path / "missing.pem"):
        said = refusal(HttpsBodies("https://127.0.0.1:1", file))
        assert "lists.tls_ca in site.yaml: no usable PEM file" in said


@pytest.mark.parametrize("part", ["body", "headers", "handshake"])
def test_p13_a_slow_server_is_given_up(server: Bodies, authority: TestAuthority, part: str) -> None:
    """Each byte comes in time, but the whole never does."""
    if part == "handshake":
        with silent_server() as port:
            said = refusal(HttpsBodies(f"https://127.0.0.1:{port}", authority.path), seconds=0.4)
    else:
        server.drip(HEAD if part == "body" else b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")
        said = refusal(HttpsBodies(server.url, authority.path), seconds=0.4)
    assert "the time was over" in said


def test_p13_a_server_that_is_silent_or_away_is_said_so(
    server: Bodies, authority: TestAuthority
) -> None:
    server.answer = lambda _: server.ended.wait(5)
    assert "it sends nothing" in refusal(HttpsBodies(server.url, authority.path, idle_s=1.0))
    away = HttpsBodies(f"https://127.0.0.1:{free_port()}", authority.path)
    assert "Connection refused" in refusal(away)
    server.answer, server.raw = None, b"no http\r\n\r\n"
    assert "its answer is not HTTP" in refusal(HttpsBodies(server.url, authority.path))
    server.raw = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    assert "answers 503" in refusal(HttpsBodies(server.url, authority.path))


def test_a_fetch_ends_at_once_when_the_box_stops(server: Bodies, authority: TestAuthority) -> None:
    stopped = threading.Event()

    def answer(_: BufferedIOBase) -> None:
        stopped.set()
        server.ended.wait(5)

    server.answer = answer
    cutoff = Cutoff.after(900, cancelled=stopped.is_set)
    with pytest.raises(ListFetchError, match="the time was over"):
        fetched(HttpsBodies(server.url, authority.path), SHA256, len(BODY), cutoff)
    assert not server.ended.is_set()


def test_p13_a_body_comes_from_a_folder_by_its_digest(tmp_path: Path) -> None:
    source = FolderBodies(tmp_path)
    file = tmp_path / f"{SHA256}.list"
    assert f"no file {SHA256}.list there; copy it there" in refusal(source)
    file.write_bytes(BODY[:-1])
    assert "only 199999 of the 200000 bytes" in refusal(source)
    file.write_bytes(BODY + b"x")
    assert "more than the 200000 bytes" in refusal(source)
    file.write_bytes(b"x" * len(BODY))
    assert "does not match the digest" in refusal(source)
    file.unlink()
    os.mkfifo(file)
    said = refusal(source)
    assert "cannot be read (not a regular file)" in said
    assert str(tmp_path) not in said, "the answer to the issuer holds no path"
    file.unlink()
    file.write_bytes(BODY)
    assert fetched(source, SHA256, len(BODY), Cutoff.after(10)) == BODY


@dataclass
class Failing:
    """A place of bodies that answers each fetch with the next thing: bytes, or what is raised."""

    answers: list[bytes | Exception]
    asked: int = 0
    hold: threading.Event | None = None

    def blocks(self, sha256: str, size: int, until: Cutoff) -> Generator[bytes, None, None]:
        self.asked += 1
        if self.hold is not None:
            self.hold.wait(2)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer


class Box:
    """A receiver with a real list store; its answers as (counter, code)."""

    def __init__(
        self,
        folder: Path,
        parties: Parties,
        source: BodySource | None,
        opener: ListOpener | None = None,
        **terms: bool,
    ) -> None:
        self.parties = parties
        self.answers: list[tuple[int | None, str]] = []
        limits = plate_lists.terms(**terms)
        self.lists = ListStore(folder, parties.box, {LIST: limits}, lambda: NOW, opener=opener)
        self.receiver = ListReceiver(
            self.lists,
            parties.box,
            SystemClock(),
            self._answer,
            source,
            jitter=lambda: 0.0,
            first_retry_s=0.01,
            close_s=0.1,
        )

    def _answer(self, _: str, payload: bytes) -> None:
        answer = verified_answer(payload, self.parties.box_public)
        self.answers.append((answer.counter, answer.code))

    def shared(self, counter: int) -> tuple[bytes, bytes]:
        """A manifest and its body."""
        entries = (plate_lists.entry(1), plate_lists.entry(2, "2ABC001"))
        issued = IssuedList(LIST, ISSUER, PURPOSE, counter, ISSUED, entries)
        made = build_shared(issued, ISSUER_KEY, [self.parties.box_public])
        return made.manifests[SITE, BOX], made.body

    def settled(self, *answers: tuple[int | None, str]) -> bool:
        return wait_until(lambda: self.answers == list(answers))


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


class FullDisk(OpenedHere):
    """Opens lists as the product does, once the disk has room again."""

    def __init__(self, *faults: EdgeError) -> None:
        self.faults = list(faults)

    def facts(
        self, data: bytes, keys: ListOpeningKey, terms: ListTerms, now: datetime
    ) -> tuple[ListFacts, ListSize]:
        if self.faults:
            raise self.faults.pop(0)
        return super().facts(data, keys, terms, now)


def test_p13_a_fault_of_the_moment_is_no_refusal_and_is_told_once(
    tmp_path: Path, parties: Parties
) -> None:
    full = OutboxError("full", code="E_DISK_FULL")
    away = OutboxError("away", code="E_LIST_PROCESS")
    log = AuditError("no log", code="E_AUDIT")
    source = Failing([])
    box = Box(tmp_path, parties, source, FullDisk(full, full, away, log))
    manifest, body = box.shared(8)
    source.answers += [ValueError("of a library"), MemoryError(), *[body] * 5]
    box.receiver.take(LIST, manifest)
    told = ("E_LIST_FETCH", "E_DISK_FULL", "E_LIST_PROCESS", "E_AUDIT", "")
    assert box.settled(*((8, code) for code in told))
    assert (source.asked, box.lists.facts(LIST).counter) == (7, 8)
    box.receiver.close()


def test_p13_a_list_that_is_refused_is_not_fetched_again_at_each_connection(
    tmp_path: Path, parties: Parties
) -> None:
    source = Failing([])
    box = Box(tmp_path, parties, source, exempt=True)
    box.receiver.take(
        LIST,
        plate_lists.bundle(
            parties.box_public, *(plate_lists.entry(n, f"1AAA{n:03d}") for n in range(9)), counter=3
        ),
    )
    manifest, body = box.shared(8)
    source.answers += [body, body]
    box.receiver.take(LIST, manifest)
    assert box.settled((3, ""), (8, "E_LIST_SHRUNK"))
    assert box.receiver.wait(5)
    with pytest.raises(EdgeError, match="E_LIST_SHRUNK"):
        box.receiver.take(LIST, manifest)
    assert box.answers[-1] == (8, "E_LIST_SHRUNK")
    assert source.asked == 1
    box.receiver.close()


def test_p13_an_older_manifest_does_not_take_the_place_of_a_newer_one(
    tmp_path: Path, parties: Parties
) -> None:
    source = Failing([ListFetchError("gone; upload it")] * 3)
    box = Box(tmp_path, parties, source)
    (older, _), (newer, body) = box.shared(7), box.shared(8)
    box.receiver.take(LIST, newer)
    with pytest.raises(ListBundleError, match=r"E_LIST_REPLAY.*lower than 8"):
        box.receiver.take(LIST, older)
    source.answers.append(body)
    assert wait_until(lambda: box.answers[-1] == (8, ""))
    assert sorted(box.answers) == [(7, "E_LIST_REPLAY"), (8, ""), (8, "E_LIST_FETCH")]
    box.receiver.close()


@pytest.mark.parametrize("by_hand", [False, True])
def test_p13_a_newer_list_ends_the_wait_for_an_older_one(
    tmp_path: Path, parties: Parties, by_hand: bool
) -> None:
    """Also one that another process has installed."""
    box = Box(tmp_path, parties, FolderBodies(tmp_path / "none"))
    box.receiver.take(LIST, box.shared(8)[0])
    assert box.settled((8, "E_LIST_FETCH"))
    newer = plate_lists.bundle(parties.box_public, counter=9)
    if by_hand:
        box.lists.install(newer)
        assert wait_until(lambda: not box.receiver._wanted)
    else:
        box.receiver.take(LIST, newer)
        assert not box.receiver._wanted, "at once, and not at the next try"
    box.receiver.close()
    replay = (8, "E_LIST_REPLAY")  # also if a try begins just when the newer one is in force
    told = [one for one in box.answers[1:] if by_hand or one != replay]
    assert told == [replay if by_hand else (9, "")]


def test_p17_a_share_that_hangs_does_not_keep_a_box_from_stopping(
    tmp_path: Path, parties: Parties, caplog: pytest.LogCaptureFixture
) -> None:
    source = Failing([], hold=threading.Event())
    box = Box(tmp_path, parties, source)
    manifest, body = box.shared(8)
    source.answers.append(body)
    box.receiver.take(LIST, manifest)
    assert wait_until(lambda: source.asked == 1)
    box.receiver.close()
    assert "a list is still being read after 0.1 s and is left unread" in caplog.text
    assert source.hold is not None
    source.hold.set()
    thread = box.receiver._thread
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive()
    assert (box.lists.has(LIST), box.answers) == (False, []), "nothing is installed after the end"


def test_a_box_without_a_place_for_bodies_answers_with_a_code_of_its_own(
    tmp_path: Path, parties: Parties
) -> None:
    box = Box(tmp_path, parties, None)
    with pytest.raises(ListBundleError, match="write where to fetch them into the section"):
        box.receiver.take(LIST, box.shared(8)[0])
    assert box.answers == [(8, "E_LIST_SOURCE")]
