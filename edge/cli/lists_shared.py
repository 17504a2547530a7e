"""The folder that `edge-anpr lists build --boxes` writes: manifests and the body of one list."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge.errors import ConfigError, UsageError
from edge.formats.plurals import quantity

if TYPE_CHECKING:
    from edge.policy.shared_lists import SharedList
    from edge.site.folder import BoxFolders


def save_shared(shared: SharedList, folder: Path) -> None:
    """Write a new folder with a list for many boxes; the manifests come last.

    Bodies that an interrupted command has left there are removed: nobody has a key to them.

    Raises:
        UsageError: there is such a list already.
        OutboxError: it cannot be written.
    """
    from edge.adapters.state.state_folder import locked_folder, private_folder, replace_file
    from edge.policy.shared_lists import MANIFESTS_NAME, body_name

    private_folder(folder)
    with locked_folder(folder):
        require_free(folder)  # another command may have written it meanwhile
        for left in folder.iterdir():
            left.unlink()
        replace_file(folder / body_name(shared.body_sha256), shared.body, mode=0o644)
        replace_file(folder / MANIFESTS_NAME, shared.lines())


_UNFINISHED = re.compile(r"[0-9a-f]{64}\.list|\.([0-9a-f]{64}\.list|manifests\.jsonl)\.[0-9a-f]{8}")
"""What `save_shared` has written before the manifests, under their final or a temporary name."""


def require_free(out: Path) -> None:
    """Refuse what `build` must not write over; what an interrupted `--boxes` has left is free.

    Raises:
        UsageError: there is something.
    """
    if out.is_dir() and not out.is_symlink():
        taken = not all(_UNFINISHED.fullmatch(one.name) for one in out.iterdir())
    else:
        taken = os.path.lexists(out)
    if taken:
        raise UsageError(f"{out}: exists already; name a new file with --out")


def read_shared(folder: Path) -> SharedList:
    """The manifests of such a folder; the body is not read.

    Raises:
        ConfigError: it is no such folder, or its manifests cannot be used.
    """
    from edge.adapters.state.state_folder import read_file
    from edge.policy.shared_lists import MANIFESTS_NAME, MAX_MANIFESTS_BYTES, parse_shared

    lines = read_file(folder / MANIFESTS_NAME, MAX_MANIFESTS_BYTES)
    if lines is None:
        raise ConfigError(
            f"{folder}: no {MANIFESTS_NAME} in it; give a folder made by `edge-anpr lists build "
            "--boxes`"
        )
    return parse_shared(lines)


def read_body(shared: SharedList, folder: Path) -> bytes:
    """The body in such a folder.

    Raises:
        ListFetchError: it is missing, or not the one that the manifests name.
    """
    from edge.adapters.state.list_bodies import Cutoff, FolderBodies, fetched

    source = FolderBodies(folder, str(folder))
    return fetched(source, shared.body_sha256, shared.body_bytes, Cutoff.after())


def bundle_of(folder: Path, box: BoxFolders) -> bytes:
    """The manifest of a box in such a folder, joined to the body.

    Raises:
        ConfigError: it holds no manifest of this box, or cannot be used.
    """
    from edge.policy.bundle_format import ListBundleError
    from edge.policy.list_manifest import joined

    shared = read_shared(folder)
    manifest = shared.manifests.get((box.site, box.box))
    if manifest is None:
        raise ListBundleError(
            f"{folder}: no manifest of box {box.box} of {box.site} in it; have the list built with "
            "the public file of this box"
        )
    return joined(manifest, read_body(shared, folder))


def shared_json(shared: SharedList) -> Mapping[str, object]:
    """What may be shown of a list for many boxes, for `--json`."""
    return {
        "list_id": shared.list_id,
        "counter": shared.counter,
        "body_sha256": shared.body_sha256,
        "body_bytes": shared.body_bytes,
        "boxes": [{"site": site, "box": box} for site, box in sorted(shared.manifests)],
    }


def say_shared(shared: SharedList, next_step: str) -> None:
    """Print the same for people."""
    from edge.policy.shared_lists import body_name

    boxes = len(shared.manifests)
    named = quantity(boxes, "box", "boxes")
    typer.echo(f"list {shared.list_id} for {named}, counter {shared.counter}")
    typer.echo(f"body {body_name(shared.body_sha256)}, {shared.body_bytes} bytes")
    typer.echo(f"  {next_step}")
