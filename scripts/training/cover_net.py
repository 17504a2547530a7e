"""The cover check: network, loss and export to ONNX.

A small convolutional network says for each cell of a plate whether something hides it. A cell also
knows the plate's whole line: a place without a character is suspicious only where the characters
stand closer elsewhere, or where the other end of the plate has less room. The score of a plate is
the mean of its three highest cells, so a cover of a quarter of a character is found, and a single
cell is not enough. Cells at the edge do not count: there the plate's frame and the car's body
begin.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.training.float16_weights import export_network

HEIGHT, WIDTH = 32, 96
"""Size in pixels to which each plate is resized, whatever its shape."""

CELLS = (8, 24)
"""Rows and columns of cells."""

_ROWS, _COLUMNS = slice(2, 6), slice(1, 24)
_HIGHEST = 3
_HIDDEN, _CLEAR = 0.5, 0.1
"""Hidden share from which a cell counts as hidden, and below which it counts as clear."""


class CoverNet(nn.Module):
    """uint8 (n, 32, 96, 3), RGB, to logits (n, 8, 24) of the cells."""

    def __init__(self, channels: tuple[int, int, int, int] = (16, 32, 48, 48)) -> None:
        super().__init__()
        one, two, three, four = channels
        self.body = nn.Sequential(
            _layer(3, one, stride=2),
            _layer(one, two, stride=2),
            _layer(two, three),
            _layer(three, four, dilation=2),
            _layer(four, four),
        )
        self.line = nn.Sequential(
            nn.Conv2d(four, two, (1, 7), padding=(0, 3), bias=False),
            nn.BatchNorm2d(two),
            nn.ReLU(),
            nn.Conv2d(two, four, (1, 7), padding=(0, 9), dilation=(1, 3), bias=False),
            nn.BatchNorm2d(four),
        )
        self.head = nn.Conv2d(four, 1, 1)
        nn.init.zeros_(self.line[-1].weight)  # at first each cell knows its surroundings only

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of the cells; each picture is normalised by its own mean and contrast."""
        x = pictures.permute(0, 3, 1, 2).float()
        centred = x - x.mean((1, 2, 3), keepdim=True)
        deviation = (centred * centred).mean((1, 2, 3), keepdim=True).sqrt()
        cells = self.body(centred / (deviation + 8))
        whole_line = self.line(cells.mean(2, keepdim=True))
        result: Tensor = self.head(functional.relu(cells + whole_line))[:, 0]
        return result


def _layer(taken: int, given: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(taken, given, 3, stride, dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(given),
        nn.ReLU(),
    )


def plate_score(cells: Tensor) -> Tensor:
    """The score (n,) of each plate from the logits of its cells."""
    inner = cells[:, _ROWS, _COLUMNS].flatten(1)
    return inner.topk(_HIGHEST, dim=1).values.mean(1)


def cover_loss(cells: Tensor, hidden: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Binary cross-entropy of cells and of plates. What is neither hidden nor clear is left out."""
    truth = (hidden > _HIDDEN).float()
    told = ((hidden < _CLEAR) | (hidden > _HIDDEN)).float()
    each = functional.binary_cross_entropy_with_logits(cells, truth, reduction="none")
    of_cells = (each * told * (1 + 2 * truth)).mean()
    count = hidden_cells(hidden)
    untouched = hidden.flatten(1).amax(1) < _CLEAR
    plain = (untouched | (count >= _HIGHEST)).float()
    each = functional.binary_cross_entropy_with_logits(
        plate_score(cells), (count >= _HIGHEST).float(), reduction="none"
    )
    of_plates = (each * plain).mean()
    figures = {"cells": float(of_cells.detach()), "plates": float(of_plates.detach())}
    return of_cells + 0.4 * of_plates, figures


def hidden_cells(hidden: Tensor) -> Tensor:
    """Number of inner cells of each plate (n,) that are hidden."""
    return (hidden[:, _ROWS, _COLUMNS].flatten(1) > _HIDDEN).sum(1)


class _Shipped(nn.Module):
    def __init__(self, net: CoverNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.sigmoid(plate_score(self.net(pictures)))


def export_cover_check(net: CoverNet, path: str) -> None:
    """Write the ONNX of the contract `cover-check`.

    Input `input`, uint8 (n, 32, 96, 3), RGB; output `hidden` (n,), 0 to 1.
    """
    example = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    export_network(_Shipped(net), example, path, takes="input", gives=("hidden",))
