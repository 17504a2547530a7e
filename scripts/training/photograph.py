"""A flat plate as a camera on a pole sees it: the crop that a detector's box makes of a frame.

The order is that of the light: dirt and shadow on the plate, the way it is turned, the lens, the
exposure, the sensor, the encoder, and last the box that is cut not quite right. How strong each
is was set by eye so that a person still reads nearly all of them; one in 25 is drawn far harder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from scripts.training.countries import pick
from scripts.training.lettering import Face, line_of
from scripts.training.plates import FlatPlate

Pixels = npt.NDArray[np.uint8]
Rng = np.random.Generator
Picture = npt.NDArray[np.float32]

HARD_SHARE = 0.04
"""How many photographs are drawn with twice the blur, noise and darkness."""

_NARROWEST, _WIDEST = 24.0, 300.0


@dataclass(frozen=True, slots=True)
class PlatePhoto:
    """A plate as cut out of a frame.

    Attributes:
        pixels: uint8 (h, w, 3), BGR; from about 20 to about 500 pixels wide.
        text: its characters, as FlatPlate has them.
        region: as FlatPlate has it.
    """

    pixels: Pixels
    text: str
    region: str


def photograph(plate: FlatPlate, rng: Rng) -> PlatePhoto:
    """One photograph of the plate; distance, weather, light and camera as `rng` draws them."""
    hard = 2.0 if rng.random() < HARD_SHARE else 1.0
    width = _width(rng, plate.pixels.shape[1] / plate.pixels.shape[0])
    infrared = rng.random() < 0.13
    face = _near_infrared(plate.pixels, rng) if infrared else plate.pixels
    texels = min(1.0, 1.5 * width / face.shape[1])
    size = max(8, round(face.shape[1] * texels)), max(6, round(face.shape[0] * texels))
    face = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    face = _worn(face, rng, hard)
    face = _mounted(face, rng)
    pixels = _posed(face, width, infrared, rng)
    light = pixels.astype(np.float32)
    _lit(light, infrared, rng, hard)
    light = _through_lens(light, width, rng, hard)
    _sensed(light, rng, hard)
    pixels = np.clip(light, 0, 255).astype(np.uint8)
    if infrared or rng.random() < 0.04:
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    pixels = _encoded(pixels, rng, hard)
    return PlatePhoto(np.ascontiguousarray(pixels), plate.text, plate.region)


def _width(rng: Rng, aspect: float) -> float:
    """Width of the plate in pixels: log-normal about 95, less for a plate of two lines."""
    width = 95.0 * np.exp(rng.normal(0.0, 0.52))
    if aspect < 3:  # as far away, it is narrower; its characters are as small
        width *= 0.62
    return float(np.clip(width, _NARROWEST, _WIDEST))


def _near_infrared(face: Pixels, rng: Rng) -> Pixels:
    """What a monochrome camera with a lamp beside it sees: the film throws all light back."""
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    grey = (grey - low) / max(1.0, high - low)
    gamma = 0.6 + 0.7 * rng.random()
    grey = (20 + 50 * rng.random()) + (150 + 60 * rng.random()) * grey**gamma
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


# --- on the plate ---------------------------------------------------------------------------


def _worn(face: Pixels, rng: Rng, hard: float) -> Pixels:
    """Screws, dirt, scratches, a shadow across, drops of water."""
    height, width = face.shape[:2]
    if rng.random() < 0.45:
        radius = max(1, round((0.025 + 0.02 * rng.random()) * height))
        shade = int(40 + 190 * rng.random())
        y = int(height * (0.5 if rng.random() < 0.5 else 0.12 + 0.1 * rng.random()))
        apart = 0.03 + 0.3 * rng.random()
        for x in (int(apart * width), int((1 - apart) * width)):
            cv2.circle(face, (x, y), radius, (shade, shade, shade), -1, cv2.LINE_AA)
    if rng.random() < 0.35:
        face = _soiled(face, rng, hard)
    if rng.random() < 0.22:
        _cross_shadow(face, rng)
    if rng.random() < 0.06:
        for _ in range(int(rng.integers(3, 14))):
            _drop(face, rng)
    return face


def _soiled(face: Pixels, rng: Rng, hard: float) -> Pixels:
    height, width = face.shape[:2]
    cells = int(rng.integers(3, 9)), int(rng.integers(5, 24))
    cloud = rng.random(cells, dtype=np.float32)
    cloud = cv2.resize(cloud, (width, height), interpolation=cv2.INTER_CUBIC)
    threshold = 0.2 + 0.5 * rng.random()
    share = np.clip((cloud - threshold) * 2.0, 0, 1) * min(0.75, (0.15 + 0.4 * rng.random()) * hard)
    if rng.random() < 0.5:  # splashed from below
        share *= np.linspace(0.2, 1.0, height, dtype=np.float32)[:, None]
    mud = np.array((70, 90, 105), np.float32) * (0.5 + 0.9 * rng.random())
    return (face + (mud - face) * share[..., None]).astype(np.uint8)


def _cross_shadow(face: Pixels, rng: Rng) -> None:
    height, width = face.shape[:2]
    depth = 0.35 + 0.4 * rng.random()
    mask = np.ones((height, width), np.float32)
    if rng.random() < 0.6:  # of the bumper, along the upper edge
        mask[: int(height * (0.15 + 0.6 * rng.random()))] = depth
    else:
        x1, x2 = int(rng.random() * width), int(rng.random() * width)
        shape = np.array([(x1, 0), (width, 0), (width, height), (x2, height)])
        cv2.fillPoly(mask, [shape], (float(depth),))
    mask = cv2.GaussianBlur(mask, (0, 0), 0.5 + 0.05 * height * rng.random())
    face[:] = (face * mask[..., None]).astype(np.uint8)


def _drop(face: Pixels, rng: Rng) -> None:
    """A drop of water: it shows what is around it blurred, with a bright rim."""
    height, width = face.shape[:2]
    radius = max(1, int((0.02 + 0.06 * rng.random()) * height))
    x, y = int(rng.random() * width), int(rng.random() * height)
    around = face[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    mean = around.reshape(-1, 3).mean(axis=0)
    cv2.circle(face, (x, y), radius, tuple(float(one) for one in mean), -1, cv2.LINE_AA)
    cv2.circle(face, (x - radius // 3, y - radius // 3), max(1, radius // 4), (235, 235, 235), -1)


_ADVERTS = (
    "AUTO",
    "GARAGE",
    "MOTORS",
    "CARS",
    "CENTER",
    "SERVICE",
    "AUTOHAUS",
    "DEALER",
    "WWW.CARS",
)


@lru_cache(maxsize=512)
def _advert(text: str, height: int, room: int) -> Pixels:
    return line_of(text, Face("LiberationSans-Bold.ttf", spacing=0.2), height, room).mask


def _mounted(face: Pixels, rng: Rng) -> Pixels:
    """The plate as BGRA, in a dealer's frame or with none; its corners are cut round."""
    height, width = face.shape[:2]
    kind = rng.random()
    side = below = 0
    if kind < 0.45:
        side = max(1, round((0.03 + 0.05 * rng.random()) * height))
        below = side if kind < 0.2 else round((0.10 + 0.08 * rng.random()) * height)
        shade = (
            float(10 + 45 * rng.random())
            if rng.random() < 0.85
            else float(120 + 110 * rng.random())
        )
        framed = np.empty((height + side + below, width + 2 * side, 3), np.uint8)
        framed[:] = shade
        framed[side : side + height, side : side + width] = face
        if below > 7 and rng.random() < 0.7:
            words = f"{pick(rng, _ADVERTS)} {pick(rng, _ADVERTS)}"
            mask = _advert(words, max(4, int(0.55 * below)), int(0.8 * width))
            y, x = (
                side + height + (below - mask.shape[0]) // 2,
                (framed.shape[1] - mask.shape[1]) // 2,
            )
            ink = 225.0 if shade < 100 else 30.0
            patch = framed[y : y + mask.shape[0], x : x + mask.shape[1]]
            patch[:] = (patch + (ink - patch) * (mask[..., None] / 255.0)).astype(np.uint8)
        face = framed
    tall, wide = face.shape[:2]
    alpha = np.full((tall, wide), 255, np.uint8)
    radius = round(0.09 * rng.random() * height)
    if radius > 1:
        alpha[:] = 0
        cv2.rectangle(alpha, (radius, 0), (wide - 1 - radius, tall - 1), (255,), -1)
        cv2.rectangle(alpha, (0, radius), (wide - 1, tall - 1 - radius), (255,), -1)
        for x in (radius, wide - 1 - radius):
            for y in (radius, tall - 1 - radius):
                cv2.circle(alpha, (x, y), radius, (255,), -1, cv2.LINE_AA)
    return np.dstack((face, alpha))


