"""Real brokers and certificates for tests, and servers that are not brokers."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typing_extensions import Self

from edge.adapters.broker import topics
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.errors import PublishError

HOST = "127.0.0.1"
MOSQUITTO = shutil.which(
    "mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> bool:
    """Wait for a condition; returns whether it became true in time.

    The time is long, since a busy machine may stand still for seconds. Only a failure takes it.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


class Broker(Protocol):
    """A broker that a test can start, stop and kill."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


class Mosquitto:
    """Debian's mosquitto.

    Args:
        folder: its configuration and its log.
        lines: further lines of its configuration; without an access rule of theirs everyone
            may connect.
        host: where it listens.
        enter: words before its command line, which lead to that host.
    """

    def __init__(
        self, folder: Path, *lines: str, host: str = HOST, enter: Sequence[str] = ()
    ) -> None:
        self.host = host
        self.port = free_port()
        self._enter = enter
        self.log = folder / "mosquitto.log"
        self._configuration = folder / "mosquitto.conf"
        listener = [f"listener {self.port} {host}", f"log_dest file {self.log}"]
        if os.geteuid() == 0:
            # Otherwise it switches to a user who cannot read the test's folder.
            listener.append("user root")
        if not any(line.startswith(("password_file", "require_certificate")) for line in lines):
            listener.append("allow_anonymous true")
        self._configuration.write_text("\n".join([*listener, *lines, ""]), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [*self._enter, MOSQUITTO, "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_until(self._listens), self.log.read_text(encoding="utf-8")

    def stop(self) -> None:
        if self._process is not None:
            # mosquitto listens before it handles SIGTERM, and then ignores the first one.
            assert wait_until(self._terminated)
            self._process = None

    def _terminated(self) -> bool:
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        return self._process.poll() is not None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None

    @property
    def pid(self) -> int | None:
        """The number of its process; None: it does not run."""
        return None if self._process is None else self._process.pid

    def reload(self) -> None:
        """Let it read its access list and configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def hang(self) -> None:
        """Suspend the process; the kernel still accepts connections and bytes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, as PEM files."""

    certificate: Path
    key: Path


class TestAuthority:
    """A certificate authority for one test."""

    __test__ = False

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        self._certificate = (
            _builder(subject, subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        password: bytes | None = None,
        address: str = HOST,
        days: float = 1,
        own: bool = False,
    ) -> Certificate:
        """A certificate for an address.

        Args:
            name: what it calls itself, and its files are called.
            password: of its key.
            address: that it is for.
            days: from now until it ends; below nothing it has ended.
            own: it is signed by itself.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = self._certificate.subject, self._key
        if own:
            issuer, signer = _subject(name), key
        certificate = (
            _builder(_subject(name), issuer, key.public_key(), days)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        files = Certificate(
            self._folder / f"{self._name}-{name}.pem", self._folder / f"{self._name}-{name}.key"
        )
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        files.key.touch(mode=0o600)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
        return files


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float = 1
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@contextlib.contextmanager
def tcp_server(answer: bytes | None, *, close: bool) -> Iterator[int]:
    """A TCP server without MQTT: it sends `answer` to each client, then closes or not."""
    stopped = threading.Event()

    def serve(listener: socket.socket) -> None:
        open_connections = []
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                open_connections.append(connection)
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
                if close:
                    connection.close()
        for connection in open_connections:
            connection.close()

    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stopped.set()
            thread.join()


@contextlib.contextmanager
def slow_broker(topic: str, payload: bytes) -> Iterator[int]:
    """A broker that never acknowledges: once something is published it sends a message instead."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + b"\0\1" + b"\0" + payload
    assert len(body) < 128, "one byte of remaining length (2.2.3)"

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"\x20\x03\x00\x00\x00")  # CONNACK, success (3.2)
            while (received := connection.recv(65536)) and received[0] >> 4 != 3:
                pass
            if received:
                connection.sendall(b"\x32" + bytes([len(body)]) + body)  # PUBLISH, QoS 1 (3.3)
            while received:
                received = connection.recv(65536)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@contextlib.contextmanager
