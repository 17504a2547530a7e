"""scripts/release in a repository of its own: real git, real builds, a real signing key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, name_of, tracked_files

pytest.importorskip("hatchling", reason="hatchling is not installed: run scripts/test")

VERSION = "0.1.0"
TAG = f"v{VERSION}"
WHEEL = f"edge_anpr-{VERSION}-py3-none-any.whl"
SDIST = f"edge_anpr-{VERSION}.tar.gz"
BILL = f"edge-anpr-{VERSION}.cdx.json"
STAMPING_HOOK = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Stamp(BuildHookInterface):
    def initialize(self, version, build_data):
        with open(f"{self.root}/edge/stamp.txt", "w") as stamp:
            stamp.write(self.root)
"""
"""Writes the path of the build folder into the package: no two builds are the same."""


class Repository:
    """A repository with the files of this one, ready for the release 0.1.0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        quiet = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **quiet},
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change the files of the test")

    def release(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "scripts.release_tools", *options)

    @property
    def dist(self) -> Path:
        return self.folder / "dist" / f"edge-anpr-{VERSION}"


def made_ready(folder: Path, files: Iterable[Path]) -> Repository:
    """A repository with these files of this one.

    Its checks pass at once: the real ones take minutes and run anyway.
    """
    made = Repository(folder)
    for path in files:
        target = made.folder / name_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        if path.suffix in {".onnx", ".mp4", ".png"}:  # a build only packs them
            target.write_bytes(path.read_bytes()[:1000])
    if not made.folder.is_dir():
        pytest.skip("no git checkout")
    made.write(
        "CHANGELOG.md",
        f"## [Unreleased]\n\n## [{VERSION}] - 2026-11-24\n\n### Added\n\n- A door.\n",
    )
    project = re.sub('(?m)^version = ".+"$', f'version = "{VERSION}"', made.read("pyproject.toml"))
    made.write("pyproject.toml", project)
    for program in ("check", "test"):
        made.write(f"scripts/{program}", f"#!/bin/sh\necho {program} passes\n")
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("config", "gpg.format", "ssh")
    made.git("config", "user.signingKey", "gone.key")
    made.commit()
    return made


@pytest.fixture
def whole(tmp_path: Path) -> Repository:
    """All files of this repository but the tests, which make each build slower."""
    kept = (
        path
        for path in tracked_files()
        if path.suffix != ".py" or "tests" not in path.relative_to(ROOT).parts
    )
    return made_ready(tmp_path / "whole", kept)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A package of few modules, with all that a build and the tools of the release read."""
    kept = (
        path
        for path in tracked_files()
        if path.parent in {ROOT, ROOT / "edge", ROOT / "scripts", ROOT / "scripts/release_tools"}
        or path.parent in {ROOT / "config", ROOT / "models", ROOT / "requirements"}
        or path.parent == ROOT / "tests/fixtures/clips"
    )
    return made_ready(tmp_path_factory.mktemp("small") / "repository", kept)


@pytest.fixture
def repository(small: Repository, tmp_path: Path) -> Repository:
    """A copy for each test."""
    shutil.copytree(small.folder, tmp_path / "repository")
    return Repository(tmp_path / "repository")


def test_a_dry_run_builds_packages_sbom_and_checksums_and_makes_no_tag(whole: Repository) -> None:
    done = whole.release("--dry-run")

    assert done.returncode == 0, done.stderr
    assert {path.name for path in whole.dist.iterdir()} == {WHEEL, SDIST, BILL, "SHA256SUMS"}
    verified = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=whole.dist,
        capture_output=True,
        text=True,
        check=True,
    )
    assert verified.stdout.count(": OK") == 3
    listed = json.loads((whole.dist / BILL).read_text(encoding="utf-8"))["components"]
    pins = re.findall(r"(?m)^(\S+)==(\S+)", whole.read("requirements/runtime-cpu.txt"))
    assert sorted((each["name"], each["version"]) for each in listed) == sorted(pins)
    assert "not ready" not in done.stdout
    assert whole.git("tag") == ""
    assert whole.git("status", "--short") == ""


