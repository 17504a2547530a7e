"""The connection to a broker, and the error for each way in which it fails."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.adapters.broker.mqtt import BrokerLink, TooLargeError, Will
from edge.adapters.broker.options import BrokerOptions, TlsFiles, tls_context
from edge.errors import EdgeError, ExitCode, PublishError
from tests.integration.conftest import needs_mosquitto
from tests.support.brokers import (
    HOST,
    Broker,
    Certificate,
    Mosquitto,
    TestAuthority,
    free_port,
    tcp_server,
    wait_until,
)

SECRET = "correct horse"


def options(
    port: int,
    *,
    host: str = HOST,
    username: str | None = None,
    password: str | None = None,
    tls: TlsFiles | None = None,
) -> BrokerOptions:
    return BrokerOptions(
        host,
        port,
        "edge-anpr-test",
        username=username,
        password=password,
        tls=tls,
        connect_timeout_s=1.0,
        acknowledge_timeout_s=3.0,
    )


def refusal(chosen: BrokerOptions) -> EdgeError:
    with pytest.raises(EdgeError) as refused:
        BrokerLink.open(chosen).close()
    message = refused.value.message
    assert "\n" not in message
    assert SECRET not in message + repr(chosen)
    return refused.value


def assert_works(chosen: BrokerOptions) -> None:
    with BrokerLink.open(chosen) as link:
        link.subscribe(["a/b"])
        assert link.publish("a/b", b"hello") == 0
        message = link.receive(3)
        assert message is not None
        assert (message.topic, message.payload) == ("a/b", b"hello")
        link.acknowledge(message)


# --- no broker at all ------------------------------------------------------------------------


def test_a_closed_port_is_reported() -> None:
    port = free_port()
    error = refusal(options(port))
    assert error.exit_code is ExitCode.BROKER
    assert f"{HOST}:{port}: nothing listens there" in error.message


def test_an_unknown_host_name_is_reported() -> None:
    assert (
        "no such host; check broker.host" in refusal(options(1883, host="nowhere.invalid")).message
    )


@pytest.mark.parametrize(
    ("answer", "close", "says"),
    [
        pytest.param(None, False, "did not accept the connection within 1 s", id="never answers"),
        pytest.param(None, True, "closed the connection before it accepted", id="closes at once"),
        pytest.param(b"HTTP/1.1 400\r\n\r\n", True, "closed the connection", id="speaks HTTP"),
        # CONNACK of MQTT 3.1.1: no session, return code 1, unacceptable protocol version.
        pytest.param(b"\x20\x02\x00\x01", True, "does not speak MQTT 5", id="speaks MQTT 3.1.1"),
    ],
)
def test_a_server_that_is_not_an_mqtt_5_broker_is_reported(
    answer: bytes | None, close: bool, says: str
) -> None:
    with tcp_server(answer, close=close) as port:
        error = refusal(options(port))
    assert f"{HOST}:{port}" in error.message
    assert says in error.message


def test_tls_to_a_server_that_never_answers_gives_up_in_time() -> None:
    with tcp_server(None, close=False) as port:
        assert "no answer within 1 s" in refusal(options(port, tls=TlsFiles())).message


# --- passwords -------------------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize(
    ("username", "password"),
    [("box-1", "wrong " + SECRET), ("box-2", SECRET), (None, None)],
    ids=["wrong password", "unknown user", "no password"],
)
def test_refused_credentials_are_reported(
    password_broker: Mosquitto, username: str | None, password: str | None
) -> None:
    error = refusal(options(password_broker.port, username=username, password=password))
    assert error.code == "E_BROKER_CREDENTIALS"
    assert "check broker.username and its password" in error.message


@needs_mosquitto
def test_accepted_credentials_connect(password_broker: Mosquitto) -> None:
    assert_works(options(password_broker.port, username="box-1", password=SECRET))


@pytest.fixture
def password_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    passwords = tmp_path / "passwords"
    # Plain text; mosquitto_passwd is a separate package on some systems.
    passwords.write_text(_mosquitto_password("box-1", SECRET), encoding="utf-8")
    with Mosquitto(tmp_path, f"password_file {passwords}") as broker:
        yield broker


def _mosquitto_password(username: str, password: str) -> str:
    """One line of mosquitto's password file: PBKDF2 with SHA-512, type 7."""
    import base64
    import hashlib

    salt, rounds = b"twelve bytes", 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    encoded = "$".join(base64.b64encode(part).decode() for part in (salt, digest))
    return f"{username}:$7${rounds}${encoded}\n"


