"""Rules for the whole repository."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edge.errors import EXTRA_OF
from tests.support.source_tree import EDGE, ROOT, name_of, python_files, tracked_files, tree

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Joined from halves, so that this file does not contain what it forbids.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "deb.debian" + ".org",
    "crates" + ".io",
]
MACHINE_PATH = re.compile(r"(?<![\w.{}])/" + r"(?:root|home|work|Users|opt/[a-z]+)/\w")


def texts_that_git_holds() -> dict[str, str]:
    texts = {}
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            texts[name_of(path)] = content.decode("utf-8")
    if not texts:
        pytest.skip("no git checkout")
    return texts


def test_no_tracked_file_names_a_package_registry() -> None:
    named = [
        f"{name}: {host}"
        for name, text in texts_that_git_holds().items()
        for host in REGISTRY_HOSTS
        if host in text
    ]

    assert named == []


def test_no_tracked_file_contains_a_path_of_a_developers_machine() -> None:
    held = [
        f"{name}: {match.group()}"
        for name, text in texts_that_git_holds().items()
        for match in MACHINE_PATH.finditer(text)
    ]

    assert held == []


def test_the_path_rule_detects_a_path() -> None:
    assert MACHINE_PATH.search('open("/' + 'home/ann/x.mp4")')
    assert not MACHINE_PATH.search("see docs/home/work.md")


@pytest.mark.parametrize("folder", ["edge", "tests", "scripts"])
def test_every_python_file_is_valid_in_python_3_10(folder: str) -> None:
    for path in python_files(ROOT / folder):
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 10))


def test_git_ignores_no_tracked_file() -> None:
    # ruff and the wheel leave out what .gitignore names, whether git holds it or not.
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    ignored = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--ignored", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert ignored == []


@pytest.mark.parametrize(
    "name", ["demo", "test", "check", "check-wheels", "guards", "lock", "release"]
)
def test_scripts_are_executable(name: str) -> None:
    script = ROOT / "scripts" / name

    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")


def pins(lock: Path) -> dict[str, list[Requirement]]:
    """The pins of each package: more than one where Python versions differ."""
    pinned: dict[str, list[Requirement]] = {}
    for block in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        requirement, _, hashes = block.partition("--hash=sha256:")
        assert len(hashes) >= 64, f"{lock.name} pins {requirement} without a hash"
        parsed = Requirement(requirement.strip())
        pinned.setdefault(canonicalize_name(parsed.name), []).append(parsed)
    return pinned


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_exact_versions_with_hashes_and_nothing_else(lock: Path) -> None:
    pinned = pins(lock)

    assert pinned
    for requirement in (each for found in pinned.values() for each in found):
        assert [each.operator for each in requirement.specifier] == ["=="]
        assert requirement.url is None


def asked_by(extra: str) -> list[str]:
    """The requirements of an extra, and of the extras that it includes."""
    found = []
    for text in PROJECT["project"]["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["project"]["name"]:
            found += [one for inner in requirement.extras for one in asked_by(inner)]
        else:
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("authority.txt", []),
        ("desk.txt", ["postgres"]),
        ("runtime.txt", ["box"]),
        ("runtime-cpu.txt", ["cpu", "demo"]),
        ("dev.txt", ["cpu", "demo", "dev", "fixtures", "postgres"]),
    ],
)
def test_a_lock_satisfies_the_project_file(lock: str, extras: list[str]) -> None:
    pinned = pins(ROOT / "requirements" / lock)
    wanted = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["build"],
        *(text for extra in extras for text in asked_by(extra)),
    ]

    for text in wanted:
        requirement = Requirement(text)
        found = pinned.get(canonicalize_name(requirement.name), [])
        assert found, f"{lock} lacks {requirement.name}: run scripts/lock"
        for pin in found:
            version = next(iter(pin.specifier)).version
            assert requirement.specifier.contains(version), f"{lock} is stale: {text}"


def test_only_one_distribution_of_opencv_is_ever_locked() -> None:
    for lock in LOCKS:
        found = [name for name in pins(lock) if name.startswith("opencv")]
        assert found == (
            [] if lock.name in {"authority.txt", "desk.txt"} else ["opencv-python-headless"]
        )


@pytest.mark.parametrize("lock", ["authority.txt", "desk.txt"])
def test_the_authoritys_lock_contains_no_package_of_the_box(lock: str) -> None:
    box = {canonicalize_name(Requirement(text).name) for text in asked_by("box")}

    assert box == {"av", "fast-plate-ocr", "numpy", "opencv-python-headless", "prometheus-client"}
    assert (box | {"onnxruntime", "onnxruntime-gpu", "iotcore"}) & set(
        pins(ROOT / "requirements" / lock)
    ) == set()


@pytest.mark.parametrize("lock", ["authority.txt", "runtime.txt", "runtime-cpu.txt"])
def test_only_who_asks_for_the_desk_installs_its_libraries(lock: str) -> None:
    desk = {canonicalize_name(Requirement(text).name) for text in asked_by("postgres")}

    assert desk == {
        "alembic", "argon2-cffi", "joserfc", "psycopg", "pyhanko", "pyotp", "sqlalchemy",
        "starlette", "typst", "uvicorn", "webauthn",
    }  # fmt: skip
    assert desk & set(pins(ROOT / "requirements" / lock)) == set()


@functools.cache
def imported_packages() -> frozenset[str]:
    """Every package that the product imports anywhere."""
    return frozenset(
        name.partition(".")[0] for path in python_files(EDGE) for name in imports(tree(path))
    )


@pytest.mark.parametrize("extra", ["cpu", "demo", "postgres"])
def test_every_package_of_an_extra_that_is_missing_is_named_with_its_extra(extra: str) -> None:
    """Else its absence is told as a bug in the program."""
    modules = packages_distributions()
    for text in asked_by(extra):
        package = canonicalize_name(Requirement(text).name)
        there = {
            module
            for module, packages in modules.items()
            if package in map(canonicalize_name, packages)
        }
        named = there & EXTRA_OF.keys()
        assert named, package
        assert there & imported_packages() <= named, package
        for module in named:
            extras = EXTRA_OF[module].split(",")
            asked = {
                canonicalize_name(Requirement(one).name)
                for each in extras
                for one in asked_by(each)
            }
            assert package in asked, module


@pytest.mark.parametrize("extra", ["cpu", "gpu", "demo", "fixtures", "training"])
def test_each_extra_that_handles_pictures_includes_the_box(extra: str) -> None:
    assert set(asked_by("box")) <= set(asked_by(extra))


NAMED_TEST = re.compile(r"`(test_[a-z0-9_]+)`")


@functools.cache
def names_of_tests() -> frozenset[str]:
    """The names of all tests, which are functions of a file or of a class."""
    bodies = [tree(path).body for path in python_files(ROOT / "tests")]
    bodies += [node.body for body in bodies for node in body if isinstance(node, ast.ClassDef)]
    return frozenset(
        node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)
    )


@pytest.mark.parametrize("name", ["dpia.md", "threat-model.md"])
def test_every_test_named_in_a_document_exists(name: str) -> None:
    named = set(NAMED_TEST.findall((ROOT / "docs" / name).read_text(encoding="utf-8")))

    assert len(named) > 20
    assert sorted(named - names_of_tests()) == []


def test_the_dpia_covers_every_requirement() -> None:
    text = (ROOT / "docs" / "dpia.md").read_text(encoding="utf-8")
    parts = text.split("\n## ")[1:]

    assert [part.split(" ")[0] for part in parts] == [f"P{number}" for number in range(1, 22)]
    for part in parts:
        for heading in ("Risk", "Measure", "Shown by", "Remains"):
            assert part.count(f"- **{heading}:**") == 1, part.splitlines()[0]
        assert NAMED_TEST.search(part), part.splitlines()[0]


PURE = {
    "__future__", "bisect", "collections", "collections.abc", "dataclasses", "datetime", "enum",
    "fractions", "functools", "heapq", "hmac", "itertools", "math", "operator", "re",
    "statistics", "typing", "unicodedata", "typing_extensions", "zoneinfo",
}  # fmt: skip
"""What the domain may import of the standard library: nothing that acts or remembers."""


def imports(module: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "imports are absolute"
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", python_files(EDGE / "domain"), ids=name_of)
def test_the_domain_imports_only_numpy_and_pure_modules(path: Path) -> None:
    foreign = {
        name
        for name in imports(tree(path))
        if name not in PURE
        and name.split(".")[0] != "numpy"
        and name != "edge.errors"
        and not name.startswith("edge.domain")
    }

    assert foreign == set()


@pytest.mark.parametrize("path", python_files(EDGE / "domain"), ids=name_of)
def test_the_domain_uses_no_clock_and_no_randomness(path: Path) -> None:
    impure = {
        node.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "random", "default_rng"}
    }

    assert impure == set()
