"""The approved still of the place goes with hits that show the vehicle, and takes nothing away."""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import pytest

from edge.adapters.cameras.jpeg import encode_jpeg
from edge.adapters.host.system import random_bytes
from edge.domain.reveal import RevealLevel
from edge.errors import RedactionError
from edge.pipeline.evidence import EvidenceMaker, SealedHit
from edge.privacy.place_still import PlaceStill
from edge.privacy.redaction import EvidenceImage
from edge.privacy.sealing import Picture
from tests.support.place_stills import APPROVED, approval, still_jpeg
from tests.unit.pipeline.test_evidence import Office, offence, street, vehicle, wrong_way

JPEG = still_jpeg()
PLACES = {"cam-1": PlaceStill(JPEG, approval(JPEG)["sha256"], APPROVED)}
CAP = 112 * 1024
_NOISE = still_jpeg(120, 90, noise=True)
LARGE = PlaceStill(_NOISE, approval(_NOISE)["sha256"], APPROVED)
WITHOUT_ROOM = 20 * 1024
"""In this payload the picture of a vehicle in noise leaves less than the large still needs."""


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def maker(
    office: Office,
    places: dict[str, PlaceStill],
    cap_bytes: int = CAP,
    *,
    fails: Container[str] = (),
) -> EvidenceMaker:
    def encode(image: EvidenceImage, *, max_bytes: int) -> bytes:
        if image.name in fails:
            raise RedactionError("no room")
        return encode_jpeg(image, max_bytes=max_bytes)

    return EvidenceMaker(
        policy_sha256="0" * 64,
        box_keys=office.box_keys,
        authorities={"police": office.authority},
        payload_cap_bytes=cap_bytes,
        random_bytes=random_bytes,
        encode=encode,
        places=places,
    )


def hit(by: EvidenceMaker, level: RevealLevel) -> SealedHit:
    return by.make(vehicle(pixels=street()), offence(level), 0, 1)


def pictures(office: Office, sealed: SealedHit) -> dict[str, Picture]:
    return {one.name: one for one in office.opened(sealed).pictures}


@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.DRIVER, RevealLevel.OCCUPANTS])
def test_p6_a_hit_that_shows_the_vehicle_has_exactly_the_approved_bytes(
    office: Office, level: RevealLevel
) -> None:
    sealed = hit(maker(office, PLACES), level)

    found = pictures(office, sealed)
    assert list(found) == ["plate", "vehicle", "place"]
    assert found["place"] == Picture("place", JPEG, None, None, None, APPROVED)
    assert sealed.pictures_left_out == 0


def test_p6_a_hit_that_shows_the_plate_alone_has_no_picture_of_the_place(office: Office) -> None:
    sealed = hit(maker(office, PLACES), RevealLevel.PLATE)

    assert list(pictures(office, sealed)) == ["plate"]
    assert sealed.pictures_left_out == 0


def test_a_camera_without_an_approved_picture_sends_none(office: Office) -> None:
    sealed = hit(maker(office, {"cam-2": PLACES["cam-1"]}), RevealLevel.VEHICLE)

    assert list(pictures(office, sealed)) == ["plate", "vehicle"]


def test_the_pictures_of_a_path_come_first_too(office: Office) -> None:
    seen = vehicle(pixels=street())
    assert seen.key_frame is not None
    moved = replace(seen, path_frames=(seen.key_frame, seen.key_frame))

    sealed = maker(office, PLACES).make(moved, wrong_way(RevealLevel.VEHICLE), 0, 1)

    assert list(pictures(office, sealed)) == ["plate", "first", "last", "vehicle", "place"]


@pytest.mark.parametrize("cap", [WITHOUT_ROOM, CAP])
def test_the_other_pictures_have_the_bytes_that_they_have_without_it(
    office: Office, cap: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with_it, without = (
        maker(office, one, cap).make(vehicle(), offence(RevealLevel.VEHICLE), 0, 1)
        for one in ({"cam-1": LARGE}, {})
    )
    found = pictures(office, with_it)
    still = found.pop("place", None)

    assert list(found) == ["plate", "vehicle"]
    assert found == pictures(office, without)
    assert (still is None, with_it.pictures_left_out) == ((True, 1) if cap < CAP else (False, 0))
    assert ("without the picture of the place" in caplog.text) is (still is None)


@pytest.mark.parametrize("fails", [("plate", "vehicle"), ("vehicle",)])
def test_without_the_picture_of_the_vehicle_that_of_the_place_is_not_sent(
    office: Office, fails: tuple[str, ...]
) -> None:
    sealed = hit(maker(office, PLACES, fails=fails), RevealLevel.VEHICLE)

    assert set(pictures(office, sealed)) == {"plate"} - set(fails)
    assert sealed.pictures_left_out == len(fails)
