"""Installs weights: checks their contract, and adds them to a manifest with their digest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.models.cover_check import OnnxCoverCheck
from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.download import Progress, discard, fetch, unwritable
from edge.adapters.models.loading import (
    open_cover_check,
    open_detector,
    open_reader,
    open_scene_parser,
)
from edge.adapters.models.manifest import (
    MANIFEST_FILE,
    SCHEMA,
    Calibration,
    Contract,
    DigestedFile,
    ManifestFile,
    Pair,
    WeightsEntry,
    build,
    read_manifest,
    write_manifest,
)
from edge.adapters.models.reader import OnnxPlateReader
from edge.adapters.models.scene_parser import OnnxSceneParser
from edge.adapters.models.session import open_session
from edge.adapters.models.weights import Manifest, Weights, sha256_of
from edge.errors import ModelError
from edge.formats.atomic_files import replacing, sync_folder

Network = OnnxPlateDetector | OnnxPlateReader | OnnxCoverCheck | OnnxSceneParser
"""A network of one of the contracts."""


def open_weights(weights: Weights, provider: str = "cpu", threads: int = 1) -> Network:
    """Load a network and check its contract.

    Raises:
        ModelError: the weights cannot be loaded or have another contract.
    """
    if weights.entry.contract is Contract.DETECTOR:
        return open_detector(weights, provider, threads)
    if weights.entry.contract is Contract.COVER_CHECK:
        return open_cover_check(weights, provider, threads)
    if weights.entry.contract is Contract.SCENE_PARSER:
        return open_scene_parser(weights, provider, threads)
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
    """Make the manifest's entry for a file of weights; it measures digest, size and input.

    Args:
        name: the name of the weights.
        file: the network; a reader if there is a plate config, else a detector.
        plate_config: fast-plate-ocr's YAML of a reader.
        calibration: the fitted calibration; a detector's has a threshold.
        source: where the weights come from and their licence, one line.
        size: height and width of a detector's picture, needed if they are dynamic in its network.

    Raises:
        ModelError: a file is missing or has another contract, or a value is out of range.
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
    """Add weights to a manifest; an entry of the same name is replaced.

    The files are copied beside the manifest first, so that the manifest never names missing files.

    Args:
        entry: the entry that `describe` returned.
        files: the network and, for a reader, its plate config.
        manifest: the manifest's file; created if it is missing.
        pair: name of the pair that the weights become part of.
        default: whether that pair becomes the manifest's default.
        known: all weights known so far; a new pair takes its other part from the default pair.

    Returns:
        The changed pair, if one was named.

    Raises:
        ModelError: the manifest is damaged, or other weights have a file of this name.
        OutboxError: its folder cannot be written.
    """
    for other in known.entries:
        if other.name != entry.name and other.file == entry.file and other.sha256 != entry.sha256:
            raise ModelError(
                f"{files[0]}: the weights {other.name} already have a file of this name; "
                "rename yours"
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
        cover_check=content.cover_check if content else None,
        scene_parser=content.scene_parser if content else None,
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


# --- installing --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _FileToInstall:
    """A file to install: its name, its address, and its digest and size if they are known."""

    file: str
    sha256: str | None
    size: int | None
    url: str | None


def pull(
    manifest: Manifest,
    entry: WeightsEntry,
    *,
    pins: Collection[str] = (),
    given: Sequence[Path] = (),
    progress: Callable[[str], Progress] = lambda _file: lambda _have, _total: None,
) -> Path:
    """Install weights from their addresses or from given files.

    Each file is written to a part file, compared with its digest, loaded once to check its
    contract, and only then renamed. A digest that is not in the manifest must be among the pins; it
    is then written to the user's own manifest.

    Args:
        manifest: all weights known so far.
        entry: what to install.
        pins: SHA-256 digests in hexadecimal that a person has compared.
        given: files to install instead of downloads: the network, and a reader's plate config.
        progress: returns the progress callback of a file.

    Returns:
        The path of the installed network.

    Raises:
        ModelError: a file cannot be downloaded, has another digest, one that is not pinned, or
            another contract. Weights that were installed before are unchanged.
        OutboxError: a file cannot be stored.
    """
    target = addition_file(manifest)
    wanted = [_FileToInstall(entry.file, entry.sha256, entry.bytes, entry.url)]
    if entry.plate_config is not None:
        config = entry.plate_config
        wanted.append(_FileToInstall(config.file, config.sha256, None, config.url))
    sources = _sources(entry, wanted, given)
    parts = [target.parent / f"{one.file}.part" for one in wanted]
    digests = []
    for one, source, part in zip(wanted, sources, parts, strict=True):
        _into_part(entry, one, source, part, progress)
        digests.append(_digest_of(one, part))
    _require_pinned(entry, wanted, digests, parts, pins)
    fields = entry.model_dump()
    fields.update(sha256=digests[0], bytes=parts[0].stat().st_size)
    if entry.plate_config is not None:
        fields["plate_config"]["sha256"] = digests[1]
    pinned = build(WeightsEntry, **fields)
    try:
        open_weights(Weights(pinned, parts[0], parts[1] if len(parts) > 1 else None))
    except ModelError:
        for part in parts:
            discard(part)
        raise
    try:
        for one, part in zip(wanted, parts, strict=True):
            part.replace(target.parent / one.file)
            discard(part)
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    if not entry.pinned:
        register(pinned, tuple(target.parent / one.file for one in wanted), target, known=manifest)
    return target.parent / entry.file


def _sources(
    entry: WeightsEntry, wanted: Sequence[_FileToInstall], given: Sequence[Path]
) -> list[Path | None]:
    """For each file to install, the given one; None if it is to be downloaded."""
    yaml = [path for path in given if path.suffix.lower() in {".yaml", ".yml"}]
    networks = [path for path in given if path not in yaml]
    if len(networks) > 1 or len(yaml) > len(wanted) - 1:
        most = "one network" if len(wanted) == 1 else "one network and one plate config (.yaml)"
        raise ModelError(f"{entry.name}: --from accepts {most}; leave out the other files")
    for path in given:
        if not path.is_file():
            raise ModelError(f"{path}: no such file; check --from", code="E_MODEL_MISSING")
    firsts = [next(iter(networks), None), next(iter(yaml), None)]
    return firsts[: len(wanted)]


def _into_part(
    entry: WeightsEntry,
    wanted: _FileToInstall,
    source: Path | None,
    part: Path,
    progress: Callable[[str], Progress],
) -> None:
    """Copy or download one file into its part file."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if source is not None:
            discard(part)
            place_file(source, part)
            return
        installed = part.parent / wanted.file
        if installed.is_file() and wanted.sha256 == sha256_of(installed):
            discard(part)
            place_file(installed, part)
            return
    except OSError as error:
        raise unwritable(part.parent, error) from None
    if wanted.url is None:
        raise ModelError(
            f"{wanted.file}: has no public address ({entry.source}); name the file with --from, or "
            "install other weights: `edge-anpr models list` shows them",
            code="E_MODEL_DOWNLOAD",
        )
    fetch(wanted.url, part, size=wanted.size, progress=progress(wanted.file))


def _digest_of(wanted: _FileToInstall, part: Path) -> str:
    """The digest of a part file; it must be the known one if there is one."""
    digest = sha256_of(part)
    if wanted.sha256 is not None and digest != wanted.sha256:
        discard(part)
        raise ModelError(
            f"{wanted.file}: its SHA-256 is {digest}, the manifest says {wanted.sha256}; it was "
            "not installed: download it from its original source, or ask the person who sent it",
            code="E_MODEL_DIGEST",
        )
    return digest


def _require_pinned(
    entry: WeightsEntry,
    wanted: Sequence[_FileToInstall],
    digests: Sequence[str],
    parts: Sequence[Path],
    pins: Collection[str],
) -> None:
    """Refuse digests that are neither in the manifest nor pinned."""
    unknown = [
        (one.file, digest, part.stat().st_size)
        for one, digest, part in zip(wanted, digests, parts, strict=True)
        if one.sha256 is None and digest not in pins
    ]
    if not unknown:
        return
    shown = "; ".join(
        f"{file} has SHA-256 {digest}, {size} bytes" for file, digest, size in unknown
    )
    repeat = " ".join(f"--pin {digest}" for _, digest, _ in unknown)
    problem = "no given pin matches: " if pins else "the manifest has no digest: "
    raise ModelError(
        f"{entry.name}: {problem}{shown}; nothing was installed: compare with a source you trust, "
        f"then run the command again with {repeat}",
        code="E_MODEL_DIGEST" if pins else "E_MODEL_PIN",
    )


def place_file(source: Path, target: Path) -> None:
    """Copy a file atomically (`formats.atomic_files`).

    Raises:
        OSError: it cannot be read or written.
    """
    if target.exists() and target.samefile(source):
        return
    with source.open("rb") as read, replacing(target, mode=0o666) as written:
        shutil.copyfileobj(read, written, 1 << 20)


def addition_file(manifest: Manifest) -> Path:
    """The manifest of the user's own weights.

    Raises:
        ModelError: there is no folder for it.
    """
    if manifest.install_folder is None:
        raise ModelError(
            "no folder to install weights into: neither EDGE_ANPR_MODELS nor HOME is set; set one"
        )
    return manifest.install_folder / MANIFEST_FILE


def _input_of(file: Path, size: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a detector's input."""
    inputs = open_session(file, "cpu", 1).get_inputs()
    shape = list(inputs[0].shape[2:]) if inputs and len(inputs[0].shape) == 4 else []
    if len(shape) == 2 and all(isinstance(side, int) for side in shape):
        if size is not None and size != tuple(shape):
            raise ModelError(
                f"{file}: its network needs {tuple(shape)}, not {size}; leave out --size"
            )
        return (shape[0], shape[1])
    if size is None:
        raise ModelError(f"{file}: its network has no fixed size; give it with --size")
    return size


def _reader_input(file: Path, plate_config: Path) -> tuple[int, int]:
    """Check a reader's contract; returns the height and width of its input."""
    return OnnxPlateReader(file, plate_config).input_size
