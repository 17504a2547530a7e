"""The failed tests of a whole run once more, alone; see `second_run`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

WAITING = ("tests/e2e/", "tests/integration/")
"""The tests that wait for other programs, which the whole run slows down."""

MOST = 3
"""A fault of the product makes more tests fail than a busy machine does."""


def last_failed(root: Path) -> list[str]:
    """The tests that failed in the last run of pytest in a folder, as pytest names them."""
    kept = root / ".pytest_cache/v/cache/lastfailed"
    return sorted(json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else []


def may_run_again(failed: Collection[str]) -> bool:
    """Whether a busy machine may be the only cause: few tests failed, and all of them wait."""
    return 0 < len(failed) <= MOST and all(one.startswith(WAITING) for one in failed)


def second_run(root: Path) -> int:
    """Run the failed tests of a whole run again, one after the other; returns the exit status.

    A camera sends in real time, and a watchdog waits for seconds only. A machine that stands still
    for longer makes such a test fail, although the product is as it was. Such a test still is one
    to mend, so its name is printed.
    """
    failed = last_failed(root)
    if not may_run_again(failed):
        return 1
    sys.stdout.write(f"== {len(failed)} tests that wait for other programs once more, alone\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none"]
    status = subprocess.run([*command, *failed], cwd=root, check=False).returncode
    if status == 0:
        names = "\n  ".join(failed)
        sys.stdout.write(f"passed alone, failed beside others (mend it all the same):\n  {names}\n")
    return status


if __name__ == "__main__":
    sys.exit(second_run(Path.cwd()))
