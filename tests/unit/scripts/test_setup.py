"""Setting up `.venv` never deletes what belongs to another checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

SETUP = Path(__file__).parents[3] / "scripts" / "lib" / "setup.sh"


def test_a_linked_environment_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    kept = tmp_path / "other" / ".venv" / "bin" / "python"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    root = tmp_path / "root"
    (root / "requirements").mkdir(parents=True)
    (root / ".venv").symlink_to(kept.parents[1])

    done = subprocess.run(
        ["sh", "-c", 'root=$1; . "$2"; set_up dev.txt', "sh", root, SETUP],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert ".venv is a link: remove the link" in done.stderr
    assert kept.read_text() == "kept"
