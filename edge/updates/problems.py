"""The errors of updates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge.adapters.state.state_folder import storage_error
from edge.errors import EdgeError, ExitCode


class UpdateError(EdgeError):
    """An update is refused; what runs now keeps running."""

    exit_code = ExitCode.CONFIG
    default_code = "E_UPDATE"


class UpdateFetchError(UpdateError):
    """The metadata or an update cannot be fetched now; worth another try."""

    exit_code = ExitCode.BROKER
    default_code = "E_UPDATE_FETCH"


class UpdateSignatureError(UpdateError):
    """Signed metadata is not signed as it must be, too old, or does not fit together."""

    exit_code = ExitCode.KEYS
    default_code = "E_UPDATE_SIGNATURE"


class UpdateStateError(UpdateError):
    """A folder or file of updates cannot be used."""

    exit_code = ExitCode.STORAGE
    default_code = "E_UPDATE_STATE"


class WaveError(UpdateError):
    """The plan or a report of a wave cannot be used, or the wave is halted."""

    default_code = "E_WAVE"


@contextlib.contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn a system error in the block into one line that names a file or folder, and the cure.

    Raises:
        UpdateStateError: in place of an `OSError`; `E_DISK_FULL`: the disk is full.
    """
    try:
        yield
    except OSError as error:
        told = storage_error(place, error)
        code = told.code if told.code == "E_DISK_FULL" else None
        raise UpdateStateError(told.message, code=code) from None
