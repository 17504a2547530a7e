"""The public functions of `import edge`: verify, open and read. docs/api.md shows how to use them.

Each reads its files and calls the same code as the command line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.adapters.host.system import SystemClock
from edge.adapters.state.audit_log import AuditTrail, read_log, read_witness
from edge.adapters.state.evidence_pack import VerifiedPack, read_pack, verify_pack
from edge.adapters.state.key_files import (
    load_all_box_public_keys,
    load_authority_private_keys,
    signing_keys,
)
from edge.authority.opening import OpenedHit, box_of, require_own
from edge.authority.opening import open_hit as open_payload
from edge.authority.store import HitStore
from edge.errors import CameraError, MissingExtraError
from edge.privacy.audit import VerifiedLog
from edge.privacy.audit_events import Unsealed
from edge.privacy.checkpoints import Checkpoint, authority_log
from edge.privacy.hit import Hit
from edge.privacy.hit import verify_hit as verify_payload

if TYPE_CHECKING:
    from edge.adapters.models.loading import PlateModels
    from edge.box.read_files import PlateOnPhoto
    from edge.domain.imaging import Pixels


def verify_hit(payload: bytes, box_keys: Path) -> Hit:
    """Verify the signature and the digest of a hit; the evidence stays sealed.

    Args:
        payload: the MQTT payload of a hit, at most 1 MiB.
        box_keys: a box's public key file, or a folder with those of all boxes.

    Raises:
        HitError: `E_HIT`: not a hit, or its box is unknown. `E_SIGNATURE`: the box did not sign it.
        KeyFileError: the key files cannot be used.
    """
    return verify_payload(payload, box_of(payload, load_all_box_public_keys(box_keys)))


def open_hit(
    hit_id: str, *, store: Path, box_keys: Path, keys: Path, passphrase: str | None = None
) -> OpenedHit:
    """Verify and open a stored hit, and record the opening in the store's audit log first.

    The plate is `opened.content.plate.reveal()`, the JPEG files are `opened.content.pictures`.

    Args:
        hit_id: the id of a hit in the store, or its first characters.
        store: the folder that `edge-anpr hits tail` writes.
        box_keys: a box's public key file, or a folder with those of all boxes.
        keys: the authority's folder of private keys.
        passphrase: that of the private keys, if they have one.

    Raises:
        OutboxError: there is no such store or hit.
        HitError: its box is not in `box_keys`, or did not sign it.
        SealError: no key in `keys` opens it, or the evidence was altered.
        KeyFileError: the key files cannot be used.
        AuditError: the opening cannot be recorded, so nothing is returned.
    """
    ask = None if passphrase is None else lambda _file: passphrase
    own = load_authority_private_keys(keys, ask)
    boxes = load_all_box_public_keys(box_keys)
    log, now = authority_log(own.authority), SystemClock().utc
    with HitStore.open(store) as hits:
        payload = hits.payload(hit_id)
        require_own([payload], own, keys)
        with AuditTrail.open(
            store, log, own.newest, now, known=own.public_keys(), key_folder=keys
        ) as audit:
            opened = open_payload(payload, boxes, own)
            audit.append(Unsealed(opened.hit.hit_id))
    return opened


def verify_audit_log(
    log: Path, *, keys: Path | None = None, witness: Path | None = None
) -> VerifiedLog:
    """Verify that no entry of an audit log was changed, moved, added or removed.

    Args:
        log: a copy of `audit.log`, or the folder that holds it.
        keys: the public key file of the box or authority. Without it the log is only compared with
            itself, and `vouched` is False.
        witness: checkpoints that were kept elsewhere, a file or a folder. Only they show that
            entries at the end were removed.

    Raises:
        AuditError: the log is missing or was altered.
        KeyFileError: the key file cannot be used.
    """
    known = None if keys is None else signing_keys(keys)
    return read_log(log, keys=known, witness=_checkpoints(witness))


def verify_evidence_pack(
    pack: Path, *, keys: Path | None = None, witness: Path | None = None
) -> VerifiedPack:
    """Verify that signatures, audit log, policies and figures of an evidence pack agree.

    Args:
        pack: the file.
        keys: the box's public key file, received from the box itself. Without it the pack is only
            compared with itself, and `vouched` is False.
        witness: checkpoints of the box's log that were kept elsewhere, a file or a folder.

    Raises:
        AuditError: the pack cannot be read or was altered.
        KeyFileError: a signature is wrong, or the key file cannot be used.
    """
    known = None if keys is None else signing_keys(keys)
    return verify_pack(read_pack(pack), keys=known, witness=_checkpoints(witness))


def load_models(pair: str | None = None, *, provider: str = "cpu", threads: int = 1) -> PlateModels:
    """Load a detector and a reader, for several calls of `read_plates`.

    Args:
        pair: a pair of weights, as `edge-anpr models list` names it; None is the default pair.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: threads of one operator, 1 or more.

    Raises:
        MissingExtraError: `E_EXTRA`: the extra `cpu` or `gpu` is not installed.
        ModelError: the weights or the provider cannot be used.
    """
    try:
        from edge.adapters.models.loading import load_plate_models
        from edge.adapters.models.weights import Manifest

        return load_plate_models(Manifest.load(), provider=provider, threads=threads, pair=pair)
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error) or error from None


def read_plates(
    picture: Path | Pixels, *, models: PlateModels | None = None
) -> tuple[PlateOnPhoto, ...]:
    """Find and read the number plates of one picture, from the top left.

    Of each plate, `consensus` is None if no character is legible. Else `consensus.best.text` is
    the most probable plate and `consensus.posterior` its calibrated probability, 0 to 1. `box` is
    in pixels, `score` is the detector's, 0 to 1.

    Args:
        picture: a JPEG or PNG file, or uint8 pixels of shape (height, width, 3), BGR.
        models: from `load_models`; None loads the default pair, which takes about a second.

    Raises:
        CameraError: `E_SOURCE_MISSING`: no such file. `E_SOURCE_FORMAT`: not a picture.
        MissingExtraError: `E_EXTRA`: the extra `cpu` or `gpu` is not installed.
        ModelError: the weights cannot be used.
    """
    try:
        from edge.adapters.cameras.recordings import read_picture
        from edge.box.read_files import read_photo
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error) or error from None

    if isinstance(picture, Path):
        if not picture.is_file():
            raise CameraError(f"{picture}: no such file; check the path", code="E_SOURCE_MISSING")
        decoded = read_picture(picture)
        if decoded is None:
            raise CameraError(
                f"{picture}: not a picture; save it as JPEG or PNG", code="E_SOURCE_FORMAT"
            )
        picture = decoded
    elif (picture.ndim, picture.shape[-1:], str(picture.dtype)) != (3, (3,), "uint8"):
        raise CameraError(
            "pixels: not an array of shape (height, width, 3) and type uint8; convert it to BGR",
            code="E_SOURCE_FORMAT",
        )
    return read_photo(picture, models or load_models()).plates


def _checkpoints(witness: Path | None) -> tuple[Checkpoint, ...]:
    return () if witness is None else read_witness(witness)
