"""The inventory: which boxes there are, from which template, and the values of each.

schema: edge-anpr/inventory/1                 # inventory.yaml
boxes:
  - {site: school-street, box: box-1, template: street, values: {camera_host: 192.0.2.10}}

site,box,template,camera_host                 # inventory.csv: further columns are values
school-street,box-1,street,192.0.2.10         # semicolons in place of commas do too
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from edge.adapters.broker.topics import BoxTopics
from edge.errors import ConfigError
from edge.formats.enrolment import box_name
from edge.formats.identifiers import ID_PATTERN, Id
from edge.formats.plurals import quantity
from edge.formats.problems import Location, MistakesError, Problem, nearest, refuse
from edge.formats.strict import Strict
from edge.formats.visible import unseen_at
from edge.formats.yaml_document import read_document, read_text

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_BOXES: Final = 10_000

_VALUE_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
ValueName = Annotated[str, Field(pattern=_VALUE_NAME)]
Value = Annotated[str, Field(min_length=1, max_length=500)]

_COLUMNS: Final = ("site", "box", "template")


class _YamlBox(Strict):
    site: Id
    box: Id
    template: Id
    values: dict[ValueName, Value | int] = Field(default_factory=dict)


class _YamlInventory(Strict):
    schema_: Literal["edge-anpr/inventory/1"] = Field(alias="schema")
    boxes: tuple[_YamlBox, ...] = Field(max_length=MAX_BOXES)


@dataclass(frozen=True, slots=True)
class InventoryBox:
    """One box of the inventory; `line` is where it stands in the file."""

    site: str
    box: str
    template: str
    values: Mapping[str, str] = field(default_factory=dict)
    line: int = 1

    @property
    def name(self) -> str:
        """`site.box`, as commands and certificates name it."""
        return box_name(self.site, self.box)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The boxes of a fleet, by name."""

    file: Path
    boxes: Mapping[str, InventoryBox]

    def box(self, name: str) -> InventoryBox:
        """One box.

        Raises:
            ConfigError: the inventory has none of this name.
        """
        found = self.boxes.get(name)
        if found is None:
            # Anything else that was typed here by mistake may be a plate.
            shown = (
                name if re.fullmatch(r"[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}", name) else "of this name"
            )
            similar = nearest(name, self.boxes)
            hint = f"; do you mean {similar}?" if similar else ""
            raise ConfigError(f"{self.file}: no box {shown}; write SITE.BOX as listed there{hint}")
        return found


def read_inventory(file: Path, templates: Path) -> Inventory:
    """Read an inventory.

    Args:
        file: `.yaml` or `.csv`.
        templates: the folder of templates, of which each box names one.

    Raises:
        ConfigError: it cannot be read; or every mistake with its line, field and cure: duplicate
            boxes, a name that topics use, an unknown template, a wrong value.
    """
    rows = _csv_rows(file) if file.suffix == ".csv" else _yaml_rows(file)
    problems: list[Problem] = []
    found: dict[str, InventoryBox] = {}
    known = {path.name for path in templates.iterdir()} if templates.is_dir() else set()
    for index, one in enumerate(rows):
        before = found.get(one.name)
        if before is not None:
            told = f"box {one.name} stands in line {before.line} already; remove one of them"
            problems.append(_problem(file, one, ("boxes", index, "box"), told))
            continue
        found[one.name] = one
        try:
            BoxTopics(one.site, one.box, cameras=frozenset())
        except ConfigError as error:
            problems.append(_problem(file, one, ("boxes", index), error.message))
        if one.template not in known:
            similar = nearest(one.template, known)
            hint = f"; do you mean {similar}?" if similar else f"; make {templates / one.template}"
            told = f"no template {one.template}{hint}"
            problems.append(_problem(file, one, ("boxes", index, "template"), told))
    refuse(problems)
    return Inventory(file, found)


def _problem(file: Path, one: InventoryBox, at: Location, told: str) -> Problem:
    return Problem(file, one.line, 1, at, told)


def _yaml_rows(file: Path) -> Iterator[InventoryBox]:
    document = read_document(file, _YamlInventory)
    for index, one in enumerate(document.model.boxes):
        line = document.problem(("boxes", index), "").line
        values = {name: str(value) for name, value in one.values.items()}
        yield InventoryBox(one.site, one.box, one.template, values, line)


def _csv_rows(file: Path) -> Sequence[InventoryBox]:
    text = read_text(file, MAX_BYTES)
    unseen = unseen_at(text)
    if unseen is not None:
        line = text.count("\n", 0, unseen) + 1
        raise ConfigError(f"{file}:{line}: a character that cannot be seen; remove it")
    first = text.partition("\n")[0]
    between = ";" if ";" in first and "," not in first else ","
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    problems: list[Problem] = []
    rows: list[InventoryBox] = []
    try:
        header = [one.strip() for one in next(lines, [])]
        _require_header(file, header)
        for cells in lines:
            if not any(one.strip() for one in cells):
                continue
            row = _csv_row(file, lines.line_num, header, cells, problems)
            if row is not None:
                rows.append(row)
    except csv.Error as error:
        raise ConfigError(
            f"{file}:{lines.line_num}: not CSV ({error}); separate the columns by commas, and "
            "write a value with a comma or a quote in quotes"
        ) from None
    if len(rows) > MAX_BOXES:
        raise ConfigError(f"{file}: more than {MAX_BOXES} boxes; make several fleets")
    refuse(problems)
    return rows


def _require_header(file: Path, header: Sequence[str]) -> None:
    wanted = [name for name in _COLUMNS if name not in header]
    wrong = [name for name in header if not re.fullmatch(_VALUE_NAME, name)]
    twice = [name for name in header if header.count(name) > 1]
    told = (
        f"column {wanted[0]} is missing; the first line must name the columns, separated by commas "
        "or semicolons"
        if wanted
        else "the name of a column must be small letters, digits and '_'; correct it"
        if wrong
        else f"column {twice[0]} stands twice; remove one"
        if twice
        else None
    )
    if told is not None:
        raise MistakesError([Problem(file, 1, 1, (), told)])


def _csv_row(
    file: Path, line: int, header: Sequence[str], cells: Sequence[str], problems: list[Problem]
) -> InventoryBox | None:
    """A row, or None after its mistakes were added to `problems`."""
    if len(cells) != len(header):
        told = (
            f"{quantity(len(cells), 'value')} for {quantity(len(header), 'column')}; "
            "write one for each, or leave it empty"
        )
        problems.append(Problem(file, line, 1, (), told))
        return None
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    before = len(problems)
    for name, cell in row.items():
        if name in _COLUMNS and not re.fullmatch(ID_PATTERN, cell):
            problems.append(
                Problem(file, line, 1, (name,), "use 1 to 40 of a-z, 0-9 and '-'; correct it")
            )
        elif len(cell) > 500:
            problems.append(Problem(file, line, 1, (name,), "longer than 500 characters"))
    if len(problems) > before:
        return None
    values = {name: cell for name, cell in row.items() if name not in _COLUMNS and cell}
    return InventoryBox(row["site"], row["box"], row["template"], values, line)
