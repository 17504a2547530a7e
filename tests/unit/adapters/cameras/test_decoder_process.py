"""What the decoder process and the programs that it starts leave behind after a crash."""

from __future__ import annotations

import subprocess
import sys

from tests.support.product import environment

# Without a request the decoder ends; then this process says how it marked itself.
MARKED = """\
import ctypes, resource, sys
from edge.adapters.cameras import decoder

sys.argv = ["decoder", "1"]
decoder.main()
PR_GET_DUMPABLE = 3
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))
"""


def test_p8_a_crash_of_the_decoder_leaves_no_core_dump() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MARKED],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(0, 0) 0"


PIPELINE = """\
import sys
from contextlib import ExitStack
from edge.adapters.cameras import decoder, gstreamer

decoder._forbid_core_dumps()
with ExitStack() as cleanup:
    process = gstreamer.start_gstreamer(("sh", "-c", "ulimit -c; ulimit -H -c"), cleanup)
    assert process.stdout is not None
    print(process.stdout.read().decode().split())
"""


def test_p8_a_program_that_the_decoder_starts_may_leave_no_core_file() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['0', '0']"
