"""Pixels leave the process through two adapters, and both accept redacted pictures only."""

from __future__ import annotations

import ast

import pytest

from tests.support.source_tree import EDGE, name_of, python_files, tree

ENCODER = "edge/adapters/cameras/jpeg.py"
WRITER = "edge/adapters/cameras/video_writer.py"
REDACTION = "edge/privacy/redaction.py"

WAYS_OUT = {
    # OpenCV
    "imencode": {ENCODER},
    "imencodemulti": set(),
    "imencodeanimation": set(),
    "imwrite": set(),
    "imwritemulti": set(),
    "imwriteanimation": set(),
    "VideoWriter": set(),
    "imshow": set(),
    # PyAV
    "add_stream": {WRITER},
    "add_stream_from_template": set(),
    "from_ndarray": {WRITER},
    "to_image": set(),
    # NumPy
    "tofile": set(),
    "save": set(),
    "savez": set(),
    "savez_compressed": set(),
    "savetxt": set(),
    "memmap": set(),
    # The product itself
    "preview_of_regular_file": {REDACTION, "edge/cli/redact.py"},
    "_KEY": {REDACTION},
}


@pytest.fixture(scope="module")
def files_by_name() -> dict[str, set[str]]:
    """For each name that the product's code uses, imports or defines, the files that do."""
    files: dict[str, set[str]] = {}
    for path in python_files(EDGE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Name):
                name = node.id
            elif isinstance(node, ast.Attribute):
                name = node.attr
            elif isinstance(node, (ast.alias, ast.FunctionDef)):
                name = node.name
            else:
                continue
            files.setdefault(name, set()).add(name_of(path))
    return files


@pytest.mark.parametrize(("name", "allowed"), WAYS_OUT.items(), ids=WAYS_OUT)
def test_a_pixel_output_function_is_used_only_in_the_listed_files(
    name: str, allowed: set[str], files_by_name: dict[str, set[str]]
) -> None:
    assert files_by_name.get(name, set()) == allowed
