"""The section `oidc` of a desk's `desk.json`, and the file with the secret that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.desk.folder import open_folder
from edge.errors import ConfigError, UsageError
from tests.support.desk_web import opened
from tests.support.desks import NOW, make_desk
from tests.support.provider import Provider, with_section


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"issuer": "http://login.example"}, "issuer: write the issuer as its provider does"),
        ({"issuer": "https://user@login.example"}, "issuer: write"),
        ({"issuer": "https://login.example/?x"}, "issuer: write"),
        ({"issuer": "login.example"}, "issuer: write"),
        ({"issuer": None}, "issuer"),
        ({"client_id": " "}, "client_id: write"),
        ({"label": "x" * 61}, "label"),
        ({"amr": "mfa"}, "amr"),
        ({"acr": [""]}, "acr.0: write"),
        ({"client_secret": "x"}, "client_secret"),
    ],
)
def test_p4_a_section_with_a_mistake_is_refused_with_field_and_cure(
    tmp_path: Path, change: dict[str, object], field: str
) -> None:
    file = make_desk(tmp_path / "desk").path / "desk.json"
    section = Provider(lambda: NOW, [], "https://login.example").config(**change)
    content = json.loads(file.read_text("utf-8")) | {"oidc": section}
    file.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(ConfigError) as error:
        open_folder(file.parent)
    assert str(error.value).startswith(f"E_OIDC: {file}: oidc.{field}")
    assert str(error.value).endswith("or remove the section oidc")


def test_p4_the_secret_is_a_private_file_and_browsers_come_back_to_a_host_name(
    tmp_path: Path,
) -> None:
    config = Provider(lambda: NOW, [], "https://login.example").config()
    folder = with_section(make_desk(tmp_path / "desk"), config)
    file = folder.path / "oidc.secret"

    def told() -> str:
        with pytest.raises(ConfigError) as error, opened(folder, lambda: NOW):
            pass
        assert error.value.code == "E_OIDC"
        return str(error.value)

    assert "cannot be read" in told()
    file.write_text("x\ny\n", encoding="utf-8")
    file.chmod(0o640)
    assert f"chmod 600 {file}" in told()
    file.chmod(0o600)
    assert "no secret on one line" in told()
    file.write_text("x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--origin"), opened(folder, lambda: NOW, None):
        pass
    with opened(folder, lambda: NOW) as desk:
        assert desk.provider is not None
