"""Weights are loaded by name, and only if their digest is the manifest's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edge.adapters.weights import MODELS_VARIABLE, Contract, Manifest
from edge.errors import ExitCode, ModelError

CONTENT = b"weights of a detector"
READER = b"weights of a reader"
CONFIG = b"max_plate_slots: 10\n"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


MANIFEST = f"""
schema = "edge-anpr/models/1"
detector = "det"
reader = "ocr"
search = ["elsewhere"]

[[weights]]
name = "det"
contract = "end2end-detector"
file = "det.onnx"
sha256 = "{digest(CONTENT)}"
bytes = {len(CONTENT)}
input = [416, 416]
source = "a test"

[[weights]]
name = "ocr"
contract = "plate-reader"
file = "ocr.onnx"
sha256 = "{digest(READER)}"
bytes = {len(READER)}
input = [64, 128]
plate_config = {{ file = "ocr.yaml", sha256 = "{digest(CONFIG)}" }}
source = "a test"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.toml").write_text(MANIFEST)
    (tmp_path / "det.onnx").write_bytes(CONTENT)
    (tmp_path / "ocr.onnx").write_bytes(READER)
    (tmp_path / "ocr.yaml").write_bytes(CONFIG)
    return tmp_path


def manifest(folder: Path, *named: Path) -> Manifest:
    environment = {MODELS_VARIABLE: os.pathsep.join(map(str, named))} if named else {}
    return Manifest.load(folder / "manifest.toml", environment)


def test_whole_weights_are_found_by_name(folder: Path) -> None:
    found = manifest(folder)

    assert found.find("det", Contract.DETECTOR).path == folder / "det.onnx"
    assert found.find("det", Contract.DETECTOR).entry.input == (416, 416)
    assert found.find("ocr", Contract.READER).plate_config == folder / "ocr.yaml"
    assert (found.default_detector, found.default_reader) == ("det", "ocr")


@pytest.mark.parametrize("file", ["det.onnx", "ocr.onnx", "ocr.yaml"])
def test_one_altered_byte_is_refused_by_the_file_s_name(folder: Path, file: str) -> None:
    content = bytearray((folder / file).read_bytes())
    content[3] ^= 1
    (folder / file).write_bytes(content)
    name, contract = ("det", Contract.DETECTOR) if file[0] == "d" else ("ocr", Contract.READER)

    with pytest.raises(ModelError, match=file) as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_DIGEST"
    assert refused.value.exit_code is ExitCode.MODEL
    assert "SHA-256" in refused.value.message


def test_weights_of_another_size_are_refused_without_reading_them_all(folder: Path) -> None:
    (folder / "det.onnx").write_bytes(CONTENT + b"!")

    with pytest.raises(ModelError, match=r"det\.onnx: 22 bytes where the manifest says 21"):
        manifest(folder).find("det", Contract.DETECTOR)


@pytest.mark.parametrize("file", ["det.onnx", "ocr.onnx", "ocr.yaml"])
def test_missing_weights_name_the_file_and_the_cure(folder: Path, file: str) -> None:
    (folder / file).unlink()
    name, contract = ("det", Contract.DETECTOR) if file[0] == "d" else ("ocr", Contract.READER)

    with pytest.raises(ModelError, match=file) as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_MISSING"
    assert MODELS_VARIABLE in refused.value.message


def test_folders_are_searched_in_order(folder: Path) -> None:
    one, two, last = folder / "one", folder / "two", folder / "elsewhere"
    for place in (one, two, last):
        place.mkdir()
        (place / "det.onnx").write_bytes(CONTENT)

    def found() -> Path:
        return manifest(folder, one, two).find("det", Contract.DETECTOR).path.parent

    order = []
    for _ in range(4):
        order.append(found())
        (order[-1] / "det.onnx").unlink()

    assert order == [folder, one, two, last]


def test_an_altered_file_is_refused_even_if_a_whole_one_lies_further_on(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "det.onnx").write_bytes(CONTENT)
    (folder / "det.onnx").write_bytes(CONTENT[::-1])

    with pytest.raises(ModelError, match="SHA-256"):
        manifest(folder).find("det", Contract.DETECTOR)


@pytest.mark.parametrize(
    ("name", "contract"),
    [("unknown", Contract.DETECTOR), ("ocr", Contract.DETECTOR), ("det", Contract.READER)],
)
def test_a_wrong_name_lists_the_right_ones(folder: Path, name: str, contract: Contract) -> None:
    with pytest.raises(ModelError, match=r"choose one of: (det|ocr)") as refused:
        manifest(folder).find(name, contract)

    assert refused.value.code == "E_MODEL_NAME"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('detector = "det"\n', 'detector = "det"\nmirror = "x"\n', "mirror"),
        ('source = "a test"', "", "source"),
        (f'sha256 = "{digest(CONTENT)}"', 'sha256 = "abc"', "sha256"),
        ('file = "det.onnx"', 'file = "../det.onnx"', "file"),
        ("edge-anpr/models/1", "edge-anpr/models/2", "schema"),
        ("[[weights]]", "[[weights", "TOML"),
    ],
    ids=["unknown key", "missing key", "no digest", "path", "other schema", "no TOML"],
)
def test_a_bad_manifest_is_refused_by_file_and_field(
    folder: Path, before: str, after: str, named: str
) -> None:
    file = folder / "manifest.toml"
    file.write_text(MANIFEST.replace(before, after))

    with pytest.raises(ModelError, match=named) as refused:
        Manifest.load(file, {})

    assert str(file) in refused.value.message


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.toml"):
        Manifest.load(tmp_path / "none.toml", {})


def test_the_product_s_own_manifest_names_its_defaults() -> None:
    own = Manifest.load(environment={})

    assert own.default_detector in own.names(Contract.DETECTOR)
    assert own.default_reader in own.names(Contract.READER)
