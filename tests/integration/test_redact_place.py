"""`edge-anpr redact --place` over the real detector: a small still for a person to approve."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.domain.imaging import Box, Pixels
from edge.domain.scene import SceneClass
from edge.errors import ExitCode
from edge.privacy.place_still import MAX_BYTES, MAX_SIDE, require_plain
from tests.support.colour_parser import plate_in_a_street
from tests.support.product import CLIPS, product, verb

GREY = 127


def decoded(file: Path) -> Pixels:
    return np.asarray(cv2.imread(str(file)), np.uint8)


def is_grey(still: Pixels, box: Box) -> bool:
    """Whether a part, in fractions of the picture, is masked; JPEG smears its edges."""
    height, width = still.shape[:2]
    part = still[
        round(box.y1 * height) + 4 : round(box.y2 * height) - 4,
        round(box.x1 * width) + 4 : round(box.x2 * width) - 4,
    ]
    return bool(np.abs(part.astype(int) - GREY).max() <= 8)


def test_a_recording_becomes_a_small_still_with_the_lines_for_policy_and_site(
    tmp_path: Path,
) -> None:
    out = tmp_path / "place.jpg"
    clip = CLIPS / "street_day.mp4"
    done = product(
        "redact", clip, out, "--place", "--mask", "0,0,0.25,0.5", "--mask", "0.9,0,1,0,1,1,0.9,1"
    )

    assert done.status == 0, done.err
    jpeg = out.read_bytes()
    require_plain(jpeg)
    still = decoded(out)
    assert max(still.shape) == MAX_SIDE
    assert is_grey(still, Box(0, 0, 0.25, 0.5))
    assert is_grey(still, Box(0.9, 0, 1, 1))
    assert not is_grey(still, Box(0.25, 0, 0.9, 1))
    digest = hashlib.sha256(jpeg).hexdigest()
    line = next(one for one in done.out.splitlines() if one.startswith("In policy.yaml:"))
    assert yaml.safe_load(line.removeprefix("In policy.yaml:").strip()) == {
        "place_picture": {"sha256": digest, "approved": "DAY"}
    }
    assert "A person must look at it before anybody signs" in done.out
    assert "people who walk slowly may be in it too" in done.out


def test_p6_a_parked_vehicle_is_masked_where_its_plate_is_found(tmp_path: Path) -> None:
    picture, shapes, _ = plate_in_a_street()
    source, out = tmp_path / "street.png", tmp_path / "place.jpg"
    assert cv2.imwrite(str(source), picture)
    done = product("redact", source, out, "--place", "--json")

    assert done.status == 0, done.err
    assert done.json["schema"] == "edge-anpr/redact-place/1"
    assert done.json["plates_found"] >= 1
    assert (done.json["frames"], done.json["seconds"]) == (1, 0)
    assert 0 < done.json["bytes"] <= MAX_BYTES
    height, width = picture.shape[:2]
    car = shapes[SceneClass.BODY]
    part = Box(car.x1 / width, car.y1 / height, car.x2 / width, car.y2 / height)
    assert is_grey(decoded(out), part.clipped(1, 1))
    assert 0 < done.json["masked_share"] < 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--place", "--reveal", "vehicle"], "--place: shows no vehicle"),
        (["--place", "--show-plates"], "--place: shows no vehicle"),
        (["--place", "--mask", "0.5,0,0.2,1"], "--mask: write X1,Y1,X2,Y2"),
        (["--place", "--mask", "all"], "--mask: write X1,Y1,X2,Y2"),
        (["--place", "--mask", "0,0"], "--mask: write X1,Y1,X2,Y2"),
        (["--place", "--mask", "0,0,1,1,0.5"], "--mask: write X1,Y1,X2,Y2"),
        (["--place", "--mask", "0,0,1,0,0.5,1.1"], "--mask: write X1,Y1,X2,Y2"),
        (["--place", "--mask", "0,0,1,0,nan,1"], "--mask: write X1,Y1,X2,Y2"),
        (["--mask", "0,0,1,1"], "--mask: only for --place"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    tmp_path: Path, options: list[str], says: str
) -> None:
    out = tmp_path / "place.jpg"
    done = verb("redact", CLIPS / "street_day.mp4", out, *options)

    assert done.status == ExitCode.USAGE
    assert says in done.err
    assert not out.exists()


def test_p6_a_still_is_never_made_of_a_live_source_and_is_always_a_jpeg(tmp_path: Path) -> None:
    for source in ("rtsp://192.0.2.10/stream", "/dev/null"):
        done = verb("redact", source, tmp_path / "place.jpg", "--place")
        assert "E_NOT_A_FILE" in done.err
    done = verb("redact", CLIPS / "street_day.mp4", tmp_path / "place.png", "--place")
    assert ".jpeg, .jpg" in done.err
    assert not list(tmp_path.iterdir())
