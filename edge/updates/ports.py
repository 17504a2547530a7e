"""What the updater needs of the machine: the box's service, and the state of the box."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from edge.adapters.state.audit_log import FILE_NAME as AUDIT
from edge.formats.regular_files import open_regular_file
from edge.formats.timestamps import parse_utc
from edge.updates.journal import HealthHeard
from edge.updates.problems import UpdateStateError

_TIMEOUT_S: Final = 5.0
_STOP_S: Final = 300.0
_TAIL: Final = 64 * 1024
_LARGEST: Final = 4 * 1024 * 1024
_VERSION: Final = re.compile(r'^edge_anpr_build_info\{[^}]*version="([^"]{1,60})"', re.MULTILINE)
_STATE: Final = re.compile(r'^edge_anpr_state\{state="([a-z]+)"\} 1\.0$', re.MULTILINE)


_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """Linux's name of the time since the machine was started (`random(4)`); None without it."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None


class BoxService(Protocol):
    """The service of the box."""

    def is_stopped(self) -> bool:
        """Whether somebody has stopped it: it does not run, and is not about to start again."""

    def stop(self) -> None:
        """Stop it; it has ended when this returns."""

    def start(self) -> None:
        """Start it, with the program that `current` names now."""


class HealthProbe(Protocol):
    """Asks for the state of the box."""

    def __call__(self, since: datetime | None = None) -> HealthHeard | None:
        """The state now; None if nothing is known of it.

        Args:
            since: what the box recorded before does not count.
        """


class SystemdService:
    """The service of the box, as systemd runs it.

    Args:
        name: the unit.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def is_stopped(self) -> bool:
        return self._systemctl("show", "--property=ActiveState", "--value").strip() == "inactive"

    def stop(self) -> None:
        self._systemctl("stop")

    def start(self) -> None:
        # Without waiting: a box that is not ready yet, or is refused, is judged by its state.
        self._systemctl("start", "--no-block")

    def _systemctl(self, verb: str, *options: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the name is checked in site.yaml
                ["systemctl", verb, *options, self._name],  # noqa: S607 - found on PATH
                check=False,
                capture_output=True,
                text=True,
                timeout=_STOP_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise UpdateStateError(
                f"systemctl {verb} {self._name}: {type(error).__name__}; run this as root, on a "
                "machine with systemd"
            ) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise UpdateStateError(f"systemctl {verb} {self._name}: {last[:200]}")
        return done.stdout


class MetricsProbe:
    """Asks the box itself over HTTP; if it does not run, its audit log says why it was refused.

    Args:
        host: of `telemetry.listen` in site.yaml.
        port: likewise.
        state: the state folder.
    """

    def __init__(self, host: str, port: int, state: Path) -> None:
        self._host, self._port = host, port
        self._audit = state / AUDIT

    def __call__(self, since: datetime | None = None) -> HealthHeard | None:
        try:
            text = self._fetch("/metrics")
            reason = str(json.loads(self._fetch("/readyz"))["reason"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return self._refused(since)
        version, state = _VERSION.search(text), _STATE.search(text)
        if version is None or state is None:
            return None
        return HealthHeard(state=state[1], reason=reason[:80], version=version[1])

    def _fetch(self, path: str) -> str:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().read(_LARGEST).decode()
        finally:
            connection.close()

    def _refused(self, since: datetime | None) -> HealthHeard | None:
        """The last refusal in the audit log, of a box that ended because of it.

        The log is not verified here: a box whose log is not valid is refused by itself.
        """
        try:
            with open_regular_file(self._audit) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = file.read().splitlines()
            entry = json.loads(lines[-1].partition(b" ")[2])
            if entry["event"] != "state" or entry["state"] != "safe":
                return None
            if since is not None and parse_utc(entry["at"]) < since:
                return None
            return HealthHeard(state="safe", reason=str(entry["reason"])[:80])
        except (OSError, ValueError, IndexError, KeyError, TypeError):
            return None
