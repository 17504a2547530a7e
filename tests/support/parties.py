"""A box and an authority with real keys, and hits between them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.adapters.state.key_files import (
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
    load_box_public_keys,
)
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import PlateToken
from edge.privacy.hit import Hit, build_hit, new_hit_id
from edge.privacy.keys import AuthorityPrivateKeys, AuthorityPublicKeys, BoxKeys, BoxPublicKeys
from edge.privacy.sealing import EvidenceContent, Picture, SealContext, seal

SITE, BOX, CAMERA, AUTHORITY = "test-street", "box-1", "cam-1", "police-zone"
MORNING = datetime(2026, 11, 30, 7, 16, 5, 123000, tzinfo=timezone.utc)
CAP = 112 * 1024
PLATE = "1ABC123"


@dataclass(frozen=True)
class Parties:
    """Both sides' folders, and shortcuts to what lies in them."""

    box_folder: Path
    authority_folder: Path
    box_file: Path
    authority_file: Path

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

    def context(self, **changed: Any) -> SealContext:
        whole = SealContext(
            site=SITE,
            box=BOX,
            camera=CAMERA,
            rule="stolen",
            purpose="wanted-vehicles",
            authority=AUTHORITY,
            hit_id=new_hit_id(os.urandom),
            counter=1,
            observed_at=MORNING,
            policy_sha256="ab" * 32,
            box_key_id=self.box.key_id,
            authority_key_id=self.authority_public.key_id,
        )
        return replace(whole, **changed)

    def seal(self, content: EvidenceContent, context: SealContext, cap: int = CAP) -> bytes:
        return seal(
            content,
            context,
            box=self.box,
            authority=self.authority_public,
            payload_cap_bytes=cap,
        )

    def hit(self, content: EvidenceContent | None = None, **changed: Any) -> Hit:
        context = self.context(**changed)
        return build_hit(
            context,
            self.seal(content or evidence(), context),
            epoch=3,
            token=PlateToken(bytes(range(16))),
            posterior=0.98765,
            margin=2 / 3,
            human_check_required=True,
            keys=self.box,
        )


def make_parties(base: Path, *, authority: str = AUTHORITY, box: str = BOX) -> Parties:
    now = datetime.now(timezone.utc)
    return Parties(
        base / "box",
        base / "authority",
        new_box_keys(base / "box", SITE, box, now),
        new_authority_keys(base / "authority", authority, now),
    )


def evidence(*pictures: Picture, **changed: Any) -> EvidenceContent:
    whole = EvidenceContent(
        plate=PlateText(PLATE),
        alternatives=(Hypothesis(PlateText("1A8C123"), 0.011), Hypothesis(PlateText("1ABC128"), 0)),
        region="Belgium",
        list_entry_id="entry-17",
        reads=12,
        first_seen=MORNING,
        last_seen=MORNING,
        pictures=pictures,
    )
    return replace(whole, **changed)


def topic_of(hit: Hit) -> str:
    return f"anpr/{hit.site}/{hit.box}/{hit.camera}/hit"
