"""Every way the product refuses, in one place.

An error is one line for a person: what is wrong, where (file, line or field) and the cure.
It never carries a plate, a token or a pixel: whatever text goes in here may reach a log.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller; stable across versions."""

    DONE = 0
    USAGE = 2
    CONFIG = 3
    MODEL = 4
    SOURCE = 5
    BROKER = 6
    KEYS = 7
    STORAGE = 8


class EdgeError(Exception):
    """Root of all refusals.

    Args:
        message: One line that names the file or field and the cure.
        code: Stable machine-readable code (`E_…`); the class's own code when left out.
    """

    exit_code: ExitCode = ExitCode.CONFIG
    default_code: str = "E_EDGE"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class UsageError(EdgeError):
    """Arguments that do not go together, or name what cannot be used."""

    exit_code = ExitCode.USAGE
    default_code = "E_USAGE"


class ConfigError(EdgeError):
    """A site folder, list or option that cannot be used."""

    exit_code = ExitCode.CONFIG
    default_code = "E_CONFIG"


class PolicyError(EdgeError):
    """The policy does not allow what was asked."""

    exit_code = ExitCode.CONFIG
    default_code = "E_POLICY"


class ModelError(EdgeError):
    """Weights that are missing, altered or of another contract."""

    exit_code = ExitCode.MODEL
    default_code = "E_MODEL"


class CameraError(EdgeError):
    """A source that cannot be opened or decoded."""

    exit_code = ExitCode.SOURCE
    default_code = "E_SOURCE"


class RedactionError(EdgeError):
    """A picture that could not be masked; its hit goes without a picture."""

    exit_code = ExitCode.SOURCE
    default_code = "E_REDACTION"


class PublishError(EdgeError):
    """A broker that cannot be reached or refuses; hits stay in the outbox."""

    exit_code = ExitCode.BROKER
    default_code = "E_BROKER"


class KeyFileError(EdgeError):
    """A key that is missing, unreadable or of the wrong kind."""

    exit_code = ExitCode.KEYS
    default_code = "E_KEYS"


class OutboxError(EdgeError):
    """Storage that is full, locked, corrupt or of another version."""

    exit_code = ExitCode.STORAGE
    default_code = "E_STORAGE"


class AuditError(EdgeError):
    """An audit log that cannot be written, or is not as it was written."""

    exit_code = ExitCode.STORAGE
    default_code = "E_AUDIT"
