"""Credentials: files that the service manager gives to the service of the box only."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.site.folder import load_site_folder, resolved
from tests.support.example_site import SITE, changed, write_site


def test_credentials_are_read_from_the_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))

    assert resolved(tmp_path, "credential:broker-password") == given / "broker-password"
    assert resolved(tmp_path, "credential:../../etc/shadow") == given / "shadow"
    assert resolved(tmp_path, "keys") == tmp_path / "keys"


def test_without_a_service_manager_credentials_are_read_from_the_site_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    assert resolved(tmp_path, "credential:password") == tmp_path / "credentials" / "password"


def test_only_a_command_that_opens_cameras_needs_the_credentials_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    own = "password_file: credential:broker-password"
    named = changed(SITE, "password_env: SQUARE_PASSWORD", own)
    folder = write_site(tmp_path / "square", site=named)

    load_site_folder(folder)
    with pytest.raises(ConfigError, match="add LoadCredential=broker-password:FILE"):
        load_site_folder(folder, credentials=True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "broker-password").write_text("secret\n")
    load_site_folder(folder, credentials=True)
