"""Where code lies: rooms, sizes and names that a newcomer can rely on."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.source_tree import EDGE, ROOT, name_of, python_files, tree

ARCHITECTURE = ROOT / "docs" / "architecture.md"

LONGEST = 500
LONGEST_OF_THE_BOX = 300

REASON = "Longer than 500 lines because"
"""How the docstring of a longer module begins to say why."""

FOLDERS = ("edge", "scripts", "tests")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_module_over_500_lines_says_why(folder: str) -> None:
    without_reason = [
        name_of(path)
        for path in python_files(ROOT / folder)
        if len(path.read_text("utf-8").splitlines()) > LONGEST
        and REASON not in " ".join((ast.get_docstring(tree(path)) or "").split())
    ]
    assert without_reason == []


def test_modules_of_the_box_stay_short() -> None:
    sizes = {
        name_of(p): len(p.read_text("utf-8").splitlines()) for p in (EDGE / "box").glob("*.py")
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > LONGEST_OF_THE_BOX} == {}


def test_a_public_class_name_is_used_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in python_files(EDGE):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


# --- docs/architecture.md -------------------------------------------------------------------------


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its header."""
    text = ARCHITECTURE.read_text("utf-8")
    section = re.split(r"(?m)^## ", text.split(f"## {heading}\n", 1)[1])[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_architecture_names_every_room_and_no_other() -> None:
    described = {row[0].strip("`") for row in rows("Rooms")}
    rooms = {
        f"edge/{path.name}" + ("/" if path.is_dir() else "")
        for path in EDGE.iterdir()
        if (path.is_dir() and (path / "__init__.py").exists())
        or (path.suffix == ".py" and not path.name.startswith("__"))
    }
    rooms |= {
        f"edge/adapters/{path.name}/"
        for path in (EDGE / "adapters").iterdir()
        if (path / "__init__.py").exists()
    }
    assert described == rooms - {"edge/adapters/"} | {"edge/adapters/"}


def defines(path: Path, dotted: str) -> bool:
    """Whether a module defines a function or class, or a method of a class (`Class.method`)."""
    body: list[ast.stmt] = tree(path).body
    for part in dotted.split("."):
        found = next(
            (
                node
                for node in body
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == part
            ),
            None,
        )
        if found is None:
            return False
        body = found.body
    return True


@pytest.mark.parametrize("heading", ["The way of one frame", "The ways of a fleet"])
def test_each_step_is_where_the_architecture_says(heading: str) -> None:
    steps = rows(heading)
    assert len(steps) >= 12
    missing = [
        f"{file}: {function}"
        for _, file, function, *_ in steps
        if not (ROOT / file.strip("`")).is_file()
        or not defines(ROOT / file.strip("`"), function.strip("`").removesuffix("()"))
    ]
    assert missing == []


def test_the_step_rule_sees_what_is_missing() -> None:
    module = EDGE / "pipeline" / "watcher.py"
    assert defines(module, "VehicleWatcher.observe")
    assert not defines(module, "VehicleWatcher.nothing")
    assert not defines(module, "observe")
