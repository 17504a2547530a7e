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
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from edge.errors import ConfigError
from edge.formats.identifiers import ID_PATTERN

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
_SHOWN_IN_PATH = re.compile(r"[a-z0-9_-]{1,40}|\*")

_INLINE_CREDENTIAL = (
    "a password does not belong in a file that is copied and committed; take it out and give "
    "password_env: NAME or password_file: PATH"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about one field of one file; line and column count from 1.

    `code` is that of the refusal; `wanted` is the whole location, where the file lacks a part
    of it.
    """

    file: Path
    line: int
    column: int
    location: Location
    message: str
    code: str = "E_CONFIG"
    wanted: Location = ()

    def __str__(self) -> str:
        field = path_text(self.location)
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {field}: {self.message}" if field else f"{where}: {self.message}"


class MistakesError(ConfigError):
    """Every complaint about one or several files: a line each, at most `MAX_PROBLEMS` shown.

    Without `code` it has that of its problems; where those differ, `E_CONFIG` if one of them
    has that, else `E_HOMEWORK`, and each line that has another code says so.
    """

    def __init__(self, problems: Iterable[Problem | str], *, code: str | None = None) -> None:
        self.problems = tuple(problems)
        code = code or _common_code(self.problems)
        lines = [_line(problem, code) for problem in self.problems]
        more = len(lines) - MAX_PROBLEMS
        rest = (f"and {more} more; mend these first",) if more > 0 else ()
        super().__init__("\n".join((*lines[:MAX_PROBLEMS], *rest)), code=code)


def _common_code(problems: Sequence[Problem | str]) -> str:
    codes = {one.code if isinstance(one, Problem) else "E_CONFIG" for one in problems}
    if len(codes) == 1:
        return codes.pop()
    return "E_CONFIG" if "E_CONFIG" in codes else "E_HOMEWORK"


def _line(problem: Problem | str, code: str) -> str:
    if isinstance(problem, str) or problem.code in {code, "E_CONFIG"}:
        return str(problem)
    return f"{problem} ({problem.code})"


def refuse(problems: Iterable[Problem | str], *, code: str | None = None) -> None:
    """Raise if there is a problem.

    Raises:
        MistakesError: all of them.
    """
    found = tuple(problems)
    if found:
        raise MistakesError(found, code=code)


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
    root, tree = _tree(text, file)
    try:
        # JSON is the stricter door: no coercion, but text for dates and lists for tuples.
        parsed = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        raise MistakesError(_rejections(file, root, error, model)) from None
    return Document(file, parsed, root)


@dataclass(frozen=True, slots=True)
class Draft(Generic[Model]):
    """A file that may not be complete: what of it fits the model, and what does not.

    `part` has those attributes of the model only that are in `fields`.
    """

    file: Path
    part: Model
    fields: frozenset[str]
    problems: tuple[Problem, ...]
    _root: Node

    def problem(self, location: Location, message: str) -> Problem:
        """A complaint about a field of this document."""
        return _problem(self.file, self._root, location, message)

    def names(self, location: Location) -> tuple[str, ...]:
        """The keys that the file has at a location; none where there is no mapping."""
        node = self._root
        for step in location:
            pairs = _pairs(node)
            if step not in pairs:
                return ()
            node = pairs[step][1]
        return tuple(name for name in _pairs(node) if isinstance(name, str))


def parse_draft(text: str, file: Path, model: type[Model]) -> Draft[Model]:
    """Read what a file holds already; an empty one holds nothing.

    Raises:
        ConfigError: the text is no YAML, or no mapping.
    """
    root, tree = _tree(text, file, empty_is_mapping=True)
    if not isinstance(tree, dict):
        raise MistakesError([_problem(file, root, (), "must hold keys with values")])
    try:
        whole = model.model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        problems = _rejections(file, root, error, model)
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


def _tree(text: str, file: Path, *, empty_is_mapping: bool = False) -> tuple[Node, Tree]:
    root = _compose(text, file, empty_is_mapping=empty_is_mapping)
    problems: list[Problem] = []
    tree = _plain(root, file, (), problems)
    refuse(problems)
    return root, tree


def _pairs(node: Node) -> dict[int | str, tuple[Node, Node]]:
    if isinstance(node, MappingNode):
        return {key.value: (key, value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return {index: (item, item) for index, item in enumerate(node.value)}
    return {}


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


def _compose(text: str, file: Path, *, empty_is_mapping: bool = False) -> Node:
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
        if empty_is_mapping:
            mark = yaml.Mark(str(file), 0, 0, 0, "", 0)
            return MappingNode("tag:yaml.org,2002:map", [], mark, mark)
        raise ConfigError(f"{file}: empty; `edge-anpr schema` shows what belongs in it")
    return root


def _plain(node: Node, file: Path, location: Location, problems: list[Problem]) -> Tree:
    """The node as plain values; what cannot become one is added to `problems`."""

    def complain(at: Node, where: Location, message: str) -> None:
        mark = at.start_mark
        problems.append(Problem(file, mark.line + 1, mark.column + 1, where, message))

    if isinstance(node, MappingNode):
        mapping: dict[str, Tree] = {}
        seen: set[str] = set()
        for key_node, value in node.value:
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or _UNPRINTABLE.search(key):
                complain(key_node, location, "a key must be plain text")
            elif key in seen:
                shown = (key,) if _QUOTABLE.fullmatch(key) else ()
                complain(key_node, (*location, *shown), "this key is given twice; keep one")
            elif not _is_blank(value):  # a key without a value is one that is still to be filled
                mapping[key] = _plain(value, file, (*location, key), problems)
            if isinstance(key, str):
                seen.add(key)
        return mapping
    if isinstance(node, SequenceNode):
        return [
            _plain(item, file, (*location, index), problems)
            for index, item in enumerate(node.value)
        ]
    if _UNPRINTABLE.search(node.value):
        complain(node, location, "holds a character that cannot be seen; remove it")
    return _scalar(node)


def _is_blank(node: Node) -> bool:
    return isinstance(node, ScalarNode) and _scalar(node) is None


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


def _rejections(
    file: Path, root: Node, error: ValidationError, model: type[BaseModel]
) -> list[Problem]:
    details = error.errors(include_url=False, include_input=False)
    return [_rejection(file, root, detail, model) for detail in details]


def _rejection(file: Path, root: Node, detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    problem = _problem(file, root, detail["loc"], _explain(detail, model))
    if detail["type"] in {"missing", "too_short"}:
        return replace(problem, wanted=detail["loc"])
    if detail["type"] == "extra_forbidden" and not _QUOTABLE.fullmatch(str(detail["loc"][-1])):
        return replace(problem, location=problem.location[:-1])
    return problem


def _problem(file: Path, root: Node, location: Sequence[int | str], message: str) -> Problem:
    """Find where a location stands; union tags in it, which the file does not hold, are left out.

    A field that is missing is reported where its parent begins.
    """
    node, mark, shown = root, root.start_mark, []
    for step in location:
        pairs = _pairs(node)
        if step in pairs:
            key, node = pairs[step]
            mark = key.start_mark
            shown.append(step)
    return Problem(file, mark.line + 1, mark.column + 1, tuple(shown), message)


def path_text(location: Location) -> str:
    """A location as it is shown: `rules[0].id`; what could be a plate is left out."""
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


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _known_keys(model: type[BaseModel], location: Location) -> set[str]:
    """The keys that the JSON Schema of a model allows at a location (union tags included)."""
    schema = _schema(model)
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
