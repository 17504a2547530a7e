"""Runs the product as a process with arguments, an exit status and two output streams."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import pty
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.cli import execute
from edge.cli.logs import ERROR_SCHEMA
from tests.support.command_server import CommandServer, Started

REPOSITORY = Path(__file__).resolve().parents[2]
CLIPS = REPOSITORY / "tests" / "fixtures" / "clips"
READ_BY_THE_PRODUCT = {"EDGE_ANPR_MODELS", "CAMERA_PASSWORD"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error_lines(self) -> list[str]:
        """Each error as `error: E_CODE: message`, also where `--json` made it JSON."""
        return error_lines(self.err)


def error_lines(err: str) -> list[str]:
    """Each error on standard error as `error: E_CODE: message`, also where it is JSON."""
    return [told for line in err.splitlines() if (told := _as_error_line(line))]


def _as_error_line(line: str) -> str | None:
    if line.startswith("error: "):
        return line
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("schema") != ERROR_SCHEMA:
        return None
    return f"error: {entry['code']}: {entry['message']}"


def command(*arguments: str | Path) -> list[str]:
    """The product's command line in the interpreter that runs the tests."""
    return [sys.executable, "-m", "edge", *map(str, arguments)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A plain environment: no terminal width or colour of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR", "EDGE_ANPR_MODELS", "LD_LIBRARY_PATH"}
    }
    return {
        **kept,
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "120",
        "NO_COLOR": "1",
        **(extra or {}),
    }


@functools.cache
def command_server() -> CommandServer:
    """The server of commands of this process of tests; it ends with it."""
    server = CommandServer(environment())
    atexit.register(server.close)
    return server


def product(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 180,
) -> Finished:
    """Run one command to its end.

    `env` may hold what the product reads itself. With other variables, which Python or the C
    library read as they start, the command has a fresh interpreter.
    """
    if set(env or {}) <= READ_BY_THE_PRODUCT:
        words = [str(one) for one in arguments]
        return Finished(*command_server().run(words, environment(env), cwd, timeout_s))
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def start(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Started:
    """Start one command and leave it running.

    `env` may hold what the product reads itself. `log` is a file for its standard error.
    """
    words = [str(one) for one in arguments]
    return command_server().start(words, environment(env), cwd, log)


def start_afresh(
    arguments: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.Popen[str]:
    """Start one command in a fresh interpreter, as variables that C libraries read need it."""
    return subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def at_terminal(*arguments: str | Path, typed: str = "", timeout_s: float = 120) -> Finished:
    """Run one command at a terminal, where `typed` is typed; `err` is what the terminal shows.

    Standard output is a file, as for `--json`.
    """
    terminal, its = pty.openpty()
    os.write(terminal, typed.encode())
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # the command has ended, and with it the terminal
            while said := os.read(terminal, 4096):
                shown.extend(said)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        words = [str(one) for one in arguments]
        status, out, _ = command_server().run(
            words, environment({"TERM": "dumb"}), REPOSITORY, timeout_s, terminal=its
        )
    finally:
        os.close(its)
        reader.join()
        os.close(terminal)
    return Finished(status, out, shown.decode().replace("\r\n", "\n"))


def run_program(
    code: str,
    *arguments: str | Path,
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> Finished:
    """Run Python code as `python -c` would, with the product imported already."""
    words = [str(one) for one in arguments]
    server = command_server()
    return Finished(
        *server.run(words, environment(env), REPOSITORY, timeout_s, program=code, given=given)
    )


def verb(*arguments: str | Path) -> Finished:
    """Run one command in this process, for commands that only read and write files."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = execute([*map(str, arguments)])
    return Finished(status, out.getvalue(), err.getvalue())


def figures_of(port: int) -> dict[str, float]:
    """The metrics by name with labels; empty while the box does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return {}
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }
