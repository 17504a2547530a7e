"""A small part of YAML 1.2, read into plain values and nodes that know their line.

Mappings with text keys, sequences, and scalars after the core schema (`true`, `12`, `0.5`, `null`;
anything else is text, so `no` is a word and not a boolean). Anchors, aliases, tags, merge keys, a
second document and a key given twice are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import Resolver

from edge.errors import ConfigError
from edge.formats.problems import Location, MistakesError, Problem, refuse
from edge.formats.visible import code_point, unseen_at

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError:  # PyYAML was built without libyaml
    CParser = object  # type: ignore[misc, assignment]

WITH_LIBYAML = bool(yaml.__with_libyaml__)

DIFFERING = re.compile("[\t\ufeff]")
"""What libyaml takes in places where PyYAML refuses it: tabs, and byte order marks."""

MAX_DEPTH = 16

Tree = Mapping[str, "Tree"] | Sequence["Tree"] | str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,2})?")
# Keys that an error may quote: a plate in the wrong place must not get into a log.
QUOTABLE = re.compile(r"[a-zA-Z_]{1,40}")


def read_tree(text: str, file: Path, *, empty_is_mapping: bool = False) -> tuple[Node, Tree]:
    """The root node of a YAML text, and the same as plain values.

    Args:
        text: one YAML document.
        file: only named in errors.
        empty_is_mapping: whether an empty text is a mapping without keys instead of a mistake.

    Raises:
        ConfigError: the text is not YAML, or uses a refused feature; a line for each problem.
    """
    root = _compose(text, file, empty_is_mapping=empty_is_mapping)
    problems: list[Problem] = []
    tree = _plain(root, file, (), problems)
    refuse(problems)
    position = unseen_at(text)  # in a comment, where it could turn around what people read
    if position is not None:
        raise MistakesError([_unseen_in_file(text, position, file)])
    return root, tree


def _unseen_in_file(text: str, position: int, file: Path) -> Problem:
    before = text[:position]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Problem(file, line, column, (), _unseen(text, position))


def _unseen(text: str, position: int) -> str:
    code = code_point(text[position])
    return f"a character that cannot be seen or that turns the text around ({code}); remove it"


def pairs_of(node: Node) -> dict[int | str, tuple[Node, Node]]:
    """The keys or indices below a node, each with its key node and value node."""
    if isinstance(node, MappingNode):
        return {key.value: (key, value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return {index: (item, item) for index, item in enumerate(node.value)}
    return {}


class _UnwantedError(Exception):
    """A YAML feature that these files may not use; line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


_NO_TAGS: Final = "tags (!) are not read; quote the text or leave the tag out"


class _Strict(Composer):
    """Composes nodes; refuses anchors, aliases, tags and deep nesting."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[attr-defined]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refuse(event, "anchors (&) and aliases (*) are not read; write the value out")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, _NO_TAGS)
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


class _StrictLoader(_Strict, yaml.SafeLoader):
    """Reads with PyYAML, whose errors say what is wrong where."""


class _FastLoader(_Strict, CParser, Resolver):
    """Reads with libyaml, which is much faster."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        Resolver.__init__(self)


def _compose(text: str, file: Path, *, empty_is_mapping: bool = False) -> Node:
    # The library's errors quote the text around them, so every `raise` here is `from None`.
    try:
        root = _root(text)
    except _UnwantedError as error:
        raise MistakesError(
            [str(Problem(file, error.line, error.column, (), error.message))]
        ) from None
    except yaml.MarkedYAMLError as error:
        raise MistakesError([str(_explained(error, text, file))]) from None
    except yaml.reader.ReaderError as error:
        raise MistakesError([_unseen_in_file(text, int(error.position), file)]) from None
    except (ValueError, OverflowError):  # escapes and versions that are out of bounds
        message = "not YAML: a number or an escape that is out of bounds; correct it"
        raise MistakesError([str(Problem(file, 1, 1, (), message))]) from None
    if root is None:
        if empty_is_mapping:
            mark = yaml.Mark(str(file), 0, 0, 0, "", 0)
            return MappingNode("tag:yaml.org,2002:map", [], mark, mark)
        raise ConfigError(f"{file}: empty; `edge-anpr schema` shows its fields")
    return root


