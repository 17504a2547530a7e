"""Runs commands in processes that are forked from one which has imported the product already.

The suite runs some thousand commands, and most of them do less work than their imports. A command
still has its own process, arguments, environment, standard streams and exit status. What depends on
how Python starts is tested with a fresh interpreter, by `tests.support.product.start_afresh`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import NoReturn

_LARGEST = 1 << 20
_NUMBER = 8
_NOT_IMPORTED = ("__main__", "env")
"""Modules that do something when they are imported: the last part of their names."""


class CommandServer:
    """The process that has imported the product, for one process of tests.

    Args:
        environment: of the server; a command has its own.
        lacking: packages that its commands cannot import.
    """

    def __init__(self, environment: Mapping[str, str], lacking: Sequence[str] = ()) -> None:
        self._requests, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(its.fileno()), *lacking],
                env=dict(environment),
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """End the server; commands that run go on."""
        self._requests.close()
        self._process.wait(timeout=60)

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path | None,
        timeout_s: float,
        *,
        program: str = "",
        given: bytes = b"",
        terminal: int | None = None,
    ) -> tuple[int, str, str]:
        """Run one command to its end; returns its status, standard output and standard error.

        Args:
            arguments: of the command.
            environment: of the command, complete.
            cwd: where it runs; None: where the tests run.
            timeout_s: seconds after which it is killed.
            program: the Python code that runs, as with `python -c`; empty: the product.
            given: what it reads from standard input.
            terminal: a terminal for standard input and standard error, which is then empty here.

        Raises:
            subprocess.TimeoutExpired: it did not end in time, and was killed.
        """
        told, tells = os.pipe()
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            tempfile.TemporaryFile() if given else open(os.devnull, "r+b") as source,  # noqa: PTH123 - a device
            os.fdopen(told, "rb", buffering=0) as status,
        ):
            source.write(given)
            source.seek(0)
            streams = [source.fileno(), out.fileno(), err.fileno(), tells]
            if terminal is not None:
                streams[0] = streams[2] = terminal
            self._ask(arguments, environment, cwd, streams, program, session=terminal is not None)
            process = _number(status.read(_NUMBER))
            if not select.select([status], [], [], timeout_s)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout_s)
            left = _number(status.read(_NUMBER))
            texts = []
            for file in (out, err):
                file.seek(0)
                # As `text=True` of subprocess.
                texts.append(file.read().decode().replace("\r\n", "\n").replace("\r", "\n"))
        return left, texts[0], texts[1]

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path | None,
        log: Path | None,
    ) -> Started:
        """Start one command and leave it running; see `run`. `log` gets its standard error."""
        told, tells = os.pipe()
        out, its_out = os.pipe()
        if log is None:
            err, its_err = os.pipe()
        else:
            its_err = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            err = os.open(log, os.O_RDONLY)
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a device
            self._ask(arguments, environment, cwd, [nothing.fileno(), its_out, its_err, tells])
        os.close(its_out)
        os.close(its_err)
        return Started(told, out, err)

    def _ask(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path | None,
        streams: Sequence[int],
        program: str = "",
        *,
        session: bool = False,
    ) -> None:
        """Send a request with its streams, of which the last is then closed here."""
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
            "program": program,
            "session": session,
        }
        socket.send_fds(self._requests, [json.dumps(request).encode()], streams)
        os.close(streams[-1])


class Started:
    """A command that runs; it is used as `subprocess.Popen` with texts.

    Another process is its parent, so its status comes through a pipe.

    Args:
        status: this pipe.
        out: a pipe of its standard output.
        err: a pipe of its standard error, or the file where it goes.
    """

    def __init__(self, status: int, out: int, err: int) -> None:
        self._status = status
        self.pid = _number(os.read(status, _NUMBER))
        self.returncode: int | None = None
        self.stdout = open(out, encoding="utf-8")  # noqa: SIM115 - a pipe that `communicate` closes
        self.stderr = open(err, encoding="utf-8")  # noqa: SIM115 - likewise
        self._readers = ThreadPoolExecutor(2)
        self._texts: list[Future[str]] = []

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._left_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status when it has ended; raises subprocess.TimeoutExpired."""
        left = self._left_within(timeout)
        if left is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return left

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What is left of its two outputs when it has ended; raises subprocess.TimeoutExpired."""
        streams = (self.stdout, self.stderr)
        self._texts = self._texts or [self._readers.submit(stream.read) for stream in streams]
        if wait(self._texts, timeout).not_done:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        self.wait(timeout)
        self._readers.shutdown()
        for stream in streams:
            stream.close()
        out, err = (text.result() for text in self._texts)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _left_within(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout_s)[0]:
            self.returncode = _number(os.read(self._status, _NUMBER))
            os.close(self._status)
        return self.returncode


def _number(told: bytes) -> int:
    assert len(told) == _NUMBER, "the server of commands has ended; its error is above"
    return int.from_bytes(told, "big", signed=True)


class _NotInstalled(MetaPathFinder):
    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = frozenset(packages)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def refuse_to_import(packages: Sequence[str]) -> None:
    """Let this process find no such package, as if it were not installed."""
    sys.meta_path.insert(0, _NotInstalled(packages))


def _import_product(lacking: Sequence[str]) -> None:
    """Import every module of the product, or all that can be without some packages."""
    import edge
    from edge.errors import EdgeError

    refuse_to_import(lacking)
    failures = (ModuleNotFoundError, EdgeError) if lacking else ()
    for module in pkgutil.walk_packages(edge.__path__, "edge.", onerror=lambda _name: None):
        if module.name.rpartition(".")[2] not in _NOT_IMPORTED:
            with contextlib.suppress(*failures):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # so that collections in commands leave these pages shared


def _next_command(requests: socket.socket) -> tuple[str, list[str]]:
    """Wait for requests; returns in each command's own process, with its program and arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # these processes are not waited for
    while True:
        data, streams, _, _ = socket.recv_fds(requests, _LARGEST, 4)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (command := os.fork()) == 0:
                return _become(json.loads(data), streams)
            _wait_for(command, streams)
        for stream in streams:
            os.close(stream)


def _become(request: dict[str, object], streams: Sequence[int]) -> tuple[str, list[str]]:
    if request["session"]:
        os.setsid()
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    os.chdir(str(request["cwd"]))
    environment, arguments = request["environment"], request["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    # A suite in the background of a shell ignores SIGINT, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return str(request["program"]), arguments


def _wait_for(command: int, streams: Sequence[int]) -> NoReturn:
    """Tell the number of the process, and then its status."""
    for stream in streams[:3]:
        os.close(stream)
    os.write(streams[3], command.to_bytes(_NUMBER, "big"))
    _, how = os.waitpid(command, 0)
    os.write(streams[3], os.waitstatus_to_exitcode(how).to_bytes(_NUMBER, "big", signed=True))
    os._exit(0)


def _run(program: str, arguments: list[str]) -> NoReturn:
    """Run a command, and end as Python does; but memory is not cleared, which would take 0.1 s."""
    from edge.cli import main

    status: str | int | None = 1
    try:
        if program:
            sys.argv[:] = ["-c", *arguments]
            exec(program, {"__name__": "__main__"})  # noqa: S102 - a test's own code
            status = 0
        else:
            main(arguments)
    except SystemExit as left:
        status = left.code
    except BaseException:  # noqa: BLE001 - as the interpreter shows it
        traceback.print_exc()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    _import_product(sys.argv[2:])
    _run(*_next_command(socket.socket(fileno=int(sys.argv[1]))))
