"""The fixed site, keys, times and random bytes that all vectors are made of."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tests.support.source_tree import ROOT
from tests.unit.vectors.product import (
    AuthorityPrivateKeys,
    AuthorityPublicKeys,
    BoxKeys,
    BoxPublicKeys,
    EvidenceContent,
    Hypothesis,
    ListContent,
    ListEntry,
    MaskMethod,
    Picture,
    PlateText,
    PlateToken,
    Policy,
    PolicySignatures,
    SealContext,
    SigningKey,
    add_signature,
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
    read_policy,
)

VECTORS = ROOT / "tests" / "vectors"
INPUT, STORED, COMPUTED = VECTORS / "input", VECTORS / "stored", VECTORS / "computed"

SITE, BOX, CAMERA, AUTHORITY = "square", "box-1", "north", "police"
NOW = datetime(2026, 11, 30, 7, 16, 5, 123456, tzinfo=timezone.utc)
ISSUED = datetime(2026, 11, 29, 12, 0, 0, 7000, tzinfo=timezone.utc)
EXPIRES = NOW + timedelta(hours=24)
CAP = 112 * 1024
HIT_IDS = tuple(digit * 32 for digit in "012")
KEY_MADE, KEY_ROTATED = ISSUED - timedelta(days=40), ISSUED - timedelta(days=9)
DIGEST = "5a" * 32

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def fixed_bytes(name: str, count: int) -> bytes:
    """The same bytes for the same name, at any time (SHAKE-256)."""
    return hashlib.shake_256(name.encode()).digest(count)


class FixedRandom:
    """A source of random bytes that gives the same ones in each run."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return fixed_bytes(f"call {self._calls}", count)


def policy() -> Policy:
    return read_policy(INPUT / "policy.yaml").model


def signatures() -> PolicySignatures:
    """The policy's signatures by its three signers, in this order."""
    found = None
    for name in ("mayor", "chief", "officer"):
        found = add_signature(policy(), SigningKey.demo_of(name), found)
    assert found is not None
    return found


@dataclass(frozen=True)
class Keys:
    """Folders with copies of the stored keys; git keeps no modes, so they are set here."""

    folder: Path

    @property
    def box_folder(self) -> Path:
        return self.folder / "box-key-files"

    @property
    def authority_folder(self) -> Path:
        return self.folder / "authority-key-files"

    @property
    def signer_file(self) -> Path:
        return self.folder / "signer-key-files" / "editor.signer.private.json"

    @property
    def box_file(self) -> Path:
        return self.box_folder / f"{SITE}.{BOX}.public.json"

    @property
    def authority_file(self) -> Path:
        return self.authority_folder / f"{AUTHORITY}.public.json"

    @property
    def box(self) -> BoxKeys:
        return load_box_keys(self.box_folder)

    @property
    def box_public(self) -> BoxPublicKeys:
        return load_box_public_keys(self.box_file)

    @property
    def authority(self) -> AuthorityPrivateKeys:
        return load_authority_private_keys(self.authority_folder)

    @property
    def authority_public(self) -> AuthorityPublicKeys:
        return load_authority_public_keys(self.authority_file)


def stored_keys(folder: Path) -> Keys:
    """The stored key files, copied below `folder` with the modes that the product gives them."""
    for source in sorted(STORED.glob("*-key-files")):
        target = folder / source.name
        shutil.copytree(source, target)
        target.chmod(0o700)
        for file in target.iterdir():
            file.chmod(0o600 if ".private." in file.name else 0o644)
    return Keys(folder)


def context(keys: Keys, number: int = 0) -> SealContext:
    return SealContext(
        site=SITE,
        box=BOX,
        camera=CAMERA,
        rule="looked-for",
        purpose="quiet",
        authority=AUTHORITY,
        hit_id=HIT_IDS[number],
        counter=4711 + number,
        observed_at=NOW,
        policy_sha256=DIGEST,
        box_key_id=keys.box.key_id,
        authority_key_id=keys.authority_public.key_id,
    )


def evidence(pictures: int, picture_bytes: int = 1000) -> EvidenceContent:
    return EvidenceContent(
        plate=PlateText("1ABC123"),
        alternatives=(Hypothesis(PlateText("1A8C123"), 0.011), Hypothesis(PlateText("1ABC128"), 0)),
        region="Belgium" if pictures else None,
        list_entry_id="entry-17" if pictures else None,
        reads=12,
        first_seen=NOW,
        last_seen=NOW + timedelta(seconds=2),
        pictures=tuple(
            Picture(
                ("vehicle", "plate")[n],
                fixed_bytes(f"picture {n}", picture_bytes),
                (MaskMethod.MEANING, MaskMethod.GEOMETRY)[n],
            )
            for n in range(pictures)
        ),
    )


TOKEN = PlateToken(bytes(range(16)))

LIST = ListContent(
    list_id="stolen",
    site=SITE,
    box=BOX,
    issuer="office",
    purpose="quiet",
    counter=1_780_000_000_000,
    issued_at=ISSUED,
    entries=tuple(
        ListEntry(
            entry_id=f"entry-{number}",
            plate=PlateText(plate),
            start=ISSUED - timedelta(days=1),
            end=ISSUED + timedelta(days=30),
            basis="Act, article 1 § 2",
            reason="stolen",
            issuer="Zône de police",
        )
        for number, plate in enumerate(("1ABC123", "2XYZ987"), start=1)
    ),
)


def unpadded(sealed: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
    """The plain text of an HPKE message, without the zeros after its content.

    Its first four bytes say how long the content is. This uses the library alone, so that a change
    in the product's own reader hides nothing.
    """
    padded = SUITE.decrypt(sealed, private, info=info)
    end = 4 + int.from_bytes(padded[:4], "big")
    assert not any(padded[end:])
    return padded[:end]


def unpacked(name: str, target: Path) -> Path:
    """A stored file that is kept compressed, unpacked for its owner alone."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_bytes(gzip.decompress((STORED / name).read_bytes()))
    target.chmod(0o600)
    return target


def packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


def modes(folder: Path) -> str:
    """Every file and folder below one, with its mode: one a line, by name."""
    lines = [
        f"{path.stat().st_mode & 0o777:04o} {path.relative_to(folder).as_posix()}"
        f"{'/' if path.is_dir() else ''}\n"
        for path in sorted(folder.rglob("*"))
    ]
    return "".join(lines)


def json_lines(*values: Any) -> bytes:
    """Each value as JSON on a line of its own."""
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
