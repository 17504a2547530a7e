"""Train the plate reader and write its weights, calibrated."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import yaml

from edge.adapters.models.loading import load_plate_models
from edge.adapters.models.weights import Manifest
from scripts.training.arithmetic import Compute, forced
from scripts.training.command_line import tell
from scripts.training.countries import REGIONS
from scripts.training.loop import Schedule, load_averaged, train
from scripts.training.photos import in_validation_set
from scripts.training.plate_crops import RealPlate, boxed_plates, labelled_crops, real_plates
from scripts.training.pretrained_weights import start_from
from scripts.training.reader_batches import Batch, Pool, RealPlates, batch_of
from scripts.training.reader_net import PlateReaderNet, export_reader, plate_config, reader_loss
from scripts.training.reader_validation import ReaderValidation
from scripts.training.teacher_answers import answered


def train_as_given(given: argparse.Namespace) -> int:
    """Train, export and calibrate, as the command line says; 0 when it is done.

    Raises:
        DataError: photographs, labels or weights cannot be used.
        EdgeError: a teacher cannot be loaded.
        MissingFontError: a font for rendered plates is not installed.
    """
    sets, textless = _plates_of(given)
    held_out = {name: _kept(plates, in_validation_set) for name, plates in sets.items()}
    real = RealPlates(
        [_kept(plates, _in_training_set) for plates in sets.values()],
        _kept(textless, _in_training_set),
    )
    validation = ReaderValidation.of(held_out, given.seed)
    count = sum(len(plates) for plates in held_out.values())
    print(f"training set: {len(real)} real plates; validation set: {count}")
    net = PlateReaderNet(len(REGIONS))
    folder = given.work / "reader"
    if not given.export_only:
        pool = Pool.load(given.work, given.rendered, given.seed)
        if given.start and not (folder / "last.pt").is_file():
            rng = np.random.default_rng((given.seed, 79))
            pictures = batch_of(pool, real, given.batch, rng)[0]
            start_from(net, given.start, pictures, frozenset(("region.weight", "region.bias")))
        train(
            net,
            folder,
            Schedule(given.steps, given.batch, rate=given.rate, seed=given.seed),
            partial(batch_of, pool, real, given.batch),
            _loss,
            validation.figures,
            validate_every=1000,
            workers=given.workers,
            threads=given.threads,
            arithmetic=forced(given.arithmetic),
        )
    step = load_averaged(net, folder)
    out = given.out or given.work
    export_reader(net, str(out / "plate_reader.onnx"))
    config = yaml.safe_dump(plate_config(REGIONS), sort_keys=False, width=1000)
    (out / "plate_reader.yaml").write_text(config, "utf-8")
    note = {"step": step, **validation.figures(net), **validation.calibrated(net)}
    (given.work / "plate_reader.json").write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    print(json.dumps(note, indent=2))
    return 0


def _plates_of(given: argparse.Namespace) -> tuple[dict[str, list[RealPlate]], list[RealPlate]]:
    """Real plates with a text, by set, and those that only a teacher has read."""
    sets: dict[str, list[RealPlate]] = {}
    textless: list[RealPlate] = []
    teachers = None
    if given.plates or given.boxes or given.teacher_reader:
        teachers = load_plate_models(Manifest.load(), given.teacher_detector, given.teacher_reader)
        for each in given.plates:
            cache = given.work / "cache"
            sets[each.name] = real_plates(each, teachers.detector, teachers.reader, cache, tell)
        for each in given.boxes:
            textless += answered(boxed_plates(each), teachers.reader, tell)
    for each in given.crops:
        crops = labelled_crops(each)
        sets[f"{each.name} crops"] = crops if teachers is None else answered(crops, teachers.reader)
    return sets, textless


def _in_training_set(name: str) -> bool:
    return not in_validation_set(name)


def _kept(plates: list[RealPlate], keep: Callable[[str], bool]) -> list[RealPlate]:
    return [plate for plate in plates if keep(plate.photo)]


def _loss(
    net: torch.nn.Module, batch: Batch, compute: Compute
) -> tuple[torch.Tensor, dict[str, float]]:
    pictures, targets, regions = (part.to(compute.device, non_blocking=True) for part in batch)
    with compute.autocast():
        plate, region = net(pictures)
    return reader_loss(plate.float(), region.float(), targets, regions)
