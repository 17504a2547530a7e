"""Finds weights by name and checks their digests before they are loaded."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.models.manifest import (
    MANIFEST_FILE,
    Contract,
    ManifestFile,
    Pair,
    WeightsEntry,
    WeightsInUse,
    read_manifest,
)
from edge.errors import ModelError

MODELS_VARIABLE = "EDGE_ANPR_MODELS"
"""Environment variable with further folders of weights, separated as in PATH."""


_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that were found and whose digests match.

    `plate_config` describes a reader's alphabet and input format; None for a detector.
    """

    entry: WeightsEntry
    path: Path
    plate_config: Path | None


class Manifest:
    """The list of weights that may be loaded.

    Files are looked for in `folders`, in order: beside the manifest, in the folders of
    `EDGE_ANPR_MODELS`, in the user's data folder (`user_folder`), in the manifest's `search`.
    A `manifest.toml` in one of the middle two adds entries and pairs: fine-tuned weights, and
    digests that a person has pinned. Entries of the product's manifest take precedence.

    Args:
        path: the manifest's file.
        content: its entries.
        additions: contents of further manifests, in order of precedence.
        folders: where the weights are looked for, in order.
        install_folder: where `models pull` installs weights; None if there is no such folder.
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
        self._added: set[str] = set()
        self._pairs = dict(content.pairs)
        for added in additions:
            for entry in added.weights:
                known = self._entries.get(entry.name)
                if known is None or (not known.pinned and entry.contract is known.contract):
                    self._entries[entry.name] = entry
                    self._added.add(entry.name)
            for name, pair in added.pairs.items():
                self._pairs.setdefault(name, pair)
        if content.default is None:
            raise ModelError(f"{path}: default is missing; name one of the pairs")
        self.default_pair = content.default
        self.cover_check = content.cover_check
        self.scene_parser = content.scene_parser
        self.default_detector = self._pairs[content.default].detector
        self.default_reader = self._pairs[content.default].reader

    @classmethod
    def load(
        cls, path: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> Manifest:
        """Read a manifest; without a path, the product's own.

        Raises:
            ModelError: the file is missing, is not TOML, or has a wrong or unknown field.
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

    def variants(self, name: str) -> tuple[WeightsEntry, ...]:
        """The same network in other arithmetics, as far as their digests are known."""
        wanted = self.entry(name).contract
        return tuple(
            entry
            for entry in self._entries.values()
            if entry.variant_of == name and entry.contract is wanted and entry.pinned
        )

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
            ModelError: the name is unknown or has another contract, its digest is not pinned
                yet, or a file is missing or is not the one that the manifest describes.
        """
        entry = self.pinned(name, contract)
        path = self._checked(entry, entry.file, entry.sha256 or "", entry.bytes)
        config = entry.plate_config
        plate_config = (
            None if config is None else self._checked(entry, config.file, config.sha256 or "")
        )
        return Weights(entry, path, plate_config)

    def in_use(self, detector: str | None, reader: str | None) -> WeightsInUse:
        """The digests of a detector, a reader and what helps them; files need not exist.

        Without a name, those of the default pair.

        Raises:
            ModelError: a name is unknown, or a digest is not pinned yet.
        """
        seeing = self.pinned(detector or self.default_detector, Contract.DETECTOR)
        reading = self.pinned(reader or self.default_reader, Contract.READER)
        config = reading.plate_config
        covers = self.cover_check and self.pinned(self.cover_check, Contract.COVER_CHECK)
        scenes = self.scene_parser and self.pinned(self.scene_parser, Contract.SCENE_PARSER)
        return WeightsInUse(
            detector=seeing.name,
            detector_sha256=seeing.sha256 or "",
            reader=reading.name,
            reader_sha256=reading.sha256 or "",
            plate_config_sha256=(config.sha256 if config is not None else None) or "",
            cover_check=covers.name if covers else None,
            cover_check_sha256=covers.sha256 if covers else None,
            scene_parser=scenes.name if scenes else None,
            scene_parser_sha256=scenes.sha256 if scenes else None,
            detector_calibration_sha256=self._own_calibration(seeing),
            reader_calibration_sha256=self._own_calibration(reading),
        )

    def _own_calibration(self, entry: WeightsEntry) -> str | None:
        """The digest of the calibration of weights that somebody added; None: the manifest's."""
        return entry.calibration.sha256() if entry.name in self._added else None

    def pinned(self, name: str, contract: Contract) -> WeightsEntry:
        """An entry whose digests are all known.

        Raises:
            ModelError: the name is unknown or has another contract, or a digest is not pinned.
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
        """The path of a file of weights, not checked; None if it is in no folder."""
        return next((f / file for f in self.folders if (f / file).is_file()), None)

    def _checked(
        self, entry: WeightsEntry, file: str, sha256: str, size: int | None = None
    ) -> Path:
        path = self.locate(file)
        if path is None:
            pull = f"run `edge-anpr models pull {entry.name}`, " if entry.url else ""
            raise ModelError(
                f"{file}: weights not found; {pull}copy the file into {self.folders[0]}, or name "
                f"its folder in {MODELS_VARIABLE}",
                code="E_MODEL_MISSING",
            )
        try:
            if size is not None and path.stat().st_size != size:
                raise ModelError(
                    f"{path}: has {path.stat().st_size} bytes, the manifest says {size}; download "
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
                "is another version: download it again from its source",
                code="E_MODEL_DIGEST",
            )
        return path


# --- paths -----------------------------------------------------------------------


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
    """The folder of a user's weights: `edge-anpr/models` in the XDG data folder.

    None if the environment has no home folder, as in some services.
    """
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):  # the XDG specification says to ignore a relative one
        return Path(data) / "edge-anpr" / "models"
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        return None
    return Path(home) / ".local" / "share" / "edge-anpr" / "models"


def own_manifest() -> Path:
    """The product's manifest: beside the package in a checkout, inside it in a wheel."""
    packaged = _PACKAGE / "_data" / "models" / MANIFEST_FILE
    return packaged if packaged.is_file() else _PACKAGE.parent / "models" / MANIFEST_FILE
