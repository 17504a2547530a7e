"""Two scene parsers as one network; skipped without ONNX and PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.domain.scene import COLUMNS, ROWS, SceneClass
from tests.support.product import REPOSITORY

torch = pytest.importorskip("torch", reason="training needs PyTorch")
onnx = pytest.importorskip("onnx", reason="ONNX comes with the extra `training`")

import onnxruntime  # noqa: E402

from scripts.training.combine_parsers import main  # noqa: E402
from scripts.training.errors import DataError  # noqa: E402
from scripts.training.parser_apart import written_apart  # noqa: E402
from scripts.training.parser_attributes import AttributeHeads  # noqa: E402
from scripts.training.parser_net import KIND_FEATURES, SceneParserNet, export_parser  # noqa: E402
from scripts.training.pretrained_weights import start_from  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHOWN = ([SceneClass.BODY], [SceneClass.BODY, SceneClass.GLASS, SceneClass.HEAD])
"""What the levels `vehicle` and `occupants` show."""
ROUNDING = 1e-6


def exported(file: Path, seed: int) -> Path:
    """A network of random weights with answers that differ from cell to cell."""
    torch.manual_seed(seed)
    net, heads = SceneParserNet(), AttributeHeads(KIND_FEATURES)
    with torch.no_grad():
        for one in (*net.parameters(), *heads.parameters()):  # a trained one has no equal biases
            one.add_(torch.randn_like(one), alpha=0.01)
        net.answer.weight.mul_(60)
    export_parser(net, heads, str(file))
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("parsers")
    made = {name: exported(folder / f"{name}.onnx", seed) for seed, name in enumerate("ab")}
    made["both"] = folder / "both.onnx"
    assert main([str(made["a"]), str(made["b"]), "--out", str(made["both"])]) == 0
    return made


@pytest.fixture(scope="module")
def answers(files: dict[str, Path]) -> dict[str, list[Any]]:
    windows = np.random.default_rng(1).integers(0, 256, (3, ROWS, COLUMNS, 4), np.uint8)
    return {
        name: onnxruntime.InferenceSession(str(file)).run(None, {"windows": windows})
        for name, file in files.items()
    }


def test_a_cell_is_sure_only_where_both_are_and_suspected_where_one_suspects(
    answers: dict[str, list[Any]],
) -> None:
    a, b, both = (answers[name][0] for name in ("a", "b", "both"))
    assert np.abs(a - b).max() > 0.5, "the two must differ, or this tests nothing"

    for shown in SHOWN:
        least = np.minimum(a[:, shown].sum(1), b[:, shown].sum(1))
        assert (both[:, shown].sum(1) <= least + ROUNDING).all()
    for stranger in (SceneClass.PERSON, SceneClass.OTHER):
        most = np.maximum(a, b)[:, stranger]
        certain = both[:, [SceneClass.PERSON, SceneClass.OTHER]].sum(1) > 1 - ROUNDING
        assert ((both[:, stranger] >= most - ROUNDING) | certain).all()
    inside = [SceneClass.GLASS, SceneClass.HEAD]
    most = np.maximum(a[:, inside].sum(1), b[:, inside].sum(1))
    assert ((both[:, inside].sum(1) >= most - ROUNDING) | (both[:, SceneClass.BODY] == 0)).all()


def test_the_probabilities_of_a_cell_sum_to_one(answers: dict[str, list[Any]]) -> None:
    both = answers["both"][0]

    assert (both >= 0).all()
    assert np.abs(both.sum(1) - 1).max() < ROUNDING


def test_where_both_say_the_same_the_combination_says_it_too(
    files: dict[str, Path], answers: dict[str, list[Any]], tmp_path: Path
) -> None:
    twice = tmp_path / "twice.onnx"
    assert main([str(files["a"]), str(files["a"]), "--out", str(twice)]) == 0
    windows = np.random.default_rng(1).integers(0, 256, (3, ROWS, COLUMNS, 4), np.uint8)

    (found,) = onnxruntime.InferenceSession(str(twice)).run(["classes"], {"windows": windows})

    assert np.abs(found - answers["a"][0]).max() < ROUNDING


def test_kind_and_colour_are_those_of_the_first_bit_for_bit(
    answers: dict[str, list[Any]],
) -> None:
    for at in (1, 2):
        assert (answers["both"][at] == answers["a"][at]).all()
        assert (answers["both"][at] != answers["b"][at]).any()


def test_the_file_is_small_and_the_same_each_time(files: dict[str, Path], tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    assert main([str(files["a"]), str(files["b"]), "--out", str(again)]) == 0

    assert again.read_bytes() == files["both"].read_bytes()
    assert again.stat().st_size < 4_000_000
    sizes = [files[name].stat().st_size for name in "ab"]
    assert again.stat().st_size > 0.95 * sum(sizes)


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_what_is_no_scene_parser_is_named_in_one_line(
    files: dict[str, Path], tmp_path: Path, content: bytes | None
) -> None:
    other = tmp_path / "other.onnx"
    if content is None:
        other = REPOSITORY / "models" / "plate_covers.onnx"
    else:
        other.write_bytes(content)
    done = subprocess.run(
        [
            sys.executable, "-m", "scripts.training.combine_parsers",
            str(files["a"]), str(other), "--out", str(tmp_path / "out.onnx"),
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {other}: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("name", ["a", "b"])
def test_each_of_the_two_can_be_trained_further(
    files: dict[str, Path], answers: dict[str, list[Any]], tmp_path: Path, name: str
) -> None:
    apart = written_apart(files["both"], tmp_path / "apart.onnx", second=name == "b")
    windows = np.random.default_rng(1).integers(0, 256, (3, ROWS, COLUMNS, 4), np.uint8)
    net = SceneParserNet()

    start_from(net, apart, torch.from_numpy(windows))

    with torch.no_grad():
        found = net.eval()(torch.from_numpy(windows)).softmax(1).numpy()
    assert np.abs(found - answers[name][0]).max() < 1e-3


def test_a_file_of_one_network_is_that_network(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "apart.onnx"

    assert written_apart(files["a"], out, second=False) == files["a"]
    assert not out.exists()


def test_two_networks_of_another_form_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(str(files["both"]))
    for one in model.graph.initializer:
        one.name = f"other.{one.name}"
    for node in model.graph.node:
        held = {one.name for one in model.graph.initializer}
        node.input[:] = [
            f"other.{name}" if f"other.{name}" in held else name for name in node.input
        ]
    other = tmp_path / "other.onnx"
    onnx.save(model, str(other))

    with pytest.raises(DataError, match="not two scene parsers"):
        written_apart(other, tmp_path / "apart.onnx", second=False)
