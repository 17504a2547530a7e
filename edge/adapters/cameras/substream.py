"""Watches a camera's small stream and decodes its main stream only for looks.

Both streams are read in threads of their own (`edge.adapters.cameras.packet_buffer`). The pictures
of the small stream are decoded, and their cell means are sent to the parent. When it wants a look,
the packets of the main stream are decoded from their last key frame to that moment; for a glance,
the last key frame will do. All other packets are dropped without being decoded.

In doubt the main stream is watched, as if there were no small one: while the small stream gives no
picture, or shows another view. If the main stream's key frames are too far apart, its oldest
packets are decoded to make room, so that no more than `BUFFER_S` seconds are ever kept.

Times of both streams are compared by their arrival.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import av.error
import av.logging
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.adapters.cameras.decoder_messages import (
    GLANCE,
    RARE_KEY_FRAMES,
    SMALL_CELLS,
    UNWANTED,
    WATCHED,
    DecoderRequest,
    MessageWriter,
)
from edge.adapters.cameras.opening import SourceError
from edge.adapters.cameras.packet_buffer import HeldPacket, PacketBuffer, PacketFeed
from edge.adapters.cameras.pictures import (
    WholePictures,
    is_complaint,
    luma_of,
    stamp_s,
    upright,
)
from edge.domain.motion import Cells, cell_means

SILENT_S = 0.5
"""The main stream is watched after so many seconds without a picture of the small one."""

AWAY_S = 2.0
"""After so many the parent is told."""

OPENING_S = 12.0
"""The same before its first picture: it is opened, and gives a key frame."""

TURN_S = 0.1
"""How long to wait for a packet of the small stream before the time limits are looked at again."""

MAIN_TURN_S = 0.02
"""How often packets of the main stream are looked for while that one is watched, seconds."""

LATER_S = 0.05
"""A picture of the main stream may arrive so much later than the small one's, seconds."""

SAME_VIEW = 0.6
"""Least correlation of two pictures' cells that show the same view, at moments that may differ."""

SAME_IDLE_VIEW = 0.85
"""The same while nothing moves."""

LEAST_CONTRAST = 4.0
"""Least standard deviation of cells, grey levels, from which a view can be told."""

OTHER_VIEWS = 3
"""So many pictures in a row that differ are of another view."""

FORGIVEN_S = 600.0
"""After so many seconds a small stream that showed another view is tried again."""

FUTILE_STARTS = 3
"""After so many key frames in a row from which nothing was decoded, nothing is skipped any more."""


def watch_both(request: DecoderRequest, writer: MessageWriter) -> None:
    """Send cells of the small stream and the pictures of the main one that are wanted.

    Args:
        request: both sources.
        writer: sends to the parent.

    Raises:
        SourceError: the main stream failed.
        BrokenPipeError: the parent has ended.
    """
    changed = threading.Condition()
    main = PacketFeed(request, changed, retries=False, tells=False)
    small_one = replace(request, address=request.substream, stream=None)
    small = PacketFeed(small_one, changed, retries=True, tells=True)
    watch = _Watch(request, writer, main, small)
    while True:
        with changed:
            changed.wait_for(watch.has_work, watch.turn_s)
        watch.turn()
        if main.has_ended:
            raise SourceError(main.failure or "lost")


@dataclass(frozen=True, slots=True)
class _Picture:
    frame: VideoFrame
    arrival_s: float


