"""The plate detector: end-to-end YOLO weights, non-maximum suppression included."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.session import open_session
from edge.domain.imaging import Box, Detection, Pixels
from edge.errors import ModelError

PADDING = 114
"""Grey of the letterbox, the value such networks are trained with."""

WEAK = 0.375
"""Share of the threshold from which a detection is returned. The tracker uses weak detections to
continue a track, and redaction masks them."""

STEP = 32
"""A network with a free height and width takes multiples of this many pixels."""

FREE = ("height", "width")
"""Names of the input's free dimensions in a file of `scripts/train-detector`. Other networks whose
dimensions are free may still need one size, so they get the largest."""

ROW = 7
"""Length of an output row: batch, x1, y1, x2, y2, class, score."""


class OnnxPlateDetector:
    """A detector whose network follows the end-to-end format of open-image-models.

    Input: float32 of shape (1, 3, height, width), RGB, 0 to 1, the picture scaled to fit and
    centred on grey. If the network's height and width are free, the input is no larger than the
    picture needs: a picture of 16:9 takes 352 x 608 instead of 608 x 608. Output: float32 of shape
    (n, 7), rows of batch, x1, y1, x2, y2, class, score, in pixels of that input.

    Args:
        path: the weights; their digest has been checked.
        input_size: height and width that the manifest states; the largest ones if they are free.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads inside an operator, 1 or more.
        threshold: the score from which a detection counts; those below `WEAK` of it are not
            returned.
        temperature: divides the logit of the network's score, above 0.

    Attributes:
        network_pixels: number of pixels that the network was given so far.

    Raises:
        ModelError: the weights cannot be loaded or have another contract, or the provider is
            not available.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_size: tuple[int, int],
        provider: str = "cpu",
        threads: int = 1,
        threshold: float = 0.4,
        temperature: float = 1.0,
    ) -> None:
        self._height, self._width = input_size
        # Accelerators compile a network for one shape.
        fixed = {} if provider == "cpu" else dict(zip(FREE, input_size, strict=True))
        self._session = open_session(path, provider, threads, fixed)
        self._minimum_score = WEAK * threshold
        self._temperature = temperature
        self._kept = threading.local()
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = [1, 3, self._height, self._width]
        if len(inputs) != 1 or not _fits(inputs[0].shape, expected):
            shape = inputs[0].shape if inputs else "nothing"
            raise _mismatch(path, f"takes {shape}, the manifest says {expected}")
        if inputs[0].type != "tensor(float)":
            raise _mismatch(path, f"takes {inputs[0].type}, not tensor(float)")
        if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].shape[1] != ROW:
            shape = [output.shape for output in outputs]
            raise _mismatch(path, f"gives {shape}, not rows of {ROW} numbers")
        self.network_pixels = 0
        self._free = tuple(inputs[0].shape[2:]) == FREE
        if self._free and any(side % STEP for side in input_size):
            raise _mismatch(path, f"takes multiples of {STEP}, the manifest says {input_size}")
        self._input = inputs[0].name
        self._output = outputs[0].name

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        """Detections in pixels of the given picture, clipped to the region, best first.

        The region is cut out without a copy. See `PlateDetector.detect` for the arguments.
        """
        x0 = y0 = 0
        if region is not None:
            x0, y0, x1, y1 = region.whole_pixels(pixels.shape[1], pixels.shape[0])
            pixels = pixels[y0:y1, x0:x1]
        height, width = pixels.shape[:2]
        if height < 2 or width < 2:
            return ()
        network, scale, left, top = self._letterboxed(pixels)
        self.network_pixels += network.shape[2] * network.shape[3]
        (rows,) = self._session.run([self._output], {self._input: network})
        network.fill(PADDING / 255)  # the next picture may come in hours only
        rows[:, 6] = tempered_score(rows[:, 6], self._temperature)
        found = []
        for _, x1, y1, x2, y2, _, score in rows.tolist():
            box = Box(
                (x1 - left) / scale, (y1 - top) / scale, (x2 - left) / scale, (y2 - top) / scale
            ).clipped(width, height)
            if score >= self._minimum_score and box.width >= 1 and box.height >= 1:
                found.append(Detection(box.shifted(x0, y0), min(float(score), 1.0)))
        return tuple(sorted(found, key=lambda detection: -detection.score))

    def _letterboxed(self, pixels: Pixels) -> tuple[npt.NDArray[np.float32], float, int, int]:
        """The network's input, its scale, and the grey margins on the left and at the top."""
        height, width = pixels.shape[:2]
        scale = min(self._height / height, self._width / width)
        fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
        resized = cv2.resize(pixels, fitted, interpolation=cv2.INTER_LINEAR)
        network = self._canvas(fitted)
        left, top = (network.shape[3] - fitted[0]) // 2, (network.shape[2] - fitted[1]) // 2
        inner = network[0, :, top : top + fitted[1], left : left + fitted[0]]
        for plane, channel in zip(inner, reversed(cv2.split(resized)), strict=True):
            np.multiply(channel, np.float32(1 / 255), out=plane)
        return network, scale, left, top

    def _canvas(self, fitted: tuple[int, int]) -> npt.NDArray[np.float32]:
        """The canvas for a picture of this size; the caller makes it grey again.

        Each thread keeps its own between calls, since allocating it takes longer than filling it.
        """
        kept = self._kept
        if getattr(kept, "fitted", None) != fitted:
            kept.fitted = fitted
            height, width = self._height, self._width
            if self._free:
                height, width = (-(-side // STEP) * STEP for side in reversed(fitted))
            kept.canvas = np.full((1, 3, height, width), PADDING / 255, np.float32)
        canvas: npt.NDArray[np.float32] = kept.canvas
        return canvas


def tempered_score(scores: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """Scores after their logits are divided by the temperature; at 1 they are unchanged.

    Args:
        scores: any shape, 0 to 1.
        temperature: above 0.
    """
    if temperature == 1:
        return scores
    bounded = np.clip(scores.astype(np.float64), 1e-9, 1 - 1e-9)
    logits = np.log(bounded) - np.log1p(-bounded)
    return np.asarray(1 / (1 + np.exp(-logits / temperature)), dtype=np.float32)


def _fits(shape: list[int | str | None], expected: list[int]) -> bool:
    """Whether a model's shape is the expected one; a dynamic dimension fits any number."""
    return len(shape) == len(expected) and all(
        not isinstance(size, int) or size == wanted
        for size, wanted in zip(shape, expected, strict=True)
    )


def _mismatch(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: not an end2end-detector: {what}; use weights with that contract or correct the "
        "manifest",
        code="E_MODEL_CONTRACT",
    )
