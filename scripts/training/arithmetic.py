"""Choose the arithmetic of a training by timing steps in each: float32 or bfloat16.

bfloat16 needs half the memory traffic and is several times faster on processors with units for it.
On a processor without them it is emulated: a batch of 64 plates took 14 s in bfloat16 and 1.3 s in
float32. Which processor has such units is not looked up in a list; it is measured.

In bfloat16 the network's layers run under PyTorch's automatic mixed precision. Weights, loss and
optimiser stay in float32 in both cases, so a checkpoint fits either.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import nn

Arithmetic = Literal["float32", "bfloat16"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
Batch = TypeVar("Batch")

WORTH_IT = 0.9
"""bfloat16 is taken if its step lasts at most this share of float32's: equal speed is no reason."""

ROUNDS, ENOUGH_S = 3, 20.0
"""Steps to time in each arithmetic, by turns; no further round begins after so many seconds."""

HOPELESS_TIMES, HOPELESS_S = 3.0, 5.0
"""A step that took so many times the other's, and so many seconds, is not repeated."""


@dataclass(frozen=True, slots=True)
class Compute:
    """The device that a network is trained on, and the arithmetic of its layers."""

    device: torch.device
    arithmetic: Arithmetic

    def autocast(self) -> Any:  # noqa: ANN401 - a context manager of PyTorch
        """The context to run the network in; compute the loss outside of it."""
        enabled = self.arithmetic == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)


LossOf = Callable[[nn.Module, Batch, Compute], tuple[torch.Tensor, Mapping[str, Any]]]
"""Returns the loss of a batch, and figures to show of it."""


def choose(
    net: nn.Module, batch: Batch, loss_of: LossOf[Batch], device: torch.device
) -> tuple[Arithmetic, str]:
    """Time training steps in float32 and in bfloat16 on a copy of the network.

    Args:
        net: the network; it stays as it is.
        batch: a batch like those of the training.
        loss_of: the loss of the training.
        device: the device of the training.

    Returns:
        The faster arithmetic, and a sentence that gives both times.
    """
    trial = copy.deepcopy(net).train()
    seconds: dict[Arithmetic, float] = {}
    began = time.monotonic()
    # The first step is slow, for libraries prepare their kernels then. Other programs may disturb
    # any step. So the shortest counts, the two take turns, and on a CPU processor time counts.
    for _ in range(1 + ROUNDS):
        for arithmetic in ARITHMETICS:
            known = seconds.get(arithmetic, 0.0)
            if known > max(HOPELESS_S, HOPELESS_TIMES * min(seconds.values(), default=0.0)):
                continue
            taken_s = _step_seconds(trial, batch, loss_of, Compute(device, arithmetic))
            seconds[arithmetic] = min(taken_s, known or taken_s)
        if time.monotonic() - began > ENOUGH_S:
            break
    taken = faster(seconds)
    other: Arithmetic = "float32" if taken == "bfloat16" else "bfloat16"
    kind = "of processor time" if device.type == "cpu" else "of time"
    why = (
        f"arithmetic: {taken}, {seconds[taken]:.2f} s {kind} for each batch on this {device.type}; "
        f"{other} took {seconds[other]:.2f} s"
    )
    return taken, why


def faster(seconds: Mapping[Arithmetic, float]) -> Arithmetic:
    """The arithmetic to train in, given the seconds of a step in each."""
    return "bfloat16" if seconds["bfloat16"] <= WORTH_IT * seconds["float32"] else "float32"


def _step_seconds(net: nn.Module, batch: Batch, loss_of: LossOf[Batch], compute: Compute) -> float:
    """Seconds of one step without the optimiser's part, which is the same in both."""
    _finish(compute.device)
    clock = time.process_time if compute.device.type == "cpu" else time.monotonic
    began = clock()
    loss, _ = loss_of(net, batch, compute)
    loss.backward()
    _finish(compute.device)
    net.zero_grad(set_to_none=True)
    return clock() - began


def _finish(device: torch.device) -> None:
    """Wait for a GPU to end its work, which it does beside the program."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forced(given: str) -> Arithmetic | None:
    """The arithmetic that a command line asks for; None for `auto`, which measures."""
    return next((one for one in ARITHMETICS if one == given), None)
