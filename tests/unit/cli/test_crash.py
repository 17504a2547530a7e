"""A crash is reported without the data that caused it; out of memory is reported as such."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import ExitCode
from tests.support.product import environment

SECRET = "1ABC123"

IN_A_VERB = f"""\
import edge.cli

@edge.cli.app.command()
def boom() -> None:
    raise ValueError("{SECRET}")

edge.cli.main(["boom"])
"""

IN_A_THREAD = f"""\
import threading
import edge.cli

def work() -> None:
    raise KeyError("{SECRET}")

@edge.cli.app.command()
def boom() -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

edge.cli.main(["boom"])
"""


@pytest.mark.parametrize(
    ("program", "kind", "status"), [(IN_A_VERB, "ValueError", 1), (IN_A_THREAD, "KeyError", 0)]
)
def test_p8_a_crash_report_gives_the_code_position_and_no_data(
    program: str, kind: str, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert f"error: E_INTERNAL: {kind} at " in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


OUT_OF_MEMORY = """\
import edge.cli

@edge.cli.app.command()
def boom() -> None:
    bytearray(1 << 60)

edge.cli.main(["boom"])
"""


def test_out_of_memory_is_not_reported_as_a_bug() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.STORAGE
    assert done.stderr.startswith("error: E_MEMORY: out of memory at ")
    assert done.stderr.count("\n") == 1


NO_CORE = """\
import ctypes, resource
import edge.cli

@edge.cli.app.command()
def look() -> None:
    PR_GET_DUMPABLE = 3
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))

edge.cli.main(["look"])
"""


def test_p8_a_crash_leaves_no_core_dump() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_CORE],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(0, 0) 0"


CLOSED = """\
import os
import subprocess
import sys
import edge.cli
from edge.errors import ConfigError

CHILD = "import os, sys; kept = open(sys.argv[1], 'ab'); os.write(1, b'x'); os.write(2, b'x')"

@edge.cli.app.command()
def boom(file: str) -> None:
    with open(file, "wb") as kept:
        for stream in (1, 2):
            os.write(stream, b"what a library prints")
        kept.write(b"kept")
    subprocess.run([sys.executable, "-c", CHILD, file], check=True)
    print("an answer")
    raise ConfigError("refused")

edge.cli.main(["boom", os.environ["KEPT"]])
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_gives_its_number_to_no_file(closed: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, CLOSED],
        env={**environment(), "KEPT": str(kept)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == ExitCode.CONFIG
    assert kept.read_bytes() == b"kept"
