"""Waves: which boxes may install an archive now.

The document is a target of the delegated role `waves`, which an online key of the controller signs.
It can delay or halt an archive that vendor and controller have signed, and nothing else: the role
may sign paths below `waves/` only, and no box installs anything from there.

A box's place in the order is a hash of the archive's name and the box's id. So each archive begins
with other boxes, and nobody has to keep a list of who comes when.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from edge.formats.identifiers import Id
from edge.formats.strict import StrictMessage
from edge.updates.problems import UpdateSignatureError

ROLE: Final = "waves"
PATH: Final = "waves/waves.json"
PATTERN: Final = "waves/*"

_LARGEST: Final = 1 << 64


class OpenWave(StrictMessage):
    """To whom one archive is open.

    Attributes:
        percent: the share of all boxes, by their place in the order.
        boxes: boxes, as `site/box`, that may install it whatever their place.
        halted: nobody begins to install it.
    """

    percent: int = Field(ge=0, le=100)
    boxes: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}/[a-z0-9-]{1,40}$")], ...] = ()
    halted: bool = False


class WavesDocument(StrictMessage):
    """The waves of every archive, by kind and version; an archive without one is closed."""

    schema_: Literal["edge-anpr/update-waves/1"] = Field(
        default="edge-anpr/update-waves/1", alias="schema"
    )
    waves: dict[str, OpenWave] = Field(default={}, max_length=1000)

    def to_bytes(self) -> bytes:
        """The document as it is stored."""
        return self.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def parse_waves(data: bytes) -> WavesDocument:
    """Read the document from its bytes.

    Raises:
        UpdateSignatureError: it is of another form.
    """
    try:
        return WavesDocument.model_validate_json(data)
    except ValidationError:
        raise UpdateSignatureError(
            f"{PATH}: signed, but not of a form that this version reads; publish the waves again"
        ) from None


def place_of(name: str, site: Id, box: Id) -> float:
    """A box's place in the order of one archive: from 0 (first) to below 1.

    Args:
        name: kind and version of the archive.
        site: the box's site.
        box: its id.
    """
    digest = hashlib.sha256(f"{name}\0{site}/{box}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _LARGEST


def is_open(waves: WavesDocument, name: str, site: Id, box: Id) -> bool:
    """Whether a box may begin to install an archive now."""
    wave = waves.waves.get(name)
    return wave is not None and not wave.halted and in_wave(wave, name, site, box)


def in_wave(wave: OpenWave, name: str, site: Id, box: Id) -> bool:
    """Whether a box belongs to those to whom an archive was opened so far."""
    return f"{site}/{box}" in wave.boxes or place_of(name, site, box) * 100 < wave.percent
