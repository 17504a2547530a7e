"""The check for one cv2 that loads without a desktop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from edge.adapters.host.cv2_check import check_cv2

ROOT = Path(__file__).resolve().parents[4]
ASK = "from edge.adapters.host.cv2_check import check_cv2; check_cv2(); print('accepted')"


def ask_with(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check in a new process that finds packages in `folder` first."""
    return subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


def install(folder: Path, distribution: str, version: str) -> None:
    """Create the folder with the version that pip writes for a distribution."""
    metadata = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    )


def lay_cv2(folder: Path, source: str) -> None:
    (folder / "cv2").mkdir()
    (folder / "cv2" / "__init__.py").write_text(source)


def test_the_cv2_of_this_environment_is_accepted() -> None:
    check_cv2()


def test_two_distributions_of_one_version_are_accepted(tmp_path: Path) -> None:
    lay_cv2(tmp_path, "")
    for name in ("opencv-python", "opencv-python-headless"):
        install(tmp_path, name, "5.0.0.93")

    assert ask_with(tmp_path).stdout == "accepted\n"


def test_two_distributions_of_different_versions_are_refused_with_the_remedy(
    tmp_path: Path,
) -> None:
    lay_cv2(tmp_path, "")
    install(tmp_path, "opencv-python", "4.12.0.88")
    install(tmp_path, "opencv-python-headless", "5.0.0.93")

    last_line = ask_with(tmp_path).stderr.splitlines()[-1]

    assert "ConfigError: E_OPENCV: cv2 is a mixture" in last_line
    assert "opencv-python 4.12.0.88" in last_line
    assert "pip uninstall --yes opencv-python;" in last_line
    assert "--no-deps opencv-python-headless==5.0.0.93" in last_line


def test_a_cv2_without_libgl_is_refused_with_the_remedy(tmp_path: Path) -> None:
    missing = "libGL.so.1: cannot open shared object file"
    lay_cv2(tmp_path, f"raise ImportError({missing!r})")
    for name in ("opencv-python", "opencv-python-headless"):
        install(tmp_path, name, "5.0.0.93")

    last_line = ask_with(tmp_path).stderr.splitlines()[-1]

    assert f"ConfigError: E_OPENCV: cv2 cannot be loaded ({missing})" in last_line
    assert "pip uninstall --yes opencv-python;" in last_line


@pytest.mark.skipif(shutil.which("ldd") is None, reason="no ldd on this machine")
def test_the_library_of_this_environment_needs_no_desktop() -> None:
    libraries = [
        Path(str(file.locate()))
        for distribution in distributions()
        if distribution.metadata["Name"] == "opencv-python-headless"
        for file in distribution.files or ()
        if file.match("cv2/cv2*.so")
    ]
    assert libraries, "opencv-python-headless installs no cv2 library"

    for library in libraries:
        needed = subprocess.run(
            ["ldd", str(library)], capture_output=True, text=True, check=True
        ).stdout
        assert "libc.so" in needed
        for desktop in ("libGL", "libQt", "libX11", "libgtk"):
            assert desktop not in needed
