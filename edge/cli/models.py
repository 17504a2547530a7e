"""`edge-anpr models`: the weights of this box: what there is, whether it is whole, how fast."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.domain.timing import median_and_p95_ms
from edge.errors import EdgeError, ModelError, UsageError

if TYPE_CHECKING:
    from edge.adapters.models.weights import Manifest, WeightsEntry

app = typer.Typer(
    help="The weights: list, verify, measure, install.", no_args_is_help=True, add_completion=False
)

MIB = 1024 * 1024

ManifestOption = Annotated[
    Path | None, typer.Option("--manifest", help="Another manifest of weights.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document to stdout.")]


# --- list -----------------------------------------------------------------------------------


@app.command("list")
def list_weights(manifest: ManifestOption = None, as_json: JsonOption = False) -> None:
    """Show all weights by name: contract, file, digest, calibration, source."""
    from edge.adapters.models.weights import Manifest

    listed = Manifest.load(manifest)
    rows = [_row(listed, entry) for entry in listed.entries]
    pairs = {name: pair.model_dump() for name, pair in listed.pairs.items()}
    if as_json:
        _print_json({"default": listed.default_pair, "pairs": pairs, "weights": rows})
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"Weights in {escape(str(listed.path))}", title_justify="left")
    for heading in ("name", "contract", "state", "MB", "calibration", "source"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", overflow="fold")
    for row in rows:
        size = row["bytes"]
        table.add_row(
            row["name"],
            row["contract"],
            row["state"],
            "" if size is None else f"{size / 1e6:.1f}",
            _calibration_text(row["calibration"]),
            escape(row["source"]),
        )
    console = Console()
    console.print(table)
    for name, pair in pairs.items():
        mark = " (default)" if name == listed.default_pair else ""
        console.print(f"pair {name}{mark}: {pair['detector']} + {pair['reader']}")


def _row(manifest: Manifest, entry: WeightsEntry) -> dict[str, Any]:
    state, _ = _state(manifest, entry)
    path = manifest.locate(entry.file)
    return {
        "name": entry.name,
        "contract": entry.contract.value,
        "file": entry.file,
        "path": None if path is None else str(path),
        "present": path is not None,
        "bytes": path.stat().st_size if path is not None else entry.bytes,
        "sha256": entry.sha256,
        "digest_ok": {"in order": True, "altered": False}.get(state),
        "state": state,
        "input": list(entry.input),
        "calibration": entry.calibration.model_dump(exclude_none=True),
        "source": entry.source,
        "url": entry.url,
    }


def _state(manifest: Manifest, entry: WeightsEntry) -> tuple[str, EdgeError | None]:
    """`in order`, `missing`, `altered` or `not pinned`, and why if not in order."""
    try:
        manifest.find(entry.name, entry.contract)
    except ModelError as error:
        states = {"E_MODEL_MISSING": "missing", "E_MODEL_PIN": "not pinned"}
        return states.get(error.code, "altered"), error
    return "in order", None


def _calibration_text(calibration: dict[str, float]) -> str:
    parts = [f"T {calibration['temperature']:.3g}"]
    if "region_temperature" in calibration:
        parts.append(f"region T {calibration['region_temperature']:.3g}")
    if "threshold" in calibration:
        parts.append(f"threshold {calibration['threshold']:.3g}")
    ece = calibration.get("ece")
    parts.append("ECE not measured" if ece is None else f"ECE {ece:.3g}")
    return ", ".join(parts)


# --- verify ---------------------------------------------------------------------------------


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Weights or pairs; all that are here if left out.")
    ] = None,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check digests and contracts: each file is loaded and tried. Status 4 if one fails.

    Without names, weights that are listed and not installed are passed over, save those of the
    default pair.
    """
    from edge.adapters.models.inventory import open_weights
    from edge.adapters.models.weights import Manifest

    listed = Manifest.load(manifest)
    default = listed.pair(listed.default_pair)
    needed = _named(listed, names) if names else {default.detector, default.reader}
    results: list[dict[str, Any]] = []
    failures: list[ModelError] = []
    for entry in listed.entries:
        if names and entry.name not in needed:
            continue
        if entry.name not in needed and listed.locate(entry.file) is None:
            results.append({"name": entry.name, "result": "not installed"})
            continue
        try:
            open_weights(listed.find(entry.name, entry.contract))
        except ModelError as error:
            failures.append(error)
            results.append({"name": entry.name, "result": "failed", "error": str(error)})
        else:
            results.append({"name": entry.name, "result": "in order"})
    if as_json:
        _print_json({"weights": results, "failed": len(failures)})
    else:
        for result in results:
            typer.echo(f"{result['name']}: {result['result']}")
    _raise_last(failures)


def _named(manifest: Manifest, names: list[str]) -> set[str]:
    """The weights that names of weights or of pairs stand for.

    Raises:
        ModelError: a name is neither.
    """
    found: set[str] = set()
    for name in names:
        if name in manifest.pairs:
            found |= set(manifest.pair(name).model_dump().values())
        else:
            found.add(manifest.entry(name).name)
    return found


