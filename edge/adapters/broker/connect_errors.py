"""Errors of one line for a broker that cannot be reached, or refuses the connection."""

from __future__ import annotations

import socket
import ssl

from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters.broker.options import BrokerOptions
from edge.errors import PublishError

_WRONG_DATES = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""

# Reason codes of MQTT 5, section 2.4.
_UNSUPPORTED_PROTOCOL_VERSION = 0x84
_BAD_CLIENT_ID = 0x85
_BAD_CREDENTIALS = frozenset({0x86, 0x87})


def unreachable(options: BrokerOptions, error: OSError | ValueError) -> PublishError:
    """An error of one line for a failed name look-up, TCP connection or TLS handshake."""
    broker, names = f"broker {options.address}", options.names
    if isinstance(error, ssl.SSLCertVerificationError):
        trusted = options.tls.ca if options.tls is not None and options.tls.ca else "the system"
        dates = error.verify_code in _WRONG_DATES
        cure = (
            "renew it, or set this machine's clock"
            if dates
            else f"check {names.ca} and {names.host}"
        )
        return PublishError(
            f"{broker}: its certificate fails the check with the authorities of {trusted} "
            f"({error.verify_message}); {cure}"
        )
    if isinstance(error, ssl.SSLError) or (options.tls and isinstance(error, ConnectionResetError)):
        reason = getattr(error, "reason", None) or "connection reset"
        return PublishError(f"{broker}: TLS failed ({reason}); check that this port speaks TLS")
    if isinstance(error, socket.gaierror):
        return PublishError(f"{broker}: no such host; check {names.host}")
    if isinstance(error, TimeoutError):
        return PublishError(
            f"{broker}: no answer within {options.connect_timeout_s:g} s; check "
            f"{names.address} and the network"
        )
    if isinstance(error, ConnectionRefusedError):
        return PublishError(
            f"{broker}: nothing listens there; start the broker or check {names.port}"
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return PublishError(f"{broker}: {reason}; check {names.address} and the network")


def refused(options: BrokerOptions, reason: ReasonCode) -> PublishError:
    """An error of one line for a CONNACK with a failure (3.2.2.2)."""
    broker = f"broker {options.address}"
    if reason.value in _BAD_CREDENTIALS:
        return PublishError(
            f"{broker}: refuses user name or password; check {options.names.username} and its "
            "password",
            code="E_BROKER_CREDENTIALS",
        )
    if reason.value == _UNSUPPORTED_PROTOCOL_VERSION:
        return PublishError(f"{broker}: does not speak MQTT 5; use a broker that does")
    if reason.value == _BAD_CLIENT_ID:
        return PublishError(
            f"{broker}: refuses the client id {options.client_id}; allow it at the broker"
        )
    return PublishError(f"{broker}: refuses the connection ({reason.getName()}); see its log")
