"""Train the scene parser and write its weights, with a threshold from the validation set.

The heads for kind and colour are trained last, on the finished network.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch

from edge.adapters.models.loading import load_plate_models
from edge.adapters.models.weights import Manifest
from scripts.training.arithmetic import Compute, forced
from scripts.training.errors import DataError
from scripts.training.loop import Schedule, load_averaged, train
from scripts.training.parser_attributes import labelled_vehicles, rows_of, train_heads
from scripts.training.parser_batches import Batch, batch_of
from scripts.training.parser_net import SceneParserNet, export_parser, parser_loss
from scripts.training.parser_validation import choose_threshold, figures
from scripts.training.parser_views import View, outlined_views, part_views
from scripts.training.photos import in_validation_set
from scripts.training.view_pasting import Cutout, cutouts

OUTLINES = Path(__file__).with_name("outlines") / "vehicles.json"
APPEARANCES = OUTLINES.with_name("appearances.json")

PARTS_SHARE = 0.3
"""Share of a batch that comes from photographs with polygons of parts: they tell less."""


def train_as_given(given: argparse.Namespace) -> int:
    """Train, export and choose the threshold, as the command line says; 0 when it is done.

    Raises:
        DataError: photographs or labels cannot be used.
        EdgeError: the teacher cannot be loaded.
    """
    outlined = list(outlined_views(OUTLINES, given.photos))
    held_out = [view for view in outlined if in_validation_set(view.name)]
    drawn = [view for view in outlined if not in_validation_set(view.name)]
    parts: list[View] = []
    if given.parts:
        teacher = load_plate_models(Manifest.load(), given.teacher).detector
        parts = [view for folder in given.parts for view in part_views(folder, teacher)]
    if not drawn or not held_out:
        raise DataError(f"{OUTLINES}: no outlines for both training and validation")
    print(
        f"training set: {len(drawn)} outlined vehicles, {len(parts)} with parts; "
        f"validation set: {len(held_out)}"
    )
    views = drawn + parts
    pasted: list[Cutout] = []
    if given.paste:
        pasted = cutouts(OUTLINES, given.photos, lambda name: not in_validation_set(name))
    net = SceneParserNet()
    folder = given.work / "parser"
    if not given.export_only:
        train(
            net,
            folder,
            Schedule(given.steps, given.batch, rate=given.rate, warm_up=200, seed=given.seed),
            partial(batch_of, views, _shares(len(drawn), len(parts)), pasted, given.batch),
            _loss,
            partial(figures, held_out),
            validate_every=500,
            workers=given.workers,
            threads=given.threads,
            arithmetic=forced(given.arithmetic),
        )
    step = load_averaged(net, folder)
    vehicles = list(labelled_vehicles([OUTLINES, APPEARANCES], given.photos, given.boxes))
    rows = rows_of(net, vehicles, np.random.default_rng((given.seed, 7)))
    heads, known = train_heads(rows, [one.name for one in vehicles], given.seed, print)
    export_parser(net, heads, str((given.out or given.work) / "scene_parser.onnx"))
    threshold, at_threshold = choose_threshold(net, held_out)
    note = {"step": step, "threshold": threshold, "validation": at_threshold, "vehicles": known}
    (given.work / "scene_parser.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


def _shares(drawn: int, parts: int) -> list[float]:
    """The probability of each view: each kind has its share, each view of a kind the same."""
    share = PARTS_SHARE if parts else 0.0
    return [(1 - share) / drawn] * drawn + [share / max(1, parts)] * parts


def _loss(
    net: torch.nn.Module, batch: Batch, compute: Compute
) -> tuple[torch.Tensor, dict[str, float]]:
    windows, allowed = (part.to(compute.device, non_blocking=True) for part in batch)
    with compute.autocast():
        logits = net(windows)
    return parser_loss(logits.float(), allowed)
