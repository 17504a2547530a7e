"""Where the fonts lie that plates are drawn in. All have free licences; none is in this repository.

| package (Debian)       | files                                | licence                       |
|------------------------|--------------------------------------|-------------------------------|
| fonts-b612             | B612-Bold                            | OFL-1.1 (also EPL-2.0)        |
| fonts-bebas-neue       | BebasNeue-Bold                       | OFL-1.1                       |
| fonts-dejavu-core      | DejaVuSans-Bold                      | Bitstream Vera                |
| fonts-dejavu-extra     | DejaVuSansCondensed-Bold             | Bitstream Vera                |
| fonts-liberation2      | LiberationSans-Bold, -Regular        | OFL-1.1                       |
| fonts-opendin          | OSP-DIN                              | OFL-1.1                       |
| fonts-play             | Play-Bold                            | OFL-1.1                       |
| fonts-roadgeek         | RG2014C, RG2014D, RG2014E            | MIT                           |
| fonts-roboto-unhinted  | RobotoCondensed-Bold, -Regular       | Apache-2.0                    |
| fonts-routed-gothic    | routed-gothic, routed-gothic-narrow  | OFL-1.1                       |
| none: a download       | GL-Nummernschild-Mtl, -Eng           | free use (German FE-Schrift)  |

The last is looked for beside the checkout, in `../shared/fonts`, and in the folders that the
environment variable `PLATE_FONTS` lists as PATH lists folders.
"""

from __future__ import annotations

import importlib
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDERS = (
    *(Path(folder) for folder in os.environ.get("PLATE_FONTS", "").split(os.pathsep) if folder),
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("~/.local/share/fonts"),
    Path(__file__).resolve().parents[2] / "shared" / "fonts",
)
PACKAGES = {
    "B612-Bold.otf": "fonts-b612",
    "BebasNeue-Bold.otf": "fonts-bebas-neue",
    "DejaVuSans-Bold.ttf": "fonts-dejavu-core",
    "DejaVuSansCondensed-Bold.ttf": "fonts-dejavu-extra",
    "GL-Nummernschild-Eng.ttf": "",
    "GL-Nummernschild-Mtl.ttf": "",
    "LiberationSans-Bold.ttf": "fonts-liberation2",
    "LiberationSans-Regular.ttf": "fonts-liberation2",
    "OSP-DIN.ttf": "fonts-opendin",
    "Play-Bold.ttf": "fonts-play",
    "RG2014C.ttf": "fonts-roadgeek",
    "RG2014D.ttf": "fonts-roadgeek",
    "RG2014E.ttf": "fonts-roadgeek",
    "RobotoCondensed-Bold.ttf": "fonts-roboto-unhinted",
    "RobotoCondensed-Regular.ttf": "fonts-roboto-unhinted",
    "routed-gothic-narrow.ttf": "fonts-routed-gothic",
    "routed-gothic.ttf": "fonts-routed-gothic",
}
"""Every font file that a drawing here may ask for, and the Debian package that brings it."""


class MissingFontError(Exception):
    """A font that the plates are written in is not on this machine."""


@lru_cache
def font_path(name: str, folders: tuple[Path, ...] = FOLDERS) -> Path:
    """Where a font lies.

    Raises:
        MissingFontError: it is nowhere; the line says which Debian package brings it.
    """
    for folder in folders:
        for path in sorted(folder.expanduser().rglob(name)):
            return path
    package = PACKAGES[name]
    cure = (
        f"install it with `apt-get install {package}` or put the file under ~/.local/share/fonts"
        if package
        else "get this free font, and name its folder in the environment variable PLATE_FONTS "
        "or put the file under ~/.local/share/fonts"
    )
    raise MissingFontError(f"{name}: font not found; {cure}")


def require_fonts(*names: str) -> None:
    """Raise MissingFontError for the first of these fonts that is not there."""
    for name in names:
        font_path(name)


def pillow() -> tuple[Any, Any, Any]:
    """Pillow's Image, ImageDraw and ImageFont, untyped: only drawing a plate needs them."""
    image, draw_on, font = (
        importlib.import_module(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont")
    )
    return image, draw_on, font
