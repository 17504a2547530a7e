"""Faults that no file and no signal can make: C beside a process, loaded before its libraries."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")
NEEDS_COMPILER = "needs a C compiler: packages gcc and libc6-dev"
SOURCES = Path(__file__).with_name("preload")


def compiled(name: str, folder: Path) -> Path:
    """A library of `tests/preload`, made in a folder, for `LD_PRELOAD`."""
    assert COMPILER is not None
    library = folder / f"{name}.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    source = SOURCES / f"{name}.c"
    subprocess.run([COMPILER, *flags, "-o", library, source, "-ldl"], check=True)
    return library
