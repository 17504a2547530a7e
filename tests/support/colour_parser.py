"""A scene parser of known answers: a real ONNX network that tells classes by their colours.

A test paints a picture in `COLOURS`, and the network says what each part of it shows. The file is
written here field by field (onnx.proto), because the tests need no package that writes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from edge.adapters.models.manifest import (
    Calibration,
    Contract,
    ManifestFile,
    WeightsEntry,
    read_manifest,
    write_manifest,
)
from edge.adapters.models.scene_parser import OnnxSceneParser
from edge.adapters.models.weights import Manifest, own_manifest
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import COLUMNS, ROWS, Scene, SceneClass
from edge.pipeline.ports import SceneParser

COLOURS = {
    SceneClass.BACKGROUND: (255, 255, 0),
    SceneClass.BODY: (255, 0, 0),
    SceneClass.GLASS: (0, 0, 0),
    SceneClass.HEAD: (0, 0, 255),
    SceneClass.OTHER: (0, 255, 0),
    SceneClass.PERSON: (255, 0, 255),
}
"""BGR. Where two classes meet, colours mix: most mixtures are no third class's colour."""

SPREAD = 3000.0
"""Squared distance of colours, in grey levels, that divides a probability by e."""

SURE, SUSPECTED = 0.85, 0.35


def write_colour_parser(file: Path, *, fails: str = "", classes: int = len(COLOURS)) -> Path:
    """Write the network.

    Args:
        file: where.
        fails: `run` makes it fail on every picture, `nan` makes it answer with no numbers.
        classes: number of classes of its answer; another one is another contract.
    """
    centres = np.array([COLOURS[one] for one in SceneClass], np.float32)[:classes]
    weights = np.zeros((classes, 4, 1, 1), np.float32)
    weights[:, :3, 0, 0] = 2 * centres / SPREAD
    offsets = -(centres**2).sum(axis=1) / SPREAD
    if fails == "nan":
        offsets[:] = np.nan
    nodes = [
        _node("Cast", ["windows"], ["floats"], _integer("to", 1)),
        _node("Transpose", ["floats"], ["planes"], _integers("perm", (0, 3, 1, 2))),
        _node("Conv", ["planes", "weights", "offsets"], ["near"]),
        _node("AveragePool", ["near"], ["pooled"],
              _integers("kernel_shape", (2, 2)), _integers("strides", (2, 2))),
        _node("Softmax", ["pooled"], ["soft"], _integer("axis", 1)),
    ]  # fmt: skip
    if fails == "run":
        # The runtime learns only with a picture that its numbers do not fill rows of seven.
        nodes.append(_node("Reshape", ["soft", "sevens"], ["rows"]))
        nodes.append(_node("Reshape", ["rows", "answer"], ["classes"]))
    else:
        nodes.append(_node("Identity", ["soft"], ["classes"]))
    initial = [
        _tensor("weights", 1, weights.shape, weights.tobytes()),
        _tensor("offsets", 1, offsets.shape, offsets.tobytes()),
        _tensor("sevens", 7, (2,), struct.pack("<2q", -1, 7)),
        _tensor("answer", 7, (4,), struct.pack("<4q", -1, classes, ROWS // 2, COLUMNS // 2)),
    ]
    graph = (
        b"".join(_bytes(1, node) for node in nodes)
        + _bytes(2, b"colours")
        + b"".join(_bytes(5, tensor) for tensor in initial)
        + _bytes(11, _value("windows", 2, (ROWS, COLUMNS, 4)))
        + _bytes(12, _value("classes", 1, (classes, ROWS // 2, COLUMNS // 2)))
    )
    file.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17)))
    return file


def colour_parser(folder: Path, *, fails: str = "") -> OnnxSceneParser:
    """The network, loaded."""
    file = write_colour_parser(folder / "colours.onnx", fails=fails)
    return OnnxSceneParser(file, input_size=(ROWS, COLUMNS), sure=SURE, suspected=SUSPECTED)


def manifest_with_colour_parser(folder: Path, *, fails: str = "") -> Manifest:
    """The product's manifest with this network as its scene parser."""
    file = write_colour_parser(folder / "colours.onnx", fails=fails)
    content = file.read_bytes()
    entry = WeightsEntry(
        name="colours",
        contract=Contract.SCENE_PARSER,
        file=file.name,
        sha256=sha256(content).hexdigest(),
        bytes=len(content),
        input=(ROWS, COLUMNS),
        calibration=Calibration(threshold=SURE, suspected=SUSPECTED),
        source="made for a test",
    )
    own = read_manifest(own_manifest())
    known = tuple(one for one in own.weights if one.contract is not Contract.SCENE_PARSER)
    changed = ManifestFile.model_validate(
        {
            **own.model_dump(by_alias=True),
            "scene_parser": entry.name,
            "search": (str(own_manifest().parent), *own.search),
            "weights": (*known, entry),
        }
    )
    write_manifest(folder / "manifest.toml", changed)
    return Manifest.load(folder / "manifest.toml", {})


class CountingParser:
    """A real parser that counts how often it is asked."""

    def __init__(self, parser: SceneParser) -> None:
        self._parser = parser
        self.asked = 0

    def parse(self, pixels: Pixels, plate: Box) -> Scene:
        self.asked += 1
        return self._parser.parse(pixels, plate)


def painted(height: int, width: int, shapes: Iterable[tuple[SceneClass, Box]]) -> Pixels:
    """A picture of boxes in the colours of their classes; a later one covers an earlier one."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = COLOURS[SceneClass.BACKGROUND]
    for meaning, box in shapes:
        inside = box.clipped(width, height)
        rows = slice(round(inside.y1), round(inside.y2))
        picture[rows, round(inside.x1) : round(inside.x2)] = COLOURS[meaning]
    return picture


# --- onnx.proto: a field is its number with its wire type, and its content ------------------------


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _integer(name: str, value: int) -> bytes:
    return _bytes(1, name.encode()) + _number(3, value) + _number(20, 2)


def _integers(name: str, values: Sequence[int]) -> bytes:
    content = b"".join(_number(8, value) for value in values)
    return _bytes(1, name.encode()) + content + _number(20, 7)


def _node(kind: str, takes: Sequence[str], gives: Sequence[str], *attributes: bytes) -> bytes:
    return (
        b"".join(_bytes(1, name.encode()) for name in takes)
        + b"".join(_bytes(2, name.encode()) for name in gives)
        + _bytes(4, kind.encode())
        + b"".join(_bytes(5, attribute) for attribute in attributes)
    )


def _tensor(name: str, kind: int, shape: Sequence[int], raw: bytes) -> bytes:
    dimensions = b"".join(_number(1, size) for size in shape)
    return dimensions + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, raw)


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    sizes = [_bytes(2, b"n"), *(_number(1, size) for size in shape)]
    dimensions = b"".join(_bytes(1, size) for size in sizes)
    tensor = _number(1, kind) + _bytes(2, dimensions)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