# --- pull -----------------------------------------------------------------------------------


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Weights or pairs, as `models list` shows.")],
    pin: Annotated[
        list[str] | None,
        typer.Option(help="A SHA-256 that you have compared; may be given more than once."),
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", help="Install this file instead; for a reader also its plate config."
        ),
    ] = None,
    manifest: ManifestOption = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Install public weights: fetched or from a file, their digest compared, tried, then named.

    A download that broke off goes on where it stopped. Weights whose digest the manifest does
    not know are shown with it and installed only with --pin. They go into the first folder of
    EDGE_ANPR_MODELS, else into ~/.local/share/edge-anpr/models.

    Example: edge-anpr models pull cct-xs-v2
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    from edge.adapters.models.inventory import pull as install
    from edge.adapters.models.weights import Manifest

    pins = [_digest(one) for one in pin or ()]
    given = source or []
    listed = Manifest.load(manifest)
    entries = [entry for entry in listed.entries if entry.name in _named(listed, names)]
    if given and len(entries) > 1:
        raise UsageError("--from: name one set of weights, not a pair")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    failures: list[EdgeError] = []
    with Bars(
        *columns, TransferSpeedColumn(), console=Console(stderr=True), disable=not progress
    ) as bars:

        def bar(file: str) -> Callable[[int, int | None], None]:
            task = bars.add_task(file, total=None)
            return lambda have, total: bars.update(task, completed=have, total=total)

        for entry in entries:
            state, _ = _state(listed, entry)
            if state == "in order" and not given:
                typer.echo(f"{entry.name}: is here and in order, {listed.locate(entry.file)}")
                continue
            try:
                path = install(listed, entry, pins=pins, given=given, progress=bar)
            except EdgeError as error:
                failures.append(error)
            else:
                typer.echo(f"{entry.name}: installed, {path}")
    _raise_last(failures)


def _digest(text: str) -> str:
    digest = text.lower().removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UsageError("--pin: a SHA-256 has 64 hexadecimal digits; copy it whole")
    return digest


def _raise_last(failures: Sequence[EdgeError]) -> None:
    """All failures are told, the last one ends the process."""
    for failure in failures[:-1]:
        sys.stderr.write(f"error: {failure}\n")
    if failures:
        raise failures[-1]


# --- bench ----------------------------------------------------------------------------------

WARM_UP = 5
FRAME = (720, 1280, 3)
PATCH = (40, 160, 3)


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Weights or pairs; all installed if left out.")
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="cpu, cuda or tensorrt; may be repeated.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(min=1, max=64, help="Threads inside an operator; may be repeated."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=3, max=10_000, help="Timed runs of each.")] = 50,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time each network: one 1280 x 720 picture for a detector, one plate for a reader.

    Preparing the picture is part of it. The runs take turns, so that a busy machine slows all
    of them alike; ratios are against the first of the same contract.
    """
    import numpy as np

    from edge.adapters.models.detector import OnnxPlateDetector
    from edge.adapters.models.inventory import open_weights
    from edge.adapters.models.weights import Contract, Manifest
    from edge.domain.imaging import Box, PlatePatch

    listed = Manifest.load(manifest)
    wanted = _named(listed, names) if names else {e.name for e in listed.entries}
    noise = np.random.default_rng(1)
    frame = noise.integers(0, 256, FRAME, np.uint8)
    patch = PlatePatch(Box(0, 0, 160, 40), 1.0, noise.integers(0, 256, PATCH, np.uint8))
    rows: list[dict[str, Any]] = []
    runs: list[Callable[[], object]] = []
    for entry in listed.entries:
        if entry.name not in wanted or (not names and _state(listed, entry)[0] != "in order"):
            continue
        weights = listed.find(entry.name, entry.contract)
        for chosen in provider or ["cpu"]:
            for count in threads or [1]:
                eyes = open_weights(weights, chosen, count)
                runs.append(
                    partial(eyes.detect, frame)
                    if isinstance(eyes, OnnxPlateDetector)
                    else partial(eyes.read, [patch])
                )
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
        _print_json({"runtime": _runtime_version(), "results": rows})
    else:
        _print_bench(rows)


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


# --- add ------------------------------------------------------------------------------------


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the weights are called from now on.")],
    file: Annotated[Path, typer.Argument(help="The network, ONNX.")],
    source: Annotated[str, typer.Option(help="Where they come from, and their licence.")],
    plate_config: Annotated[
        Path | None, typer.Option(help="A reader's plate config; without one it is a detector.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="A detector's calibrated score from which it counts.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of the scores or posteriors.")] = 1.0,
    region_temperature: Annotated[
        float | None, typer.Option(help="Of a reader's countries.")
    ] = None,
    ece: Annotated[float | None, typer.Option(help="Expected calibration error, 0 to 1.")] = None,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Height and width, where a detector leaves them free."),
    ] = None,
    pair: Annotated[str | None, typer.Option(help="The pair they become a half of.")] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Make --pair the default of the manifest.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(help="The manifest to write; your own beside installed weights if left out."),
    ] = None,
) -> None:
    """List weights of your own: they are checked, copied beside the manifest and digested.

    A new pair takes its other half from the default pair. Weights of the same name are replaced.

    Example: edge-anpr models add my-reader reader.onnx --plate-config reader.yaml
    --temperature 1.2 --ece 0.01 --source "ours, trained on gate 3" --pair gate
    """
    from edge.adapters.models.inventory import addition_file, describe, register
    from edge.adapters.models.weights import Calibration, Manifest, build

    if default and pair is None:
        raise UsageError("--default: say which pair with --pair")
    calibration = build(
        Calibration,
        temperature=temperature,
        region_temperature=region_temperature,
        ece=ece,
        threshold=threshold,
    )
    entry = describe(
        name, file, plate_config=plate_config, calibration=calibration, source=source, size=size
    )
    known = Manifest.load(manifest if manifest is not None and manifest.is_file() else None)
    target = manifest if manifest is not None else addition_file(known)
    files = (file,) if plate_config is None else (file, plate_config)
    halves = register(entry, files, target, pair=pair, default=default, known=known)
    typer.echo(f"{target}: {name}, {entry.contract.value}, SHA-256 {entry.sha256}")
    if halves is not None:
        typer.echo(f"pair {pair}: {halves.detector} + {halves.reader}")


def _print_json(document: object) -> None:
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")
