from __future__ import annotations

import stat
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.adapters.cameras.video_writer import CODECS, MaskedRecording, nominal_rate
from edge.domain.imaging import Box, Pixels
from edge.domain.reveal import RevealLevel
from edge.errors import EdgeError, OutboxError, RedactionError
from edge.privacy.redaction import RedactedImage, mask_all, preview_of_regular_file


def noise(height: int = 120, width: int = 160) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def with_plate(brightness: int) -> RedactedImage:
    frame = np.full((120, 160, 3), brightness, np.uint8)
    return preview_of_regular_file(
        frame, [Box(40, 40, 120, 60)], RevealLevel.PLATE, show_plates=True
    )


def encodable() -> list[Any]:
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name not in av.codec.codecs_available, reason=f"this FFmpeg has no {name}"
            ),
        )
        for name in CODECS
    ]


@pytest.mark.parametrize("codec", encodable())
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_frames_keep_their_times_and_their_content(tmp_path: Path, codec: str, suffix: str) -> None:
    out = tmp_path / f"masked{suffix}"
    # At 12 a second, with a gap such as a camera that stalls leaves.
    times = [0.0, 1 / 12, 2 / 12, 3 / 12, 1.25, 1.25 + 1 / 12]
    with MaskedRecording(out, Fraction(12), codec=codec) as recording:
        for number, time in enumerate(times):
            recording.write(with_plate(40 * number), time)
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.002)
    for number, frame in enumerate(frames):
        pixels = frame.to_ndarray(format="bgr24")
        assert pixels[50, 80].mean() == pytest.approx(40 * number, abs=12)
        assert pixels[100, 20].mean() == pytest.approx(127, abs=4)


@pytest.mark.parametrize("rate", [Fraction(12), Fraction(25), Fraction(30_000, 1001)])
def test_the_frame_rate_is_that_of_the_recording(tmp_path: Path, rate: Fraction) -> None:
    out = tmp_path / "masked.mp4"
    with MaskedRecording(out, rate) as recording:
        for number in range(30):
            recording.write(mask_all(noise()), number / float(rate))
    assert float(nominal_rate(out)) == pytest.approx(float(rate), rel=0.001)


def test_a_file_without_a_frame_rate_counts_as_25_frames_a_second(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.mp4"
    nothing.write_bytes(b"no video")
    assert nominal_rate(nothing) == 25


def test_odd_sizes_are_rounded_up(tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    with MaskedRecording(out, Fraction(25)) as recording:
        recording.write(mask_all(noise(121, 161)), 0)
    with av.open(str(out)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (162, 122)


def test_there_is_no_sound_and_no_metadata_of_ours(tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    with MaskedRecording(out, Fraction(25)) as recording:
        recording.write(mask_all(noise()), 0)
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}
    assert b"Lavf" not in out.read_bytes()


@pytest.mark.parametrize(
    "image", [noise(), noise().tobytes(), None], ids=["frame", "bytes", "nothing"]
)
def test_only_a_redacted_picture_is_written(tmp_path: Path, image: Any) -> None:
    with (
        pytest.raises(TypeError, match="only a RedactedImage"),
        MaskedRecording(tmp_path / "masked.mp4", Fraction(25)) as recording,
    ):
        recording.write(image, 0)
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_recording_is_a_hidden_private_file(tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    with MaskedRecording(out, Fraction(25)) as recording:
        recording.write(mask_all(noise()), 0)
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.name.startswith(".masked-")
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [out]


def write_two_sizes(out: Path) -> None:
    with MaskedRecording(out, Fraction(25)) as recording:
        recording.write(mask_all(noise()), 0)
        recording.write(mask_all(noise(60, 80)), 0.04)


def test_a_recording_that_fails_leaves_nothing_and_replaces_nothing(tmp_path: Path) -> None:
    out = tmp_path / "masked.mp4"
    out.write_bytes(b"an earlier copy")
    with pytest.raises(RedactionError, match="the picture size changes"):
        write_two_sizes(out)
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == b"an earlier copy"


def test_a_recording_without_a_picture_is_not_written(tmp_path: Path) -> None:
    with (
        pytest.raises(RedactionError, match="has no picture"),
        MaskedRecording(tmp_path / "masked.mp4", Fraction(25)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "error", "reason"),
    [
        ("masked.avi", RedactionError, r"use one of \.mp4"),
        ("missing/masked.mp4", OutboxError, "cannot be written"),
    ],
)
def test_an_unwritable_path_is_refused_at_once(
    tmp_path: Path, path: str, error: type[EdgeError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        MaskedRecording(tmp_path / path, Fraction(25))
