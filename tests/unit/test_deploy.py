"""The rules for the files of config/deploy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.adapters.models.weights import MODELS_VARIABLE
from edge.desk.shards import parse_shard
from edge.formats.brokers import parse_address
from edge.policy.bundles import MAX_BUNDLE_BYTES
from edge.site.settings import Site, contradictions
from edge.site.update_source import HttpsUpdates
from edge.texts import WORDS_VARIABLE
from tests.support.example_site import SITE
from tests.support.source_tree import ROOT

UNIT = ROOT / "config" / "deploy" / "edge-anpr.service"
UPDATER = ROOT / "config" / "deploy" / "edge-anpr-update.service"
UPDATES = ROOT / "config" / "deploy" / "edge-anpr-updates.conf"
CONSUMER = ROOT / "config" / "deploy" / "edge-anpr-consume@.service"
SHARDS = ROOT / "config" / "deploy" / "compose.shards.yaml"
WORST_EXPOSURE = 2.0


def unit(file: Path = UNIT) -> dict[str, list[str]]:
    """A unit's settings, each with its values in the order of its lines."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
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


@pytest.mark.parametrize("file", [UNIT, CONSUMER], ids=lambda file: file.stem)
def test_systemd_rates_the_exposure_as_low(file: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    said = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", str(file)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    score = re.search(r"Overall exposure level for edge-anpr\S*\.service: ([0-9.]+)", said)
    assert score is not None, said
    assert float(score[1]) <= WORST_EXPOSURE


def test_the_updater_runs_from_the_version_that_proved_healthy() -> None:
    (start,) = unit(UPDATER)["ExecStart"]
    assert start.startswith("/usr/local/lib/edge-anpr/proven/bin/edge-anpr update install ")
    assert unit(UPDATER)["Restart"] == ["on-failure"]  # a half-done update is always finished
    assert "8" not in unit(UPDATER)["SuccessExitStatus"][0].split()
    assert unit(UPDATER)["ReadWritePaths"] == ["/usr/local/lib/edge-anpr /var/lib/edge-anpr"]


def test_with_updates_the_box_runs_what_current_names_and_nothing_else_changes() -> None:
    empty, start = unit(UPDATES)["ExecStart"]
    assert not empty
    (usual,) = unit()["ExecStart"]
    assert start == usual.replace("/edge-anpr/bin/", "/edge-anpr/current/bin/", 1)
    environment = dict(one.split("=", 1) for one in unit(UPDATES)["Environment"])
    work = Path("/var/lib/edge-anpr-update")
    assert environment == {
        MODELS_VARIABLE: str(work / "weights" / "current"),
        WORDS_VARIABLE: str(work / "words" / "current"),
    }
    fields = HttpsUpdates.model_fields
    assert fields["work"].default == str(work)
    assert start.startswith(f"{fields['program'].default}/current/")
    assert set(unit(UPDATES)) == {"ExecStart", "Environment"}


def recipes() -> list[dict[str, Any]]:
    """The cameras in the YAML examples of docs/deploy.md."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    parts = [yaml.safe_load(block) for block in blocks]
    return [
        camera
        for part in parts
        if isinstance(part, dict)
        for camera in part.get("cameras", {}).values()
    ]


def test_the_recipes_for_cameras_are_accepted() -> None:
    kinds = []
    for number, camera in enumerate(recipes()):
        described = yaml.safe_load(SITE)
        described["cameras"] = {f"camera-{number}": camera}
        site = Site.model_validate(described)
        assert list(contradictions(site)) == []
        live = site.cameras[f"camera-{number}"].live
        assert live is not None
        kinds.append((live.type, getattr(live, "decoder", None) is not None))

    assert {("pipeline", False), ("rtsp", True), ("rtsp", False)} <= set(kinds)


OLDEST_SYSTEMD = 249
"""Of Ubuntu 22.04, on which JetPack 6 is based."""

ADDED_IN = {
    "MemoryMax": 231,
    "MemorySwapMax": 232,
    "PrivateUsers": 232,
    "RemoveIPC": 232,
    "RestrictNamespaces": 233,
    "KeyringMode": 235,
    "LockPersonality": 235,
    "StateDirectory": 235,
    "StateDirectoryMode": 235,
    "PrivateMounts": 239,
    "WatchdogSignal": 240,
    "ProtectHostname": 242,
    "RestrictSUIDSGID": 242,
    "ProtectKernelLogs": 244,
    "LoadCredential": 247,
    "ProcSubset": 247,
    "ProtectProc": 247,
    "PrivateIPC": 248,
}
"""The version of systemd that knows a setting first: systemd.exec(5) and its sisters."""

OLDER = {
    "After", "AmbientCapabilities", "CapabilityBoundingSet", "Description", "DevicePolicy",
    "ExecReload", "ExecStart", "Group", "LimitCORE", "NoNewPrivileges", "NotifyAccess",
    "PrivateDevices", "PrivateTmp", "ProtectControlGroups", "ProtectHome",
    "ProtectKernelModules", "ProtectKernelTunables", "ProtectSystem", "Restart", "RestartSec",
    "RestrictAddressFamilies", "RestrictRealtime", "StartLimitIntervalSec", "SuccessExitStatus",
    "SystemCallArchitectures", "SystemCallErrorNumber", "SystemCallFilter", "TimeoutStartSec",
    "TimeoutStopSec", "Type", "UMask", "User", "WantedBy", "Wants", "WatchdogSec",
}  # fmt: skip
"""Settings of systemd 232 or older."""


def test_the_unit_uses_no_setting_that_the_documented_systemd_lacks() -> None:
    newer = set(unit()) - OLDER
    assert newer <= set(ADDED_IN), "add the version in which systemd got the setting"
    needed = max(ADDED_IN[name] for name in newer)

    assert needed <= OLDEST_SYSTEMD
    assert f"(systemd {needed} or newer)" in UNIT.read_text()
    assert f"systemd {needed} or newer" in (ROOT / "docs" / "deploy.md").read_text()


def documented(page: str) -> list[str]:
    """The units and drop-ins that a page of the documents prints."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [block for block in blocks if "[Service]\n" in block]


def complaints(folder: Path) -> list[str]:
    """What systemd says about the units and drop-ins of a folder, other than missing programs."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    units = [one for one in folder.iterdir() if one.is_file()]
    said = subprocess.run(
        [tool, "verify", "--man=no", "--recursive-errors=no", *units],
        env={"SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    lines = said.splitlines()
    missing = [one for one in lines if "/usr/local/lib/edge-anpr/" in one and "executable" in one]
    assert len(missing) == len(list(folder.glob("*.service"))), "it has looked at each unit"
    return [one for one in lines if one not in missing]


def test_systemd_accepts_each_unit_and_drop_in_of_folder_and_documents(tmp_path: Path) -> None:
    for file in UNIT.parent.glob("edge-anpr*"):
        if file.suffix in {".service", ".timer"}:
            shutil.copy(file, tmp_path)
    (enrol, certificate), (jetson,) = documented("fleet.md"), documented("deploy.md")
    (tmp_path / "edge-anpr-enrol.service").write_text(enrol)
    box, consumer = tmp_path / f"{UNIT.name}.d", tmp_path / f"{CONSUMER.name}.d"
    box.mkdir()
    consumer.mkdir()
    shutil.copy(UPDATES, box)
    for name, text in (("certificate", certificate), ("jetson", jetson)):
        (box / f"{name}.conf").write_text(text)
    (payloads,) = documented("scale.md")
    (consumer / "payloads.conf").write_text(payloads)

    assert complaints(tmp_path) == []
    (box / "wrong.conf").write_text("[Service]\nReadWritePath=/srv\n")
    (found,) = complaints(tmp_path)
    assert "Unknown key 'ReadWritePath'" in found


def test_a_consumer_is_confined_as_a_box_is_and_writes_nothing() -> None:
    box, consumer = unit(), unit(CONSUMER)
    own = {"ExecStart", "Description", "MemoryMax", "RestartSec", "Type", "User", "Group"}
    same = set(consumer) - own - {"Wants", "After", "Environment", "EnvironmentFile"}

    assert {"ProtectSystem", "LimitCORE", "MemorySwapMax", "CapabilityBoundingSet"} <= same
    for setting in same - {"SystemCallFilter"}:
        assert consumer[setting] == box[setting], setting
    assert not {"StateDirectory", "ReadWritePaths", "BindPaths"} & set(consumer)
    assert "password" not in " ".join(consumer["ExecStart"])


def test_the_consumers_of_the_compose_file_name_each_broker_in_one_order() -> None:
    services = yaml.safe_load(SHARDS.read_text())["services"]
    brokers = [name for name in services if name.startswith("mqtt-")]
    consumers = [name for name in services if name.startswith("consume-")]

    assert len(brokers) == len(consumers) == 2
    for number, name in enumerate(consumers, start=1):
        words = services[name]["command"]
        given = [word.removeprefix("--broker=") for word in words if word.startswith("--broker=")]
        addresses = [parse_address(one, 8883) for one in given]
        (shard,) = [word.removeprefix("--shard=") for word in words if word.startswith("--shard=")]
        assert parse_shard(shard, addresses).broker.host == brokers[number - 1]
        assert services[name]["deploy"] == {"replicas": 2}
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert all(volume.endswith(":ro") for volume in services[name]["volumes"])


def test_the_largest_bundle_is_the_same_in_the_documents_and_fits_the_broker() -> None:
    configuration = (ROOT / "config" / "deploy" / "mosquitto" / "mosquitto.conf").read_text()
    limit = re.search(r"^max_packet_size ([0-9]+)$", configuration, re.MULTILINE)

    assert limit is not None
    assert int(limit[1]) > MAX_BUNDLE_BYTES
    for text in (configuration, (ROOT / "docs" / "lists.md").read_text()):
        assert f"{MAX_BUNDLE_BYTES:,} bytes" in text


def test_the_readmes_pictures_of_plates_go_where_git_ignores_them() -> None:
    folders = re.findall(r"--pictures (\S+)", (ROOT / "README.md").read_text())

    assert folders
    assert "/trial/" in (ROOT / ".gitignore").read_text().splitlines()
    assert all(folder.startswith("trial/") for folder in folders)


def test_the_documents_name_the_package_of_a_client_that_they_use() -> None:
    text = (ROOT / "docs" / "lists.md").read_text()

    assert "apt-get install mosquitto-clients" in text
    assert "/usr/sbin/mosquitto" in (ROOT / "README.md").read_text()
