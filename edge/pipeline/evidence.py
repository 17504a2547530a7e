"""From an offence to a sealed hit: reveal the minimum, encode, sign and seal it.

After this module the clear-text plate exists only inside the seal, which the box cannot open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from edge.domain.appearance import NOTHING_STATED, UNKNOWN, Appearance
from edge.domain.imaging import Box, Pixels
from edge.domain.pseudonym import ListedPeriod
from edge.domain.reveal import PLATE_PICTURE, VEHICLE_PICTURE, MaskMethod, RevealLevel
from edge.domain.rules import Offence
from edge.domain.scene import Scene
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.domain.wheel import WheelSide, comes_nearer, wheel_of_vehicle
from edge.errors import ModelError, OutboxError, RedactionError
from edge.pipeline.ports import SceneParser
from edge.pipeline.rule_book import observed_at
from edge.privacy.hit import build_hit, new_hit_id
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.privacy.place_still import PLACE_PICTURE, PlaceStill
from edge.privacy.redaction import EvidenceImage, reveal, reveal_path
from edge.privacy.scene_mask import shown_pixels
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


@dataclass(frozen=True, slots=True)
class Examined:
    """What the picture of an offence shows, before anything is sealed.

    Attributes:
        scene: what it shows around the offender's plate; None where nothing can say it.
        appearance: kind and colour of the vehicle, as far as they are known.
        entry: the list entry that makes the hit; None if no list does, or if the picture
            contradicts every entry.
        contradicted: whether every entry states another kind or colour than the picture surely
            shows. Then the plate may be on another vehicle, and there must be no hit.
    """

    scene: Scene | None
    appearance: Appearance
    entry: ListedPeriod | None
    contradicted: bool


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
        places: the approved still of the empty place, by camera; a camera may have none.
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
        places: Mapping[str, PlaceStill] = MappingProxyType({}),
    ) -> None:
        self._policy_sha256 = policy_sha256
        self._box_keys = box_keys
        self._authorities = authorities
        self._payload_cap_bytes = payload_cap_bytes
        self._random_bytes = random_bytes
        self._encode = encode
        self._parser = parser
        self._places = places

    def examine(self, vehicle: VehicleSeen, offence: Offence) -> Examined:
        """Look at the picture of an offence, and compare the vehicle with what its list states.

        The picture is parsed if the rule shows the vehicle, or if an entry says what it looks like.
        Where the vehicle is not known, nothing is contradicted.
        """
        scene, appearance = None, UNKNOWN
        stated = any(one.stated != NOTHING_STATED for one in offence.entries)
        if vehicle.key_frame is not None:
            scene = self._scene(vehicle.key_frame, wanted=stated or _shows_vehicle(offence))
            appearance = _sure_appearance(vehicle.key_frame, scene)
        entry = next(
            (one for one in offence.entries if not appearance.contradicts(one.stated)), None
        )
        contradicted = bool(offence.entries) and entry is None
        return Examined(scene, appearance, entry, contradicted)

    def make(
        self,
        vehicle: VehicleSeen,
        offence: Offence,
        epoch: int,
        counter: int,
        examined: Examined | None = None,
    ) -> SealedHit:
        """A signed and sealed hit for one offence.

        A picture that cannot be redacted or does not fit is left out, and this is logged: a hit is
        valid without a picture, but an unmasked picture must never be sent.

        Args:
            vehicle: the offender; its consensus must not be None.
            offence: the offence.
            epoch: the salt epoch of the offence's token.
            counter: the box's hit counter.
            examined: what `examine` says of it, if it was asked before.

        Raises:
            EdgeError: the hit cannot be made or sealed, or the vehicle contradicts its list.
        """
        if vehicle.consensus is None:
            raise OutboxError(
                "evidence of an offence needs a plate that was read", code="E_EVIDENCE"
            )
        examined = examined or self.examine(vehicle, offence)
        if examined.contradicted:
            raise OutboxError(
                "a vehicle that surely looks different from its list entry makes no hit",
                code="E_EVIDENCE",
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
        pictures, left_out = self._pictures(vehicle, offence, examined.scene)
        best, *others = vehicle.consensus.hypotheses
        content = EvidenceContent(
            plate=best.text,
            alternatives=tuple(
                one for one in others if one.probability >= MIN_ALTERNATIVE_PROBABILITY
            ),
            region=vehicle.consensus.region,
            list_entry_id=None if examined.entry is None else examined.entry.entry_id,
            reads=vehicle.consensus.reads,
            first_seen=vehicle.first_seen,
            last_seen=vehicle.last_seen,
            pictures=pictures,
            # A rule that shows the plate only must not describe the vehicle either.
            appearance=examined.appearance if _shows_vehicle(offence) else UNKNOWN,
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

    def _pictures(
        self, vehicle: VehicleSeen, offence: Offence, scene: Scene | None
    ) -> tuple[tuple[Picture, ...], int]:
        """The revealed pictures that fit into the payload, and the number of those left out.

        The plate's own picture comes first and is limited to its share, then those of the path.
        The picture of the vehicle gets all bytes that are left, and the approved still of the place
        only what nothing else needs.
        """
        remaining_bytes = picture_budget(self._payload_cap_bytes)
        pictures: list[Picture] = []
        images, left_out = self._images(vehicle, offence, scene)
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
            fell_back = image.name != PLATE_PICTURE and image.level is not offence.rule.reveal
            shows = image.level if fell_back else None
            pictures.append(Picture(image.name, jpeg, image.method, taken_at, shows))
            remaining_bytes -= len(jpeg)
        place = self._places.get(vehicle.camera)
        # It explains a picture of the vehicle, so without one it would be of no use.
        if place is not None and VEHICLE_PICTURE in {one.name for one in pictures}:
            if len(place.jpeg) <= remaining_bytes:
                still = Picture(PLACE_PICTURE, place.jpeg, mask=None, approved=place.approved)
                pictures.append(still)
            else:
                log.warning(
                    "a hit of rule %s is sent without the picture of the place: %d bytes are left, "
                    "it needs %d; raise broker.payload_cap_kib",
                    offence.rule.id,
                    remaining_bytes,
                    len(place.jpeg),
                )
                left_out += 1
        return tuple(pictures), left_out

    def _images(
        self, vehicle: VehicleSeen, offence: Offence, scene: Scene | None
    ) -> tuple[list[tuple[EvidenceImage, datetime]], int]:
        """The revealed pictures with their times, that of the vehicle last; and how many failed."""
        key_frame, ends = vehicle.key_frame, vehicle.path_frames
        images: list[tuple[EvidenceImage, datetime]] = []
        failed, wheel = 0, _wheel(vehicle, offence)
        try:
            if key_frame is not None:
                made = reveal(offence, key_frame, scene, wheel=wheel)
                images += [(image, key_frame.observed_at) for image in made]
        except RedactionError as error:
            log.warning("a hit of rule %s is sent without pictures: %s", offence.rule.id, error)
        failed += not images
        if not offence.rule.needs_movement or len(ends) < ENDS:
            return images, failed
        try:
            scenes = [self._scene(one, wanted=_shows_vehicle(offence)) for one in ends]
            path = reveal_path(offence, ends, scenes, wheel=wheel)
        except RedactionError as error:
            log.warning(
                "a hit of rule %s is sent without pictures of its path: %s", offence.rule.id, error
            )
            return images, failed + 1
        timed = [(image, one.observed_at) for image, one in zip(path, ends, strict=True)]
        return [*images[:1], *timed, *images[1:]], failed

    def _scene(self, frame: KeyFrame, *, wanted: bool) -> Scene | None:
        """What a picture shows around the offender's plate; None if nobody needs or can say it."""
        if self._parser is None or not wanted:
            return None
        return scene_around(frame.plate, frame.pixels, self._parser)


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


def _shows_vehicle(offence: Offence) -> bool:
    """Whether the rule shows more than the plate."""
    return offence.rule.reveal not in (RevealLevel.NONE, RevealLevel.PLATE)


def _sure_appearance(key_frame: KeyFrame, scene: Scene | None) -> Appearance:
    """Kind and colour, if the parser is sure where the vehicle is and the plate does not disagree.

    A plate that somebody carries, on a poster or at the picture's edge has no known vehicle.
    """
    if scene is None:
        return UNKNOWN
    height, width = key_frame.pixels.shape[:2]
    try:
        shown = shown_pixels(
            key_frame.plate,
            key_frame.other_plates,
            RevealLevel.VEHICLE,
            height,
            width,
            scene,
            weak=key_frame.weak_plates,
        )
    except RedactionError:
        return UNKNOWN
    return scene.appearance if shown.method is MaskMethod.MEANING else UNKNOWN