# --- TLS -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tls:
    """Two mosquittos with TLS, and valid and invalid certificates for them."""

    port: int
    mutual_port: int
    plain_port: int
    ours: TestAuthority
    theirs: TestAuthority


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = TestAuthority(folder, "ours"), TestAuthority(folder, "theirs")
    server = ours.issue("server")
    files = (f"cafile {ours.path}", f"certfile {server.certificate}", f"keyfile {server.key}")
    places = [folder / name for name in ("tls", "mutual", "plain")]
    for place in places:
        place.mkdir()
    with (
        Mosquitto(places[0], *files) as one_way,
        Mosquitto(
            places[1], *files, "require_certificate true", "use_identity_as_username true"
        ) as mutual,
        Mosquitto(places[2]) as plain,
    ):
        yield Tls(one_way.port, mutual.port, plain.port, ours, theirs)


@needs_mosquitto
def test_tls_connects_with_the_right_authority(tls: Tls) -> None:
    assert_works(options(tls.port, tls=TlsFiles(ca=tls.ours.path)))


@needs_mosquitto
def test_mutual_tls_connects_with_the_right_certificate(tls: Tls) -> None:
    client = tls.ours.issue("box-1")
    files = TlsFiles(ca=tls.ours.path, certificate=client.certificate, key=client.key)
    assert_works(options(tls.mutual_port, tls=files))


TLS_REFUSALS: dict[str, tuple[Callable[[Tls], BrokerOptions], str]] = {
    "an authority that did not sign the broker's certificate": (
        lambda tls: options(tls.port, tls=TlsFiles(ca=tls.theirs.path)),
        "its certificate fails the check with the authorities of",
    ),
    "a host name that the certificate does not carry": (
        lambda tls: options(tls.port, host="localhost", tls=TlsFiles(ca=tls.ours.path)),
        "check broker.tls.ca and broker.host",
    ),
    "no client certificate": (
        lambda tls: options(tls.mutual_port, tls=TlsFiles(ca=tls.ours.path)),
        "set a valid client certificate that the broker trusts",
    ),
    "a client certificate of a stranger": (
        lambda tls: options(
            tls.mutual_port,
            tls=TlsFiles(
                ca=tls.ours.path,
                certificate=(stranger := tls.theirs.issue("box-1")).certificate,
                key=stranger.key,
            ),
        ),
        "set a valid client certificate that the broker trusts",
    ),
    "TLS to a port without it": (
        lambda tls: options(tls.plain_port, tls=TlsFiles(ca=tls.ours.path)),
        "check that this port speaks TLS",
    ),
    "no TLS to a port that wants it": (
        lambda tls: options(tls.port),
        "check that it speaks MQTT 5 on this port, without TLS",
    ),
}


@needs_mosquitto
@pytest.mark.parametrize("case", TLS_REFUSALS)
def test_tls_failures_are_reported(tls: Tls, case: str) -> None:
    choose, says = TLS_REFUSALS[case]
    error = refusal(choose(tls))
    assert error.exit_code is ExitCode.BROKER
    assert says in error.message


