"""From an offence to a sealed hit: bounded in size, and only the authority can open it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
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
from edge.domain.geometry import Direction, Line
from edge.domain.imaging import Box, Pixels
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.pseudonym import Candidate, ListedPeriod, PlateToken
from edge.domain.reading import PlateConsensus
from edge.domain.reveal import MaskMethod, RevealLevel
from edge.domain.rules import Offence, Rule, RuleKind
from edge.domain.scene import SceneClass
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen
from edge.domain.wheel import WheelSide
from edge.errors import EdgeError, RedactionError
from edge.pipeline.evidence import Encoder, EvidenceMaker, SealedHit
from edge.pipeline.ports import SceneParser
from edge.privacy.redaction import EvidenceImage
from edge.privacy.sealing import EvidenceContent
from tests.support.canary import needles, sweep_bytes
from tests.support.colour_parser import CountingParser, colour_parser, painted

NOW = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
PLATE, RUNNER_UP, FAR_FETCHED = "1ABC123", "1ABC128", "1A8C123"
PLATE_BOX = Box(600, 500, 760, 534)
ENTRY = ListedPeriod("entry-7", NOW - timedelta(days=1), NOW + timedelta(days=1))


class Office:
    """A box and an authority with real keys."""

    def __init__(self, base: Path) -> None:
        self._box_file = new_box_keys(base / "box", "street", "box-1", NOW)
        authority_file = new_authority_keys(base / "authority", "police", NOW)
        self.box_keys = load_box_keys(base / "box")
        self.authority = load_authority_public_keys(authority_file)
        self.private = load_authority_private_keys(base / "authority")

    def maker(
        self,
        cap_bytes: int = 112 * 1024,
        encode: Encoder = encode_jpeg,
        parser: SceneParser | None = None,
    ) -> EvidenceMaker:
        return EvidenceMaker(
            policy_sha256="0" * 64,
            box_keys=self.box_keys,
            authorities={"police": self.authority},
            payload_cap_bytes=cap_bytes,
            random_bytes=random_bytes,
            encode=encode,
            parser=parser,
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
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.97), 0.97, 0.95, (ENTRY,))


def wrong_way(level: RevealLevel) -> Offence:
    rule = Rule(
        "one-way", RuleKind.WRONG_WAY, "flow", "police", level, 0.9, 0.5,
        line=Line((0.1, 0.5), (0.9, 0.5)), allowed=Direction.LEFT_TO_RIGHT,
    )  # fmt: skip
    return Offence(rule, Candidate(PlateToken(bytes(16)), 0.97), 0.97, 0.95)


CAR = Box(400, 160, 960, 640)
GLASS = Box(450, 190, 910, 330)
"""A car around `PLATE_BOX`: a unit is 160 px."""


def street() -> Pixels:
    """A car with a number on its plate, in the colours of `colour_parser`."""
    picture = painted(720, 1280, [(SceneClass.BODY, CAR), (SceneClass.GLASS, GLASS)])
    return np.asarray(cv2.putText(picture, PLATE, (606, 528), 0, 1.1, (160, 0, 0), 2), np.uint8)


def vehicle(plate_box: Box = PLATE_BOX, pixels: Pixels | None = None) -> VehicleSeen:
    """A vehicle; by default in a frame of noise, the content that compresses worst."""
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
        key_frame=KeyFrame(3, NOW, plate_box, (), noise if pixels is None else pixels),
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


# --- what decides which pixels are shown ------------------------------------------------------


def shown_picture(content: EvidenceContent) -> Pixels:
    """The picture of the vehicle, decoded."""
    (jpeg,) = (one.jpeg for one in content.pictures if one.name == "vehicle")
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def levels(content: EvidenceContent) -> dict[str, RevealLevel | None]:
    return {picture.name: picture.shows for picture in content.pictures}


def masks(content: EvidenceContent) -> dict[str, MaskMethod | None]:
    return {one.name: one.mask for one in content.pictures}


@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_with_a_scene_parser_the_hit_shows_the_whole_vehicle_and_says_so(
    office: Office, level: RevealLevel, tmp_path: Path
) -> None:
    parser = CountingParser(colour_parser(tmp_path))
    hit = office.maker(parser=parser).make(vehicle(pixels=street()), offence(level), 0, 1)

    content = office.opened(hit)
    assert parser.asked == 1
    assert not hit.vehicle_by_geometry
    assert masks(content) == {"plate": MaskMethod.GEOMETRY, "vehicle": MaskMethod.MEANING}
    picture = shown_picture(content)
    blue = (picture[:, :, 0] > 200) & (picture[:, :, 2] < 60)
    assert CAR.height <= picture.shape[0] <= CAR.height + 120
    assert CAR.width <= picture.shape[1] <= CAR.width + 120
    assert blue.sum() > 0.75 * (CAR.area - GLASS.area)
    dark = (picture.max(axis=2) < 40).sum()
    assert dark > 0.9 * GLASS.area if level is RevealLevel.OCCUPANTS else dark == 0


@pytest.mark.parametrize("cap_kib", [8, 20, 112])
def test_a_whole_vehicle_fits_under_the_payloads_cap(
    office: Office, cap_kib: int, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).integers(0, 40, (720, 1280, 3), dtype=np.uint8)
    parser = colour_parser(tmp_path)
    hit = office.maker(cap_kib * 1024, parser=parser).make(
        vehicle(pixels=street() ^ noise), offence(RevealLevel.VEHICLE), 0, 1
    )

    assert len(hit.payload) <= cap_kib * 1024
    assert "plate" in masks(office.opened(hit))
    assert hit.pictures_left_out <= (cap_kib == 8)


@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_without_a_scene_parser_the_hit_says_that_the_geometry_decided(
    office: Office, level: RevealLevel
) -> None:
    hit = office.maker().make(vehicle(pixels=street()), offence(level), 0, 1)

    assert hit.vehicle_by_geometry
    assert set(masks(office.opened(hit)).values()) == {MaskMethod.GEOMETRY}


@pytest.mark.parametrize("fails", ["run", "nan"])
@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_p6_after_a_failure_of_the_parser_the_geometry_decides_and_is_counted(
    office: Office,
    level: RevealLevel,
    fails: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = vehicle(pixels=street())
    hit = office.maker(parser=colour_parser(tmp_path, fails=fails)).make(seen, offence(level), 0, 1)

    assert hit.vehicle_by_geometry
    assert hit.pictures_left_out == 0
    without = office.opened(office.maker().make(seen, offence(level), 0, 1))
    assert office.opened(hit).pictures == without.pictures
    assert "masked by geometry" in caplog.text


def test_a_parser_that_is_unsure_is_counted_as_geometry(office: Office, tmp_path: Path) -> None:
    hit = office.maker(parser=colour_parser(tmp_path)).make(
        vehicle(), offence(RevealLevel.VEHICLE), 0, 1
    )

    assert hit.vehicle_by_geometry


def test_p8_at_the_level_of_the_plate_no_scene_is_parsed(office: Office, tmp_path: Path) -> None:
    parser = CountingParser(colour_parser(tmp_path))
    hit = office.maker(parser=parser).make(
        vehicle(pixels=street()), offence(RevealLevel.PLATE), 0, 1
    )

    assert parser.asked == 0
    assert not hit.vehicle_by_geometry
    assert masks(office.opened(hit)) == {"plate": MaskMethod.GEOMETRY}


# --- the driver's side ------------------------------------------------------------------------


def approaching(*, away: bool = False, region: str | None = "Belgium") -> VehicleSeen:
    """The car of `street` from ahead; `away` makes it drive away, seen from behind."""
    seen = vehicle(pixels=street())
    points = [
        TrackPoint(at / 10, Box(600, 300, 600 + 8 * at + 60, 314 + 2 * at)) for at in range(12)
    ]
    heights = [one.box for one in points][:: -1 if away else 1]
    path = tuple(TrackPoint(one.stream_s, box) for one, box in zip(points, heights, strict=True))
    assert seen.consensus is not None
    consensus = replace(seen.consensus, region=region, region_share=1.0)
    return replace(seen, trajectory=path, consensus=consensus)


def driver_offence(wheel: WheelSide | None = WheelSide.LEFT) -> Offence:
    made = offence(RevealLevel.DRIVER)
    return replace(made, rule=replace(made.rule, usual_wheel=wheel))


def glass_shown(content: EvidenceContent) -> tuple[int, int]:
    """Dark pixels of the left and of the right half of the picture of the vehicle."""
    dark = shown_picture(content).max(axis=2) < 40
    middle = dark.shape[1] // 2
    return int(dark[:, :middle].sum()), int(dark[:, middle:].sum())


@pytest.mark.parametrize(
    ("region", "side"), [("Belgium", "right"), (None, "right"), ("United Kingdom", "left")]
)
def test_a_hit_at_the_level_of_the_driver_shows_the_drivers_side(
    office: Office, region: str | None, side: str, tmp_path: Path
) -> None:
    maker = office.maker(parser=colour_parser(tmp_path))
    content = office.opened(maker.make(approaching(region=region), driver_offence(), 0, 1))

    left, right = glass_shown(content)
    assert (left > 0, right > 0) == (side == "left", side == "right")
    assert max(left, right) > 0.4 * GLASS.area / 2
    assert {picture.shows for picture in content.pictures} == {None}


@pytest.mark.parametrize(
    ("seen", "wheel"),
    [
        (approaching(away=True), WheelSide.LEFT),
        (replace(approaching(), trajectory=()), WheelSide.LEFT),
        (approaching(region=None), None),
    ],
    ids=["from behind", "not seen to move", "a country without a known side"],
)
def test_p6_where_the_front_or_the_side_is_not_known_no_driver_is_shown(
    office: Office, seen: VehicleSeen, wheel: WheelSide | None, tmp_path: Path
) -> None:
    maker = office.maker(parser=colour_parser(tmp_path))
    content = office.opened(maker.make(seen, driver_offence(wheel), 0, 1))

    assert masks(content)["vehicle"] is MaskMethod.MEANING
    assert glass_shown(content) == (0, 0)
    assert levels(content) == {"plate": None, "vehicle": RevealLevel.VEHICLE}


def test_a_hit_says_that_the_geometry_could_show_no_driver(office: Office) -> None:
    content = office.opened(office.maker().make(approaching(), driver_offence(), 0, 1))

    assert masks(content)["vehicle"] is MaskMethod.GEOMETRY
    assert levels(content) == {"plate": None, "vehicle": RevealLevel.VEHICLE}


@pytest.mark.parametrize("level", [RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_a_hit_at_another_level_says_nothing_of_a_level(office: Office, level: RevealLevel) -> None:
    content = office.opened(office.maker().make(approaching(), offence(level), 0, 1))
    assert levels(content) == {"plate": None, "vehicle": None}


# --- a rule that needs movement ---------------------------------------------------------------


FIRST_BOX, LAST_BOX = Box(300, 420, 400, 442), Box(700, 560, 860, 594)


def moving(pixels: Pixels | None = None) -> VehicleSeen:
    """A vehicle that was at `FIRST_BOX` two seconds before the best picture, and goes on."""
    seen = vehicle(pixels=pixels)
    assert seen.key_frame is not None
    picture = seen.key_frame.pixels
    ends = (
        KeyFrame(1, NOW - timedelta(seconds=2), FIRST_BOX, (), picture),
        KeyFrame(9, NOW + timedelta(milliseconds=400), LAST_BOX, (), picture),
    )
    return replace(seen, path_frames=ends)


@pytest.mark.parametrize("level", [RevealLevel.PLATE, RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
@pytest.mark.parametrize("cap_kib", [20, 112, 1024])
def test_a_wrong_way_hit_has_pictures_of_first_best_and_last_with_their_times(
    office: Office, cap_kib: int, level: RevealLevel
) -> None:
    hit = office.maker(cap_kib * 1024).make(moving(), wrong_way(level), epoch=0, counter=1)

    assert len(hit.payload) <= cap_kib * 1024
    assert hit.pictures_left_out == 0
    taken = {one.name: one.taken_at for one in office.opened(hit).pictures}
    wanted = {
        "plate": NOW,
        "first": NOW - timedelta(seconds=2),
        "last": NOW + timedelta(milliseconds=400),
    }
    assert taken == (wanted if level is RevealLevel.PLATE else wanted | {"vehicle": NOW})


@pytest.mark.parametrize("level", [RevealLevel.PLATE, RevealLevel.VEHICLE, RevealLevel.OCCUPANTS])
def test_first_and_last_show_one_part_of_the_view_so_that_the_movement_can_be_seen(
    office: Office, level: RevealLevel
) -> None:
    content = office.opened(office.maker(1024**2).make(moving(), wrong_way(level), 0, 1))

    first, last = (
        np.asarray(cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), cv2.IMREAD_COLOR), np.int16)
        for one in content.pictures
        if one.name in ("first", "last")
    )
    assert first.shape == last.shape
    places = []
    for picture in (first, last):
        rows, columns = np.nonzero(np.abs(picture - 127).max(axis=2) > 60)
        places.append((np.median(columns), np.median(rows)))
    scale = first.shape[1] / (LAST_BOX.x2 - FIRST_BOX.x1)
    assert places[1][0] - places[0][0] > 300 * scale * 0.7
    assert places[1][1] > places[0][1]


def test_each_picture_of_a_path_is_masked_by_what_it_shows(office: Office, tmp_path: Path) -> None:
    seen = moving(street())
    assert seen.key_frame is not None
    ends = tuple(replace(one, plate=seen.key_frame.plate) for one in seen.path_frames)
    parser = CountingParser(colour_parser(tmp_path))
    maker = office.maker(parser=parser)
    hit = maker.make(replace(seen, path_frames=ends), wrong_way(RevealLevel.VEHICLE), 0, 1)

    assert parser.asked == 3
    assert masks(office.opened(hit)) == {
        "plate": MaskMethod.GEOMETRY,
        **dict.fromkeys(("first", "last", "vehicle"), MaskMethod.MEANING),
    }


@pytest.mark.parametrize("level", [RevealLevel.PLATE, RevealLevel.VEHICLE])
def test_p8_a_rule_that_needs_no_movement_sends_no_picture_of_another_moment(
    office: Office, level: RevealLevel
) -> None:
    content = office.opened(office.maker().make(moving(), offence(level), 0, 1))

    assert {one.name for one in content.pictures} <= {"plate", "vehicle"}
    assert {one.taken_at for one in content.pictures} == {NOW}


def test_a_path_that_cannot_be_masked_leaves_the_other_pictures(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    seen = moving()
    astray = replace(seen.path_frames[0], plate=Box(-500, -500, -400, -480))
    seen = replace(seen, path_frames=(astray, seen.path_frames[1]))
    hit = office.maker().make(seen, wrong_way(RevealLevel.VEHICLE), 0, 1)

    assert [one.name for one in office.opened(hit).pictures] == ["plate", "vehicle"]
    assert hit.pictures_left_out == 1
    assert "pictures of its path" in caplog.text
