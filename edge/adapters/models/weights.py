"""Weights by name: where they lie, and the digest they must have before anything loads them."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from edge.errors import ModelError
from edge.formats.atomic_files import write_file
from edge.formats.canonical import canonical_model
from edge.formats.identifiers import Sha256
from edge.formats.strict import Strict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODELS_VARIABLE = "EDGE_ANPR_MODELS"
"""Environment variable with further folders to look for weights in (as in PATH)."""

MANIFEST_FILE = "manifest.toml"
SCHEMA: Literal["edge-anpr/models/2"] = "edge-anpr/models/2"

_PACKAGE = Path(__file__).resolve().parents[2]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$")]
_Address = Annotated[
    str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|\[::1\])[:/])\S+$")
]
"""Where a file can be fetched: encrypted, or on this very machine."""

Temperature = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Contract(Enum):
    """What a file of weights takes in and gives out."""

    DETECTOR = "end2end-detector"
    READER = "plate-reader"


class Calibration(Strict, strict=True):
    """What turns a network's numbers into probabilities that mean what they say.

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
        description="A detector's calibrated score from which a detection may begin a track.",
    )


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

    An entry with a `url` may lack `sha256` and `bytes`: nothing loads it until a person has
    pinned the digest of what was fetched.
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
    source: _Line

    @model_validator(mode="after")
    def _whole(self) -> WeightsEntry:
        if (self.sha256 is None) != (self.bytes is None):
            raise ValueError("sha256 and bytes belong together")
        if self.sha256 is None and self.url is None:
            raise ValueError("sha256 is missing; only what has a url may be pinned later")
        calibration = self.calibration
        if self.contract is Contract.READER:
            if self.plate_config is None:
                raise ValueError("a plate-reader needs plate_config")
            if calibration.threshold is not None:
                raise ValueError("calibration.threshold is a detector's; a plate-reader has none")
        else:
            if self.plate_config is not None:
                raise ValueError("plate_config is a plate-reader's; a detector has none")
            if calibration.threshold is None:
                raise ValueError("a detector needs calibration.threshold")
            if calibration.region_temperature is not None:
                raise ValueError("calibration.region_temperature is a plate-reader's")
        return self

    @property
    def pinned(self) -> bool:
        """Whether all its digests are known."""
        config = self.plate_config
        return self.sha256 is not None and (config is None or config.sha256 is not None)


