"""Two trained scene parsers as one network, which is sure only where both of them are.

Both see the same window. In each cell of their answers the classes are gone through in the order
of `CAUTION`. Each gets the larger of its two probabilities, as far as the classes before it leave
something of 1. So the probabilities of bodywork, and of all that belongs to the vehicle, are at
most the smaller ones of the two parsers; and a stranger whom one of them suspects is suspected.
The sum is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from edge.domain.scene import SceneClass
from scripts.training.errors import DataError

CAUTION = (
    SceneClass.PERSON,
    SceneClass.OTHER,
    SceneClass.BACKGROUND,
    SceneClass.HEAD,
    SceneClass.GLASS,
    SceneClass.BODY,
)
"""The classes, from that of which least may be shown. No level shows the first three."""

JOINED = "CumSum"
"""An operator that only a file of two parsers has."""

INPUT, CLASSES, ATTRIBUTES = "windows", "classes", ("kinds", "colours")


def read_parser(file: Path) -> Any:  # noqa: ANN401 - an onnx.ModelProto
    """The network of a file.

    Raises:
        DataError: it is no scene parser that tells kind and colour.
    """
    try:
        model = onnx.load(str(file))
    except (OSError, DecodeError):
        raise DataError(f"{file}: no ONNX file; name a scene_parser.onnx") from None
    takes = [one.name for one in model.graph.input]
    gives = [one.name for one in model.graph.output]
    if (takes, gives) != ([INPUT], [CLASSES, *ATTRIBUTES]):
        raise DataError(
            f"{file}: takes {takes} and gives {gives}; name weights that scripts/train-parser wrote"
        )
    return model


def combined(first: Any, second: Any) -> Any:  # noqa: ANN401 - each an onnx.ModelProto
    """One model of two scene parsers; see the head of this file.

    Kind and colour are those of the first, bit for bit.
    """
    nodes, weights = list[Any](), list[Any]()
    for model, prefix, gives in ((first, "a", (CLASSES, *ATTRIBUTES)), (second, "b", (CLASSES,))):
        some_nodes, some_weights, _ = renamed(model, prefix, gives)
        nodes += some_nodes
        weights += some_weights
    nodes += _cautious(f"a.{CLASSES}", f"b.{CLASSES}")
    weights += [
        numpy_helper.from_array(np.array(CAUTION, np.int64), "order"),
        numpy_helper.from_array(np.argsort(CAUTION).astype(np.int64), "back"),
        numpy_helper.from_array(np.array(1, np.int64), "axis"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
    ]
    graph = first.graph
    model = helper.make_model(
        helper.make_graph(nodes, "scene_parsers", graph.input, graph.output, weights),
        opset_imports=first.opset_import,
        ir_version=first.ir_version,
    )
    onnx.checker.check_model(model)
    return model


def _cautious(first: str, second: str) -> list[Any]:
    """The nodes that give the classes from those of both parsers."""
    make = helper.make_node
    return [
        make("Max", [first, second], ["larger"]),
        make("Gather", ["larger", "order"], ["ordered"], axis=1),
        make("CumSum", ["ordered", "axis"], ["sum_with"]),
        make("CumSum", ["ordered", "axis"], ["sum_before"], exclusive=1),
        make("Min", ["sum_with", "one"], ["until"]),
        make("Min", ["sum_before", "one"], ["before"]),
        make("Sub", ["until", "before"], ["shares"]),
        make("Gather", ["shares", "back"], [CLASSES], axis=1),
    ]


def renamed(
    model: Any,  # noqa: ANN401 - an onnx.ModelProto
    prefix: str,
    gives: Sequence[str],
) -> tuple[list[Any], list[Any], dict[str, str]]:
    """The nodes and weights that the outputs `gives` need, and the new name of each name.

    Short names make the file smaller. The output `classes` is called `prefix.classes`; the input
    and the other outputs keep theirs.
    """
    needed, nodes = set(gives), list[Any]()
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.insert(0, _copied(node))
    weights = [_copied(one) for one in model.graph.initializer if one.name in needed]
    names = {name: name for name in ("", INPUT, *ATTRIBUTES)} | {CLASSES: f"{prefix}.{CLASSES}"}

    def short(name: str) -> str:
        return names.setdefault(name, f"{prefix}{len(names)}")

    for node in nodes:
        node.ClearField("name")
        for values in (node.input, node.output):
            values[:] = [short(one) for one in values]
    for one in weights:
        one.name = short(one.name)
    return nodes, weights, names


def _copied(message: Any) -> Any:  # noqa: ANN401 - a message of ONNX
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
