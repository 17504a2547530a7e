"""ONNX Runtime's telemetry is off before the library can be loaded, on every path to it."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.support.product import REPOSITORY, environment

LIBRARIES = {"onnxruntime", "fast_plate_ocr"}


PROGRAM = """\
import edge.adapters.models.loading, os, sys
print(os.environ["ORT_DISABLE_TELEMETRY"], "onnxruntime" in sys.modules)
"""


def test_importing_the_models_switches_telemetry_off() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment({"ORT_DISABLE_TELEMETRY": "0"}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "False"]


def test_only_the_models_package_loads_onnx_runtime() -> None:
    importers = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "edge").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (
            isinstance(node, ast.Import)
            and any(alias.name.split(".")[0] in LIBRARIES for alias in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES)
    }
    assert importers
    assert all(importer.startswith("edge/adapters/models/") for importer in importers)
