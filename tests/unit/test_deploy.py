"""The rules for the files of config/deploy."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.support.source_tree import ROOT

UNIT = ROOT / "config" / "deploy" / "edge-anpr.service"
WORST_EXPOSURE = 2.0


def unit() -> dict[str, list[str]]:
    """The unit's settings, each with its values in the order of its lines."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("Type", "notify"),
        ("User", "edge-anpr"),
        ("LimitCORE", "0"),
        ("MemorySwapMax", "0"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("DevicePolicy", "closed"),
        ("SuccessExitStatus", "130"),
    ],
)
def test_the_service_is_confined(setting: str, value: str) -> None:
    assert unit()[setting] == [value]


def test_the_service_may_write_only_its_state() -> None:
    assert unit()["StateDirectory"] == ["edge-anpr"]
    assert not {"ReadWritePaths", "BindPaths", "ReadWriteDirectories"} & set(unit())


def test_the_service_gets_its_password_as_a_credential_and_never_in_its_environment() -> None:
    assert unit()["LoadCredential"]
    assert not {"Environment", "EnvironmentFile", "PassEnvironment"} & set(unit())


def test_the_service_has_time_to_stop_and_its_watchdog_to_judge() -> None:
    from edge.box.health import STALLED_S

    drain = re.search(r"--drain (\d+)", unit()["ExecStart"][0])
    assert drain is not None
    assert int(unit()["TimeoutStopSec"][0]) >= int(drain[1]) + 10
    assert int(unit()["WatchdogSec"][0]) >= STALLED_S + int(drain[1]) + 20


def test_systemd_rates_the_exposure_as_low() -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    score = re.search(r"Overall exposure level for edge-anpr\.service: ([0-9.]+)", said)
    assert score is not None, said
    assert float(score[1]) <= WORST_EXPOSURE
