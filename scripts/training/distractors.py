"""Draw distractors into training pictures: objects that look like a plate and are none."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator


WORDS = (
    "TAXI", "TURBO", "QUATTRO", "HYBRID", "4X4", "SALE", "OPEN", "PARKING", "EXIT", "BUS", "POLICE",
    "www.example.com", "0123 456789", "2.0 TDI", "V8", "SPORT", "STOP", "50", "30", "OFFICE", "24h",
    "CAFE", "PIZZA", "RENT A CAR", "AUTO", "OOOO", "COOD", "GARAGE", "M3", "C 200", "CENTRUM",
)  # fmt: skip


def disjoint(a: Floats, b: Floats) -> bool:
    """Whether two boxes (x1, y1, x2, y2, ...) share no pixel."""
    return bool(a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1])


def draw_distractor(pixels: Pixels, rows: Floats, rng: Rng) -> None:
    """Draw a random distractor beside the boxes: letters, a panel, a round sign or a grille."""
    height, width = pixels.shape[:2]
    size = math.exp(rng.uniform(math.log(6), math.log(max(8.0, height / 10))))
    x, y = int(rng.uniform(0, width * 0.85)), int(rng.uniform(size, height))
    word = str(WORDS[rng.integers(len(WORDS))])
    if rng.random() < 0.3:
        word = "".join(chr(rng.integers(97, 123)) for _ in range(rng.integers(3, 12)))
    font = int(rng.integers(0, 5))
    scale = size / 22
    thick = max(1, round(scale * rng.uniform(1, 3)))
    (w, h), _ = cv2.getTextSize(word, font, scale, thick)
    kind = rng.random()
    lines = int(rng.integers(2, 5)) if 0.6 < kind < 0.86 else 1
    box = np.array([x - 4, y - h - 6, x + w + 4, y + (lines - 1) * h * 1.6 + 6], np.float32)
    radius, middle = int(max(w, h) * 0.7), (x + w // 2, y - h // 2)
    if kind > 0.86:
        edge = radius * 1.1
        box = np.array([-edge, -edge, edge, edge], np.float32) + np.tile(middle, 2)
    if any(not disjoint(box, row) for row in rows):
        return
    first, last = (int(box[0]), int(box[1])), (int(box[2]), int(box[3]))
    ink = rng.integers(0, 256, 3).tolist()
    if kind > 0.86:
        cv2.circle(pixels, middle, radius, (240, 240, 240), -1, cv2.LINE_AA)
        cv2.circle(pixels, middle, radius, (30, 30, 200), max(1, radius // 5), cv2.LINE_AA)
        ink = [20, 20, 20]
    elif kind < 0.14:
        _grille(pixels, first, last, rng)
        return
    elif lines > 1 or kind > 0.32:
        panel = rng.integers(0, 256, 3).tolist()
        if rng.random() < 0.5:  # most are dark on light
            panel, ink = [int(rng.integers(150, 250))] * 3, [int(rng.integers(0, 70))] * 3
        cv2.rectangle(pixels, first, last, panel, -1)
        if rng.random() < 0.3:
            cv2.rectangle(pixels, first, last, ink, max(1, thick // 2))
        if kind < 0.40:  # a sticker, a holder without its plate
            return
    for line in range(lines):
        at = (x, int(y + line * h * 1.6))
        cv2.putText(pixels, word, at, font, scale, ink, thick, cv2.LINE_AA)


def _grille(pixels: Pixels, first: tuple[int, int], last: tuple[int, int], rng: Rng) -> None:
    """Draw slats across, down or both: a grille, a vent, a lamp or a window."""
    dark, bright = rng.integers(0, 90), rng.integers(60, 256)
    cv2.rectangle(pixels, first, last, (int(dark),) * 3, -1)
    directions = ((0,), (1,), (0, 1))[rng.integers(3)]
    for across in directions:
        step = max(2, round((last[across] - first[across]) / rng.uniform(2, 12)))
        thick = max(1, round(step * rng.uniform(0.2, 0.6)))
        for at in range(first[across], last[across] + 1, step):
            begin = (first[0], at) if across else (at, first[1])
            end = (last[0], at) if across else (at, last[1])
            cv2.line(pixels, begin, end, (int(bright),) * 3, thick, cv2.LINE_AA)


def overlay_line(canvas: Pixels, rng: Rng) -> None:
    """Draw the line of date and time that many cameras write into their picture."""
    digits = rng.integers(0, 10, 14)
    d = "".join(str(n) for n in digits)
    text = f"{d[:4]}-{d[4:6]}-{d[6:8]} {d[8:10]}:{d[10:12]}:{d[12:14]}"
    if rng.random() < 0.3:
        text = f"CAM {d[0]} {text}"
    y = int(rng.choice([14, canvas.shape[0] - 6]))
    x = int(rng.uniform(2, canvas.shape[1] * 0.5))
    scale = rng.uniform(0.3, 0.6)
    if rng.random() < 0.5:
        cv2.putText(canvas, text, (x, y), 0, scale, (0, 0, 0), 2, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), 0, scale, (255, 255, 255), 1, cv2.LINE_AA)


def fence(canvas: Pixels, rng: Rng) -> None:
    """Draw bars, wire or mesh between the camera and the road, in place."""
    height, width = canvas.shape[:2]
    step = int(rng.integers(9, 40))
    slant = 0.0 if rng.random() < 0.5 else rng.uniform(0.5, 1.6)
    thick = 1 if slant else int(rng.integers(1, 1 + max(2, step // 8)))
    bright = rng.uniform(20, 220)
    colour = [float(np.clip(bright + rng.normal(0, 12), 0, 255)) for _ in range(3)]
    drawn = canvas.copy()
    for at in range(-round(slant * height), width + round(slant * height), step):
        for lean in (slant, -slant) if slant else (0.0,):
            end = (round(at + lean * height), height)
            cv2.line(drawn, (at, 0), end, colour, thick, cv2.LINE_AA)
    if not slant and rng.random() < 0.4:
        for at in range(0, height, step):
            cv2.line(drawn, (0, at), (width, at), colour, thick, cv2.LINE_AA)
    keep = rng.uniform(0.25, 0.8)
    canvas[:] = cv2.addWeighted(drawn, keep, canvas, 1 - keep, 0)
