"""Write docs/errors.md from the codes in edge/errors.py; `--check` only says whether it is so."""

from __future__ import annotations

import sys
from pathlib import Path

from edge.errors import CODES

REPOSITORY = Path(__file__).resolve().parents[2]

DOCUMENT = REPOSITORY / "docs" / "errors.md"
HEADING = "| code | status | when, and what helps |\n| --- | --- | --- |\n"


def table() -> str:
    """The table of codes, by exit status and name; usage comes first."""
    codes = sorted(CODES.items(), key=lambda item: (item[1].status, item[0]))
    return HEADING + "".join(
        f"| `{code}` | {meaning.status} | {meaning.text} |\n" for code, meaning in codes
    )


def main(arguments: list[str]) -> int:
    """Write the document, or with `--check` say whether it is up to date."""
    before = DOCUMENT.read_text(encoding="utf-8")
    after = before[: before.index(HEADING)] + table()
    if "--check" in arguments:
        return int(before != after)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
