"""The plate reader: network, loss and export to ONNX.

Convolutions extract features of the plate. Two transformer layers relate the positions to each
other. Ten learned queries give one character each, left-aligned and then padding; one more query
gives the country. All characters are read in parallel, so the time does not depend on the length,
and plates of two lines need no special treatment.

Sources: Compact Transformers (Hassani et al. 2021) for convolutions before attention; DETR (Carion
et al. 2020) for learned queries answered in parallel; PARSeq (Bautista and Atienza 2022) for
reading with such queries.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.training.detector_net import Conv, Residual
from scripts.training.float16_weights import export_network

HEIGHT, WIDTH = 64, 128
"""Size in pixels to which each plate is resized, whatever its shape."""

SLOTS = 10
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
PAD = len(ALPHABET) - 1
SMOOTHING = 0.02
"""Share of a known character, and of a known country, that is spread evenly over all."""
DIM, HEADS = 128, 4
_PLACES = (4, 16)
_SEEN = _PLACES[0] * _PLACES[1]


class _Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) from plain operators, for a simple ONNX graph.

    The numbers of queries and keys are fixed. When the exported graph computed shapes for each
    plate, that took a quarter of its time.
    """

    def __init__(self, asking: int, shown: int) -> None:
        super().__init__()
        self.asking, self.shown = asking, shown
        self.ask = nn.Linear(DIM, DIM)
        self.show = nn.Linear(DIM, 2 * DIM)
        self.tell = nn.Linear(DIM, DIM)

    def forward(self, asking: Tensor, shown: Tensor) -> Tensor:
        size = DIM // HEADS
        q = self.ask(asking).reshape(-1, self.asking, HEADS, size).transpose(1, 2)
        k, v = self.show(shown).split(DIM, -1)
        k = k.reshape(-1, self.shown, HEADS, size).permute(0, 2, 3, 1)
        v = v.reshape(-1, self.shown, HEADS, size).transpose(1, 2)
        weights = (q @ k * size**-0.5).softmax(-1)
        return self.tell((weights @ v).transpose(1, 2).reshape(-1, self.asking, DIM))


class _Layer(nn.Module):
    """Attention and a small perceptron, each added to its normalised input.

    `across` is the number of positions for cross-attention, if there is any.
    """

    def __init__(self, count: int, across: int = 0) -> None:
        super().__init__()
        self.norm_self, self.attend = nn.LayerNorm(DIM), _Attention(count, count)
        if across:
            self.norm_cross, self.look = nn.LayerNorm(DIM), _Attention(count, across)
        self.norm_mlp = nn.LayerNorm(DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.ReLU(), nn.Linear(2 * DIM, DIM))

    def forward(self, x: Tensor, places: Tensor | None = None) -> Tensor:
        normed = self.norm_self(x)
        x = x + self.attend(normed, normed)
        if places is not None:
            x = x + self.look(self.norm_cross(x), places)
        return x + self.mlp(self.norm_mlp(x))


class PlateReaderNet(nn.Module):
    """From pictures (n, 64, 128, 3), uint8 RGB, to logits of characters and of the country.

    Gives `plate` (n, 10, 37) and `region` (n, regions), both before the softmax.
    """

    def __init__(self, regions: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            Conv(3, 32, 3, 2),
            Conv(32, 64, 3, 2),
            Residual(64),
            Residual(64),
            Conv(64, 96, 3, (2, 1)),
            Residual(96),
            Residual(96),
            Conv(96, DIM, 3, 2),
            Residual(DIM),
        )
        self.places = nn.Parameter(position_embedding())
        self.questions = nn.Parameter(torch.randn(1, SLOTS + 1, DIM) * 0.5)
        self.think = nn.ModuleList(_Layer(_SEEN) for _ in range(2))
        self.seen = nn.LayerNorm(DIM)
        self.answer = nn.ModuleList(_Layer(SLOTS + 1, across=_SEEN) for _ in range(2))
        self.said = nn.LayerNorm(DIM)
        self.character = nn.Linear(DIM, len(ALPHABET))
        self.region = nn.Linear(DIM, regions)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        x = self.look(x.contiguous(memory_format=torch.channels_last) if self.training else x)
        places = x.reshape(-1, DIM, _SEEN).transpose(1, 2) + self.places
        for layer in self.think:
            places = layer(places)
        places = self.seen(places)
        answers = self.questions  # the same for every plate until cross-attention
        for layer in self.answer:
            answers = layer(answers, places)
        answers = self.said(answers)
        return self.character(answers[:, :SLOTS]), self.region(answers[:, SLOTS])


def position_embedding() -> Tensor:
    """(1, places, DIM): sines and cosines of row and column, as in Vaswani et al. 2017, in 2-D.

    A strong position signal is needed, or the queries need long to find their characters. So the
    position embedding starts with these values and not with small noise.
    """
    rows, columns = _PLACES
    quarter = DIM // 4
    speed = torch.exp(torch.arange(quarter) * (-math.log(64.0) / quarter))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [axis.reshape(-1, 1) * speed for axis in (y, x)]
    return torch.cat([part for a in angles for part in (a.sin(), a.cos())], -1)[None]


def reader_loss(
    plate: Tensor, region: Tensor, targets: Tensor, regions: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch: the cross-entropy of characters, and of countries where one is known.

    Args:
        plate: (n, slots, alphabet) logits.
        region: (n, regions) logits.
        targets: (n, slots, alphabet) probabilities.
        regions: (n,) indices, -1 where the country is not known.
    """
    characters = -(targets * plate.log_softmax(-1)).sum(-1).mean()
    known = regions >= 0
    country = region.sum() * 0
    if bool(known.any()):
        country = functional.cross_entropy(region[known], regions[known], label_smoothing=SMOOTHING)
    with torch.no_grad():
        likeliest, right = targets.max(-1)
        doubtful = likeliest < 0.5
        exact = float(((plate.argmax(-1) == right) | doubtful).all(1).float().mean())
        named = float((region.argmax(-1) == regions)[known].float().mean()) if known.any() else 1.0
    figures = {"characters": float(characters.detach()), "exact": exact, "region": named}
    return characters + 0.1 * country, figures


def encoded(text: str) -> list[int]:
    """The text of a plate as indices into the alphabet, padded.

    Raises:
        ValueError: it is longer than the slots, or has a character outside the alphabet.
    """
    if len(text) > SLOTS:
        raise ValueError(f"a plate of {len(text)} characters does not fit into {SLOTS} slots")
    return [ALPHABET.index(c) for c in text] + [PAD] * (SLOTS - len(text))


class _Shipped(nn.Module):
    """The network with probabilities instead of logits, as fast-plate-ocr needs them."""

    def __init__(self, net: PlateReaderNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        plate, region = self.net(pictures)
        return plate.softmax(-1), region.softmax(-1)


def export_reader(net: PlateReaderNet, path: str) -> None:
    """Write the ONNX of fast-plate-ocr's contract.

    Input `input`, uint8 (n, 64, 128, 3), RGB; outputs `plate` (n, 10, 37), `region` (n, regions).
    """
    example = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    export_network(_Shipped(net), example, path, takes="input", gives=("plate", "region"))


def plate_config(regions: tuple[str, ...]) -> dict[str, Any]:
    """The plate configuration of this network for fast-plate-ocr."""
    return {
        "max_plate_slots": SLOTS,
        "alphabet": ALPHABET,
        "pad_char": ALPHABET[PAD],
        "img_height": HEIGHT,
        "img_width": WIDTH,
        "keep_aspect_ratio": False,
        "interpolation": "linear",
        "image_color_mode": "rgb",
        "plate_regions": list(regions),
    }
