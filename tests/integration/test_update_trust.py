"""An updater of root takes from no other user whose signatures count, and what it writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import ExitCode
from tests.support.product import Finished, verb
from tests.support.update_commands import Commands
from tests.support.updated_site import BoxWithUpdates

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxWithUpdates]:
    made = BoxWithUpdates(tmp_path)
    office = Commands(tmp_path)
    office.init()
    made.use(office.repo / "public")
    yield made
    made.service.stop()


@pytest.fixture
def trust(box: BoxWithUpdates) -> Path:
    """A file of root, beside its copy of the first root metadata."""
    folder = box.base / "trust"
    folder.mkdir(mode=0o755)
    (folder / "root.json").write_bytes((box.site / "root.json").read_bytes())
    file = folder / "trust.yaml"
    file.write_text(f"root: root.json\nprogram: {box.program}\nwork: {box.work}\n")
    return file


def check(box: BoxWithUpdates, *more: str | Path) -> Finished:
    return verb("update", "check", "--site", box.site, *more)


@pytest.mark.parametrize("given_away", ["site.yaml", "root.json", "."])
def test_p4_what_the_boxs_user_can_change_does_not_say_whose_signatures_count(
    box: BoxWithUpdates, given_away: str
) -> None:
    assert check(box).status == 0
    os.chown(box.site / given_away, NOBODY, NOBODY)
    done = check(box)
    assert done.status == ExitCode.CONFIG
    assert f"another user owns {box.site}" in done.err
    assert "--trust" in done.err
    assert len(done.err.splitlines()) == 1


def test_p4_a_file_of_root_says_it_whatever_site_yaml_says(
    box: BoxWithUpdates, trust: Path
) -> None:
    site_yaml = box.site / "site.yaml"
    evil = box.base / "evil"
    site_yaml.write_text(
        site_yaml.read_text().replace("root.json", "evil.json").replace(str(box.work), str(evil))
    )
    os.chown(box.site, NOBODY, NOBODY)
    assert check(box, "--trust", trust).status == 0
    assert box.work.is_dir()
    assert not evil.exists()


@pytest.mark.parametrize("name", ["trust.yaml", "root.json", "."])
def test_p4_a_file_that_others_can_write_to_is_not_trusted(
    box: BoxWithUpdates, trust: Path, name: str
) -> None:
    (trust.parent / name).chmod(0o777)
    done = check(box, "--trust", trust)
    assert done.status == ExitCode.CONFIG
    assert f"other users can write to {(trust.parent / name).absolute()}" in done.err


@pytest.mark.parametrize(
    ("content", "words"), [("rot: root.json\n", "rot"), ("service: sshd\n", "service")]
)
def test_a_mistake_in_the_file_is_named(
    box: BoxWithUpdates, trust: Path, content: str, words: str
) -> None:
    trust.write_text(content)
    done = check(box, "--trust", trust)
    assert done.status == ExitCode.CONFIG
    assert f"{trust}" in done.err
    assert words in done.err
