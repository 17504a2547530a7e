"""`edge-anpr desk` as people type it: the first account at a terminal, refusals of one line."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from edge.adapters.state.audit_log import read_log
from edge.errors import ExitCode
from edge.privacy.checkpoints import desk_log
from tests.support.brokers import wait_until
from tests.support.desks import FIRST, passphrase_file, passphrase_of
from tests.support.product import Finished, command, environment, verb

INIT = ("--authority", "police-zone", "--full-name", "An Peeters", "--mandate", "GR-2026/114")


def init(folder: Path, *more: str | Path, person: str = FIRST) -> Finished:
    return verb(
        "desk", "init", folder, *INIT, "--person", person, "--passphrase-file",
        passphrase_file(folder.parent, FIRST), *more,
    )  # fmt: skip


@pytest.mark.parametrize("agrees", [True, False])
def test_the_first_passphrase_is_asked_for_twice_at_the_terminal(
    tmp_path: Path, agrees: bool
) -> None:
    terminal, its = pty.openpty()
    shown = b""
    process = subprocess.Popen(
        command("desk", "init", tmp_path / "desk", *INIT, "--person", FIRST),
        env=environment(),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        # The terminal becomes its own, so that it can ask there.
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # noqa: PLW1509
    )
    os.close(its)

    def told(words: bytes) -> bool:
        nonlocal shown
        while words not in shown:
            shown += os.read(terminal, 4096)
        return True

    assert wait_until(lambda: told(b"new passphrase of an-peeters: "))
    os.write(terminal, f"{passphrase_of(FIRST)}\n".encode())
    assert wait_until(lambda: told(b"the same again: "))
    again = passphrase_of(FIRST) if agrees else "something else entirely"
    os.write(terminal, f"{again}\n".encode())
    try:
        while True:
            shown += os.read(terminal, 4096)
    except OSError:  # the other end is closed
        process.wait(60)
    os.close(terminal)

    assert process.returncode == (0 if agrees else ExitCode.KEYS), shown
    assert passphrase_of(FIRST).encode() not in shown
    assert (tmp_path / "desk").exists() is agrees
    if agrees:
        log = read_log(tmp_path / "desk", origin=desk_log("police-zone"))
        assert len(log.entries) == 3


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (("--authority", "Police Zone"), "--authority"),
        (("--person", "An"), "the name of a person"),
        (("--full-name", ""), "--full-name"),
        (("--mandate", "the council's decision"), "--mandate"),
        (("--until", "tomorrow"), "--until"),
        (("--until", "2020-01-01"), "--until"),
        (("--database", "mysql://desk:secret@db/desk"), "--database"),
    ],
)
def test_a_wrong_option_of_init_is_one_line_and_leaves_nothing(
    tmp_path: Path, changed: tuple[str, str], field: str
) -> None:
    done = init(tmp_path / "desk", *changed)

    assert done.status in {ExitCode.USAGE, ExitCode.CONFIG}
    (line,) = done.error_lines
    assert field in line
    assert "secret" not in line
    assert not (tmp_path / "desk").exists()


@pytest.mark.parametrize("there", ["a desk", "a file", "something else"])
def test_init_refuses_what_exists(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "desk"
    if there == "a desk":
        assert init(folder).status == 0
    elif there == "a file":
        folder.write_text("x")
    else:
        folder.mkdir()
        (folder / "notes.txt").write_text("x")

    done = init(folder)

    assert done.status == ExitCode.STORAGE
    assert "E_DESK_EXISTS" in done.error_lines[0]
    assert folder.exists()


def test_an_empty_folder_becomes_the_desk_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir(mode=0o755)

    assert init(folder).status == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "1 person, 0 rights wait" in verb("desk", "status", "--desk", folder).out


@pytest.mark.parametrize("words", [("add", "x", "--full-name", "X"), ("revoke", "0" * 16)])
def test_who_acts_must_prove_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "desk"
    assert init(folder).status == 0
    wrong = passphrase_file(tmp_path, "nobody")

    for name in (FIRST, "nobody-here"):
        done = verb(
            "desk", "people", *words, "--desk", folder, "--as", name, "--passphrase-file", wrong
        )
        assert done.status == ExitCode.KEYS
        assert done.error_lines[0].startswith("error: E_LOGIN: the name or the passphrase is wrong")


@pytest.mark.parametrize(
    "changed", [("--role", "mayor"), ("--until", "31-12-2027"), ("--from", "soon")]
)
def test_a_wrong_option_of_propose_is_refused_before_the_passphrase(
    tmp_path: Path, changed: tuple[str, str]
) -> None:
    folder = tmp_path / "desk"
    assert init(folder).status == 0
    right = {"--role": "officer", "--until": "2026-12-31", "--mandate": "GR-1"} | dict([changed])
    options = [word for pair in right.items() for word in pair]

    done = verb("desk", "people", "propose", FIRST, *options, "--desk", folder, "--as", FIRST)

    assert done.status == ExitCode.USAGE
    assert changed[0] in done.error_lines[0]