TLS_FILES: dict[str, tuple[Callable[[TestAuthority, Path], TlsFiles], str]] = {
    "missing authority": (
        lambda _ca, folder: TlsFiles(ca=folder / "missing.pem"),
        "broker.tls.ca: ",
    ),
    "authority that is no PEM": (
        lambda _ca, folder: TlsFiles(ca=folder / "words.pem"),
        "words.pem is not a usable PEM file",
    ),
    "missing certificate": (
        lambda ca, folder: TlsFiles(ca=ca.path, certificate=folder / "missing.pem"),
        "missing.pem",
    ),
    "key of another certificate": (
        lambda ca, _folder: TlsFiles(
            ca=ca.path, certificate=ca.issue("one").certificate, key=ca.issue("two").key
        ),
        "name PEM files that belong together",
    ),
    "key with a password": (
        lambda ca, _folder: TlsFiles(
            ca=ca.path,
            certificate=(locked := ca.issue("locked", password=b"x")).certificate,
            key=locked.key,
        ),
        "with a key without password",
    ),
    "key without a certificate": (
        lambda ca, _folder: TlsFiles(ca=ca.path, key=ca.issue("one").key),
        "give both or neither",
    ),
}


@pytest.mark.parametrize("case", TLS_FILES)
def test_unusable_tls_files_are_reported(tmp_path: Path, case: str) -> None:
    (tmp_path / "words.pem").write_text("not a certificate")
    choose, says = TLS_FILES[case]
    error = refusal(options(1, tls=choose(TestAuthority(tmp_path, "ca"), tmp_path)))
    assert error.exit_code is ExitCode.CONFIG
    assert says in error.message


@pytest.mark.parametrize("joined", [False, True])
def test_p10_a_private_key_that_others_can_read_is_refused(tmp_path: Path, joined: bool) -> None:
    ca = TestAuthority(tmp_path, "ca")
    own = ca.issue("box-1")
    if joined:  # as `fleet enrol` writes them
        own.key.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())
        own = Certificate(own.key, own.key)
    files = TlsFiles(ca=ca.path, certificate=own.certificate, key=None if joined else own.key)
    own.key.chmod(0o600)
    assert tls_context(files).get_ca_certs()
    for mode in (0o640, 0o604):
        own.key.chmod(mode)
        error = refusal(options(1, tls=files))
        assert (error.code, error.exit_code) == ("E_KEY_MODE", ExitCode.KEYS)
        assert f"chmod 600 {own.key}" in error.message


# --- what the product relies on, in each broker -------------------------------------------------


def test_a_session_keeps_messages_for_an_absent_subscriber(broker: Broker) -> None:
    subscriber = BrokerOptions(broker.host, broker.port, "authority")
    with BrokerLink.open(subscriber, session_expiry_s=3600) as link:
        assert not link.session_present
        link.subscribe(["anpr/+/+/+/hit"])
    payloads = [bytes([number]) * 100_000 for number in range(20)]
    with BrokerLink.open(options(broker.port)) as box:
        for payload in payloads:
            assert box.publish("anpr/s/b/c/hit", payload) == 0
    with BrokerLink.open(subscriber, session_expiry_s=3600) as link:
        assert link.session_present
        received = []
        while (message := link.receive(1.0)) is not None:
            received.append(message.payload)
            link.acknowledge(message)
    assert received == payloads


def test_an_unacknowledged_message_is_delivered_again(broker: Broker) -> None:
    subscriber = BrokerOptions(broker.host, broker.port, "authority")
    link = BrokerLink.open(subscriber, session_expiry_s=3600)
    link.subscribe(["a/b"])
    link.publish("a/b", b"once")
    first = link.receive(3)
    link.abort()
    with BrokerLink.open(subscriber, session_expiry_s=3600) as again:
        second = again.receive(3)
        assert first is not None
        assert second is not None
        assert (first.payload, second.payload) == (b"once", b"once")


def test_an_expired_message_is_not_delivered(broker: Broker) -> None:
    subscriber = BrokerOptions(broker.host, broker.port, "authority")
    with BrokerLink.open(subscriber, session_expiry_s=3600) as link:
        link.subscribe(["a/b"])
    with BrokerLink.open(options(broker.port)) as box:
        box.publish("a/b", b"short", expiry_s=1)
        box.publish("a/b", b"long", expiry_s=60)
        box.receive(2.2)
    with BrokerLink.open(subscriber, session_expiry_s=3600) as link:
        message = link.receive(3)
        assert message is not None
        assert message.payload == b"long"


