"""`edge-anpr check` reads site.yaml as `run` reads it: no text there may say nothing or hide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.cli.check import _sentence
from edge.errors import ExitCode
from tests.support.product import verb
from tests.support.signing import make_signers
from tests.support.sites import MadeSite, make_site, write_yaml


@pytest.fixture
def made(tmp_path: Path) -> MadeSite:
    return make_site(tmp_path, stolen=["1ABC123"])


def with_setting(made: MadeSite, path: str, value: object) -> None:
    """Write a setting into site.yaml; the path's steps are separated by slashes."""
    file = made.folder / "site.yaml"
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    node: Any = content
    *way, last = path.split("/")
    for step in way:
        node = node.setdefault(step, {})
    node[last] = value
    write_yaml(file, content)


TEXTS = ["broker/host", "broker/username", "broker/password_file", "folders/state"]
FAULTY = ["", " ", "box\u200b.example", "box\u00ad.example", "\u202eexample", "tbd", "TODO", "____"]


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("text", FAULTY)
def test_p14_check_refuses_what_run_refuses_in_site_yaml(
    made: MadeSite, path: str, text: str
) -> None:
    with_setting(made, path, text)

    checked, run = verb("check", made.folder, "--json"), verb("run", "--site", made.folder)

    (finding,) = (one for one in checked.json["findings"] if one["severity"] == "wrong")
    assert checked.status == run.status == ExitCode.CONFIG
    assert not checked.json["ready"]
    assert finding["field"] == path.replace("/", ".")
    assert finding["file"].endswith("site.yaml")
    assert finding["line"] > 1
    assert finding["what"] in run.err


@pytest.mark.parametrize(
    "url", ["rtsp://<address>/stream", "rtsp://192.0.2.10/TODO", "rtsp://192.0.2.10/a\u200bb"]
)
def test_p14_a_camera_address_that_is_still_to_be_written_is_refused(
    made: MadeSite, url: str
) -> None:
    file = made.folder / "site.yaml"
    camera = next(iter(yaml.safe_load(file.read_text())["cameras"]))
    with_setting(made, f"cameras/{camera}", {"live": {"type": "rtsp", "url": url}})

    done = verb("check", made.folder)

    assert done.status == ExitCode.CONFIG
    assert "site.yaml" in done.out
    assert "url" in done.out


@pytest.mark.parametrize("text", ["localhost", "192.0.2.1", "mqtt.stad.example", "test"])
def test_a_lawful_host_and_user_are_kept(made: MadeSite, text: str) -> None:
    with_setting(made, "broker/host", text)
    with_setting(made, "broker/username", text)

    assert verb("check", made.folder).status == 0


def test_check_names_what_the_two_files_say_of_each_other(made: MadeSite) -> None:
    with_setting(made, "site", "another-site")

    done = verb("check", made.folder, "--lang", "nl")

    assert done.status == ExitCode.CONFIG
    assert "names another site; use the same id in both files" in done.out
    assert "site.yaml" in done.err


def test_a_setting_that_is_missing_in_site_yaml_is_a_warning_as_the_installer_adds_it(
    made: MadeSite,
) -> None:
    file = made.folder / "site.yaml"
    content = yaml.safe_load(file.read_text())
    del content["broker"]
    write_yaml(file, content)

    done = verb("check", made.folder, "--json")

    assert done.status == 0
    assert "'broker' is missing; add it" in [one["what"] for one in done.json["findings"]]

    file.unlink()
    assert verb("check", made.folder).status == 0


def test_p1_sign_refuses_what_check_refuses_in_site_yaml(made: MadeSite, tmp_path: Path) -> None:
    keys = make_signers(made, tmp_path / "signers")
    with_setting(made, "broker/host", "box\u200b.example")

    done = verb("policy", "sign", made.folder, "--key", keys["mayor"])

    assert done.status == ExitCode.CONFIG
    assert "broker.host" in done.err


def test_check_names_the_file_and_the_line_of_what_is_not_yaml(
    made: MadeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made.folder.rename(made.folder.parent / "a street")
    file = folder / "site.yaml"
    file.write_text("schema: edge-anpr/site/1\n\tx: 1\n")

    monkeypatch.chdir(folder.parent)
    done = verb("check", "a street")

    assert "     a street/site.yaml:2:1  E_CONFIG" in done.out
    assert "Not YAML: " in done.out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("policy.yaml names no picture", "policy.yaml names no picture."),
        ("dpia.date: too old", "dpia.date: too old."),
        ("site: twice", "site: twice."),
        ("street/dpia.md is missing.", "street/dpia.md is missing."),
        ("must be text; e.g. x", "Must be text; e.g. x."),
        ("this key is given twice; keep one.", "This key is given twice; keep one."),
    ],
)
def test_the_name_at_the_beginning_of_a_sentence_stays_as_it_is(text: str, sentence: str) -> None:
    assert _sentence(text) == sentence
