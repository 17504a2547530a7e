"""docs/errors.md names every stable code of the product, with its exit status, and no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from edge.errors import CODES, ExitCode
from scripts.maintenance.errors_document import table
from tests.support.source_tree import EDGE, ROOT, python_files, tree

DOCUMENT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
CODE = re.compile(r"E_[A-Z0-9_]+")


def nodes() -> Iterator[ast.AST]:
    for path in python_files(EDGE):
        yield from ast.walk(tree(path))


def text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def classes() -> dict[str, tuple[str, int]]:
    """Every error class of the source with its own or inherited code and exit status."""
    bases: dict[str, str] = {}
    own: dict[str, dict[str, str]] = {}
    for node in nodes():
        if isinstance(node, ast.ClassDef) and node.bases and isinstance(node.bases[0], ast.Name):
            bases[node.name] = node.bases[0].id
            own[node.name] = {}
            for statement in node.body:
                target = getattr(statement, "target", None) or getattr(statement, "targets", [0])[0]
                value = getattr(statement, "value", None)
                if isinstance(target, ast.Name) and target.id == "default_code":
                    own[node.name]["code"] = text(value) or ""
                elif isinstance(value, ast.Attribute) and isinstance(target, ast.Name):
                    own[node.name][target.id] = value.attr

    def find(name: str, what: str) -> str:
        return own[name].get(what) or find(bases[name], what)

    def is_error(name: str) -> bool:
        return name == "EdgeError" or (name in bases and is_error(bases[name]))

    return {
        name: (find(name, "code"), int(ExitCode[find(name, "exit_code")]))
        for name in own
        if is_error(name)
    }


def stated_in_the_source() -> set[tuple[str, int]]:
    """Each class with its own code, and each `Class(…, code="E_…")`."""
    known = classes()
    stated = set(known.values())
    for node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            codes = [text(keyword.value) for keyword in node.keywords if keyword.arg == "code"]
            stated |= {(code, known[node.func.id][1]) for code in codes if code}
    return stated


def listed_in_the_document() -> set[tuple[str, int]]:
    rows = re.findall(r"^\| `(E_[A-Z0-9_]+)` \| (\d) \| \S", DOCUMENT, flags=re.MULTILINE)
    return {(code, int(status)) for code, status in rows}


def test_the_document_gives_each_code_the_exit_status_of_the_source() -> None:
    stated = stated_in_the_source()

    assert ("E_EDGE", 3) in stated
    assert ("E_MODEL_DIGEST", 4) in stated
    assert stated - listed_in_the_document() == set()


def test_the_document_lists_exactly_the_codes_in_use() -> None:
    strings = Counter(code for node in nodes() if (code := text(node)) and CODE.fullmatch(code))
    # The table of codes itself has each of them once more.
    written = {code for code, times in strings.items() if times > (code in CODES)}

    assert {code for code, _ in listed_in_the_document()} == written


def test_every_exit_status_is_explained() -> None:
    explained = re.findall(r"^\| (\d) \| \S", DOCUMENT, flags=re.MULTILINE)

    assert [int(status) for status in explained] == [int(status) for status in ExitCode]


def test_the_document_is_generated_from_the_code() -> None:
    assert DOCUMENT.endswith(table())
    assert set(CODES) == {code for code, _ in listed_in_the_document()}


def test_every_codes_meaning_is_one_line_with_a_remedy() -> None:
    for code, meaning in CODES.items():
        assert CODE.fullmatch(code), code
        assert meaning.text, code
        assert not set(meaning.text) & set("\n|"), code
