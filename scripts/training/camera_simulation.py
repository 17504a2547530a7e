"""Simulate how a camera over the road sees a flat plate, cut out by a detector's box.

The steps follow the light: dirt and shadow on the plate, which may be bent, its pose, the lens, the
exposure, the sensor, the encoder, and the inexact box. Their strengths were set by eye, so that a
person can still read nearly all plates. One plate in 25 is drawn much harder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.plate_design import pick
from scripts.training.plate_surface import (
    Picture,
    Pixels,
    Rng,
    add_wear,
    as_bytes,
    as_floats,
    bent,
    in_frame,
    near_infrared,
)
from scripts.training.plates import FlatPlate

Points = npt.NDArray[np.float64]
HARD_SHARE = 0.04
"""Share of photographs with twice the blur, noise and darkness."""
BENT_SHARE = 0.06
"""Share of photographs of bent plates."""
_NARROWEST, _WIDEST = 24.0, 300.0


@dataclass(frozen=True, slots=True)
class PlatePhoto:
    """A plate as it is cut out of a frame.

    Attributes:
        pixels: uint8 (h, w, 3), BGR; from about 20 to about 500 pixels wide.
        text: its characters, as in FlatPlate.
        region: as in FlatPlate.
    """

    pixels: Pixels
    text: str
    region: str


def photograph(plate: FlatPlate, rng: Rng) -> PlatePhoto:
    """A simulated photograph of the plate with random distance, weather, light and camera."""
    hard = 2.0 if rng.random() < HARD_SHARE else 1.0
    infrared = rng.random() < 0.13
    width = _width(rng, plate.pixels.shape[1] / plate.pixels.shape[0])
    face = near_infrared(plate.pixels, rng) if infrared else plate.pixels
    texels = min(1.0, 1.5 * width / face.shape[1])
    size = max(8, round(face.shape[1] * texels)), max(6, round(face.shape[0] * texels))
    face = as_bytes(cv2.resize(face, size, interpolation=cv2.INTER_AREA))
    add_wear(face, rng, hard)
    mounted, box = in_frame(face, rng)
    if rng.random() < BENT_SHARE:
        mounted, box = bent(mounted, box, rng)
    light = _posed(mounted, box, width=width, infrared=infrared, rng=rng)
    _expose(light, rng, hard, infrared=infrared)
    light = _through_lens(light, width, rng, hard)
    _sense(light, width, rng, hard)
    pixels = as_bytes(np.clip(light, 0, 255))
    if infrared or rng.random() < 0.04:
        pixels = as_bytes(
            cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        )
    pixels = _encoded(_sharpened(pixels, rng), rng, hard)
    return PlatePhoto(np.ascontiguousarray(pixels), plate.text, plate.region)


def _width(rng: Rng, aspect: float) -> float:
    """Random width of the plate in pixels: log-normal around 100, less for a short plate."""
    width = 100.0 * np.exp(rng.normal(0.0, 0.48))
    if aspect < 3:  # at the same distance it is narrower
        width *= 0.68
    return float(np.clip(width, _NARROWEST, _WIDEST))


# --- turned, before a car --------------------------------------------------------------------


def _posed(
    face: Pixels, box: tuple[int, int, int, int], *, width: float, infrared: bool, rng: Rng
) -> Picture:
    """The plate turned in space before a car's body, cut as a detector's box would cut it.

    Args:
        face: the mounted plate, BGRA.
        box: where in it the plate itself lies.
        width: of the plate in the picture, in pixels.
        infrared: the surroundings are dark.
        rng: draws pose, surroundings and the box's errors.
    """
    tall, wide = face.shape[:2]
    yaw = np.clip(rng.normal(0.0, 0.33), -0.96, 0.96)
    pitch = np.clip(rng.normal(0.12, 0.2), -0.55, 0.6)
    roll = rng.normal(0.0, 0.05) if rng.random() < 0.9 else rng.normal(0.0, 0.16)
    turn = _turned(wide, tall, float(yaw), float(pitch), float(roll), 2.2 + 9.0 * rng.random())
    plate = _mapped(turn, box)
    scale = width / max(1e-6, float(np.ptp(plate[:, 0])))
    low, extent = plate.min(axis=0) * scale, np.ptp(plate, axis=0) * scale
    left, top, right, foot = _box_errors(rng)
    x0, y0 = low[0] - left * extent[0], low[1] - top * extent[1]
    size = (
        max(12, round(float(extent[0] * (1 + left + right)))),
        max(8, round(float(extent[1] * (1 + top + foot)))),
    )
    # Warped onto twice the size and averaged down, edges come out as a lens draws them.
    twice = 2 if width < 160 else 1
    place = np.array([(scale, 0, -x0), (0, scale, -y0), (0, 0, 1)]) * ((twice,), (twice,), (1,))
    large = size[0] * twice, size[1] * twice
    warped = cv2.warpPerspective(face, place @ turn, large, flags=cv2.INTER_LINEAR)
    if twice > 1:
        warped = cv2.resize(warped, size, interpolation=cv2.INTER_AREA)
    layers = as_floats(warped)
    body = as_floats(_bodywork(size, rng, infrared=infrared))
    return as_floats(body + (layers[..., :3] - body) * (layers[..., 3:] / 255))


def _box_errors(rng: Rng) -> tuple[float, float, float, float]:
    """How far the cut lies outside the plate: left, top, right, below, as shares of its size.

    The product cuts with 8 % around a detector's box (edge/pipeline/watcher.py); the box itself
    is a little off, more so in height, of which there is less.
    """
    if rng.random() < 0.15:
        sides = rng.uniform(-0.02, 0.35, 4)
    else:
        sides = 0.075 + rng.normal(0.0, 1.0, 4) * (0.045, 0.08, 0.045, 0.08)
    left, top, right, foot = np.clip(sides, (-0.03, -0.06, -0.03, -0.06), 0.35)
    return float(left), float(top), float(right), float(foot)


def _mapped(turn: Points, box: tuple[int, int, int, int]) -> Points:
    """The box's corners after the homography, (4, 2)."""
    x1, y1, x2, y2 = box
    corners = np.array([(x1, y1, 1), (x2, y1, 1), (x2, y2, 1), (x1, y2, 1)]) @ turn.T
    points: Points = corners[:, :2] / corners[:, 2:]
    return points


