"""The errors of updates."""

from __future__ import annotations

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
