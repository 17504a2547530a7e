"""From an offence to a sealed hit: reveal the minimum, encode, sign and seal it.

After this module the clear-text plate exists only inside the seal, which the box cannot open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.rules import Offence
from edge.domain.scene import Scene
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.domain.wheel import WheelSide, comes_nearer, wheel_of_vehicle
from edge.errors import ModelError, OutboxError, RedactionError
from edge.pipeline.ports import SceneParser
from edge.pipeline.rule_book import observed_at
from edge.privacy.hit import build_hit, new_hit_id
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.privacy.redaction import (
    PLATE_PICTURE,
    VEHICLE_PICTURE,
    EvidenceImage,
    reveal,
    reveal_path,
)
from edge.privacy.sealing import EvidenceContent, Picture, SealContext, picture_budget, seal

log = logging.getLogger(__name__)

PLATE_SHARE = 0.25
"""Share of the picture bytes that the plate's own picture may use. It is small and matters most."""

PLATE_BYTES = 2048
"""The plate's own picture may use this many bytes even if that is more than its share."""

PATH_SHARE = 0.3
"""Share of the bytes left that each picture of the path may use: most of it is grey."""

ENDS = 2
"""A path is shown by its first and its last picture."""

MIN_ALTERNATIVE_PROBABILITY = 0.001
"""A less probable alternative is not evidence; it may be the plate of an uninvolved person."""


class Encoder(Protocol):
    """Port: encodes an evidence picture as a file of bounded size."""

    def __call__(self, image: EvidenceImage, *, max_bytes: int) -> bytes:
        """The encoded picture, at most `max_bytes` long.

        Raises:
            RedactionError: it does not fit at any usable size.
        """
        ...


@dataclass(frozen=True, slots=True)
class SealedHit:
    """A hit as it leaves the box.

    Attributes:
        hit_id: id of the hit.
        payload: the signed and sealed hit.
        pictures_left_out: number of pictures that are missing from it.
        vehicle_by_geometry: whether the geometry of the plate decided what its picture of the
            vehicle shows: no scene parser could.
    """

    hit_id: str
    payload: bytes = field(repr=False)
    pictures_left_out: int
    vehicle_by_geometry: bool = False