def _turned(wide: int, tall: int, yaw: float, pitch: float, roll: float, distance: float) -> Points:
    """The homography, 3 by 3, of a picture turned in space; its width becomes 1.

    Args:
        wide: width of the picture in pixels.
        tall: its height.
        yaw: radians; so are pitch and roll.
        pitch: positive as seen from above.
        roll: about the line of sight.
        distance: of the camera, in widths of the picture.
    """
    a, b, c = np.cos((yaw, pitch, roll))
    p, q, r = np.sin((yaw, pitch, roll))
    about_y = np.array([(a, 0, p), (0, 1, 0), (-p, 0, a)])
    about_x = np.array([(1, 0, 0), (0, b, -q), (0, q, b)])
    about_z = np.array([(c, -r, 0), (r, c, 0), (0, 0, 1)])
    turn = about_z @ about_x @ about_y
    centred = np.array([(1 / wide, 0, -0.5), (0, 1 / wide, -0.5 * tall / wide), (0, 0, 1)])
    flat = np.column_stack((turn[:, 0], turn[:, 1], (0, 0, 0)))
    flat[2] /= distance
    flat[2, 2] = 1
    homography: Points = flat @ centred
    return homography


_PAINTS = (
    (30, 30, 30),
    (60, 60, 62),
    (120, 120, 118),
    (170, 170, 168),
    (215, 215, 215),
    (110, 50, 20),
    (40, 30, 130),
    (50, 70, 30),
    (90, 120, 140),
    (70, 90, 110),
    (150, 110, 60),
    (30, 90, 170),
)


