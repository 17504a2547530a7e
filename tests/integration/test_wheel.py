"""The contents of the wheel: the package, its manifest, its example sites, the demo's clip."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.product import CLIPS, REPOSITORY

pytest.importorskip("hatchling", reason="hatchling is not installed: run scripts/test")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("edge_anpr-*-py3-none-any.whl")
    return zipfile.ZipFile(built)


def files_under(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_models_example_sites_and_the_demo_clip(wheel: zipfile.ZipFile) -> None:
    held = {name.removeprefix("edge/_data/") for name in wheel.namelist()}

    assert "models/manifest.toml" in held
    for site in ("school-street", "car-free-zone", "demo"):
        assert {f"config/{site}/policy.yaml", f"config/{site}/site.yaml"} <= held
    demo = [path for name in ("street_day", "wrong_way") for path in CLIPS.glob(f"{name}.*")]
    assert len(demo) == 4
    assert {f"clips/{path.name}" for path in demo} <= held


def test_the_wheel_holds_texts_templates_and_style_sheets(wheel: zipfile.ZipFile) -> None:
    package = REPOSITORY / "edge"
    data = {
        f"edge/{name}" for name in files_under(package) if name.endswith((".toml", ".j2", ".css"))
    }

    assert {f"edge/texts/{language}.toml" for language in ("nl", "fr", "de", "en")} <= data
    assert "edge/policy/notice/templates/page.html.j2" in data
    assert data <= set(wheel.namelist())


def test_an_installed_wheel_makes_the_notice(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    asked = (
        "import sys; from edge.cli import main; "
        "sys.argv[1:] = ['notice', 'site/edge/_data/config/demo', '--out', 'notice']; main()"
    )

    subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        check=True,
    )

    assert {path.name for path in (tmp_path / "notice").iterdir()} == {
        "index.html",
        *(f"information-board.{language}.svg" for language in ("nl", "fr", "de", "en")),
    }


def test_the_wheel_holds_no_test_key_or_state(wheel: zipfile.ZipFile) -> None:
    strangers = [
        name
        for name in wheel.namelist()
        if not name.startswith(("edge/", "edge_anpr-"))
        or (
            {"keys", "state", "tests", "__pycache__"} & set(name.split("/")[2:])
            and not fnmatch(name, "edge/adapters/state/*.py")  # the package that stores the state
        )
    ]

    assert strangers == []


def test_the_product_finds_its_data_without_a_checkout(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path / "site")
    asked = "from edge.adapters.models.weights import Manifest; print(Manifest.load().path)"

    found = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert Path(found) == tmp_path / "site" / "edge" / "_data" / "models" / "manifest.toml"
