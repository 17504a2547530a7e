"""How much work fixed clips may cost: a guard against a slower frame path.

Seconds differ from machine to machine, so work is counted instead: frames that are looked at,
pixels that the detector's network is given, patches that are read, and frames that are converted
to BGR. The limits are in `work_budget.json`.
After a change that saves work, `python -m tests.integration.test_work_budget` lowers them. It
never raises one: who needs more work writes the new limit, and its reason, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge.adapters.cameras.recordings import open_recordings
from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Frame
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold

CLIPS = Path(__file__).parents[1] / "fixtures" / "clips"
BUDGET = Path(__file__).with_name("work_budget.json")

SLACK = 1.05
"""Eight-bit networks round differently on other instruction sets, so a count may differ a little.
The budget still notices a twentieth more work."""

_NO_TIME = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclass(slots=True)
class Work:
    """What one clip cost.

    Attributes:
        frames: number of frames of the clip.
        looks: frames that went to the detector.
        reads: patches that went to the reader.
        conversions: frames that were converted to BGR.
        kilopixels: thousands of pixels that the detector's network was given.
    """

    frames: int = 0
    looks: int = 0
    reads: int = 0
    conversions: int = 0
    kilopixels: int = 0

    def counts(self) -> dict[str, int]:
        """The counts that the budget limits."""
        return {
            "looks": self.looks,
            "reads": self.reads,
            "conversions": self.conversions,
            "kilopixels": self.kilopixels,
        }


def work_of(clip: str, models: PlateModels, *, every_frame: bool = False) -> Work:
    """Send a fixture through the frame path, and count.

    Args:
        clip: name of the fixture.
        models: detector and reader.
        every_frame: look at each frame, as no box does.
    """
    work = Work()
    watcher = VehicleWatcher(
        "budget",
        models.detector,
        models.reader,
        settings_for_threshold(models.threshold),
        attention=None if every_frame else Attention(),
    )
    assert isinstance(models.detector, OnnxPlateDetector)
    before = models.detector.network_pixels
    for frame in _frames(clip):
        watcher.observe(frame)
        work.frames += 1
        work.conversions += not callable(frame.picture)
    watcher.finish()
    work.looks, work.reads = watcher.detector_runs, watcher.reads
    work.kilopixels = (models.detector.network_pixels - before) // 1000
    return work


def _frames(clip: str) -> Iterator[Frame]:
    (recording,) = open_recordings(
        CLIPS / f"{clip}.mp4", camera="budget", started_at=_NO_TIME, in_site=False
    )
    return recording.frames()


def exceeded(clip: str, counts: dict[str, int], budget: dict[str, dict[str, int]]) -> Sequence[str]:
    """A sentence for each count that is above its limit."""
    return [
        f"{clip}: {name} grew from {limit} to {counts[name]}; find the cause, or write the new "
        f"limit and its reason into {BUDGET.name}"
        for name, limit in budget[clip].items()
        if counts[name] > limit * SLACK
    ]


def limits() -> dict[str, dict[str, int]]:
    """The most that each clip may cost."""
    found: dict[str, dict[str, int]] = json.loads(BUDGET.read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def models() -> PlateModels:
    return load_plate_models(Manifest.load(), threads=1)


@pytest.mark.parametrize("clip", sorted(limits()))
def test_a_clip_costs_no_more_work_than_its_budget(clip: str, models: PlateModels) -> None:
    assert not exceeded(clip, work_of(clip, models).counts(), limits())


def test_the_budget_notices_a_box_that_looks_at_every_frame(models: PlateModels) -> None:
    work = work_of("twin_a", models, every_frame=True)

    grown = exceeded("twin_a", work.counts(), limits())

    assert work.looks == work.frames
    assert [sentence.split()[1] for sentence in grown] == [
        "looks",
        "reads",
        "conversions",
        "kilopixels",
    ]


def test_only_frames_that_are_looked_at_are_converted(models: PlateModels) -> None:
    work = work_of("empty_road", models)

    assert work.conversions == work.looks < work.frames


if __name__ == "__main__":
    lowered, ours = limits(), load_plate_models(Manifest.load(), threads=1)
    for one, known in lowered.items():
        for count, value in work_of(one, ours).counts().items():
            known[count] = min(known.get(count, value), value)
    BUDGET.write_text(json.dumps(lowered, indent=2) + "\n", "utf-8")