class WeightsInUse(Strict, strict=True):
    """The weights of a run by their digests, as the audit log and the evidence pack name them."""

    detector: str
    detector_sha256: Sha256
    reader: str
    reader_sha256: Sha256
    plate_config_sha256: Sha256

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return canonical_model(self)

    def sha256(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()


class Pair(Strict, strict=True):
    """A detector and a reader that go together, by their names."""

    detector: _Name
    reader: _Name


class ManifestFile(Strict):
    """What a manifest file holds."""

    schema_: Literal["edge-anpr/models/2"] = Field(default=SCHEMA, alias="schema")
    default: _Name | None = None
    search: tuple[str, ...] = ()
    pairs: dict[_Name, Pair] = Field(default_factory=dict)
    weights: tuple[WeightsEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _default_is_a_pair(self) -> ManifestFile:
        if self.default is not None and self.default not in self.pairs:
            raise ValueError(f"default: {self.default!r} is none of the pairs")
        names = [entry.name for entry in self.weights]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"weights: the name {twice!r} is given twice")
        return self


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that were found and whose digests are right.

    `plate_config` is the reader's alphabet and input format, None for a detector.
    """

    entry: WeightsEntry
    path: Path
    plate_config: Path | None


class Manifest:
    """The list of weights that may be loaded.

    Files are looked for in `folders`, in order: beside the manifest, in the folders of
    `EDGE_ANPR_MODELS`, in the user's data folder (`user_folder`), in the manifest's `search`.
    A `manifest.toml` in one of the middle two adds entries and pairs of its own: fine-tuned
    weights, and digests that a person has pinned. What the product's manifest says stands
    above it.

    Args:
        path: the manifest's file.
        content: its entries.
        additions: contents of further manifests, what comes first stands above what follows.
        folders: where the weights are looked for, in order.
        install_folder: where `models pull` puts what it has fetched; None if there is none.
    """

    def __init__(
        self,
        path: Path,
        content: ManifestFile,
        additions: Iterable[ManifestFile],
        folders: tuple[Path, ...],
        install_folder: Path | None,
    ) -> None:
        self.path = path
        self.folders = folders
        self.install_folder = install_folder
        self._entries = {entry.name: entry for entry in content.weights}
        self._pairs = dict(content.pairs)
        for added in additions:
            for entry in added.weights:
                known = self._entries.get(entry.name)
                if known is None or (not known.pinned and entry.contract is known.contract):
                    self._entries[entry.name] = entry
            for name, pair in added.pairs.items():
                self._pairs.setdefault(name, pair)
        if content.default is None:
            raise ModelError(f"{path}: default is missing; name one of the pairs")
        self.default_pair = content.default
        self.default_detector = self._pairs[content.default].detector
        self.default_reader = self._pairs[content.default].reader

    @classmethod
    def load(
        cls, path: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> Manifest:
        """Read a manifest; without a path, the one that came with the product.

        Raises:
            ModelError: the file is missing, is no TOML or has a wrong or unknown field.
        """
        file = path if path is not None else own_manifest()
        content = read_manifest(file)
        named = tuple(
            Path(folder)
            for folder in environment.get(MODELS_VARIABLE, "").split(os.pathsep)
            if folder
        )
        user = user_folder(environment)
        installed = named if user is None else (*named, user)
        additions = [
            read_manifest(folder / MANIFEST_FILE)
            for folder in installed
            if (folder / MANIFEST_FILE).is_file()
        ]
        searched = tuple(file.parent / folder for folder in content.search)
        return cls(
            file,
            content,
            additions,
            (file.parent, *installed, *searched),
            next(iter(installed), None),
        )

    @property
    def entries(self) -> tuple[WeightsEntry, ...]:
        """All entries, the product's own first."""
        return tuple(self._entries.values())

    @property
    def pairs(self) -> Mapping[str, Pair]:
        return dict(self._pairs)

    def pair(self, name: str) -> Pair:
        """A pair by its name.

        Raises:
            ModelError: there is no such pair.
        """
        if name not in self._pairs:
            raise ModelError(
                f"{self.path}: no pair named {name!r}; choose one of: {', '.join(self._pairs)}",
                code="E_MODEL_NAME",
            )
        return self._pairs[name]

    def names(self, contract: Contract) -> tuple[str, ...]:
        """The names of all weights of one contract, in the manifest's order."""
        return tuple(e.name for e in self._entries.values() if e.contract is contract)

    def entry(self, name: str) -> WeightsEntry:
        """An entry by its name.

        Raises:
            ModelError: there is no such entry.
        """
        if name not in self._entries:
            raise ModelError(
                f"{self.path}: no weights named {name!r}; choose one of: "
                f"{', '.join(self._entries)}",
                code="E_MODEL_NAME",
            )
        return self._entries[name]

    def find(self, name: str, contract: Contract) -> Weights:
        """Find weights by name and check their size and digest.

        Raises:
            ModelError: the name is unknown or of another contract, its digest is not pinned
                yet, or a file is missing or is not the one the manifest describes.
        """
        entry = self.pinned(name, contract)
        path = self._checked(entry, entry.file, entry.sha256 or "", entry.bytes)
        config = entry.plate_config
        plate_config = (
            None if config is None else self._checked(entry, config.file, config.sha256 or "")
        )
        return Weights(entry, path, plate_config)

    def in_use(self, detector: str | None, reader: str | None) -> WeightsInUse:
        """The digests of a detector and a reader; the files need not be there.

        The default pair's where no name is given.

        Raises:
            ModelError: a name is unknown, or a digest is not pinned yet.
        """
        seeing = self.pinned(detector or self.default_detector, Contract.DETECTOR)
        reading = self.pinned(reader or self.default_reader, Contract.READER)
        config = reading.plate_config
        return WeightsInUse(
            detector=seeing.name,
            detector_sha256=seeing.sha256 or "",
            reader=reading.name,
            reader_sha256=reading.sha256 or "",
            plate_config_sha256=(config.sha256 if config is not None else None) or "",
        )

    def pinned(self, name: str, contract: Contract) -> WeightsEntry:
        """An entry whose digests are all known.

        Raises:
            ModelError: the name is unknown or of another contract, or a digest is not pinned.
        """
        entry = self._entries.get(name)
        if entry is None or entry.contract is not contract:
            known = ", ".join(self.names(contract)) or "none"
            raise ModelError(
                f"{self.path}: no {contract.value} named {name!r}; choose one of: {known}",
                code="E_MODEL_NAME",
            )
        if not entry.pinned:
            raise ModelError(
                f"{name}: its SHA-256 is not known yet; install it with "
                f"`edge-anpr models pull {name}`, which shows the digest to pin",
                code="E_MODEL_PIN",
            )
        return entry

    def locate(self, file: str) -> Path | None:
        """Where a file of weights lies, unchecked; None if in no folder."""
        return next((f / file for f in self.folders if (f / file).is_file()), None)

    def _checked(
        self, entry: WeightsEntry, file: str, sha256: str, size: int | None = None
    ) -> Path:
        path = self.locate(file)
        if path is None:
            pull = f"run `edge-anpr models pull {entry.name}`, " if entry.url else ""
            raise ModelError(
                f"{file}: weights not found; {pull}put the file into {self.folders[0]} or name "
                f"its folder in {MODELS_VARIABLE}",
                code="E_MODEL_MISSING",
            )
        try:
            if size is not None and path.stat().st_size != size:
                raise ModelError(
                    f"{path}: {path.stat().st_size} bytes where the manifest says {size}; fetch "
                    "the file again from its source",
                    code="E_MODEL_DIGEST",
                )
            digest = sha256_of(path)
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read ({error.strerror}); check the file's permissions",
                code="E_MODEL_MISSING",
            ) from None
        if not hmac.compare_digest(digest, sha256):
            raise ModelError(
                f"{path}: its SHA-256 is not the one in {self.path.name}; the file was altered or "
                "is another version: fetch it again from its source",
                code="E_MODEL_DIGEST",
            )
        return path


