"""One of the two networks in a file of two scene parsers, to train it further."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from scripts.training.errors import DataError
from scripts.training.parser_attributes import AttributeHeads
from scripts.training.parser_net import KIND_FEATURES, SceneParserNet, export_parser
from scripts.training.parser_pair import ATTRIBUTES, CLASSES, JOINED, read_parser, renamed


def written_apart(file: Path, out: Path, *, second: bool) -> Path:
    """A file with one network: `file` itself, or one of the two that it holds, written to `out`.

    Args:
        file: weights of one scene parser, or of two (`combined`).
        out: the file to write.
        second: whether the second of two is wanted, or else the first.

    Raises:
        DataError: it holds no scene parser of the network that is trained here.
    """
    pair = read_parser(file)
    if JOINED not in {node.op_type for node in pair.graph.node}:
        return file
    net, heads = SceneParserNet(), AttributeHeads(KIND_FEATURES)
    for one in (*net.parameters(), *heads.parameters()):
        torch.nn.init.normal_(one, std=0.1)  # the exporter writes equal weights only once
    export_parser(net, heads, str(out))
    single = onnx.load(str(out))
    prefix, gives = ("b", (CLASSES,)) if second else ("a", (CLASSES, *ATTRIBUTES))
    _, _, names = renamed(single, prefix, gives)
    held = {one.name: one for one in pair.graph.initializer}
    for one in single.graph.initializer:
        name = names.get(one.name)
        if name is None:
            continue  # of the heads, which only the first network has
        if name not in held or held[name].dims != one.dims:
            raise DataError(f"{file}: not two scene parsers of the network that is trained here")
        own = one.name
        one.CopyFrom(held[name])
        one.name = own
    onnx.save(single, str(out))
    return out
