"""Keys of a fleet's boxes and of an authority, and hits sealed in advance, in a folder.

    meta.json                how many boxes, hits and groups; written last
    authority/               the authority's keys
    boxes/                   the public key file of each box, as `keys new box` writes it
    boxes.keys               the boxes' private keys, 64 raw bytes each
    hits-GROUP.bin           the payloads of a group of boxes, one behind the other
    hits-GROUP.index         for each of them: box, place, length, id and SHA-256

Each hit is signed and sealed by its own box, has an id of its own, and no picture. Box `n` belongs
to group `n % groups`; each group is a process of the simulator.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.adapters.state.key_files import load_authority_public_keys
from edge.adapters.state.key_making import new_authority_keys
from edge.domain.plates import PlateText
from edge.domain.pseudonym import PlateToken
from edge.privacy.hit import build_hit, new_hit_id
from edge.privacy.key_formats import BoxGeneration, BoxPublicFile, key_file_bytes
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys, box_key_id
from edge.privacy.sealing import EvidenceContent, SealContext, seal

AUTHORITY = "police-zone"
CAMERA = "cam-1"
BOXES_OF_A_SITE = 10
_CAP_BYTES = 112 * 1024
_VERSION = 1
_INDEX = struct.Struct("<IQI16s32s")


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How many boxes and hits there are, in how many groups."""

    sessions: int
    hits: int
    groups: int

    def hits_of(self, group: int) -> int:
        """How many hits the boxes of a group send."""
        return self.hits // self.groups + (group < self.hits % self.groups)


@dataclass(frozen=True, slots=True)
class SealedHit:
    """Where a sealed hit is in its group's file, and what must be stored of it."""

    box: int
    at: int
    length: int
    hit_id: bytes
    sha256: bytes


def box_name(number: int) -> tuple[str, str]:
    """Site and box of a number."""
    return f"site-{number // BOXES_OF_A_SITE}", f"box-{number % BOXES_OF_A_SITE}"


@dataclass(frozen=True)
class FleetMaterial:
    """A folder with material that is complete."""

    folder: Path
    size: FleetSize

    @property
    def authority(self) -> Path:
        return self.folder / "authority"

    @property
    def boxes(self) -> Path:
        return self.folder / "boxes"

    @cached_property
    def authority_public(self) -> AuthorityPublicKeys:
        return load_authority_public_keys(self.authority / f"{AUTHORITY}.public.json")

    def box_keys(self, number: int) -> BoxKeys:
        """The private keys of a box."""
        with (self.folder / "boxes.keys").open("rb") as file:
            file.seek(64 * number)
            return _keys_of(number, file.read(64))

    def payloads(self, group: int) -> Path:
        return self.folder / f"hits-{group}.bin"

    def hits(self, group: int) -> Iterator[SealedHit]:
        """The hits of a group, in the order in which they are sent."""
        content = (self.folder / f"hits-{group}.index").read_bytes()
        for fields in _INDEX.iter_unpack(content):
            yield SealedHit(*fields)

    def payload_bytes(self) -> float:
        """The mean length of a payload."""
        total = sum(self.payloads(group).stat().st_size for group in range(self.size.groups))
        return total / self.size.hits


def fleet_material(folder: Path, size: FleetSize, note: Callable[[str], None]) -> FleetMaterial:
    """The material in a folder; it is made if the folder has none, or that of another size."""
    meta = folder / "meta.json"
    wanted = {"version": _VERSION, **asdict(size)}
    if meta.exists() and json.loads(meta.read_text()) == wanted:
        note(f"{folder}: {size.hits:,} sealed hits are used again")
        return FleetMaterial(folder, size)
    if folder.exists() and any(folder.iterdir()) and not meta.exists():
        message = f"{folder}: neither empty nor a folder of sealed hits; name another with --cache"
        raise SystemExit(message)
    meta.unlink(missing_ok=True)
    _make_keys(folder, size.sessions)
    note(f"sealing {size.hits:,} hits in {os.cpu_count()} processes")
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done in [pool.submit(_seal_group, folder, size, one) for one in range(size.groups)]:
            done.result()
    meta.write_text(json.dumps(wanted))
    return FleetMaterial(folder, size)


