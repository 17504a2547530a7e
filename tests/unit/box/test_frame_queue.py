"""The frame queue from capture threads to the pipeline: no loss, or only the oldest frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from edge.box.frame_queue import (
    QUEUED_FRAMES,
    FrameQueue,
    QueuedFrame,
    StreamCounts,
    StreamEnd,
    capture,
)
from edge.domain.imaging import Frame
from edge.errors import CameraError

START = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)


def frame(index: int) -> Frame:
    return Frame(
        camera="cam-1",
        index=index,
        stream_s=index / 25,
        observed_at=START + timedelta(seconds=index / 25),
        picture=np.zeros((4, 4, 3), np.uint8),
    )


class ListCamera:
    """A camera that gives so many frames and then, if told, fails."""

    name = "cam-1"
    corrupt_frames = 2

    def __init__(self, count: int, failure: Exception | None = None) -> None:
        self.expected_frames = count
        self._failure = failure

    def close(self) -> None:
        pass

    def frames(self) -> Iterator[Frame]:
        for index in range(self.expected_frames):
            yield frame(index)
        if self._failure is not None:
            raise self._failure


def test_a_recording_loses_no_frame_to_a_slow_consumer() -> None:
    intake, counts = FrameQueue(keep_all=True), StreamCounts()
    camera = ListCamera(5 * QUEUED_FRAMES)
    thread = threading.Thread(
        target=capture, args=(camera, 0, intake, counts), kwargs={"paced": False}
    )
    thread.start()
    indices = []
    while isinstance(item := intake.take(), QueuedFrame):
        indices.append(item.frame.index)
    thread.join()
    assert indices == list(range(5 * QUEUED_FRAMES))
    assert (counts.decoded, counts.dropped, counts.corrupt) == (5 * QUEUED_FRAMES, 0, 2)


def test_a_slow_consumer_of_a_live_camera_gets_the_newest_frame_and_drops_are_counted() -> None:
    intake = FrameQueue(keep_all=False)
    dropped = sum(intake.put(QueuedFrame(0, frame(index))) for index in range(10))
    item = intake.take()
    assert isinstance(item, QueuedFrame)
    assert item.frame.index == 9
    assert dropped == 9


def test_one_camera_does_not_overwrite_the_frame_of_another() -> None:
    intake = FrameQueue(keep_all=False)
    for index in range(3):
        intake.put(QueuedFrame(0, frame(index)))
        intake.put(QueuedFrame(1, frame(index)))
    taken = [intake.take(), intake.take()]
    assert [(item.stream, item.frame.index) for item in taken if isinstance(item, QueuedFrame)] == [
        (0, 2),
        (1, 2),
    ]


@pytest.mark.parametrize("keep_all", [True, False])
def test_the_end_of_a_stream_comes_after_its_last_frame(keep_all: bool) -> None:
    intake = FrameQueue(keep_all=keep_all)
    intake.put(QueuedFrame(0, frame(0)))
    intake.end(StreamEnd(0))
    assert isinstance(intake.take(), QueuedFrame)
    assert intake.take() == StreamEnd(0)


def test_the_end_of_a_stream_does_not_wait_for_the_frames_of_another_camera() -> None:
    intake = FrameQueue(keep_all=False)
    intake.end(StreamEnd(0))
    intake.put(QueuedFrame(1, frame(0)))
    taken = []
    for index in range(1, 4):  # the box is busy: camera 1 always has a frame ready
        taken.append(intake.take())
        intake.put(QueuedFrame(1, frame(index)))
    assert StreamEnd(0) in taken


@pytest.mark.parametrize("keep_all", [True, False])
def test_p8_a_closed_queue_keeps_no_frame(keep_all: bool) -> None:
    intake = FrameQueue(keep_all=keep_all)
    intake.close()
    assert intake.put(QueuedFrame(0, frame(0))) == 0
    assert intake.take(0.01) is None


def test_a_cameras_exception_reaches_the_pipeline() -> None:
    intake = FrameQueue(keep_all=True)
    failure = CameraError("clip.mp4 holds no picture: record it again")
    capture(ListCamera(1, failure), 3, intake, StreamCounts(), paced=False)
    assert isinstance(intake.take(), QueuedFrame)
    assert intake.take() == StreamEnd(3, failure)


def test_a_consumer_that_leaves_frees_a_waiting_capture_thread() -> None:
    intake = FrameQueue(keep_all=True)
    camera = ListCamera(1000)
    thread = threading.Thread(
        target=capture, args=(camera, 0, intake, StreamCounts()), kwargs={"paced": False}
    )
    thread.start()
    intake.take()
    intake.close()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_real_time_follows_the_recordings_timestamps() -> None:
    slept: list[float] = []
    intake = FrameQueue(keep_all=False)
    capture(ListCamera(3), 0, intake, StreamCounts(), paced=True, sleep=slept.append)
    assert len(slept) == 2
    assert slept == pytest.approx([0.04, 0.08], abs=0.03)


def test_a_consumer_without_frames_returns_after_the_timeout() -> None:
    intake = FrameQueue(keep_all=False)

    assert intake.take(0.01) is None
