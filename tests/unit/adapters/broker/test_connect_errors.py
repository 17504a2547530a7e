"""What a failed connection to a broker says, and what to do."""

from __future__ import annotations

import ssl

import pytest

from edge.adapters.broker.connect_errors import unreachable
from edge.adapters.broker.options import BrokerOptions, TlsFiles

OPTIONS = BrokerOptions("mqtt.example.org", 8883, "box-1", tls=TlsFiles())


@pytest.mark.parametrize(
    ("code", "reason", "cure"),
    # X509_V_ERR_... of OpenSSL
    [
        (9, "certificate is not yet valid", "renew it, or set this machine's clock"),
        (10, "certificate has expired", "renew it, or set this machine's clock"),
        (62, "hostname mismatch", "check broker.tls.ca and broker.host"),
        (19, "self-signed certificate in chain", "check broker.tls.ca and broker.host"),
    ],
)
def test_the_cure_follows_from_what_is_wrong_with_the_certificate(
    code: int, reason: str, cure: str
) -> None:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_code, error.verify_message = code, reason

    assert unreachable(OPTIONS, error).message.endswith(f"({reason}); {cure}")
