"""Reads a password from an environment variable or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.errors import ConfigError


def read_password(
    owner: str,
    *,
    variable: str | None,
    setting: str,
    file: Path | None,
    environment: Mapping[str, str],
) -> str | None:
    """The password of a broker or camera; None when neither a variable nor a file is named.

    Args:
        owner: whose password it is, for messages, such as `broker`.
        variable: the environment variable that holds it.
        setting: the setting or option that named the variable, for messages.
        file: the file that holds it; a line end after it is left out.
        environment: the environment's variables.

    Raises:
        ConfigError: the variable is not set, or the file cannot be read or is empty.
    """
    if variable is not None:
        password = environment.get(variable, "")
        place = f"{setting}: environment variable {variable}"
    elif file is not None:
        place = str(file)
        try:
            password = file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):  # an error would quote the bytes of a file that is not text
            raise ConfigError(
                f"{file}: the password of {owner} cannot be read here; check its mode, and save it "
                "as UTF-8 text"
            ) from None
    else:
        return None
    if not password:
        raise ConfigError(f"{place}: holds no password for {owner}; set it")
    return password