def flooding_broker(topic: str, payload: bytes, *, subscribes: bool) -> Iterator[int]:
    """A broker that answers a subscription with the same message without end.

    If not `subscribes`, the subscription itself is never acknowledged.
    """
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + b"\0" + payload
    flood = (b"\x30" + _remaining_length(len(body)) + body) * 16  # PUBLISH, QoS 0 (3.3)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"\x20\x03\x00\x00\x00")  # CONNACK, success (3.2)
            asked = connection.recv(65536)
            if subscribes:  # SUBACK (3.9), with the packet id of the SUBSCRIBE of one topic
                connection.sendall(b"\x90\x04" + _packet_id(asked) + b"\0\1")
            while True:
                connection.sendall(flood)
                time.sleep(0.001)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


@contextlib.contextmanager
def flooded(broker: Broker, topic: str, payload: bytes) -> Iterator[None]:
    """A client sends the same message to a topic of a broker as fast as it can."""
    name, connect = (
        topic.encode(),
        b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x05flood",
    )  # CONNECT (3.1)
    body = len(name).to_bytes(2, "big") + name + b"\0" + payload
    flood = (b"\x30" + _remaining_length(len(body)) + body) * 200  # PUBLISH, QoS 0 (3.3)
    over = threading.Event()

    def send(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                connection.sendall(flood)

    with socket.create_connection((broker.host, broker.port), timeout=10) as connection:
        connection.sendall(b"\x10" + _remaining_length(len(connect)) + connect)
        assert connection.recv(64)[:1] == b"\x20"  # CONNACK
        thread = threading.Thread(target=send, args=(connection,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def _remaining_length(length: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    head = b""
    while length >= 128:
        head += bytes([length % 128 | 128])
        length //= 128
    return head + bytes([length])


def _packet_id(packet: bytes) -> bytes:
    """The id behind the fixed header of a packet (2.1)."""
    at = 1
    while packet[at] & 128:
        at += 1
    return packet[at + 1 : at + 3]


@dataclass(slots=True)
class StoringAuthority:
    """A minimal authority: stores each hit by its id, sends a receipt, and reconnects."""

    options: BrokerOptions
    deliveries: list[tuple[str, bytes]] = field(default_factory=list)
    sends_receipts: bool = True
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    subscribed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.subscribed.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def hit_ids(self) -> list[str]:
        """Ids in the order of their first arrival."""
        return list(dict.fromkeys(hit_id for hit_id, _ in self.deliveries))

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(PublishError):
                self._serve()
            self._stopping.wait(0.05)

    def _serve(self) -> None:
        with BrokerLink.open(
            self.options, session_expiry_s=3600, cancelled=self._stopping.is_set
        ) as link:
            link.subscribe([topics.all_hits()])
            self.subscribed.set()
            while not self._stopping.is_set():
                message = link.receive(0.1)
                if message is None:
                    continue
                hit = json.loads(message.payload)
                self.deliveries.append((hit["hit_id"], message.payload))
                link.acknowledge(message)
                if self.sends_receipts:
                    link.publish(
                        topics.receipt(hit["site"], hit["box"]),
                        receipt(hit["hit_id"], hit["sealed_sha256"]),
                    )


def receipt(hit_id: str, sealed_sha256: str, *, signed: bool = True) -> bytes:
    """A receipt with a constant in place of a signature; edge.privacy makes the real ones."""
    return json.dumps({"hit_id": hit_id, "sealed_sha256": sealed_sha256, "signed": signed}).encode()


def verify_receipt(payload: bytes) -> tuple[str, str] | None:
    said = json.loads(payload)
    return (said["hit_id"], said["sealed_sha256"]) if said["signed"] else None
