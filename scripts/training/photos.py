"""Photographs for the detector's training: boxes corrected by a teacher, and plates erased.

A folder of training photographs has `images/` and `labels/`. A label file has a line
`class x y width height` for each plate, in fractions (the format of YOLO trainers). Or it has a
`labels.csv` with the columns `image,x,y,w,h`, in pixels. A folder without either is unlabelled: its
boxes come from the teacher.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Detection, Pixels
from edge.pipeline.ports import PlateDetector
from scripts.training.errors import DataError

LONGEST_SIDE = 704
"""Longest side of a stored photograph in pixels: a network's input uses no more."""

LABELLED = 80
"""In a labelled photograph of that size, every plate this wide, in pixels, has a label."""

SURE, MAYBE, SAME = 0.55, 0.2, 0.4
"""Score from which the teacher's box is a plate; score from which it counts neither as plate nor as
background; and IoU from which its box and a label mean the same plate."""

VALIDATION_SHARE = 12
"""One photograph in so many is in the validation set, which thresholds are chosen on."""

GREY = 114
"""Grey level around a picture that does not fill the input."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photograph with its plates, and the same without them.

    `plates` (n, 4) and `unsure` (m, 4): x1, y1, x2, y2 in pixels; `unsure` has regions that may be
    a plate. `erased` shows neither.
    """

    name: str
    pixels: Pixels
    erased: Pixels
    plates: npt.NDArray[np.float32]
    unsure: npt.NDArray[np.float32]


def in_validation_set(name: str) -> bool:
    """Whether a photograph with this file name belongs to the validation set, in every training."""
    return zlib.crc32(name.encode()) % VALIDATION_SHARE == 0


def views(photo: Photo) -> list[Photo]:
    """Four views of a photograph: as it is, mirrored, and two from further away."""
    return [
        photo,
        _mirrored(photo),
        _further_away(photo, 0.6),
        _mirrored(_further_away(photo, 0.45)),
    ]


def _mirrored(photo: Photo) -> Photo:
    width = photo.pixels.shape[1]
    turned = np.array([-1, 1, -1, 1], np.float32)
    shift = np.array([width, 0, width, 0], np.float32)
    order = [2, 1, 0, 3]
    return replace(
        photo,
        pixels=np.ascontiguousarray(photo.pixels[:, ::-1]),
        erased=np.ascontiguousarray(photo.erased[:, ::-1]),
        plates=(photo.plates * turned + shift)[:, order],
        unsure=(photo.unsure * turned + shift)[:, order],
    )


def _further_away(photo: Photo, share: float) -> Photo:
    """The photograph in this share of the picture's width; the rest is grey."""
    room = int(photo.pixels.shape[1] / share) - photo.pixels.shape[1]

    def beside(pixels: Pixels) -> Pixels:
        return np.asarray(
            cv2.copyMakeBorder(pixels, 0, 0, 0, room, cv2.BORDER_CONSTANT, value=(GREY,) * 3),
            np.uint8,
        )

    return replace(photo, pixels=beside(photo.pixels), erased=beside(photo.erased))


