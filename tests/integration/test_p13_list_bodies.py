"""P13: the body of a list is used only if it is the one that a signed manifest names.

A real HTTPS server, a real folder. Each fault ends in one line with its cure.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

import pytest

from edge.adapters.state.list_bodies import (
    BodySource,
    Cutoff,
    FolderBodies,
    HttpsBodies,
    ListFetchError,
    fetched,
)
from edge.errors import ExitCode
from tests.support.brokers import TestAuthority, free_port
from tests.support.list_server import Bodies, list_server, silent_server

BODY = os.urandom(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PATH = f"/anpr/{SHA256}.list"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"


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
    promised = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"
    server.raw = promised + BODY[:1000]
    said = refusal(source)
    assert "only 1000 of the 200000 bytes" in said or "the connection ended early" in said
    server.raw = HEAD + BODY[:1000]
    assert "only 1000 of the 200000 bytes" in refusal(source)
    server.drip(HEAD + BODY, b"x" * 65536, pause_s=0)
    assert "more than the 200000 bytes that the manifest names" in refusal(source)


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
