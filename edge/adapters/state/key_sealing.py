"""The secret of a box's keys folder, sealed by its TPM: `tpm.json` in that folder.

While the file is there, every private file of the folder is written encrypted under the secret. So
a copy of the disk opens none of them. Without a TPM there is no such file, and keys are in clear.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from edge.adapters.host.system import random_bytes
from edge.adapters.host.tpm import has_tpm, seal, unseal
from edge.errors import KeyFileError
from edge.formats.atomic_files import create_file, disk_full
from edge.formats.identifiers import Base64
from edge.formats.strict import Strict
from edge.privacy.sealed_keys import SECRET_BYTES

FILE_NAME: Final = "tpm.json"
_MAX_BYTES: Final = 16 * 1024


class _SealedSecret(Strict, populate_by_name=True):
    schema_: Literal["edge-anpr/tpm-secret/1"] = Field(
        default="edge-anpr/tpm-secret/1", alias="schema"
    )
    public: Base64
    private: Base64


def seal_folder(folder: Path) -> bool:
    """Make the secret of a keys folder, if this machine has a TPM and there is none yet.

    Returns:
        Whether the folder has a secret now.

    Raises:
        KeyFileError: `E_TPM`: the TPM cannot be used; or the folder cannot be written.
    """
    file = folder / FILE_NAME
    if file.exists() or not has_tpm():
        return file.exists()
    public, private = seal(random_bytes(SECRET_BYTES))
    content = _SealedSecret(
        public=base64.b64encode(public).decode("ascii"),
        private=base64.b64encode(private).decode("ascii"),
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_file(file, content.model_dump_json(by_alias=True, indent=2).encode(), mode=0o600)
    except OSError as error:
        raise disk_full(file, error) or KeyFileError(
            f"{file}: {error.strerror}; make the folder writable"
        ) from None
    return True


def folder_secret(folder: Path) -> bytes | None:
    """The secret of a keys folder; None if its keys are in clear.

    Raises:
        KeyFileError: `E_TPM`: this TPM does not open it; or the file is damaged.
    """
    file = folder / FILE_NAME
    try:
        content = file.read_bytes()[:_MAX_BYTES]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; make it readable for this user") from None
    try:
        found = _SealedSecret.model_validate_json(content)
    except ValidationError:
        raise KeyFileError(f"{file}: damaged; restore it from a copy") from None
    secret = unseal(base64.b64decode(found.public), base64.b64decode(found.private))
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{file}: damaged; restore it from a copy")
    return secret


def key_password(folder: Path) -> bytes:
    """What opens PEM files of a keys folder: empty if they are in clear.

    Raises:
        KeyFileError: as `folder_secret`.
    """
    secret = folder_secret(folder)
    return b"" if secret is None else secret.hex().encode()
