"""Command line that makes one scene parser of two: `scripts/combine-parsers`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from scripts.training.errors import DataError

DESCRIPTION = """\
Make one scene parser of two trainings of the network. It shows only what both of them would show:
each cell counts as the vehicle's only as far as both say so, and what one of them suspects is
suspected. Kind and colour are those of FIRST.

Needs `pip install -e '.[cpu,training]'`."""

EXAMPLE = """\
  scripts/combine-parsers a/scene_parser.onnx b/scene_parser.onnx --out scene_parser.onnx"""


def main(arguments: list[str] | None = None) -> int:
    """Write the combined network; 0 when it is written, 1 and one line if that is not possible."""
    parser = argparse.ArgumentParser(
        prog="scripts/combine-parsers",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"example:\n{EXAMPLE}\n\nmore: docs/training.md",
    )
    add = parser.add_argument
    add("first", type=Path, metavar="FIRST", help="weights that scripts/train-parser wrote")
    add("second", type=Path, metavar="SECOND", help="weights of another training")
    add("--out", type=Path, required=True, metavar="FILE", help="the ONNX file to write")
    given = parser.parse_args(arguments)
    try:
        _combine(given.first, given.second, given.out)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _combine(first: Path, second: Path, out: Path) -> None:
    if importlib.util.find_spec("onnx") is None:
        raise DataError("ONNX: not installed; run: pip install -e '.[cpu,training]'")
    # `--help` answers without ONNX.
    from scripts.training.parser_pair import combined, read_parser  # noqa: PLC0415

    model = combined(read_parser(first), read_parser(second))
    out.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    sys.exit(main())