_CURES: Final = (
    (r"found character '\t'", "indent with spaces, not with tabs"),
    ("cannot start any token", "put a text that begins with this character in quotes"),
    (
        "mapping values are not allowed",
        "indent as above, write a space behind each colon above, or put a text with `: ` in quotes",
    ),
    ("expected <block end>", "indent as above, and close each quote and bracket above"),
    ("could not find expected ':'", "write `key: value`, with a space behind the colon"),
    ("unknown escape character", "put a text with a backslash in single quotes"),
    ("expected ',' or", "check the commas, and close the bracket"),
    ("unexpected end of stream", "close the quote that begins here"),
)
"""Parts of what PyYAML says, and what to do then."""

_BEGINS: Final = ("could not find expected ':'", "unexpected end of stream")
"""Errors whose cause is where the broken part begins, not where reading it ended."""

_ODD_INDENT: Final = re.compile(r"^[ \t]*([^\S \t\r\n])", re.MULTILINE)


def _explained(error: yaml.MarkedYAMLError, text: str, file: Path) -> Problem:
    """What is wrong and its cure; of the file's text at most one character is repeated."""
    said = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if any(part in said for part in _BEGINS):
        mark = error.context_mark or mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    # One behind the error is not its cause: it may be part of a text.
    until_error = "\n".join(text.split("\n")[:line])
    odd = [*_ODD_INDENT.finditer(until_error)]
    if odd:
        code = code_point(odd[-1][1])
        line = text.count("\n", 0, odd[-1].start(1)) + 1
        message = f"not YAML: begins with a space of another kind ({code}); use ordinary spaces"
        return Problem(file, line, 1, (), message)
    if "single document" in (error.context or ""):
        message = "a second document begins here (---); one file holds one"
        return Problem(file, line, column, (), message)
    if "tag handle" in said:  # PyYAML quotes it, and it may begin a password
        return Problem(file, line, column, (), _NO_TAGS)
    cures = (cure for part, cure in _CURES if part in said)
    message = f"not YAML: {said}; {next(cures, 'correct it')}"
    return Problem(file, line, column, (), message)


def _root(text: str) -> Node | None:
    if WITH_LIBYAML and not DIFFERING.search(text):
        try:
            return _FastLoader(text).get_single_node()
        except (yaml.YAMLError, _UnwantedError, ValueError, OverflowError):
            pass  # read again below, for an error that names the place
    loader = _StrictLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _plain(node: Node, file: Path, location: Location, problems: list[Problem]) -> Tree:
    """The node as plain values; each part that is not allowed is added to `problems`."""

    def complain(at: Node, where: Location, message: str) -> None:
        mark = at.start_mark
        problems.append(Problem(file, mark.line + 1, mark.column + 1, where, message))

    if isinstance(node, MappingNode):
        mapping: dict[str, Tree] = {}
        seen: set[str] = set()
        for key_node, value in node.value:
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or unseen_at(key) is not None:
                complain(key_node, location, "a key must be plain text")
            elif key in seen:
                shown = (key,) if QUOTABLE.fullmatch(key) else ()
                complain(key_node, (*location, *shown), "this key is given twice; keep one")
            elif not _is_blank(value):  # a key without a value is a field that is not filled in yet
                mapping[key] = _plain(value, file, (*location, key), problems)
            if isinstance(key, str):
                seen.add(key)
        return mapping
    if isinstance(node, SequenceNode):
        return [
            _plain(item, file, (*location, index), problems)
            for index, item in enumerate(node.value)
        ]
    position = unseen_at(node.value)
    if position is not None:
        complain(node, location, f"holds, in place {position + 1}, {_unseen(node.value, position)}")
    return _scalar(node)


def _is_blank(node: Node) -> bool:
    return isinstance(node, ScalarNode) and _scalar(node) is None


def _scalar(node: Node) -> Tree:
    """A scalar as the core schema of YAML 1.2 reads it, without octal, hexadecimal, inf, nan."""
    text = str(node.value)
    if not isinstance(node, ScalarNode) or node.style:  # quoted
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


def problem_at(file: Path, root: Node, location: Sequence[int | str], message: str) -> Problem:
    """A problem at a location, with its line and column.

    Union tags in the location are left out, because the file does not contain them. A field that is
    missing is reported where its parent begins.
    """
    node, mark, shown = root, root.start_mark, []
    for step in location:
        pairs = pairs_of(node)
        if step in pairs:
            key, node = pairs[step]
            mark = key.start_mark
            shown.append(step)
    return Problem(file, mark.line + 1, mark.column + 1, tuple(shown), message)
