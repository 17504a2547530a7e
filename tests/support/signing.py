"""Signers with key files of their own, and changes of a site's policy.yaml."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from edge.adapters.state.key_files import load_signer_key
from edge.adapters.state.key_making import new_signer_key
from tests.support.product import Finished
from tests.support.sites import SIGNERS, MadeSite, make_real, write_yaml


def make_signers(made: MadeSite, folder: Path) -> dict[str, Path]:
    """The private files of real keys of all signers, by id; the site's policy names the keys."""
    now = datetime.now(timezone.utc)
    files = {name: new_signer_key(folder, name, now) for name in (*SIGNERS, "vtc", "office")}
    make_real(made, {name: load_signer_key(file) for name, file in files.items()})
    return files


def change(made: MadeSite, **sections: Any) -> None:
    """Change sections of policy.yaml; of a section with names only these."""
    path = made.folder / "policy.yaml"
    content = yaml.safe_load(path.read_text())
    for name, values in sections.items():
        if isinstance(values, dict):
            content[name].update(values)
        else:
            content[name] = values
    write_yaml(path, content)


def refused(done: Finished, status: int, *words: str) -> None:
    """Require one line on standard error with these words, and this exit status."""
    assert "Traceback" not in done.err
    assert (done.status, len(done.error_lines)) == (status, 1), done.err
    for word in words:
        assert word in done.err
