"""Unreadable files: each command names the file and the remedy."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import CLIPS, command, environment
from tests.support.sites import MadeSite, make_site

# Root may read everything; without this capability it is a user like any other.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []

pytestmark = pytest.mark.skipif(
    os.getuid() == 0 and shutil.which("setpriv") is None,
    reason="setpriv (util-linux) is not installed",
)

FOLDERS = ("state", "keys", "keyring")

VERBS = {
    "run": ("run", "--source", str(CLIPS / "empty_road.mp4"), "--site"),
    "doctor": ("doctor", "--json", "--site"),
    "erase": ("erase", "--all", "--yes", "--site"),
    "stats": ("stats", "--site"),
    "audit show": ("audit", "show", "--site"),
    "audit verify": ("audit", "verify", "--site"),
    "keys rotate box": ("keys", "rotate", "box", "--site"),
    "suspend status": ("suspend", "status", "--site"),
}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MadeSite]:
    """A site whose state, keys and keyring this user cannot read."""
    site = make_site(tmp_path)
    for name in FOLDERS:
        folder = site.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0)
    yield site
    for name in FOLDERS:
        (site.folder / name).chmod(stat.S_IRWXU)


@pytest.mark.parametrize("verb", VERBS, ids=VERBS)
def test_every_command_names_an_unreadable_folder_and_the_remedy(verb: str, made: MadeSite) -> None:
    done = subprocess.run(
        [*AS_USER, *command(*VERBS[verb], made.folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    assert done.returncode in {3, 7, 8}, said
    assert "E_INTERNAL" not in said
    assert str(made.folder) in said
    assert "ermission denied" in said
