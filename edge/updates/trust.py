"""Whose signatures count: only files that no user but root can change say so to an updater of root.

The updater runs as root. If the box's user could change the first root metadata, or the folders and
the service that the updater works on, he could let it install a program of his own as root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import ConfigError
from edge.formats.yaml_document import read_document
from edge.site.update_source import UpdateSource, UpdateTrust


def trusted_source(site_file: Path, source: UpdateSource, trust: Path | None) -> UpdateSource:
    """The section `updates`, with what may only come from a file of this user or of root.

    Args:
        site_file: the site.yaml that the section is from.
        source: the section.
        trust: the file with `root`, `program`, `work` and `service`; its paths are relative to its
            own folder. None: they come from site.yaml.

    Raises:
        ConfigError: another user can change the file, or the first root metadata; or the file is
            not valid.
    """
    if trust is None:
        chosen, named = source, site_file
    else:
        named = trust.absolute()
        own = read_document(named, UpdateTrust).model
        paths = {
            name: str(named.parent / getattr(own, name)) for name in ("root", "program", "work")
        }
        chosen = source.model_copy(update={**paths, "service": own.service})
    for file in (named, site_file.parent / chosen.root):
        if (reason := _changeable(file)) is not None:
            raise ConfigError(
                f"{file}: {reason}; write root, program, work and service into a file of root, and "
                "name it with --trust (docs/updates.md)"
            )
    return chosen


def _changeable(file: Path) -> str | None:
    """Why a user other than this one or root could change a file; None: nobody could, or no file.

    A file that is not there is reported by what reads it.
    """
    for one in _with_parents(file):
        try:
            found = one.stat()
        except OSError:
            continue
        if found.st_uid not in {0, os.geteuid()}:
            return f"another user owns {one}"
        open_to_all = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        # In a sticky folder, such as /tmp, nobody renames or deletes what others own.
        if open_to_all and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
            return f"other users can write to {one}"
    return None


def _with_parents(file: Path) -> Iterator[Path]:
    """A file, its folders, and those of what links on the way lead to."""
    for path in {file.absolute(), file.resolve()}:
        yield path
        yield from path.parents
