"""Loads networks by their names in the manifest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.adapters.models.cover_check import CheckedReader, OnnxCoverCheck
from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.manifest import Contract
from edge.adapters.models.reader import OnnxPlateReader
from edge.adapters.models.scene_parser import OnnxSceneParser
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

    The reader also looks for covers, if the manifest names a cover check. That network is small and
    runs on the CPU with every provider.

    Raises:
        ModelError: a name is unknown, a file is missing or altered, or the provider is missing.
    """
    halves = manifest.pair(pair or manifest.default_pair)
    seeing = manifest.find(detector or halves.detector, Contract.DETECTOR)
    reading = manifest.find(reader or halves.reader, Contract.READER)
    plate_reader: PlateReader = open_reader(reading, provider, threads)
    if manifest.cover_check is not None:
        covers = manifest.find(manifest.cover_check, Contract.COVER_CHECK)
        plate_reader = CheckedReader(plate_reader, open_cover_check(covers, threads=threads))
    return PlateModels(
        open_detector(seeing, provider, threads),
        plate_reader,
        threshold_of(seeing),
        seeing,
        reading,
    )


def load_scene_parser(manifest: Manifest, threads: int = 1) -> OnnxSceneParser | None:
    """Load the manifest's scene parser; None if it names none.

    It runs on the CPU with every provider: it sees few pictures, and they are small.

    Raises:
        ModelError: its file is missing or altered, or cannot be loaded.
    """
    if manifest.scene_parser is None:
        return None
    weights = manifest.find(manifest.scene_parser, Contract.SCENE_PARSER)
    return open_scene_parser(weights, threads=threads)


def threshold_of(weights: Weights) -> float:
    """The threshold in the calibration of a detector, a cover check or a scene parser."""
    threshold = weights.entry.calibration.threshold
    assert threshold is not None  # noqa: S101 - the manifest requires it for each of these
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


def open_cover_check(weights: Weights, provider: str = "cpu", threads: int = 1) -> OnnxCoverCheck:
    """Load a cover check with its weights and their calibration.

    Raises:
        ModelError: the weights cannot be loaded or have another contract.
    """
    return OnnxCoverCheck(
        weights.path,
        input_size=weights.entry.input,
        threshold=threshold_of(weights),
        temperature=weights.entry.calibration.temperature,
        provider=provider,
        threads=threads,
    )


def open_scene_parser(weights: Weights, provider: str = "cpu", threads: int = 1) -> OnnxSceneParser:
    """Load a scene parser with its weights and their calibration.

    Raises:
        ModelError: the weights cannot be loaded or have another contract.
    """
    calibration = weights.entry.calibration
    assert calibration.suspected is not None  # noqa: S101 - the manifest requires it
    return OnnxSceneParser(
        weights.path,
        input_size=weights.entry.input,
        sure=threshold_of(weights),
        suspected=calibration.suspected,
        temperature=calibration.temperature,
        provider=provider,
        threads=threads,
    )
