"""Templates: a site folder in which `$(name)` stands where each box has its own value.

A place is a value of `policy.yaml` or `site.yaml`, or a part of one. `$(site)` and `$(box)` are the
ids of the inventory. What is filled in is always one value: it cannot add a field or a line. A
value in quotes becomes text; one without quotes becomes a number if it is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from edge.fleet.inventory import InventoryBox
from edge.formats.problems import Location, Problem, refuse
from edge.formats.yaml_document import MAX_BYTES, read_text
from edge.formats.yaml_tree import read_tree
from edge.policy.signatures import SIGNATURES_FILE
from edge.site.folder import POLICY_FILE, SITE_FILE

PLACE: Final = re.compile(r"\$\(([a-z][a-z0-9_]{0,39})\)")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,8}")
FILLED: Final = (POLICY_FILE, SITE_FILE)


@dataclass(frozen=True, slots=True)
class _Place:
    """A scalar with places in it: its bounds in the text, and where it is."""

    start: int
    end: int
    line: int
    column: int
    at: Location
    content: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """A file of a template, and its places."""

    file: Path
    text: str
    _places: tuple[_Place, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of its places."""
        return frozenset(name for one in self._places for name in PLACE.findall(one.content))

    def filled(self, values: dict[str, str], box: str) -> str:
        """The text with a box's values; without places it is the same, byte for byte.

        Raises:
            ConfigError: a place has no value; one line for each.
        """
        problems = [
            Problem(
                self.file,
                one.line,
                one.column,
                one.at,
                f"box {box} has no value {name} for this place; add it to the inventory",
            )
            for one in self._places
            for name in PLACE.findall(one.content)
            if name not in values
        ]
        refuse(problems)
        parts, done = [], 0
        for one in sorted(self._places, key=lambda place: place.start):
            value = PLACE.sub(lambda found: values[found[1]], one.content)
            bare = not one.quoted and _NUMBER.fullmatch(value)
            told = value if bare else json.dumps(value, ensure_ascii=False)
            parts += [self.text[done : one.start], told]
            done = one.end
        return "".join((*parts, self.text[done:]))


@dataclass(frozen=True, slots=True)
class Template:
    """A template's folder, with the files that have places."""

    folder: Path
    files: tuple[TemplateFile, ...]

    @property
    def places(self) -> frozenset[str]:
        """The names of all places."""
        return frozenset().union(*(one.names for one in self.files))

    def values(self, box: InventoryBox, inventory: Path) -> dict[str, str]:
        """A box's values by name, with its ids.

        Raises:
            ConfigError: it has a value for which the template has no place.
        """
        refuse(
            Problem(
                inventory,
                box.line,
                1,
                (name,),
                f"template {box.template} has no place $({name}) for this value of box {box.name}; "
                "remove the value, or correct its name",
            )
            for name in sorted(box.values)
            if name not in self.places or name in {"site", "box"}
        )
        return {**box.values, "site": box.site, "box": box.box}

    def fixed_files(self) -> Iterator[Path]:
        """The files that every box gets as they are: the assessment, pictures, public keys."""
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.suffix in {".md", ".txt", ".pdf", ".docx", ".odt", ".jpg"}:
                yield path
        yield from sorted((self.folder / "keys").glob("*.public.json"))

    @property
    def signatures(self) -> Path:
        """The signatures of its policy; they may be missing."""
        return self.folder / SIGNATURES_FILE


def read_template(folder: Path) -> Template:
    """Read a template.

    Raises:
        ConfigError: a file is missing, is not YAML, or has a place where none can be.
    """
    return Template(folder, tuple(_read(folder / name) for name in FILLED))


def has_places(file: Path) -> bool:
    """Whether a file is one of a template, so that no box runs with it as it is.

    Raises:
        ConfigError: it is not YAML, or has a place where none can be.
    """
    return bool(_read(file).names)


def _read(file: Path) -> TemplateFile:
    text = read_text(file, MAX_BYTES)
    root, _ = read_tree(text, file)
    problems: list[Problem] = []
    places = tuple(_places(root, (), file, problems))
    refuse(problems)
    return TemplateFile(file, text, places)


def _places(node: Node, at: Location, file: Path, problems: list[Problem]) -> Iterator[_Place]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if PLACE.search(str(key.value)):
                told = "a place $(…) can be a value only, not a name; write the name out"
                mark = key.start_mark
                problems.append(Problem(file, mark.line + 1, mark.column + 1, at, told))
            yield from _places(value, (*at, str(key.value)), file, problems)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _places(item, (*at, index), file, problems)
    elif isinstance(node, ScalarNode) and PLACE.search(node.value):
        start, end = node.start_mark, node.end_mark
        if node.style in {"|", ">"}:
            told = "a place $(…) cannot be in a text of several lines; write the text in quotes"
            problems.append(Problem(file, start.line + 1, start.column + 1, at, told))
            return
        quoted = node.style in {'"', "'"}
        yield _Place(
            start.index, end.index, start.line + 1, start.column + 1, at, node.value, quoted
        )
