"""Store the weights of an ONNX model as float16; the runtime computes with them in float32.

This halves the file. The runtime converts them when it loads the file, so the speed is the same.
float16 keeps 11 bits of a number, more than the 8 of bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SMALLEST = 256
"""Smaller tensors are not changed: they are constants, such as shapes and scales."""


def export_network(
    net: Any,  # noqa: ANN401 - a torch.nn.Module
    example: Any,  # noqa: ANN401 - a torch.Tensor
    path: str,
    *,
    takes: str,
    gives: Sequence[str],
) -> None:
    """Write a network as ONNX with weights in float16; the first dimension is free.

    Args:
        net: the network as it is shipped.
        example: an input.
        path: the file to write.
        takes: name of the input.
        gives: names of the outputs.
    """
    import onnx  # noqa: PLC0415 - needed for this step only
    import torch  # noqa: PLC0415 - as above

    torch.onnx.export(
        net.eval(),
        (example,),
        path,
        input_names=[takes],
        output_names=list(gives),
        dynamic_axes={name: {0: "n"} for name in (takes, *gives)},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    store_as_float16(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def store_as_float16(model: Any) -> None:  # noqa: ANN401 - an onnx.ModelProto
    """Replace each large float32 tensor of an ONNX model by a float16 one and a cast, in place.

    Raises:
        ValueError: a weight does not fit into float16.
    """
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - needed here only

    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALLEST:
            continue
        if float(np.abs(values).max()) > float(np.finfo(np.float16).max):
            raise ValueError(f"{tensor.name}: too large for float16")
        name = f"{tensor.name}_half"
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
