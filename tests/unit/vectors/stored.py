"""Makes the stored artefacts once. What is there is never made again: boxes hold files like it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.fakes import SetClock
from tests.unit.vectors.cast import (
    AUTHORITY,
    BOX,
    CAMERA,
    CAP,
    EXPIRES,
    HIT_IDS,
    KEY_MADE,
    KEY_ROTATED,
    LIST,
    NOW,
    SITE,
    STORED,
    TOKEN,
    context,
    evidence,
    fixed_bytes,
    packed,
    stored_keys,
)
from tests.unit.vectors.product import (
    Hit,
    HitStore,
    IssuedList,
    Keyring,
    Outbox,
    RetentionKey,
    ReviewReason,
    SigningKey,
    build_bundle,
    build_hit,
    build_shared,
    joined,
    new_authority_keys,
    new_box_keys,
    new_signer_key,
    rotate_authority_keys,
    rotate_box_keys,
    seal,
)
from tests.unit.vectors.state import fresh_pack

ITEM = b"an item that was stored"
HIT_TOPIC = f"anpr/{SITE}/{BOX}/{CAMERA}/hit"
TOO_OLD = b"a payload that was set aside"


def retention_key() -> RetentionKey:
    return RetentionKey("0123456789abcdef", "quiet", EXPIRES, fixed_bytes("retention key", 32))


def make_missing(folder: Path) -> None:
    """Make what is not there yet; each artefact uses those before it.

    Args:
        folder: an empty one for what is made on the way.
    """
    STORED.mkdir(parents=True, exist_ok=True)
    _make_keys()
    if not (STORED / "item.json").exists():
        item = retention_key().seal("item-1", ITEM)
        parts = {"wrapped_key": item.wrapped_key, "body": item.body}
        text = {name: base64.b64encode(part).decode() for name, part in parts.items()}
        (STORED / "item.json").write_text(json.dumps(text) + "\n")
    for number in range(len(HIT_IDS)):
        if not (STORED / f"hit-{number}.json").exists():
            hit = _hit(folder / f"hit-{number}", number)
            (STORED / f"hit-{number}.json").write_bytes(hit.to_payload())
    if not (STORED / "hit-2.evidence-2.json").exists():
        hit = _hit(folder / "hit-2", 2)
        (STORED / "hit-2.evidence-2.json").write_bytes(hit.to_payload())
    if not (STORED / "stolen.bundle").exists():
        keys = stored_keys(folder / "bundle")
        bundle = build_bundle(LIST, SigningKey.demo_of("office"), keys.box_public)
        (STORED / "stolen.bundle").write_bytes(bundle)
    if not (STORED / "stolen.body-2.shared").exists():  # stolen.shared has a body of version 1
        keys = stored_keys(folder / "shared")
        fields = {name: getattr(LIST, name) for name in ("list_id", "issuer", "purpose", "counter")}
        issued = IssuedList(**fields, issued_at=LIST.issued_at, entries=LIST.entries)
        shared = build_shared(issued, SigningKey.demo_of("office"), [keys.box_public])
        whole = joined(shared.manifests[SITE, BOX], shared.body)
        (STORED / "stolen.body-2.shared").write_bytes(whole)
    if not (STORED / "outbox.sqlite3.gz").exists():
        _make_outbox(folder / "outbox")
    if not (STORED / "inbox.sqlite3.gz").exists():
        _make_inbox(folder / "inbox")
    if not (STORED / "pack.zip").exists():
        (STORED / "pack.zip").write_bytes(fresh_pack(folder / "pack"))


def _make_keys() -> None:
    box, authority = STORED / "box-key-files", STORED / "authority-key-files"
    if not box.exists():
        new_box_keys(box, SITE, BOX, KEY_MADE)
        rotate_box_keys(box, KEY_ROTATED)
    if not authority.exists():
        new_authority_keys(authority, AUTHORITY, KEY_MADE)
        rotate_authority_keys(authority, KEY_ROTATED)
    if not (STORED / "signer-key-files").exists():
        new_signer_key(STORED / "signer-key-files", "editor", KEY_MADE)
    if not (STORED / "first-box-key-files").exists():
        _make_keys_without_lists(STORED / "first-box-key-files")


def _make_keys_without_lists(folder: Path) -> None:
    """Keys of a box as the first version made them: nothing can be sealed to them."""
    key = Ed25519PrivateKey.from_private_bytes(fixed_bytes("first box", 32))
    public = key.public_key().public_bytes_raw()
    fields = (b"edge-anpr/key-id/1", b"box", public)
    framed = b"".join(len(each).to_bytes(4, "big") + each for each in fields)
    key_id = hashlib.sha256(framed).hexdigest()[:16]
    made = KEY_MADE.isoformat().replace("+00:00", "Z")
    private = {
        "trial": False,
        "created_at": made,
        "key_id": key_id,
        "schema": "edge-anpr/box-private-key/1",
        "site": SITE,
        "box": BOX,
        "signing": base64.b64encode(key.private_bytes_raw()).decode(),
    }
    generation = {
        "key_id": key_id,
        "created_at": made,
        "signing": base64.b64encode(public).decode(),
    }
    whole = {
        "trial": False,
        "schema": "edge-anpr/box-public-keys/1",
        "site": SITE,
        "box": BOX,
        "generations": [generation],
    }
    folder.mkdir()
    (folder / f"{key_id}.private.json").write_text(json.dumps(private, indent=2) + "\n")
    (folder / f"{SITE}.{BOX}.public.json").write_text(json.dumps(whole, indent=2) + "\n")


def _hit(folder: Path, number: int) -> Hit:
    keys = stored_keys(folder)
    about = context(keys, number)
    sealed = seal(
        evidence(number),
        about,
        box=keys.box,
        authority=keys.authority_public,
        payload_cap_bytes=CAP,
    )
    return build_hit(
        about,
        sealed,
        epoch=3,
        token=TOKEN,
        posterior=0.98765,
        margin=1 / 3,
        human_check_required=number == 1,
        keys=keys.box,
    )


def _make_outbox(folder: Path) -> None:
    """An outbox with two hits, one of which waits for its receipt, and the keyring to it."""
    ring, box = folder / "ring", folder / "box"
    with (
        Keyring.open(ring, SetClock(NOW)) as keyring,
        Outbox.open(box, keyring, reserve_mib=0) as outbox,
    ):
        for number in (0, 1):
            outbox.put(
                HIT_IDS[number],
                CAMERA,
                HIT_TOPIC,
                (STORED / f"hit-{number}.json").read_bytes(),
                purpose="quiet",
                receipt_required=number == 0,
                expires_at=EXPIRES,
            )
            outbox.next_counter()
        outbox.mark_published(HIT_IDS[0])
    (STORED / "outbox.sqlite3.gz").write_bytes(packed(box / "outbox.sqlite3"))
    (STORED / "keyring.bin.gz").write_bytes(packed(ring / "keyring.bin"))


def _make_inbox(folder: Path) -> None:
    """A store of the authority: two hits, one of them rejected, and a payload set aside."""
    with HitStore.open(folder, create=True) as store:
        for number in (0, 1):
            payload = (STORED / f"hit-{number}.json").read_bytes()
            store.put(Hit.model_validate_json(payload), payload, NOW + timedelta(minutes=number))
        store.review(HIT_IDS[0], ReviewReason.MISREAD, NOW + timedelta(hours=1))
        store.set_aside(HIT_TOPIC, TOO_OLD, "E_SIGNATURE", NOW)
    (STORED / "inbox.sqlite3.gz").write_bytes(packed(folder / "inbox.sqlite3"))
    shutil.rmtree(folder)
