"""The real detector and reader: their results, and which weights they refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.cameras.recordings import open_recordings
from edge.adapters.models.cover_check import LEAST_WEIGHT
from edge.adapters.models.detector import WEAK, OnnxPlateDetector
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.manifest import Contract, read_manifest, write_manifest
from edge.adapters.models.reader import OnnxPlateReader
from edge.adapters.models.weights import Manifest, Weights
from edge.domain.imaging import Box, Frame, PlatePatch, cut_patch
from edge.domain.reading import fuse
from edge.errors import ExitCode, ModelError
from tests.support.fakes import STARTED
from tests.support.shared_material import SHARED, needs_shared

pytestmark = needs_shared

CLIP, PLATE = "nl_i_Video10_2.avi", "XSNB23"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.load()


@pytest.fixture(scope="module")
def models(manifest: Manifest) -> PlateModels:
    return load_plate_models(manifest)


@pytest.fixture(scope="module")
def reader_weights(manifest: Manifest) -> Weights:
    return manifest.find(manifest.default_reader, Contract.READER)


@pytest.fixture(scope="module")
def frame() -> Frame:
    path = SHARED / "footage" / CLIP
    if not path.is_file():
        pytest.skip(f"{CLIP} is not in the shared footage")
    (camera,) = open_recordings(path, camera="cam-1", started_at=STARTED)
    return next(iter(camera.frames()))


def test_plate_boxes_are_in_pixels_of_the_picture(models: PlateModels, frame: Frame) -> None:
    best, *_ = models.detector.detect(frame.pixels)

    assert best.score > 0.6
    assert 2 < best.box.width / best.box.height < 8
    assert 0 <= best.box.x1 < best.box.x2 <= frame.width
    assert 0 <= best.box.y1 < best.box.y2 <= frame.height


@pytest.mark.parametrize(("left", "top"), [(0, 0), (200, 0), (0, 300), (120, 80)])
def test_letterboxing_does_not_move_a_plate(
    models: PlateModels, frame: Frame, left: int, top: int
) -> None:
    """Grey beside or above the picture changes its shape, not where the plate is."""
    before, *_ = models.detector.detect(frame.pixels)
    widened = cv2.copyMakeBorder(
        frame.pixels, top, 0, left, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114)
    )

    after, *_ = models.detector.detect(np.asarray(widened, np.uint8))

    assert after.box.iou(before.box.shifted(left, top)) > 0.6


def test_the_reader_returns_all_posteriors_and_the_region(
    models: PlateModels, frame: Frame
) -> None:
    best, *_ = models.detector.detect(frame.pixels)
    patch = cut_patch(frame.pixels, best, 0.08)

    first, second = models.reader.read([patch, patch])

    assert first.slots.shape == (10, 37)
    assert first.slots.sum(axis=1) == pytest.approx(np.ones(10), abs=1e-3)
    assert 0 < first.slots.min() < 1e-3
    assert np.allclose(first.slots, second.slots, atol=1e-4)
    assert first.region == "Netherlands"
    assert first.region_probability > 0.5
    consensus = fuse([first])
    assert consensus is not None
    assert consensus.best.text.reveal() == PLATE


def test_no_patches_give_no_readings(models: PlateModels) -> None:
    assert models.reader.read([]) == ()


@pytest.mark.parametrize("batch", [1, 2])
def test_patches_read_in_small_batches_give_the_same_readings(
    manifest: Manifest, models: PlateModels, frame: Frame, batch: int
) -> None:
    """TensorRT builds an engine for each number of patches, so it gets one at a time."""
    best, *_ = models.detector.detect(frame.pixels)
    patches = [cut_patch(frame.pixels, best, margin) for margin in (0.04, 0.08, 0.1, 0.2, 0.3)]
    weights = manifest.find(manifest.pair(manifest.default_pair).reader, Contract.READER)
    assert weights.plate_config is not None
    reader = OnnxPlateReader(weights.path, weights.plate_config, batch=batch)

    singly = [reading for patch in patches for reading in reader.read([patch])]

    for one, other in zip(reader.read(patches), singly, strict=True):
        assert np.allclose(one.slots, other.slots, atol=1e-6)
        assert one.region == other.region


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 3), (3, 900, 3), (900, 3, 3), (480, 640, 3)])
def test_a_blank_picture_of_any_shape_has_no_plate(
    models: PlateModels, shape: tuple[int, int, int]
) -> None:
    assert models.detector.detect(np.full(shape, 60, np.uint8)) == ()


def test_every_reader_of_the_manifest_reads_a_plate(
    manifest: Manifest, models: PlateModels, frame: Frame
) -> None:
    best, *_ = models.detector.detect(frame.pixels)
    patch = cut_patch(frame.pixels, best, 0.08)

    for name in manifest.names(Contract.READER):
        if not manifest.entry(name).pinned:
            continue
        (reading,) = load_plate_models(manifest, reader=name).reader.read([patch])
        consensus = fuse([reading])
        assert consensus is not None
        assert consensus.best.text.reveal() == PLATE


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_missing_accelerator_is_never_replaced_by_the_cpu(
    manifest: Manifest, provider: str
) -> None:
    import onnxruntime

    if onnxruntime.get_device() != "CPU":
        pytest.skip("this build of ONNX Runtime has an accelerator")

    with pytest.raises(ModelError, match=f"provider: {provider}") as refused:
        load_plate_models(manifest, provider=provider)

    assert refused.value.code == "E_MODEL_PROVIDER"
    assert refused.value.exit_code is ExitCode.MODEL


@pytest.mark.parametrize(
    ("options", "message"),
    [({"provider": "npu"}, "provider: 'npu'"), ({"threads": 0}, "models.threads")],
)
def test_bad_options_are_refused(
    manifest: Manifest, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_plate_models(manifest, **options)  # type: ignore[arg-type]


def test_reader_weights_are_refused_as_a_detector(reader_weights: Weights) -> None:
    with pytest.raises(ModelError, match="not an end2end-detector: takes") as refused:
        OnnxPlateDetector(reader_weights.path, input_size=(416, 416))

    assert str(reader_weights.path) in refused.value.message
    assert refused.value.code == "E_MODEL_CONTRACT"


def test_a_detector_with_another_input_size_than_declared_is_refused(manifest: Manifest) -> None:
    found = manifest.find("embedded-detector-float", Contract.DETECTOR)

    with pytest.raises(ModelError, match="the manifest says"):
        OnnxPlateDetector(found.path, input_size=(640, 640))


def test_a_free_input_size_must_be_declared_in_steps_of_32(manifest: Manifest) -> None:
    found = manifest.find("embedded-detector", Contract.DETECTOR)

    with pytest.raises(ModelError, match="multiples of 32"):
        OnnxPlateDetector(found.path, input_size=(600, 608))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("max_plate_slots: 10", "max_plate_slots: 9", "its config says"),
        ("XYZ_\n", "XYZ\n", "pad_char"),
        ("XYZ_\n", "XYZÄ_\n", "alphabet"),
        ("img_width: 128", "img_width: 140", "its config says"),
        ("image_color_mode: rgb", "image_color_mode: grayscale", "its config says"),
        ("max_plate_slots: 10", "slots: 10", "not a plate config"),
        ("- Unknown\n", "", "regions"),
    ],
    ids=["slots", "padding", "alphabet", "size", "colour", "key", "regions"],
)
def test_weights_and_configuration_that_do_not_match_are_refused(
    reader_weights: Weights, tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert reader_weights.plate_config is not None
    text = reader_weights.plate_config.read_text("utf-8")
    assert before in text
    config = tmp_path / "config.yaml"
    config.write_text(text.replace(before, after), "utf-8")

    with pytest.raises(ModelError, match=message) as refused:
        OnnxPlateReader(reader_weights.path, config)

    assert refused.value.code == "E_MODEL_CONTRACT"


def test_the_error_for_an_invalid_model_file_names_it(
    reader_weights: Weights, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    assert reader_weights.plate_config is not None

    with pytest.raises(ModelError, match=r"broken\.onnx: ONNX Runtime cannot load it"):
        OnnxPlateDetector(broken, input_size=(416, 416))
    with pytest.raises(ModelError, match=r"broken\.onnx: ONNX Runtime cannot load it"):
        OnnxPlateReader(broken, reader_weights.plate_config)


def test_altered_weights_are_never_loaded(manifest: Manifest, tmp_path: Path) -> None:
    shutil.copy(manifest.path, tmp_path / "manifest.toml")
    found = manifest.find(manifest.default_detector, Contract.DETECTOR)
    content = bytearray(found.path.read_bytes())
    content[-1] ^= 1
    (tmp_path / found.path.name).write_bytes(content)

    with pytest.raises(ModelError, match="SHA-256") as refused:
        load_plate_models(Manifest.load(tmp_path / "manifest.toml", {}))

    assert found.path.name in refused.value.message


def with_calibration(manifest: Manifest, tmp_path: Path, name: str, **changed: float) -> Manifest:
    """The manifest with another calibration for one entry."""
    content = read_manifest(manifest.path)
    entries = []
    for entry in content.weights:
        update = {}
        if entry.name == name:
            update["calibration"] = entry.calibration.model_copy(update=changed)
        entries.append(entry.model_copy(update=update))
    file = tmp_path / "manifest.toml"
    write_manifest(file, content.model_copy(update={"weights": tuple(entries), "search": ()}))
    found = [manifest.find(manifest.default_detector, Contract.DETECTOR)]
    found.append(manifest.find(manifest.default_reader, Contract.READER))
    folders = {str(one.path.parent) for one in found}
    return Manifest.load(file, {"EDGE_ANPR_MODELS": ":".join(folders)})


def test_the_reader_applies_the_manifests_temperatures(
    manifest: Manifest, models: PlateModels, frame: Frame, tmp_path: Path
) -> None:
    patch = cut_patch(frame.pixels, models.detector.detect(frame.pixels)[0], 0.08)
    name = manifest.default_reader
    shipped = manifest.find(name, Contract.READER).entry.calibration
    hot = with_calibration(
        manifest,
        tmp_path,
        name,
        temperature=2 * shipped.temperature,
        region_temperature=3 * (shipped.region_temperature or 1.0),
    )

    (plain,) = models.reader.read([patch])
    (tempered,) = load_plate_models(hot).reader.read([patch])

    expected = np.sqrt(plain.slots.astype(np.float64))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(tempered.slots, expected, atol=1e-4)
    assert tempered.legibility < plain.legibility
    assert tempered.region == plain.region
    assert 0 < tempered.region_probability < plain.region_probability


def test_the_detector_applies_the_manifests_threshold_and_temperature(
    manifest: Manifest, models: PlateModels, frame: Frame, tmp_path: Path
) -> None:
    name = manifest.default_detector
    best, *_ = models.detector.detect(frame.pixels)
    assert models.threshold == manifest.entry(name).calibration.threshold

    strict = load_plate_models(
        with_calibration(manifest, tmp_path, name, threshold=0.9, temperature=2.0)
    )

    assert strict.threshold == 0.9
    after, *_ = strict.detector.detect(frame.pixels)
    assert after.box == best.box
    odds = (best.score / (1 - best.score)) ** 0.5
    assert after.score == pytest.approx(odds / (1 + odds), abs=1e-4)
    assert all(one.score >= 0.9 * WEAK for one in strict.detector.detect(frame.pixels))


def test_a_reader_with_another_input_size_than_declared_is_refused(
    reader_weights: Weights,
) -> None:
    assert reader_weights.plate_config is not None
    with pytest.raises(ModelError, match=r"its config says \(64, 128\), the manifest \(32, 128\)"):
        OnnxPlateReader(reader_weights.path, reader_weights.plate_config, input_size=(32, 128))


def test_a_patch_of_one_pixel_gives_a_reading(models: PlateModels) -> None:
    patch = PlatePatch(Box(0, 0, 1, 1), 0.1, np.zeros((1, 1, 3), np.uint8))

    (reading,) = models.reader.read([patch])

    assert reading.quality == pytest.approx(0.1 * max(LEAST_WEIGHT, 1 - reading.hidden))
