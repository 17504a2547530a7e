"""Fast vehicles, and two that overtake each other, are read as when every frame is looked at.

Rendered film, the embedded weights. What is slow is in
tests/unit/pipeline/test_looks_at_traffic.py, with scripted plates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.weights import Manifest
from edge.domain.imaging import Frame, Pixels
from edge.pipeline.attention import Attention
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold
from scripts.fixtures.clips import GREEN, GREY, LEFT, RED, RIGHT, Clip, Mover, straight
from scripts.fixtures.plates import Plate
from scripts.fixtures.renderer import Renderer
from tests.support.fakes import STARTED
from tests.support.kept_detections import KeptDetections
from tests.support.plate_designs import MISSING

FPS = 25
EMPTY = 35
"""Frames of an empty road before the first vehicle; its picture is drawn once."""
FAR, ABREAST = 30.0, 12.0
"""Metres from the camera: where a vehicle comes into view, and where one overtakes the other."""

can_render = pytest.mark.skipif(bool(MISSING), reason=MISSING or "all there")


def film(*movers: Mover, seconds: float) -> list[Pixels]:
    """An empty road, and then the vehicles, which are in view for so many seconds."""
    (still,) = (pixels for pixels, _ in Renderer(_clip(seconds=1 / FPS)).frames())
    return [still] * EMPTY + [one for one, _ in Renderer(_clip(*movers, seconds=seconds)).frames()]


def _clip(*movers: Mover, seconds: float) -> Clip:
    return Clip("looks", "A fast road", seconds, movers, fps=FPS, seed=3, one_way=-1)


def frames(pictures: list[Pixels]) -> Iterator[Frame]:
    for index, pixels in enumerate(pictures):
        at = index / FPS
        yield Frame("cam-1", index, at, STARTED + timedelta(seconds=at), pixels)


def reads(
    pictures: list[Pixels], detector: KeptDetections, models: PlateModels, *, adaptive: bool
) -> tuple[dict[str, float], int]:
    """The posterior of each plate, and how many frames were looked at."""
    watcher = VehicleWatcher(
        "cam-1",
        detector,
        models.reader,
        settings_for_threshold(models.threshold),
        attention=Attention() if adaptive else None,
    )
    seen = [one for frame in frames(pictures) for one in watcher.observe(frame)]
    seen += watcher.finish()
    consensus = [one.consensus for one in seen if one.final]
    assert None not in consensus
    found = {one.best.text.reveal(): one.posterior for one in consensus if one is not None}
    assert len(found) == len(consensus)  # nobody is counted twice
    return found, watcher.detector_runs


@can_render
@pytest.mark.parametrize(
    ("speeds", "plates"),
    [((130,), ["1DLK482"]), ((90, 130), ["1DLK482", "H315XT"])],
    ids=["130 km/h", "130 overtakes 90 km/h"],
)
def test_a_fast_vehicle_is_read_as_surely_with_few_looks(
    speeds: tuple[int, ...], plates: list[str]
) -> None:
    first = (FAR - ABREAST) / (speeds[0] / 3.6)
    looks = [
        ("hatchback", LEFT, RED if len(speeds) == 1 else GREY, Plate("BE", "1-DLK-482")),
        ("hatchback", RIGHT, GREEN, Plate("NL", "H-315-XT")),
    ]
    movers = [
        Mover(f"v{number}", kind, straight(ABREAST, lane, -speed / 3.6, first), paint, plate, 1)
        for number, (speed, (kind, lane, paint, plate)) in enumerate(
            zip(speeds, looks, strict=False)
        )
    ]
    pictures = film(*movers, seconds=first + ABREAST / (speeds[0] / 3.6))
    models = load_plate_models(Manifest.load(environment={}))
    detector = KeptDetections(models.detector)
    every, all_looks = reads(pictures, detector, models, adaptive=False)
    adaptive, few_looks = reads(pictures, detector, models, adaptive=True)
    assert all_looks == len(pictures)
    assert few_looks < 0.5 * all_looks
    assert sorted(adaptive) == sorted(every) == plates
    assert all(adaptive[plate] > min(0.95, every[plate] - 0.02) for plate in plates)
