"""Write the table of error codes in docs/errors.md: `scripts/errors-document`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import CODES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
HEADING = "| code | status | when, and what helps |\n| --- | --- | --- |\n"
DESCRIPTION = """\
Write the table of error codes at the end of docs/errors.md.

The codes and their meanings stand in edge/errors.py. Run this after you changed one.

Exit status: 0 the table is written, or with --check up to date; 1 with --check: it is not up to
date; 2 wrong usage."""


def table() -> str:
    """The table of codes, sorted by exit status and name."""
    codes = sorted(CODES.items(), key=lambda item: (item[1].status, item[0]))
    return HEADING + "".join(
        f"| `{code}` | {meaning.status} | {meaning.text} |\n" for code, meaning in codes
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table; with `--check` only compare it."""
    parser = argparse.ArgumentParser(
        prog="scripts/errors-document",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  scripts/errors-document --check",
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    given = parser.parse_args(arguments)
    before = DOCUMENT.read_text(encoding="utf-8")
    after = before[: before.index(HEADING)] + table()
    if given.check:
        return int(before != after)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