class _Decoder:
    """Decodes the packets of one feed; it begins anew when the feed's source was opened again."""

    def __init__(self, held: PacketBuffer, *, stamped: bool) -> None:
        self._held = held
        self._stamped = stamped
        self._stream: VideoStream | None = None
        self._pictures: WholePictures | None = None
        self._is_apart = False
        self.corrupt = 0

    def skip(self, until_s: float) -> bool:
        """Drop all packets before the last key frame that arrived until then; whether any was."""
        skipped = self._held.skip(until_s)
        self._is_apart |= skipped
        return skipped

    def discard(self) -> None:
        """Drop all packets."""
        while (held := self._held.pop()) is not None:
            held.wipe()
            self._is_apart = True

    def next(self) -> Sequence[_Picture]:
        """Decode the oldest packet; its complete pictures."""
        held = self._held.pop()
        if held is None:
            return ()
        try:
            pictures = self._restarted(held)
            with av.logging.Capture(local=False) as complaints:
                frames, decoded = _frames(held)
            whole = held.whole and decoded and not any(map(is_complaint, complaints))
            found = [_Picture(one, held.arrival_s) for one in pictures.of(frames, whole=whole)]
        finally:
            held.wipe()
        self.corrupt += pictures.corrupt_frames()
        return found

    def _restarted(self, held: HeldPacket) -> WholePictures:
        """What checks the pictures, ready for this packet."""
        if self._pictures is None or held.stream is not self._stream:
            self._stream = held.stream
            self._pictures = WholePictures(held.stream, both_fields=self._stamped)
        elif self._is_apart:
            held.stream.codec_context.flush_buffers()
            self._pictures.restart()
        self._is_apart = False
        return self._pictures


def _frames(held: HeldPacket) -> tuple[Sequence[VideoFrame], bool]:
    """The frames of a packet, and whether the decoder accepted it."""
    try:
        return held.packet.decode(), True
    except av.error.FFmpegError:
        return (), False


