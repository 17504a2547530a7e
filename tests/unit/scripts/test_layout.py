"""scripts/ holds launchers of one screen; their code lives in packages with a README each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

SCRIPTS = ROOT / "scripts"
LAUNCHERS = sorted(path for path in SCRIPTS.iterdir() if path.is_file())
PACKAGES = sorted(path.parent for path in SCRIPTS.glob("*/__init__.py"))
A_SCREEN = 45
LONGEST_MODULE = 500
MODULE = re.compile(r"-m (scripts\.[\w.]+) ")


def test_launchers_and_packages_exist() -> None:
    assert {"bench", "check", "guards", "soak", "test", "train-detector"} <= {
        path.name for path in LAUNCHERS
    }
    assert {"benchmarks", "fixtures", "maintenance", "training"} <= {path.name for path in PACKAGES}


@pytest.mark.parametrize("launcher", LAUNCHERS, ids=lambda path: path.name)
def test_a_launcher_is_an_executable_script_of_one_screen(launcher: Path) -> None:
    text = launcher.read_text("utf-8")

    assert os.access(launcher, os.X_OK)
    assert launcher.suffix == ""
    assert text.startswith(("#!/bin/sh\n# ", '#!/usr/bin/env python3\n"""'))
    assert len(text.splitlines()) <= A_SCREEN


COMMANDS = {
    launcher.name: found[1]
    for launcher in LAUNCHERS
    if (found := MODULE.search(launcher.read_text("utf-8")))
}
"""Launcher to the module that it starts."""


def test_each_command_line_of_the_packages_has_a_launcher() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for package in PACKAGES
        for path in package.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    }

    assert set(COMMANDS.values()) == modules


@pytest.mark.parametrize("launcher", COMMANDS)
def test_help_has_an_example(launcher: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", COMMANDS[launcher], "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: scripts/{launcher} ")
    assert re.search(rf"^examples?.*:\n  scripts/{launcher}\b", done.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "launcher",
    [
        "bench",
        "combine-parsers",
        "fuzz",
        "soak",
        "train-covers",
        "train-detector",
        "train-parser",
        "train-reader",
    ],
)
def test_help_imports_no_heavy_module(launcher: str) -> None:
    heavy = {"atheris", "av", "cv2", "edge.box", "onnxruntime", "torch"}
    program = (
        f"import sys, {COMMANDS[launcher]} as command\n"
        "try: command.main(['--help'])\n"
        f"except SystemExit: print({heavy!r} & set(sys.modules), file=sys.stderr)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_s_readme_names_each_of_its_files_and_no_other(package: Path) -> None:
    readme = (package / "README.md").read_text("utf-8")
    modules = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path != package / "__init__.py"  # only a docstring
    }

    named = set(re.findall(r"^\| `([\w/]+\.py)` \|", readme, flags=re.MULTILINE))

    assert named == modules


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_module_is_too_long_to_read(package: Path) -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in package.rglob("*.py")}

    assert {path.name for path, lines in lengths.items() if lines > LONGEST_MODULE} == set()
