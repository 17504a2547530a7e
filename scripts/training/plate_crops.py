"""Real plates for the reader's training: with texts, or read by a teacher.

Photographs with boxes but without texts are read by a teacher, which is any reader of the manifest.
Its text is used where it is certain of every character, and is nearly always right then. The
rendered plates in the same batches keep the network from learning the teacher's errors.

Plates that were cut out already come with a file of their texts.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.domain.imaging import Box, Pixels, PlatePatch
from edge.domain.plate_forms import fits
from edge.domain.plates import ALPHABET
from edge.pipeline.ports import PlateDetector, PlateReader
from scripts.training.errors import DataError
from scripts.training.photos import corrected_boxes, photo_files, read_boxes, tiled

AROUND = 0.35
"""Margin kept around a plate, as a share of its width and height, for random crops."""

SURE_SLOT = 0.9
"""Least probability of each character for the teacher's text to be used."""

SLOTS = 10
"""Longest text of a plate that the reader has places for."""

NARROW = 28.0
"""Plates narrower than this, in pixels, are left out."""

NARROW_BOX, LOW_BOX = 24.0, 8.0
"""The same for boxes without a text, whose characters a teacher need not be certain of, and for
their height."""


COUNTRY_CODES = {
    "AD": "Andorra",
    "AL": "Albania",
    "AT": "Austria",
    "BA": "Bosnia and Herzegovina",
    "BE": "Belgium",
    "BG": "Bulgaria",
    "BY": "Belarus",
    "CH": "Switzerland",
    "CY": "Cyprus",
    "CZ": "Czech Republic",
    "DE": "Germany",
    "DK": "Denmark",
    "EE": "Estonia",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "United Kingdom",
    "GE": "Georgia",
    "GR": "Greece",
    "HR": "Croatia",
    "HU": "Hungary",
    "IE": "Ireland",
    "IS": "Iceland",
    "IT": "Italy",
    "LI": "Liechtenstein",
    "LT": "Lithuania",
    "LU": "Luxembourg",
    "LV": "Latvia",
    "MC": "Monaco",
    "MD": "Moldova",
    "ME": "Montenegro",
    "MK": "North Macedonia",
    "MT": "Malta",
    "NL": "Netherlands",
    "NO": "Norway",
    "PL": "Poland",
    "PT": "Portugal",
    "RO": "Romania",
    "RS": "Serbia",
    "SE": "Sweden",
    "SI": "Slovenia",
    "SK": "Slovakia",
    "SM": "San Marino",
    "TR": "Turkey",
    "UA": "Ukraine",
}
"""Codes of ISO 3166 to the names of the regions."""


@dataclass(frozen=True, slots=True, eq=False)
class RealPlate:
    """A plate with its surroundings.

    `pixels` (h, w, 3) BGR; `inner` x1, y1, x2, y2 of the plate in it; `text` is empty where nobody
    knows it; `region` is the country's name, or None where the teacher is not sure; `answer`
    (slots, alphabet) is what a teacher gives for it (`teacher_answers`), or None.
    """

    photo: str
    pixels: Pixels
    inner: tuple[float, float, float, float]
    text: str
    region: str | None
    answer: npt.NDArray[np.float32] | None = None


def labelled_crops(folder: Path) -> list[RealPlate]:
    """The plates of a folder whose `crops.csv` names picture, box, text and country.

    Its columns are `image,x,y,w,h,plate,country`: the box in pixels of the picture, the country as
    a code of two letters (ISO 3166) or as a name. Pictures without a text are left out. A country
    counts only where the text has one of its forms: some were guessed by a reader.

    Raises:
        DataError: the file or a picture cannot be read, or a value in it is wrong.
    """
    table = folder / "crops.csv"
    found: list[RealPlate] = []
    for line, file, box, text, country in _rows(table):
        if not text or box is None:
            continue
        if len(text) > SLOTS or set(text) - set(ALPHABET):
            raise DataError(
                f"{table}: line {line}: a text has 1 to {SLOTS} of A-Z and 0-9; correct it"
            )
        name = COUNTRY_CODES.get(country, country)
        region = name if fits(text, name) else None
        inner = (box.x1, box.y1, box.x2, box.y2)
        found.append(RealPlate(text, _picture(file, table, line), inner, text, region))
    return found


