"""Command line of the fuzzing: `scripts/fuzz`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

TARGETS = ("policy", "draft", "signatures", "activation")
DESCRIPTION = """\
Fuzz the parsers of policy files, guided by code coverage.

Whatever the input, a parser must return a value or refuse it with an error code. Anything else is
a finding: Atheris prints it and writes the input to a file. This is not part of the tests, because
it needs Atheris, which `scripts/fuzz` installs into .venv.

Exit status: 0 no finding, 2 wrong usage; Atheris ends with another status at a finding."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz one target for some time."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  scripts/fuzz --seconds 600 signatures",
    )
    parser.add_argument(
        "target", nargs="?", choices=TARGETS, default="draft", help="default: %(default)s"
    )
    parser.add_argument(
        "--seconds", type=int, default=180, help="length of the run (default: %(default)s)"
    )
    given = parser.parse_args(arguments)
    # Imported after the command line was read: it needs Atheris.
    targets = importlib.import_module("scripts.maintenance.fuzz_targets")
    targets.run(given.target, given.seconds, sys.argv[0])


if __name__ == "__main__":
    main()
