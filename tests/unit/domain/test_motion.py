"""Motion detection: noise, light and background are no motion; a vehicle is."""

from __future__ import annotations

import numpy as np
import pytest

from edge.domain.motion import MotionGate, Plane, cell_means, cells_shape

SIZE = (270, 480)
STEP_S = 0.04


def road(seed: int, *, light: float = 1.0, noise: float = 6.0) -> Plane:
    """A textured view with sensor noise, as a plane of shape `SIZE`."""
    texture = np.random.default_rng(7).uniform(60, 120, SIZE)
    grain = np.random.default_rng(seed).normal(0, noise, SIZE)
    pixels: Plane = np.clip(texture * light + grain, 0, 255).astype(np.uint8)
    return pixels


def with_car(pixels: Plane, x: int, grey: int = 40) -> Plane:
    changed: Plane = pixels.copy()
    changed[150:200, x : x + 80] = grey
    return changed


def detects_motion(gate: MotionGate, pixels: Plane, now_s: float) -> bool:
    return bool(gate.moving_cells(cell_means(pixels), now_s).any())


def trained_gate(noise: float = 6.0) -> tuple[MotionGate, float]:
    """A gate that has seen the empty road for ten seconds, and the time after that in seconds."""
    gate = MotionGate()
    for index in range(250):
        detects_motion(gate, road(index, noise=noise), index * STEP_S)
    return gate, 250 * STEP_S


@pytest.mark.parametrize("noise", [0.0, 6.0, 20.0], ids=["clean", "day", "night"])
def test_sensor_noise_is_no_motion(noise: float) -> None:
    gate, now_s = trained_gate(noise)
    detected = [
        detects_motion(gate, road(1000 + index, noise=noise), now_s + index * STEP_S)
        for index in range(100)
    ]
    assert sum(detected) == 0


@pytest.mark.parametrize("grey", [0, 40, 130, 255])
def test_a_car_is_motion_from_its_first_frame_to_its_last(grey: int) -> None:
    gate, now_s = trained_gate()
    for index, x in enumerate(range(0, 400, 10)):
        assert detects_motion(gate, with_car(road(index), x, grey), now_s + index * STEP_S)


def test_a_car_does_not_blind_the_gate_for_the_next_one() -> None:
    gate, now_s = trained_gate()
    for index, x in enumerate(range(0, 400, 10)):
        detects_motion(gate, with_car(road(index), x, 250), now_s + index * STEP_S)
    now_s += 40 * STEP_S
    for index, x in enumerate(range(0, 400, 10)):
        assert detects_motion(gate, with_car(road(index), x), now_s + index * STEP_S)


def test_a_global_change_of_light_is_no_motion() -> None:
    gate, now_s = trained_gate()
    detected = [
        detects_motion(gate, road(index, light=1 + 0.002 * index), now_s + index * STEP_S)
        for index in range(100)
    ]
    assert sum(detected) == 0


def test_an_object_that_stays_becomes_background() -> None:
    gate, now_s = trained_gate()
    detected = [
        detects_motion(gate, with_car(road(index), 100), now_s + index * 0.2)
        for index in range(300)
    ]
    assert detected[0]
    assert not any(detected[-100:])


def test_the_first_picture_and_the_first_of_another_size_count_as_motion() -> None:
    gate = MotionGate()
    assert detects_motion(gate, road(1), 0.0)
    assert not detects_motion(gate, road(2), 0.04)
    assert detects_motion(gate, road(3)[:200], 0.08)


@pytest.mark.parametrize(
    "size", [(1080, 1920), (720, 1280), (270, 480), (3, 5), (1, 1), (2000, 40)], ids=str
)
def test_cells_are_means_for_every_picture_size(size: tuple[int, int]) -> None:
    cells = cell_means(np.full(size, 77, np.uint8))
    assert cells.size >= 1
    assert cells.shape == cells_shape(*size)
    assert np.allclose(cells, 77)


# --- what changes too slowly for motion -------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 6.0, 20.0], ids=["clean", "day", "night"])
def test_sensor_noise_does_not_make_the_background_drift(noise: float) -> None:
    gate, now_s = trained_gate(noise)
    gate.keep_background()
    drifted = []
    for index in range(250):
        detects_motion(gate, road(1000 + index, noise=noise), now_s + index * STEP_S)
        drifted.append(gate.has_drifted())
    assert sum(drifted) == 0


def test_a_change_of_light_does_not_make_the_background_drift() -> None:
    gate = MotionGate()
    level = np.full((27, 48), 90, np.float32)
    for index in range(500):
        gate.moving_cells(level + np.float32(index * 0.02), index * STEP_S)
        if index == 250:
            gate.keep_background()
    assert not gate.has_drifted()


@pytest.mark.parametrize("a_second", [0.5, -0.5])
def test_what_darkens_or_lightens_a_place_slowly_makes_the_background_drift(
    a_second: float,
) -> None:
    gate, now_s = trained_gate(3.0)
    gate.keep_background()
    moved = []
    for index in range(250):
        cells = cell_means(road(index, noise=3.0))
        cells[10:14, 10:16] += np.float32(a_second * index * STEP_S)
        moved.append(gate.moving_cells(cells, now_s + index * STEP_S).any())
    assert sum(moved) == 0
    assert gate.has_drifted()


def test_a_kept_background_is_forgotten_with_the_view() -> None:
    gate, now_s = trained_gate()
    gate.keep_background()
    detects_motion(gate, road(0), now_s)
    assert not gate.has_drifted()
    gate.restart()
    detects_motion(gate, road(1), now_s + STEP_S)
    assert gate.has_drifted()