class _Watch:
    """Decides at each turn which stream is decoded."""

    def __init__(
        self, request: DecoderRequest, writer: MessageWriter, main: PacketFeed, small: PacketFeed
    ) -> None:
        self._stamped = request.stamped
        self._writer = writer
        self._main, self._small = main, small
        self._main_decoder = _Decoder(main.held, stamped=request.stamped)
        self._small_decoder = _Decoder(small.held, stamped=request.stamped)
        self._latest: _Picture | None = None
        self._seen_s = time.monotonic()
        self._watched_s = -math.inf
        self._futile = 0
        self._others = 0
        self._ignored_until_s = -math.inf
        self._note: str | None = None
        self._word = ""
        self._rare = False

    def has_work(self) -> bool:
        """Whether a packet can be decoded now, or has to be."""
        if self._main.has_ended or self._main.held.is_over(time.monotonic()):
            return True
        return bool(len(self._small.held) or (self._is_silent and len(self._main.held)))

    @property
    def turn_s(self) -> float:
        """How long to wait until `turn` is called anyway, seconds."""
        return MAIN_TURN_S if self._is_silent else TURN_S

    def turn(self) -> None:
        """Decode what there is to decode now."""
        self._report()
        while self._main.held.is_over(time.monotonic()):
            self._keep(self._decoded())
        if self._is_ignored:
            self._small_decoder.discard()
        elif len(self._small.held):
            for picture in self._small_decoder.next():
                self._watch_small(picture)
        if self._is_silent:
            self._watch_main()

    @property
    def _is_ignored(self) -> bool:
        return self._ignored_until_s > time.monotonic()

    @property
    def _is_silent(self) -> bool:
        """Whether the main stream is to be watched, for lack of pictures of the small one."""
        if self._is_ignored:
            return True
        return not len(self._small.held) and time.monotonic() - self._seen_s > SILENT_S

    def _watch_small(self, picture: _Picture) -> None:
        stamp = stamp_s(picture.frame, stamped=self._stamped)
        if not self._writer.passes_over(stamp, picture.arrival_s, SMALL_CELLS):
            luma = luma_of(picture.frame)
            cells = cell_means(luma)
            self._writer.corrupt += self._taken_corrupt()
            answer = self._writer.answer(cells, luma.shape, stamp, picture.arrival_s, SMALL_CELLS)
            if answer not in UNWANTED:
                self._give(cells, picture.arrival_s + LATER_S, glance=answer == GLANCE)
        self._seen_s = self._watched_s = picture.arrival_s
        if self._futile < FUTILE_STARTS:
            self._main_decoder.skip(picture.arrival_s)

    def _give(self, small: Cells, until_s: float, *, glance: bool) -> None:
        """Send the main stream's picture of that moment, or say that there is none.

        Not the newest one: after many packets were decoded, the looks that became due meanwhile
        still get pictures of their own moments.
        """
        held = self._main.held
        skipped = self._futile < FUTILE_STARTS and self._main_decoder.skip(until_s)
        # What follows a key frame that was seen already shows hardly anything new.
        worth_it = not glance or held.begins_anew
        while worth_it and held.oldest_s <= until_s:
            self._keep(self._decoded())
            if glance and self._latest is not None:
                break
        picture, self._latest = self._latest, None
        self._writer.corrupt += self._taken_corrupt()
        if picture is None:
            self._futile += skipped
            self._writer.missed()
            return
        self._futile = 0
        self._send(picture)
        least = SAME_IDLE_VIEW if glance else SAME_VIEW
        self._compare(small, cell_means(luma_of(picture.frame)), least)

    def _watch_main(self) -> None:
        """Decode all packets of the main stream, and offer each picture that nobody watched."""
        for _ in range(len(self._main.held)):
            for picture in self._decoded():
                if picture.arrival_s <= self._watched_s:
                    continue
                stamp = stamp_s(picture.frame, stamped=self._stamped)
                if self._writer.passes_over(stamp, picture.arrival_s):
                    continue
                luma = luma_of(picture.frame)
                self._writer.corrupt += self._taken_corrupt()
                answer = self._writer.answer(cell_means(luma), luma.shape, stamp, picture.arrival_s)
                if answer not in UNWANTED:
                    self._send(picture)
            self._latest = None

    def _decoded(self) -> Sequence[_Picture]:
        return self._main_decoder.next()

    def _keep(self, pictures: Sequence[_Picture]) -> None:
        if pictures:
            self._latest = pictures[-1]

    def _send(self, picture: _Picture) -> None:
        stamp = stamp_s(picture.frame, stamped=self._stamped)
        self._writer.frame(upright(picture.frame), stamp, picture.arrival_s)

    def _compare(self, small: Cells, main: Cells, least: float) -> None:
        """Stop watching the small stream if it shows another view than the main one."""
        alike = likeness(small, main)
        if alike is None:
            return
        self._others = self._others + 1 if alike < least else 0
        if self._others >= OTHER_VIEWS:
            self._others = 0
            self._ignored_until_s = time.monotonic() + FORGIVEN_S

    def _taken_corrupt(self) -> int:
        count, self._main_decoder.corrupt = self._main_decoder.corrupt, 0
        return count

    def _report(self) -> None:
        """Tell the parent what has changed about both sources."""
        if self._main.note not in {None, self._note}:
            self._note = self._main.note
            self._writer.note(self._note or "")
        if self._main.rare_key_frames and not self._rare:
            self._rare = True
            self._writer.substream(RARE_KEY_FRAMES)
        now_s = time.monotonic()
        word = self._word
        if self._is_ignored:
            word = "other-view"
        elif now_s - self._seen_s <= SILENT_S and self._watched_s > 0:
            word = WATCHED
        elif now_s - self._seen_s > (AWAY_S if self._watched_s > 0 else OPENING_S):
            word = self._small.failure or "silent"
        elif self._watched_s < 0 and self._small.failure is not None:
            word = self._small.failure
        if word != self._word:
            self._word = word
            self._writer.substream(word)


def likeness(small: Cells, main: Cells) -> float | None:
    """Correlation of two pictures' cells, -1 to 1; None if one of them has too little contrast.

    Args:
        small: cell means of one picture.
        main: cell means of the other one, on any grid; the nearest cells are compared.
    """
    rows, columns = small.shape
    down = np.arange(rows) * main.shape[0] // rows
    across = np.arange(columns) * main.shape[1] // columns
    one, other = small, main[np.ix_(down, across)]
    if min(float(one.std()), float(other.std())) < LEAST_CONTRAST:
        return None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
