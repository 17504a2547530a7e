"""Recordings as cameras: video files through PyAV, folders of pictures through OpenCV."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame

from edge.adapters.cameras.interlacing import FieldSplitter
from edge.adapters.cameras.pictures import luma_of, upright
from edge.adapters.cameras.stated_length import StatedLength, lacks_frames
from edge.adapters.cameras.stream_choice import NoSuchStreamError, StreamChoice, choose_stream
from edge.domain.imaging import Frame, Pixels
from edge.domain.motion import Cells, cell_means
from edge.domain.stream_time import RecordedTime
from edge.errors import CameraError, ConfigError
from edge.formats.regular_files import open_regular_file

VIDEO_SUFFIXES = frozenset(
    {".avi", ".h264", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm",
     ".wmv"}
)  # fmt: skip
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

PICTURES_PER_SECOND = 1
"""Pictures have no time of their own, so each counts as one second of the stream."""

log = logging.getLogger(__name__)


_Decoded = tuple[float, Pixels | Callable[[], Pixels], int, Callable[[], Cells] | None]
"""Of a picture: seconds since the first one, pixels or what converts it, section, and what computes
its cell means."""


class RecordedCamera:
    """One recording: a video file, or pictures in name order, as a stream of frames.

    Frames are BGR with the container's rotation applied; an interlaced picture gives two.
    `stream_s` counts from the first frame by the file's own time stamps (`RecordedTime`), and
    `observed_at` is `started_at` plus that. Of several video streams one is chosen
    (`choose_stream`).

    Args:
        name: the policy's camera.
        clip: file or folder name, for progress and summaries.
        sources: one video file, or pictures in the order in which they are to be shown.
        started_at: when the first frame was made, with time zone.
        stream: the number among the video streams to use, from 0; None: chosen.
    """

    def __init__(
        self,
        name: str,
        clip: str,
        sources: tuple[Path, ...],
        started_at: datetime,
        stream: int | None = None,
        *,
        in_site: bool = True,
    ) -> None:
        self._name = name
        self.clip = clip
        self._sources = sources
        self.started_at = started_at
        self._stream = stream
        self._in_site = in_site
        self._choice: StreamChoice | None = None
        self._corrupt = 0
        self._whole = 0
        self._is_truncated = False
        self._times = RecordedTime(0.0)
        self._length = StatedLength(None, None)

    @property
    def name(self) -> str:
        return self._name

    @property
    def corrupt_frames(self) -> int:
        """How many frames could not be decoded and were skipped so far."""
        return self._corrupt

    @property
    def _is_pictures(self) -> bool:
        return self._sources[0].suffix.lower() in PICTURE_SUFFIXES

    @property
    def expected_frames(self) -> int | None:
        """The container's frame count, or its length times its rate; None if it states neither."""
        if self._is_pictures:
            return len(self._sources)
        try:
            with self._opened() as (container, stream):
                if stream.frames:
                    return int(stream.frames)
                if container.duration and stream.average_rate:
                    return int(container.duration / av.time_base * float(stream.average_rate))
        except (CameraError, av.error.FFmpegError, OSError):
            pass  # `frames` reports what is wrong with the file
        return None

    def close(self) -> None:
        """Do nothing: a recording needs no cleanup."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the recording ends; a frame that does not decode is skipped.

        Raises:
            CameraError: the file is missing, empty or no video, or no frame can be decoded; or,
                after the last frame, the file is incomplete.
        """
        self._corrupt = 0
        self._whole = 0
        self._is_truncated = False
        index = -1
        decoded = self._pictures() if self._is_pictures else self._video()
        for index, (stream_s, picture, section, cells) in enumerate(decoded):
            yield Frame(
                camera=self._name,
                index=index,
                stream_s=stream_s,
                observed_at=self.started_at + timedelta(seconds=stream_s),
                picture=picture,
                section=section,
                cells=cells,
            )
        if index < 0:
            raise CameraError(self._nothing_decoded(), code="E_SOURCE_EMPTY")
        if not self._is_pictures:
            self._require_complete()

    def _nothing_decoded(self) -> str:
        first, *more = self._sources
        if not self._is_pictures:
            return f"{first}: no frame can be decoded; check that the recording is complete"
        if more:
            return f"{first.parent}: none of its pictures can be decoded; copy them again"
        return (
            f"{first}: not a picture that can be decoded; copy it again, or save it as JPEG or PNG"
        )

    def _require_complete(self) -> None:
        """Raise an error if a video is incomplete; called after all its frames were given."""
        stated, given = self._length.frames, self._whole
        lacks = self._length.is_longer_than(given + self._corrupt, self._times.length_s)
        if self._is_truncated or lacks:
            of = f" of {stated}" if stated is not None and stated > given else ""
            raise CameraError(
                f"{self._sources[0]}: the file is incomplete and ends after {given}{of} frames; "
                "those were used, copy or record it again for the rest",
                code="E_SOURCE_TRUNCATED",
            )
        if lacks_frames(given, given + self._corrupt):
            raise CameraError(
                f"{self._sources[0]}: {self._corrupt} of {given + self._corrupt} frames are "
                "damaged; the others were used, copy or record it again for the rest",
                code="E_SOURCE_TRUNCATED",
            )

    def _pictures(self) -> Iterator[_Decoded]:
        for number, path in enumerate(self._sources):
            if len(self._sources) == 1:
                _require_content(path)
            pixels = read_picture(path)
            if pixels is None:
                self._corrupt += 1
                continue
            yield number / PICTURES_PER_SECOND, pixels, 0, None

    def _video(self) -> Iterator[_Decoded]:
        path = self._sources[0]
        _require_content(path)
        with ExitStack() as cleanup:
            try:
                container, stream = cleanup.enter_context(self._opened())
            except PermissionError as error:
                raise _unreadable(path, error) from None
            except (av.error.FFmpegError, OSError) as error:
                raise _no_video(path, _reason(error)) from None
            if self._choice is not None and len(self._choice.shown) > 1:
                cure = "; cameras.<name>.stream in site.yaml chooses another one"
                said = self._choice.text() + (cure if self._in_site else "")
                log.warning("%s: %s", path, said)
            self._length = StatedLength.of(container, stream)
            self._times = RecordedTime(1 / self._length.rate)
            for frame in self._progressive(self._decoded(container, stream), stream):
                section = self._times.section
                stream_s = self._times.frame_time_s(frame.time)
                if self._times.section > section:
                    self._say_jump(stream_s)
                convert, compare = partial(upright, frame), partial(_cells_of, frame)
                yield stream_s, convert, self._times.section, compare

    def _say_jump(self, stream_s: float) -> None:
        jump_s = self._times.jump_s
        log.warning(
            "%s: after %.1f s the time stamps jump %s by %.1f s; vehicles in view end there, and "
            "the frames after that are dated as if no time had passed",
            self._sources[0],
            stream_s,
            "back" if jump_s < 0 else "forwards",
            abs(jump_s),
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
        """Open the file at its beginning; gives the chosen video stream.

        Raises:
            CameraError: it has no video stream, or not the one that is wanted.
            OSError: it cannot be opened.
        """
        path = self._sources[0]
        with ExitStack() as opened:
            container = opened.enter_context(open_regular(path))
            if self._choice is None:
                self._choice = self._chosen(container)
                if len(self._choice.shown) > 1:  # the choice may have read packets
                    opened.close()
                    container = opened.enter_context(open_regular(path))
            stream = container.streams[self._choice.index]
            assert isinstance(stream, av.VideoStream)  # noqa: S101 - for the type checker
            yield container, stream

    def _chosen(self, container: av.container.InputContainer) -> StreamChoice:
        """The stream to decode.

        Raises:
            CameraError: there is no video stream, or not the one that is wanted.
        """
        path = self._sources[0]
        try:
            choice = choose_stream(container, self._stream, probe=True)
        except NoSuchStreamError:
            number = len(container.streams.video)
            raise CameraError(
                f"{path}: it has {number} video stream{'' if number == 1 else 's'}, "
                f"numbered from 0, and no number {self._stream}; correct or remove "
                "cameras.<name>.stream in site.yaml",
                code="E_SOURCE_STREAM",
            ) from None
        if choice is None:
            cover = " but a cover picture" if container.streams.video else ""
            raise _no_video(path, f"it has no video stream{cover}")
        return choice

    def _progressive(
        self, frames: Iterator[VideoFrame], stream: av.VideoStream
    ) -> Iterator[VideoFrame]:
        """The same frames, interlaced ones split into their fields."""
        splitter = FieldSplitter(stream.codec_context.name)
        for frame in frames:
            self._whole += 1
            yield from splitter.pictures(frame)
        yield from splitter.rest()

    def _decoded(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):  # the container is incomplete
                self._corrupt += 1
                self._is_truncated = True
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._corrupt += 1
                continue
            for frame in frames:
                if not isinstance(frame, VideoFrame):
                    continue
                if frame.is_corrupt:
                    self._corrupt += 1
                    continue
                yield frame


def _cells_of(frame: VideoFrame) -> Cells:
    return cell_means(luma_of(frame))


def read_picture(path: Path) -> Pixels | None:
    """A picture, upright; None if the file is empty, much too large, or not a picture.

    Raises:
        CameraError: this user may not read it.
    """
    try:
        with open_regular_file(path) as file:
            content = np.frombuffer(file.read(), np.uint8)
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except PermissionError as error:
        raise _unreadable(path, error) from None
    except (cv2.error, OSError):
        return None
    return None if pixels is None else np.asarray(pixels, dtype=np.uint8)


FORMATS = (
    "avi", "h264", "hevc", "ivf", "m4v", "matroska,webm", "mjpeg", "mov,mp4,m4a,3gp,3g2,mj2",
    "mpeg", "mpegts", "mpegvideo", "asf", "flv", "ogg",
)  # fmt: skip
"""Formats that contain the pictures themselves. Formats that refer to other sources (concat, hls,
sdp) are left out: a file must not lead to a live stream."""


@contextmanager
def open_regular(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video that is a regular file; other sources that its content names are not opened.

    Raises:
        CameraError: not a regular file.
        OSError: it cannot be opened, or its format is unknown (FFmpegError is an OSError).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CameraError(
                f"{path}: not a regular file; name a recording", code="E_SOURCE_FORMAT"
            )
        options = {
            "format_whitelist": ",".join(FORMATS),
            "protocol_whitelist": "",
            # FFmpeg would take a jump back for an overflow, and date the rest a day later.
            "correct_ts_overflow": "0",
        }
        with av.open(file, options=options) as container:
            yield container


def open_recordings(
    path: Path,
    *,
    camera: str,
    started_at: datetime | Callable[[Path], datetime],
    stream: int | None = None,
    in_site: bool = True,
) -> tuple[RecordedCamera, ...]:
    """The recordings at a path, each as a stream of its own.

    A file is one stream. In a folder each video file is a stream, in name order, and all its
    pictures together are one stream in name order, one picture a second. Other files and
    subfolders are ignored.

    Args:
        path: a video file, a picture, or a folder.
        camera: the policy's camera that all of them belong to.
        started_at: when the recordings were made, or a function that returns it for each one
            (given the video file, or the folder of the pictures).
        stream: the number among each file's video streams to use, from 0; None: chosen.
        in_site: whether a site.yaml names the camera, so that advice about it helps.

    Raises:
        CameraError: the path does not exist, or the folder holds neither a video nor a picture.
    """
    when = started_at if callable(started_at) else lambda _path: started_at
    if path.is_file():
        return (RecordedCamera(camera, path.name, (path,), when(path), stream, in_site=in_site),)
    if not path.exists():
        raise CameraError(
            f"{path}: no such file or folder; check the source's path", code="E_SOURCE_MISSING"
        )
    try:
        files = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
    except OSError as error:
        raise _unreadable(path, error) from None
    streams = [
        RecordedCamera(camera, file.name, (file,), when(file), stream, in_site=in_site)
        for file in files
        if file.suffix.lower() in VIDEO_SUFFIXES
    ]
    pictures = tuple(file for file in files if file.suffix.lower() in PICTURE_SUFFIXES)
    if pictures:
        streams.append(RecordedCamera(camera, path.resolve().name, pictures, when(path)))
    if not streams:
        raise CameraError(
            f"{path}: the folder holds neither a video nor a picture; name one that does",
            code="E_SOURCE_EMPTY",
        )
    return tuple(streams)


def recorded_at_of(path: Path) -> datetime | None:
    """When a recording was made, from its sidecar file; None if there is none or it has no time.

    The sidecar of `clip.mp4` is `clip.json` beside it, that of a folder of pictures is
    `<folder>.json` beside the folder: an object with `recorded_at`, ISO 8601 with offset.

    Raises:
        ConfigError: the sidecar is not valid.
    """
    whole = path.resolve()
    sidecar = whole.with_suffix(".json") if path.is_file() else whole.parent / f"{whole.name}.json"
    if not sidecar.is_file():
        return None
    try:
        content = json.loads(sidecar.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{sidecar}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{sidecar}: not valid JSON; correct the file") from None
    if isinstance(content, dict) and "recorded_at" not in content:
        return None  # a file of another program
    value = content["recorded_at"] if isinstance(content, dict) else None
    if not isinstance(value, str):
        raise ConfigError(
            f'{sidecar}: recorded_at: missing; write {{"recorded_at": "2026-11-23T08:20:00+01:00"}}'
        )
    return parse_moment(value, f"{sidecar}: recorded_at")


def parse_moment(value: str, where: str) -> datetime:
    """Parse an ISO 8601 date and time with its UTC offset, or `Z`.

    Raises:
        ConfigError: it is not one; the text begins with `where`.
    """
    try:
        # Python 3.10 does not accept the letter Z.
        moment = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value)
    except ValueError:
        raise ConfigError(
            f"{where}: not an ISO 8601 date and time; write it like 2026-11-23T08:20:00+01:00"
        ) from None
    if moment.tzinfo is None:
        raise ConfigError(
            f"{where}: the UTC offset is missing; write it like 2026-11-23T08:20:00+01:00"
        )
    if not 2000 <= moment.year < 2200:
        raise ConfigError(f"{where}: the year must be from 2000 to 2199; correct it")
    return moment


def _require_content(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CameraError(
            f"{path}: cannot be opened ({error.strerror}); check the source's path",
            code="E_SOURCE_MISSING",
        ) from None
    if size == 0:
        raise CameraError(
            f"{path}: the file is empty; record or copy it again", code="E_SOURCE_EMPTY"
        )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "unknown format"


def _unreadable(path: Path, error: OSError) -> CameraError:
    return CameraError(f"{path}: cannot be read ({error.strerror}); check its permissions")


def _no_video(path: Path, reason: str) -> CameraError:
    return CameraError(
        f"{path}: cannot be opened as video ({reason}); name a complete video file, or a picture "
        f"whose name ends in {', '.join(sorted(PICTURE_SUFFIXES))}",
        code="E_SOURCE_FORMAT",
    )
