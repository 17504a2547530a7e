"""`edge-anpr models`: the weights of this box: what there is, whether it is whole, how fast."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.errors import EdgeError, ModelError, UsageError

if TYPE_CHECKING:
    from edge.adapters.weights import Manifest, WeightsEntry

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
    from edge.adapters.weights import Manifest

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
    from edge.adapters.onnx.inventory import open_weights
    from edge.adapters.weights import Manifest

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
    for failure in failures[:-1]:
        sys.stderr.write(f"error: {failure}\n")
    if failures:
        raise failures[-1]


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
    from edge.adapters.onnx.inventory import addition_file, describe, register
    from edge.adapters.weights import Calibration, Manifest, build

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
