"""`edge-anpr models`: list, verify, measure and install the weights of a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.logs import print_error
from edge.cli.models_bench import bench
from edge.cli.options import JsonOption, ManifestOption
from edge.cli.output import print_json
from edge.errors import EdgeError, ModelError, UsageError

if TYPE_CHECKING:
    from edge.adapters.models.manifest import WeightsEntry
    from edge.adapters.models.weights import Manifest

app = typer.Typer(
    no_args_is_help=True,
    help="List, verify, measure and install weights.\n\nExample: edge-anpr models list",
)

# --- list -----------------------------------------------------------------------------------


@app.command("list")
def list_weights(manifest: ManifestOption = None, as_json: JsonOption = False) -> None:
    """List all weights: name, contract, file, digest, calibration and source.

    Example: edge-anpr models list --json
    """
    from edge.adapters.models.weights import Manifest

    listed = Manifest.load(manifest)
    rows = [_row(listed, entry) for entry in listed.entries]
    pairs = {name: pair.model_dump() for name, pair in listed.pairs.items()}
    if as_json:
        document = {"default": listed.default_pair, "pairs": pairs, "weights": rows}
        print_json("edge-anpr/models-list/1", document, indent=2)
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
    state, _ = state_of(manifest, entry)
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


def state_of(manifest: Manifest, entry: WeightsEntry) -> tuple[str, EdgeError | None]:
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
    if "suspected" in calibration:
        parts.append(f"suspected {calibration['suspected']:.3g}")
    ece = calibration.get("ece")
    parts.append("ECE not measured" if ece is None else f"ECE {ece:.3g}")
    return ", ".join(parts)


# --- verify ---------------------------------------------------------------------------------


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of weights or pairs. Default: all that are installed."),
    ] = None,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify digests and contracts by loading and running each file. Status 4: a file failed.

    Without names, weights that are not installed are skipped, except those of the default pair,
    the cover check and the scene parser.

    Example: edge-anpr models verify cct-xs-v2
    """
    from edge.adapters.models.inventory import open_weights
    from edge.adapters.models.weights import Manifest

    listed = Manifest.load(manifest)
    default = listed.pair(listed.default_pair)
    others = (listed.cover_check, listed.scene_parser)
    always = {default.detector, default.reader, *(name for name in others if name)}
    needed = named(listed, names) if names else always
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
        document = {"weights": results, "failed": len(failures)}
        print_json("edge-anpr/models-verify/1", document, indent=2)
    else:
        for result in results:
            typer.echo(f"{result['name']}: {result['result']}")
    _raise_last(failures)


def named(manifest: Manifest, names: list[str]) -> set[str]:
    """The names of all weights that these names of weights or pairs refer to.

    Raises:
        ModelError: a name is unknown.
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
    names: Annotated[
        list[str], typer.Argument(help="Names of weights or pairs, as `models list` shows them.")
    ],
    pin: Annotated[
        list[str] | None,
        typer.Option(help="A SHA-256 that you have compared; may be repeated."),
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Install this file instead of a download; a reader also needs its plate config.",
        ),
    ] = None,
    manifest: ManifestOption = None,
    progress: Annotated[bool, typer.Option(help="Show a progress bar on stderr.")] = True,
) -> None:
    """Download public weights, or take a file; verify the digest, test them and install them.

    An interrupted download resumes. If the manifest has no digest for the weights, their digest
    is shown, and they are installed only with --pin. They go into the first folder of
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
    entries = [entry for entry in listed.entries if entry.name in named(listed, names)]
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
            state, _ = state_of(listed, entry)
            if state == "in order" and not given:
                typer.echo(f"{entry.name}: installed and in order, {listed.locate(entry.file)}")
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
    """Print all failures but the last, and raise the last."""
    for failure in failures[:-1]:
        print_error(failure)
    if failures:
        raise failures[-1]


app.command()(bench)

# --- add ------------------------------------------------------------------------------------


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The name to give to the weights.")],
    file: Annotated[Path, typer.Argument(help="The ONNX file.")],
    source: Annotated[str, typer.Option(help="Where the weights come from, and their licence.")],
    plate_config: Annotated[
        Path | None,
        typer.Option(help="A reader's plate config. Without it, the weights are a detector's."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="A detector's calibrated score threshold.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature of the scores or posteriors.")
    ] = 1.0,
    region_temperature: Annotated[
        float | None, typer.Option(help="Temperature of a reader's countries.")
    ] = None,
    ece: Annotated[float | None, typer.Option(help="Expected calibration error, 0 to 1.")] = None,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Height and width, for a detector with free input size."),
    ] = None,
    pair: Annotated[str | None, typer.Option(help="The pair to add the weights to.")] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Make --pair the default of the manifest.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="The manifest to write. Default: your own, beside the installed weights."
        ),
    ] = None,
) -> None:
    """Add your own weights: test them, copy them beside the manifest and record their digest.

    A new pair takes its other half from the default pair. Weights of the same name are replaced.

    Example: edge-anpr models add my-reader reader.onnx --plate-config reader.yaml
    --temperature 1.2 --ece 0.01 --source "ours, trained on gate 3" --pair gate
    """
    from edge.adapters.models.inventory import addition_file, describe, register
    from edge.adapters.models.manifest import Calibration, build
    from edge.adapters.models.weights import Manifest

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
