"""The fastest variant of a network on this CPU.

8-bit weights are fast only on CPUs with instructions for them; elsewhere the same network with
floating-point weights may be faster. So the variants are timed once on each machine. The result is
kept under the CPU's name and instructions, the version of ONNX Runtime and the digests of the
weights. On another machine and for other weights the variants are timed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from pydantic import Field, ValidationError

from edge.adapters.models.manifest import Contract, WeightsEntry
from edge.adapters.models.weights import Manifest
from edge.errors import ModelError
from edge.formats.atomic_files import write_file
from edge.formats.strict import Strict
from edge.pipeline.ports import PlateDetector

RECORD = "variants.json"
"""The file in the state folder that keeps the result. Without it the variants are timed again."""

CLEARLY = 0.9
"""A variant replaces the default weights only if it takes at most this share of their time."""

TRIES = 5
"""How often each variant is timed, in turn; the shortest time counts."""


@dataclass(frozen=True, slots=True)
class FastestVariant:
    """The weights to use, and the time of each variant in milliseconds for one picture."""

    name: str
    ms: Mapping[str, float]


class _Result(Strict):
    name: str
    ms: dict[str, float]


class _Record(Strict):
    schema_: str = Field(alias="schema", pattern="^edge-anpr/variants/1$")
    results: dict[str, _Result]


def fastest_detector(
    manifest: Manifest,
    name: str,
    folder: Path,
    open_detector: Callable[[str], PlateDetector],
    *,
    cpu: str,
    threads: int = 1,
    now: Callable[[], float] = time.perf_counter,
) -> FastestVariant:
    """The fastest of a detector and its variants, on the CPU.

    Args:
        manifest: knows the variants: weights with `variant_of`.
        name: the default weights, which stay unless a variant is clearly faster.
        folder: where the result is kept; created for this user only if it is missing.
        open_detector: loads a detector by its name; raises `ModelError`.
        cpu: the CPU's name and instruction sets.
        threads: with which the detector runs.
        now: the time in seconds.

    Returns:
        The default weights alone, without times, if there is no variant that can be loaded.

    Raises:
        ModelError: the default weights cannot be loaded.
    """
    entries = [manifest.pinned(name, Contract.DETECTOR), *manifest.variants(name)]
    if len(entries) == 1:
        return FastestVariant(name, {})
    key = _key(entries, cpu, threads)
    record = _read(folder / RECORD)
    known = record.results.get(key)
    if known is not None and known.name in {entry.name for entry in entries}:
        return FastestVariant(known.name, known.ms)
    ms = _times(entries, open_detector, now)
    fastest = min(ms, key=lambda one: ms[one])
    chosen = fastest if ms[fastest] <= CLEARLY * ms[name] else name
    results = {key: _Result(name=chosen, ms=ms)}  # what was measured for others is out of date
    content = _Record(schema="edge-anpr/variants/1", results=results)
    with contextlib.suppress(OSError):  # a full disk: it is timed again at the next start
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps(content.model_dump(by_alias=True), indent=2)
        write_file(folder / RECORD, f"{text}\n".encode(), mode=0o644)
    return FastestVariant(chosen, ms)


def _key(entries: list[WeightsEntry], cpu: str, threads: int) -> str:
    facts = (cpu, onnxruntime.__version__, threads, *(entry.sha256 for entry in entries))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _read(file: Path) -> _Record:
    """The kept results; none if there is no file, or none that can be read."""
    with contextlib.suppress(OSError, ValidationError, ValueError):
        return _Record.model_validate_json(file.read_bytes())
    return _Record(schema="edge-anpr/variants/1", results={})


def _times(
    entries: list[WeightsEntry],
    open_detector: Callable[[str], PlateDetector],
    now: Callable[[], float],
) -> dict[str, float]:
    """The shortest time of each variant for a picture of noise in 16:9, in milliseconds."""
    detectors = {entries[0].name: open_detector(entries[0].name)}
    for entry in entries[1:]:
        with contextlib.suppress(ModelError):  # a variant that is missing is not used
            detectors[entry.name] = open_detector(entry.name)
    width = entries[0].input[1]
    shape = (width * 9 // 16, width, 3)
    noise = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    for detector in detectors.values():
        detector.detect(noise)  # the first call allocates
    best = dict.fromkeys(detectors, float("inf"))
    for _ in range(TRIES):
        for one, detector in detectors.items():
            started = now()
            detector.detect(noise)
            best[one] = min(best[one], now() - started)
    return {one: round(seconds * 1000, 3) for one, seconds in best.items()}
