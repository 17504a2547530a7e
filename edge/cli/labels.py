"""Labels: CSV files that say which plates are on a recording or photo, checked cell by cell."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from edge.domain.imaging import Box
from edge.domain.plates import PlateFormatError, PlateText
from edge.domain.tracking import edit_distance
from edge.errors import CameraError, ConfigError
from edge.formats.yaml_tree import QUOTABLE

if TYPE_CHECKING:
    from edge.domain.imaging import Pixels

ROUNDING = 1
"""By how many pixels a labelled box may exceed its photo: labelling tools round."""

NO_COUNTRY = "not said"

_NUMBER = re.compile(r"-?[0-9]{1,7}(\.[0-9]{1,6})?")
_COUNTRY = re.compile(r"[A-Za-z]{2,20}")
_PLATE_COLUMNS = ("x", "y", "w", "h", "plate")


@dataclass(frozen=True, slots=True)
class LabelledPlate:
    """One row of the labels: where a plate is, in pixels of the photo, and what is on it."""

    line: int
    box: Box
    plate: PlateText
    country: str
    lines: int | None = None


@dataclass(slots=True)
class LabelledImage:
    """A photo and its plates; `plates` is empty for a photo without one."""

    path: Path
    first_line: int
    plates: list[LabelledPlate] = field(default_factory=list)


def read_table(
    file: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with its header, each with the line it ends on; cells stripped.

    Raises:
        ConfigError: the file cannot be read, its cells are not separated by commas, a column is
            missing, unknown or given twice, or a row has more cells than the header.
    """
    known = [*required, *optional]
    columns, rows = _content(file, known)
    for column in required:
        if column not in columns:
            raise ConfigError(f"{file}:1: the column {column!r} is missing; add it")
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            # A cell of a file without a header stands here, and may be a plate.
            shown = f" {column!r}" if QUOTABLE.fullmatch(column) else ""
            raise ConfigError(f"{file}:1: unknown column{shown}; {hint}")
        if columns.count(column) > 1:
            raise ConfigError(f"{file}:1: the column {column!r} is there twice; keep one")
    found = []
    for line, row in rows:
        if None in row:
            raise ConfigError(f"{file}:{line}: more cells than columns; quote cells with commas")
        found.append((line, {name: (cell or "").strip() for name, cell in row.items()}))
    return found


def _content(
    file: Path, known: Sequence[str]
) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """The columns, and the rows with the line that each ends on.

    Raises:
        ConfigError: the file cannot be read, or is no CSV with commas.
    """
    done = 0
    rows = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            header = opened.readline()
            _require_commas(file, header, known)
            table = csv.DictReader(chain([header], opened), strict=True)
            columns = [name.strip() for name in table.fieldnames or ()]
            table.fieldnames = columns
            done = table.line_num
            for row in table:
                done = table.line_num
                rows.append((done, row))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check --labels") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not CSV in UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise ConfigError(
            f"{file}:{done + 1}: the row that begins here is not CSV ({error}); correct its quotes"
        ) from None
    return columns, rows


def _require_commas(file: Path, header: str, known: Sequence[str]) -> None:
    """Refuse semicolons and tabs, which spreadsheets write where numbers have a decimal comma.

    Such a file is not read: in `612,5` a decimal comma looks like the end of a cell.

    Raises:
        ConfigError: the cells are separated by something else than commas.
    """
    for name, mark in (("semicolons", ";"), ("tabs", "\t")):
        first, found, _ = header.partition(mark)
        if found and first.strip(' "') in known:
            raise ConfigError(
                f"{file}:1: the cells are separated by {name}; separate them with commas, and "
                "write decimals with a point"
            )


def distance(one: PlateText, other: PlateText) -> int:
    """The edit distance between two plates."""
    return edit_distance(one.reveal().encode(), other.reveal().encode())


def photo_below(root: Path, name: str, where: str) -> Path:
    """The photo that a row names.

    Raises:
        ConfigError: it is not below the folder. The message does not repeat its name.
    """
    if not name:
        raise ConfigError(f"{where}: image: empty; name a file below --root")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigError(f"{where}: image: must lie below --root; write a relative path")
    path = root / name
    if not path.is_file():
        raise ConfigError(f"{where}: image: no such file below {root}; check --root")
    return path


