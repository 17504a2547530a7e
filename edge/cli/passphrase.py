"""Asks for the passphrases of private keys: at the terminal, or in a file that an option names.

A passphrase is never an argument or a variable, because other processes can see those.
"""

from __future__ import annotations

import getpass
import os
import stat
from pathlib import Path

from edge.errors import KeyFileError
from edge.privacy.protected_keys import CODE, Passphrase, require_strong

_LONGEST_BYTES = 4096


FILE_OPTION = "--passphrase-file"


def typed(file: Path | None) -> Passphrase:
    """Return a function that returns the passphrase of a key; it asks once.

    Args:
        file: holds the passphrase; None: ask at the terminal.
    """
    known: list[str] = []

    def passphrase(key: Path) -> str:
        if not known:
            known.append(_asked(f"passphrase of {key}: ") if file is None else _first_line(file))
        return known[0]

    return passphrase


def of_person(name: str, file: Path | None) -> str:
    """The passphrase of a person's account, typed once or from a file."""
    return _asked(f"passphrase of {name}: ") if file is None else _first_line(file)


def chosen(file: Path | None, *, whose: str = "", option: str = FILE_OPTION) -> str:
    """A new passphrase, typed twice or from a file.

    Args:
        file: holds the passphrase; None: ask at the terminal.
        whose: words after `new passphrase` in the question.
        option: that names the file, for errors.

    Raises:
        KeyFileError: it is too short, or was typed differently the second time.
    """
    if file is not None:
        passphrase = _first_line(file, option)
        require_strong(passphrase)
        return passphrase
    passphrase = _asked(f"new passphrase{whose}: ", option)
    require_strong(passphrase)
    if _asked("the same again: ", option) != passphrase:
        raise KeyFileError("the two passphrases differ; run the command again", code=CODE)
    return passphrase


def _asked(prompt: str, option: str = FILE_OPTION, what: str = "passphrase") -> str:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise KeyFileError(
            f"there is no terminal to ask for the {what}; name a file that holds it with {option}",
            code=CODE,
        ) from None
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise KeyFileError(f"no {what} was typed; run the command again", code=CODE) from None


def _first_line(file: Path, option: str = FILE_OPTION, what: str = "passphrase") -> str:
    """The first line of a file, which other users must not be able to read."""
    try:
        with file.open("rb", buffering=0) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = b""
            while b"\n" not in content and len(content) < _LONGEST_BYTES:
                part = stream.read(_LONGEST_BYTES - len(content))
                if not part:
                    break
                content += part
        line = content.split(b"\n")[0].removesuffix(b"\r").decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise KeyFileError(
            f"{option}: {file}: {why}; name a file with the {what} in its first line",
            code=CODE,
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise KeyFileError(
            f"{option}: {file}: other users can read it (mode {mode & 0o777:04o}); run "
            f"`chmod 600 {file}`",
            code="E_KEY_MODE",
        )
    if not line:
        raise KeyFileError(
            f"{option}: {file}: its first line is empty; write the {what} there",
            code=CODE,
        )
    return line


def code_typed(file: Path | None, option: str) -> str:
    """The one-time code of a box, typed once or from a file that an option names.

    Raises:
        KeyFileError: `E_ENROL`: there is no terminal, or the file cannot be used; `E_KEY_MODE`.
    """
    what = "one-time code"
    try:
        return (
            _asked(f"{what}: ", option, what) if file is None else _first_line(file, option, what)
        )
    except KeyFileError as error:
        code = "E_ENROL" if error.code == CODE else error.code
        raise KeyFileError(error.message, code=code) from None
