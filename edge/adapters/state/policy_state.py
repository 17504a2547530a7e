"""The policy in force on a box, those before it, and the latest time that the box has seen.

    state/activation.json     the policy in force, its signatures and its activation record
    state/policies/<n>.json   the same of every version that was in force, by number
    state/clock.json          the latest wall-clock time that this box has seen

Each file is written beside its place and moved there, so that it is whole or as it was.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

from edge.adapters.state.state_folder import private_folder, replace_file, storage_error
from edge.adapters.state.state_version import require_known
from edge.errors import OutboxError
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.yaml_document import read_text
from edge.pipeline.ports import Clock
from edge.policy.activation import MAX_BYTES, InForce, read_in_force
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures

ACTIVATION = "activation.json"
POLICIES = "policies"
CLOCK = "clock.json"
CLOCK_SCHEMA = "edge-anpr/clock/1"

MARK_EVERY = timedelta(seconds=60)
"""How often the latest time is written down: what a restart could at most win back."""


class PolicyState:
    """The policy's part of a state folder.

    Args:
        folder: the state folder; made when something is first written.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to it.
    """

    def __init__(self, folder: Path) -> None:
        require_known(folder)
        self._folder = folder

    def in_force(self) -> InForce | None:
        """What is in force on this box; None before the first activation.

        Raises:
            PolicyError: `E_LEASE`: the file is damaged.
            ConfigError: it cannot be read.
        """
        file = self._folder / ACTIVATION
        return read_in_force(read_text(file, MAX_BYTES), file) if file.exists() else None

    def history(self) -> tuple[tuple[Policy, PolicySignatures], ...]:
        """Every version that was in force, newest first.

        Raises:
            PolicyError: `E_LEASE`: a file is damaged.
            ConfigError: one cannot be read.
        """
        found = []
        for file in (self._folder / POLICIES).glob("*.json"):
            one = read_in_force(read_text(file, MAX_BYTES), file)
            found.append((one.policy, one.signatures))
        return tuple(sorted(found, key=lambda one: -one[0].version))

    def put_in_force(self, in_force: InForce) -> None:
        """Replace what is in force, whole or not at all.

        Raises:
            OutboxError: the state folder cannot be written; what was in force still is.
        """
        text = in_force.text().encode()
        private_folder(self._folder)
        replace_file(self._folder / POLICIES / f"{in_force.policy.version}.json", text)
        replace_file(self._folder / ACTIVATION, text)


class SteadyClock:
    """A clock that never goes back, not even across restarts.

    Args:
        clock: the system's.
        folder: the state folder, which keeps the latest time seen.

    Raises:
        OutboxError: the state folder cannot be read or written.
    """

    def __init__(self, clock: Clock, folder: Path) -> None:
        require_known(folder)
        self._clock = clock
        self._file = folder / CLOCK
        self._latest = self._stored()
        self._written: datetime | None = None
        self.utc()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def utc(self) -> datetime:
        """The wall clock, or the latest time seen where that is later."""
        now = self._clock.utc()
        latest = now if self._latest is None else max(now, self._latest)
        self._latest = latest
        if self._written is None or latest - self._written >= MARK_EVERY:
            self._written = latest
            text = json.dumps({"schema": CLOCK_SCHEMA, "latest": utc_text(latest)}) + "\n"
            replace_file(self._file, text.encode())
        return latest

    def _stored(self) -> datetime | None:
        if not self._file.exists():
            return None
        try:
            return parse_utc(json.loads(self._file.read_text("utf-8"))["latest"])
        except OSError as error:
            raise storage_error(self._file, error) from error
        except (ValueError, TypeError, KeyError):
            raise OutboxError(
                f"{self._file}: damaged; restore it, or put the present time (UTC) into it as "
                '{"latest": "2026-11-30T07:16:05.123Z"}'
            ) from None


class FileDigest:
    """The SHA-256 of a file that may change; it is read again when it looks changed.

    Args:
        file: its path.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: tuple[tuple[int, ...], str] | None = None

    def sha256(self) -> str | None:
        """Hex digest, or None if the file is not there or cannot be read."""
        try:
            status = self._file.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if self._known is None or self._known[0] != seen:
                with self._file.open("rb") as stream:
                    digest = hashlib.sha256()
                    while block := stream.read(1 << 20):
                        digest.update(block)
                self._known = (seen, digest.hexdigest())
        except OSError:
            return None
        return self._known[1]