def _make_keys(folder: Path, sessions: int) -> None:
    for place in (folder, folder / "boxes"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in (*(folder / "boxes").iterdir(), *(folder / "authority").glob("*")):
        old.unlink()
    now = datetime.now(timezone.utc)
    new_authority_keys(folder / "authority", AUTHORITY, now)
    descriptor = os.open(folder / "boxes.keys", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for number in range(sessions):
            signing, lists = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
            file.write(signing.private_bytes_raw() + lists.private_bytes_raw())
            generation = BoxGeneration(
                key_id=box_key_id(signing.public_key(), lists.public_key()),
                created_at=now,
                signing=_text(signing.public_key().public_bytes_raw()),
                lists=_text(lists.public_key().public_bytes_raw()),
            )
            site, box = box_name(number)
            content = BoxPublicFile(trial=False, site=site, box=box, generations=(generation,))
            (folder / "boxes" / f"{site}.{box}.public.json").write_bytes(key_file_bytes(content))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _keys_of(number: int, raw: bytes) -> BoxKeys:
    signing = Ed25519PrivateKey.from_private_bytes(raw[:32])
    lists = X25519PrivateKey.from_private_bytes(raw[32:])
    key_id = box_key_id(signing.public_key(), lists.public_key())
    return BoxKeys(*box_name(number), key_id, False, signing, lists)  # noqa: FBT003 - `trial`


def _seal_group(folder: Path, size: FleetSize, group: int) -> None:
    """Seal the hits of a group's boxes; which box sends the next one is random."""
    authority = FleetMaterial(folder, size).authority_public
    private = (folder / "boxes.keys").read_bytes()
    numbers = range(group, size.sessions, size.groups)
    boxes = {one: _keys_of(one, private[64 * one : 64 * one + 64]) for one in numbers}
    counters = dict.fromkeys(numbers, 0)
    chosen = random.Random(group)
    began = datetime.now(timezone.utc) - timedelta(hours=2)
    place = 0
    with (
        (folder / f"hits-{group}.bin").open("wb") as payloads,
        (folder / f"hits-{group}.index").open("wb") as index,
    ):
        for made in range(size.hits_of(group)):
            number = chosen.choice(numbers)
            counters[number] += 1
            seen = began + timedelta(milliseconds=made)
            hit_id, payload = _sealed(boxes[number], authority, counters[number], seen)
            payloads.write(payload)
            digest = hashlib.sha256(payload).digest()
            index.write(_INDEX.pack(number, place, len(payload), bytes.fromhex(hit_id), digest))
            place += len(payload)


def _sealed(
    box: BoxKeys, authority: AuthorityPublicKeys, counter: int, seen: datetime
) -> tuple[str, bytes]:
    """Id and payload of one hit."""
    context = SealContext(
        site=box.site,
        box=box.box,
        camera=CAMERA,
        rule="stolen",
        purpose="wanted-vehicles",
        authority=AUTHORITY,
        hit_id=new_hit_id(os.urandom),
        counter=counter,
        observed_at=seen,
        policy_sha256="ab" * 32,
        box_key_id=box.key_id,
        authority_key_id=authority.key_id,
    )
    evidence = EvidenceContent(
        plate=PlateText(f"1AAA{counter % 1000:03}"),
        alternatives=(),
        region="Belgium",
        list_entry_id=f"entry-{counter}",
        reads=9,
        first_seen=seen,
        last_seen=seen,
    )
    hit = build_hit(
        context,
        seal(evidence, context, box=box, authority=authority, payload_cap_bytes=_CAP_BYTES),
        epoch=1,
        token=PlateToken(os.urandom(16)),
        posterior=0.99,
        margin=0.9,
        human_check_required=True,
        keys=box,
    )
    return hit.hit_id, hit.to_payload()