def photo_files(folder: Path) -> list[Path]:
    """The photographs of a training folder, by name.

    Raises:
        DataError: there is no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name one with photographs")
    images = folder / "images" if (folder / "images").is_dir() else folder
    found = sorted(p for p in images.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{images}: no photographs ({', '.join(SUFFIXES)}); name another folder")
    return found


def read_boxes(file: Path, width: int, height: int) -> list[Box]:
    """The boxes of a label file, in pixels; none if there is no such file.

    Raises:
        DataError: a line is no label, or its box lies outside the photograph.
    """
    if not file.is_file():
        return []
    boxes = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            _, x, y, w, h = (float(part) for part in line.split())
        except ValueError:
            raise DataError(
                f"{file}:{number}: not `class x y width height`; correct the line"
            ) from None
        box = Box(
            (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
        )
        inside = box.clipped(width, height)
        if inside.area <= 0.5 * box.area or box.area <= 0:
            raise DataError(f"{file}:{number}: the box lies outside the photograph; correct it")
        boxes.append(inside)
    return boxes


def table_boxes(folder: Path) -> dict[Path, list[Box]] | None:
    """The boxes of a folder's `labels.csv`, in pixels, by photograph; None if there is none.

    A row without a box says that the photograph shows no plate.

    Raises:
        DataError: a column is missing, or a box is no box.
    """
    table = folder / "labels.csv"
    if not table.is_file():
        return None
    boxes: dict[Path, list[Box]] = {}
    with table.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            try:
                of_photo = boxes.setdefault(folder / row["image"], [])
                if row["w"]:
                    x, y, w, h = (float(row[key]) for key in "xywh")
                    of_photo.append(Box(x, y, x + w, y + h))
            except (KeyError, TypeError, ValueError):
                raise DataError(f"{table}: needs the columns image,x,y,w,h; correct it") from None
    return boxes


def corrected_boxes(
    labels: Sequence[Box] | None,
    seen: Sequence[Detection],
    at_once: Sequence[Detection],
    wide: float,
) -> tuple[list[Box], list[Box]]:
    """Plates and doubtful regions, from labels and a teacher's detections.

    Where a label and a teacher's box mean the same plate, the smaller one is used: a label that was
    turned with its photograph is too large, and so is a box around a frame. A detection without a
    label is doubtful: it may be an unlabelled plate or a badge. If it is large and found in an
    enlarged part only, it is background: people label large plates, and these detections were door
    handles and lamps. In photographs without labels, a detection is a plate if the teacher is
    certain of it in an enlarged part and also finds it in the whole photograph.

    Args:
        labels: boxes drawn by people; None for an unlabelled photograph.
        seen: the teacher's detections in enlarged parts.
        at_once: the teacher's detections in the whole photograph.
        wide: width in pixels from which people label every plate.
    """
    plates: list[Box] = []
    left = list(seen)
    for label in labels or ():
        best = max(left, key=lambda d: d.box.iou(label), default=None)
        if best is not None and best.box.iou(label) >= SAME and best.score >= MAYBE:
            left.remove(best)
            tighter = best.score >= SURE and best.box.area < label.area
            plates.append(best.box if tighter else label)
        else:
            plates.append(label)
    unsure = []
    for detection in left:
        box = detection.box
        again = max((d.score for d in at_once if d.box.iou(box) >= SAME), default=0.0)
        if labels is None and detection.score >= SURE and again >= MAYBE:
            plates.append(box)
        elif detection.score >= MAYBE and (labels is None or again >= MAYBE or box.width < wide):
            unsure.append(box)
    return plates, unsure


def tiled(detector: PlateDetector, pixels: Pixels) -> list[Detection]:
    """Detections in a photograph and in its enlarged, overlapping quarters."""
    from edge.adapters.models.second_look import SecondLook  # noqa: PLC0415
    from edge.site.settings import Tiles  # noqa: PLC0415

    look = SecondLook(detector, Tiles(mode="tiles", columns=2, rows=2, overlap=0.25))
    return list(look.detect(pixels))


def load_photos(
    folder: Path,
    teacher: PlateDetector | None,
    cache: Path,
    tell: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> list[Photo]:
    """All photographs of a folder; results of slow steps are kept in `cache`.

    Raises:
        DataError: a photograph or label cannot be used.
    """
    table = table_boxes(folder)
    files = photo_files(folder) if table is None else sorted(table)

    def labels(file: Path, width: int, height: int) -> list[Box] | None:
        if table is not None:
            return [box.clipped(width, height) for box in table[file]]
        if not (folder / "labels").is_dir():
            return None
        return read_boxes(folder / "labels" / f"{file.stem}.txt", width, height)

    return list(_photos(folder.name, files, labels, teacher, cache, tell))


def _photos(
    name: str,
    files: list[Path],
    labels_of: Callable[[Path, int, int], list[Box] | None],
    teacher: PlateDetector | None,
    cache: Path,
    tell: Callable[[str, int, int], None],
) -> Iterator[Photo]:
    cache.mkdir(parents=True, exist_ok=True)
    for done, file in enumerate(files, 1):
        try:
            raw = file.read_bytes()
        except OSError as error:
            why = f"not readable ({error.strerror}); correct the labels"
            raise DataError(f"{file}: {why}") from None
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise DataError(f"{file}: no photograph that can be read; remove or replace it")
        full_height, full_width = pixels.shape[:2]
        labels = labels_of(file, full_width, full_height)
        kind = f"{LONGEST_SIDE} {teacher is not None} people first {labels}".encode()
        key = hashlib.sha256(raw + kind).hexdigest()[:24]
        kept, erased_file = cache / f"{key}.json", cache / f"{key}.png"
        scale = min(1.0, LONGEST_SIDE / max(full_height, full_width))
        size = (max(1, round(full_width * scale)), max(1, round(full_height * scale)))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        if kept.is_file() and erased_file.is_file():
            found = json.loads(kept.read_text("utf-8"))
            erased = cv2.imread(str(erased_file))
        else:
            plates, unsure = labels or [], list[Box]()
            if teacher is not None:
                whole = np.asarray(pixels, np.uint8)
                seen, at_once = tiled(teacher, whole), teacher.detect(whole)
                plates, unsure = corrected_boxes(labels, seen, at_once, LABELLED / scale)
            found = {
                name: [[v * scale for v in (b.x1, b.y1, b.x2, b.y2)] for b in boxes]
                for name, boxes in (("plates", plates), ("unsure", unsure))
            }
            erased = without_plates(small, [*found["plates"], *found["unsure"]])
            cv2.imwrite(str(erased_file), erased)
            kept.write_text(json.dumps(found), "utf-8")
        tell(name, done, len(files))
        yield Photo(
            name=file.name,
            pixels=small,
            erased=np.asarray(erased, np.uint8),
            plates=np.array(found["plates"], np.float32).reshape(-1, 4),
            unsure=np.array(found["unsure"], np.float32).reshape(-1, 4),
        )


def without_plates(pixels: Pixels, boxes: Sequence[Sequence[float]]) -> Pixels:
    """The picture with each box filled from its surroundings (inpainting, Telea 2004)."""
    if not boxes:
        return np.array(pixels)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    for x1, y1, x2, y2 in boxes:
        mx, my = 0.06 * (x2 - x1) + 1, 0.10 * (y2 - y1) + 1
        cv2.rectangle(mask, (int(x1 - mx), int(y1 - my)), (int(x2 + mx), int(y2 + my)), 255, -1)
    return np.asarray(cv2.inpaint(pixels, mask, 5, cv2.INPAINT_TELEA), np.uint8)
