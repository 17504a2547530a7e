"""A training uses the faster arithmetic, prints its choice, and continues after an interruption."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")

from torch import nn  # noqa: E402

from scripts.training.arithmetic import (  # noqa: E402
    ARITHMETICS,
    Arithmetic,
    Compute,
    choose,
    faster,
    forced,
)
from scripts.training.loop import Schedule, train  # noqa: E402

CPU = torch.device("cpu")


def network() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))


def batch(rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.random((4, 1, 8, 8), dtype=np.float32))


class Loss:
    """Mean square of the outputs; records each arithmetic, and is slow in one of them."""

    def __init__(self, slow: Arithmetic | None = None) -> None:
        self.slow = slow
        self.seen: list[tuple[Arithmetic, Any]] = []

    def __call__(
        self, net: nn.Module, pictures: Tensor, compute: Compute
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with compute.autocast():
            answers = net(pictures)
        self.seen.append((compute.arithmetic, answers.dtype))
        if compute.arithmetic == self.slow:
            began = time.process_time()
            while time.process_time() < began + 0.3:
                pass
        loss = answers.float().pow(2).mean()
        return loss, {"loss": loss.detach()}


@pytest.mark.parametrize(("slow", "taken"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_the_faster_arithmetic_is_chosen(slow: Arithmetic, taken: Arithmetic) -> None:
    loss = Loss(slow)

    found, why = choose(network(), batch(np.random.default_rng(1)), loss, CPU)

    assert found == taken
    assert why.startswith(f"arithmetic: {taken}, ")
    measured = re.search(rf"{slow} took (\d\.\d\d) s", why)
    assert measured
    assert float(measured[1]) >= 0.3
    assert {(name, dtype) for name, dtype in loss.seen} == {
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
    }


def test_bfloat16_is_not_chosen_at_equal_speed() -> None:
    assert faster({"float32": 1.0, "bfloat16": 0.95}) == "float32"
    assert faster({"float32": 1.0, "bfloat16": 0.5}) == "bfloat16"


def test_timing_leaves_the_network_unchanged() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}

    choose(net, batch(np.random.default_rng(1)), Loss(), CPU)

    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_automatic_choice_forces_no_arithmetic() -> None:
    assert forced("auto") is None
    assert [forced(name) for name in ARITHMETICS] == list(ARITHMETICS)


def trained(
    folder: Path,
    steps: int,
    loss: Loss,
    *,
    stop_after: int | None = None,
    arithmetic: Arithmetic | None = "float32",
) -> dict[str, Tensor]:
    net = network()
    train(
        net,
        folder,
        Schedule(steps, 4, warm_up=2),
        batch,
        loss,
        lambda _net: {"figure": 1.0},
        workers=0,
        stop_after=stop_after,
        arithmetic=arithmetic,
    )
    return dict(net.state_dict())


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_forced_arithmetic_is_used_and_printed(
    arithmetic: Arithmetic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = Loss(slow=arithmetic)

    trained(tmp_path / "net", 3, loss, arithmetic=arithmetic)

    assert {name for name, _ in loss.seen} == {arithmetic}
    assert f"net: arithmetic: {arithmetic}, as given, on this cpu" in capsys.readouterr().err


def test_a_training_prints_its_arithmetic_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "net", 2, Loss(slow="bfloat16"), arithmetic=None)

    said = capsys.readouterr().err
    assert "net: arithmetic: float32, " in said
    assert "bfloat16 took " in said


@pytest.mark.parametrize("arithmetic", ["float32", None])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(
    arithmetic: Arithmetic | None, tmp_path: Path
) -> None:
    slow = Loss(slow="bfloat16")  # so that the measured choice is always the same
    whole = trained(tmp_path / "whole", 6, slow, arithmetic=arithmetic)

    trained(tmp_path / "parts", 6, slow, stop_after=4, arithmetic=arithmetic)
    continued = trained(tmp_path / "parts", 6, slow, arithmetic=arithmetic)

    assert all(torch.equal(value, continued[name]) for name, value in whole.items())


def test_a_finished_training_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "net", 3, Loss())
    capsys.readouterr()
    loss = Loss()

    trained(tmp_path / "net", 3, loss, arithmetic=None)

    assert loss.seen == []
    assert "net: already trained for 3 steps" in capsys.readouterr().err
