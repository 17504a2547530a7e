"""Weights in half the bytes: stored as float16, computed with as float32.

A runtime folds the casts when it loads the file, so speed is the same; the numbers keep 11 bits,
more than bfloat16 had while they were learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SMALLEST = 256
"""Tensors of fewer numbers stay as they are: constants of shapes and scales."""


def stored_in_half(model: Any) -> None:  # noqa: ANN401 - an onnx.ModelProto
    """Replace the large float32 tensors of an ONNX model by float16 ones and a cast each.

    Raises:
        ValueError: a weight is too large for float16.
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
