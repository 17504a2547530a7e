"""Formats, privacy and policy change nothing on the disk, but for `atomic_files`.

The import contracts forbid them `os`, `shutil` and `tempfile`; this forbids what `Path` can do.
"""

from __future__ import annotations

import ast

import pytest

from tests.support.source_tree import EDGE, name_of, python_files, tree

CHANGES = {
    "chmod",
    "hardlink_to",
    "mkdir",
    "rename",
    "rmdir",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
}


@pytest.mark.parametrize("room", ["formats", "privacy", "policy"])
def test_a_pure_package_writes_no_file(room: str) -> None:
    writers = {
        name_of(path)
        for path in python_files(EDGE / room)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in CHANGES
    }

    assert writers == ({"edge/formats/atomic_files.py"} if room == "formats" else set())
