"""People and vehicles that are pasted into the scene parser's training pictures; needs PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

import cv2
import numpy.typing as npt

from edge.domain.imaging import Box
from scripts.training.parser_batches import batch_of
from scripts.training.parser_views import (
    ANYTHING,
    BACKGROUND,
    BODY,
    GLASS,
    INSIDE,
    OTHER,
    PERSON,
    View,
)
from scripts.training.view_pasting import (
    LARGEST,
    Cutout,
    cutouts,
    pasted,
    with_person,
    with_vehicle,
)

RED, GREY = (0, 0, 255), 90
PLATE = Box(280, 300, 320, 310)


def round_cutout(height: int, width: int, meaning: int) -> Cutout:
    """Something red and round, of a photograph in which the plate has 40 pixels."""
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
    return Cutout(np.full((height, width, 3), RED, np.uint8), mask, 40, meaning)


PERSON_CUT = round_cutout(120, 40, PERSON)
VEHICLE_CUT = round_cutout(90, 140, OTHER)


def view() -> View:
    """A car, 160 pixels wide, on a road."""
    allowed = np.full((400, 600), BACKGROUND, np.uint8)
    allowed[200:340, 220:380] = BODY
    allowed[210:250, 240:360] = GLASS
    return View("photo", np.full((400, 600, 3), GREY, np.uint8), PLATE, allowed)


def is_red(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where something red was pasted, in any light."""
    return np.asarray(pixels[..., 2].astype(int) > 2 * pixels[..., 0].astype(int))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("cutout", [PERSON_CUT, VEHICLE_CUT])
def test_the_label_says_what_is_pasted_and_the_view_itself_stays(cutout: Cutout) -> None:
    before = view()

    after = pasted(before, cutout, (450, 360), 1.0, rng())

    changed = after.allowed != before.allowed
    meant = after.allowed[changed]
    assert set(np.unique(meant)) == {cutout.meaning, ANYTHING}
    inside = after.allowed == cutout.meaning
    assert inside.sum() > 0.8 * cutout.mask.sum()
    assert is_red(after.pixels)[inside].all()
    assert not is_red(after.pixels)[~changed & (after.allowed != ANYTHING)].any()
    assert (before.pixels == GREY).all()
    assert (before.allowed == view().allowed).all()
    assert after.plate == before.plate


def test_what_is_behind_the_vehicle_hides_nothing_of_it() -> None:
    before = view()

    after = pasted(before, VEHICLE_CUT, (400, 320), 1.0, rng(), behind=True)
    in_front = pasted(before, VEHICLE_CUT, (400, 320), 1.0, rng())

    inner = cv2.erode((before.allowed & INSIDE).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (after.allowed[inner] == before.allowed[inner]).all()
    assert (after.pixels[inner] == GREY).all()
    assert (after.allowed == OTHER).any()
    assert (in_front.allowed[inner] == OTHER).any()


@pytest.mark.parametrize("cutout", [PERSON_CUT, VEHICLE_CUT])
def test_nothing_ever_covers_the_offender_s_plate(cutout: Cutout) -> None:
    before = view()
    assert pasted(before, cutout, (300, 330), 1.0, rng()) is before

    rows, columns = np.s_[300:310], np.s_[280:320]
    changed = 0
    for seed in range(200):
        make = with_person if cutout.meaning == PERSON else with_vehicle
        after = make(before, cutout, rng(seed))
        changed += after is not before
        assert (after.pixels[rows, columns] == GREY).all()
        assert (after.allowed[rows, columns] == BODY).all()
    assert changed > 100


@pytest.mark.parametrize(
    ("foot", "scale"), [((450, 360), 0.01), ((450, 360), LARGEST), ((-400, 360), 1.0)]
)
def test_what_is_too_small_too_large_or_outside_is_not_pasted(
    foot: tuple[float, float], scale: float
) -> None:
    before = view()

    assert pasted(before, PERSON_CUT, foot, scale, rng()) is before


def test_cutouts_come_from_the_wanted_photographs_without_what_hides_them(tmp_path: Path) -> None:
    photo = np.full((200, 300, 3), GREY, np.uint8)
    photo[20:120, 40:200] = RED
    for name in ("kept", "apart"):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), photo)
    labels = tmp_path / "vehicles.json"
    body = "[[40,20],[199,20],[199,119],[40,119]]"
    hidden = "[[150,20],[199,20],[199,119],[150,119]]"
    person = "[[210,50],[239,50],[239,149],[210,149]]"
    small = "[[10,10],[20,10],[20,20],[10,20]]"
    views = ",".join(
        f'{{"image":"{name}.png","plate":[100,100,40,10],"body":[{body}],"hidden":[{hidden}],'
        f'"people":[{person},{small}]}}'
        for name in ("kept", "apart")
    )
    labels.write_text(f'{{"views":[{views}]}}', "utf-8")

    found = cutouts(labels, tmp_path, lambda name: name == "kept.png")

    assert [one.meaning for one in found] == [PERSON, OTHER]
    someone, vehicle = found
    assert someone.mask.shape == (100, 30)
    assert vehicle.unit == 40
    assert vehicle.mask.sum() == 100 * 110
    assert (vehicle.pixels[vehicle.mask > 0] == RED).all()


def test_a_training_without_cutouts_sees_what_it_saw_before() -> None:
    views = [view()]
    plain = batch_of(views, [1.0], [], 8, rng())
    far = replace(PERSON_CUT, unit=1e9)  # too small to be pasted

    assert (plain[0] == batch_of(views, [1.0], [], 8, rng())[0]).all()
    assert not (np.asarray(plain[1]) == PERSON).any()
    assert (np.asarray(batch_of(views, [1.0], [PERSON_CUT], 32, rng())[1]) == PERSON).any()
    assert not (np.asarray(batch_of(views, [1.0], [far], 32, rng())[1]) == PERSON).any()
