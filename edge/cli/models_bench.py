"""`edge-anpr models bench`: the latency of each model on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.options import JsonOption, ManifestOption
from edge.cli.output import print_json
from edge.domain.timing import median_and_p95_ms
from edge.errors import ModelError

if TYPE_CHECKING:
    from edge.adapters.models.inventory import Network
    from edge.domain.imaging import Pixels, PlatePatch

WARM_UP = 5
FRAME = (720, 1280, 3)
PATCH = (40, 160, 3)


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of weights or pairs. Default: all that are installed."),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="cpu, cuda or tensorrt; may be repeated.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(min=1, max=64, help="Threads of one operator; may be repeated."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=3, max=10_000, help="Timed runs of each model.")] = 50,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the latency of each model: one 1280 x 720 picture or one plate.

    The time includes preparing the picture. The models run in turns, so that other load on the
    machine slows all of them equally. Ratios are to the first model of the same contract.

    Example: edge-anpr models bench --provider cpu --threads 1
    """
    import numpy as np

    from edge.adapters.models.inventory import open_weights
    from edge.adapters.models.manifest import Contract
    from edge.adapters.models.weights import Manifest
    from edge.cli.models import named, state_of
    from edge.domain.imaging import Box, PlatePatch

    listed = Manifest.load(manifest)
    wanted = named(listed, names) if names else {e.name for e in listed.entries}
    noise = np.random.default_rng(1)
    frame = noise.integers(0, 256, FRAME, np.uint8)
    patch = PlatePatch(Box(0, 0, 160, 40), 1.0, noise.integers(0, 256, PATCH, np.uint8))
    rows: list[dict[str, Any]] = []
    runs: list[Callable[[], object]] = []
    for entry in listed.entries:
        if entry.name not in wanted or (not names and state_of(listed, entry)[0] != "in order"):
            continue
        weights = listed.find(entry.name, entry.contract)
        for chosen in provider or ["cpu"]:
            for count in threads or [1]:
                model = open_weights(weights, chosen, count)
                runs.append(_run_of(model, frame, patch))
                rows.append(
                    {
                        "name": entry.name,
                        "contract": entry.contract.value,
                        "provider": chosen,
                        "threads": count,
                    }
                )
    if not rows:
        raise ModelError("no weights are installed; see `edge-anpr models list`")
    for row, seconds in zip(rows, _in_turns(runs, repeat), strict=True):
        spent = median_and_p95_ms(seconds)
        row.update(runs=repeat, median_ms=spent["median"], p95_ms=spent["p95"])
    firsts = {c.value: next((r for r in rows if r["contract"] == c.value), None) for c in Contract}
    for row in rows:
        first = firsts[row["contract"]] or row
        row["ratio"] = round(row["median_ms"] / first["median_ms"], 3)
    if as_json:
        document = {"runtime": _runtime_version(), "results": rows}
        print_json("edge-anpr/models-bench/1", document, indent=2)
    else:
        _print_bench(rows)


def _run_of(model: Network, frame: Pixels, patch: PlatePatch) -> Callable[[], object]:
    """What is timed of a network: one picture, or one plate."""
    from edge.adapters.models.detector import OnnxPlateDetector
    from edge.adapters.models.reader import OnnxPlateReader
    from edge.adapters.models.scene_parser import OnnxSceneParser
    from edge.domain.imaging import Box

    if isinstance(model, OnnxPlateDetector):
        return partial(model.detect, frame)
    if isinstance(model, OnnxPlateReader):
        return partial(model.read, [patch])
    if isinstance(model, OnnxSceneParser):
        return partial(model.parse, frame, Box(580, 500, 700, 526))
    return partial(model.hidden, [patch], ["1ABC234"])


def _in_turns(runs: Sequence[Callable[[], object]], repeat: int) -> list[list[float]]:
    """Seconds of each run; the first rounds warm up and are not counted."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(WARM_UP + repeat):
        for place, run in enumerate(runs):
            started = time.perf_counter()
            run()
            if turn >= WARM_UP:
                seconds[place].append(time.perf_counter() - started)
    return seconds


def _runtime_version() -> str:
    from edge.adapters.models.session import runtime

    return f"onnxruntime {runtime().__version__}"


def _print_bench(rows: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Latency of one picture or plate", title_justify="left")
    for heading in ("name", "provider", "threads", "median ms", "p95 ms", "ratio"):
        table.add_column(heading, justify="left" if heading == "name" else "right")
    for row in rows:
        table.add_row(
            row["name"],
            row["provider"],
            str(row["threads"]),
            f"{row['median_ms']:.2f}",
            f"{row['p95_ms']:.2f}",
            f"{row['ratio']:.2f}",
        )
    Console().print(table)
