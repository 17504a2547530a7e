from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.adapters.models.manifest import read_manifest, write_manifest
from edge.adapters.models.weights import own_manifest
from edge.domain.imaging import Pixels
from edge.domain.scene import SceneClass
from edge.privacy.class_map import COLOURS as MAP_COLOURS
from tests.support.colour_parser import COLOURS, manifest_with_colour_parser, plate_in_a_street
from tests.support.product import product

MASK = 127


def noise(seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of noise at 15 a second, with sound and a title."""
    path = tmp_path / "recording.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Mrs Peeters leaves her house"
        video = container.add_stream("mpeg4", rate=15)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(30):
            frame = VideoFrame.from_ndarray(noise(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            container.mux(video.encode(frame))
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.int16), format="s16", layout="mono"
        )
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(video.encode(None))
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    assert cv2.imwrite(str(path), noise())
    return path


def test_by_default_everything_is_masked_and_no_weights_are_needed(
    recording: Path, tmp_path: Path
) -> None:
    out = tmp_path / "masked.mp4"
    done = product(
        "redact", recording, out, "--json", env={"EDGE_ANPR_MODELS": str(tmp_path / "none")}
    )
    assert done.status == 0, done.err
    assert done.json == {
        "schema": "edge-anpr/redact/1",
        "out": str(out),
        "reveal": "none",
        "plates_readable": False,
        "frames": 30,
        "corrupt_frames": 0,
        "plates_found": 0,
        "masked_by": {"meaning": 0, "geometry": 0},
        "map": None,
    }
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert "title" not in container.metadata
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(
        [number / 15 for number in range(30)], abs=0.002
    )
    for frame in frames:
        assert np.abs(frame.to_ndarray(format="bgr24").astype(int) - MASK).max() <= 6
    assert b"Peeters" not in out.read_bytes()


def test_redacting_a_picture_gives_a_picture(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.jpg"
    done = product("redact", picture, out)
    assert done.status == 0, done.err
    assert "1 frame at level none, everything masked" in done.out
    masked = cv2.imread(str(out))
    assert masked is not None
    assert np.unique(masked).tolist() == [MASK]


def test_no_temporary_file_is_left(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    assert product("redact", recording, folder / "masked.mp4").status == 0
    assert [path.name for path in folder.iterdir()] == ["masked.mp4"]


def a_pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def a_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def a_link_to_a_device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


LIVE: list[tuple[str, Callable[[Path], str | Path]]] = [
    ("an address", lambda _: "rtsp://camera.example/stream"),
    ("an address", lambda _: "http://camera.example/picture.jpg"),
    ("an address", lambda _: "file:///dev/zero"),
    ("standard input", lambda _: "-"),
    ("a device", lambda _: "/dev/zero"),
    ("a device", a_link_to_a_device),
    ("a device", lambda _: "/dev/stdin"),
    ("a pipe", a_pipe),
    ("a socket", a_socket),
    ("a folder", a_folder),
]


@pytest.mark.parametrize(("kind", "make"), LIVE, ids=[f"{k}-{i}" for i, (k, _) in enumerate(LIVE)])
def test_a_possibly_live_source_is_refused_without_being_opened(
    kind: str, make: Callable[[Path], str | Path], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    source = make(tmp_path / "live.mp4")
    done = product("redact", source, folder / "masked.mp4", "--reveal", "occupants", timeout_s=20)
    assert done.status == 5
    assert len(done.error_lines) == 1
    assert "E_NOT_A_FILE" in done.error_lines[0]
    assert kind in done.error_lines[0]
    assert "never a live source" in done.error_lines[0]
    assert list(folder.iterdir()) == []


def test_the_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    done = product("redact", "rtsp://admin:hunter2@camera.example/1", tmp_path / "masked.mp4")
    assert done.status == 5
    assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "E_SOURCE_MISSING"), (b"", "E_SOURCE_EMPTY"), (b"no video" * 99, "E_SOURCE_FORMAT")],
    ids=["missing", "empty", "no video"],
)
def test_a_file_that_is_no_recording_is_refused(
    content: bytes | None, code: str, tmp_path: Path
) -> None:
    source = tmp_path / "recording.mp4"
    if content is not None:
        source.write_bytes(content)
    done = product("redact", source, tmp_path / "masked.mp4")
    assert done.status == 5
    assert len(done.error_lines) == 1
    assert code in done.error_lines[0]
    assert "recording.mp4" in done.error_lines[0]
    assert not (tmp_path / "masked.mp4").exists()
    assert list(tmp_path.iterdir()) == ([] if content is None else [source])


def test_the_original_is_never_overwritten(recording: Path, tmp_path: Path) -> None:
    before = recording.read_bytes()
    link, hard = tmp_path / "link.mkv", tmp_path / "hard.mkv"
    link.symlink_to(recording)
    os.link(recording, hard)
    for out in (recording, link, hard):
        done = product("redact", recording, out, "--force")
        assert done.status == 2
        assert len(done.error_lines) == 1
        assert "the same file as IN" in done.error_lines[0]
    assert recording.read_bytes() == before


def test_an_existing_copy_is_replaced_only_on_request(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    out.write_bytes(b"an earlier copy")
    refused = product("redact", recording, out)
    assert refused.status == 2
    assert len(refused.error_lines) == 1
    assert "--force" in refused.error_lines[0]
    assert out.read_bytes() == b"an earlier copy"
    assert product("redact", recording, out, "--force").status == 0
    assert out.stat().st_size > 100


@pytest.mark.parametrize("name", ["masked.avi", "masked.jpg", "masked", "missing/masked.mp4"])
def test_an_unwritable_output_is_a_usage_error(name: str, recording: Path, tmp_path: Path) -> None:
    done = product("redact", recording, tmp_path / name)
    assert done.status == 2
    assert len(done.error_lines) == 1
    assert "OUT" in done.error_lines[0]


def test_a_full_disk_is_named_with_its_cure_and_leaves_no_file(
    recording: Path, picture: Path, small_disk: Path
) -> None:
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))

    masked, still = small_disk / "masked.mp4", small_disk / "masked.png"
    for given, out in ((recording, masked), (picture, still)):
        done = product("redact", given, out)

        assert done.status == 8
        assert done.error_lines == [
            f"error: E_DISK_FULL: {out}: No space left on device; free disk space"
        ]
    assert [one.name for one in small_disk.iterdir()] == ["ballast"]


def test_an_unknown_level_is_a_usage_error(recording: Path, tmp_path: Path) -> None:
    done = product("redact", recording, tmp_path / "masked.mp4", "--reveal", "everything")
    assert done.status == 2
    assert "occupants" in done.err


def test_plates_are_not_shown_where_nothing_is(picture: Path, tmp_path: Path) -> None:
    done = product("redact", picture, tmp_path / "out.png", "--show-plates")
    assert done.status == 2
    assert "--show-plates: nothing is shown; add --reveal plate" in done.err


def test_a_level_that_reveals_plates_needs_weights(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    done = product("redact", recording, out, "--reveal", "plate", "--detector", "no-such-detector")
    assert done.status == 4
    assert len(done.error_lines) == 1
    assert not out.exists()


def test_the_decodable_part_of_a_truncated_recording_is_redacted(
    recording: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short.mkv"
    shutil.copyfile(recording, short)
    os.truncate(short, recording.stat().st_size // 2)
    done = product("redact", short, tmp_path / "masked.mp4", "--json")
    assert done.status == 0, done.err
    assert 0 < done.json["frames"] < 30
    assert "E_SOURCE_TRUNCATED" in done.err


# --- what the scene parser decides ------------------------------------------------------------


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real plate of the fixtures in a street of known classes: `colour_parser` tells them."""
    picture = plate_in_a_street()[0]
    path = tmp_path_factory.mktemp("street") / "street.png"
    assert cv2.imwrite(str(path), picture)
    return path


def blue_share(path: Path) -> float:
    """The share of a picture that has the colour of bodywork."""
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return float((np.abs(pixels.astype(int) - COLOURS[SceneClass.BODY]).max(axis=2) < 60).mean())


def test_the_copy_shows_what_a_box_with_a_scene_parser_would_release(
    street: Path, tmp_path: Path
) -> None:
    manifest_with_colour_parser(tmp_path)
    shown = {}
    for level in ("plate", "vehicle", "occupants"):
        out = tmp_path / f"{level}.png"
        manifest = ("--manifest", tmp_path / "manifest.toml")
        done = product("redact", street, out, "--reveal", level, *manifest, "--json")
        assert done.status == 0, done.err
        method = "geometry" if level == "plate" else "meaning"
        assert done.json["masked_by"][method] == done.json["plates_found"] == 1
        shown[level] = blue_share(out)
    whole = blue_share(street)
    assert shown["plate"] < 0.1 * whole
    assert shown["vehicle"] > 0.7 * whole
    assert shown["occupants"] >= shown["vehicle"]
    dark = [
        (np.asarray(cv2.imread(str(tmp_path / f"{level}.png"))).max(axis=2) < 30).mean()
        for level in ("vehicle", "occupants")
    ]
    assert dark[0] == 0
    assert dark[1] > 0.01


def test_without_a_scene_parser_the_copy_shows_what_the_geometry_allows(
    street: Path, tmp_path: Path
) -> None:
    own = read_manifest(own_manifest())
    changed = own.model_copy(
        update={"scene_parser": None, "search": (str(own_manifest().parent), *own.search)}
    )
    write_manifest(tmp_path / "manifest.toml", changed)
    out = tmp_path / "masked.jpg"
    manifest = ("--manifest", tmp_path / "manifest.toml")

    done = product("redact", street, out, "--reveal", "vehicle", *manifest)

    assert done.status == 0, done.err
    assert "vehicles shown: 0 by meaning, 1 by geometry" in done.out
    assert blue_share(out) < 0.3 * blue_share(street)

    # A map of nothing would look as if the parser had seen nothing.
    new, drawn = tmp_path / "new.jpg", tmp_path / "map.png"
    refused = product("redact", street, new, "--reveal", "vehicle", "--explain", drawn, *manifest)
    assert refused.status == 2
    assert "names no scene parser" in refused.error_lines[0]
    assert not new.exists()
    assert not drawn.exists()


@pytest.mark.parametrize("fails", ["run", "nan"])
def test_a_parser_that_fails_on_a_picture_leaves_it_to_the_geometry(
    street: Path, tmp_path: Path, fails: str
) -> None:
    manifest_with_colour_parser(tmp_path, fails=fails)
    out = tmp_path / "masked.png"
    manifest = ("--manifest", tmp_path / "manifest.toml")

    done = product("redact", street, out, "--reveal", "occupants", *manifest, "--json")

    assert done.status == 0, done.err
    assert done.json["masked_by"] == {"meaning": 0, "geometry": 1}
    assert "masked by geometry" in done.err


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_damaged_weights_of_the_parser_are_refused(
    street: Path, tmp_path: Path, damage: str
) -> None:
    manifest_with_colour_parser(tmp_path)
    file = tmp_path / "colours.onnx"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    out = tmp_path / "masked.png"
    manifest = ("--manifest", tmp_path / "manifest.toml")

    done = product("redact", street, out, "--reveal", "vehicle", *manifest)

    assert done.status == 4
    assert "colours.onnx" in done.error_lines[0]
    assert not out.exists()
    # Nothing is parsed at these levels.
    for level in ("none", "plate"):
        assert product("redact", street, tmp_path / f"{level}.png", "--reveal", level).status == 0


def test_an_explanation_has_a_colour_for_each_class_and_no_pixel_of_the_picture(
    street: Path, tmp_path: Path
) -> None:
    manifest_with_colour_parser(tmp_path)
    out, drawn = tmp_path / "masked.png", tmp_path / "map.png"
    done = product(
        "redact", street, out, "--reveal", "vehicle", "--explain", drawn,
        "--manifest", tmp_path / "manifest.toml",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert f"{drawn}: what the scene parser sees" in done.out
    shown = np.asarray(cv2.imread(str(drawn)))
    picture = np.asarray(cv2.imread(str(street)))
    assert shown.shape[0] > picture.shape[0], "a legend"
    colours = {tuple(colour) for colour in np.unique(shown.reshape(-1, 3), axis=0)}
    assert {MAP_COLOURS[one] for one in SceneClass} <= colours
    inside = shown[: picture.shape[0], : picture.shape[1]]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= 2 * len(SceneClass) + 4


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--reveal", "none", "--explain", "map.png"), "nothing is parsed"),
        (("--reveal", "plate", "--explain", "map.png"), "nothing is parsed"),
        (("--reveal", "vehicle", "--explain", "map.gif"), "--explain"),
        (("--reveal", "vehicle", "--explain", "masked.png"), "the same file as OUT"),
        (("--reveal", "vehicle", "--explain", "street.png"), "the same file as IN"),
        (("--reveal", "vehicle", "--explain", "nowhere/map.png"), "no such folder"),
        (("--reveal", "vehicle", "--explain", "there.png"), "--force"),
    ],
)
def test_an_explanation_that_cannot_be_written_is_a_usage_error(
    street: Path, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    shutil.copyfile(street, tmp_path / "street.png")
    (tmp_path / "there.png").write_bytes(b"an earlier map")
    given = [tmp_path / one if one.endswith((".png", ".gif")) else one for one in arguments]

    done = product("redact", tmp_path / "street.png", tmp_path / "masked.png", *given)

    assert done.status == 2
    assert why in done.error_lines[0]
    assert not (tmp_path / "masked.png").exists()
    assert (tmp_path / "there.png").read_bytes() == b"an earlier map"


def test_a_recording_is_not_explained(recording: Path, tmp_path: Path) -> None:
    done = product(
        "redact", recording, tmp_path / "masked.mp4", "--reveal", "vehicle",
        "--explain", tmp_path / "map.png",
    )  # fmt: skip
    assert done.status == 2
    assert "only a picture" in done.error_lines[0]


@pytest.mark.parametrize("given", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("made", [".png", ".jpg", ".jpeg"])
def test_pictures_go_in_and_out_as_png_and_jpeg(tmp_path: Path, given: str, made: str) -> None:
    source, out = tmp_path / f"in{given}", tmp_path / f"out{made}"
    assert cv2.imwrite(str(source), noise())

    assert product("redact", source, out).status == 0

    assert out.read_bytes().startswith(b"\x89PNG" if made == ".png" else b"\xff\xd8")
    assert np.unique(np.asarray(cv2.imread(str(out)))).tolist() == [MASK]
