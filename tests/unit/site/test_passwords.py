"""Passwords come from an environment variable or a file, and a missing one is named."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.site.passwords import read_password

SECRET = "correct horse"
NAMED = {"MQTT_PASSWORD": SECRET}

read = partial(read_password, "broker", setting="--password-env")


def test_a_password_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    assert read(variable="MQTT_PASSWORD", file=None, environment=NAMED) == SECRET
    assert read(variable=None, file=file, environment={}) == SECRET
    assert read(variable=None, file=None, environment=NAMED) is None


@pytest.mark.parametrize(
    ("variable", "file", "environment", "says"),
    [
        ("MQTT_PASSWORD", None, {}, "--password-env: environment variable MQTT_PASSWORD: holds no"),
        ("MQTT_PASSWORD", None, {"MQTT_PASSWORD": ""}, "MQTT_PASSWORD: holds no password for br"),
        (None, "missing", {}, "missing: the password of broker cannot be read here; check"),
        (None, "binary", {}, "binary: the password of broker cannot be read here"),
        (None, "empty", {}, "empty: holds no password for broker; set it"),
    ],
)
def test_the_error_for_a_missing_or_unreadable_password_names_its_source(
    tmp_path: Path,
    variable: str | None,
    file: str | None,
    environment: Mapping[str, str],
    says: str,
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=says):
        read(variable=variable, file=tmp_path / file if file else None, environment=environment)
