"""Stores the policy in force on a box, the earlier ones, and the latest time seen.

    state/activation.json     the policy in force, its signatures and its activation record
    state/policies/<n>.json   the same of every version that was in force, by number
    state/clock.json          the latest wall-clock time that this box has seen

Each file is replaced atomically.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from edge.adapters.state.anchor import NEW_BOX_CURE
from edge.adapters.state.state_folder import private_folder, replace_file, storage_error
from edge.adapters.state.state_version import require_known
from edge.errors import OutboxError
from edge.formats.regular_files import open_regular_file
from edge.formats.timestamps import parse_utc, utc_text
from edge.formats.yaml_document import read_text, read_text_if_any
from edge.pipeline.ports import Clock
from edge.policy.activation import MAX_BYTES, InForce, read_in_force
from edge.policy.dpia_document import DpiaDocument
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures
from edge.privacy.safeguards import Safeguards

ACTIVATION = "activation.json"
POLICIES = "policies"
CLOCK = "clock.json"
CLOCK_SCHEMA = "edge-anpr/clock/1"

MARK_EVERY = timedelta(seconds=60)
"""How often the latest time is stored. A restart can turn the time back by at most this."""


class PolicyState:
    """The policy files of a state folder.

    Args:
        folder: the state folder; created at the first write.

    Raises:
        OutboxError: `E_STATE_VERSION`: a newer version has written to it.
    """

    def __init__(self, folder: Path) -> None:
        require_known(folder)
        self._folder = folder

    def in_force(self) -> InForce | None:
        """The policy in force on this box with its signatures; None before the first activation.

        Raises:
            PolicyError: `E_LEASE`: the file is damaged.
            ConfigError: it cannot be read.
        """
        file = self._folder / ACTIVATION
        text = read_text_if_any(file, MAX_BYTES)
        return None if text is None else read_in_force(text, file)

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

    def require(self, recorded: Safeguards) -> None:
        """Refuse policies that are behind those which the audit log records as activated.

        A missing activation is not reported: without it no policy is in force.

        Raises:
            OutboxError: `E_STATE_BEHIND`: another policy than the last one is in force, or the box
                has lost an earlier one, with which it must compare a new one.
            EdgeError: a file cannot be read.
        """
        in_force = self.in_force()
        if in_force is None or not recorded.policies:
            return
        if in_force.policy.sha256() != recorded.policies[-1]:
            raise OutboxError(
                f"{self._folder / ACTIVATION}: not the policy that the audit log records as "
                "activated last; activate that one with `edge-anpr policy activate`, or restore "
                "the file",
                code="E_STATE_BEHIND",
            )
        self.require_history(recorded)

    def require_history(self, recorded: Safeguards, *, activating: str | None = None) -> None:
        """Refuse a history that lacks a policy which the audit log records as activated.

        Args:
            recorded: what the audit log proves.
            activating: the digest of the policy that is being activated. It may be missing: the
                process may have been killed after it was recorded and before it was stored.

        Raises:
            OutboxError: `E_STATE_BEHIND`.
            EdgeError: a file cannot be read.
        """
        held = {policy.sha256() for policy, _signatures in self.history()}
        if not held.issuperset(set(recorded.policies) - {activating}):
            raise OutboxError(
                f"{self._folder / POLICIES}: lacks a policy that the audit log records as "
                f"activated; restore the folder from a copy, {NEW_BOX_CURE}",
                code="E_STATE_BEHIND",
            )

    def put_in_force(self, in_force: InForce) -> None:
        """Replace the policy in force, atomically.

        Raises:
            OutboxError: the state folder cannot be written; the earlier policy stays in force.
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
        recorded: the latest time in the audit log, which holds even if the stored one is older.

    Raises:
        OutboxError: the state folder cannot be read or written.
    """

    def __init__(self, clock: Clock, folder: Path, recorded: datetime | None = None) -> None:
        require_known(folder)
        self._clock = clock
        self._file = folder / CLOCK
        known = [time for time in (self._stored(), recorded) if time is not None]
        self._latest = max(known, default=None)
        self._written: datetime | None = None
        self.utc()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def utc(self) -> datetime:
        """The wall clock's time, or the latest time seen if that is later."""
        now = self._clock.utc()
        latest = now if self._latest is None else max(now, self._latest)
        self._latest = latest
        if self._written is None or latest - self._written >= MARK_EVERY:
            self._written = latest
            text = json.dumps({"schema": CLOCK_SCHEMA, "latest": utc_text(latest)}) + "\n"
            replace_file(self._file, text.encode())
        return latest

    def _stored(self) -> datetime | None:
        try:
            return parse_utc(json.loads(self._file.read_text("utf-8"))["latest"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(self._file, error) from error
        except (ValueError, TypeError, KeyError):
            raise OutboxError(
                f"{self._file}: damaged; restore it, or write the present time (UTC) into it as "
                '{"latest": "2026-11-30T07:16:05.123Z"}'
            ) from None


def require_clock(folder: Path, recorded: Safeguards) -> None:
    """Refuse a state folder without the latest time seen, once a policy was activated there.

    Raises:
        OutboxError: `E_STATE_BEHIND`.
    """
    file = folder / CLOCK
    if recorded.policies and not file.exists():
        raise OutboxError(
            f"{file}: missing, so the latest time that this box has seen is unknown; restore the "
            "file, or renew the activation with `edge-anpr policy renew`",
            code="E_STATE_BEHIND",
        )


class DpiaFile:
    """The DPIA's file, which may change; read again when size or times have changed.

    Args:
        file: its path.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: tuple[tuple[int, ...], DpiaDocument] | None = None

    def document(self) -> DpiaDocument | None:
        """The document; None if the file is missing or cannot be read."""
        try:
            status = self._file.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if self._known is None or self._known[0] != seen:
                with open_regular_file(self._file) as stream:
                    self._known = (seen, DpiaDocument.of(stream))
        except OSError:
            return None
        return self._known[1]
