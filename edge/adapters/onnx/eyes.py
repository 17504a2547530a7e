"""Detector and reader by their names in the manifest."""

from __future__ import annotations

from dataclasses import dataclass

from edge.adapters.onnx.detector import OnnxPlateDetector
from edge.adapters.onnx.reader import OnnxPlateReader
from edge.adapters.weights import Contract, Manifest
from edge.pipeline.ports import PlateDetector, PlateReader


@dataclass(frozen=True, slots=True)
class Eyes:
    """What sees and what reads."""

    detector: PlateDetector
    reader: PlateReader


def load_eyes(
    manifest: Manifest,
    detector: str | None = None,
    reader: str | None = None,
    provider: str = "cpu",
    threads: int = 1,
) -> Eyes:
    """Open both networks; the manifest's defaults where no name is given.

    Raises:
        ModelError: a name is unknown, a file missing or altered, or the provider not there.
    """
    seeing = manifest.find(detector or manifest.default_detector, Contract.DETECTOR)
    reading = manifest.find(reader or manifest.default_reader, Contract.READER)
    assert reading.plate_config is not None  # noqa: S101 - find() gives one for each reader
    return Eyes(
        OnnxPlateDetector(
            seeing.path, input_size=seeing.entry.input, provider=provider, threads=threads
        ),
        OnnxPlateReader(reading.path, reading.plate_config, provider=provider, threads=threads),
    )
