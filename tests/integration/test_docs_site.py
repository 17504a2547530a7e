"""The site of docs/: every document is in it, every link works, no page loads from other hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.support.source_tree import ROOT, name_of, tracked_files

HEAVY = {".mp4", ".onnx"}
"""No document links to them."""

NOT_ON_THE_SITE = re.compile(r"config/[^/]+/dpia\.md|tests/.*")
"""Impact assessments of example sites, and notes beside the tests' own files."""

LOADED = re.compile(
    r"<(?:script|img|iframe)\b[^>]*\bsrc=[\"']([^\"']+)|<link\b[^>]*\bhref=[\"']([^\"']+)"
)
ELSEWHERE = re.compile(r"(?:https?:)?//")


def build(checkout: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all tracked files."""
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    for path in tracked_files():
        if path.suffix not in HEAVY:
            target = copy / name_of(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    if not copy.is_dir():
        pytest.skip("no git checkout")
    return copy


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the unchanged copy."""
    folder = tmp_path_factory.mktemp("site")
    done = build(checkout, folder)
    assert done.returncode == 0, done.stderr
    return folder


def page_of(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    page = path.with_name("index.html" if path.stem == "README" else f"{path.stem}.html")
    return page.relative_to("docs") if path.parts[0] == "docs" else "repository" / page


def test_every_document_of_the_repository_is_a_page(site: Path) -> None:
    names = [name_of(path) for path in tracked_files() if path.suffix == ".md"]
    if not names:
        pytest.skip("no git checkout")
    missing = [
        name
        for name in names
        if not NOT_ON_THE_SITE.fullmatch(name) and not (site / page_of(name)).is_file()
    ]

    assert missing == [], "link to them from docs/"


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    loaded = {
        (page.name, script or link)
        for page in site.rglob("*.html")
        for script, link in LOADED.findall(page.read_text(encoding="utf-8"))
    }
    styles = {
        (sheet.name, address)
        for sheet in site.rglob("*.css")
        for address in re.findall(r"url\([\"']?([^)\"']+)", sheet.read_text(encoding="utf-8"))
    }

    assert any(page == "index.html" for page, _ in loaded)
    assert any(".woff2" in address for _, address in styles)
    assert [each for each in loaded | styles if ELSEWHERE.match(each[1])] == []


def test_a_link_out_of_docs_leads_to_a_page_of_the_site(site: Path) -> None:
    page = (site / "deploy.html").read_text(encoding="utf-8")

    (link,) = re.findall(r'href="([^"]+/edge-anpr\.service)"', page)
    unit = ROOT / "config" / "deploy" / "edge-anpr.service"
    assert (site / link).read_bytes() == unit.read_bytes()


BROKEN = (
    ("docs/deploy.md", "gone.md"),
    ("docs/deploy.md", "../config/gone.yaml"),
    ("docs/deploy.md", "../README.md#gone"),
    ("README.md", "docs/gone.md"),
    ("models/plate_reader.md", "../docs/training.md#gone"),
)


@pytest.fixture(scope="module")
def broken(site: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a build says of a copy with links that lead nowhere, which it refuses."""
    assert site.is_dir()  # the same copy without those links builds
    copy = tmp_path_factory.mktemp("broken") / "checkout"
    shutil.copytree(checkout, copy)
    for file, link in BROKEN:
        with (copy / file).open("a", encoding="utf-8") as document:
            document.write(f"\n[gone]({link})\n")
    done = build(copy, copy / "site")
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(("file", "link"), BROKEN)
def test_a_broken_link_fails_the_build(broken: str, file: str, link: str) -> None:
    assert any(file in line and link in line for line in broken.splitlines())


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))

    assert listed == sorted(path.name for path in folder.glob("0*.md"))