# --- turned, before a car --------------------------------------------------------------------


def _posed(face: Pixels, width: float, infrared: bool, rng: Rng) -> Pixels:
    """The plate turned in space before a car's body, cut as a detector's box would cut it."""
    tall, wide = face.shape[:2]
    yaw = np.clip(rng.normal(0.0, 0.33), -0.96, 0.96)
    pitch = np.clip(rng.normal(0.12, 0.2), -0.55, 0.6)
    roll = rng.normal(0.0, 0.05) if rng.random() < 0.9 else rng.normal(0.0, 0.16)
    corners = _turned(wide, tall, yaw, pitch, roll, 2.2 + 9.0 * rng.random())
    corners *= width / max(1e-6, np.ptp(corners[:, 0]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    extent = high - low
    margins = np.clip(rng.gamma(1.6, 0.055, 4) - 0.05, -0.06, 0.35)
    margins[0::2] *= np.where(margins[0::2] < 0, 0.5, 1.0)  # a lost first character is another text
    left, top, right, foot = margins
    x0 = low[0] - left * extent[0]
    y0 = low[1] - top * extent[1] * 1.2
    size = (
        max(12, round(float(extent[0] * (1 + left + right)))),
        max(8, round(float(extent[1] * (1 + 1.2 * top + 1.2 * foot)))),
    )
    target = (corners - (x0, y0)).astype(np.float32)
    source = np.array([(0, 0), (wide, 0), (wide, tall), (0, tall)], np.float32)
    # Warped onto twice the size and averaged down, edges come out as a lens draws them.
    twice = 2 if width < 160 else 1
    matrix = cv2.getPerspectiveTransform(source, target * twice)
    large = size[0] * twice, size[1] * twice
    warped = cv2.warpPerspective(face, matrix, large, flags=cv2.INTER_LINEAR)
    if twice > 1:
        warped = cv2.resize(warped, size, interpolation=cv2.INTER_AREA)
    share = warped[..., 3:].astype(np.float32) * (1 / 255.0)
    body = _bodywork(size, infrared, rng).astype(np.float32)
    return (body + (warped[..., :3] - body) * share).astype(np.uint8)


def _turned(
    wide: float, tall: float, yaw: float, pitch: float, roll: float, distance: float
) -> npt.NDArray[np.float64]:
    """The plate's corners after turning, clockwise from the upper left, (4, 2)."""
    half = 0.5 * tall / wide
    flat = np.array([(-0.5, -half, 0), (0.5, -half, 0), (0.5, half, 0), (-0.5, half, 0)])
    a, b, c = np.cos((yaw, pitch, roll))
    p, q, r = np.sin((yaw, pitch, roll))
    about_y = np.array([(a, 0, p), (0, 1, 0), (-p, 0, a)])
    about_x = np.array([(1, 0, 0), (0, b, -q), (0, q, b)])
    about_z = np.array([(c, -r, 0), (r, c, 0), (0, 0, 1)])
    points = flat @ (about_z @ about_x @ about_y).T
    turned: npt.NDArray[np.float64] = points[:, :2] / (1 + points[:, 2:] / distance)
    return turned


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


def _bodywork(size: tuple[int, int], infrared: bool, rng: Rng) -> Pixels:
    """Paint with a gradient, the edges of bumper and boot, a grille's bars or a dark recess."""
    width, height = size
    paint = np.asarray(pick(rng, _PAINTS), np.float32) * (0.6 + 0.6 * rng.random())
    if infrared:
        paint = np.full(3, 12 + 60 * rng.random(), np.float32)
    corners = paint + rng.normal(0.0, 18.0, (2, 2, 1)).astype(np.float32)
    body = cv2.resize(
        np.clip(corners, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR
    )
    kind = rng.random()
    if kind < 0.2:
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


def _lit(light: Picture, infrared: bool, rng: Rng, hard: float) -> None:
    """Exposure, contrast, a colour cast, uneven light and glare, in place."""
    height, width = light.shape[:2]
    kind = rng.random()
    if infrared:
        gain = 0.75 + 0.6 * rng.random()
    elif kind < 0.14:  # night
        gain = (0.16 + 0.35 * rng.random()) / np.sqrt(hard)
    elif kind < 0.24:  # overexposed
        gain = 1.15 + 0.45 * rng.random()
    else:
        gain = 0.55 + 0.55 * rng.random()
    haze = 40 * rng.random() if rng.random() < 0.25 else 0.0
    light *= gain * (1 - haze / 200)
    light += haze
    if not infrared:
        light *= (1 + rng.normal(0.0, 0.06, 3)).astype(np.float32)
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
    """Defocus, motion, rain, and a frame that was scaled before it came here."""
    height = light.shape[0]
    fine = np.sqrt(width / 95.0)  # a pixel of blur costs less where characters are larger
    sigma = abs(rng.normal(0.0, 0.55)) * fine * hard + 0.25
    light = cv2.GaussianBlur(light, (0, 0), min(sigma, 0.03 * width * hard))
    if rng.random() < 0.3:
        length = 1.5 + abs(rng.normal(0.0, 2.0)) * fine * hard
        length = min(length, 0.045 * width * hard)
        kernel = _motion(round(length * 4), round(rng.normal(0.0, 25.0) / 5) * 5)
        light = cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    if rng.random() < 0.07:
        for _ in range(int(rng.integers(2, 12))):
            x, y = int(rng.random() * light.shape[1]), int(rng.random() * height)
            long, lean = int((0.2 + 0.5 * rng.random()) * height), int(rng.normal(0, 0.06) * height)
            streak = light[y : y + long, max(0, x - 8) : x + 8]
            veil = np.zeros(streak.shape[:2], np.float32)
            cv2.line(veil, (min(x, 8), 0), (min(x, 8) + lean, long), (1.0,), 1, cv2.LINE_AA)
            streak += (35 + 40 * rng.random()) * veil[..., None]
    if rng.random() < 0.2:
        scale = 1 - 0.4 * rng.random()
        if width * scale > 40:
            size = max(8, round(light.shape[1] * scale)), max(6, round(height * scale))
            small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
            back = (light.shape[1], height)
            light = cv2.resize(
                small,
                back,
                interpolation=cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC,
            )
    return light


@lru_cache(maxsize=4096)
def _motion(quarters: int, degrees: int) -> Picture:
    """A kernel that smears along a line `quarters` / 4 pixels long."""
    length = quarters / 4
    size = int(np.ceil(length)) | 1
    if size < 3:
        size = 3
    large = np.zeros((size * 8, size * 8), np.float32)
    middle, half = size * 4, length * 4
    step = half * np.cos(np.radians(degrees)), half * np.sin(np.radians(degrees))
    start, end = (
        (round(middle - step[0]), round(middle - step[1])),
        (
            round(middle + step[0]),
            round(middle + step[1]),
        ),
    )
    cv2.line(large, start, end, (1.0,), 8)
    kernel = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return (kernel / kernel.sum()).astype(np.float32)


def _sensed(light: Picture, rng: Rng, hard: float) -> None:
    """Noise of sensor and amplifier, more of it in the dark; coarse colour noise; in place."""
    strength = abs(rng.normal(0.0, 4.5)) * hard
    if light.mean() < 60:
        strength += 3 * rng.random() * hard
    if strength < 1:
        return
    height, width = light.shape[:2]
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    shot = np.sqrt(np.clip(light.mean(axis=2, keepdims=True), 0, 255) / 128 + 0.35)
    light += grain * shot * strength
    if rng.random() < 0.5:
        colour = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), dtype=np.float32)
        light += cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR) * strength


def _encoded(pixels: Pixels, rng: Rng, hard: float) -> Pixels:
    """JPEG or the like of H.264: blocks, ringing, coarse colour."""
    kind = rng.random()
    if kind < 0.25:
        return pixels
    low = 30 if hard == 1 else 15
    quality = int(low + (95 - low) * rng.random())
    options = [int(cv2.IMWRITE_JPEG_QUALITY), quality]
    # The blocks of a whole frame do not begin where the crop does.
    y, x = int(rng.random() * 8), int(rng.random() * 8)
    padded = cv2.copyMakeBorder(pixels, y, 0, x, 0, cv2.BORDER_REPLICATE)
    _, data = cv2.imencode(".jpg", padded, options)
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)[y:, x:]
    if kind > 0.8:  # an encoder's deblocking filter
        decoded = (
            cv2.medianBlur(np.ascontiguousarray(decoded), 3) if pixels.shape[1] > 140 else decoded
        )
    return decoded
