"""Write measured figures into a model card: `scripts/model-card`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures of scripts/model-card -->", "<!-- end of figures -->"
BREAKDOWNS = ("country", "lines", "height", "width", "light")
UNITS = {"height": "{} px high", "width": "{} px wide"}
SCHEMA = "edge-anpr/evaluate-images/1"
BOXES_ONLY = "boxes:"
COLUMNS = (
    ("found", "recall_iou50", "recall_ci95"),
    ("exact, end to end", "exact", "exact_ci95"),
    ("exact, box given", "exact_given_box", "exact_given_box_ci95"),
)

DESCRIPTION = f"""\
Write measured figures into a model card, between the lines
  {BEGIN}
  {END}

Each RESULT is what `edge-anpr evaluate images --json` printed; the title says what was measured.
All groups of --by are shown, each share with its 95 % interval. A title may begin with
`{BOXES_ONLY}`: then only what the reader reads on the labelled boxes is shown, for pictures of
plates without their surroundings, in which a detector has nothing to find.

Exit status: 0 written, 1 a file cannot be used, 2 wrong usage."""


def figures(title: str, result: Mapping[str, Any]) -> str:
    """One result as a heading and a table in Markdown."""
    rows = [("all", result)]
    for what in BREAKDOWNS:
        groups = result.get(f"by_{what}", {})
        rows += [(UNITS.get(what, "{}").format(name), one) for name, one in groups.items()]
    boxes_only = title.startswith(BOXES_ONLY)
    columns = COLUMNS[-1:] if boxes_only else COLUMNS
    detector, reader = (
        f"{half} `{result['weights'][half]['name']}` "
        f"(SHA-256 `{result['weights'][half]['sha256'][:12]}…`)"
        for half in ("detector", "reader")
    )
    lines = [
        f"### {title.removeprefix(BOXES_ONLY).strip()}",
        "",
        f"{result['images']} photos, {result['plates']} plates; {reader}"
        + ("." if boxes_only else f", {detector}."),
        "",
        f"| group | plates | {' | '.join(name for name, *_ in columns)} |",
        f"| --- | --- |{' --- |' * len(columns)}",
    ]
    lines += [
        f"| {name} | {one['plates']} | "
        + " | ".join(_share(one[share], one[interval]) for _, share, interval in columns)
        + " |"
        for name, one in rows
    ]
    if boxes_only:
        return "\n".join(lines)
    calibration = result["calibration"]
    if calibration["ece"] is not None:
        lines += ["", f"Calibration error of single readings: {calibration['ece']:.3f}. "]
        lines[-1] += " ".join(
            f"Wrong with a posterior of at least {one['min_posterior']}: {one['share']:.4f} "
            f"(at most {one['ci95'][1]:.4f})."
            for one in calibration["wrong_and_sure"]
        )
    return "\n".join(lines)


def _share(share: float, interval: Sequence[float]) -> str:
    return f"{share:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def with_figures(card: str, results: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The card with these figures in place of those between its two marks.

    Raises:
        ValueError: the card lacks one of the marks.
    """
    before, mark, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"no line {BEGIN!r} with {END!r} below it; add both")
    blocks = "\n\n".join(figures(title, result) for title, result in results)
    return f"{before}{BEGIN}\n\n{blocks}\n\n{END}{after}"


def _result(file: Path) -> Mapping[str, Any]:
    result = json.loads(file.read_text("utf-8"))
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise ValueError(f"not what `evaluate images --json` prints ({SCHEMA})")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the figures; 0 when they are written."""
    parser = argparse.ArgumentParser(
        prog="scripts/model-card",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  scripts/model-card models/plate_reader.md 'Street photos=street.json'",
    )
    parser.add_argument("card", type=Path, help="the model card, a Markdown file")
    parser.add_argument("results", nargs="+", metavar="TITLE=RESULT")
    given = parser.parse_args(arguments)
    results: list[tuple[str, Mapping[str, Any]]] = []
    at: Path = given.card
    try:
        for one in given.results:
            title, equals, file = one.rpartition("=")
            if not equals or not title:
                parser.error(f"{one!r}: write TITLE=RESULT")
            at = Path(file)
            results.append((title, _result(at)))
        at = given.card
        written = with_figures(at.read_text("utf-8"), results)
        at.write_text(written, "utf-8")
    except (OSError, ValueError) as error:
        print(f"error: {at}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
