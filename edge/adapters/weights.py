"""Weights by name: where they lie, and the digest they must have before anything loads them."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.errors import ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODELS_VARIABLE = "EDGE_ANPR_MODELS"
"""Environment variable with further folders to look for weights in (as in PATH)."""

_PACKAGE = Path(__file__).resolve().parent.parent
_STRICT = ConfigDict(extra="forbid", frozen=True)
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Contract(Enum):
    """What a file of weights takes in and gives out."""

    DETECTOR = "end2end-detector"
    READER = "plate-reader"


class DigestedFile(BaseModel):
    """A file beside the weights and the digest it must have."""

    model_config = _STRICT

    file: _FileName
    sha256: _Digest


class WeightsEntry(BaseModel):
    """One entry of the manifest."""

    model_config = _STRICT

    name: str
    contract: Contract
    file: _FileName
    sha256: _Digest
    bytes: int = Field(gt=0)
    input: tuple[int, int] = Field(description="Height and width of the network's picture.")
    source: str
    plate_config: DigestedFile | None = None


class WeightsInUse(BaseModel):
    """The weights of a run by their digests, as the audit log and the evidence pack name them."""

    model_config = _STRICT

    detector: str
    detector_sha256: _Digest
    reader: str
    reader_sha256: _Digest
    plate_config_sha256: _Digest

    def canonical(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(self.model_dump())

    def sha256(self) -> str:
        return _sha256(self.canonical())


class _ManifestFile(BaseModel):
    model_config = _STRICT

    schema_: Literal["edge-anpr/models/1"] = Field(alias="schema")
    detector: str
    reader: str
    search: tuple[str, ...] = ()
    weights: tuple[WeightsEntry, ...] = Field(min_length=1)


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

    Args:
        path: the manifest's file.
        content: its entries.
        folders: where the weights are looked for, in order.
    """

    def __init__(self, path: Path, content: _ManifestFile, folders: tuple[Path, ...]) -> None:
        self.path = path
        self.folders = folders
        self.default_detector = content.detector
        self.default_reader = content.reader
        self._entries = {entry.name: entry for entry in content.weights}

    @classmethod
    def load(
        cls, path: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> Manifest:
        """Read a manifest; without a path, the one that came with the product.

        Raises:
            ModelError: the file is missing, is no TOML or has a wrong or unknown field.
        """
        file = path if path is not None else _own_manifest()
        try:
            content = _ManifestFile.model_validate(tomllib.loads(file.read_text("utf-8")))
        except OSError as error:
            raise ModelError(
                f"{file}: the list of weights cannot be read ({error.strerror}); reinstall the "
                "product or name another manifest"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"{file}: no valid TOML: {error}; correct the file") from None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ModelError(f"{file}: {field}: {first['msg']}; correct the field") from None
        named = tuple(
            Path(folder)
            for folder in environment.get(MODELS_VARIABLE, "").split(os.pathsep)
            if folder
        )
        searched = tuple(file.parent / folder for folder in content.search)
        return cls(file, content, (file.parent, *named, *searched))

    def names(self, contract: Contract) -> tuple[str, ...]:
        """The names of all weights of one contract, in the manifest's order."""
        return tuple(e.name for e in self._entries.values() if e.contract is contract)

    def find(self, name: str, contract: Contract) -> Weights:
        """Find weights by name and check their size and digest.

        Raises:
            ModelError: the name is unknown or of another contract, or a file is missing or
                is not the one the manifest describes.
        """
        entry = self._entry(name, contract)
        path = self._checked(entry.file, entry.sha256, entry.bytes)
        plate_config = None
        if contract is Contract.READER:
            if entry.plate_config is None:
                raise ModelError(f"{self.path}: {name}: a plate-reader needs plate_config; add it")
            plate_config = self._checked(entry.plate_config.file, entry.plate_config.sha256)
        return Weights(entry, path, plate_config)

    def in_use(self, detector: str, reader: str) -> WeightsInUse:
        """The digests of a detector and a reader; the files need not be there.

        Raises:
            ModelError: a name is unknown.
        """
        seeing = self._entry(detector, Contract.DETECTOR)
        reading = self._entry(reader, Contract.READER)
        if reading.plate_config is None:
            raise ModelError(f"{self.path}: {reader}: a plate-reader needs plate_config; add it")
        return WeightsInUse(
            detector=detector,
            detector_sha256=seeing.sha256,
            reader=reader,
            reader_sha256=reading.sha256,
            plate_config_sha256=reading.plate_config.sha256,
        )

    def _entry(self, name: str, contract: Contract) -> WeightsEntry:
        entry = self._entries.get(name)
        if entry is None or entry.contract is not contract:
            known = ", ".join(self.names(contract)) or "none"
            raise ModelError(
                f"{self.path}: no {contract.value} named {name!r}; choose one of: {known}",
                code="E_MODEL_NAME",
            )
        return entry

    def _checked(self, file: str, sha256: str, size: int | None = None) -> Path:
        path = next((f / file for f in self.folders if (f / file).is_file()), None)
        if path is None:
            raise ModelError(
                f"{file}: weights not found; put the file into {self.folders[0]} or name its "
                f"folder in {MODELS_VARIABLE}",
                code="E_MODEL_MISSING",
            )
        try:
            if size is not None and path.stat().st_size != size:
                raise ModelError(
                    f"{path}: {path.stat().st_size} bytes where the manifest says {size}; fetch "
                    "the file again from its source",
                    code="E_MODEL_DIGEST",
                )
            with path.open("rb") as opened:
                digest = _sha256(opened.read())
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _own_manifest() -> Path:
    """In a checkout `models/` stands beside the package; in a wheel it is inside."""
    packaged = _PACKAGE / "_data" / "models" / "manifest.toml"
    return packaged if packaged.is_file() else _PACKAGE.parent / "models" / "manifest.toml"
