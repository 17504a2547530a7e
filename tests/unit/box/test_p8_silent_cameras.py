"""What was in view of a camera that gives no frame any more does not stay in memory."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from datetime import timezone

import pytest

from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.box.engine import SILENT_S, Engine, Stream
from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.domain.imaging import Box, Frame, Pixels
from edge.domain.schedule import Hours, Schedule
from edge.domain.vehicles import VehicleSeen
from edge.pipeline.evidence import SealedHit
from edge.pipeline.rule_book import RuleBook
from edge.pipeline.watcher import VehicleWatcher
from edge.privacy.pseudonyms import SaltChain
from tests.support.fakes import ScriptedModels, ScriptedPlate, reading_of
from tests.unit.box.test_engine import COMPETENCES, HOTLIST, IN_CLEAR, LISTED, NO_HIT, OTHER

PATIENCE_S = 10.0
FRAMES = 12


class ClosingCamera:
    """Gives frames with one plate in view, then none, until somebody lets it end."""

    name = "cam-1"
    expected_frames = None
    corrupt_frames = 0

    def __init__(self, plate: str) -> None:
        boxes = [Box(100 + 9 * number, 200, 180 + 9 * number, 224) for number in range(FRAMES)]
        self.models = ScriptedModels([[ScriptedPlate(box, reading_of(plate))] for box in boxes])
        self.given: list[weakref.ref[Pixels]] = []
        self.looked = threading.Semaphore(0)
        self.is_silent = False
        self.ends = threading.Event()
        self.was_let_end = False

    def close(self) -> None:
        self.ends.set()

    def frames(self) -> Iterator[Frame]:
        for frame in self.models.frames():
            self.given.append(weakref.ref(frame.pixels))
            yield frame
            del frame
            self.looked.acquire(timeout=PATIENCE_S)
        self.is_silent = True
        self.was_let_end = self.ends.wait(PATIENCE_S)


class CountedWatcher(VehicleWatcher):
    """Lets the camera give its next frame when it has seen one, so that none is left out."""

    def __init__(self, camera: ClosingCamera) -> None:
        super().__init__(camera.name, camera.models, camera.models)
        self._looked = camera.looked

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        seen = super().observe(frame)
        self._looked.release()
        return seen


@pytest.mark.parametrize(("plate", "hits"), [(LISTED, 1), (OTHER, 0)])
def test_p8_what_is_in_view_when_a_camera_closes_is_judged_and_dropped(
    plate: str, hits: int
) -> None:
    """Else it would stay in memory until the camera opens again, perhaps for days."""
    camera = ClosingCamera(plate)
    stored: list[EvidenceCase] = []
    held: list[int] = []

    def store(case: EvidenceCase) -> SealedHit:
        stored.append(case)
        return NO_HIT

    def let_end() -> None:
        """Once the vehicle is counted, while the camera still waits."""
        if engine.counts.vehicles:
            gc.collect()
            held.append(sum(one() is not None for one in camera.given))
            camera.ends.set()

    worker = EvidenceWorker(store)
    worker.start()
    chain = SaltChain("site", "box", bytes)
    always = Schedule(timezone.utc, ((Hours.parse("00:00-24:00"),),) * 7)
    guarded = GuardedCamera(camera, always)
    engine = Engine(
        [Stream(guarded, "clip", CountedWatcher(camera), live=True)],
        RuleBook([HOTLIST], chain, IN_CLEAR, 900, COMPETENCES),
        worker,
        on_turn=let_end,
        monotonic=lambda: 1000.0 + (SILENT_S if camera.is_silent else 0),
    )
    try:
        engine.run(realtime=True)
    finally:
        worker.close()

    assert camera.was_let_end
    assert (engine.counts.vehicles, len(stored)) == (1, hits)
    if not hits:  # the evidence of a hit is kept by this test
        assert held[0] == 0
