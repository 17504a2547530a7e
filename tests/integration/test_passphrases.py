"""Passphrases of private keys, typed at a real terminal or read from a file or a descriptor."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from edge.authority.store import HitStore
from tests.support.parties import MORNING, Parties, evidence
from tests.support.policies import NOON
from tests.support.product import command, environment, product

PASSPHRASE = "correct horse battery staple"


def at_terminal(arguments: Sequence[str | Path], *answers: str) -> tuple[int, str]:
    """Run a command at a terminal and type an answer to each prompt; its status and its screen."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execve(command()[0], command(*arguments), environment())  # noqa: S606
    shown, waiting, deadline = b"", list(answers), time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 0.2)[0]:
            if waiting and shown.endswith(b": "):
                time.sleep(0.2)  # until the terminal no longer shows what is typed
                os.write(screen, waiting.pop(0).encode() + b"\n")
            continue
        try:
            part = os.read(screen, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(screen)
    _, ended = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(ended), shown.decode()


def test_p1_a_passphrase_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    new: list[str | Path] = ["keys", "new", "signer", "mayor", "--out", tmp_path, "--passphrase"]

    status, screen = at_terminal(new, PASSPHRASE, PASSPHRASE)

    assert status == 0, screen
    assert PASSPHRASE not in screen
    file = tmp_path / "mayor.signer.private.json"
    key = load_signer_key(file, lambda _file: PASSPHRASE)
    assert f"for the policy: key: {key.public.text}" in product("keys", "show", file).out
    assert key.public.text in screen


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ((PASSPHRASE, PASSPHRASE + "x"), "differ"),
        (("too short",), "fewer than 12"),
        (("",), "fewer than 12"),
    ],
)
def test_a_new_passphrase_that_is_weak_or_mistyped_makes_no_key(
    tmp_path: Path, answers: tuple[str, ...], says: str
) -> None:
    status, screen = at_terminal(
        ["keys", "new", "authority", "police", "--out", tmp_path / "a", "--passphrase"], *answers
    )

    assert status == 7
    assert "E_PASSPHRASE" in screen
    assert says in screen
    assert not (tmp_path / "a").exists()


def test_p1_the_right_passphrase_signs_and_a_wrong_one_says_so(tmp_path: Path) -> None:
    file = new_signer_key(tmp_path, "vtc", NOON, passphrase=PASSPHRASE)
    order = tmp_path / "order.json"
    made = product("suspend", "new", "street", "--reason", "x", "--out", order)
    assert made.status == 0, made.err
    unsigned = order.read_bytes()
    sign: list[str | Path] = ["suspend", "sign", order, "--key", file]

    wrong, told = at_terminal(sign, "another passphrase")
    assert (wrong, order.read_bytes()) == (7, unsigned)
    assert "E_PASSPHRASE" in told
    assert "wrong passphrase" in told
    right, told = at_terminal(sign, PASSPHRASE)

    assert right == 0, told
    assert order.read_bytes() != unsigned


def test_without_a_terminal_a_file_or_descriptor_holds_the_passphrase(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\r\nanother line\n")
    secret.chmod(0o600)
    made = product(
        *("keys", "new", "signer", "mayor", "--out", tmp_path, "--passphrase-file", secret)
    )
    assert made.status == 0, made.err
    file = tmp_path / "mayor.signer.private.json"
    assert load_signer_key(file, lambda _file: PASSPHRASE).signer == "mayor"

    # From a descriptor, as `3< <(pass show mayor)` gives it; to a new one from another file.
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    other = tmp_path / "other"
    other.write_text("another passphrase")
    other.chmod(0o600)
    done = subprocess.run(
        command(
            *("keys", "protect", file, "--passphrase-file", f"/dev/fd/{reading}"),
            *("--new-passphrase-file", other),
        ),
        env=environment(),
        pass_fds=[reading],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert load_signer_key(file, lambda _file: "another passphrase").signer == "mayor"
    removed = product("keys", "protect", file, "--remove", "--passphrase-file", other)
    assert removed.status == 0, removed.err
    assert load_signer_key(file).signer == "mayor"


def test_a_passphrase_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    file = new_signer_key(tmp_path, "mayor", NOON, passphrase=PASSPHRASE)
    empty, public = tmp_path / "empty", tmp_path / "public"
    empty.touch(mode=0o600)
    public.write_text(PASSPHRASE)
    public.chmod(0o644)

    def told(*arguments: str | Path) -> str:
        done = subprocess.run(
            command("keys", "protect", file, "--remove", *arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # no terminal
        )
        assert done.returncode == 7
        assert done.stderr.count("\n") == 1
        assert PASSPHRASE not in done.stderr
        return done.stderr

    assert "E_PASSPHRASE: there is no terminal" in told()
    assert "no such file" in told("--passphrase-file", tmp_path / "gone").lower()
    assert "empty" in told("--passphrase-file", empty)
    assert "E_KEY_MODE" in told("--passphrase-file", public)


def test_p10_hits_are_opened_with_the_passphrase_and_not_without(
    parties: Parties, tmp_path: Path
) -> None:
    hit = parties.hit(evidence())
    with HitStore.open(tmp_path / "store", create=True) as inbox:
        inbox.put(hit, hit.to_payload(), MORNING)
    (private,) = parties.authority_folder.glob("*.private.json")
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)
    assert product("keys", "protect", private, "--new-passphrase-file", secret).status == 0
    arguments = (
        *("hits", "open", "--all", "--store", tmp_path / "store", "--out", tmp_path / "opened"),
        *("--box-keys", parties.box_file, "--keys", parties.authority_folder),
    )

    wrong, screen = at_terminal(arguments, "another passphrase")
    assert wrong == 7, screen
    assert not (tmp_path / "opened").exists()
    done = product(*arguments, "--passphrase-file", secret)

    assert done.status == 0, done.err
    shown = product("keys", "show", parties.authority_folder)
    assert "with a passphrase" in shown.out
