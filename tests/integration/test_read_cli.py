"""`edge-anpr read` on the bundled clips: real weights, real files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.domain.imaging import Pixels
from tests.support.product import CLIPS, Finished, product

PLATES_OF_STREET_DAY = {"1DLK482", "GA417TZ", "ACHL582", "2BFH906", "R617DB", "1TRV375"}


def frame_of(clip: str, second: float) -> Pixels:
    with av.open(str(CLIPS / clip)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= second:
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    raise AssertionError(f"{clip} has no frame at {second} s")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame of the bundled clip, in a file named after a plate."""
    path = tmp_path_factory.mktemp("photos") / "1DLK482.png"
    assert cv2.imwrite(str(path), frame_of("street_day.mp4", 1.5))
    return path


@pytest.fixture(scope="module")
def both(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    """A photo and a clip, read once."""
    folder = tmp_path_factory.mktemp("pictures")
    return product("read", photo, CLIPS / "street_day.mp4", "--pictures", folder, "--json"), folder


def test_a_recording_gives_one_row_for_each_vehicle(both: tuple[Finished, Path]) -> None:
    done, _ = both
    assert done.status == 0, done.err
    assert done.json["schema"] == "edge-anpr/read/1"
    clip = done.json["files"][1]
    assert {plate["plate"] for plate in clip["plates"]} == PLATES_OF_STREET_DAY
    assert all(plate["certainty"] > 0.9 for plate in clip["plates"])
    assert all(first <= last for first, last in (plate["seen_s"] for plate in clip["plates"]))
    assert clip["frames"] == 129


def test_a_photo_gives_one_row_for_each_plate_with_its_box(both: tuple[Finished, Path]) -> None:
    photo = both[0].json["files"][0]
    likely = {plate["plate"] for plate in photo["plates"] if plate["certainty"] > 0.5}
    assert likely
    assert likely <= PLATES_OF_STREET_DAY
    for plate in photo["plates"]:
        x, y, width, height = plate["box"]
        assert 0 <= x < 1920
        assert 0 <= y < 1080
        assert 30 < width < 160
        assert 10 < height < 60
        assert "seen_s" not in plate


def test_pictures_show_the_plates_in_a_box_and_mask_the_rest(both: tuple[Finished, Path]) -> None:
    done, folder = both
    photo = done.json["files"][0]
    assert [Path(name).name for name in photo["pictures"]] == ["1-1.jpg"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["1-1.jpg", *(f"2-{number}.jpg" for number in range(1, 7))]

    drawn = cv2.imread(photo["pictures"][0])
    assert drawn is not None
    grey = (np.abs(drawn.astype(int) - 127) <= 4).all(axis=2)
    assert grey.mean() > 0.9  # the street around the vehicles is masked
    x, y, width, height = photo["plates"][0]["box"]
    inside = drawn[y + 4 : y + height - 4, x + 4 : x + width - 4]
    assert inside.std() > 20  # dark characters on a light plate
    edge = drawn[y + height // 2 - 2 : y + height // 2 + 3, x - 1 : x + 3].astype(int)
    yellow = (edge[:, :, 0] < 120) & (edge[:, :, 1] > 150) & (edge[:, :, 2] > 180)
    assert yellow.any()


def test_no_name_of_a_written_file_holds_a_plate(both: tuple[Finished, Path]) -> None:
    written = " ".join(path.name for path in both[1].iterdir())
    assert not any(plate in written for plate in PLATES_OF_STREET_DAY)


def test_the_table_is_for_people(photo: Path) -> None:
    done = product("read", photo)
    assert done.status == 0, done.err
    assert "1DLK482" in done.out
    assert "Belgium" in done.out
    assert "from left" in done.out


def test_a_picture_without_a_plate_gives_a_message_and_a_remedy(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    assert cv2.imwrite(str(empty), np.full((480, 640, 3), 90, np.uint8))
    done = product("read", empty)
    assert done.status == 0, done.err
    assert "no plate found" in done.out
    assert "--second-look tiles:2x2" in done.out


def test_a_truncated_recording_is_read_up_to_its_end(tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    whole = (CLIPS / "wrong_way.mp4").read_bytes()
    with av.open(str(CLIPS / "wrong_way.mp4")) as source, av.open(str(cut), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    cut.write_bytes(cut.read_bytes()[: len(whole) * 2 // 3])
    done = product("read", cut, "--json")
    assert done.status == 0, done.err
    (file,) = done.json["files"]
    assert file["frames"] > 0
    assert "is incomplete" in file["warning"]


@pytest.mark.parametrize("source", ["rtsp://user:secret@192.0.2.1/stream", "-", "/dev/zero"])
def test_a_live_source_is_refused_without_repeating_its_address(source: str) -> None:
    done = product("read", source)
    assert done.status == 5
    assert done.error_lines
    assert "E_NOT_A_FILE" in done.err
    assert "secret" not in done.err


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    done = product("read", pipe)
    assert done.status == 5
    assert "E_NOT_A_FILE" in done.err


def test_a_folder_of_pictures_that_is_not_empty_is_left_alone(photo: Path, tmp_path: Path) -> None:
    kept = tmp_path / "1-1.jpg"
    kept.write_bytes(b"mine")
    done = product("read", photo, "--pictures", tmp_path)
    assert done.status == 2
    assert "not empty" in done.err
    assert kept.read_bytes() == b"mine"


def test_pictures_in_a_folder_that_cannot_be_written_are_refused_before_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge.cli.read import _make
    from edge.errors import UsageError

    monkeypatch.setattr(os, "access", lambda *_args: False)

    with pytest.raises(UsageError, match=r"--pictures: .+; name another folder"):
        _make(tmp_path)


def test_what_was_read_before_a_file_that_cannot_be_is_printed(photo: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    done = product("read", photo, empty)
    assert done.status == 5
    assert "1DLK482" in done.out
    assert "E_SOURCE_EMPTY" in done.err


def test_the_error_for_an_unknown_level_lists_the_levels(photo: Path) -> None:
    done = product("read", photo, "--pictures", "new", "--reveal", "everything")
    assert done.status == 2
    assert "plate, vehicle, driver, occupants" in done.err
    assert json.dumps("everything").strip('"') in done.err


def test_a_weak_detection_beside_a_plate_stays_masked_in_the_picture() -> None:
    from edge.cli.redact import outlined_preview
    from edge.domain.imaging import Box
    from edge.domain.reveal import RevealLevel

    pixels = np.full((480, 640, 3), 200, np.uint8)
    plate, weak = Box(280, 400, 380, 422), Box(300, 330, 340, 340)
    shown = cv2.imdecode(
        np.frombuffer(
            outlined_preview(pixels, [plate], [], [weak], RevealLevel.OCCUPANTS, None), np.uint8
        ),
        cv2.IMREAD_COLOR,
    )
    assert shown is not None
    inside = shown[332:338, 304:336].astype(int)
    assert (np.abs(inside - 127) <= 6).all()
