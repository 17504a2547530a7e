"""The training loop of both networks: checkpoints, learning rate, averaged weights, progress.

A training is a folder. `last.pt` holds everything that is needed to continue after an interruption,
even after `kill -9`: it is written to a second file and then renamed. Each step has its own random
numbers, derived from the seed and the step's number. So an interrupted training sees the same
pictures as one that ran through.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from scripts.training.arithmetic import Arithmetic, Compute, LossOf, choose
from scripts.training.command_line import checkpoint_of

Batch = TypeVar("Batch")
TRIAL = 83
"""Seeds the batch on which the arithmetic is chosen."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and learning rate of a training.

    Args:
        steps: batches in all.
        batch: pictures in a batch.
        rate: highest learning rate, reached after `warm_up` steps and then lowered along a cosine.
        warm_up: steps until the highest rate.
        decay: weight decay of AdamW.
        seed: of all random numbers.
        save_every: steps between checkpoints.
        keep: share of the averaged weights that a step keeps; a short training needs less.
    """

    steps: int
    batch: int
    rate: float = 2e-3
    warm_up: int = 500
    decay: float = 0.02
    seed: int = 1
    save_every: int = 200
    keep: float = 0.9995

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


class Averaged:
    """An exponential moving average of a network's weights; this average is exported."""

    def __init__(self, net: nn.Module, keep: float = 0.9995) -> None:
        self.net = copy.deepcopy(net).eval()
        self._keep = keep
        self._updates = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        self._updates += 1
        keep = min(self._keep, self._updates / (self._updates + 10))
        mine, theirs = self.net.state_dict(), net.state_dict()
        for name, value in mine.items():
            if value.dtype.is_floating_point:
                value.lerp_(theirs[name], 1 - keep)
            else:
                value.copy_(theirs[name])

    def state(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "updates": self._updates}

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self._updates = state["updates"]


class _Steps(IterableDataset, Generic[Batch]):
    """Batches by the number of their step; each of n workers makes every n-th batch."""

    def __init__(self, make: Callable[[np.random.Generator], Batch], seed: int, first: int) -> None:
        self.make, self.seed, self.first = make, seed, first

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        at, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        step = self.first + at
        while True:
            yield self.make(np.random.default_rng((self.seed, step)))
            step += stride


def train(
    net: nn.Module,
    folder: Path,
    schedule: Schedule,
    make_batch: Callable[[np.random.Generator], Batch],
    loss_of: LossOf[Batch],
    validate: Callable[[nn.Module], dict[str, float]],
    *,
    validate_every: int = 1000,
    workers: int = 1,
    threads: int | None = None,
    stop_after: int | None = None,
    arithmetic: Arithmetic | None = None,
) -> nn.Module:
    """Train a network, or continue from the checkpoint in `folder`.

    Args:
        net: the network; trained in place.
        folder: where checkpoints lie.
        schedule: length and rates.
        make_batch: a batch from random numbers; runs in the workers.
        loss_of: loss and figures to show of a batch.
        validate: figures of the averaged network, shown and appended to `log.csv`.
        validate_every: steps between validations.
        workers: processes that make batches.
        threads: threads of the CPU; None leaves PyTorch's choice.
        stop_after: the step to stop at, before the schedule's end; a later call continues.
        arithmetic: of the network's layers; None times a step in each and takes the faster.

    Returns:
        The averaged network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    net = net.to(device, memory_format=torch.channels_last)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": schedule.decay},
            {"params": free, "weight_decay": 0.0},
        ],
        lr=schedule.rate,
        betas=(0.9, 0.99),
    )
    averaged = Averaged(net, schedule.keep)
    first = _resume(folder, net, optimiser, averaged, device)
    end = min(schedule.steps, stop_after or schedule.steps)
    console = Console(stderr=True, highlight=False)
    if first >= end:
        console.print(f"{folder.name}: already trained for {first} steps")
    elif arithmetic is None:
        trial = make_batch(np.random.default_rng((schedule.seed, TRIAL)))
        arithmetic, why = choose(net, trial, loss_of, device)
        console.print(f"{folder.name}: {why}", soft_wrap=True)
    else:
        console.print(f"{folder.name}: arithmetic: {arithmetic}, as given, on this {device.type}")
    compute = Compute(device, arithmetic or "float32")
    loader = iter(
        DataLoader(
            _Steps(make_batch, schedule.seed, first),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=device.type == "cuda",
        )
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    began, since = time.monotonic(), first
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(folder.name, total=end, completed=first, figures="")
        smooth: dict[str, float] = {}
        for step in range(first, end):
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate_at(step)
            net.train()
            loss, figures = loss_of(net, next(loader), compute)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            averaged.update(net)
            for name, figure in figures.items():
                value = float(figure)
                smooth[name] = value if name not in smooth else 0.98 * smooth[name] + 0.02 * value
            shown = " ".join(f"{name} {value:.3f}" for name, value in smooth.items())
            bar.update(task, completed=step + 1, figures=shown)
            done = step + 1
            if not console.is_terminal and done % 100 == 0:
                pace = (done - since) * schedule.batch / (time.monotonic() - began)
                console.print(
                    f"{folder.name} {done}/{schedule.steps} {shown} {pace:.0f}/s", soft_wrap=True
                )
            last = done == end
            if done % schedule.save_every == 0 or last:
                _save(folder, net, optimiser, averaged, done)
            if done % validate_every == 0 or last:
                measured = validate(averaged.net)
                _note(folder, done, measured, smooth)
                console.print(f"{folder.name} {done}: " + _line(measured), soft_wrap=True)
    return averaged.net


def load_averaged(net: nn.Module, *folders: Path) -> int:
    """Load the averaged weights of a training's last checkpoint into a network; return its step.

    For several trainings that started from the same weights, load the mean of their weights, which
    is often better than each (Wortsman et al. 2022). Call `recompute_normalisation` after that. The
    returned step is that of the first training.

    Raises:
        DataError: a folder holds no checkpoint.
    """
    states = [
        torch.load(checkpoint_of(folder), map_location="cpu", weights_only=True)
        for folder in folders
    ]
    weights = [state["averaged"]["net"] for state in states]
    mean = {
        name: sum(each[name] for each in weights) / len(weights)
        if value.is_floating_point()
        else value
        for name, value in weights[0].items()
    }
    net.load_state_dict(mean)
    return int(states[0]["step"])


@torch.no_grad()
def recompute_normalisation(net: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Set the statistics of every batch normalisation from these batches."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over all batches
    net.train()
    for batch in batches:
        net(batch)
    net.eval()


def _resume(
    folder: Path,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    averaged: Averaged,
    device: torch.device,
) -> int:
    kept = folder / "last.pt"
    if not kept.is_file():
        return 0
    state = torch.load(kept, map_location=device, weights_only=True)
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    averaged.restore(state["averaged"])
    return int(state["step"])


def _save(
    folder: Path,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    averaged: Averaged,
    step: int,
) -> None:
    part = folder / "last.pt.part"
    state = {
        "net": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "averaged": averaged.state(),
        "step": step,
    }
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / "last.pt")


def _note(folder: Path, step: int, measured: dict[str, float], smooth: dict[str, float]) -> None:
    log = folder / "log.csv"
    columns = {"step": float(step), **smooth, **measured}
    new = not log.is_file()
    with log.open("a", encoding="utf-8") as file:
        if new:
            file.write(",".join(columns) + "\n")
        file.write(",".join(f"{value:.6g}" for value in columns.values()) + "\n")


def _line(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
