"""Start a training from published ONNX weights instead of random ones (fine-tuning).

An exported graph has no batch normalisation: it was folded into the convolutions. To train again,
each normalisation is restored with the statistics that training pictures give. Then the network
returns the published results, both in training mode and in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scripts.training.errors import DataError

Floats = npt.NDArray[np.float32]


def start_from(
    net: nn.Module, file: Path, pictures: Tensor, may_differ: frozenset[str] = frozenset()
) -> None:
    """Load the weights of an ONNX file that was exported from the same kind of network.

    Args:
        net: the network; its weights are replaced.
        file: float weights, as the training programs write them.
        pictures: a batch of training pictures as the network takes them.
        may_differ: parameters that stay as they are where the file's have another shape.

    Raises:
        DataError: the file cannot be read, or is of another network.
    """
    named, folded = _published(file)
    wanted = {name for name, _ in net.named_parameters()}
    normalised = dict(_normalised(net))
    state = net.state_dict()
    for name, values in named.items():
        if name in wanted and state[name].shape == torch.Size(values.shape):
            state[name] = torch.from_numpy(values.copy())
            wanted.remove(name)
    for path, (weight, bias) in folded.items():
        if path not in normalised or state[f"{path}.weight"].shape != torch.Size(weight.shape):
            continue
        norm = normalised[path]
        state[f"{path}.weight"] = torch.from_numpy(weight.copy())
        state[f"{norm}.bias"] = torch.from_numpy(bias.copy())
        state[f"{norm}.weight"] = torch.ones_like(state[f"{norm}.weight"])
        state[f"{norm}.running_mean"] = torch.zeros_like(state[f"{norm}.running_mean"])
        epsilon = net.get_submodule(norm).eps
        state[f"{norm}.running_var"] = torch.full_like(state[f"{norm}.running_var"], 1 - epsilon)
        wanted -= {f"{path}.weight", f"{norm}.weight", f"{norm}.bias"}
    wanted -= may_differ
    if wanted:
        raise DataError(
            f"{file}: holds no {min(wanted)} of this network; name weights in floats that "
            "this program wrote"
        )
    net.load_state_dict(state)
    _renormalise(net, [net.get_submodule(norm) for norm in normalised.values()], pictures)


def _published(file: Path) -> tuple[dict[str, Floats], dict[str, tuple[Floats, Floats]]]:
    """Weights by parameter name; weight and bias of folded convolutions by module path."""
    import onnx  # noqa: PLC0415 - needed here only
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load(str(file)).graph
    except Exception as error:
        raise DataError(f"{file}: not a readable ONNX file; name another") from error
    held = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
    held |= {
        node.output[0]: held[node.input[0]]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in held
    }
    named = {name.removeprefix("net."): values for name, values in held.items()}
    folded = {}
    for node in graph.node:
        weight = held.get(node.input[1]) if len(node.input) > 1 else None
        if weight is None:
            continue
        path = _module(node.name)
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] in held:
            folded[path] = (weight, held[node.input[2]])
        elif node.op_type == "MatMul":
            named[f"{path}.weight"] = weight.T
    return named, folded


def _module(node: str) -> str:
    """`to_8.3.body.0.0` for `/net/to_8/to_8.3/body/body.0/body.0.0/Conv`.

    The scene parser's nodes have no `net` in front.
    """
    parts = node.strip("/").removeprefix("net/").split("/")[:-1]
    followers = [*parts[1:], ""]
    kept = [
        part
        for part, following in zip(parts, followers, strict=False)
        if not following.startswith(f"{part}.")
    ]
    return ".".join(kept)


def _normalised(net: nn.Module) -> Iterator[tuple[str, str]]:
    """Paths of each convolution and of the batch normalisation after it."""
    before: tuple[str, nn.Module] | None = None
    for path, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
            yield before[0], path
        before = (path, module)


@torch.no_grad()
def _renormalise(net: nn.Module, norms: list[Any], pictures: Tensor) -> None:
    """Set mean and variance of each normalisation to those of its input, with equal output."""
    seen: dict[Any, tuple[Tensor, Tensor]] = {}

    def look(norm: Any) -> Callable[..., None]:  # noqa: ANN401
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[norm] = (given[0].mean((0, 2, 3)), given[0].var((0, 2, 3), unbiased=False))

        return hook

    hooks = [norm.register_forward_pre_hook(look(norm)) for norm in norms]
    net.eval()
    net(pictures)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in seen.items():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
