"""YAML files that people write: every complaint names file, line, column, field and cure.

A small part of YAML 1.2 is read: mappings with text keys, sequences, and scalars after the
core schema (`true`, `12`, `0.5`, `null`; anything else is text, so `no` is a word and not a
boolean). Anchors, aliases, tags, merge keys, a second document and a key given twice are
refused: they have no use here and much room for surprise.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from edge.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_PROBLEMS = 20

Location = tuple[int | str, ...]
"""Where a field is: keys and indices from the top."""

Tree = Mapping[str, "Tree"] | Sequence["Tree"] | str | int | float | bool | None
Model = TypeVar("Model", bound=BaseModel)

_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,2})?")
# Line breaks and tabs apart, nothing that cannot be seen.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# What an error may repeat of a key: a plate in the wrong place must not get into a log.
_QUOTABLE = re.compile(r"[a-zA-Z_]{1,40}")
_SHOWN_IN_PATH = re.compile(r"[a-z0-9_-]{1,40}")

_INLINE_CREDENTIAL = (
    "a password does not belong in a file that is copied and committed; take it out and give "
    "password_env: NAME or password_file: PATH"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about one field of one file; line and column count from 1."""

    file: Path
    line: int
    column: int
    location: Location
    message: str

    def __str__(self) -> str:
        field = _path(self.location)
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {field}: {self.message}" if field else f"{where}: {self.message}"


class MistakesError(ConfigError):
    """Every complaint about one or several files: a line each, at most `MAX_PROBLEMS` shown."""

    def __init__(self, lines: Iterable[str], *, code: str | None = None) -> None:
        self.lines = tuple(lines)
        shown = self.lines[:MAX_PROBLEMS]
        more = len(self.lines) - len(shown)
        rest = (f"and {more} more; mend these first",) if more > 0 else ()
        super().__init__("\n".join((*shown, *rest)), code=code)


def refuse(problems: Iterable[Problem | str], *, code: str | None = None) -> None:
    """Raise if there is a problem.

    Raises:
        MistakesError: all of them.
    """
    lines = [str(problem) for problem in problems]
    if lines:
        raise MistakesError(lines, code=code)


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A file that has become a model, and that still knows where everything stood."""

    file: Path
    model: Model
    _root: Node

    def problem(self, location: Location, message: str) -> Problem:
        """A complaint about a field of this document."""
        return _problem(self.file, self._root, location, message)


def read_document(file: Path, model: type[Model]) -> Document[Model]:
    """Read a YAML file into a model.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or does not fit the model; one line
            for each problem.
    """
    return parse_document(read_text(file, MAX_BYTES), file, model)


def read_text(file: Path, max_bytes: int) -> str:
    """The text of a small UTF-8 file, byte order mark stripped.

    Raises:
        ConfigError: not a regular file, unreadable, too large, or another encoding.
    """
    try:
        if not file.exists():
            raise ConfigError(f"{file}: no such file; create it or correct the path")
        if not file.is_file():
            raise ConfigError(f"{file}: not a regular file; give the path of a file")
        with file.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{file}: cannot be read ({reason}); check path and rights") from None
    if len(content) > max_bytes:
        raise ConfigError(f"{file}: larger than {max_bytes // 1024} KiB; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8 text; save it as UTF-8") from None


def parse_document(text: str, file: Path, model: type[Model]) -> Document[Model]:
    """Turn YAML text into a model; `file` is only named in complaints.

    Raises:
        ConfigError: the text is no YAML or does not fit the model; one line for each problem.
    """
    root = _compose(text, file)
    problems: list[Problem] = []
    tree = _plain(root, file, (), problems)
    refuse(problems)
    try:
        # JSON is the stricter door: no coercion, but text for dates and lists for tuples.
        parsed = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise MistakesError(
            [str(_rejection(file, root, detail, model)) for detail in details]
        ) from None
    return Document(file, parsed, root)


class _UnwantedError(Exception):
    """Something that YAML allows and these files do not; line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes and refuses what has no place in a configuration file."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refuse(event, "anchors (&) and aliases (*) are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, "tags (!) are not read; quote the text or leave the tag out")
        if self.depth >= MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} deep; is it the right file?")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    @staticmethod
    def _refuse(event: yaml.Event, message: str) -> None:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise _UnwantedError(message, line, column)


