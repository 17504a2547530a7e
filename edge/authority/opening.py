"""Opens stored hits with the authority's private key: JSON and JPEG, for its eyes only.

Here a plate becomes readable again, on purpose. File names hold hit ids and never a plate.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters.state.state_folder import storage_error
from edge.errors import OutboxError
from edge.formats.timestamps import utc_text
from edge.privacy.hit import Hit, HitError, parse_hit, verify_hit
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.sealing import EvidenceContent, open_sealed

SCHEMA = "edge-anpr/opened-hit/1"


@dataclass(frozen=True, slots=True)
class OpenedHit:
    """A hit whose signature, seal and evidence have all been verified."""

    hit: Hit = field(repr=False)
    content: EvidenceContent = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """Where an opened hit was written."""

    document: Path
    pictures: tuple[Path, ...]


def open_hit(
    payload: bytes,
    boxes: Mapping[tuple[str, str], BoxPublicKeys],
    keys: AuthorityPrivateKeys,
) -> OpenedHit:
    """Verify and open one hit.

    Raises:
        HitError: not signed by a box that is known here.
        SealError: the key for it is not here, or the evidence is not what the box sealed.
    """
    claimed = parse_hit(payload)
    box = boxes.get((claimed.site, claimed.box))
    if box is None:
        raise HitError(
            f"hit {claimed.hit_id}: box {claimed.box} of site {claimed.site} is unknown; put its "
            "public file into --box-keys"
        )
    hit = verify_hit(payload, box)
    content = open_sealed(hit.sealed_bytes, hit.seal_context(), authority=keys, box=box)
    return OpenedHit(hit, content)


def write_opened(opened: OpenedHit, folder: Path) -> OpenedFiles:
    """Write an opened hit to `<folder>/<hit id>/`: `hit.json` and its pictures, mode 0600.

    A hit that was opened before is written again, file by file.

    Raises:
        OutboxError: others can read the folder, or it cannot be written.
    """
    hit, content = opened.hit, opened.content
    own = folder / hit.hit_id
    try:
        for each in (folder, own):
            _private_folder(each)
        pictures = tuple(own / f"{picture.name}.jpg" for picture in content.pictures)
        for path, picture in zip(pictures, content.pictures, strict=True):
            _write(path, picture.jpeg)
        document = own / "hit.json"
        text = json.dumps(as_json(opened), indent=2, ensure_ascii=False)
        _write(document, text.encode() + b"\n")
    except OSError as error:
        raise storage_error(own, error) from error
    return OpenedFiles(document, pictures)


def as_json(opened: OpenedHit) -> dict[str, object]:
    """Everything the authority gets to know, the plate in clear."""
    hit, content = opened.hit, opened.content
    return {
        "schema": SCHEMA,
        "hit": hit.model_dump(by_alias=True, exclude={"sealed"}),
        "plate": content.plate.reveal(),
        "alternatives": [
            {"plate": other.text.reveal(), "probability": other.probability}
            for other in content.alternatives
        ],
        "region": content.region,
        "list_entry_id": content.list_entry_id,
        "reads": content.reads,
        "first_seen": utc_text(content.first_seen),
        "last_seen": utc_text(content.last_seen),
        "pictures": [f"{picture.name}.jpg" for picture in content.pictures],
    }


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & 0o077:
        raise OutboxError(
            f"{folder}: others can look into this folder (mode {mode & 0o777:04o}); run "
            f"`chmod 700 {folder}`, or give another",
            code="E_STORE_MODE",
        )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
