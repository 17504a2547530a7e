"""What people most often give a command by mistake: each message names the file and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ExitCode
from tests.support.parties import Parties, make_parties
from tests.support.product import Finished, verb
from tests.support.sites import MadeSite, make_site

WRONG_FILES = {
    "empty": b"",
    "csv": b"id,plate\n1,2\n",
    "latin": "naam: caf\u00e9\n".encode("latin-1"),
    "utf16": "site: a\n".encode("utf-16"),
    "folder": None,
    "missing": None,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeSite:
    return make_site(tmp_path_factory.mktemp("site"), stolen=["1ABC123"])


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return make_parties(tmp_path_factory.mktemp("parties"))


@pytest.fixture
def wrong(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file of a kind that no command wants, or a folder, or none."""
    file = tmp_path / f"given-{request.param}"
    content = WRONG_FILES[request.param]
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    elif request.param == "folder":
        file.mkdir(mode=0o700)
    return file


def named(done: Finished, file: Path, *cures: str) -> None:
    """Require one line that names the file and holds one of the cures."""
    assert done.status not in {0, ExitCode.INTERNAL}, done.out
    assert "Traceback" not in done.err
    (line,) = done.error_lines
    assert str(file) in line
    assert ";" in line
    assert any(cure in line for cure in cures), line
    assert f"{file}: {file}" not in line


every = pytest.mark.parametrize("wrong", WRONG_FILES, indirect=True)


@every
def test_a_wrong_key_file_is_named(made: MadeSite, wrong: Path) -> None:
    done = verb("policy", "sign", made.folder, "--key", wrong)

    named(
        done, wrong, "restore it from a copy", "name the private key file", "`edge-anpr keys new`"
    )
    assert "chmod" not in done.err


@every
def test_a_wrong_bundle_is_named(made: MadeSite, wrong: Path, parties: Parties) -> None:
    cures = (
        "give a bundle made by `edge-anpr lists build`",
        "give a folder made by `edge-anpr lists build --boxes`",
    )
    named(verb("lists", "inspect", wrong), wrong, *cures)
    named(verb("lists", "install", wrong, "--site", made.folder), wrong, *cures)
    sent = verb("lists", "send", wrong, "--broker", "127.0.0.1:1", "--box-public", parties.box_file)
    named(sent, wrong, *cures)


@every
def test_a_wrong_order_is_named(made: MadeSite, wrong: Path) -> None:
    done = verb("suspend", "install", wrong, "--site", made.folder)

    named(done, wrong, "give an order made by `edge-anpr suspend new`")


@every
def test_a_wrong_pack_is_named(wrong: Path) -> None:
    named(
        verb("evidence-pack", "verify", wrong),
        wrong,
        "give the evidence pack that a box wrote",
        "ask the box for another evidence pack",
    )


@every
def test_a_file_in_place_of_a_site_is_named(wrong: Path) -> None:
    if not wrong.is_dir() and wrong.exists():
        named(verb("run", "--site", wrong), wrong, "a site is a folder with policy.yaml")
        named(verb("check", wrong), wrong, "a file; give the folder in which policy.yaml lies")


@every
def test_a_wrong_policy_is_named(tmp_path: Path, wrong: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    if wrong.exists():
        wrong.rename(folder / "policy.yaml")

    done = verb("policy", "verify", folder)

    named(
        done,
        folder / "policy.yaml",
        *("no such file; create it", "give the path of a file", "save it as UTF-8"),
        *("is it the right file?", "shows its fields"),
    )


@every
def test_a_wrong_recording_is_named(tmp_path: Path, wrong: Path) -> None:
    named(
        verb("read", wrong),
        wrong,
        *("record or copy it again", "name a complete video file", "takes regular files"),
        "check the path",
    )
    named(
        verb("redact", wrong, tmp_path / "out.mp4"),
        wrong,
        *("record or copy it again", "name a complete video file", "takes regular files"),
        "check the path",
    )


def test_the_address_of_status_is_named_by_its_option() -> None:
    done = verb("status", "--listen", "here")

    assert done.error_lines == [
        "error: E_CONFIG: --listen: 'here' is not an address; write it like 127.0.0.1:9109"
    ]


def test_an_unfinished_policy_is_one_line_for_run_and_points_to_check(
    made: MadeSite, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "policy.yaml").write_text("schema: edge-anpr/policy/3\nsite: square\n")
    (folder / "site.yaml").write_bytes((made.folder / "site.yaml").read_bytes())

    for command in ("run", "doctor"):
        done = verb(command, "--site", folder)
        (line,) = done.error_lines
        assert line.endswith(f"more: `edge-anpr check {folder}` lists all, with the reasons")
        assert f"{folder}/policy.yaml:1:1: " in line

    (line,) = verb("run", "--site", folder, "--json").error_lines
    assert "lists all, with the reasons" in line


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--broker", "nowhere.invalid"], "no such host; check --broker"),
        (["--broker", "nowhere.invalid", "--tls"], "no such host; check --broker"),
        (["--broker", "127.0.0.1:1"], "start the broker or check --broker"),
        (["--broker", "127.0.0.1", "--tls-ca", "missing.pem"], "--tls-ca: "),
        (["--broker", "127.0.0.1", "--tls-cert", "missing.pem"], "--tls-cert and --tls-key: "),
    ],
)
def test_a_broker_named_on_the_command_line_is_corrected_there(
    tmp_path: Path, parties: Parties, more: list[str], said: str
) -> None:
    """`hits tail` has no site.yaml, so no message may name a field of it."""
    files = ("--store", tmp_path / "hits", "--box-keys", parties.box_file.parent)
    done = verb("hits", "tail", *files, "--keys", parties.authority_folder, *more, "--idle", "1")

    assert done.status != 0
    assert said in done.error_lines[-1]
    assert "broker." not in done.err.replace("broker nowhere.", "").replace("broker 127.", "")
    assert "site.yaml" not in done.err
