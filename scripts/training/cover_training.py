"""Train the cover check and write its weights."""

from __future__ import annotations

import argparse
import json
from functools import partial

import numpy as np
import torch

from scripts.training.arithmetic import Compute, forced
from scripts.training.cover_batches import Batch, cover_batch, labelled_plates
from scripts.training.cover_net import (
    CoverNet,
    cover_loss,
    export_cover_check,
    hidden_cells,
    plate_score,
)
from scripts.training.loop import Schedule, load_averaged, train
from scripts.training.photos import in_validation_set
from scripts.training.plate_crops import RealPlate
from scripts.training.pretrained_weights import start_from
from scripts.training.reader_batches import Pool

VALIDATED = 1500
"""Number of plates in the validation set: plates of held-out photographs, and rendered ones."""

ALLOWED = 0.01
"""Share of plates without a cover that may reach the threshold."""


def train_as_given(given: argparse.Namespace) -> int:
    """Train, export and choose the threshold, as the command line says; 0 when it is done.

    Raises:
        DataError: photographs or labels cannot be used.
        MissingFontError: a font for rendered plates is not installed.
    """
    plates: list[RealPlate] = [one for each in given.plates for one in labelled_plates(each)]
    held_out = [plate for plate in plates if in_validation_set(plate.photo)]
    real = [plate for plate in plates if not in_validation_set(plate.photo)]
    pool = Pool.load(given.work, given.rendered, given.seed)
    rng = np.random.default_rng((given.seed, 99))
    validation = cover_batch(pool, held_out, VALIDATED, rng)
    print(f"training set: {len(real)} real plates; validation set: {len(held_out)}")
    net, folder = CoverNet(), given.work / "covers"
    if not given.export_only:
        if given.start and not (folder / "last.pt").is_file():
            rng = np.random.default_rng((given.seed, 79))
            start_from(net, given.start, cover_batch(pool, real, given.batch, rng)[0])
        train(
            net,
            folder,
            Schedule(
                given.steps, given.batch, rate=given.rate, seed=given.seed, warm_up=100, keep=0.995
            ),
            partial(cover_batch, pool, real, given.batch),
            _loss,
            lambda trained: _figures(trained, validation),
            validate_every=300,
            workers=given.workers,
            threads=given.threads,
            arithmetic=forced(given.arithmetic),
        )
    step = load_averaged(net, folder)
    out = given.out or given.work
    export_cover_check(net, str(out / "plate_covers.onnx"))
    note = {"step": step, **_figures(net, validation)}
    (given.work / "plate_covers.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


def _loss(
    net: torch.nn.Module, batch: Batch, compute: Compute
) -> tuple[torch.Tensor, dict[str, float]]:
    pictures, hidden = (part.to(compute.device, non_blocking=True) for part in batch)
    with compute.autocast():
        cells = net(pictures)
    return cover_loss(cells.float(), hidden)


def _figures(net: torch.nn.Module, batch: Batch) -> dict[str, float]:
    """The threshold that one clear plate in a hundred reaches, and the covered ones that do."""
    pictures, hidden = batch
    device = next(net.parameters()).device
    net.eval()
    with torch.no_grad():
        scores = torch.cat([plate_score(net(p.to(device))).cpu() for p in pictures.split(300)])
    count = hidden_cells(hidden)
    clear, covered = scores[count == 0], scores[count >= 4]
    threshold = clear.quantile(1 - ALLOWED)
    return {
        "threshold": float(torch.sigmoid(threshold)),
        "covered_found": float((covered > threshold).float().mean()),
        "ranked": float((covered[:, None] > clear).float().mean()),
    }
