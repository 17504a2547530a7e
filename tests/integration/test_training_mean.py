"""The mean of the weights of two trainings, with re-estimated batch normalisation."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")

from torch import nn  # noqa: E402

from scripts.training.loop import load_averaged, recompute_normalisation  # noqa: E402


def network(weight: float) -> nn.Sequential:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    nn.init.constant_(net[0].weight, weight)
    return net


def checkpoint(folder: Path, weight: float, step: int) -> Path:
    folder.mkdir()
    state = {"step": step, "averaged": {"net": network(weight).state_dict()}}
    torch.save(state, folder / "last.pt")
    return folder


def test_the_mean_of_two_trainings_lies_between_them(tmp_path: Path) -> None:
    folders = [checkpoint(tmp_path / "a", 1.0, 700), checkpoint(tmp_path / "b", 4.0, 30)]
    net = network(0.0)

    step = load_averaged(net, *folders)

    assert step == 700
    assert net[0].weight.item() == pytest.approx(2.5)


def test_the_mean_of_one_training_is_unchanged(tmp_path: Path) -> None:
    net = network(0.0)

    load_averaged(net, checkpoint(tmp_path / "a", 1.5, 1))

    assert net[0].weight.item() == 1.5


def test_batch_normalisation_is_measured_on_the_given_pictures() -> None:
    net = network(3.0)
    batches = [torch.full((2, 1, 2, 2), value) for value in (1.0, 3.0)]

    recompute_normalisation(net, batches)

    assert not net.training
    assert net[1].running_mean.item() == pytest.approx(6.0)