def _compose(text: str, file: Path) -> Node:
    # Errors of the library quote the text around them, hence `from None` throughout.
    try:
        loader = _StrictLoader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except _UnwantedError as error:
        raise MistakesError(
            [str(Problem(file, error.line, error.column, (), error.message))]
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        message = f"not YAML: {error.problem}; correct it"
        if "single document" in (error.context or ""):
            message = "a second document begins here (---); one file holds one"
        raise MistakesError([str(Problem(file, line, column, (), message))]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = "a character that cannot be seen; remove it"
        raise MistakesError([str(Problem(file, line, column, (), message))]) from None
    except (ValueError, OverflowError):  # escapes and versions beyond all bounds
        message = "not YAML: a number or an escape that is out of bounds; correct it"
        raise MistakesError([str(Problem(file, 1, 1, (), message))]) from None
    if root is None:
        raise ConfigError(f"{file}: empty; `edge-anpr schema` shows what belongs in it")
    return root


def _plain(node: Node, file: Path, location: Location, problems: list[Problem]) -> Tree:
    """The node as plain values; what cannot become one is added to `problems`."""

    def complain(at: Node, where: Location, message: str) -> None:
        mark = at.start_mark
        problems.append(Problem(file, mark.line + 1, mark.column + 1, where, message))

    if isinstance(node, MappingNode):
        mapping: dict[str, Tree] = {}
        for key_node, value in node.value:
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or _UNPRINTABLE.search(key):
                complain(key_node, location, "a key must be plain text")
            elif key in mapping:
                shown = (key,) if _QUOTABLE.fullmatch(key) else ()
                complain(key_node, (*location, *shown), "this key is given twice; keep one")
            else:
                mapping[key] = _plain(value, file, (*location, key), problems)
        return mapping
    if isinstance(node, SequenceNode):
        return [
            _plain(item, file, (*location, index), problems)
            for index, item in enumerate(node.value)
        ]
    if _UNPRINTABLE.search(node.value):
        complain(node, location, "holds a character that cannot be seen; remove it")
    return _scalar(node)


def _scalar(node: Node) -> Tree:
    """A scalar after the core schema of YAML 1.2, less octal, hexadecimal, inf and nan."""
    text = str(node.value)
    if not isinstance(node, ScalarNode) or node.style is not None:
        return text
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


def _rejection(file: Path, root: Node, detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    problem = _problem(file, root, detail["loc"], _explain(detail, model))
    if detail["type"] == "extra_forbidden" and not _QUOTABLE.fullmatch(str(detail["loc"][-1])):
        return replace(problem, location=problem.location[:-1])
    return problem


def _problem(file: Path, root: Node, location: Sequence[int | str], message: str) -> Problem:
    """Find where a location stands; union tags in it, which the file does not hold, are left out.

    A field that is missing is reported where its parent begins.
    """
    node, mark, shown = root, root.start_mark, []
    for step in location:
        if isinstance(node, MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if step in pairs:
                key, node = pairs[step]
                mark = key.start_mark
                shown.append(step)
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
            shown.append(step)
    return Problem(file, mark.line + 1, mark.column + 1, tuple(shown), message)


def _path(location: Location) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + (step if _SHOWN_IN_PATH.fullmatch(step) else "…")
    return path


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong and what to write instead, in one line; never repeats a value."""
    kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return _INLINE_CREDENTIAL if name == "password" else _unknown_key(name, model, location)
    if kind == "missing" and isinstance(location[-1], int):
        return f"must have {location[-1] + 1} values or more"
    if kind == "missing":
        return f"{name!r} is missing; add it"
    if kind == "string_pattern_mismatch" and context["pattern"] == ID_PATTERN:
        return "a name has 1 to 40 of a-z, 0-9 and -; change it"
    template = _MESSAGES.get(kind)
    if template is not None:
        return template.format(**context)
    message = detail["msg"].removeprefix("Value error, ")
    for before, after in (("Input should", "must"), ("String should", "must")):
        message = message.replace(before, after)
    return message


ID_PATTERN = r"^[a-z0-9-]{1,40}$"

# Where the library's words are for programmers.
_MESSAGES = {
    "model_type": "must hold keys with values",
    "dict_type": "must hold names with values",
    "tuple_type": "must be a list, such as [a, b]",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false",
    "string_type": "must be text; put it in quotes",
    "union_tag_not_found": "{discriminator} is missing; add it",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
}


def _unknown_key(name: str, model: type[BaseModel], location: Location) -> str:
    known = sorted(_known_keys(model, location[:-1]))
    near = nearest(name, known)
    if near is not None:
        return f"unknown key; did you mean {near!r}?"
    quoted = f" {name!r}" if _QUOTABLE.fullmatch(name) else ""
    return f"unknown key{quoted}; known here: {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if any is near."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)), None)


def _known_keys(model: type[BaseModel], location: Location) -> set[str]:
    """The keys that the JSON Schema of a model allows at a location (union tags included)."""
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    definitions: dict[str, dict[str, Any]] = schema.get("$defs", {})

    def resolve(part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            part = definitions[part["$ref"].rsplit("/", 1)[-1]]
        return part

    part = schema
    for step in location:
        # "X or null" is a union of two; what has keys or items is the one that is meant.
        part = next(
            (
                option
                for option in map(resolve, part.get("anyOf", ()))
                if option.get("type") in {"object", "array"}
            ),
            part,
        )
        if step in part.get("discriminator", {}).get("mapping", {}):
            part = {"$ref": part["discriminator"]["mapping"][step]}
        elif isinstance(step, int):
            part = part.get("items", {})
        else:
            named = part.get("properties", {}).get(step)
            patterns = [*part.get("patternProperties", {}).values(), {}]
            part = named or part.get("additionalProperties") or patterns[0]
        part = resolve(part)
    for option in map(resolve, (part, *part.get("anyOf", ()))):
        if "properties" in option:
            return set(option["properties"])
    return set()
