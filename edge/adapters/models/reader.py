"""The plate reader: fast-plate-ocr with local weights and full slot posteriors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.models.session import (
    check_provider,
    providers_for,
    runtime,
    runtime_errors,
    session_options,
    unloadable,
)
from edge.domain.imaging import Pixels, PlatePatch
from edge.domain.plates import ALPHABET
from edge.domain.reading import PlateReading
from edge.errors import ModelError

_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos4": cv2.INTER_LANCZOS4,
}


class OnnxPlateReader:
    """A reader whose network follows the format of fast-plate-ocr.

    Input: uint8 of shape (n, height, width, 1 or 3), RGB. Outputs: `plate`, (n, slots,
    alphabet), each slot softmaxed, left-aligned and padded; `region`, (n, regions), if the
    plate config lists regions. `LicensePlateRecognizer.run` returns only one character for each
    slot, so its ONNX session is called directly.

    Args:
        path: the weights; their digest has been checked.
        plate_config: fast-plate-ocr's YAML for them, checked likewise.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads inside an operator, 1 or more.
        temperature: calibrates the slots' posteriors, above 0 (`tempered`).
        region_temperature: calibrates the countries' posteriors, above 0.
        input_size: height and width that the manifest states; None: not checked.
        batch: patches that the network gets at once; 0: all. TensorRT builds an engine for each
            number, which takes minutes.

    Raises:
        ModelError: the files cannot be loaded or do not belong together, or the provider is not
            available.
    """

    def __init__(
        self,
        path: Path,
        plate_config: Path,
        *,
        provider: str = "cpu",
        threads: int = 1,
        temperature: float = 1.0,
        region_temperature: float = 1.0,
        input_size: tuple[int, int] | None = None,
        batch: int = 0,
    ) -> None:
        self._batch = batch
        self._temperature = temperature
        self._region_temperature = region_temperature
        runtime()  # raises an error with a cure if ONNX Runtime is missing
        providers = providers_for(path, provider)
        from fast_plate_ocr.inference.plate_recognizer import (  # noqa: PLC0415 - see above
            LicensePlateRecognizer,
        )

        logging.getLogger("fast_plate_ocr").setLevel(logging.WARNING)
        try:
            recognizer = LicensePlateRecognizer(
                providers=providers,
                sess_options=session_options(threads),
                onnx_model_path=path,
                plate_config_path=plate_config,
            )
        except runtime_errors() as error:
            raise unloadable(path, error) from None
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{plate_config}: not a plate config of fast-plate-ocr ({error}); download it "
                "again",
                code="E_MODEL_CONTRACT",
            ) from None
        check_provider(recognizer.model, provider)
        self._config = recognizer.config
        self._session: Any = recognizer.model
        self._outputs = [recognizer.plate_output_name]
        if recognizer.has_region_head:
            self._outputs.append(str(recognizer.region_output_name))
        self._check(path)
        self.input_size = (self._config.img_height, self._config.img_width)
        if input_size is not None and input_size != self.input_size:
            raise _mismatch(path, f"its config says {self.input_size}, the manifest {input_size}")

    def _check(self, path: Path) -> None:
        config = self._config
        characters = config.alphabet.replace(config.pad_char, "")
        if len(config.pad_char) != 1 or config.pad_char not in config.alphabet:
            raise _mismatch(path, "its config's pad_char is not one character of its alphabet")
        if sorted(characters) != sorted(ALPHABET):
            raise _mismatch(path, "its config's alphabet is not A-Z, 0-9 and the padding")
        (taken,) = self._session.get_inputs()
        expected = (config.img_height, config.img_width, config.num_channels)
        if tuple(taken.shape[1:]) != expected or taken.type != "tensor(uint8)":
            raise _mismatch(path, f"takes {taken.type} {taken.shape}, its config says {expected}")
        self._input = taken.name
        blank = np.zeros((1, *expected), np.uint8)
        answer = self._session.run(self._outputs, {self._input: blank})
        slots = (config.max_plate_slots, len(config.alphabet))
        if answer[0].size != slots[0] * slots[1]:
            raise _mismatch(path, f"gives {answer[0].shape}, its config says {slots}")
        sums = answer[0].reshape(slots).sum(axis=1)
        if not np.allclose(sums, 1, atol=1e-2):
            raise _mismatch(path, "its slots are not probabilities")
        if len(self._outputs) > 1 and answer[1].shape[-1] != len(config.plate_regions or ()):
            raise _mismatch(path, f"gives {answer[1].shape[-1]} regions, its config lists others")

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        """Return one reading per patch, in the same order; an empty input gives an empty output."""
        if not patches:
            return ()
        if 0 < self._batch < len(patches):
            starts = range(0, len(patches), self._batch)
            return tuple(
                one for start in starts for one in self.read(patches[start : start + self._batch])
            )
        batch = np.stack([self._prepared(patch.pixels) for patch in patches])
        answer = self._session.run(self._outputs, {self._input: batch})
        shape = (len(patches), self._config.max_plate_slots, len(self._config.alphabet))
        plates = tempered(answer[0].reshape(shape).astype(np.float32), self._temperature)
        regions = None
        if len(self._outputs) > 1:
            regions = tempered(answer[1].astype(np.float32), self._region_temperature)
        readings = []
        for index, patch in enumerate(patches):
            region, probability = None, 0.0
            if regions is not None:
                best = int(regions[index].argmax())
                region = (self._config.plate_regions or [])[best]
                probability = float(regions[index][best])
            readings.append(
                PlateReading(
                    slots=plates[index],
                    alphabet=self._config.alphabet,
                    pad=self._config.pad_char,
                    quality=patch.quality,
                    region=region,
                    region_probability=probability,
                )
            )
        return tuple(readings)

    def _prepared(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """The patch in the network's size and colours, (height, width, channels)."""
        config = self._config
        height, width = config.img_height, config.img_width
        fitted = (width, height)
        if config.keep_aspect_ratio:
            scale = min(height / pixels.shape[0], width / pixels.shape[1])
            fitted = (
                max(1, round(pixels.shape[1] * scale)),
                max(1, round(pixels.shape[0] * scale)),
            )
        resized = cv2.resize(pixels, fitted, interpolation=_INTERPOLATION[config.interpolation])
        canvas: npt.NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        colour = config.padding_color
        canvas[:] = colour if isinstance(colour, int) else tuple(colour)[::-1]
        left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
        canvas[top : top + fitted[1], left : left + fitted[0]] = resized
        if config.image_color_mode == "rgb":
            return canvas[:, :, ::-1]
        return np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY)[:, :, None], dtype=np.uint8)


def tempered(probabilities: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """Probabilities p as p^(1/temperature), renormalised along the last axis.

    This equals dividing the logits before the softmax (temperature scaling, Guo et al. 2017). The
    order of the probabilities is kept. At 1 they are returned unchanged.

    Args:
        probabilities: any shape, the last axis sums to 1.
        temperature: above 0; above 1 makes the distribution flatter.
    """
    if temperature == 1:
        return probabilities
    # Divide by the largest, so that a low temperature does not round a whole row to zero.
    largest = probabilities.max(axis=-1, keepdims=True)
    powers = (probabilities.astype(np.float64) / largest) ** (1 / temperature)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def _mismatch(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: not a plate-reader: {what}; use weights and config that belong together",
        code="E_MODEL_CONTRACT",
    )
