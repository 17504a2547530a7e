"""The box's side of TUF: which archives vendor and controller have both signed, and their bytes.

The rules are python-tuf's: signatures and their number, versions that never go back, ends of
validity, lengths and digests. What a run has accepted lies in the folder `metadata`, so that the
next run accepts nothing older.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tuf.api.exceptions import (
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from edge.adapters.state.state_folder import private_folder, storage_error
from edge.errors import ConfigError
from edge.formats.atomic_files import sync_folder
from edge.site.update_source import HttpsUpdates, UpdateSource
from edge.updates import waves
from edge.updates.fetching import FOLDER_BASE, FolderFetcher, HttpsFetcher
from edge.updates.problems import UpdateFetchError, UpdateSignatureError, UpdateStateError
from edge.updates.targets import Offer, offers_in

LARGEST_ROOT: Final = 512_000

LIMITS: Final = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=4,
    root_max_length=LARGEST_ROOT,
    timestamp_max_length=16_384,
    snapshot_max_length=65_536,
    targets_max_length=5_000_000,
    app_user_agent="edge-anpr",
)
"""The longest metadata that is read, bytes, and how many steps are taken in one run."""


class TrustedUpdates:
    """Metadata of updates that this box trusts.

    Args:
        work: the updater's folder.
        root: the first root metadata, from vendor and controller.
        base: address of the folder with `metadata` and `targets`.
        fetcher: what fetches from there.

    Raises:
        UpdateSignatureError: the first root is not valid.
        UpdateStateError: the folder cannot be written.
    """

    def __init__(self, work: Path, root: bytes, base: str, fetcher: FetcherInterface) -> None:
        self._metadata = work / "metadata"
        private_folder(self._metadata)
        with _explained(self._metadata):
            self._updater = Updater(
                str(self._metadata),
                f"{base}/metadata/",
                target_base_url=f"{base}/targets/",
                fetcher=fetcher,
                config=LIMITS,
                bootstrap=root,
            )

    def refresh(self) -> tuple[Offer, ...]:
        """Fetch the newest metadata; returns what it offers.

        Raises:
            UpdateFetchError: it cannot be fetched now.
            UpdateSignatureError: it is refused: not signed by all who must, older than before, its
                validity has ended, or its parts do not fit together.
        """
        with _explained(self._metadata):
            try:
                self._updater.refresh()
            finally:
                self._sync()
            # Just checked; python-tuf has no function that lists the targets.
            file = self._metadata / f"{Targets.type}.json"
            listed: Targets = Metadata[Targets].from_bytes(file.read_bytes()).signed
            return offers_in(listed.targets.items())

    def waves(self) -> waves.WavesDocument:
        """The waves now; nothing is open if there is no such document.

        Raises:
            UpdateFetchError, UpdateSignatureError: as for `refresh`.
        """
        with _explained(self._metadata):
            file = self._updater.get_targetinfo(waves.PATH)
            if file is None:
                return waves.WavesDocument()
            self._sync()
            place = self._metadata / "waves-document.json"
            self._updater.download_target(file, str(place))
            return waves.parse_waves(place.read_bytes())

    def download(self, offer: Offer, place: Path) -> None:
        """Download an archive; the file has the length and the digest that were signed.

        A file that is there already and fits is kept.

        Raises:
            UpdateFetchError: it cannot be fetched now.
            UpdateSignatureError: what came is not what was signed.
        """
        with _explained(place):
            if self._updater.find_cached_target(offer.file, str(place)) is None:
                self._updater.download_target(offer.file, str(place))

    def _sync(self) -> None:
        """Put accepted metadata on disk, so that a power cut does not bring an older one back."""
        for file in (*self._metadata.glob("*.json"), *self._metadata.glob("root_history/*.json")):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self._metadata)


def trusted_updates(source: UpdateSource, site: Path) -> TrustedUpdates:
    """The trusted updates of a box, from its site folder.

    Args:
        source: the section `updates` of site.yaml.
        site: the site folder.

    Raises:
        ConfigError: the first root cannot be read.
        UpdateError: it is not valid, or the folder of work cannot be written.
    """
    file = site / source.root
    try:
        with file.open("rb") as stream:
            root = stream.read(LARGEST_ROOT)
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}; copy 1.root.json there, which vendor and controller have "
            "given you, and compare its digest with theirs"
        ) from None
    if isinstance(source, HttpsUpdates):
        ca = None if source.tls_ca is None else site / source.tls_ca
        return TrustedUpdates(site / source.work, root, source.url.rstrip("/"), HttpsFetcher(ca))
    fetcher = FolderFetcher(site / source.folder)
    return TrustedUpdates(site / source.work, root, FOLDER_BASE, fetcher)


@contextlib.contextmanager
def _explained(place: Path) -> Iterator[None]:
    """Turn errors of python-tuf into one line with its cure."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise UpdateSignatureError(
            f"the validity of the metadata has ended ({error}); check the clock of this box, and "
            "have the controller run `edge-anpr fleet release publish`"
        ) from None
    except (LengthOrHashMismatchError, DownloadLengthMismatchError) as error:
        raise UpdateSignatureError(
            f"{place.name}: not the file that was signed ({error}); nothing of it is used; have it "
            "uploaded again"
        ) from None
    except RepositoryError as error:
        raise UpdateSignatureError(
            f"the signed metadata is refused: {error}; what runs keeps running; tell vendor and "
            "controller"
        ) from None
    except DownloadError as error:
        raise UpdateFetchError(
            f"{error}; check the connection, and `updates` in site.yaml"
        ) from None
    except OSError as error:
        raise UpdateStateError(storage_error(place, error).message) from None