def boxed_plates(folder: Path) -> list[RealPlate]:
    """The plates without a text of a folder whose `labels.csv` names photographs and boxes.

    Its columns are those of `crops.csv` (`labelled_crops`). Plates that are too small to be read
    are left out.

    Raises:
        DataError: the file or a photograph cannot be read, or a value in it is wrong.
    """
    table = folder / "labels.csv"
    found: list[RealPlate] = []
    for line, file, box, text, _ in _rows(table):
        if text or box is None or box.width < NARROW_BOX or box.height < LOW_BOX:
            continue
        photo = _picture(file, table, line)
        wide = _within(photo, box, AROUND)
        inner = (box.x1 - wide.x1, box.y1 - wide.y1, box.x2 - wide.x1, box.y2 - wide.y1)
        found.append(RealPlate(file.name, _part(photo, wide), inner, "", None))
    return found


def _rows(table: Path) -> Iterator[tuple[int, Path, Box | None, str, str]]:
    """Line number, picture, box (None: the picture shows no plate), text and country."""
    try:
        rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    except OSError as error:
        raise DataError(
            f"{table}: cannot be read ({error.strerror}); name another folder"
        ) from None
    for line, row in enumerate(rows, 2):
        try:
            file, text, country = table.parent / row["image"], row["plate"], row["country"]
            box = None
            if row["x"]:
                x, y, w, h = (float(row[key]) for key in "xywh")
                box = Box(x, y, x + w, y + h)
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"{table}: line {line}: needs image,x,y,w,h,plate,country; correct the line"
            ) from None
        yield line, file, box, text, country


def _picture(file: Path, table: Path, line: int) -> Pixels:
    pixels = cv2.imread(str(file))
    if pixels is None:
        raise DataError(f"{file}: no picture that can be read; remove line {line} of {table}")
    return np.asarray(pixels, np.uint8)


def real_plates(
    folder: Path,
    detector: PlateDetector,
    reader: PlateReader,
    cache: Path,
    tell: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> list[RealPlate]:
    """The plates on the photographs of a folder, with the teacher's texts; kept in `cache`.

    Raises:
        DataError: a photograph or label cannot be used.
    """
    cache.mkdir(parents=True, exist_ok=True)
    files = photo_files(folder)
    found: list[RealPlate] = []
    for done, file in enumerate(files, 1):
        raw = file.read_bytes()
        key = hashlib.sha256(b"crops 1" + raw).hexdigest()[:24]
        note = cache / f"{key}.crops.json"
        if not note.is_file():
            note.write_text(json.dumps(_cut(file, raw, folder, detector, reader, cache, key)))
        for row in json.loads(note.read_text("utf-8")):
            pixels = cv2.imread(str(cache / row["file"]))
            found.append(
                RealPlate(
                    photo=file.name,
                    pixels=np.asarray(pixels, np.uint8),
                    inner=tuple(row["inner"]),
                    text=row["text"],
                    region=row["region"],
                )
            )
        tell(f"{folder.name}: plates", done, len(files))
    return found


def _cut(
    file: Path,
    raw: bytes,
    folder: Path,
    detector: PlateDetector,
    reader: PlateReader,
    cache: Path,
    key: str,
) -> list[dict[str, object]]:
    picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"{file}: no photograph that can be read; remove or replace it")
    pixels = np.asarray(picture, np.uint8)
    height, width = pixels.shape[:2]
    labels = read_boxes(folder / "labels" / f"{file.stem}.txt", width, height)
    seen = tiled(detector, pixels)
    plates, _ = corrected_boxes(labels or None, seen, seen, math.inf)
    rows: list[dict[str, object]] = []
    for number, box in enumerate(plates):
        if box.width < NARROW:
            continue
        tight = _within(pixels, box, 0.08)
        (reading,) = reader.read([PlatePatch(box, 1.0, _part(pixels, tight))])
        best = reading.slots.argmax(1)
        text = "".join(reading.alphabet[i] for i in best).replace(reading.pad, "")
        if reading.slots.max(1).min() < SURE_SLOT or not 2 <= len(text) <= 10:
            continue
        wide = _within(pixels, box, AROUND)
        name = f"{key}-{number}.png"
        cv2.imwrite(str(cache / name), _part(pixels, wide))
        inner = [box.x1 - wide.x1, box.y1 - wide.y1, box.x2 - wide.x1, box.y2 - wide.y1]
        region = reading.region if reading.region_probability > 0.8 else None
        rows.append({"file": name, "inner": inner, "text": text, "region": region})
    return rows


def _within(pixels: Pixels, box: Box, margin: float) -> Box:
    grown = box.grown(
        left=box.width * margin,
        right=box.width * margin,
        top=box.height * margin,
        bottom=box.height * margin,
    )
    clipped = grown.clipped(pixels.shape[1], pixels.shape[0])
    return Box(int(clipped.x1), int(clipped.y1), int(clipped.x2), int(clipped.y2))


def _part(pixels: Pixels, box: Box) -> Pixels:
    return np.ascontiguousarray(pixels[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)])
