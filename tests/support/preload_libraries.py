"""Compiles C libraries for LD_PRELOAD that inject faults into a process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")
NEEDS_COMPILER = "needs a C compiler: packages gcc and libc6-dev"
SOURCES = Path(__file__).with_name("preload")


def compiled(name: str, folder: Path) -> Path:
    """Compile a library of `tests/support/preload` into a folder; returns its path."""
    assert COMPILER is not None
    library = folder / f"{name}.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    source = SOURCES / f"{name}.c"
    subprocess.run([COMPILER, *flags, "-o", library, source, "-ldl"], check=True)
    return library
