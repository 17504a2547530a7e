"""The manifest of weights: model, reader and writer of `manifest.toml`."""

from __future__ import annotations

import hashlib
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from edge.errors import ModelError
from edge.formats.atomic_files import write_file
from edge.formats.canonical import canonical_json
from edge.formats.identifiers import Sha256
from edge.formats.strict import Strict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MANIFEST_FILE = "manifest.toml"
SCHEMA: Literal["edge-anpr/models/2"] = "edge-anpr/models/2"

_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$")]
_Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|\[::1\])[:/])\S+$")
]
"""Where a file can be downloaded: over HTTPS, or from this machine."""

Temperature = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Contract(Enum):
    """The input and output that a network must have."""

    DETECTOR = "end2end-detector"
    READER = "plate-reader"
    COVER_CHECK = "cover-check"
    SCENE_PARSER = "scene-parser"


_KINDS = {
    Contract.DETECTOR: "detector",
    Contract.COVER_CHECK: "cover-check",
    Contract.SCENE_PARSER: "scene-parser",
}
"""How an error names weights that are no reader."""


LEAST_SURE, MOST_SUSPECTED = 0.8, 0.2
"""Bounds of a scene parser's thresholds. They stand in the code, because nobody signs the manifest.
With 0.8 and 0.3, windows were shown in 4 of 32 pictures of the validation set."""


