"""The rules for the container files.

No engine builds them here. hadolint checks their form where it is installed; these rules are ours.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.source_tree import ROOT, tracked_files

DOCKERFILES = ("Dockerfile", "Dockerfile.jetson")
INSTRUCTION = re.compile(r"^(FROM|RUN|COPY|ADD|USER|ENV|ARG|HEALTHCHECK|VOLUME|ENTRYPOINT) (.+)$")


def instructions(name: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    text = "\n".join(
        line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")
    )
    joined = re.sub(r"\\\n\s*", "", text)
    found = [INSTRUCTION.match(line) for line in joined.splitlines()]
    return [(match[1], match[2]) for match in found if match]


def last_stage(name: str) -> list[tuple[str, str]]:
    parts = instructions(name)
    begin = max(index for index, (word, _) in enumerate(parts) if word == "FROM")
    return parts[begin:]


def is_sent(path: str) -> bool:
    """Whether `.dockerignore` lets a file into the build: the last pattern that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        names = [path, *(str(parent) for parent in Path(path).parents)]
        if any(_fits(name, pattern) for name in names):
            sent = line.startswith("!")
    return sent


def _fits(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(Path(name).name, pattern.removeprefix("**/"))
    return fnmatch.fnmatch(name, pattern) if "/" not in name else name == pattern


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


SERVICES = sorted(compose()["services"])
BOXES = ["box", "box-jetson"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_copied_files_are_in_the_repository_and_in_the_build_context(name: str) -> None:
    tracked = [str(path.relative_to(ROOT)) for path in tracked_files()]
    sources = [
        source
        for word, rest in instructions(name)
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]

    assert sources
    for source in sources:
        held = [path for path in tracked if path == source or path.startswith(f"{source}/")]
        assert held, source
        assert all(is_sent(path) for path in held), source


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_file_of_the_wheel_is_copied(name: str) -> None:
    copied = " ".join(rest for word, rest in instructions(name) if word == "COPY")

    assert all(part in copied for part in ("edge", "models", "config", "tests/fixtures/clips"))


@pytest.mark.parametrize(
    "path", ["config/demo/keys/box.private.json", "config/demo/state/outbox.sqlite3", ".git/config"]
)
def test_no_key_and_no_state_is_in_the_build_context(path: str) -> None:
    assert not is_sent(path)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_box_runs_as_a_numeric_user_that_is_not_root(name: str) -> None:
    users = [rest for word, rest in last_stage(name) if word == "USER"]

    assert users
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", users[-1])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_image_has_a_health_check(name: str) -> None:
    (check,) = [rest for word, rest in last_stage(name) if word == "HEALTHCHECK"]

    assert "/healthz" in check
    assert "CMD [" in check, "without a shell"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_package_is_installed_as_a_wheel_with_its_digest(name: str) -> None:
    commands = [
        command
        for word, rest in instructions(name)
        if word == "RUN"
        for command in rest.split("&&")
        if "pip install" in command
    ]

    assert len(commands) >= 2
    for command in commands:
        by_digest = "--require-hashes" in command and "--only-binary :all:" in command
        assert by_digest or "--no-index --no-deps" in command, command


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_base_is_an_argument_with_a_version(name: str) -> None:
    parts = instructions(name)

    assert {rest.split(" AS ")[0] for word, rest in parts if word == "FROM"} == {"${BASE}"}
    (base,) = [rest for word, rest in parts if word == "ARG" and rest.startswith("BASE=")]
    assert re.search(r":[a-z0-9][a-z0-9._-]*\d", base)
    assert "latest" not in base


@pytest.mark.parametrize("name", DOCKERFILES)
def test_no_file_is_downloaded_and_no_secret_is_a_build_argument(name: str) -> None:
    parts = instructions(name)

    assert not [rest for word, rest in parts if word == "ADD"]
    assert not [
        rest
        for word, rest in parts
        if word in {"ARG", "ENV"} and re.search("(?i)passw|secret|token", rest.partition("=")[0])
    ]


def test_onnx_runtime_for_a_jetson_comes_from_a_given_address_with_its_digest() -> None:
    parts = instructions("Dockerfile.jetson")
    arguments = [rest for word, rest in parts if word == "ARG"]
    runs = " ".join(rest for word, rest in parts if word == "RUN")

    for name in ("ONNXRUNTIME_INDEX", "ONNXRUNTIME_VERSION", "ONNXRUNTIME_SHA256"):
        assert name in arguments, "without a default"
        assert f"${{{name}:?" in runs, "a build without it ends"
    assert "runtime-cpu.txt" not in (ROOT / "Dockerfile.jetson").read_text()
    assert [
        rest for word, rest in last_stage("Dockerfile.jetson") if "XDG_CACHE_HOME=/var/" in rest
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_each_container_is_confined(service: str) -> None:
    held = compose()["services"][service]

    assert held["read_only"] is True
    assert held["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in held["security_opt"]
    assert "privileged" not in held
    assert held.get("network_mode") != "host"


@pytest.mark.parametrize("service", BOXES)
def test_the_box_writes_only_its_state_and_neither_swap_nor_core_dumps(service: str) -> None:
    held = compose()["services"][service]
    writable = [volume for volume in held["volumes"] if not volume.endswith(":ro")]

    assert writable == ["state:/var/lib/edge-anpr"]
    assert held["ulimits"]["core"] == 0
    assert held["memswap_limit"] == held["mem_limit"]
    assert "environment" not in held
    assert "ports" not in held


def test_the_image_for_a_jetson_has_gstreamer_and_all_that_a_pipeline_may_need() -> None:
    installed = " ".join(rest for word, rest in last_stage("Dockerfile.jetson") if word == "RUN")

    assert "gstreamer1.0-tools" in installed  # gst-launch-1.0
    assert "gstreamer1.0-plugins-base" in installed  # videoconvert
    assert "gstreamer1.0-plugins-good" in installed  # y4menc, v4l2src
    assert "gstreamer1.0-plugins-bad" in installed  # h264parse
    settings = " ".join(rest for word, rest in last_stage("Dockerfile.jetson") if word == "ENV")
    assert "GST_REGISTRY=/var/lib/edge-anpr/" in settings, "its root file system is read-only"
    assert "NVIDIA_DRIVER_CAPABILITIES=all" in settings


def test_a_csi_camera_s_socket_is_mounted_below_the_container_s_own_tmp() -> None:
    added = yaml.safe_load((ROOT / "config" / "deploy" / "compose.csi.yaml").read_text())
    (mounted,) = added["services"]["box-jetson"]["volumes"]

    assert set(added["services"]) <= set(SERVICES)
    assert mounted["source"] == mounted["target"] == "/tmp/argus_socket"  # noqa: S108 - NVIDIA's
    assert mounted["bind"] == {"create_host_path": False}
    assert added["services"]["box-jetson"].keys() == {"volumes"}, "it loosens nothing"


def test_the_broker_s_image_has_a_version_and_its_user_is_not_root() -> None:
    broker = compose()["services"]["mosquitto"]

    assert re.search(r":\d+\.\d+\.\d+$", broker["image"])
    assert broker["user"] == "1883:1883"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str) -> None:
    tool = shutil.which("hadolint")
    if tool is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([tool, ROOT / name], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