def test_a_dry_run_replaces_the_files_of_an_earlier_one_by_the_same(repository: Repository) -> None:
    assert repository.release("--dry-run").returncode == 0
    before = (repository.dist / "SHA256SUMS").read_bytes()
    (repository.dist / "stray").touch()

    done = repository.release("--dry-run")

    assert done.returncode == 0, done.stderr
    assert (repository.dist / "SHA256SUMS").read_bytes() == before
    assert not (repository.dist / "stray").exists()


def test_a_dry_run_leaves_out_uncommitted_files_and_says_so(repository: Repository) -> None:
    repository.write("edge/stranger.py", "")
    repository.write("CHANGELOG.md", "# Changelog\n")

    done = repository.release("--dry-run")

    assert done.returncode == 0, done.stderr
    assert "not ready: 2 files not committed" in done.stdout
    listed = repository.run(sys.executable, "-m", "zipfile", "--list", str(repository.dist / WHEEL))
    assert "edge/errors.py" in listed.stdout
    assert "stranger" not in listed.stdout


def test_builds_that_differ_are_refused(repository: Repository) -> None:
    repository.write("hatch_build.py", STAMPING_HOOK)
    repository.write(
        "pyproject.toml",
        repository.read("pyproject.toml") + "\n[tool.hatch.build.targets.wheel.hooks.custom]\n",
    )
    repository.commit()

    done = repository.release("--dry-run")

    assert done.returncode == 1
    assert f"error: two builds of the same commit differ in {WHEEL}" in done.stderr
    assert not repository.dist.exists()


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (openssh-client)")
def test_a_release_is_a_signed_tag_with_notes_and_checksums(
    repository: Repository, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    repository.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", str(key))
    signers = tmp_path / "signers"
    signers.write_text(f"ann@example.org {key.with_suffix('.pub').read_text(encoding='utf-8')}")
    for setting, value in (
        ("user.signingKey", str(key)),
        ("gpg.ssh.allowedSignersFile", str(signers)),
    ):
        repository.git("config", setting, value)

    done = repository.release()

    assert done.returncode == 0, done.stderr
    assert "running scripts/check" in done.stdout
    assert "running scripts/test" in done.stdout
    repository.git("verify-tag", TAG)
    message = repository.git("tag", "--list", "--format=%(contents)", TAG)
    assert "### Added\n\n- A door." in message
    assert (repository.dist / "SHA256SUMS").read_text(encoding="utf-8") in message

    again = repository.release()
    assert again.returncode == 1
    assert again.stderr == (
        f"error: the tag {TAG} exists already: raise the version in pyproject.toml\n"
    )


def test_a_release_without_a_signing_key_is_refused_before_the_checks(
    repository: Repository,
) -> None:
    repository.git("config", "--unset", "user.signingKey")

    done = repository.release()

    assert done.returncode == 1
    assert 'git has no key to sign with: see docs/release.md, "Signing key"' in done.stderr
    assert "running" not in done.stdout


def test_a_release_that_git_cannot_sign_makes_no_tag(repository: Repository) -> None:
    done = repository.release()

    assert done.returncode == 1
    assert f"error: {TAG} was not made, because git could not sign it" in done.stderr
    assert repository.git("tag") == ""


def test_a_release_with_uncommitted_files_and_unreleased_changes_is_refused(
    repository: Repository,
) -> None:
    changelog = repository.read("CHANGELOG.md")
    repository.write("CHANGELOG.md", changelog.replace("eased]\n", "eased]\n\n- A roof.\n"))
    repository.commit()
    repository.write("stray.txt", "")

    done = repository.release()

    assert done.returncode == 1
    assert "error: CHANGELOG.md lists changes under Unreleased" in done.stderr
    assert "error: 1 files not committed, the first '?? stray.txt'" in done.stderr
    assert "running" not in done.stdout
    assert not repository.dist.exists()


@pytest.mark.parametrize("program", ["check", "test"])
def test_a_release_whose_checks_fail_is_refused(repository: Repository, program: str) -> None:
    repository.write(f"scripts/{program}", "#!/bin/sh\nexit 1\n")
    repository.commit()

    done = repository.release()

    assert done.returncode == 1
    assert f"error: scripts/{program} failed" in done.stderr
    assert repository.git("tag") == ""
