"""Archives the signed policies and the weights that a box ran with, for later audits.

`archive/` in the state folder has a file for each version that the audit log names; its digest is
the file's name. Lists are not archived.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from edge.adapters.models.manifest import WeightsInUse
from edge.adapters.state.state_folder import storage_error
from edge.formats.atomic_files import write_file
from edge.formats.canonical import canonical_json
from edge.policy.model import Policy

FOLDER: Final = "archive"
KEPT: Final = re.compile(r"policies/[0-9a-f]{64}(\.signatures)?\.json|weights/[0-9a-f]{64}\.json")
"""Pattern of the archive's file names."""


class Archive:
    """The archive of a state folder; a writer must hold the folder's lock.

    Args:
        state: the state folder.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def keep_policy(self, policy: Policy, signatures: bytes | None) -> None:
        """Keep a policy's canonical JSON and its signatures; newer signatures replace older ones.

        Raises:
            OutboxError: it cannot be written.
        """
        digest = policy.sha256()
        self._write(f"policies/{digest}.json", canonical_json(policy.document()))
        if signatures is not None:
            self._write(f"policies/{digest}.signatures.json", signatures)

    def keep_weights(self, weights: WeightsInUse) -> None:
        """Keep the digests of the weights of a run.

        Raises:
            OutboxError: it cannot be written.
        """
        self._write(f"weights/{weights.sha256()}.json", weights.canonical())

    def contents(self) -> dict[str, bytes]:
        """The content of all files, by name.

        Raises:
            OutboxError: it cannot be read.
        """
        try:
            return {
                name: path.read_bytes()
                for path in sorted(self._folder.glob("*/*.json"))
                if KEPT.fullmatch(name := path.relative_to(self._folder).as_posix())
            }
        except OSError as error:
            raise storage_error(self._folder, error) from error

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        try:
            for folder in (self._folder, path.parent):  # `parents` would not set their mode
                folder.mkdir(mode=0o700, exist_ok=True)
            if not path.exists() or path.read_bytes() != content:
                write_file(path, content, sole_writer=True)
        except OSError as error:
            raise storage_error(path, error) from error
