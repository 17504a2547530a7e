"""A scene parser of known answers: a real ONNX network that tells classes by their colours.

A test paints a picture in `COLOURS`, and the network says what each part of it shows. The file is
written here field by field (onnx.proto), because the tests need no package that writes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import av
import numpy as np

from edge.adapters.models.loading import load_plate_models
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
from edge.domain.appearance import UNKNOWN, Appearance, Colour, VehicleKind
from edge.domain.imaging import Box, Pixels
from edge.domain.scene import COLUMNS, ROWS, Scene, SceneClass, unit_of
from edge.pipeline.ports import SceneParser
from tests.support.product import CLIPS

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

SURE, SUSPECTED = 0.85, 0.2


def write_colour_parser(
    file: Path,
    *,
    fails: str = "",
    classes: int = len(COLOURS),
    vehicle: Appearance = UNKNOWN,
) -> Path:
    """Write the network.

    Args:
        file: where.
        fails: `run` makes it fail on every picture, `nan` makes it answer with no numbers.
        classes: number of classes of its answer; another one is another contract.
        vehicle: what it says of every vehicle; by default it has no such answer.
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
    shares = {
        "kinds": [vehicle.kinds.get(one, 0.0) for one in VehicleKind],
        "colours": [vehicle.colours.get(one, 0.0) for one in Colour],
    }
    told = {} if vehicle == UNKNOWN else shares
    if told:
        nodes.append(_node("ReduceMean", ["near"], ["mean"], _integers("axes", (2, 3)),
                           _integer("keepdims", 0)))  # fmt: skip
    for name in told:
        nodes.append(_node("Gemm", ["mean", f"no {name}", f"log {name}"], [f"all {name}"]))
        nodes.append(_node("Softmax", [f"all {name}"], [name], _integer("axis", 1)))
    initial = [
        _tensor("weights", 1, weights.shape, weights.tobytes()),
        _tensor("offsets", 1, offsets.shape, offsets.tobytes()),
        _tensor("sevens", 7, (2,), struct.pack("<2q", -1, 7)),
        _tensor("answer", 7, (4,), struct.pack("<4q", -1, classes, ROWS // 2, COLUMNS // 2)),
    ]
    for name, values in told.items():
        none = np.zeros((classes, len(values)), np.float32)
        logs = np.log(np.maximum(np.array(values, np.float32), 1e-9))
        initial.append(_tensor(f"no {name}", 1, none.shape, none.tobytes()))
        initial.append(_tensor(f"log {name}", 1, logs.shape, logs.tobytes()))
    graph = (
        b"".join(_bytes(1, node) for node in nodes)
        + _bytes(2, b"colours")
        + b"".join(_bytes(5, tensor) for tensor in initial)
        + _bytes(11, _value("windows", 2, (ROWS, COLUMNS, 4)))
        + _bytes(12, _value("classes", 1, (classes, ROWS // 2, COLUMNS // 2)))
        + b"".join(_bytes(12, _value(name, 1, (len(values),))) for name, values in told.items())
    )
    file.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17)))
    return file


def colour_parser(
    folder: Path, *, fails: str = "", vehicle: Appearance = UNKNOWN
) -> OnnxSceneParser:
    """The network, loaded."""
    file = write_colour_parser(folder / "colours.onnx", fails=fails, vehicle=vehicle)
    return OnnxSceneParser(file, input_size=(ROWS, COLUMNS), sure=SURE, suspected=SUSPECTED)


def manifest_with_colour_parser(
    folder: Path, *, fails: str = "", vehicle: Appearance = UNKNOWN
) -> Manifest:
    """The product's manifest with this network as its scene parser."""
    file = write_colour_parser(folder / "colours.onnx", fails=fails, vehicle=vehicle)
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


@cache
def plate_in_a_street() -> tuple[Pixels, dict[SceneClass, Box], Box]:
    """A real plate of the fixtures, in a street of known classes.

    The detector finds the plate there, and nothing else that may be one.

    Returns:
        The picture, the box of each class, and the plate's box. The body's box holds the glass's,
        and that holds the head's.
    """
    with av.open(str(CLIPS / "street_day.mp4")) as container:
        frames = [np.asarray(one.to_ndarray(format="bgr24"), np.uint8)
                  for one in container.decode(video=0)]  # fmt: skip
    detector = load_plate_models(Manifest.load(environment={})).detector
    height, width = frames[0].shape[:2]
    for frame in frames[::3]:
        for one in detector.detect(frame):
            unit = unit_of(one.box)
            needed = one.box.grown(left=3 * unit, top=3 * unit, right=4.5 * unit, bottom=unit)
            if one.score < 0.5 or one.box.width < 55 or needed.clipped(width, height) != needed:
                continue
            picture, shapes = _street_around(one.box, frame)
            found = detector.detect(picture)
            if len(found) == 1 and found[0].score > 0.5 and found[0].box.iou(one.box) > 0.5:
                return picture, shapes, one.box
    raise AssertionError("no plate of the clip is found alone on a painted street")


def _street_around(plate: Box, frame: Pixels) -> tuple[Pixels, dict[SceneClass, Box]]:
    """A painted street with the plate of a frame, and the box of each class."""
    unit = unit_of(plate)
    body = plate.grown(left=1.4 * unit, right=1.4 * unit, top=2.4 * unit, bottom=0.5 * unit)
    glass = Box(body.x1 + unit / 3, body.y1 + unit / 4, body.x2 - unit / 3, body.y1 + unit)
    x, y = glass.centre
    shapes = {
        SceneClass.BODY: body,
        SceneClass.GLASS: glass,
        SceneClass.HEAD: Box(x - unit / 4, y - unit / 4, x + unit / 4, y + unit / 4),
        SceneClass.OTHER: Box(body.x2 + unit / 2, body.y1, body.x2 + 2.5 * unit, body.y2),
        SceneClass.PERSON: Box(body.x1 - unit, body.y1, body.x1 - unit / 2, body.y2),
    }
    picture = painted(frame.shape[0], frame.shape[1], shapes.items())
    around = plate.grown(left=3, top=3, right=3, bottom=3)
    part = np.s_[round(around.y1) : round(around.y2), round(around.x1) : round(around.x2)]
    picture[part] = frame[part]
    return picture, shapes


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