# --- the file -------------------------------------------------------------------------------


def read_manifest(file: Path) -> ManifestFile:
    """A manifest's content.

    Raises:
        ModelError: the file cannot be read, is no TOML or has a wrong or unknown field.
    """
    raw: dict[str, Any] = {}
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
        return ManifestFile.model_validate(raw)
    except OSError as error:
        raise ModelError(
            f"{file}: the list of weights cannot be read ({error.strerror}); reinstall the "
            "product or name another manifest"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: no valid TOML: {error}; correct the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = _field(first["loc"], raw)
        what = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{file}: {where}{what}; correct the field") from None


_Model = TypeVar("_Model", bound=BaseModel)


def build(model: type[_Model], **fields: Any) -> _Model:  # noqa: ANN401 - checked by the model
    """A part of a manifest from values that a person gave.

    Raises:
        ModelError: a value is out of range or does not go with another.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        raise ModelError(f"{_field(first['loc'], fields)}{what}; correct it") from None


def _field(location: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """A field as a person finds it: an entry by its name, not by its place in the list."""
    parts = [str(part) for part in location]
    if location[:1] == ("weights",) and len(location) > 1 and isinstance(location[1], int):
        entry = raw["weights"][location[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        parts[:2] = [f"weights[{name if isinstance(name, str) else location[1]}]"]
    return f"{'.'.join(parts)}: " if parts else ""


def write_manifest(file: Path, content: ManifestFile) -> None:
    """Write a manifest in its one form; comments above its first key are kept.

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


# --- where things are -----------------------------------------------------------------------


def sha256_of(path: Path) -> str:
    """A file's SHA-256 in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def user_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where weights of a user lie: `edge-anpr/models` in the XDG data folder.

    None where the environment names no home, as in some services.
    """
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):  # a relative one is to be ignored, the XDG specification says
        return Path(data) / "edge-anpr" / "models"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        return None
    return Path(home) / ".local" / "share" / "edge-anpr" / "models"


def own_manifest() -> Path:
    """In a checkout `models/` stands beside the package; in a wheel it is inside."""
    packaged = _PACKAGE / "_data" / "models" / MANIFEST_FILE
    return packaged if packaged.is_file() else _PACKAGE.parent / "models" / MANIFEST_FILE
