"""YAML is read by libyaml and, where that refuses, by PyYAML: both read the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from yaml.nodes import MappingNode, Node, SequenceNode

from edge.errors import ConfigError
from edge.formats import yaml_tree
from edge.formats.yaml_tree import _FastLoader, _plain, _StrictLoader, read_tree
from tests.support.product import REPOSITORY

needs_libyaml = pytest.mark.skipif(
    not yaml_tree.WITH_LIBYAML, reason="PyYAML was built without libyaml"
)
# The product reads no compose files, whose anchors it refuses.
FILES = sorted(
    path for path in REPOSITORY.glob("config/*/*.yaml") if not path.name.startswith("compose.")
)
PIECES = (
    *"\n :-{}[],#'\"&*!|>%@`\\?é~<.=0", "\r\n", "\r", "\x85", "\u2028", "\x07", "\0",
    "---\n", "...\n", "%YAML 1.3\n", "? a\n: b\n", "<<: {a: 1}\n", "- - x\n", "'a''b'", '"\\x41"',
    '"\\u12"', "|2\n  x\n", ": ",
)  # fmt: skip


def places(node: Node) -> object:
    """Lines and columns of a node and of those below it."""
    at = (node.start_mark.line, node.start_mark.column)
    if isinstance(node, MappingNode):
        return at, [(places(key), places(value)) for key, value in node.value]
    return at, [places(one) for one in node.value] if isinstance(node, SequenceNode) else []


@needs_libyaml
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_both_readers_give_the_same_values_at_the_same_places(file: Path) -> None:
    text = file.read_text("utf-8")

    fast, strict = (each(text).get_single_node() for each in (_FastLoader, _StrictLoader))

    assert fast is not None
    assert strict is not None
    assert places(fast) == places(strict)
    assert _plain(fast, file, (), []) == _plain(strict, file, (), [])


@needs_libyaml
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FILES),
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(0, 600), st.sampled_from(PIECES)), min_size=1, max_size=4),
)
def test_a_damaged_text_is_read_alike_or_refused_by_one(
    file: Path, start: int, added: list[tuple[int, str]]
) -> None:
    text = file.read_text("utf-8")[start:][:600]
    for position, piece in added:
        text = text[:position] + piece + text[position:]
    assume(not yaml_tree.DIFFERING.search(text))  # read by PyYAML alone

    found = []
    for each in (_FastLoader, _StrictLoader):
        try:
            root = each(text).get_single_node()
        except (yaml.YAMLError, yaml_tree._UnwantedError, ValueError, OverflowError):
            return
        found.append(None if root is None else _plain(root, file, (), []))

    assert found[0] == found[1]


def test_without_libyaml_the_same_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILES[0].read_text("utf-8")
    _, expected = yaml_tree.read_tree(text, FILES[0])

    monkeypatch.setattr(yaml_tree, "WITH_LIBYAML", False)

    assert yaml_tree.read_tree(text, FILES[0])[1] == expected


@pytest.mark.parametrize(
    ("text", "line", "cure"),
    [
        ("a:\n\tb: 1\n", 2, "indent with spaces, not with tabs"),
        ("a:\n  b: 1\n\xa0\xa0c: 2\n  d: 3\n", 3, "(U+00A0 NO-BREAK SPACE); use ordinary spaces"),
        ("a: [1}\nb: |\n  c\n\xa0d\n", 1, "check the commas, and close the bracket"),
        ("a:\n  port:8883\n  tls: {}\n", 3, "write a space behind each colon above"),
        ("a:\n  b: 1\n  port:8883\n  tls: {}\n", 3, "with a space behind the colon"),
        ("a:\n  b: 1\n   c: 2\n", 3, "indent as above"),
        ("a: b: c\n", 1, "or put a text with `: ` in quotes"),
        ("a:\n  b: 1\n c: 2\n", 3, "indent as above"),
        ("a: @home\n", 1, "put a text that begins with this character in quotes"),
        ('a: 1\nb: "open\nc: 2\n', 2, "close the quote that begins here"),
        ('a: "open\nb: "x"\n', 2, "close each quote"),
        ("a: [1, 2\nb: 3\n", 2, "close the bracket"),
        ('a: "C:\\data"\n', 1, "in single quotes"),
    ],
)
def test_a_common_slip_is_named_at_its_line_with_its_cure(text: str, line: int, cure: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_tree(text, Path("site.yaml"))

    assert refused.value.message.startswith(f"site.yaml:{line}:")
    assert cure in refused.value.message


def test_p8_a_password_that_looks_like_a_tag_is_not_quoted() -> None:
    with pytest.raises(ConfigError) as refused:
        read_tree("password: !hunter!2\n", Path("site.yaml"))

    assert "hunter" not in refused.value.message