def _bodywork(size: tuple[int, int], rng: Rng, *, infrared: bool) -> Pixels:
    """Paint with a gradient, the edges of bumper and boot, a grille's bars or a dark recess."""
    width, height = size
    paint = np.asarray(pick(rng, _PAINTS), np.float32) * (0.6 + 0.6 * rng.random())
    if infrared:
        paint = np.full(3, 12 + 60 * rng.random(), np.float32)
    corners = paint + rng.normal(0.0, 18.0, (2, 2, 1)).astype(np.float32)
    seeds = as_bytes(np.clip(corners, 0, 255))
    body = as_bytes(cv2.resize(seeds, size, interpolation=cv2.INTER_LINEAR))
    kind = rng.random()
    if kind < 0.2:  # a grille: bars before a dark opening
        body = as_bytes(body * 0.5)
        shade = float(25 * rng.random())
        step = max(2, int((0.06 + 0.1 * rng.random()) * height))
        for y in range(int(step * rng.random()), height, step):
            cv2.line(body, (0, y), (width, y), (shade, shade, shade), max(1, step // 2))
    elif kind < 0.75:
        for _ in range(1 + int(3 * rng.random())):
            y = int(rng.random() * height)
            tilt = int(rng.normal(0, 0.06) * height)
            tone = np.clip(paint * (0.2 + 1.5 * rng.random()), 0, 255)
            colour = (float(tone[0]), float(tone[1]), float(tone[2]))
            cv2.line(
                body,
                (0, y),
                (width, y + tilt),
                colour,
                1 + int(0.1 * height * rng.random()),
                cv2.LINE_AA,
            )
    return body


# --- light, lens, sensor, encoder -----------------------------------------------------------


def _expose(light: Picture, rng: Rng, hard: float, *, infrared: bool) -> None:
    """Change exposure, contrast, colour cast, evenness of light and glare, in place."""
    height, width = light.shape[:2]
    kind = rng.random()
    if infrared:
        gain = 0.75 + 0.6 * rng.random()
    elif kind < 0.14:  # night
        gain = (0.2 + 0.35 * rng.random()) / np.sqrt(hard)
    elif kind < 0.24:  # overexposed
        gain = 1.15 + 0.45 * rng.random()
    else:
        gain = 0.55 + 0.55 * rng.random()
    light *= gain
    if rng.random() < 0.25:  # haze or stray light takes contrast away
        veil = 0.4 * rng.random()
        light *= 1 - veil
        light += 160 * gain * veil
    if not infrared:
        cast = 0.05 if rng.random() < 0.93 else 0.22  # the latter: lamps, filters, poor cameras
        light *= np.clip(1 + rng.normal(0.0, cast, 3), 0.45, 1.6).astype(np.float32)
    if rng.random() < 0.3:
        ends = (1 + rng.normal(0.0, 0.18, (2, 2))).astype(np.float32)
        light *= cv2.resize(ends, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    if rng.random() < 0.07 * hard:
        _glare(light, rng)
    if rng.random() < 0.3:
        gamma = 0.75 + 0.6 * rng.random()
        np.clip(light, 0, 255, out=light)
        light[:] = 255 * (light / 255) ** gamma


def _glare(light: Picture, rng: Rng) -> None:
    height, width = light.shape[:2]
    x, y = rng.random() * width, rng.random() * height
    radius = (0.15 + 0.4 * rng.random()) * height
    rows = (np.arange(height, dtype=np.float32) - y)[:, None] / radius
    columns = (np.arange(width, dtype=np.float32) - x)[None] / (radius * (1 + rng.random()))
    light += ((60 + 120 * rng.random()) * np.exp(-(rows**2) - columns**2))[..., None]


def _through_lens(light: Picture, width: float, rng: Rng, hard: float) -> Picture:
    """The picture after defocus, motion blur, rain, and scaling of the frame."""
    height = light.shape[0]
    fine = width / 100  # a pixel of blur costs more where a character has few of them
    sigma = 0.25 + abs(rng.normal(0.0, 0.6)) * min(max(fine, 0.35), fine**0.6) * hard
    light = as_floats(cv2.GaussianBlur(light, (0, 0), min(sigma, 0.018 * width * hard)))
    if rng.random() < 0.3:
        length = 1 + abs(rng.normal(0.0, 2.2)) * fine * hard
        kernel = _motion(round(min(length, 0.04 * width * hard) * 4), round(rng.normal(0, 5)) * 5)
        light = as_floats(cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE))
    if rng.random() < 0.06:
        _rain(light, rng, fine)
    scale = 1 - 0.4 * rng.random()
    if rng.random() < 0.2 and width * scale > 40:
        size = max(8, round(light.shape[1] * scale)), max(6, round(height * scale))
        small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        how = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
        light = as_floats(cv2.resize(small, (light.shape[1], height), interpolation=how))
    return light


def _rain(light: Picture, rng: Rng, fine: float) -> None:
    """Draw bright streaks of rain in one direction, in place."""
    height, width = light.shape[:2]
    veil = np.zeros((height, width), np.uint8)
    lean = rng.normal(0.0, 0.15)
    for _ in range(int(rng.integers(2, 12))):
        x, y = int(rng.random() * width), int((rng.random() - 0.2) * height)
        long = (0.15 + 0.4 * rng.random()) * height
        shade = int(255 * min(1.0, fine) * (0.3 + 0.7 * rng.random()))
        cv2.line(veil, (x, y), (round(x + lean * long), round(y + long)), (shade,), 1, cv2.LINE_AA)
    soft = as_floats(cv2.GaussianBlur(veil, (0, 0), 0.4 + 0.4 * rng.random()))
    light += soft[..., None] * (0.25 + 0.2 * rng.random())


@lru_cache(maxsize=4096)
def _motion(quarters: int, degrees: int) -> Picture:
    """A motion blur kernel along a line of `quarters` / 4 pixels."""
    length = quarters / 4
    size = max(3, int(np.ceil(length)) | 1)
    large = np.zeros((size * 8, size * 8), np.float32)
    middle, half = size * 4, length * 4
    x, y = half * np.cos(np.radians(degrees)), half * np.sin(np.radians(degrees))
    start, end = (round(middle - x), round(middle - y)), (round(middle + x), round(middle + y))
    cv2.line(large, start, end, (1.0,), 8)
    kernel = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return as_floats(kernel / kernel.sum())


def _sense(light: Picture, width: float, rng: Rng, hard: float) -> None:
    """Add sensor noise, more of it in the dark, and coarse colour noise, in place."""
    strength = abs(rng.normal(0.0, 4.0)) * hard * min(1.0, 0.5 + 0.005 * width)
    if light.mean() < 60:
        strength += 2 * rng.random() * hard
    if strength < 1:
        return
    tall, wide = light.shape[:2]
    grain = rng.standard_normal((tall, wide, 1), dtype=np.float32)
    shot = np.sqrt(np.clip(light.mean(axis=2, keepdims=True), 0, 255) / 128 + 0.35)
    light += grain * shot * strength
    if rng.random() < 0.5:
        colour = rng.standard_normal((tall // 2 + 1, wide // 2 + 1, 3), dtype=np.float32)
        light += cv2.resize(colour, (wide, tall), interpolation=cv2.INTER_LINEAR) * strength


def _sharpened(pixels: Pixels, rng: Rng) -> Pixels:
    """The picture with exaggerated edges, as most surveillance cameras give it."""
    if rng.random() > 0.3:
        return pixels
    amount = 0.3 + 1.2 * rng.random()
    soft = cv2.GaussianBlur(pixels, (0, 0), 0.8 + 0.8 * rng.random())
    return as_bytes(cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0))


_SAMPLINGS = tuple(
    int(factor)
    for factor in (
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,  # that of video
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
    )
)


def _encoded(pixels: Pixels, rng: Rng, hard: float) -> Pixels:
    """The picture after compression: blocks, ringing, coarse colour."""
    kind = rng.random()
    if kind < 0.25:
        return pixels
    low = 30 if hard == 1 else 15
    options = [
        int(cv2.IMWRITE_JPEG_QUALITY),
        int(low + (95 - low) * rng.random()),
        int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR),
        pick(rng, _SAMPLINGS),
    ]
    # The 8 x 8 blocks of the frame are not aligned with the crop.
    y, x = int(rng.random() * 8), int(rng.random() * 8)
    padded = cv2.copyMakeBorder(pixels, y, 0, x, 0, cv2.BORDER_REPLICATE)
    _, data = cv2.imencode(".jpg", padded, options)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return as_bytes(np.asarray(decoded))[y:, x:]
