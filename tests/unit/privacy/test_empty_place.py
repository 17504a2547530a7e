"""The empty place: what moved, came or left is masked; what stood still is not recognised."""

from __future__ import annotations

import numpy as np

from edge.domain.imaging import Box, Pixels
from edge.privacy.empty_place import empty_place, hide_vehicles
from edge.privacy.geometric_mask import Mask

ROAD, CAR = 90, 220
HEIGHT, WIDTH = 60, 100


def road(*, noise: int = 0, seed: int = 0) -> Pixels:
    picture = np.full((HEIGHT, WIDTH, 3), ROAD, np.int16)
    if noise:
        picture += np.random.default_rng(seed).integers(-noise, noise + 1, picture.shape)
    return np.asarray(picture.clip(0, 255), np.uint8)


def with_car(left: int, *, seed: int = 0) -> Pixels:
    """A street with a car, 20 pixels wide."""
    picture = road(noise=6, seed=seed)
    picture[20:40, max(left, 0) : max(left + 20, 0)] = CAR
    return picture


def car_of(visible: Mask, left: int) -> Mask:
    """Where the car of `with_car` is, and what of it is visible."""
    return visible[20:40, left : left + 20]


def test_a_car_that_drives_through_is_not_in_the_still() -> None:
    still, visible = empty_place([with_car(-20 + 10 * n, seed=n) for n in range(40)])

    assert np.abs(still.astype(int) - ROAD).max() <= 12
    assert visible.all()


def test_p6_what_stood_for_a_part_of_the_time_is_masked() -> None:
    for stood in (range(24), range(16, 40), range(12, 28), range(11)):
        frames = [with_car(40 if n in stood else 200, seed=n) for n in range(40)]
        still, visible = empty_place(frames)
        assert not car_of(visible, 40).any(), stood
        assert visible[:, :30].all(), stood
        assert still.shape == frames[0].shape


def test_p6_of_few_frames_each_must_show_the_same() -> None:
    for frames, stood in ((2, [1]), (3, [0, 1]), (3, [1, 2]), (5, [0, 1, 2, 3]), (7, range(6))):
        _, visible = empty_place([with_car(40 if n in stood else 200) for n in range(frames)])
        assert not car_of(visible, 40).any(), (frames, stood)
        assert visible[:, :30].all()


def test_p6_what_changes_all_the_time_is_masked_with_its_edge() -> None:
    frames = []
    for number in range(32):
        frame = road()
        frame[10:20, 10:30] = (0, 255)[number % 2]
        frames.append(frame)
    _, visible = empty_place(frames)

    assert not visible[9:21, 9:31].any()
    assert visible[25:, 40:].all()


def test_what_stands_still_all_the_time_stays_for_a_person_to_see() -> None:
    still, visible = empty_place([with_car(40, seed=n) for n in range(16)])

    assert car_of(visible, 40).all()
    assert still[30, 50, 0] == CAR


def test_a_single_frame_is_taken_as_it_is() -> None:
    still, visible = empty_place([with_car(40)])

    assert np.array_equal(still, with_car(40))
    assert visible.all()


def test_p6_where_a_plate_is_found_the_vehicle_around_it_is_masked() -> None:
    visible = np.ones((HEIGHT, WIDTH), np.bool_)
    hide_vehicles(visible, [Box(48, 40, 58, 42)])

    assert not visible[2:44, 30:76].any()
    assert visible[:, :20].all()
    assert visible[55:].all()
