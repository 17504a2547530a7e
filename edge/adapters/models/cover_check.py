"""The cover check: finds plates that something hides in part, such as a tow bar or snow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.halved_characters import halved
from edge.adapters.models.plate_ends import uneven_ends
from edge.adapters.models.plate_ink import plate_ink
from edge.adapters.models.plate_lines import plate_lines
from edge.adapters.models.session import open_session
from edge.domain.imaging import Pixels, PlatePatch
from edge.domain.reading import PlateReading, most_probable_text
from edge.errors import ModelError
from edge.pipeline.ports import PlateReader

LEAST_WEIGHT = 0.1
"""Factor of the quality of a reading of a plate that is surely hidden in part."""


class OnnxCoverCheck:
    """Says how probable it is that something hides a part of a plate.

    The largest of three answers counts: that of a network, that of the room at the plate's ends
    (`plate_ends`), and that of the widths and heights of its characters (`halved_characters`).

    Input: uint8 of shape (n, height, width, 3), RGB. Output: `hidden`, (n,), 0 to 1.

    Args:
        path: the weights; their digest has been checked.
        input_size: height and width that the manifest states.
        threshold: output from which a plate counts as hidden, 0 to 1; it becomes 0.5.
        temperature: calibrates the output, above 0.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads inside an operator, 1 or more.

    Raises:
        ModelError: the file cannot be loaded or has another contract, or the provider is not
            available.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_size: tuple[int, int],
        threshold: float,
        temperature: float = 1.0,
        provider: str = "cpu",
        threads: int = 1,
    ) -> None:
        self.input_size = input_size
        self._shift = _logit(np.array(threshold))
        self._temperature = temperature
        self._session: Any = open_session(path, provider, threads)
        self._check(path)

    def _check(self, path: Path) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = (*self.input_size, 3)
        if (
            len(inputs) != 1
            or inputs[0].type != "tensor(uint8)"
            or tuple(inputs[0].shape[1:]) != expected
            or [one.name for one in outputs] != ["hidden"]
        ):
            raise ModelError(
                f"{path}: not a cover-check: takes {[one.shape for one in inputs]} and gives "
                f"{[one.name for one in outputs]}; use weights that fit the manifest",
                code="E_MODEL_CONTRACT",
            )
        self._input = inputs[0].name

    def hidden(
        self, patches: Sequence[PlatePatch], texts: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """The probability, for each patch, that something hides a part of its plate, (n,).

        Args:
            patches: the plates.
            texts: what the reader reads on each, without separators; "" if nothing.
        """
        if not patches:
            return np.zeros(0)
        batch = np.stack([self._prepared(patch.pixels) for patch in patches])
        (answer,) = self._session.run(["hidden"], {self._input: batch})
        scores = (_logit(answer.astype(np.float64)) - self._shift) / self._temperature
        shapes = [_by_shape(patch.pixels, text) for patch, text in zip(patches, texts, strict=True)]
        return np.maximum(1 / (1 + np.exp(-scores)), shapes)

    def _prepared(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """The patch in the network's size and colours."""
        height, width = self.input_size
        shrinks = pixels.shape[0] > height and pixels.shape[1] > width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(pixels, (width, height), interpolation=how)
        return np.ascontiguousarray(resized[:, :, ::-1], np.uint8)


class CheckedReader:
    """A reader whose readings say whether a part of the plate is hidden, and then weigh less.

    Args:
        reader: reads the plates.
        check: looks for covers.
    """

    def __init__(self, reader: PlateReader, check: OnnxCoverCheck) -> None:
        self._reader = reader
        self._check = check

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        """One reading for each patch, in the same order."""
        readings = self._reader.read(patches)
        return weighed(readings, self._check.hidden(patches, texts_of(readings)))


def texts_of(readings: Sequence[PlateReading]) -> list[str]:
    """The text of each reading in clear, as its most probable characters give it."""
    return [
        "".join(
            one.alphabet[character]
            for character in most_probable_text(one.slots, one.alphabet.index(one.pad))
        )
        for one in readings
    ]


def _by_shape(pixels: Pixels, text: str) -> float:
    """The probability that a part is hidden, from places and sizes of the characters alone."""
    ink = plate_ink(pixels)
    if ink is None:
        return 0.0
    lines = plate_lines(ink)
    return max(uneven_ends(ink), halved(lines, text) if lines is not None else 0.0)


def weighed(
    readings: Sequence[PlateReading], hidden: npt.NDArray[np.float64]
) -> tuple[PlateReading, ...]:
    """The readings with the probability that something hides a part of each plate, (n,)."""
    return tuple(
        replace(
            reading,
            hidden=float(share),
            quality=reading.quality * max(LEAST_WEIGHT, 1 - float(share)),
        )
        for reading, share in zip(readings, hidden, strict=True)
    )


def _logit(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bounded = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(bounded / (1 - bounded)))
