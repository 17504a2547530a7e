"""Material of decoys: hits of known vehicles, opened, as `hits open` has written them.

It comes from a run of the box over a recording of vehicles that the authority knows: rendered
ones, or its own, driven past the same camera. So pictures are masked and cut as those of real hits.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.authority.opening import SCHEMA
from edge.domain.appearance import Appearance, Colour, VehicleKind
from edge.domain.plate_forms import misreads, variants
from edge.domain.plates import PlateFormatError, PlateText
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.errors import UsageError
from edge.formats.identifiers import is_id
from edge.formats.timestamps import parse_utc
from edge.formats.yaml_document import read_bytes
from edge.privacy.place_still import PLACE_PICTURE
from edge.privacy.sealing import EvidenceContent, Picture

_LARGEST = 4 * 1024 * 1024


class DecoyKind(str, Enum):
    """What is wrong with a decoy.

    `misread`: the stated plate is not that of the picture. `lawful`: the picture shows no offence.
    """

    MISREAD = "misread"
    LAWFUL = "lawful"


class _Written(BaseModel):
    """The fields of `hit.json` that a decoy needs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    hit: dict[str, Any]
    plate: str = Field(repr=False)
    region: str | None
    list_entry_id: str | None = Field(repr=False)
    reads: int
    first_seen: str
    last_seen: str
    masked_by: dict[str, str | None]
    shows: dict[str, str | None]
    taken_at: dict[str, str | None]
    approved: dict[str, str] = {}
    vehicle: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class DecoyVehicle:
    """A known vehicle in pictures.

    Attributes:
        site, camera, rule: where and for what the box made the hit.
        observed: when; the light of that moment is in the pictures.
        content: the evidence, with the plate as the box read it.
        stated: the plate that the decoy states.
        sha256: the digest of the pictures.
    """

    site: str
    camera: str
    rule: str
    observed: datetime
    content: EvidenceContent = field(repr=False)
    stated: PlateText = field(repr=False)
    sha256: str

    def at(self, moment: datetime) -> EvidenceContent:
        """The evidence as if seen at another moment, with the stated plate."""
        shift = moment - self.observed
        pictures = tuple(
            replace(one, taken_at=None if one.taken_at is None else one.taken_at + shift)
            for one in self.content.pictures
        )
        return replace(
            self.content,
            plate=self.stated,
            first_seen=self.content.first_seen + shift,
            last_seen=self.content.last_seen + shift,
            pictures=pictures,
        )


def read_vehicles(folder: Path, kind: DecoyKind, chance: random.Random) -> list[DecoyVehicle]:
    """The vehicles in a folder of opened hits, by the names of their folders.

    Args:
        folder: what `hits open --out` has written.
        kind: of the decoys that are made of them.
        chance: chooses which character a misread states wrongly.

    Raises:
        UsageError: `E_DECOY`: there is none, or one is damaged.
        ConfigError: a file cannot be read.
    """
    files = sorted(folder.glob("*/hit.json"))
    if not files:
        raise UsageError(
            f"{folder}: no opened hits in it; run the box over a recording of vehicles that you "
            "know, and give what `edge-anpr hits open --out` wrote",
            code="E_DECOY",
        )
    return [_vehicle(file, kind, chance) for file in files]


def _vehicle(file: Path, kind: DecoyKind, chance: random.Random) -> DecoyVehicle:
    damaged = UsageError(
        f"{file}: no opened hit of this version ({SCHEMA}); open it again", code="E_DECOY"
    )
    try:
        written = _Written.model_validate_json(read_bytes(file, _LARGEST))
        content = _content(written, file.parent)
        site, camera, rule = (str(written.hit.get(name)) for name in ("site", "camera", "rule"))
        observed = parse_utc(str(written.hit["observed_at"]))
        stated = PlateText(written.plate if kind is DecoyKind.LAWFUL else _misread(written, chance))
    except (ValidationError, PlateFormatError, KeyError, ValueError):
        raise damaged from None
    if not (is_id(site) and is_id(camera) and is_id(rule) and content.pictures):
        raise damaged
    digest = hashlib.sha256(b"".join(one.jpeg for one in content.pictures)).hexdigest()
    return DecoyVehicle(site, camera, rule, observed, content, stated, digest)


def _misread(written: _Written, chance: random.Random) -> str:
    """The plate with one other character, as most misreads: one that readers confuse, if any."""
    plate, region = written.plate, written.region
    near = [one for one in variants(plate, region) if _differences(one, plate) == 1]
    return chance.choice(
        near
        or [
            one
            for one in misreads(plate, region, changed=True)
            if len(one) == len(plate) and _differences(one, plate) == 1
        ]
    )


def _content(written: _Written, folder: Path) -> EvidenceContent:
    """Raises ValueError or KeyError if a field has an unknown value."""
    pictures = []
    for name, mask in written.masked_by.items():
        if Path(name).name != name:
            raise ValueError(name)
        taken, shows = written.taken_at.get(name), written.shows.get(name)
        approved = written.approved.get(name)
        if (approved is not None) != (name == f"{PLACE_PICTURE}.jpg"):
            raise ValueError(name)
        method = None if approved is not None else MaskMethod.MEANING
        pictures.append(
            Picture(
                name.removesuffix(".jpg"),
                read_bytes(folder / name, _LARGEST),
                method if mask is None else MaskMethod(mask),
                None if taken is None else parse_utc(taken),
                None if shows is None else RevealLevel(shows),
                approved,
            )
        )
    vehicle = written.vehicle
    return EvidenceContent(
        plate=PlateText(written.plate),
        alternatives=(),
        region=written.region,
        list_entry_id=written.list_entry_id,
        reads=written.reads,
        first_seen=parse_utc(written.first_seen),
        last_seen=parse_utc(written.last_seen),
        pictures=tuple(pictures),
        appearance=Appearance(
            {VehicleKind(name): share for name, share in vehicle["kinds"].items()},
            {Colour(name): share for name, share in vehicle["colours"].items()},
        ),
    )


def _differences(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


LONGEST_GAP = timedelta(minutes=30)
"""A decoy stands between two real hits that are at most so far apart."""
