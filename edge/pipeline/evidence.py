"""From an offence to a sealed hit: reveal the least, encode it, sign and seal it.

Below this module the clear plate is inside a seal, and the box cannot open what it made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.domain.rules import Offence
from edge.domain.vehicles import VehicleSeen
from edge.errors import OutboxError, RedactionError
from edge.pipeline.rule_book import observed_at
from edge.privacy.hit import build_hit, new_hit_id
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.privacy.redaction import EvidenceImage, reveal
from edge.privacy.sealing import EvidenceContent, Picture, SealContext, picture_budget, seal

log = logging.getLogger(__name__)

PLATE_SHARE = 0.25
PLATE_BYTES = 2048
"""Of the bytes for pictures, the most that the plate's own takes: this share, or so many bytes
where that is more. It is small, and it matters most."""

WORTH_TELLING = 0.001
"""A less probable alternative plate is not evidence, only another person's plate perhaps."""


class Encoder(Protocol):
    """Encodes evidence, and nothing else, into a file of bounded size."""

    def __call__(self, image: EvidenceImage, *, max_bytes: int) -> bytes:
        """The encoded picture.

        Raises:
            RedactionError: it does not fit at any size worth looking at.
        """
        ...


@dataclass(frozen=True, slots=True)
class SealedHit:
    """A hit as it leaves the box."""

    hit_id: str
    payload: bytes = field(repr=False)
    pictures_left_out: int


class EvidenceMaker:
    """Makes hits of offences under one policy.

    Args:
        site: the site's id.
        box: the box's id.
        policy_sha256: the policy in force, hex.
        box_keys: sign hits and evidence.
        authorities: by the ids that rules name.
        payload_cap_bytes: the largest hit that the broker takes.
        random_bytes: unpredictable bytes, for hit ids.
        encode: makes files of evidence pictures.
    """

    def __init__(
        self,
        *,
        site: str,
        box: str,
        policy_sha256: str,
        box_keys: BoxKeys,
        authorities: Mapping[str, AuthorityPublicKeys],
        payload_cap_bytes: int,
        random_bytes: Callable[[int], bytes],
        encode: Encoder,
    ) -> None:
        self._site = site
        self._box = box
        self._policy_sha256 = policy_sha256
        self._box_keys = box_keys
        self._authorities = authorities
        self._payload_cap_bytes = payload_cap_bytes
        self._random_bytes = random_bytes
        self._encode = encode

    def make(self, vehicle: VehicleSeen, offence: Offence, epoch: int, counter: int) -> SealedHit:
        """One offence as a sealed, signed hit.

        A picture that cannot be masked or made to fit is left out, and that is logged: a hit
        without a picture still stands, an unmasked picture never does.

        Args:
            vehicle: the offender; it has a consensus, or no rule would have fired.
            offence: the rule that fired.
            epoch: the salt epoch of the offence's token.
            counter: the box's hit counter.

        Raises:
            EdgeError: it cannot be made or sealed.
        """
        if vehicle.consensus is None:
            raise OutboxError("an offence needs a plate that was read", code="E_EVIDENCE")
        rule = offence.rule
        authority = self._authorities[rule.authority]
        context = SealContext(
            site=self._site,
            box=self._box,
            camera=vehicle.camera,
            rule=rule.id,
            purpose=rule.purpose,
            authority=rule.authority,
            hit_id=new_hit_id(self._random_bytes),
            counter=counter,
            observed_at=observed_at(vehicle),
            policy_sha256=self._policy_sha256,
            box_key_id=self._box_keys.key_id,
            authority_key_id=authority.key_id,
        )
        pictures, left_out = self._pictures(vehicle, offence)
        best, *others = vehicle.consensus.hypotheses
        content = EvidenceContent(
            plate=best.text,
            alternatives=tuple(one for one in others if one.probability >= WORTH_TELLING),
            region=vehicle.consensus.region,
            list_entry_id=offence.entry_id,
            reads=vehicle.consensus.reads,
            first_seen=vehicle.first_seen,
            last_seen=vehicle.last_seen,
            pictures=pictures,
        )
        sealed = seal(
            content,
            context,
            box=self._box_keys,
            authority=authority,
            payload_cap_bytes=self._payload_cap_bytes,
        )
        hit = build_hit(
            context,
            sealed,
            epoch=epoch,
            token=offence.candidate.token,
            posterior=offence.posterior,
            margin=offence.margin,
            human_check_required=rule.human_check,
            keys=self._box_keys,
        )
        return SealedHit(context.hit_id, hit.to_payload(), left_out)

    def _pictures(self, vehicle: VehicleSeen, offence: Offence) -> tuple[tuple[Picture, ...], int]:
        """What the rule reveals, within the bytes that the broker's cap leaves, and what it lacks.

        The plate's own picture comes first and takes at most its share; what it leaves goes
        to the next. One that does not fit is left out.
        """
        if vehicle.key_frame is None:
            return (), 1
        room = picture_budget(self._payload_cap_bytes)
        pictures: list[Picture] = []
        try:
            images = reveal(offence, vehicle.key_frame)
        except RedactionError as error:
            log.warning("a hit of rule %s goes without pictures: %s", offence.rule.id, error)
            return (), 1
        for position, image in enumerate(images):
            last = position == len(images) - 1
            share = room if last else min(room, max(int(room * PLATE_SHARE), PLATE_BYTES))
            try:
                jpeg = self._encode(image, max_bytes=share)
            except RedactionError as error:
                log.warning(
                    "a hit of rule %s goes without picture %r: %s",
                    offence.rule.id,
                    image.name,
                    error,
                )
                continue
            pictures.append(Picture(image.name, jpeg))
            room -= len(jpeg)
        return tuple(pictures), len(images) - len(pictures)
