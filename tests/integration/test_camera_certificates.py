"""Cameras over TLS: without a trusted, valid, matching certificate the box sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.cameras import decoder_request as camera_order
from edge.adapters.cameras import opening
from edge.adapters.cameras.camera_status import CameraState
from edge.adapters.cameras.decoder_request import request_for
from edge.adapters.cameras.opening import SourceError
from edge.errors import ConfigError
from edge.site.settings import HttpCamera, RtspCamera
from tests.support.brokers import HOST, Certificate, TestAuthority, tcp_server
from tests.support.live_cameras import (
    NEEDS_RTSP,
    JpegServer,
    RtspServer,
    TlsFront,
    film,
    has_rtsp_server,
    play,
    watching,
)

LOGIN = ("viewer", "canary-pw")
KINDS = (
    "https",
    pytest.param("rtsps", marks=pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> TestAuthority:
    return TestAuthority(folder, "town")


@pytest.fixture(scope="module")
def other(folder: Path) -> TestAuthority:
    return TestAuthority(folder, "other")


@pytest.fixture(scope="module", params=KINDS)
def camera(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[str, int]]:
    """A camera without TLS, to which a TLS front is added: its kind and its port."""
    if request.param == "https":
        with JpegServer(play(), login=LOGIN) as pictures:
            yield "https", pictures.port
    else:
        with RtspServer(film(folder / "street.ts", (320, 180, 60)), LOGIN) as server:
            yield "rtsps", server.port


def settings(kind: str, port: int, name: str | None = None) -> HttpCamera | RtspCamera:
    url = f"{kind}://{HOST}:{port}/camera"
    if kind == "https":
        return HttpCamera(type="http", url=url, username=LOGIN[0], tls_name=name)
    return RtspCamera(type="rtsp", url=url, username=LOGIN[0], tls_name=name)


def opens(camera: tuple[str, int], shown: Certificate, ca: Path, name: str | None = None) -> None:
    kind, port = camera
    with TlsFront(port, shown) as front:
        live = settings(kind, front.port, name)
        with watching(live, LOGIN[1], authorities=ca) as watched:
            assert watched.gets(3), watched.problem
        assert any(b"Authorization: Basic" in data for data in front.passed)


def refuses(
    camera: tuple[str, int], shown: Certificate, ca: Path | None, why: str, name: str | None = None
) -> None:
    kind, port = camera
    with TlsFront(port, shown) as front:
        live = settings(kind, front.port, name)
        with watching(live, LOGIN[1], authorities=ca) as watched:
            assert watched.becomes(CameraState.AWAY)
            problem = watched.problem
        assert watched.frames == []
        assert front.passed == []  # no byte, and so no password
    assert problem.startswith(f"E_CAMERA_CERTIFICATE: camera cam-1 ({kind}://{HOST}:{front.port})")
    assert why in problem
    assert "\n" not in problem
    assert LOGIN[1] not in problem


def test_a_camera_with_a_certificate_of_the_named_authority_gives_frames(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    opens(camera, authority.issue("right"), authority.path)


def test_a_self_signed_camera_is_pinned_by_its_own_certificate(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    own = authority.issue("own", own=True)
    opens(camera, own, own.certificate)


def test_another_certificate_with_the_pinned_name_is_refused(
    camera: tuple[str, int], authority: TestAuthority, tmp_path: Path
) -> None:
    pinned = tmp_path / "pinned.pem"
    pinned.write_bytes(authority.issue("own", own=True).certificate.read_bytes())
    refuses(camera, authority.issue("own", own=True), pinned, "certificate that is not trusted")


def test_a_self_signed_certificate_is_not_trusted_by_itself(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    refuses(camera, authority.issue("own", own=True), None, "certificate that is not trusted")


def test_an_unknown_certificate_authority_is_not_trusted(
    camera: tuple[str, int], authority: TestAuthority, other: TestAuthority
) -> None:
    refuses(camera, other.issue("right"), authority.path, "certificate that is not trusted")


def test_an_expired_certificate_is_refused(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    refuses(camera, authority.issue("old", days=-1), authority.path, "not valid today")


def test_a_pinned_certificate_expires_too(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    own = authority.issue("old-own", own=True, days=-1)
    refuses(camera, own, own.certificate, "not valid today")


def test_a_certificate_of_another_host_is_refused(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    shown = authority.issue("elsewhere", address="192.0.2.10")
    refuses(camera, shown, authority.path, "certificate for another name")


def test_the_expected_name_can_be_configured(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    shown = authority.issue("elsewhere", address="192.0.2.10")
    opens(camera, shown, authority.path, "192.0.2.10")


def test_a_configured_name_is_the_only_accepted_one(
    camera: tuple[str, int], authority: TestAuthority
) -> None:
    refuses(
        camera,
        authority.issue("right"),
        authority.path,
        "certificate for another name",
        "192.0.2.10",
    )


@pytest.mark.parametrize("kind", ["https", "rtsps"])
def test_a_port_that_speaks_no_tls_gets_no_password(kind: str, authority: TestAuthority) -> None:
    with (
        tcp_server(b"RTSP/1.0 200 OK\r\n\r\n", close=True) as port,
        watching(settings(kind, port), LOGIN[1], authorities=authority.path) as watched,
    ):
        assert watched.becomes(CameraState.AWAY)
        assert "does not speak TLS" in watched.problem


def test_a_redirect_from_https_to_http_is_refused(authority: TestAuthority) -> None:
    with JpegServer(play()) as unprotected:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {unprotected.url}\r\nContent-Length: 0\r\n\r\n"
        with (
            tcp_server(moved.encode(), close=True) as port,
            TlsFront(port, authority.issue("right")) as front,
            watching(settings("https", front.port), None, authorities=authority.path) as watched,
        ):
            assert watched.becomes(CameraState.AWAY)
            assert b"GET /camera" in front.passed[0]
            assert watched.frames == []
        assert unprotected.visits == 0


@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_an_invalid_ca_file_is_reported_at_once(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "camera-ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"camera-ca\.pem: .*; correct tls_ca"):
        request_for(settings("rtsps", 322), None, file)


@pytest.mark.parametrize("kind", ["https", "rtsps"])
def test_a_system_without_ca_certificates_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setattr(camera_order, "SYSTEM_AUTHORITIES", (tmp_path / "none",))
    with pytest.raises(ConfigError, match="ca-certificates"):
        request_for(settings(kind, 322))


def test_a_tls_library_without_host_name_checks_opens_nothing(
    monkeypatch: pytest.MonkeyPatch, authority: TestAuthority
) -> None:
    monkeypatch.setattr(opening, "_BUILD", "--enable-openssl")
    order = request_for(settings("https", 443), None, authority.path)
    with pytest.raises(SourceError, match="no-verification"):
        opening.open_source(order)
