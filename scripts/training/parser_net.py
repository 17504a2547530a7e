"""The scene parser: network, loss and export to ONNX.

A U-Net (Ronneberger et al. 2015) of residual convolutions. It sees a window around the offender's
plate, in units of the plate, so that every vehicle arrives in the same place and at the same scale.
For each pixel it gives a probability for each of `CLASSES`.

A label allows a set of classes, because many are known in part: a door of a car is bodywork or
glass, but not road. The loss is the negative logarithm of the probability of the set (Cour et al.
2011, learning from partial labels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edge.domain.scene import CELL, COLUMNS, ROWS, SceneClass
from scripts.training.detector_net import Conv, PooledContext, Residual
from scripts.training.float16_weights import export_network

CLASSES = tuple(one.name.lower() for one in SceneClass)
"""What a pixel shows (`SceneClass`)."""

CHANNELS = (16, 40, 80, 128)
"""Channels at strides 2, 4, 8 and 16."""

KIND_FEATURES = 2 * CHANNELS[-1] + 2
"""Features from which the kind is told: the deepest ones twice, and the plate's size."""


class _Up(nn.Module):
    """Twice the resolution, added to the encoder's features of that resolution."""

    def __init__(self, taken: int, given: int, *, deep: bool = True) -> None:
        super().__init__()
        self.narrow = Conv(taken, given, 1)
        self.beside = Conv(given, given, 1)
        mix = [Conv(given, given), *([Residual(given)] if deep else ())]
        self.mix = nn.Sequential(*mix)

    def forward(self, deep: Tensor, beside: Tensor) -> Tensor:
        wide = functional.interpolate(self.narrow(deep), scale_factor=2.0, mode="nearest")
        return self.mix(wide + self.beside(beside))


class SceneParserNet(nn.Module):
    """From windows (n, 192, 208, 4), uint8 BGR and plate, to logits (n, classes, 96, 104)."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.to_2 = Conv(4, a, 3, 2)
        self.to_4 = nn.Sequential(Conv(a, b, 3, 2), Residual(b), Residual(b))
        self.to_8 = nn.Sequential(Conv(b, c, 3, 2), Residual(c), Residual(c), Residual(c))
        self.to_16 = nn.Sequential(
            Conv(c, d, 3, 2), Residual(d), Residual(d), PooledContext(d), Residual(d)
        )
        self.up_8, self.up_4, self.up_2 = _Up(d, c), _Up(c, b), _Up(b, a, deep=False)
        self.answer = nn.Conv2d(a, len(CLASSES), 1)
        # Where the window shows what: fixed, so that the network knows the place of each cell.
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, ROWS // 16), torch.linspace(-1, 1, COLUMNS // 16), indexing="ij"
        )
        self.register_buffer("place", torch.stack((x, y))[None], persistent=False)
        self.placed = nn.Conv2d(2, d, 1)

    def forward(self, windows: Tensor) -> Tensor:
        return self.deep_and_logits(windows)[1]

    def deep_and_logits(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The deepest features (n, 128, 12, 13), and the logits."""
        x = windows.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        at_2 = self.to_2(x.contiguous(memory_format=torch.channels_last) if self.training else x)
        at_4 = self.to_4(at_2)
        at_8 = self.to_8(at_4)
        at_16 = self.to_16[0](at_8) + self.placed(self.place)
        at_16 = self.to_16[1:](at_16)
        answer: Tensor = self.answer(self.up_2(self.up_4(self.up_8(at_16, at_8), at_4), at_2))
        return at_16, answer


