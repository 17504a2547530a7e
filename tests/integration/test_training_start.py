"""A training continues from published weights, and refuses those of another network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor

torch = pytest.importorskip("torch", reason="PyTorch comes with the extra `training`")
pytest.importorskip("onnx", reason="ONNX comes with the extra `training`")

import onnxruntime  # noqa: E402

from scripts.training.cover_net import HEIGHT, WIDTH, CoverNet, plate_score  # noqa: E402
from scripts.training.detector_net import PlateDetectorNet, export_detector  # noqa: E402
from scripts.training.errors import DataError  # noqa: E402
from scripts.training.pretrained_weights import start_from  # noqa: E402

SIDE = 64


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def trained(pictures: Tensor) -> PlateDetectorNet:
    """A network whose batch normalisation has statistics of real pictures."""
    torch.manual_seed(2)
    net = PlateDetectorNet()
    for _ in range(30):
        net(pictures)
    net.eval()
    return net


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_training_starts_with_the_outputs_of_the_published_weights(
    trained: PlateDetectorNet, pictures: Tensor, tmp_path: Path
) -> None:
    export_detector(trained, SIDE, str(tmp_path / "published.onnx"))
    net = PlateDetectorNet()

    start_from(net, tmp_path / "published.onnx", pictures)

    with torch.no_grad():
        wanted, at_rest = trained(pictures)[0], net.eval()(pictures)[0]
        learning = net.train()(pictures)[0]
    assert torch.allclose(at_rest, wanted, atol=0.05)
    assert torch.allclose(learning, wanted, atol=0.3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_cover_check_continues_from_its_shipped_weights() -> None:
    shipped = Path(__file__).parents[2] / "models" / "plate_covers.onnx"
    plates = torch.randint(
        0,
        256,
        (16, HEIGHT, WIDTH, 3),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(1),
    )
    net = CoverNet()

    start_from(net, shipped, plates)

    session = onnxruntime.InferenceSession(str(shipped), providers=["CPUExecutionProvider"])
    (hidden,) = session.run(["hidden"], {"input": plates.numpy()})
    with torch.no_grad():
        again = torch.sigmoid(plate_score(net.eval()(plates)))
    assert again.numpy() == pytest.approx(hidden, abs=0.01)


def test_weights_of_another_network_are_refused(pictures: Tensor) -> None:
    reader = Path(__file__).parents[2] / "models" / "plate_reader.onnx"

    with pytest.raises(DataError, match=r"plate_reader\.onnx: holds no .*of this network"):
        start_from(PlateDetectorNet(), reader, pictures)


def test_an_invalid_onnx_file_is_refused(pictures: Tensor, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\x00nothing")

    with pytest.raises(DataError, match=r"x\.onnx: "):
        start_from(PlateDetectorNet(), tmp_path / "x.onnx", pictures)