def photo_pixels(path: Path, where: str) -> Pixels:
    """The pixels of a labelled photo, shape (height, width, 3), BGR.

    Raises:
        ConfigError: it cannot be read, or is no picture. The message does not repeat its name.
    """
    from edge.adapters.cameras.recordings import read_picture

    try:
        pixels = read_picture(path)
    except CameraError:
        raise ConfigError(
            f"{where}: image: this user may not read it; check its permissions"
        ) from None
    if pixels is None:
        raise ConfigError(
            f"{where}: image: not a readable picture; save it as JPEG or PNG, or remove its rows"
        )
    return pixels


def read_image_labels(labels: Path, root: Path) -> list[LabelledImage]:
    """The labelled photos, in the order of their first rows.

    A row with an empty box and an empty plate means that the photo shows no plate.

    Raises:
        ConfigError: the file, a photo or a column is missing, a column is unknown, or a cell
            is wrong. The message never repeats a photo's name, which often holds the plate.
    """
    found: dict[str, LabelledImage] = {}
    for line, row in read_table(labels, ("image", *_PLATE_COLUMNS), ("country", "lines")):
        where = f"{labels}:{line}"
        name = row["image"]
        if name not in found:
            found[name] = LabelledImage(photo_below(root, name, where), line)
        image = found[name]
        if not any(row[column] for column in _PLATE_COLUMNS):
            continue
        plate = _labelled_plate(row, line, where)
        twin = next((one for one in image.plates if one.box == plate.box), None)
        if twin is not None:
            raise ConfigError(f"{where}: the same box as in line {twin.line}; keep one")
        image.plates.append(plate)
    if not any(image.plates for image in found.values()):
        raise ConfigError(f"{labels}: no labelled plate; add a row for each")
    return list(found.values())


def _labelled_box(row: dict[str, str], where: str) -> Box:
    numbers = {}
    for column in ("x", "y", "w", "h"):
        if not _NUMBER.fullmatch(row[column]):
            raise ConfigError(f"{where}: {column}: not a number of pixels; write one, such as 120")
        numbers[column] = float(row[column])
    x, y, w, h = numbers.values()
    for column, start in (("x", x), ("y", y)):
        if start < -ROUNDING:
            raise ConfigError(f"{where}: {column}: below 0, outside the image; correct the box")
    for column, length in (("w", w), ("h", h)):
        if length <= 0:
            raise ConfigError(f"{where}: {column}: must be above 0; correct the box")
        if length <= 1:
            raise ConfigError(
                f"{where}: {column}: at most one pixel; write pixels, not fractions of the photo"
            )
    return Box(x, y, x + w, y + h)


def _labelled_plate(row: dict[str, str], line: int, where: str) -> LabelledPlate:
    box = _labelled_box(row, where)
    try:
        plate = PlateText.parse(row["plate"])
    except PlateFormatError as error:
        raise ConfigError(f"{where}: plate: {error}; correct it") from None
    country = row.get("country", "")
    if country and not _COUNTRY.fullmatch(country):
        raise ConfigError(f"{where}: country: not 2 to 20 letters; write a code such as BE")
    lines = row.get("lines", "")
    if lines and lines not in ("1", "2", "3"):
        raise ConfigError(f"{where}: lines: not 1, 2 or 3; write the plate's lines of text")
    return LabelledPlate(
        line,
        box,
        plate,
        country.upper() or NO_COUNTRY,
        int(lines) if lines else None,
    )


def require_inside(image: LabelledImage, width: int, height: int, labels: Path) -> None:
    """Refuse a box that exceeds its photo by more than rounding.

    Raises:
        ConfigError: a box exceeds it.
    """
    for plate in image.plates:
        if plate.box.x2 > width + ROUNDING or plate.box.y2 > height + ROUNDING:
            side = "x + w" if plate.box.x2 > width + ROUNDING else "y + h"
            raise ConfigError(
                f"{labels}:{plate.line}: {side}: the box leaves the image, which is {width} by "
                f"{height} pixels; correct the box (pixels, from the top left)"
            )