class EvidenceMaker:
    """Makes sealed hits from offences under one policy.

    Args:
        policy_sha256: SHA-256 of the policy in force, hexadecimal.
        box_keys: sign hits and evidence, of this site and box.
        authorities: public keys by authority id.
        payload_cap_bytes: size of the largest payload that the broker accepts.
        random_bytes: source of unpredictable bytes, for hit ids.
        encode: encodes evidence pictures.
        parser: says what an offender's picture shows; None: the geometry of the plate decides.
    """

    def __init__(
        self,
        *,
        policy_sha256: str,
        box_keys: BoxKeys,
        authorities: Mapping[str, AuthorityPublicKeys],
        payload_cap_bytes: int,
        random_bytes: Callable[[int], bytes],
        encode: Encoder,
        parser: SceneParser | None = None,
    ) -> None:
        self._policy_sha256 = policy_sha256
        self._box_keys = box_keys
        self._authorities = authorities
        self._payload_cap_bytes = payload_cap_bytes
        self._random_bytes = random_bytes
        self._encode = encode
        self._parser = parser

    def make(self, vehicle: VehicleSeen, offence: Offence, epoch: int, counter: int) -> SealedHit:
        """A signed and sealed hit for one offence.

        A picture that cannot be redacted or does not fit is left out, and this is logged: a hit is
        valid without a picture, but an unmasked picture must never be sent.

        Args:
            vehicle: the offender; its consensus must not be None.
            offence: the offence.
            epoch: the salt epoch of the offence's token.
            counter: the box's hit counter.

        Raises:
            EdgeError: the hit cannot be made or sealed.
        """
        if vehicle.consensus is None:
            raise OutboxError(
                "evidence of an offence needs a plate that was read", code="E_EVIDENCE"
            )
        rule = offence.rule
        authority = self._authorities[rule.authority]
        context = SealContext(
            site=self._box_keys.site,
            box=self._box_keys.box,
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
            alternatives=tuple(
                one for one in others if one.probability >= MIN_ALTERNATIVE_PROBABILITY
            ),
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
        by_geometry = any(
            one.name == VEHICLE_PICTURE and one.mask is MaskMethod.GEOMETRY for one in pictures
        )
        return SealedHit(context.hit_id, hit.to_payload(), left_out, by_geometry)

    def _pictures(self, vehicle: VehicleSeen, offence: Offence) -> tuple[tuple[Picture, ...], int]:
        """The revealed pictures that fit into the payload, and the number of those left out.

        The plate's own picture comes first and is limited to its share, then those of the path.
        The picture of the vehicle gets all bytes that are left.
        """
        remaining_bytes = picture_budget(self._payload_cap_bytes)
        pictures: list[Picture] = []
        images, left_out = self._images(vehicle, offence)
        for position, (image, taken_at) in enumerate(images):
            if position == len(images) - 1:
                share = remaining_bytes
            elif image.name == PLATE_PICTURE:
                share = min(remaining_bytes, max(int(remaining_bytes * PLATE_SHARE), PLATE_BYTES))
            else:
                share = int(remaining_bytes * PATH_SHARE)
            try:
                jpeg = self._encode(image, max_bytes=share)
            except RedactionError as error:
                log.warning(
                    "a hit of rule %s is sent without picture %r: %s",
                    offence.rule.id,
                    image.name,
                    error,
                )
                left_out += 1
                continue
            pictures.append(Picture(image.name, jpeg, image.method, taken_at))
            remaining_bytes -= len(jpeg)
        return tuple(pictures), left_out

    def _images(
        self, vehicle: VehicleSeen, offence: Offence
    ) -> tuple[list[tuple[EvidenceImage, datetime]], int]:
        """The revealed pictures with their times, that of the vehicle last; and how many failed."""
        key_frame, ends = vehicle.key_frame, vehicle.path_frames
        images: list[tuple[EvidenceImage, datetime]] = []
        failed, wheel = 0, _wheel(vehicle, offence)
        try:
            if key_frame is not None:
                made = reveal(offence, key_frame, self._scene(offence, key_frame), wheel=wheel)
                images += [(image, key_frame.observed_at) for image in made]
        except RedactionError as error:
            log.warning("a hit of rule %s is sent without pictures: %s", offence.rule.id, error)
        failed += not images
        if not offence.rule.needs_movement or len(ends) < ENDS:
            return images, failed
        try:
            scenes = [self._scene(offence, one) for one in ends]
            path = reveal_path(offence, ends, scenes, wheel=wheel)
        except RedactionError as error:
            log.warning(
                "a hit of rule %s is sent without pictures of its path: %s", offence.rule.id, error
            )
            return images, failed + 1
        timed = [(image, one.observed_at) for image, one in zip(path, ends, strict=True)]
        return [*images[:1], *timed, *images[1:]], failed

    def _scene(self, offence: Offence, key_frame: KeyFrame) -> Scene | None:
        """What the picture shows around the offender's plate; None if nothing can say it."""
        if self._parser is None or offence.rule.reveal in (RevealLevel.NONE, RevealLevel.PLATE):
            return None
        return scene_around(key_frame.plate, key_frame.pixels, self._parser)


def _wheel(vehicle: VehicleSeen, offence: Offence) -> WheelSide | None:
    """The side of the steering wheel; None if the pictures may not show the vehicle's front."""
    consensus = vehicle.consensus
    if consensus is None or not comes_nearer(vehicle.trajectory):
        return None
    certain = consensus.certain_region is not None
    return wheel_of_vehicle(offence.rule.usual_wheel, consensus.region, certain=certain)


def scene_around(plate: Box, pixels: Pixels, parser: SceneParser) -> Scene | None:
    """What a picture shows around a plate; None, with a warning, if the parser fails on it."""
    try:
        return parser.parse(pixels, plate)
    except ModelError as error:
        log.warning("a picture is masked by geometry: %s", error)
        return None
