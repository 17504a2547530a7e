"""From an offence to a sealed hit: bounded in size, and only the authority can open it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.cameras.jpeg import encode_jpeg
from edge.adapters.host.system import random_bytes
from edge.adapters.state.key_files import (
    load_all_box_public_keys,
    load_authority_private_keys,
    load_authority_public_keys,
    load_box_keys,
)
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.authority.opening import open_hit
from edge.domain.imaging import Box
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import Candidate, PlateToken
from edge.domain.reading import PlateConsensus
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.vehicles import KeyFrame, VehicleSeen
from edge.errors import EdgeError, RedactionError
from edge.pipeline.evidence import Encoder, EvidenceMaker, SealedHit
from edge.privacy.redaction import EvidenceImage
from edge.privacy.sealing import EvidenceContent
from tests.support.canary import needles, sweep_bytes

NOW = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
PLATE, RUNNER_UP, FAR_FETCHED = "1ABC123", "1ABC128", "1A8C123"
PLATE_BOX = Box(600, 500, 760, 534)


class Office:
    """A box and an authority with real keys."""

    def __init__(self, base: Path) -> None:
        self._box_file = new_box_keys(base / "box", "street", "box-1", NOW)
        authority_file = new_authority_keys(base / "authority", "police", NOW)
        self.box_keys = load_box_keys(base / "box")
        self.authority = load_authority_public_keys(authority_file)
        self.private = load_authority_private_keys(base / "authority")

    def maker(self, cap_bytes: int = 112 * 1024, encode: Encoder = encode_jpeg) -> EvidenceMaker:
        return EvidenceMaker(
            site="street",
            box="box-1",
            policy_sha256="0" * 64,
            box_keys=self.box_keys,
            authorities={"police": self.authority},
            payload_cap_bytes=cap_bytes,
            random_bytes=random_bytes,
            encode=encode,
        )

    def opened(self, hit: SealedHit) -> EvidenceContent:
        boxes = load_all_box_public_keys(self._box_file)
        return open_hit(hit.payload, boxes, self.private).content


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def offence(level: RevealLevel) -> Offence:
    rule = Rule(
        id="stolen",
        kind=RuleKind.HOTLIST,
        purpose="wanted",
        authority="police",
        reveal=level,
        min_posterior=0.9,
        min_margin=0.5,
        list_id="stolen",
    )
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.97), 0.97, 0.95, "entry-7")


def vehicle(plate_box: Box = PLATE_BOX) -> VehicleSeen:
    """A vehicle in a frame of noise, the content that compresses worst."""
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    return VehicleSeen(
        camera="cam-1",
        number=1,
        final=True,
        first_seen=NOW,
        last_seen=NOW,
        trajectory=(),
        consensus=PlateConsensus(
            (
                Hypothesis(PlateText(PLATE), 0.97),
                Hypothesis(PlateText(RUNNER_UP), 0.02),
                Hypothesis(PlateText(FAR_FETCHED), 0.0004),
            ),
            reads=9,
            region="Belgium",
        ),
        key_frame=KeyFrame(3, NOW, plate_box, (), noise),
    )


@pytest.mark.parametrize("cap_kib", [8, 20, 64, 112, 128, 1024])
@pytest.mark.parametrize("level", [RevealLevel.PLATE, RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_a_hit_is_not_larger_than_the_brokers_limit(
    office: Office, cap_kib: int, level: RevealLevel
) -> None:
    hit = office.maker(cap_kib * 1024).make(vehicle(), offence(level), epoch=0, counter=1)
    assert len(hit.payload) <= cap_kib * 1024
    assert hit.pictures_left_out <= (cap_kib == 8)
    assert office.opened(hit).pictures[0].name == "plate"


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (RevealLevel.PLATE, ["plate"]),
        (RevealLevel.VEHICLE, ["plate", "vehicle"]),
        (RevealLevel.OCCUPANTS, ["plate", "vehicle"]),
    ],
)
def test_the_authority_receives_the_revealed_pictures_and_the_readings(
    office: Office, level: RevealLevel, names: list[str]
) -> None:
    content = office.opened(office.maker().make(vehicle(), offence(level), epoch=0, counter=1))
    assert content.plate == PlateText(PLATE)
    assert [other.text for other in content.alternatives] == [PlateText(RUNNER_UP)]
    assert (content.list_entry_id, content.region, content.reads) == ("entry-7", "Belgium", 9)
    assert [picture.name for picture in content.pictures] == names
    for picture in content.pictures:
        decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape[0] >= 34


def test_no_payload_contains_plate_or_entry(office: Office) -> None:
    payload = office.maker().make(vehicle(), offence(RevealLevel.PLATE), epoch=0, counter=1).payload
    for plate in (PLATE, RUNNER_UP):
        assert list(sweep_bytes("payload", payload, needles(plate))) == []
    assert b"entry-7" not in payload


def test_two_hits_of_the_same_kind_have_the_same_length(office: Office) -> None:
    maker = office.maker()
    lengths = {
        len(
            maker.make(vehicle(Box(x, 500, x + 150, 534)), offence(RevealLevel.PLATE), 0, 1).payload
        )
        for x in (100, 400, 900)
    }
    assert len(lengths) == 1


def test_after_a_failed_redaction_the_hit_has_no_picture(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    outside = vehicle(Box(-500, -500, -400, -480))
    hit = office.maker().make(outside, offence(RevealLevel.VEHICLE), epoch=0, counter=1)
    assert hit.pictures_left_out == 1
    assert office.opened(hit).pictures == ()
    assert "without pictures" in caplog.text


def test_a_picture_that_does_not_fit_is_left_out_and_logged(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses_vehicle_pictures(image: EvidenceImage, *, max_bytes: int) -> bytes:
        if image.name == "vehicle":
            raise RedactionError("too large", code="E_PICTURE_TOO_LARGE")
        return encode_jpeg(image, max_bytes=max_bytes)

    hit = office.maker(encode=refuses_vehicle_pictures).make(
        vehicle(), offence(RevealLevel.VEHICLE), 0, 1
    )
    assert [picture.name for picture in office.opened(hit).pictures] == ["plate"]
    assert hit.pictures_left_out == 1
    assert "'vehicle'" in caplog.text


def test_an_unread_vehicle_makes_no_hit(office: Office) -> None:
    seen = vehicle()
    unread = VehicleSeen(
        camera=seen.camera,
        number=seen.number,
        final=True,
        first_seen=NOW,
        last_seen=NOW,
        trajectory=(),
        consensus=None,
        key_frame=seen.key_frame,
    )
    with pytest.raises(EdgeError, match="read"):
        office.maker().make(unread, offence(RevealLevel.PLATE), epoch=0, counter=1)
