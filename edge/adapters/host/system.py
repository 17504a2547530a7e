"""The system's own clock and randomness."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(timezone.utc)


def random_bytes(count: int) -> bytes:
    """Cryptographically secure random bytes from the operating system."""
    return secrets.token_bytes(count)


def product_version() -> str:
    """The installed version, or `sources` if the package is not installed."""
    try:
        return version("edge-anpr")
    except PackageNotFoundError:
        return "sources"
