"""YAML files that people write: every error names file, line, column, field and cure.

`formats.yaml_tree` defines which part of YAML is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError, create_model
from yaml.nodes import Node, ScalarNode

from edge.errors import ConfigError
from edge.formats.model_problems import rejections
from edge.formats.problems import Location, MistakesError, Problem
from edge.formats.regular_files import open_regular_file
from edge.formats.yaml_tree import pairs_of, problem_at, read_tree

MAX_BYTES = 256 * 1024

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A parsed file: its model, and the line and column of every field."""

    file: Path
    model: Model
    _root: Node

    def problem(self, location: Location, message: str) -> Problem:
        """A problem with a field of this document."""
        return problem_at(self.file, self._root, location, message)


def read_document(file: Path, model: type[Model]) -> Document[Model]:
    """Read a YAML file into a model.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or does not fit the model; one line
            for each problem.
    """
    return parse_document(read_text(file, MAX_BYTES), file, model)


def read_text(file: Path, max_bytes: int) -> str:
    """The text of a small UTF-8 file, without a byte order mark.

    Raises:
        ConfigError: not a regular file, unreadable, too large, or another encoding.
    """
    content = read_bytes(file, max_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8 text; save it as UTF-8") from None


def read_text_if_any(file: Path, max_bytes: int) -> str | None:
    """The text of a small file; None if there is none, even if it was deleted just now.

    Raises:
        ConfigError: as `read_text`.
    """
    try:
        return read_text(file, max_bytes)
    except ConfigError:
        if _is_missing(file):
            return None
        raise


def _is_missing(file: Path) -> bool:
    try:
        file.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def read_bytes(file: Path, max_bytes: int) -> bytes:
    """The content of a small file.

    Raises:
        ConfigError: not a regular file, unreadable, or too large.
    """
    try:
        if file.parent.is_file():
            raise ConfigError(f"{file.parent}: a file; give the folder in which {file.name} lies")
        if not file.exists():
            raise ConfigError(f"{file}: no such file; create it or correct the path")
        if not file.is_file():
            kind = "a folder, not a regular file" if file.is_dir() else "not a regular file"
            raise ConfigError(f"{file}: {kind}; give the path of a file")
        with open_regular_file(file) as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{file}: cannot be read ({reason}); check path and permissions"
        ) from None
    if len(content) > max_bytes:
        raise ConfigError(f"{file}: larger than {max_bytes // 1024} KiB; is it the right file?")
    return content


def parse_document(text: str, file: Path, model: type[Model]) -> Document[Model]:
    """Turn YAML text into a model; `file` is only named in errors.

    Raises:
        ConfigError: the text is not YAML or does not fit the model; one line for each problem.
    """
    root, tree = read_tree(text, file)
    try:
        # Validated as JSON, which is strict: it converts only text to dates and lists to tuples.
        parsed = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        raise MistakesError(rejections(file, root, error, model)) from None
    return Document(file, parsed, root)


@dataclass(frozen=True, slots=True)
class Draft(Generic[Model]):
    """An incomplete file: the fields that fit the model, and the problems of the others.

    `part` has those attributes of the model only that are in `fields`.
    """

    file: Path
    part: Model
    fields: frozenset[str]
    problems: tuple[Problem, ...]
    _root: Node

    def problem(self, location: Location, message: str) -> Problem:
        """A problem with a field of this document."""
        return problem_at(self.file, self._root, location, message)

    def names(self, location: Location) -> tuple[str, ...]:
        """The keys that the file has at a location; empty if there is no mapping."""
        node = self._root
        for step in location:
            pairs = pairs_of(node)
            if step not in pairs:
                return ()
            node = pairs[step][1]
        return tuple(name for name in pairs_of(node) if isinstance(name, str))

    def text(self, location: Location) -> str:
        """The single value that the file has at a location; empty if there is none."""
        node = self._root
        for step in location:
            pairs = pairs_of(node)
            if step not in pairs:
                return ""
            node = pairs[step][1]
        return str(node.value) if isinstance(node, ScalarNode) else ""


def parse_draft(text: str, file: Path, model: type[Model]) -> Draft[Model]:
    """Read a file that may be incomplete, or empty.

    Raises:
        ConfigError: the text is not YAML, or not a mapping.
    """
    root, tree = read_tree(text, file, empty_is_mapping=True)
    if not isinstance(tree, dict):
        raise MistakesError([problem_at(file, root, (), "must hold keys with values")])
    try:
        whole = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        problems = rejections(file, root, error, model)
        bad = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    else:
        return Draft(file, whole, frozenset(model.model_fields), (), root)
    good = {
        name: field
        for name, field in model.model_fields.items()
        if (field.alias or name) in tree and (field.alias or name) not in bad
    }
    definitions: dict[str, Any] = {name: (field.annotation, field) for name, field in good.items()}
    kept = {key: value for key, value in tree.items() if key in _aliases(good)}
    some = create_model("Part", __config__=model.model_config, **definitions)
    values = some.model_validate_json(json.dumps(kept), strict=True)
    part = model.model_construct(**{name: getattr(values, name) for name in good})
    by_default = {
        name
        for name, field in model.model_fields.items()
        if not field.is_required() and (field.alias or name) not in tree
    }
    return Draft(file, part, frozenset(good) | by_default, tuple(problems), root)


def _aliases(fields: Mapping[str, Any]) -> set[str]:
    return {field.alias or name for name, field in fields.items()}
