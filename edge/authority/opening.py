"""Opens stored hits with the authority's private key and writes them as JSON and JPEG.

The files hold the plate in clear and are for the authority only. File names are made of hit ids,
never of plates.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters.state.state_folder import locked_folder, storage_error
from edge.domain.appearance import Colour, VehicleKind
from edge.errors import KeyFileError, OutboxError
from edge.formats.atomic_files import sync_folder, write_file
from edge.formats.timestamps import utc_text
from edge.privacy.hit import Hit, HitError, parse_hit, verify_hit
from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
from edge.privacy.sealing import EvidenceContent, Picture, open_sealed

SCHEMA = "edge-anpr/opened-hit/2"


@dataclass(frozen=True, slots=True)
class OpenedHit:
    """A hit whose signature, seal and evidence have all been verified."""

    hit: Hit = field(repr=False)
    content: EvidenceContent = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """The paths of an opened hit's files."""

    document: Path
    pictures: tuple[Path, ...]


def open_hit(
    payload: bytes,
    boxes: Mapping[tuple[str, str], BoxPublicKeys],
    keys: AuthorityPrivateKeys,
) -> OpenedHit:
    """Verify and open one hit.

    Raises:
        HitError: its box is not in `boxes`, or did not sign it.
        SealError: the private key for it is not here, or the evidence was altered.
    """
    box = box_of(payload, boxes)
    hit = verify_hit(payload, box)
    content = open_sealed(hit.sealed_bytes, hit.seal_context(), authority=keys, box=box)
    return OpenedHit(hit, content)


def box_of(payload: bytes, boxes: Mapping[tuple[str, str], BoxPublicKeys]) -> BoxPublicKeys:
    """Return the public keys of the box that a hit names; the signature is not verified.

    Raises:
        HitError: not a hit, or its box is not in `boxes`.
    """
    claimed = parse_hit(payload)
    box = boxes.get((claimed.site, claimed.box))
    if box is None:
        raise HitError(
            f"hit {claimed.hit_id}: box {claimed.box} of site {claimed.site} is unknown; add its "
            "public file to --box-keys"
        )
    return box


def require_own(payloads: Iterable[bytes], keys: AuthorityPrivateKeys, folder: Path) -> None:
    """Refuse a folder of keys that open none of these hits, before anything is recorded.

    Args:
        payloads: hits of the store; those that are damaged say nothing.
        keys: the keys of the folder.
        folder: the folder, named in the error.

    Raises:
        KeyFileError: `E_NO_KEY`: every hit is sealed to a key that is not there.
    """
    sealed_to: dict[str, str] = {}
    for payload in payloads:
        with contextlib.suppress(HitError):
            hit = parse_hit(payload)
            if hit.authority == keys.authority and keys.generation(hit.authority_key_id):
                return
            sealed_to[hit.authority_key_id] = hit.authority
    if sealed_to:
        theirs = ", ".join(f"{key_id} of {whose}" for key_id, whose in sorted(sealed_to.items()))
        raise KeyFileError(
            f"{folder}: these keys of {keys.authority} are not those that the hits are sealed to "
            f"({theirs}); name the folder with those keys",
            code="E_NO_KEY",
        )


def write_opened(opened: OpenedHit, folder: Path) -> OpenedFiles:
    """Write an opened hit to `<folder>/<hit id>/`: `hit.json` and its pictures, mode 0600.

    `hit.json` is the last file to be written, and the first to be removed when a hit is written
    again. So a folder with `hit.json` has all pictures, also after a crash or a power cut. The
    next run replaces the files of an interrupted one.

    Raises:
        OutboxError: others can read the folder, or it cannot be written.
    """
    own = folder / opened.hit.hit_id
    document = own / "hit.json"
    text = opened_bytes(opened)
    pictures = {own / f"{one.name}.jpg": one.jpeg for one in opened.content.pictures}
    try:
        for each in (folder, own):
            _private_folder(each)
        sync_folder(folder)
        with locked_folder(own):
            if not _holds(pictures | {document: text}):
                document.unlink(missing_ok=True)
                sync_folder(own)
                for path, jpeg in pictures.items():
                    write_file(path, jpeg, sole_writer=True)
                write_file(document, text, sole_writer=True)
    except OSError as error:
        raise storage_error(own, error) from error
    return OpenedFiles(document, tuple(pictures))


def write_pictures(hit_id: str, pictures: Iterable[Picture], folder: Path) -> tuple[Path, ...]:
    """Write the pictures of a hit, and nothing else of it, to `<folder>/<hit id>/`, mode 0600.

    Raises:
        OutboxError: others can read the folder, or it cannot be written.
    """
    own = folder / hit_id
    files: list[Path] = []
    try:
        for each in (folder, own):
            _private_folder(each)
        with locked_folder(own):
            for one in pictures:
                files.append(own / f"{one.name}.jpg")
                write_file(files[-1], one.jpeg, sole_writer=True)
    except OSError as error:
        raise storage_error(own, error) from error
    return tuple(files)


def opened_bytes(opened: OpenedHit) -> bytes:
    """The content of `hit.json` as it is written, with the plate in clear."""
    return json.dumps(as_json(opened), indent=2, ensure_ascii=False).encode() + b"\n"


def as_json(opened: OpenedHit) -> dict[str, object]:
    """The content of `hit.json`, with the plate in clear."""
    hit, content = opened.hit, opened.content
    approved = approvals(content.pictures)
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
        "masked_by": {
            f"{picture.name}.jpg": None if picture.mask is None else picture.mask.value
            for picture in content.pictures
        },
        "shows": {
            f"{picture.name}.jpg": None if picture.shows is None else picture.shows.value
            for picture in content.pictures
        },
        "taken_at": {
            f"{picture.name}.jpg": None if picture.taken_at is None else utc_text(picture.taken_at)
            for picture in content.pictures
        },
        **({"approved": approved} if approved else {}),
        "vehicle": {
            "kinds": _shares(content.appearance.kinds),
            "colours": _shares(content.appearance.colours),
        },
    }


def approvals(pictures: Iterable[Picture]) -> dict[str, str]:
    """The day on which each still of an empty place was approved, by file name."""
    return {f"{one.name}.jpg": one.approved for one in pictures if one.approved is not None}


def _shares(
    probabilities: Mapping[VehicleKind, float] | Mapping[Colour, float],
) -> dict[str, float]:
    """Probabilities by name, most probable first; empty if nothing is known."""
    named = [(one.value, share) for one, share in probabilities.items()]
    return dict(sorted(named, key=lambda one: -one[1]))


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & 0o077:
        raise OutboxError(
            f"{folder}: other users can read this folder (mode {mode & 0o777:04o}); run "
            f"`chmod 700 {folder}`, or give another folder",
            code="E_STORE_MODE",
        )


def _holds(files: Mapping[Path, bytes]) -> bool:
    """Whether each of these files exists with this content."""
    return all(path.is_file() and path.read_bytes() == content for path, content in files.items())
