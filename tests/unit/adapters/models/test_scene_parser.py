"""The scene parser: what it sees, what it answers, and which weights it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.adapters.models.loading import load_scene_parser
from edge.adapters.models.manifest import read_manifest, write_manifest
from edge.adapters.models.scene_parser import GREY, OnnxSceneParser, cut_window, window_matrix
from edge.adapters.models.weights import Manifest, own_manifest
from edge.domain.appearance import UNKNOWN, Appearance, Colour, VehicleKind
from edge.domain.imaging import Box
from edge.domain.scene import COLUMNS, DOWN, ROWS, UNIT, SceneClass, unit_of, window_around
from edge.errors import ExitCode, ModelError
from tests.support.colour_parser import (
    COLOURS,
    SURE,
    SUSPECTED,
    colour_parser,
    manifest_with_colour_parser,
    painted,
    write_colour_parser,
)

HEIGHT, WIDTH = 540, 960
PLATES = {
    "in the middle": Box(440, 400, 518, 417),
    "of two lines": Box(440, 380, 484, 408),
    "small": Box(300, 300, 318, 304),
    "large": Box(400, 400, 520, 426),
    "at the left edge": Box(0, 250, 78, 267),
    "past the lower edge": Box(700, 530, 778, 547),
}


@pytest.mark.parametrize("plate", PLATES.values(), ids=PLATES)
def test_the_plate_lies_in_the_same_place_of_each_window(plate: Box) -> None:
    picture = painted(HEIGHT, WIDTH, [(SceneClass.PERSON, plate)])

    window = cut_window(picture, plate, window_matrix(plate))

    assert window.shape == (ROWS, COLUMNS, 4)
    rows, columns = np.nonzero(window[:, :, 3])
    assert abs(columns.mean() + 0.5 - COLUMNS / 2) <= 1
    assert abs(rows.mean() + 0.5 - (ROWS - DOWN * UNIT)) <= 1
    assert np.ptp(columns) + 1 == pytest.approx(plate.width * UNIT / unit_of(plate), abs=2)
    inside = plate.clipped(WIDTH, HEIGHT)
    if inside.height == plate.height and inside.width == plate.width:
        middle = window[int(rows.mean()), int(columns.mean()), :3]
        assert np.abs(middle.astype(int) - COLOURS[SceneClass.PERSON]).max() <= 40


@pytest.mark.parametrize("plate", PLATES.values(), ids=PLATES)
def test_the_window_shows_the_part_of_the_picture_that_the_scene_names(plate: Box) -> None:
    """A mark in the picture appears in the window where `window_around` says that it is."""
    around = window_around(plate)
    x, y = around.x1 + 0.55 * around.width, around.y1 + 0.55 * around.height
    side = unit_of(plate) / 2
    mark = Box(x - side, y - side, x + side, y + side)
    picture = painted(HEIGHT, WIDTH, [(SceneClass.OTHER, mark)])

    window = cut_window(picture, plate, window_matrix(plate))

    green = window[:, :, 0] < 100
    rows, columns = np.nonzero(green)
    assert (columns.mean() + 0.5) / COLUMNS == pytest.approx(0.55, abs=0.01)
    assert (rows.mean() + 0.5) / ROWS == pytest.approx(0.55, abs=0.01)


def test_outside_of_the_picture_the_window_is_grey() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    plate = Box(10, 500, 110, 522)

    window = cut_window(picture, plate, window_matrix(plate))

    assert (window[:, :10, :3] == GREY).all()
    assert (window[-10:, :, :3] == GREY).all()
    assert (window[40:60, 120:140, :3] == 255).all()


def test_each_cell_of_the_answer_tells_what_the_picture_shows_there(tmp_path: Path) -> None:
    plate = PLATES["in the middle"]
    body, glass = Box(300, 200, 660, 440), Box(340, 220, 620, 300)
    other, person = Box(680, 200, 800, 440), Box(180, 200, 230, 440)
    picture = painted(
        HEIGHT,
        WIDTH,
        [
            (SceneClass.BODY, body),
            (SceneClass.GLASS, glass),
            (SceneClass.OTHER, other),
            (SceneClass.PERSON, person),
        ],
    )

    scene = colour_parser(tmp_path).parse(picture, plate)

    assert (scene.sure, scene.suspected) == (SURE, SUSPECTED)
    assert scene.window == window_around(plate)
    assert scene.probabilities.sum(axis=0) == pytest.approx(1, abs=1e-3)
    _, rows, columns = scene.probabilities.shape
    for meaning, box in (
        (SceneClass.GLASS, glass),
        (SceneClass.OTHER, other),
        (SceneClass.PERSON, person),
        (SceneClass.BODY, Box(310, 330, 430, 430)),
        (SceneClass.BACKGROUND, Box(300, 460, 660, 520)),
    ):
        x, y = box.centre
        row = int((y - scene.window.y1) / scene.window.height * rows)
        column = int((x - scene.window.x1) / scene.window.width * columns)
        assert scene.probabilities[meaning, row, column] > 0.95, meaning


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_makes_the_answer_more_or_less_sure(
    tmp_path: Path, temperature: float
) -> None:
    file = write_colour_parser(tmp_path / "colours.onnx")
    plate = PLATES["in the middle"]
    picture = painted(HEIGHT, WIDTH, [(SceneClass.BODY, Box(300, 200, 660, 440))])
    picture[:, :, :] = picture // 4 + 90
    plain, tempered = (
        OnnxSceneParser(
            file, input_size=(ROWS, COLUMNS), sure=SURE, suspected=SUSPECTED, temperature=one
        ).parse(picture, plate)
        for one in (1.0, temperature)
    )

    assert tempered.probabilities.sum(axis=0) == pytest.approx(1, abs=1e-3)
    surer = tempered.probabilities.max(axis=0) - plain.probabilities.max(axis=0)
    assert (surer <= 1e-4).all() if temperature > 1 else (surer >= -1e-4).all()
    assert np.abs(surer).max() > 0.01


@pytest.mark.parametrize("fails", ["run", "nan"])
def test_a_failure_on_one_picture_is_an_error_without_pixels(tmp_path: Path, fails: str) -> None:
    parser = colour_parser(tmp_path, fails=fails)

    with pytest.raises(ModelError, match="one picture") as failed:
        parser.parse(painted(HEIGHT, WIDTH, []), PLATES["in the middle"])

    assert failed.value.code == "E_MODEL_RUN"


def test_a_network_of_another_contract_is_refused(tmp_path: Path) -> None:
    file = write_colour_parser(tmp_path / "five.onnx", classes=5)

    for size in ((ROWS, COLUMNS), (COLUMNS, ROWS)):
        with pytest.raises(ModelError, match="not a scene-parser") as refused:
            OnnxSceneParser(file, input_size=size, sure=SURE, suspected=SUSPECTED)
        assert refused.value.code == "E_MODEL_CONTRACT"


def test_the_manifests_scene_parser_is_loaded(tmp_path: Path) -> None:
    parser = load_scene_parser(manifest_with_colour_parser(tmp_path))

    assert parser is not None
    scene = parser.parse(painted(HEIGHT, WIDTH, []), PLATES["in the middle"])
    assert scene.probabilities[SceneClass.BACKGROUND, 68, 52] > SURE


def test_a_manifest_may_name_no_scene_parser(tmp_path: Path) -> None:
    own = read_manifest(own_manifest())
    write_manifest(tmp_path / "manifest.toml", own.model_copy(update={"scene_parser": None}))

    assert load_scene_parser(Manifest.load(tmp_path / "manifest.toml", {})) is None


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda file: file.unlink(), "E_MODEL_MISSING"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "E_MODEL_DIGEST"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\0"), "E_MODEL_DIGEST"),
        (lambda file: file.write_bytes(b""), "E_MODEL_DIGEST"),
    ],
    ids=["missing", "cut", "altered", "empty"],
)
def test_p6_a_scene_parser_that_is_missing_or_altered_is_refused(
    tmp_path: Path, damage: object, code: str
) -> None:
    manifest = manifest_with_colour_parser(tmp_path)
    assert callable(damage)
    damage(tmp_path / "colours.onnx")

    with pytest.raises(ModelError, match=r"colours\.onnx") as refused:
        load_scene_parser(manifest)

    assert (refused.value.code, refused.value.exit_code) == (code, ExitCode.MODEL)


@pytest.mark.parametrize(
    ("calibration", "wrong"),
    [
        ("{ threshold = 0.85 }", "a scene-parser needs calibration.suspected"),
        ("{ suspected = 0.35 }", "a scene-parser needs calibration.threshold"),
        (
            "{ threshold = 0.85, suspected = 0.35, region_temperature = 1.0 }",
            "calibration.region_temperature is a plate-reader's",
        ),
    ],
)
def test_a_scene_parser_needs_both_thresholds(tmp_path: Path, calibration: str, wrong: str) -> None:
    manifest_with_colour_parser(tmp_path)
    file = tmp_path / "manifest.toml"
    text = file.read_text()
    at = text.index('name = "colours"')
    line = next(one for one in text[at:].splitlines() if one.startswith("calibration"))
    file.write_text(text[:at] + text[at:].replace(line, f"calibration = {calibration}"))

    with pytest.raises(ModelError, match=wrong):
        Manifest.load(file, {})


def test_other_weights_have_no_suspected_threshold(tmp_path: Path) -> None:
    text = own_manifest().read_text()
    file = tmp_path / "manifest.toml"
    file.write_text(text.replace("threshold = 0.375 }", "threshold = 0.375, suspected = 0.2 }", 1))

    with pytest.raises(ModelError, match="other weights have none"):
        Manifest.load(file, {})


# --- kind and colour ------------------------------------------------------------------------------

RED_VAN = Appearance(
    {VehicleKind.VAN: 0.75, VehicleKind.CAR: 0.25}, {Colour.RED: 0.875, Colour.BROWN: 0.125}
)


def test_the_vehicles_kind_and_colour_have_probabilities(tmp_path: Path) -> None:
    scene = colour_parser(tmp_path, vehicle=RED_VAN).parse(
        painted(HEIGHT, WIDTH, []), PLATES["in the middle"]
    )

    for found, told in (
        (scene.appearance.kinds, RED_VAN.kinds), (scene.appearance.colours, RED_VAN.colours),
    ):  # fmt: skip
        assert sum(found.values()) == pytest.approx(1, abs=1e-3)
        assert {one: share for one, share in found.items() if share > 0.01} == pytest.approx(told)


def test_a_network_without_these_answers_knows_neither(tmp_path: Path) -> None:
    scene = colour_parser(tmp_path).parse(painted(HEIGHT, WIDTH, []), PLATES["in the middle"])
    assert scene.appearance == UNKNOWN


@pytest.mark.parametrize(
    ("bgr", "coloured"),
    [((200, 30, 30), True), ((120, 120, 120), False), ((60, 62, 64), False), ((9, 3, 20), False)],
    ids=["day", "near infrared", "fog", "night"],
)
def test_a_picture_without_colours_tells_the_kind_only(
    tmp_path: Path, bgr: tuple[int, int, int], *, coloured: bool
) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), bgr, np.uint8)

    seen = colour_parser(tmp_path, vehicle=RED_VAN).parse(picture, PLATES["in the middle"])

    assert seen.appearance.kinds
    assert bool(seen.appearance.colours) is coloured
