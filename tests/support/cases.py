"""A desk with a confirmed case under a signed policy, and its package."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from edge.authority.policies import SignedPolicies
from edge.desk.court.making import CaseSources, ExportedCase, export_case
from edge.desk.court.package import MANIFEST, SIGNATURE, read_package, write_package
from edge.desk.court.verdict import KnownKeys
from edge.desk.folder import DeskFolder
from edge.desk.outcomes import OpeningReason
from edge.desk.store.database import DeskDatabase
from edge.desk.store.hits import DeskHits
from edge.domain.reveal import MaskMethod
from edge.formats.signing import SigningKey
from edge.policy.model import Policy
from edge.privacy.hit import Hit, sign_receipt
from edge.privacy.sealing import EvidenceContent, Picture
from edge.texts import Language
from tests.support.parties import AUTHORITY, CAMERA, MORNING, SITE, Parties, evidence
from tests.support.place_stills import approval
from tests.support.policies import document, signed, write
from tests.support.reviews import OFFICER, ReviewRoom, who

RULE = "stolen"


def jpeg(colour: tuple[int, int, int]) -> bytes:
    """A real JPEG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (160, 90), colour).save(file, "JPEG")
    return file.getvalue()


SHOTS = (
    Picture("vehicle", jpeg((90, 120, 150)), MaskMethod.MEANING, MORNING),
    Picture("plate", jpeg((240, 240, 240)), MaskMethod.GEOMETRY, MORNING),
)


def for_the_hit(content: dict[str, Any]) -> None:
    """Give the example's policy the site, camera, rule and authority of `Parties.hit`."""
    content["site"] = SITE
    content["cameras"] = {CAMERA: content["cameras"]["north"]}
    (authority,) = content["authorities"]
    content["authorities"] = {AUTHORITY: content["authorities"][authority]}
    competence = content["authorities"][AUTHORITY]["competence"]
    competence["rules"], competence["cameras"] = [RULE], [CAMERA]
    rule = content["rules"][0]
    rule.update(id=RULE, authority=AUTHORITY)
    rule["schedule"]["exceptions"] = []  # one of them is on the day of these hits
    content["rules"] = [rule]


def signed_site(folder: Path, place: bytes | None = None) -> Policy:
    """A site folder with such a policy, signed by all three roles; it may approve a still."""
    content = document(for_the_hit, real=True)
    if place is not None:
        content["cameras"][CAMERA]["place_picture"] = approval(place)
    policy = Policy.model_validate(content)
    write(folder, content)
    (folder / "policy.signatures.json").write_text(signed(policy).text())
    return policy


def closed(content: dict[str, Any]) -> None:
    content["cameras"][CAMERA]["hours"] = {"weekly": {"mon": ["10:00-11:00"]}}


def signed_policies(folder: Path, *changes: Callable[[dict[str, Any]], None]) -> Policy:
    """A folder with a signed policy under which the camera was open, and a changed one."""
    signed_site(folder)
    content = document(for_the_hit, *changes, real=True)
    policy = Policy.model_validate(content)
    write(folder / "written", content)
    (folder / "written" / "policy.yaml").rename(folder / "other.yaml")
    (folder / "other.signatures.json").write_text(signed(policy).text())
    return policy


def hit_under(parties: Parties, policy: Policy, content: EvidenceContent) -> Hit:
    """A hit of the policy's only rule."""
    purpose = policy.rules[0].purpose
    return parties.hit(content, policy_sha256=policy.sha256(), purpose=purpose)


class CaseRoom(ReviewRoom):
    """A desk whose hits name a policy that three people signed."""

    def __init__(
        self,
        desk: DeskFolder,
        database: DeskDatabase,
        parties: Parties,
        folder: Path,
        place: bytes | None = None,
    ) -> None:
        super().__init__(desk, database, parties)
        self.site = folder / "site"
        self.policy = signed_site(self.site, place)
        self.hit = self.new_hit()

    def new_hit(self, *more: Picture, **changed: Any) -> Hit:
        hit = hit_under(self.parties, self.policy, evidence(*SHOTS, *more, **changed))
        self.stored(hit)
        receipt = sign_receipt(hit, self.now, self.parties.authority.newest)
        DeskHits(self.database).keep_receipts({hit.hit_id: receipt.to_payload()}, self.now)
        return hit

    @property
    def policies(self) -> SignedPolicies:
        return SignedPolicies(self.site)

    @property
    def sources(self) -> CaseSources:
        return CaseSources(
            desk=self.desk,
            database=self.database,
            record=self.audit.append,
            keys=self.parties.authority,
            keys_folder=self.parties.authority_folder,
            box_keys=self.parties.box_folder,
            policy=self.site,
            reviews=self.reviews,
        )

    def export(
        self,
        person: str = OFFICER,
        reason: OpeningReason = OpeningReason.COURT,
        languages: tuple[Language, ...] = ("nl",),
    ) -> ExportedCase:
        return export_case(self.sources, who(person), self.hit.hit_id, reason, languages)

    @property
    def known(self) -> KnownKeys:
        return KnownKeys(
            box=self.parties.box_public,
            authority=self.parties.authority_public,
            desk=frozenset({self.desk.signing_key().public}),
            people={name: frozenset({key.public}) for name, key in self.keys.items()},
        )


def repacked(
    package: bytes,
    key: SigningKey,
    changes: Mapping[str, bytes | None],
    hit_id: str | None = None,
) -> bytes:
    """A package with other files, signed anew, as a desk that cheats would make it.

    Args:
        package: the honest one.
        key: signs the new manifest.
        changes: content by name; None removes the file.
        hit_id: of another hit, to which it is moved.
    """
    manifest, contents = read_package(package)
    kept = {name: one for name, one in contents.items() if name not in {MANIFEST, SIGNATURE}}
    for name, content in changes.items():
        kept.pop(name, None)
        if content is not None:
            kept[name] = content
    return write_package(kept, manifest.authority, hit_id or manifest.hit_id, key)
