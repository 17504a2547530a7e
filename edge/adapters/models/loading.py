"""Loads detector and reader by their names in the manifest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.manifest import Contract
from edge.adapters.models.reader import OnnxPlateReader
from edge.adapters.models.weights import Manifest, Weights
from edge.pipeline.ports import PlateDetector, PlateReader


@dataclass(frozen=True, slots=True)
class PlateModels:
    """A detector and a reader, both calibrated.

    `threshold` is the detector's: a detection with at least this score counts as a plate.
    """

    detector: PlateDetector
    reader: PlateReader
    threshold: float
    detector_weights: Weights
    reader_weights: Weights


def load_plate_models(
    manifest: Manifest,
    detector: str | None = None,
    reader: str | None = None,
    provider: str = "cpu",
    threads: int = 1,
    *,
    pair: str | None = None,
) -> PlateModels:
    """Load both networks by their names, else those of a pair, else of the default pair.

    Raises:
        ModelError: a name is unknown, a file is missing or altered, or the provider is missing.
    """
    halves = manifest.pair(pair or manifest.default_pair)
    seeing = manifest.find(detector or halves.detector, Contract.DETECTOR)
    reading = manifest.find(reader or halves.reader, Contract.READER)
    return PlateModels(
        open_detector(seeing, provider, threads),
        open_reader(reading, provider, threads),
        threshold_of(seeing),
        seeing,
        reading,
    )


def threshold_of(weights: Weights) -> float:
    """The threshold in a detector's calibration."""
    threshold = weights.entry.calibration.threshold
    assert threshold is not None  # noqa: S101 - the manifest requires it for each detector
    return threshold


def open_detector(weights: Weights, provider: str = "cpu", threads: int = 1) -> OnnxPlateDetector:
    """Load a detector with its weights and their calibration.

    Raises:
        ModelError: the weights cannot be loaded or have another contract.
    """
    detector = OnnxPlateDetector(
        weights.path,
        input_size=weights.entry.input,
        provider=provider,
        threads=threads,
        threshold=threshold_of(weights),
        temperature=weights.entry.calibration.temperature,
    )
    if provider != "cpu":
        # An accelerator compiles the network now, not at the first frame of a running box.
        detector.detect(np.zeros((*weights.entry.input, 3), np.uint8))
    return detector


def open_reader(weights: Weights, provider: str = "cpu", threads: int = 1) -> OnnxPlateReader:
    """Load a reader with its weights and their calibration.

    Raises:
        ModelError: the weights cannot be loaded or have another contract.
    """
    assert weights.plate_config is not None  # noqa: S101 - the manifest requires it for a reader
    calibration = weights.entry.calibration
    return OnnxPlateReader(
        weights.path,
        weights.plate_config,
        provider=provider,
        threads=threads,
        temperature=calibration.temperature,
        region_temperature=calibration.region_temperature or 1.0,
        input_size=weights.entry.input,
        batch=1 if provider == "tensorrt" else 0,
    )
