"""The plate detector: network, loss and export to ONNX.

A small anchor-free network. Residual convolutions at four scales are merged into one feature map of
stride 8. For each cell it gives the score of a plate and the distances to its four sides. One scale
is enough: plates differ little in size between the frames of a camera, and stride 8 resolves the
smallest plate that a reader can use.

Sources: FCOS (Tian et al. 2019) for distances to the sides; task-aligned assignment (Feng et al.
2021, TOOD) for the choice of cells; quality focal loss (Li et al. 2020) for the score; complete IoU
(Zheng et al. 2020) for the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.training.float16_weights import store_as_float16

STRIDE = 8
"""Pixels of the input for each cell of the output."""

WIDTHS = (16, 32, 64, 96, 128)
"""Channels at strides 2, 4, 8, 16 and 32; multiples of 16 suit the CPU's vector units."""

MERGED = 48
_PRIOR = 0.01
_LONGEST = 4.8
"""Natural log of the longest distance in cells: e^4.8 = 121 cells, more than any input."""


class Conv(nn.Sequential):
    """Convolution, batch normalisation and ReLU; a runtime folds them into one operator."""

    def __init__(
        self, taken: int, given: int, size: int = 3, stride: int | tuple[int, int] = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(taken, given, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(given),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions through half the channels, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(channels, channels // 2), Conv(channels // 2, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class PooledContext(nn.Module):
    """Three consecutive 5 x 5 poolings (SPPF): each cell gets context of the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before = Conv(channels, channels // 2, 1)
        self.after = Conv(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        views = [self.before(x)]
        for _ in range(3):
            views.append(functional.max_pool2d(views[-1], 5, 1, 2))
        return self.after(torch.cat(views, 1))


class PlateDetectorNet(nn.Module):
    """From (n, 3, height, width), RGB from 0 to 1, to logits and distances for each cell.

    Height and width are multiples of 32. Gives `logits` (n, cells) and `boxes` (n, cells, 4) as
    x1, y1, x2, y2 in pixels of the input; cells row by row.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.to_8 = nn.Sequential(
            Conv(3, a, 3, 2), Conv(a, b, 3, 2), Conv(b, c, 3, 2), Residual(c), Residual(c)
        )
        self.to_16 = nn.Sequential(Conv(c, d, 3, 2), Residual(d), Residual(d))
        self.to_32 = nn.Sequential(Conv(d, e, 3, 2), Residual(e), Residual(e), PooledContext(e))
        self.from_32 = Conv(e, d, 1)
        self.merge_16 = Residual(d)
        self.from_16 = Conv(d, MERGED, 1)
        self.from_8 = Conv(c, MERGED, 1)
        self.head = nn.Sequential(Conv(MERGED, MERGED), Conv(MERGED, MERGED))
        self.score = nn.Conv2d(MERGED, 1, 1)
        self.sides = nn.Conv2d(MERGED, 4, 1)
        nn.init.constant_(self.score.bias, -math.log((1 - _PRIOR) / _PRIOR))
        nn.init.constant_(self.sides.bias, math.log(3.0))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        at_8 = self.to_8(pictures)
        at_16 = self.to_16(at_8)
        at_32 = self.to_32(at_16)
        at_16 = self.merge_16(at_16 + _doubled(self.from_32(at_32)))
        merged = self.head(self.from_8(at_8) + _doubled(self.from_16(at_16)))
        logits = self.score(merged).float().flatten(1)
        sides = self.sides(merged).float().clamp(max=_LONGEST).exp() * STRIDE
        sides = sides.flatten(2).transpose(1, 2)
        centres = cell_centres(pictures.shape[2], pictures.shape[3], pictures.device)
        boxes = torch.cat((centres - sides[..., :2], centres + sides[..., 2:]), -1)
        return logits, boxes


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def cell_centres(height: int, width: int, device: Any = None) -> Tensor:  # noqa: ANN401
    """(cells, 2): x and y of each cell's centre in pixels, row by row."""
    ys, xs = torch.meshgrid(
        torch.arange(height // STRIDE, device=device),
        torch.arange(width // STRIDE, device=device),
        indexing="ij",
    )
    return (torch.stack((xs, ys), -1).reshape(-1, 2) + 0.5) * STRIDE


# --- training ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of a batch; the training minimises `total`."""

    total: Tensor
    score: Tensor
    box: Tensor
    positives: int


TOP = 10
"""Number of cells that are assigned to a plate."""

BOX_WEIGHT = 2.0


def padded(truths: Sequence[Tensor]) -> Tensor:
    """Rows of all pictures as one tensor (n, most, 5); missing rows have -1 in the last column."""
    rows = torch.full((len(truths), max(1, *(len(t) for t in truths)), 5), -1.0)
    for index, truth in enumerate(truths):
        rows[index, : len(truth)] = truth
    return rows


def detector_loss(logits: Tensor, boxes: Tensor, truths: Tensor, size: tuple[int, int]) -> Losses:
    """The loss of a batch.

    Args:
        logits: (n, cells).
        boxes: (n, cells, 4) in pixels.
        truths: (n, rows, 5), rows at least 1: x1, y1, x2, y2, then 1 for a plate, 0 for a
            region that does not count, -1 for no row.
        size: height and width of the pictures.
    """
    centres = cell_centres(*size, logits.device)
    ignored = _inside(centres, truths[..., :4], 0.0) & (truths[:, None, :, 4] == 0)
    positive, plate, quality = _assigned(logits, boxes, truths, centres)
    wanted = torch.where(positive, quality, torch.zeros_like(quality))
    counted = (positive | ~ignored.any(2)).float()
    probability = logits.sigmoid()
    focal = (wanted - probability).abs().pow(2)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    normaliser = wanted.sum().clamp(min=1)
    score = (entropy * focal * counted).sum() / normaliser
    box = logits.sum() * 0
    picture, cell = positive.nonzero(as_tuple=True)
    if len(cell):
        own = truths[picture, plate[picture, cell], :4]
        miss = 1 - complete_iou(boxes[picture, cell], own)
        box = (miss * wanted[picture, cell]).sum() / normaliser
    return Losses(score + BOX_WEIGHT * box, score.detach(), box.detach(), len(cell))


@torch.no_grad()
def _assigned(
    logits: Tensor, boxes: Tensor, truths: Tensor, centres: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """For each cell (n, cells): whether a plate is assigned to it, its row, its target score."""
    plates, real = truths[..., :4], truths[..., 4] == 1
    inside = _inside(centres, plates, STRIDE) & real[:, None]  # n, cells, plates
    overlap = iou(boxes[:, :, None], plates[:, None])
    alignment = logits.sigmoid()[..., None].pow(0.5) * overlap.clamp(min=1e-4).pow(4.0) * inside
    top, cells = alignment.topk(min(TOP, alignment.shape[1]), dim=1)
    chosen = torch.zeros_like(alignment).scatter_(1, cells, (top > 0).float())
    # The cell at the centre is always assigned, or an untrained network would not learn.
    middle = (plates[..., :2] + plates[..., 2:]) / 2
    nearest = (centres[:, None] - middle[:, None]).pow(2).sum(-1).argmin(1)
    chosen.scatter_(1, nearest[:, None], real[:, None].float())
    contest = torch.where(chosen > 0, overlap + 1e-6, torch.zeros_like(overlap))
    best, plate = contest.max(2)
    aligned = torch.where(chosen > 0, alignment, torch.zeros_like(alignment))
    scale = overlap.mul(chosen).amax(1) / aligned.amax(1).clamp(min=1e-9)
    quality = aligned.gather(2, plate[..., None])[..., 0] * scale.gather(1, plate)
    return best > 0, plate, quality.clamp(0.05, 1)


def _inside(centres: Tensor, boxes: Tensor, slack: float) -> Tensor:
    """(n, cells, boxes): whether a cell's centre lies in a box enlarged by `slack` pixels."""
    low = centres[:, None] - boxes[:, None, :, :2] + slack / 2
    high = boxes[:, None, :, 2:] - centres[:, None] + slack / 2
    return torch.cat((low, high), -1).amin(-1) > 0


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4), broadcast."""
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    return shared / (area_a + area_b - shared + 1e-7)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (Zheng et al. 2020) of paired boxes (k, 4); 1 for equal boxes."""
    overlap = iou(a, b)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    diagonal = around.pow(2).sum(-1) + 1e-7
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).pow(2).sum(-1)
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    turn = torch.atan(size_b[:, 0] / (size_b[:, 1] + 1e-7)) - torch.atan(
        size_a[:, 0] / (size_a[:, 1] + 1e-7)
    )
    shape = 4 / math.pi**2 * turn.pow(2)
    with torch.no_grad():
        weight = shape / (1 - overlap + shape + 1e-7)
    return overlap - apart / diagonal - weight * shape


# --- the ONNX graph --------------------------------------------------------------------------

DETECTOR_ANSWERS = ("/score/", "/sides/")
"""Parts of the names of the output layers in the exported graph."""

MOST = 100
OVERLAP = 0.5
LEAST_SCORE = 0.05


class _EndToEnd(nn.Module):
    """The network with scores as probabilities, as non-maximum suppression needs them."""

    def __init__(self, net: PlateDetectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes = self.net(pictures)
        return boxes, logits.sigmoid()[:, None]


def export_detector(
    net: PlateDetectorNet, size: int, path: str, *, any_shape: bool = False
) -> None:
    """Write the end-to-end ONNX of open-image-models: rows of batch, box, class, score.

    Input `images`, float32 (1, 3, size, size); output `output`, float32 (n, 7).

    Args:
        net: the trained network.
        size: height and width of the input, a multiple of 32.
        path: the file to write.
        any_shape: the input may have any height and width that are multiples of 32. Programs that
            read the size from the file, such as fast-alpr, cannot use such a file.
    """
    import onnx  # noqa: PLC0415 - needed for this step only
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    torch.onnx.export(
        _EndToEnd(net).eval(),
        (torch.zeros(1, 3, size, size),),
        path,
        input_names=["images"],
        output_names=["boxes", "scores"],
        dynamic_axes={"images": {2: "height", 3: "width"}} if any_shape else None,
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    graph = model.graph

    def constant(name: str, value: Any, dtype: Any) -> str:  # noqa: ANN401
        import numpy as np  # noqa: PLC0415

        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    rows = "int64"
    nodes = [
        helper.make_node(
            "NonMaxSuppression",
            [
                "boxes",
                "scores",
                constant("nms_most", [MOST], rows),
                constant("nms_overlap", [OVERLAP], "float32"),
                constant("nms_least", [LEAST_SCORE], "float32"),
            ],
            ["kept"],
        ),
        helper.make_node("Gather", ["kept", constant("at_cell", 2, rows)], ["cell"], axis=1),
        helper.make_node("Gather", ["kept", constant("at_class", [1], rows)], ["which"], axis=1),
        helper.make_node("Gather", ["kept", constant("at_batch", [0], rows)], ["batch"], axis=1),
        helper.make_node("Cast", ["batch"], ["batch_f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["which"], ["class_f"], to=TensorProto.FLOAT),
        helper.make_node("Squeeze", ["boxes", constant("axis_0", [0], rows)], ["flat_boxes"]),
        helper.make_node("Squeeze", ["scores", constant("axis_01", [0, 1], rows)], ["flat"]),
        helper.make_node("Gather", ["flat_boxes", "cell"], ["kept_boxes"], axis=0),
        helper.make_node("Gather", ["flat", "cell"], ["kept_scores"], axis=0),
        helper.make_node(
            "Unsqueeze", ["kept_scores", constant("axis_1", [1], rows)], ["score_column"]
        ),
        helper.make_node(
            "Concat", ["batch_f", "kept_boxes", "class_f", "score_column"], ["output"], axis=1
        ),
    ]
    graph.node.extend(nodes)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 7]))
    store_as_float16(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
