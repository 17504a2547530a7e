"""The outlines drawn by eye, and the labels that the scene parser learns from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.domain.appearance import Colour, VehicleKind
from edge.domain.scene import CELL, COLUMNS, ROWS
from tests.support.product import REPOSITORY

OUTLINES = REPOSITORY / "scripts" / "training" / "outlines" / "vehicles.json"
SEEN = 258
"""Features that the head for the kind sees."""
APPEARANCES = OUTLINES.with_name("appearances.json")
KINDS = {"body", "glass", "heads", "other", "people", "hidden", "unknown"}
LEARNT: list[dict[str, Any]] = json.loads(OUTLINES.read_text("utf-8"))["views"]
"""For training, and for validation."""
TESTED: list[dict[str, Any]] = json.loads(
    OUTLINES.with_name("test_vehicles.json").read_text("utf-8")
)["views"]
VIEWS = [*LEARNT, *TESTED]


def plates_of(views: list[dict[str, Any]]) -> set[tuple[str, int, int]]:
    return {(one["image"], *(int(at) for at in one["plate"][:2])) for one in views}


def test_each_vehicle_is_outlined_once_and_completely() -> None:
    assert (len(LEARNT), len(TESTED)) == (1111, 96)
    assert len(plates_of(VIEWS)) == len(VIEWS)
    for one in VIEWS:
        assert set(one) - KINDS == {"image", "plate", "seen", "kind", "colour", "side"}
        assert one["body"], one["image"]


def test_no_photograph_of_the_test_set_is_one_of_training_or_validation() -> None:
    assert not {one["image"] for one in LEARNT} & {one["image"] for one in TESTED}


def test_each_kind_and_colour_has_a_meaning_for_the_training() -> None:
    told = json.loads(APPEARANCES.read_text("utf-8"))["views"]

    assert len(told) == 146
    assert len(plates_of(told)) == len(told)
    assert not plates_of(told) & plates_of(LEARNT), "no vehicle is told twice"
    kinds, colours = ({one.value for one in names} for names in (VehicleKind, Colour))
    for one in told:
        assert set(one) == {"image", "plate", "kind", "colour"}
        assert one["kind"] in kinds | {"unknown"}
        assert one["colour"] in colours | {"unknown"}
        assert (one["kind"], one["colour"]) != ("unknown", "unknown")
        assert min(one["plate"][2:]) > 0
    meant = {"silver": "grey", "beige": "brown", "orange": "yellow"}
    for one in VIEWS:
        assert one["kind"] in kinds | {"other"}
        assert meant.get(one["colour"], one["colour"]) in colours | {"unknown", "violet"}


def test_each_outline_lies_where_somebody_looked() -> None:
    for one in VIEWS:
        x, y, wide, tall = one["seen"]
        for kind in KINDS & set(one):
            for polygon in one[kind]:
                points = np.array(polygon)
                assert len(points) >= 3, one["image"]
                assert (points >= (x, y)).all(), one["image"]
                assert (points <= (x + wide + 1, y + tall + 1)).all(), one["image"]


def test_the_plate_of_each_vehicle_is_on_its_body() -> None:
    cv2 = pytest.importorskip("cv2")
    outside = []
    for one in VIEWS:
        x, y, wide, tall = one["plate"]
        middle = (x + wide / 2, y + tall / 2)
        distances = [
            cv2.pointPolygonTest(np.array(polygon, np.float32), middle, measureDist=True)
            for polygon in one["body"]
        ]
        if max(distances) < -tall:
            outside.append(one["image"])
    assert outside == []


# --- labels and windows: these need PyTorch -------------------------------------------------------


@pytest.fixture(scope="module")
def training() -> Any:
    pytest.importorskip("torch", reason="training needs PyTorch")
    import scripts.training.parser_batches as batches
    import scripts.training.parser_net as net
    import scripts.training.parser_views as views

    return batches, net, views


def test_a_label_allows_two_classes_along_an_outline_and_anything_where_nobody_looked(
    training: Any,
) -> None:
    _, _, views = training
    pixels = np.zeros((100, 200, 3), np.uint8)
    square = [[40, 20], [120, 20], [120, 80], [40, 80]]
    pane = [[60, 30], [100, 30], [100, 50], [60, 50]]
    label = views.outlined(
        pixels,
        {"plate": [70, 65, 22, 6], "seen": [0, 0, 150, 100], "body": [square], "glass": [pane]},
    )

    assert label[70, 50] == views.BODY
    assert label[40, 80] == views.GLASS
    assert label[70, 40] == views.BODY | views.BACKGROUND
    assert label[40, 60] == views.BODY | views.GLASS
    assert label[5, 5] == views.BACKGROUND
    assert label[50, 180] == views.ANYTHING


@pytest.mark.parametrize(("mirrored", "side"), [(False, 1), (True, -1)])
def test_the_plate_arrives_in_one_place_and_at_one_scale(
    training: Any, mirrored: bool, side: int
) -> None:
    batches, _, views = training
    pixels = np.zeros((400, 600, 3), np.uint8)
    plate = views.Box(300, 250, 360, 264)
    pixels[250:264, 360:390] = 255  # to the right of the plate
    picture, where, _ = batches.window_of(pixels, plate, None, batches.Pose(mirrored=mirrored))

    rows, columns = np.nonzero(where)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
    assert np.abs(centre - batches.CENTRE).max() < 1
    assert columns.max() - columns.min() + 1 == pytest.approx(batches.UNIT, abs=1.5)
    bright = np.nonzero(picture[..., 0] > 128)[1].mean()
    assert np.sign(bright - centre[0]) == side


def test_the_loss_of_a_set_of_classes_is_that_of_their_sum(training: Any) -> None:
    import torch

    _, net, views = training
    logits = torch.zeros(1, len(net.CLASSES), 1, 2)
    logits[0, 1] = 3.0
    only = torch.full((1, 1, 2), views.BODY, dtype=torch.uint8)
    either = torch.full((1, 1, 2), views.BODY | views.GLASS, dtype=torch.uint8)
    anything = torch.full((1, 1, 2), views.ANYTHING, dtype=torch.uint8)
    shares = logits[0, :, 0, 0].softmax(0)

    assert float(net.parser_loss(logits, only)[0]) == pytest.approx(-float(shares[1].log()))
    assert float(net.parser_loss(logits, either)[0]) == pytest.approx(
        -float((shares[1] + shares[2]).log())
    )
    assert float(net.parser_loss(logits, anything)[0]) == 0


def test_a_label_that_the_network_excludes_has_a_finite_loss_and_no_gradient(
    training: Any,
) -> None:
    """Such a label may be wrong; one of them must not decide a step, or end the training."""
    import torch

    _, net, views = training
    logits = torch.zeros(1, len(net.CLASSES), 1, 2)
    logits[0, 0, 0, 0] = 300.0
    logits.requires_grad_()

    loss, _ = net.parser_loss(logits, torch.full((1, 1, 2), views.BODY, dtype=torch.uint8))
    loss.backward()

    assert 0 < float(loss.detach()) < 10
    assert logits.grad is not None
    assert bool((logits.grad[..., 0] == 0).all())
    assert bool((logits.grad[..., 1] != 0).any())


def test_what_is_far_from_the_vehicle_counts_less_in_the_loss_unless_it_is_a_person(
    training: Any,
) -> None:
    import torch

    _, net, views = training
    allowed = torch.full((1, 40, 40), views.BACKGROUND, dtype=torch.uint8)
    allowed[0, 20, 4] = views.BODY
    allowed[0, 0, 39] = views.PERSON
    right = torch.zeros(1, len(net.CLASSES), 40, 40)
    right[0, 0], right[0, :, 20, 4], right[0, :, 0, 39] = 20.0, 0.0, 0.0
    right[0, 1, 20, 4] = right[0, 5, 0, 39] = 20.0

    def loss(row: int, column: int) -> float:
        """Of a cell that is taken for another vehicle."""
        logits = right.clone()
        logits[0, :, row, column] = 0
        logits[0, 4, row, column] = 9.0
        return float(net.parser_loss(logits, allowed)[0])

    beside, far, person = loss(20, 4 + net.NEAR), loss(20, 4 + net.NEAR + 1), loss(0, 39)
    assert far == pytest.approx(net.FAR_WEIGHT * beside, rel=1e-3)
    assert person == pytest.approx(beside, rel=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_exported_network_gives_probabilities_for_each_cell(
    training: Any, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    _, net, _ = training
    path = tmp_path / "scene_parser.onnx"
    attributes = pytest.importorskip("scripts.training.parser_attributes")
    net.export_parser(net.SceneParserNet(), attributes.AttributeHeads(SEEN), str(path))

    windows = np.zeros((2, ROWS, COLUMNS, 4), np.uint8)
    answers = onnxruntime.InferenceSession(str(path)).run(None, {"windows": windows})

    assert [one.shape for one in answers] == [
        (2, len(net.CLASSES), ROWS // CELL, COLUMNS // CELL), (2, len(VehicleKind)),
        (2, len(Colour)),
    ]  # fmt: skip
    assert all(np.allclose(one.sum(1), 1, atol=1e-4) for one in answers)
    assert path.stat().st_size < 4_000_000


def test_the_heads_learn_kind_and_colour_from_vehicles_that_show_them() -> None:
    """Labels may allow several kinds, and not every vehicle has a colour."""
    torch = pytest.importorskip("torch", reason="training needs PyTorch")
    attributes = pytest.importorskip("scripts.training.parser_attributes")
    draw = torch.Generator().manual_seed(3)
    count = 400
    kind = torch.arange(count) % len(VehicleKind)
    colour = (torch.arange(count) // 7) % 3
    of_kind = torch.randn(count, SEEN, generator=draw) * 0.1
    of_kind[torch.arange(count), kind] += 2
    cells = torch.randn(count, 7, 16, generator=draw) * 0.1
    cells[torch.arange(count), colour] += 1
    cells[:, 6] = 1
    may_be = torch.nn.functional.one_hot(kind, len(VehicleKind))
    may_be[::4] = 1
    colours = torch.nn.functional.one_hot(colour, len(Colour))
    colours[::3] = 0
    number, plain = torch.arange(count), torch.ones(count, dtype=torch.bool)
    rows = attributes.Rows(of_kind, cells, may_be, colours, number, plain)
    names = [f"photo {at // 2}" for at in range(count)]

    heads, figures = attributes.train_heads(rows, names, 5, lambda _line: None, steps=150)

    found_kind, found_colour = heads(of_kind, cells)
    assert (found_kind.argmax(1) == kind).float().mean() > 0.98
    assert (found_colour.argmax(1) == colour).float().mean() > 0.98
    assert figures["kind: vehicles"] == count * 3 / 4
    assert figures["kind: right"] > 0.97
    assert figures["colour: right"] > 0.97
    assert figures["kind: truth contradicted"] <= 3
