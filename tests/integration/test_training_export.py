"""The detector's export: a file of one size, and one for pictures of any shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")
pytest.importorskip("onnx", reason="ONNX comes with the extra `training`")

from scripts.training.detector_net import (  # noqa: E402 - needs PyTorch
    DETECTOR_ANSWERS,
    PlateDetectorNet,
    export_detector,
)
from scripts.training.quantisation import quantise  # noqa: E402

# PyTorch's older exporter warns that there is a newer one.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*tracer:Warning")

SIDE = 64


def rows_of(file: Path, picture: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file))
    return np.asarray(session.run(None, {"images": picture})[0])


def some_net() -> PlateDetectorNet:
    """A network whose scores are high enough to pass."""
    torch.manual_seed(3)
    net = PlateDetectorNet()
    net.eval()
    torch.nn.init.constant_(net.score.bias, 1.0)
    return net


def test_a_file_for_any_shape_gives_the_same_rows_as_a_file_of_one_size(tmp_path: Path) -> None:
    net = some_net()
    export_detector(net, SIDE, str(tmp_path / "one.onnx"))
    export_detector(net, SIDE, str(tmp_path / "any.onnx"), any_shape=True)
    picture = np.random.default_rng(1).random((1, 3, SIDE, SIDE), np.float32)

    expected = rows_of(tmp_path / "one.onnx", picture)

    assert len(expected) > 3
    np.testing.assert_allclose(rows_of(tmp_path / "any.onnx", picture), expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(32, 96), (96, 32), (64, 160)])
def test_boxes_are_in_pixels_of_the_picture_whatever_its_shape(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    net = some_net()
    export_detector(net, SIDE, str(tmp_path / "any.onnx"), any_shape=True)
    picture = np.random.default_rng(2).random((1, 3, *shape), np.float32)

    rows = rows_of(tmp_path / "any.onnx", picture)

    with torch.no_grad():
        logits, boxes = net(torch.from_numpy(picture))
    best = int(logits[0].argmax())
    np.testing.assert_allclose(rows[0, 1:5], boxes[0, best].numpy(), atol=1e-2)
    assert rows[0, 6] == pytest.approx(float(logits[0, best].sigmoid()), abs=1e-3)


def test_the_eight_bit_file_keeps_its_free_shape(tmp_path: Path) -> None:
    export_detector(some_net(), SIDE, str(tmp_path / "any.onnx"), any_shape=True)
    pictures = [np.random.default_rng(n).random((1, 3, SIDE, SIDE), np.float32) for n in range(4)]

    quantise(tmp_path / "any.onnx", tmp_path / "eight.onnx", pictures, DETECTOR_ANSWERS)

    session = onnxruntime.InferenceSession(str(tmp_path / "eight.onnx"))
    assert session.get_inputs()[0].shape == [1, 3, "height", "width"]
    for height, width in ((32, 96), (96, 64)):
        rows = rows_of(tmp_path / "eight.onnx", np.full((1, 3, height, width), 0.5, np.float32))
        assert rows.shape[1] == 7
