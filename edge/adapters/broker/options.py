"""Broker address, credentials and TLS context."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters.state.key_files import require_unread
from edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths of the TLS files.

    Args:
        ca: certificates of trusted authorities (PEM); None: those of the system.
        certificate: the client's certificate (PEM), for mutual TLS.
        key: its private key (PEM).
        password: returns what opens the key if it is encrypted; None: nothing does.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    password: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SettingNames:
    """The user's names for the settings of a broker: fields of site.yaml, or options of a command.

    `address` is both host and port; `smaller` and `own_id` are the cures of too large a message and
    of a client id that another client has too.
    """

    host: str = "broker.host"
    port: str = "broker.port"
    address: str = "broker.host, broker.port"
    username: str = "broker.username"
    ca: str = "broker.tls.ca"
    certificate: str = "broker.tls.certificate"
    key: str = "broker.tls.key"
    smaller: str = "lower broker.payload_cap_kib in site.yaml"
    own_id: str = "two boxes must not share site and box id: give each its own in site.yaml"


SITE_SETTINGS = SettingNames()
"""The fields of site.yaml."""

COMMAND_OPTIONS = SettingNames(
    host="--broker",
    port="--broker",
    address="--broker",
    username="--username",
    ca="--tls-ca",
    certificate="--tls-cert",
    key="--tls-key",
    smaller="send less at once",
    own_id="this command runs twice with the same keys and --site: end one of them",
)
"""The options of commands that connect to a broker without a site.yaml."""


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Broker address, credentials and limits."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None
    keepalive_s: int = 15
    """Seconds without traffic before a ping; the connection counts as lost after as many again."""
    connect_timeout_s: float = 5.0
    acknowledge_timeout_s: float = 10.0
    largest_packet_bytes: int | None = None
    """The largest packet that the broker may send to this client (3.1.2.11.4)."""
    most_waiting: int | None = None
    """How many received messages may wait; if the broker sends more, the connection ends."""
    most_unacknowledged: int | None = None
    """How many messages the broker may send before the first is acknowledged (3.1.2.11.3)."""
    most_kept: int | None = None
    """Of more messages that wait, those with QoS 1 are dropped without an acknowledgement."""
    names: SettingNames = SITE_SETTINGS
    """What messages call these settings."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def tls_context(files: TlsFiles, names: SettingNames = SITE_SETTINGS) -> ssl.SSLContext:
    """A context for TLS 1.2 or later that verifies the broker's certificate and host name.

    Raises:
        ConfigError: a file is missing or is not the PEM file that it should be.
        KeyFileError: `E_TPM`: the TPM does not open the key; `E_KEY_MODE`: other users can read it.
    """
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except OSError as error:  # includes ssl.SSLError
        raise _tls_file_error(names.ca, files.ca, error) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TidySocket
    if files.certificate is not None:
        try:
            # An empty password, so that an encrypted key fails instead of asking at a terminal.
            password = files.password or bytes
            context.load_cert_chain(files.certificate, files.key, password=password)
        except OSError as error:
            raise _tls_file_error(
                f"{names.certificate} and {names.key}", files.certificate, error
            ) from error
        key = files.key or files.certificate  # one file may hold both
        require_unread(key, key.stat().st_mode, "make a new key and certificate")
    elif files.key is not None:
        raise ConfigError(f"{names.key}: a key without {names.certificate}; give both or neither")
    return context


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, since paho does not close it."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's signature
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls_file_error(what: str, path: Path | None, error: OSError) -> ConfigError:
    if isinstance(error, ssl.SSLError):
        return ConfigError(
            f"{what}: {path} is not a usable PEM file ({error.reason or 'unreadable'}); "
            "name PEM files that belong together, with a key without password"
        )
    return ConfigError(f"{what}: {error.filename or path}: {error.strerror}; check the path")
