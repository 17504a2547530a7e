"""`python -m tests.unit.vectors --change-of-format`: write the computed vectors anew."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.unit.vectors.sets import write_anew

FLAG = "--change-of-format"


def main(arguments: Sequence[str]) -> None:
    """Write the vectors anew, if the one argument says that a format is to change."""
    if list(arguments) != [FLAG]:
        sys.exit(f"this changes the product's formats: read tests/vectors/README.md, add {FLAG}")
    write_anew()


if __name__ == "__main__":
    main(sys.argv[1:])
