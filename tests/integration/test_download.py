"""Downloads from a real server: resumable, and published when complete."""

from __future__ import annotations

import fcntl
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.models.download import discard, fetch
from edge.errors import ModelError, OutboxError
from tests.support.webserver import Served, web_server

CONTENT = bytes(range(256)) * 4096  # 1 MiB
FILE = "/det.onnx"


@pytest.fixture
def server() -> Iterator[Served]:
    with web_server() as served:
        served.files[FILE] = CONTENT
        yield served


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "models" / "det.onnx.part"


def test_a_download_is_complete_and_reports_its_progress(server: Served, part: Path) -> None:
    told: list[tuple[int, int | None]] = []

    fetch(server.url(FILE), part, progress=lambda have, total: told.append((have, total)))

    assert part.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in told] == sorted(have for have, _ in told)


def broken_off(server: Served, part: Path, after: int = 300_000) -> None:
    server.stop_after = after
    with pytest.raises(
        ModelError, match=rf"the download stopped after {after} of 1048576 bytes"
    ) as refused:
        fetch(server.url(FILE), part)
    assert refused.value.code == "E_MODEL_DOWNLOAD"
    server.stop_after = None
    server.asked.clear()


def test_an_interrupted_download_resumes(server: Served, part: Path) -> None:
    broken_off(server, part)

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT
    assert server.asked == [(FILE, "bytes=300000-")]


def test_a_download_resumes_after_several_interruptions(server: Served, part: Path) -> None:
    for so_far in (100_000, 200_000):
        server.stop_after = 100_000
        with pytest.raises(ModelError, match=f"after {so_far} of 1048576"):
            fetch(server.url(FILE), part)
    server.stop_after = None

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT


def test_a_changed_file_is_downloaded_from_the_start(server: Served, part: Path) -> None:
    broken_off(server, part)
    server.files[FILE] = CONTENT[::-1]
    server.etag = '"two"'

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_a_download_without_a_strong_validator_is_not_resumed(
    server: Served, part: Path, etag: str
) -> None:
    server.etag = etag
    broken_off(server, part)
    server.files[FILE] = CONTENT[::-1]

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT[::-1]
    assert server.asked == [(FILE, None)]


def test_a_server_without_range_support_sends_the_whole_file(server: Served, part: Path) -> None:
    broken_off(server, part)
    server.ranges = False

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT


def test_a_complete_partial_file_is_not_downloaded_again(server: Served, part: Path) -> None:
    fetch(server.url(FILE), part)
    server.asked.clear()

    fetch(server.url(FILE), part, size=len(CONTENT))
    assert server.asked == []

    server.files[FILE] = b"never sent, since the validator is the same" + CONTENT[43:]
    fetch(server.url(FILE), part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [(FILE, f"bytes={len(CONTENT)}-")]


def test_a_partial_file_that_is_too_long_is_downloaded_from_the_start(
    server: Served, part: Path
) -> None:
    fetch(server.url(FILE), part)
    server.files[FILE] = CONTENT[:1000]

    fetch(server.url(FILE), part)

    assert part.read_bytes() == CONTENT[:1000]


def test_more_bytes_than_expected_are_refused(server: Served, part: Path) -> None:
    with pytest.raises(ModelError, match="1048576 bytes where at most 1000 are expected"):
        fetch(server.url(FILE), part, size=1000)

    assert not part.exists()


def test_a_missing_file_is_refused_and_leaves_nothing(server: Served, part: Path) -> None:
    with pytest.raises(ModelError, match=r"/gone\.onnx: cannot be downloaded \(.*404") as refused:
        fetch(server.url("/gone.onnx"), part)

    assert refused.value.code == "E_MODEL_DOWNLOAD"
    assert "--from" in refused.value.message
    assert list(part.parent.iterdir()) == []


def test_a_redirect_on_the_loopback_is_followed_and_one_from_https_to_http_refused(
    server: Served, part: Path
) -> None:
    server.redirects = {"/here": server.url(FILE), "/away": "http://example.org/det.onnx"}

    fetch(server.url("/here"), part)
    assert part.read_bytes() == CONTENT

    discard(part)
    with pytest.raises(
        ModelError, match=r"http://example\.org: weights are downloaded over https only"
    ):
        fetch(server.url("/away"), part)


@pytest.mark.parametrize(
    "url", ["http://example.org/det.onnx", "ftp://127.0.0.1/det.onnx", "file:///etc/passwd"]
)
def test_other_url_schemes_are_refused(part: Path, url: str) -> None:
    with pytest.raises(ModelError, match="over https only"):
        fetch(url, part)

    assert not part.parent.exists()


def test_a_silent_or_unreachable_server_is_reported(server: Served, part: Path) -> None:
    server.silent = threading.Event()
    with pytest.raises(ModelError, match="it does not answer"):
        fetch(server.url(FILE), part, timeout_s=0.3)

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ModelError, match="Connection refused"):
        fetch(f"http://127.0.0.1:{port}{FILE}", part)


def test_an_unknown_host_name_suggests_that_the_machine_is_offline(part: Path) -> None:
    with pytest.raises(ModelError, match="this machine is offline, or the name is wrong"):
        fetch("https://weights.invalid/det.onnx", part)


def test_a_full_disk_is_reported(server: Served, part: Path) -> None:
    part.parent.mkdir()
    part.symlink_to("/dev/full")

    with pytest.raises(OutboxError, match="the disk is full") as refused:
        fetch(server.url(FILE), part)

    assert refused.value.code == "E_DISK_FULL"


def test_a_partial_file_that_another_process_downloads_is_left_alone(
    server: Served, part: Path
) -> None:
    part.parent.mkdir()
    with part.open("wb") as other:
        other.write(b"half")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(ModelError, match="another process is downloading it"):
            fetch(server.url(FILE), part)

    assert part.read_bytes() == b"half"
