"""Checks that the installed OpenCV is complete and the right one.

Two distributions, `opencv-python` and `opencv-python-headless`, install the same package `cv2`; the
later one overwrites the files of the other. `opencv-python` needs libGL and desktop libraries,
which a box does not have.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from edge.errors import ConfigError

_WANTED = "opencv-python-headless"
_DISTRIBUTIONS = (
    _WANTED,
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def check_cv2() -> None:
    """Refuse a cv2 that cannot be loaded, or that is a mixture of two versions.

    Raises:
        ConfigError: `E_OPENCV`, with the commands that repair it.
    """
    installed = {name: found for name in _DISTRIBUTIONS if (found := _version(name)) is not None}
    others = " ".join(name for name in installed if name != _WANTED)
    pin = f"{_WANTED}=={installed[_WANTED]}" if _WANTED in installed else _WANTED
    cure = f"run: pip install --force-reinstall --no-deps {pin}"
    if others:
        cure = f"run: pip uninstall --yes {others}; then {cure}"
    if len(set(installed.values())) > 1:
        mixture = ", ".join(f"{name} {found}" for name, found in installed.items())
        message = f"cv2 is a mixture of two installations, {mixture}; {cure}"
        raise ConfigError(message, code="E_OPENCV")
    try:
        import_module("cv2")
    except ImportError as error:
        message = f"cv2 cannot be loaded ({error}); {cure}"
        raise ConfigError(message, code="E_OPENCV") from error


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
