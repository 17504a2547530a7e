"""Train the scene parser and write its weights, with a threshold from the validation set.

The heads for kind and colour are trained last, on the finished network.
"""

from __future__ import annotations

import argparse
import json
from functools import partial

import numpy as np
import torch

from edge.adapters.models.loading import PlateModels, load_plate_models, load_scene_parser
from edge.adapters.models.weights import Manifest
from scripts.training.arithmetic import Compute, forced
from scripts.training.drawn_views import drawn_views
from scripts.training.errors import DataError
from scripts.training.guessed_views import guessed_views
from scripts.training.loop import Schedule, load_averaged, train
from scripts.training.outline_labels import OUTLINES
from scripts.training.parser_apart import written_apart
from scripts.training.parser_attributes import labelled_vehicles, rows_of, train_heads
from scripts.training.parser_batches import Batch, batch_of
from scripts.training.parser_net import SceneParserNet, export_parser, parser_loss
from scripts.training.parser_validation import choose_threshold, figures
from scripts.training.parser_views import View, outlined_views, part_views
from scripts.training.photos import in_validation_set
from scripts.training.pretrained_weights import start_from
from scripts.training.view_pasting import Cutout, cutouts

APPEARANCES = OUTLINES.with_name("appearances.json")

SHARES = {"outlined": 0.9, "parts": 0.1, "guessed": 0.25, "drawn": 0.1}
"""How often each kind of view is used, relative to the other kinds that there are."""

MOST_GUESSED = 800
"""Most views of one folder whose labels are guessed: photographs of one set resemble each other."""


def train_as_given(given: argparse.Namespace) -> int:
    """Train, export and choose the threshold, as the command line says; 0 when it is done.

    Raises:
        DataError: photographs or labels cannot be used.
        EdgeError: the teacher cannot be loaded.
    """
    outlined = list(outlined_views(OUTLINES, given.photos))
    held_out = [view for view in outlined if in_validation_set(view.name)]
    views = {"outlined": [view for view in outlined if not in_validation_set(view.name)]}
    if not views["outlined"] or not held_out:
        raise DataError(f"{OUTLINES}: no outlines for both training and validation")
    if not given.export_only:
        views |= _other_views(given, {view.name for view in outlined})
    told = ", ".join(f"{len(some)} {kind}" for kind, some in views.items())
    print(f"training set: views that are {told}; validation set: {len(held_out)}")
    pasted: list[Cutout] = []
    if given.paste:
        pasted = cutouts(OUTLINES, given.photos, lambda name: not in_validation_set(name))
    net = SceneParserNet()
    folder = given.work / "parser"
    if not given.export_only:
        flat = [view for some in views.values() for view in some]
        batches = partial(batch_of, flat, _shares(views), pasted, given.batch)
        if given.start and not (folder / "last.pt").is_file():
            if given.start.is_dir():
                load_averaged(net, given.start)
            else:
                apart = written_apart(given.start, given.work / "start.onnx", second=given.second)
                start_from(net, apart, batches(np.random.default_rng((given.seed, 79)))[0])
        train(
            net,
            folder,
            Schedule(given.steps, given.batch, rate=given.rate, warm_up=200, seed=given.seed),
            batches,
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


def _other_views(given: argparse.Namespace, known: set[str]) -> dict[str, list[View]]:
    """The views that are not outlined by hand, by kind; the kinds for which data is given."""
    found: dict[str, list[View]] = {}
    manifest = Manifest.load()
    models: PlateModels | None = None
    if given.parts or given.guess:
        models = load_plate_models(manifest, given.teacher)
    if given.parts and models:
        detector = models.detector
        found["parts"] = [view for folder in given.parts for view in part_views(folder, detector)]
    if given.guess and models:
        parser = load_scene_parser(manifest, 1)
        if parser is None:
            raise DataError("the manifest names no scene parser; leave out --guess")

        def wanted(name: str) -> bool:
            return name not in known and not in_validation_set(name)

        found["guessed"] = [
            view
            for folder in given.guess
            for view in guessed_views(folder, given.photos, models, parser, wanted, MOST_GUESSED)
        ]
    if given.rendered:
        found["drawn"] = list(drawn_views(given.rendered, given.seed))
    return {kind: views for kind, views in found.items() if views}


def _shares(views: dict[str, list[View]]) -> list[float]:
    """The probability of each view: each kind has its share, each view of a kind the same."""
    all_ = sum(SHARES[kind] for kind in views)
    return [SHARES[kind] / all_ / len(some) for kind, some in views.items() for _ in some]


def _loss(
    net: torch.nn.Module, batch: Batch, compute: Compute
) -> tuple[torch.Tensor, dict[str, float]]:
    windows, allowed = (part.to(compute.device, non_blocking=True) for part in batch)
    with compute.autocast():
        logits = net(windows)
    return parser_loss(logits.float(), allowed)