def parser_loss(logits: Tensor, allowed: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch.

    Args:
        logits: (n, classes, rows, columns).
        allowed: (n, rows, columns), uint8: bit k is set where class k is allowed; 0: not counted.
    """
    bits = torch.arange(len(CLASSES), device=logits.device).view(1, -1, 1, 1)
    may = (allowed[:, None] >> bits.to(torch.uint8)) & 1
    told = (allowed > 0) & (allowed < (1 << len(CLASSES)) - 1)
    weight = told * _weights(allowed)
    # One exponential serves both sums: of all classes, and of those that are allowed.
    odds = (logits - logits.detach().amax(1, keepdim=True)).exp()
    likely = (odds * may).sum(1) / odds.sum(1)
    loss = -(likely.clamp_min(LEAST_LIKELY).log() * weight).sum() / weight.sum().clamp_min(1)
    with torch.no_grad():
        figures = {"loss": float(loss.detach())}
        some = slice(None, None, 4)  # enough to show
        right = may[some].gather(1, logits[some].argmax(1, keepdim=True))[:, 0].bool()
        figures["right"] = float(right[told[some]].float().mean())
        for name in ("body", "glass"):
            only = allowed[some] == 1 << CLASSES.index(name)
            if bool(only.any()):
                figures[name] = float(right[only].float().mean())
    return loss, figures


LEAST_LIKELY = 6.144e-6
"""A cell whose label is less probable than this has no gradient: it may be wrong."""

NEAR = 6
"""Cells of 5 cm: so far around the offender's vehicle each cell counts in full."""

FAR_WEIGHT = 0.3
"""Weight of a cell that is further away and shows no person. It is masked, whatever it is."""

_VEHICLE = sum(1 << one for one in (SceneClass.BODY, SceneClass.GLASS, SceneClass.HEAD))


def _weights(allowed: Tensor) -> Tensor:
    """How much each cell counts in the loss, shape (n, rows, columns), like `allowed`."""
    own = (allowed > 0) & ((allowed | _VEHICLE) == _VEHICLE)
    near = own.float()[:, None]
    for kernel, margin in (((2 * NEAR + 1, 1), (NEAR, 0)), ((1, 2 * NEAR + 1), (0, NEAR))):
        near = functional.max_pool2d(near, kernel, 1, margin)
    return torch.where((near[:, 0] > 0) | (allowed == 1 << SceneClass.PERSON), 1.0, FAR_WEIGHT)


class _Shipped(nn.Module):
    """The network with probabilities instead of logits, and with heads for kind and colour."""

    def __init__(self, net: SceneParserNet, heads: nn.Module) -> None:
        super().__init__()
        self.net, self.heads = net, heads

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_kind, of_colour, classes = features(self.net, windows)
        kind, colour = self.heads(of_kind, of_colour)
        return classes, kind.softmax(1), colour.softmax(1)


def export_parser(net: SceneParserNet, heads: nn.Module, path: str) -> None:
    """Write the ONNX.

    Input `windows` uint8 (n, 192, 208, 4); outputs `classes` (n, 6, 96, 104), and `kinds`
    (n, 5) and `colours` (n, 8) of the vehicle with the plate. All are probabilities.
    """
    example = torch.zeros(1, ROWS, COLUMNS, 4, dtype=torch.uint8)
    gives = ("classes", "kinds", "colours")
    export_network(_Shipped(net, heads), example, path, takes="windows", gives=gives)


SUREST = 64
"""Cells of 8 x 8 pixels of the window that tell the colour: those that show most bodywork."""


def features(net: SceneParserNet, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the heads for kind and colour see of windows (n, 192, 208, 4), and the classes.

    Returns:
        (n, 258): deepest features, of the vehicle and of all, and the plate's size;
        (n, 7, `SUREST`): colours of the bodywork in its surest cells: against the mean light of the
        window, and against grey; and how much bodywork is in each;
        (n, classes, 96, 104): probabilities.
    """
    deep, logits = net.deep_and_logits(windows)
    classes = logits.softmax(1)
    body = classes[:, CLASSES.index("body")][:, None]
    vehicle = body + classes[:, CLASSES.index("glass")][:, None]
    there = functional.avg_pool2d(vehicle, 16 // CELL)
    inside = (deep * there).sum((2, 3)) / there.sum((2, 3)).clamp_min(1e-3)
    picture = windows.permute(0, 3, 1, 2).float()
    plate = picture[:, 3:] / 255
    size = torch.cat([plate.amax(2).sum(2) / COLUMNS, plate.amax(3).sum(2) / ROWS], 1)
    of_kind = torch.cat([inside, deep.mean((2, 3)), size * 5], 1)
    bgr = functional.avg_pool2d(picture[:, :3], CELL) / 255
    sure = body.square()
    weight = functional.avg_pool2d(sure, 4)
    mean = functional.avg_pool2d(bgr * sure, 4) / weight.clamp_min(1e-3)
    light = bgr.mean((1, 2, 3), keepdim=True)
    tone = mean - mean.mean(1, keepdim=True)
    cells = torch.cat([mean - light, tone * 4, weight], 1).flatten(2)
    surest = weight.flatten(2).topk(SUREST, 2).indices
    return of_kind, cells.gather(2, surest.expand(-1, cells.shape[1], -1)), classes