class Calibration(Strict, strict=True):
    """The calibration of a network, which turns its scores into probabilities.

    Temperature scaling (Guo et al., On calibration of modern neural networks, 2017): a
    reader's slot posteriors p become p^(1/temperature), renormalised; a detector's score s
    becomes sigmoid(logit(s) / temperature).
    """

    temperature: Temperature = Field(
        default=1.0, description="Above 1 makes the network less sure; 1 changes nothing."
    )
    region_temperature: Temperature | None = Field(
        default=None, description="Likewise for a reader's countries; 1 when left out."
    )
    ece: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Expected calibration error after it, on the data named in the model card.",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="A detector's calibrated score from which a detection may begin a track; a "
        "cover-check's output from which a plate counts as hidden in part; a scene-parser's "
        "calibrated probability of what a level allows, from which on a pixel is shown.",
    )
    suspected: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="A scene-parser's calibrated probability of what a level masks, from which on "
        "a pixel and its surroundings are masked.",
    )

    def sha256(self) -> str:
        """Hex digest of its canonical JSON (RFC 8785)."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


class DigestedFile(Strict, strict=True):
    """A file beside the weights and the digest it must have."""

    file: _FileName
    sha256: Sha256 | None = None
    url: _Address | None = None

    @model_validator(mode="after")
    def _known_or_fetched(self) -> DigestedFile:
        if self.sha256 is None and self.url is None:
            raise ValueError("sha256 is missing; only what has a url may be pinned later")
        return self


class WeightsEntry(Strict):  # not in strict mode: TOML has no enums or tuples
    """One entry of the manifest.

    An entry with a `url` may lack `sha256` and `bytes`. It cannot be loaded until a person has
    pinned the digest of the downloaded file.
    """

    name: _Name
    contract: Contract
    file: _FileName
    sha256: Sha256 | None = None
    bytes: int | None = Field(default=None, gt=0, strict=True)
    input: tuple[int, int] = Field(description="Height and width of the network's picture.")
    plate_config: DigestedFile | None = None
    calibration: Calibration
    url: _Address | None = None
    variant_of: _Name | None = Field(
        default=None,
        description="Weights of the same network in another number format: a box uses the ones "
        "that are faster on its CPU.",
    )
    source: _Line

    @model_validator(mode="after")
    def _check_fields(self) -> WeightsEntry:
        if (self.sha256 is None) != (self.bytes is None):
            raise ValueError("sha256 and bytes must be given together")
        if self.sha256 is None and self.url is None:
            raise ValueError("sha256 is missing; only what has a url may be pinned later")
        self._check_calibration()
        return self

    def _check_calibration(self) -> None:
        """Raise unless the entry has what its contract needs, and no more."""
        calibration = self.calibration
        if self.contract is Contract.READER:
            if self.plate_config is None:
                raise ValueError("a plate-reader needs plate_config")
            if calibration.threshold is not None:
                raise ValueError("calibration.threshold is a detector's; a plate-reader has none")
            if calibration.suspected is not None:
                raise ValueError("calibration.suspected is a scene-parser's")
        else:
            kind = _KINDS[self.contract]
            if self.plate_config is not None:
                raise ValueError(f"plate_config is a plate-reader's; a {kind} has none")
            if calibration.threshold is None:
                raise ValueError(f"a {kind} needs calibration.threshold")
            if calibration.region_temperature is not None:
                raise ValueError("calibration.region_temperature is a plate-reader's")
            if (calibration.suspected is not None) != (self.contract is Contract.SCENE_PARSER):
                raise ValueError(
                    "a scene-parser needs calibration.suspected; other weights have none"
                )
            if self.contract is Contract.SCENE_PARSER:
                _require_careful(calibration.threshold, calibration.suspected or 0)

    @property
    def pinned(self) -> bool:
        """Whether all its digests are known."""
        config = self.plate_config
        return self.sha256 is not None and (config is None or config.sha256 is not None)


def _require_careful(threshold: float, suspected: float) -> None:
    """Refuse thresholds of a scene parser that would show what nobody is sure of."""
    if threshold < LEAST_SURE:
        raise ValueError(f"calibration.threshold of a scene-parser is at least {LEAST_SURE}")
    if suspected > MOST_SUSPECTED:
        raise ValueError(f"calibration.suspected of a scene-parser is at most {MOST_SUSPECTED}")


class WeightsInUse(Strict, strict=True):
    """The weights of a run with their digests, as audit log and evidence pack name them.

    The calibration is named of weights that are not the product's: it decides how sure a reading
    is, and so what the thresholds of a policy mean.
    """

    detector: str
    detector_sha256: Sha256
    reader: str
    reader_sha256: Sha256
    plate_config_sha256: Sha256
    cover_check: str | None = None
    cover_check_sha256: Sha256 | None = None
    scene_parser: str | None = None
    scene_parser_sha256: Sha256 | None = None
    detector_calibration_sha256: Sha256 | None = None
    reader_calibration_sha256: Sha256 | None = None

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785); what a run does not use is absent."""
        return canonical_json(self.model_dump(mode="json", exclude_none=True))

    def sha256(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()


class Pair(Strict, strict=True):
    """The names of a detector and a reader that are used together."""

    detector: _Name
    reader: _Name


class ManifestFile(Strict):
    """The content of a manifest file."""

    schema_: Literal["edge-anpr/models/2"] = Field(default=SCHEMA, alias="schema")
    default: _Name | None = None
    cover_check: _Name | None = Field(
        default=None, description="The weights that look for covers, for every reader."
    )
    scene_parser: _Name | None = Field(
        default=None,
        description="The weights that decide what a picture of an offence shows; without them "
        "the geometry of the plate decides.",
    )
    search: tuple[str, ...] = ()
    pairs: dict[_Name, Pair] = Field(default_factory=dict)
    weights: tuple[WeightsEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _default_is_a_pair(self) -> ManifestFile:
        if self.default is not None and self.default not in self.pairs:
            raise ValueError(f"default: {self.default!r} is not one of the pairs")
        names = [entry.name for entry in self.weights]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"weights: the name {twice!r} is given twice")
        return self


# --- the file -------------------------------------------------------------------------------


def read_manifest(file: Path) -> ManifestFile:
    """Read a manifest.

    Raises:
        ModelError: the file cannot be read, is not TOML, or has a wrong or unknown field.
    """
    raw: dict[str, Any] = {}
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
        return ManifestFile.model_validate(raw)
    except OSError as error:
        raise ModelError(
            f"{file}: the manifest of weights cannot be read ({error.strerror}); reinstall the "
            "product or name another manifest"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: not valid TOML: {error}; correct the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = _field(first["loc"], raw)
        what = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{file}: {where}{what}; correct the field") from None


_Model = TypeVar("_Model", bound=BaseModel)


def build(model: type[_Model], **fields: Any) -> _Model:  # noqa: ANN401 - checked by the model
    """Make a part of a manifest from given values.

    Raises:
        ModelError: a value is out of range or contradicts another.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{_field(first['loc'], fields)}{what}; correct it") from None


def _field(location: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """A field's path; a list entry appears with its name instead of its index."""
    parts = [str(part) for part in location]
    if location[:1] == ("weights",) and len(location) > 1 and isinstance(location[1], int):
        entry = raw["weights"][location[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        parts[:2] = [f"weights[{name if isinstance(name, str) else location[1]}]"]
    return f"{'.'.join(parts)}: " if parts else ""


def write_manifest(file: Path, content: ManifestFile) -> None:
    """Write a manifest; comments above its first key are kept.

    The file is complete at every moment (`formats.atomic_files`).

    Raises:
        OSError: it cannot be written.
    """
    head = ""
    if file.is_file():
        lines = file.read_text("utf-8").splitlines(keepends=True)
        above = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
        head = "".join(lines[:above])
    write_file(file, (head + manifest_text(content)).encode(), mode=0o666)


def manifest_text(content: ManifestFile) -> str:
    """A manifest as TOML."""
    lines = [f"schema = {_toml(content.schema_)}"]
    if content.default is not None:
        lines.append(f"default = {_toml(content.default)}")
    if content.cover_check is not None:
        lines.append(f"cover_check = {_toml(content.cover_check)}")
    if content.scene_parser is not None:
        lines.append(f"scene_parser = {_toml(content.scene_parser)}")
    if content.search:
        lines.append(f"search = {_toml(list(content.search))}")
    if content.pairs:
        lines += ["", "[pairs]"]
        lines += [
            f"{_toml(name) if '.' in name else name} = {_toml(pair.model_dump())}"
            for name, pair in content.pairs.items()
        ]
    for entry in content.weights:
        fields = entry.model_dump(mode="json", exclude_none=True)
        lines += ["", "[[weights]]", *(f"{key} = {_toml(value)}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return repr(value)
