"""A TPM 2.0 of this machine: seals a short secret, and opens it again on this machine only.

It uses the programs of tpm2-tools. They find the chip by themselves, or where the environment's
`TPM2TOOLS_TCTI` says. Secrets go through pipes, never over a command line or into a file.
Intermediate files hold only what the TPM has encrypted for itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from edge.errors import KeyFileError

CODE: Final = "E_TPM"

_DEVICE: Final = Path("/dev/tpmrm0")
_TIMEOUT_S: Final = 60.0
_INSTALL: Final = "install tpm2-tools (on Debian: `apt-get install tpm2-tools`)"


def has_tpm() -> bool:
    """Whether this machine has a TPM 2.0 that its programs can use."""
    named = os.environ.get("TPM2TOOLS_TCTI") or _DEVICE.exists()
    return bool(named) and shutil.which("tpm2_unseal") is not None


def seal(secret: bytes) -> tuple[bytes, bytes]:
    """Encrypt a secret so that only this TPM can open it.

    Args:
        secret: at most 128 bytes.

    Returns:
        The two parts of the sealed object, which may be stored in files.

    Raises:
        KeyFileError: `E_TPM`: the TPM or its programs cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-tpm-") as folder:
        at = Path(folder)
        primary = _primary(at)
        public, private = at / "public", at / "private"
        _run(
            "tpm2_create", "-Q", "-C", primary, "-i", "-", "-u", public, "-r", private, given=secret
        )
        return public.read_bytes(), private.read_bytes()


def unseal(public: bytes, private: bytes) -> bytes:
    """The secret in a sealed object.

    Raises:
        KeyFileError: `E_TPM`: it was sealed by another TPM, or the TPM cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="edge-anpr-tpm-") as folder:
        at = Path(folder)
        primary = _primary(at)
        for name, content in (("public", public), ("private", private)):
            (at / name).write_bytes(content)
        loaded = at / "loaded"
        _run(
            "tpm2_load",
            "-Q",
            "-C",
            primary,
            "-u",
            at / "public",
            "-r",
            at / "private",
            "-c",
            loaded,
        )
        return _run("tpm2_unseal", "-c", loaded)


def _primary(folder: Path) -> Path:
    """The context file of the owner's primary key, which the TPM derives anew each time."""
    context = folder / "primary"
    _run("tpm2_createprimary", "-Q", "-C", "o", "-g", "sha256", "-G", "ecc", "-c", context)
    return context


def _forget_loaded() -> None:
    """Free the TPM's few places for loaded objects, each of which lies in a file too.

    Where Linux manages the places (`/dev/tpmrm0`), they are free already.
    """
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # the next program reports it
        subprocess.run(
            ["tpm2_flushcontext", "-t"],  # noqa: S607 - found on PATH, as the other tpm2-tools
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )


def _run(*words: str | Path, given: bytes = b"") -> bytes:
    _forget_loaded()
    try:
        done = subprocess.run(  # noqa: S603 - the names are fixed above
            [str(one) for one in words],
            input=given,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise KeyFileError(f"{words[0]} is missing; {_INSTALL}", code=CODE) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeyFileError(
            f"{words[0]}: {type(error).__name__}; see `tpm2_getcap properties-fixed`",
            code=CODE,
        ) from None
    if done.returncode != 0:
        raise KeyFileError(
            f"{words[0]} failed with status {done.returncode}: the keys were sealed by another "
            "TPM, or this user may not use the TPM; run this on the box itself, as a user of the "
            "group tss, or enrol the box again",
            code=CODE,
        )
    return done.stdout