@pytest.mark.parametrize(("polite", "expected"), [(False, b"gone"), (True, b"here")])
def test_the_will_is_published_when_a_client_vanishes_and_only_then(
    broker: Broker, polite: bool, expected: bytes
) -> None:
    link = BrokerLink.open(options(broker.port), will=Will("a/state", b"gone"))
    link.publish("a/state", b"here", retain=True)
    if polite:
        link.close()
    else:
        link.abort()
    watcher = BrokerOptions(broker.host, broker.port, "watcher")
    seen = None
    for _ in range(20):
        with BrokerLink.open(watcher) as watching:
            watching.subscribe(["a/state"])
            seen = watching.receive(3)
        if seen is not None and seen.payload == expected:
            break
    assert seen is not None
    assert (seen.payload, seen.retained) == (expected, True)


def test_a_lost_broker_is_reported(broker: Broker) -> None:
    link = BrokerLink.open(options(broker.port))
    assert link.publish("a/b", bytes(10_000)) < 0x80
    broker.kill()
    with pytest.raises(PublishError, match=f"{HOST}:{broker.port}: the connection was cut"):
        link.publish("a/b", bytes(10_000))
    link.abort()


@needs_mosquitto
def test_a_packet_over_the_announced_size_is_not_sent(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path, "max_packet_size 20480") as broker,
        BrokerLink.open(options(broker.port)) as link,
    ):
        assert link.maximum_packet_bytes == 20480
        with pytest.raises(TooLargeError, match="at most 20480 bytes"):
            link.publish("a/b", bytes(20480))
        assert link.publish("a/b", bytes(20000)) < 0x80


def test_a_second_client_with_the_same_id_is_named_as_the_cause() -> None:
    # CONNACK (success), then DISCONNECT with reason 0x8E, session taken over.
    with (
        tcp_server(b"\x20\x03\x00\x00\x00\xe0\x01\x8e", close=True) as port,
        pytest.raises(PublishError, match="two boxes must not share site and box id"),
        BrokerLink.open(options(port)) as link,
    ):
        link.receive(3)


def test_a_closed_connection_leaves_no_descriptor_without_garbage_collection(
    broker: Broker,
) -> None:
    options = BrokerOptions(broker.host, broker.port, "box")
    nobody = BrokerOptions(broker.host, free_port(), "box")

    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def connect() -> None:
        with BrokerLink.open(options) as link:
            link.subscribe(["t/1"])
        with pytest.raises(PublishError), BrokerLink.open(options):
            raise PublishError("the link is aborted")
        with pytest.raises(PublishError):
            BrokerLink.open(nobody)

    connect()
    gc.collect()
    gc.disable()
    try:
        before = opened()
        for _ in range(5):
            connect()
        # The embedded broker runs in this process; descriptors that it still closes are its own.
        assert wait_until(lambda: opened() <= before)
    finally:
        gc.enable()


@needs_mosquitto
def test_what_a_client_cannot_keep_comes_again_on_its_next_connection(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "max_inflight_messages 200") as broker:
        chosen = replace(options(broker.port), most_kept=20)
        with BrokerLink.open(chosen, session_expiry_s=600) as link:
            link.subscribe(["a/b"])
        sent = [b"%d" % number for number in range(100)]
        with BrokerLink.open(replace(chosen, client_id="sender")) as sender:
            assert sender.publish_all([("a/b", one) for one in sent], retain=False) == [0] * 100
        found: list[bytes] = []
        left: list[bool] = []
        while not left or left[-1]:
            with BrokerLink.open(chosen, session_expiry_s=600) as link:
                link.publish("a/other", b"")  # what the broker has sent before is read meanwhile
                while (message := link.receive(0.5)) is not None:
                    found.append(message.payload)
                    link.acknowledge(message)
                left.append(link.left_behind)
            assert len(left) <= 100

    assert sorted(found) == sorted(sent)
    assert left[0]
