"""The hooks of .pre-commit-config.yaml, with real git and pre-commit in a separate repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

HELD = (".pre-commit-config.yaml", "pyproject.toml", "scripts/commit-subject")
SLOW = "mypy,lint-imports"
"""They look at the whole repository, whatever changed; scripts/check runs them."""


class Repository:
    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "PRE_COMMIT_HOME": str(self.cache),
            "SKIP": SLOW,
            **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def commit(self, message: str) -> subprocess.CompletedProcess[str]:
        return self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def subjects(self) -> list[str]:
        return self.run("git", "log", "--format=%s").stdout.splitlines()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository", tmp_path / "cache")
    for name in HELD:
        target = made.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    (made.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (made.folder / ".gitignore").write_text(".venv\n", encoding="utf-8")
    for command in (
        ("git", "init", "--quiet"),
        ("git", "add", "--all"),
        (sys.executable, "-m", "pre_commit", "install"),
    ):
        done = made.run(*command)
        assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_subject_of_72_characters_is_accepted_and_one_of_73_refused(
    repository: Repository, letter: str
) -> None:
    longest = letter * 72

    taken = repository.commit(f"{longest}\n\nA body may have lines of any length. {longest}")
    refused = repository.commit(longest + letter)

    assert taken.returncode == 0, taken.stderr
    assert refused.returncode == 1
    assert "the commit subject has 73 characters: shorten it to 72 or fewer" in refused.stderr
    assert repository.subjects() == [longest]


def test_editor_comments_are_not_the_subject(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text(f"\n# {'x' * 80}\nAdd a door\n# {'x' * 80}\n", encoding="utf-8")

    done = subprocess.run(
        [ROOT / "scripts" / "commit-subject", message], capture_output=True, check=False
    )

    assert done.returncode == 0


def test_a_python_file_that_breaks_a_rule_is_not_committed(repository: Repository) -> None:
    (repository.folder / "unused.py").write_text('"""A module."""\n\nimport os\n', encoding="utf-8")
    repository.run("git", "add", "unused.py")

    done = repository.commit("Add an unused import")

    assert done.returncode == 1
    assert "F401" in done.stdout + done.stderr
    assert repository.subjects() == []
