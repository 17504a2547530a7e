"""Named fakes of the ports. Tests pass them as arguments and patch nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import numpy as np

from edge.domain.competence import Competence
from edge.domain.imaging import Box, Detection, Frame, Pixels, PlatePatch
from edge.domain.plates import ALPHABET
from edge.domain.reading import PlateReading

READER_ALPHABET = ALPHABET + "_"
SLOTS = 10
STARTED = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)


def reading_of(
    text: str,
    *,
    sure: float = 0.99,
    quality: float = 1.0,
    doubts: Mapping[int, Mapping[str, float]] | None = None,
    region: str | None = None,
) -> PlateReading:
    """A reading whose best text is `text`.

    Each slot gives `sure` to its character and shares the rest among all others; `doubts`
    sets a slot's probabilities by character instead (`_` is the padding).
    """
    size = len(READER_ALPHABET)
    slots = np.full((SLOTS, size), (1 - sure) / (size - 1), np.float32)
    for slot, character in enumerate(text.ljust(SLOTS, "_")):
        slots[slot, READER_ALPHABET.index(character)] = sure
    for slot, shares in (doubts or {}).items():
        slots[slot] = (1 - sum(shares.values())) / (size - len(shares))
        for character, share in shares.items():
            slots[slot, READER_ALPHABET.index(character)] = share
    return PlateReading(slots, READER_ALPHABET, "_", quality, region, 0.9 if region else 0.0)


def noise_reading(seed: int, *, quality: float = 1.0) -> PlateReading:
    """The reading of something that is not a plate: every slot is uncertain."""
    slots = np.random.default_rng(seed).dirichlet(np.full(37, 0.3), SLOTS).astype(np.float32)
    return PlateReading(slots, READER_ALPHABET, "_", quality)


@dataclass(frozen=True, slots=True)
class ScriptedPlate:
    """One plate in one frame: its box, its score, and the reader's result."""

    box: Box
    reading: PlateReading
    score: float = 0.9


class ScriptedModels:
    """A detector and reader that return the script's plates for each frame.

    Args:
        script: what is in each frame.
        fps: frames per second of the stream.
    """

    def __init__(self, script: Sequence[Sequence[ScriptedPlate]], fps: float = 10.0) -> None:
        self._script = script
        self._fps = fps
        self._now: Sequence[ScriptedPlate] = ()

    def frames(self) -> Iterator[Frame]:
        """The frames, all grey; take each one just before the watcher."""
        for index, sights in enumerate(self._script):
            self._now = sights
            stream_s = index / self._fps
            pixels = np.full((480, 640, 3), 90, np.uint8)
            yield Frame("cam-1", index, stream_s, STARTED + timedelta(seconds=stream_s), pixels)

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        found = [Detection(sight.box, sight.score) for sight in self._now]
        return _inside(found, region)

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        by_box = {sight.box: sight.reading for sight in self._now}
        return tuple(
            replace(by_box[patch.box], quality=min(by_box[patch.box].quality, patch.quality))
            for patch in patches
        )


def _inside(found: Sequence[Detection], region: Box | None) -> tuple[Detection, ...]:
    """Those that lie in the region; None: all."""
    return tuple(one for one in found if region is None or region.contains(one.box))


class SetClock:
    """A clock that the test sets."""

    def __init__(self, now: datetime, monotonic: float = 1000.0) -> None:
        self.now = now
        self.steady = monotonic

    def monotonic(self) -> float:
        return self.steady

    def utc(self) -> datetime:
        return self.now

    def pass_time(self, time: timedelta) -> None:
        """Advance wall clock and monotonic clock."""
        self.now += time
        self.steady += time.total_seconds()


class PartDetector:
    """A detector of bright rectangles that are large enough in the given picture.

    It imitates a network that misses plates below a fraction of the picture's width.
    """

    def __init__(self, least_share: float = 0.05) -> None:
        self._least_share = least_share
        self.looks = 0

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        self.looks += 1
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = (region or Box(0, 0, width, height)).whole_pixels(width, height)
        rows, columns = np.nonzero(pixels[y1:y2, x1:x2, 0] > 200)
        if len(rows) == 0:
            return ()
        box = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        large = box.width >= self._least_share * (x2 - x1)
        return (Detection(box.shifted(x1, y1), 0.8),) if large else ()


class DrawnModels:
    """A detector and reader of a photo: returns given detections, and reads the text in a box.

    Args:
        plates: the text in each box; elsewhere there is nothing to read.
        found: what the detector gives for every picture.
    """

    def __init__(self, plates: Mapping[Box, str], found: Sequence[Detection]) -> None:
        self._plates = plates
        self._found = found

    def detect(self, pixels: Pixels, region: Box | None = None) -> tuple[Detection, ...]:
        return _inside(self._found, region)

    def read(self, patches: Sequence[PlatePatch]) -> tuple[PlateReading, ...]:
        return tuple(reading_of(self._plates.get(patch.box, "")) for patch in patches)


def competent(*rules: str, cameras: tuple[str, ...] = ("cam-1",)) -> Competence:
    """An authority that is competent for these rules at all times."""
    forever = timedelta(days=36500)
    return Competence(frozenset(rules), frozenset(cameras), STARTED - forever, STARTED + forever)
