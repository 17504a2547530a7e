"""Approved pictures of empty places: policy, site.yaml and file agree, or nothing starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.privacy.place_still import PlaceStill
from edge.site.folder import load_site_folder, read_policy, site_problems
from tests.support.example_site import POLICY, SITE, changed, write_site
from tests.support.place_stills import APPROVED, approval, still_jpeg

JPEG = still_jpeg()
NAMED = changed(SITE, "{source: clips/north.mp4}", "{place_picture: place.jpg}")
NORTH = "  north:\n    place:"


def with_approval(jpeg: bytes = JPEG) -> str:
    told = approval(jpeg)
    line = f"    place_picture: {{sha256: {told['sha256']}, approved: {told['approved']}}}\n"
    return changed(POLICY, NORTH, f"  north:\n{line}    place:")


def site(folder: Path, policy: str, settings: str, file: bytes | None) -> Path:
    write_site(folder, policy=policy, site=settings)
    if file is not None:
        (folder / "place.jpg").write_bytes(file)
    return folder


def refusal(folder: Path) -> str:
    """What the start refuses; `edge-anpr check` says the same."""
    with pytest.raises(ConfigError) as caught:
        load_site_folder(folder)
    found = site_problems(folder, read_policy(folder / "policy.yaml"))
    assert "\n".join(map(str, found)) == caught.value.message
    return caught.value.message


def test_without_the_field_there_is_no_picture_and_the_digest_of_the_policy_stays(
    tmp_path: Path,
) -> None:
    loaded = load_site_folder(write_site(tmp_path / "square"))

    assert loaded.places == {}
    assert "place_picture" not in loaded.policy.document()["cameras"]["north"]


def test_the_approved_file_is_read_at_the_start_and_only_then(tmp_path: Path) -> None:
    folder = site(tmp_path / "square", with_approval(), NAMED, JPEG)
    loaded = load_site_folder(folder)
    (folder / "place.jpg").write_bytes(still_jpeg(grey=20))

    assert loaded.places == {"north": PlaceStill(JPEG, approval(JPEG)["sha256"], APPROVED)}
    assert loaded.policy.document()["cameras"]["north"]["place_picture"] == approval(JPEG)
    assert site_problems(folder, read_policy(folder / "policy.yaml")) != ()


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (None, "no such file; create it or correct the path"),
        (still_jpeg(grey=20), "not the picture that was approved"),
        (JPEG + bytes(13_000), "larger than 12 KiB"),
    ],
)
def test_p6_a_file_that_is_missing_or_not_the_approved_one_stops_the_start(
    tmp_path: Path, file: bytes | None, says: str
) -> None:
    told = refusal(site(tmp_path / "square", with_approval(), NAMED, file))

    assert says in told
    assert "site.yaml:5:" in told
    assert "cameras.north.place_picture" in told
    assert len(told.splitlines()) == 1


def test_p6_a_pipe_or_device_in_its_place_stops_the_start_and_is_not_waited_for(
    tmp_path: Path,
) -> None:
    folder = site(tmp_path / "square", with_approval(), NAMED, None)
    file = folder / "place.jpg"
    os.mkfifo(file)
    assert "not a regular file" in refusal(folder)
    file.unlink()
    file.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(folder)


def test_p6_an_approved_file_with_metadata_stops_the_start(tmp_path: Path) -> None:
    jpeg = still_jpeg(comment=b"taken by Els Wouters")

    told = refusal(site(tmp_path / "square", with_approval(jpeg), NAMED, jpeg))

    assert "metadata" in told
    assert "edge-anpr redact --place" in told


def test_p6_a_picture_that_the_policy_does_not_name_stops_the_start(tmp_path: Path) -> None:
    told = refusal(site(tmp_path / "square", POLICY, NAMED, JPEG))

    assert "policy.yaml names no approved picture of this camera's place; remove it" in told


def test_p6_a_policy_that_names_a_picture_needs_its_file(tmp_path: Path) -> None:
    told = refusal(site(tmp_path / "square", with_approval(), SITE, JPEG))

    assert "name its file here too" in told


def test_the_policy_may_name_the_picture_of_a_camera_that_another_box_has(tmp_path: Path) -> None:
    one_camera = changed(SITE, "  north: {source: clips/north.mp4}\n", "")
    folder = site(tmp_path / "square", with_approval(), one_camera, None)

    assert load_site_folder(folder).places == {}
