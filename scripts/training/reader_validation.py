"""Measure the reader on the validation set and calibrate its probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from scripts.training.camera_simulation import photograph
from scripts.training.countries import REGIONS
from scripts.training.plate_crops import RealPlate
from scripts.training.plates import random_plate
from scripts.training.reader_batches import Batch, fitted, region_index, tensors
from scripts.training.reader_net import encoded

Pixels = npt.NDArray[np.uint8]

RENDERED = 1000
"""Number of rendered plates in the validation set."""


class ReaderValidation:
    """Measures a reader on the validation set: sets of real plates, and rendered ones.

    Args:
        sets: name of each set to its plates.
    """

    def __init__(self, sets: Mapping[str, Batch]) -> None:
        self._sets = dict(sets)

    @classmethod
    def of(cls, plates: Mapping[str, Sequence[RealPlate]], seed: int) -> ReaderValidation:
        """The validation set of these sets of real plates, and of new rendered ones."""
        rng = np.random.default_rng((seed, 99))
        photos = [photograph(random_plate(rng), rng) for _ in range(RENDERED)]
        rendered = tensors(
            [fitted(p.pixels) for p in photos],
            [encoded(p.text) for p in photos],
            [REGIONS.index(p.region) for p in photos],
        )
        # Cut as the product cuts them: with a small margin and no other change.
        real = {
            name: tensors(
                [fitted(_plain(plate)) for plate in each],
                [encoded(plate.text) for plate in each],
                [region_index(plate.region) for plate in each],
            )
            for name, each in plates.items()
            if each
        }
        return cls({**real, "rendered": rendered})

    def figures(self, net: torch.nn.Module) -> dict[str, float]:
        """Share of plates read without an error, and of countries named rightly, for each set."""
        result: dict[str, float] = {}
        for name, (_, texts, regions) in self._sets.items():
            plate, region = self._answers(net, name)
            result[f"{name}_exact"] = float((plate.argmax(-1) == texts).all(1).float().mean())
            known = regions >= 0
            if bool(known.any()):
                right = (region.argmax(-1) == regions)[known].float().mean()
                result[f"{name}_region"] = float(right)
        return result

    def calibrated(self, net: torch.nn.Module) -> dict[str, float]:
        """Temperatures of least cross-entropy, and the calibration error with and without them."""
        answers = {name: self._answers(net, name) for name in self._sets}
        logits = torch.cat([plate.log_softmax(-1) for plate, _ in answers.values()])
        texts = torch.cat([self._sets[name][1] for name in answers])
        countries = torch.cat([region.log_softmax(-1) for _, region in answers.values()])
        regions = torch.cat([self._sets[name][2] for name in answers])
        known = regions >= 0
        temperature = _best_temperature(logits.flatten(0, 1), texts.flatten())
        return {
            "temperature": temperature,
            "region_temperature": _best_temperature(countries[known], regions[known]),
            "ece": expected_calibration_error(logits / temperature, texts),
            "ece_uncalibrated": expected_calibration_error(logits, texts),
        }

    def _answers(self, net: torch.nn.Module, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(net.parameters()).device
        net.eval()
        plates, regions = [], []
        with torch.no_grad():
            for part in self._sets[name][0].split(100):
                plate, region = net(part.to(device))
                plates.append(plate.float().cpu())
                regions.append(region.float().cpu())
        return torch.cat(plates), torch.cat(regions)


def _best_temperature(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """The temperature from 0.3 to 3 with the least cross-entropy (Guo et al. 2017)."""
    best = 1.0, math.inf
    for tried in np.exp(np.linspace(math.log(0.3), math.log(3), 93)):
        loss = float(torch.nn.functional.cross_entropy(logits / float(tried), truth))
        if loss < best[1]:
            best = float(tried), loss
    return round(best[0], 3)


def _plain(plate: RealPlate) -> Pixels:
    x1, y1, x2, y2 = plate.inner
    mx, my = 0.08 * (x2 - x1), 0.08 * (y2 - y1)
    rows = slice(max(0, int(y1 - my)), int(y2 + my))
    return np.ascontiguousarray(plate.pixels[rows, max(0, int(x1 - mx)) : int(x2 + mx)])


def expected_calibration_error(logits: torch.Tensor, texts: torch.Tensor, bins: int = 15) -> float:
    """Expected calibration error of whole plates (Guo et al. 2017).

    The confidence of a plate is the product of its slots; it is compared with exact reads.
    """
    probability = logits.log_softmax(-1).amax(-1).sum(1).exp()
    exact = (logits.argmax(-1) == texts).all(1).float()
    place = (probability * bins).long().clamp(max=bins - 1)
    error = 0.0
    for one in range(bins):
        inside = place == one
        if inside.any():
            gap = (probability[inside].mean() - exact[inside].mean()).abs()
            error += float(gap) * float(inside.float().mean())
    return round(error, 4)
