"""Weights that come in: checked against their contract, then listed with digest and calibration."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from edge.adapters.onnx.detector import OnnxPlateDetector
from edge.adapters.onnx.eyes import open_detector, open_reader
from edge.adapters.onnx.reader import OnnxPlateReader
from edge.adapters.onnx.session import open_session
from edge.adapters.weights import (
    MANIFEST_FILE,
    SCHEMA,
    Calibration,
    Contract,
    DigestedFile,
    Manifest,
    ManifestFile,
    Pair,
    Weights,
    WeightsEntry,
    build,
    read_manifest,
    sha256_of,
    write_manifest,
)
from edge.errors import ModelError, OutboxError


def open_weights(
    weights: Weights, provider: str = "cpu", threads: int = 1
) -> OnnxPlateDetector | OnnxPlateReader:
    """The network behind its port, its contract checked.

    Raises:
        ModelError: the weights cannot be loaded or are of another contract.
    """
    if weights.entry.contract is Contract.DETECTOR:
        return open_detector(weights, provider, threads)
    return open_reader(weights, provider, threads)


def describe(
    name: str,
    file: Path,
    *,
    plate_config: Path | None,
    calibration: Calibration,
    source: str,
    size: tuple[int, int] | None = None,
) -> WeightsEntry:
    """The manifest's entry for a file of weights: digest, size and input are read off it.

    Args:
        name: what the weights are called from now on.
        file: the network; a reader if it has a plate config, else a detector.
        plate_config: fast-plate-ocr's YAML of a reader.
        calibration: as fitted; a detector's has a threshold.
        source: where the weights come from and under which licence, one line.
        size: height and width of a detector's picture, needed where its network leaves them
            free.

    Raises:
        ModelError: a file is missing or of another contract, or a value is out of range.
    """
    for path in (file, plate_config):
        if path is not None and not path.is_file():
            raise ModelError(f"{path}: no such file; check the path", code="E_MODEL_MISSING")
    contract = Contract.DETECTOR if plate_config is None else Contract.READER
    picture = _input_of(file, size) if plate_config is None else _reader_input(file, plate_config)
    try:
        sha256, length = sha256_of(file), file.stat().st_size
        config = (
            None
            if plate_config is None
            else {"file": plate_config.name, "sha256": sha256_of(plate_config)}
        )
    except OSError as error:
        raise ModelError(
            f"{file}: cannot be read ({error.strerror}); check the file's permissions",
            code="E_MODEL_MISSING",
        ) from None
    entry = build(
        WeightsEntry,
        name=name,
        contract=contract,
        file=file.name,
        sha256=sha256,
        bytes=length,
        input=picture,
        plate_config=None if config is None else build(DigestedFile, **config),
        calibration=calibration,
        source=source,
    )
    open_weights(Weights(entry, file, plate_config))
    return entry


def register(
    entry: WeightsEntry,
    files: tuple[Path, ...],
    manifest: Path,
    *,
    pair: str | None = None,
    default: bool = False,
    known: Manifest,
) -> Pair | None:
    """List weights in a manifest; an entry of the same name is replaced.

    The files are copied beside the manifest first, so that the list never names what is not
    there.

    Args:
        entry: what `describe` gave.
        files: the network and, for a reader, its plate config.
        manifest: the manifest's file; made if it is not there.
        pair: name of the pair that the weights become a half of.
        default: whether that pair becomes the manifest's default.
        known: all weights known so far; a new pair takes its other half from the default pair.

    Returns:
        The pair as it is now, if one was named.

    Raises:
        ModelError: the manifest is damaged, or other weights have a file of this name.
        OutboxError: its folder cannot be written.
    """
    for other in known.entries:
        if other.name != entry.name and other.file == entry.file and other.sha256 != entry.sha256:
            raise ModelError(
                f"{files[0]}: {other.name} has a file of this name already; rename yours"
            )
    content = None
    if manifest.is_file():
        content = read_manifest(manifest)
    weights = [] if content is None else list(content.weights)
    places = [place for place, one in enumerate(weights) if one.name == entry.name]
    if places:
        weights[places[0]] = entry
    else:
        weights.append(entry)
    pairs = {} if content is None else dict(content.pairs)
    halves = None
    if pair is not None:
        halves = pairs.get(pair, known.pair(known.default_pair))
        half = "detector" if entry.contract is Contract.DETECTOR else "reader"
        halves = build(Pair, **{**halves.model_dump(), half: entry.name})
        pairs[pair] = halves
    changed = build(
        ManifestFile,
        schema=SCHEMA,
        default=pair if default else (content.default if content else None),
        search=content.search if content else (),
        pairs=pairs,
        weights=tuple(weights),
    )
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        for file in files:
            place_file(file, manifest.parent / file.name)
        write_manifest(manifest, changed)
    except OSError as error:
        raise unwritable(manifest.parent, error) from None
    return halves


def place_file(source: Path, target: Path) -> None:
    """Copy a file so that under its name it is whole or not there.

    Raises:
        OSError: it cannot be read or written.
    """
    if target.exists() and target.samefile(source):
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with source.open("rb") as read, temporary.open("wb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
            written.flush()
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(folder: Path, error: OSError) -> OutboxError:
    """The refusal of a folder that weights cannot be put into."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutboxError(f"{folder}: the disk is full; free space", code="E_DISK_FULL")
    return OutboxError(f"{folder}: cannot be written ({error.strerror}); check its permissions")


def addition_file(manifest: Manifest) -> Path:
    """The manifest that one's own weights are listed in.

    Raises:
        ModelError: there is no folder for it.
    """
    if manifest.install_folder is None:
        raise ModelError(
            "no folder to install weights into: neither EDGE_ANPR_MODELS nor HOME is set; set one"
        )
    return manifest.install_folder / MANIFEST_FILE


def _input_of(file: Path, size: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width that a detector takes."""
    inputs = open_session(file, "cpu", 1).get_inputs()
    shape = list(inputs[0].shape[2:]) if inputs and len(inputs[0].shape) == 4 else []
    if len(shape) == 2 and all(isinstance(side, int) for side in shape):
        if size is not None and size != tuple(shape):
            raise ModelError(f"{file}: takes {tuple(shape)}, not {size}; leave --size out")
        return (shape[0], shape[1])
    if size is None:
        raise ModelError(f"{file}: leaves height and width free; give them with --size")
    return size


def _reader_input(file: Path, plate_config: Path) -> tuple[int, int]:
    """Height and width that a reader takes, by its plate config; its contract is checked."""
    return OnnxPlateReader(file, plate_config).input_size
