"""The engine: each vehicle is judged once for each rule and counted once; stopping is orderly."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.cameras.jpeg import encode_jpeg
from edge.box.engine import Engine, Stream
from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.domain.geometry import Direction, Line
from edge.domain.imaging import Box, Frame
from edge.domain.lists import ListEntry
from edge.domain.plates import Hypothesis, PlateText
from edge.domain.reading import PlateConsensus
from edge.domain.reveal import RevealLevel
from edge.domain.rules import Rule, RuleKind
from edge.domain.vehicles import KeyFrame, TrackPoint, VehicleSeen
from edge.errors import CameraError, OutboxError, PolicyError
from edge.pipeline.evidence import EvidenceMaker, SealedHit
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.privacy.pseudonyms import SaltChain
from tests.support.colour_parser import CountingParser, colour_parser
from tests.support.fakes import competent
from tests.support.parties import make_parties
from tests.support.plate_lists import in_clear

START = datetime(2026, 3, 10, 7, 25, tzinfo=timezone.utc)
LISTED, OTHER = "1ABC123", "2XYZ987"

NO_HIT = SealedHit("0" * 32, b"", pictures_left_out=0)

COMPETENCES = {"police": competent("stolen", "wrong-way")}
DAY = timedelta(days=1)
ENTRY = ListEntry("e-1", PlateText(LISTED), START - DAY, START + DAY, "law", "stolen", "police")
IN_CLEAR = in_clear(lambda _list: (ENTRY,))

HOTLIST = Rule(
    id="stolen",
    kind=RuleKind.HOTLIST,
    purpose="wanted",
    authority="police",
    reveal=RevealLevel.PLATE,
    min_posterior=0.9,
    min_margin=0.5,
    list_id="stolen",
)
WRONG_WAY = Rule(
    id="wrong-way",
    kind=RuleKind.WRONG_WAY,
    purpose="safety",
    authority="police",
    reveal=RevealLevel.VEHICLE,
    min_posterior=0.9,
    min_margin=0.5,
    line=Line((0.0, 0.5), (1.0, 0.5)),
    allowed=Direction.LEFT_TO_RIGHT,
)


def vehicle(
    number: int,
    plate: str | None,
    *,
    final: bool = True,
    posterior: float = 0.99,
    upwards: bool = False,
) -> VehicleSeen:
    """A vehicle that drives down the picture (over the line the allowed way), or up."""
    path = [10.0, 30.0, 50.0, 70.0, 90.0]
    if upwards:
        path.reverse()
    points = tuple(TrackPoint(i / 5, Box(40, y - 2, 50, y + 2)) for i, y in enumerate(path))
    consensus = None
    if plate is not None:
        consensus = PlateConsensus((Hypothesis(PlateText(plate), posterior),), reads=5)
    return VehicleSeen(
        camera="cam-1",
        number=number,
        final=final,
        first_seen=START,
        last_seen=START + timedelta(seconds=1),
        trajectory=points,
        consensus=consensus,
        key_frame=KeyFrame(2, START, points[2].box, (), np.zeros((100, 100, 3), np.uint8)),
    )


class ScriptedCamera:
    """A camera of so many frames that then may fail."""

    corrupt_frames = 0

    def __init__(
        self, frames: int, *, name: str = "cam-1", failure: Exception | None = None
    ) -> None:
        self.name = name
        self.expected_frames = frames
        self._failure = failure

    def close(self) -> None:
        pass

    def frames(self) -> Iterator[Frame]:
        for index in range(self.expected_frames):
            yield Frame(self.name, index, float(index), START, np.zeros((4, 4, 3), np.uint8))
        if self._failure is not None:
            raise self._failure


class ScriptedWatcher:
    """A watcher that returns the script's vehicles at each frame, and the rest at the end."""

    def __init__(
        self, script: Sequence[tuple[VehicleSeen, ...]], at_end: Sequence[VehicleSeen]
    ) -> None:
        self.stage_seconds = {"detect": 0.0}
        self._script = iter(script)
        self._at_end = tuple(at_end)

    def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
        return next(self._script, ())

    def finish(self) -> tuple[VehicleSeen, ...]:
        return self._at_end


def run(
    streams: Sequence[Stream],
    rules: Sequence[Rule] = (HOTLIST, WRONG_WAY),
    *,
    epoch_s: float = 900,
    realtime: bool = False,
    store: Callable[[EvidenceCase], SealedHit] = lambda _case: NO_HIT,
) -> tuple[Engine, list[EvidenceCase]]:
    """Run streams to their end; cases come back in the order in which they were stored."""
    cases: list[EvidenceCase] = []

    def keep_and_store(case: EvidenceCase) -> SealedHit:
        cases.append(case)
        return store(case)

    counter = itertools.count()
    chain = SaltChain("site", "box", lambda size: next(counter).to_bytes(size, "big"))
    worker = EvidenceWorker(keep_and_store)
    worker.start()
    engine = Engine(
        streams,
        RuleBook(rules, chain, IN_CLEAR, epoch_s, COMPETENCES),
        worker,
    )
    try:
        engine.run(realtime=realtime)
    finally:
        worker.close()
    return engine, cases


def stream(
    *script: tuple[VehicleSeen, ...],
    at_end: Sequence[VehicleSeen] = (),
    camera: ScriptedCamera | None = None,
) -> Stream:
    return Stream(camera or ScriptedCamera(len(script)), "clip", ScriptedWatcher(script, at_end))


def test_only_the_listed_vehicle_makes_a_hit() -> None:
    engine, cases = run([stream((vehicle(1, LISTED),), (vehicle(2, OTHER),), ())])
    assert [case.offence.rule.id for case in cases] == ["stolen"]
    assert (engine.counts.vehicles, engine.counts.with_hit) == (2, 1)


def test_a_vehicle_that_stays_is_judged_once_for_each_rule_and_counted_once() -> None:
    early = vehicle(1, LISTED, final=False, upwards=True)
    gone = vehicle(1, LISTED, final=True, upwards=True)
    engine, cases = run([stream((early,), (), (gone,))])
    assert [case.offence.rule.id for case in cases] == ["stolen", "wrong-way"]
    assert (engine.counts.vehicles, engine.counts.with_hit) == (1, 1)


def test_a_direction_is_not_judged_before_the_vehicle_has_left() -> None:
    _, cases = run([stream((vehicle(1, OTHER, final=False, upwards=True),), at_end=[])])
    assert cases == []


def test_vehicles_in_view_at_the_end_are_judged() -> None:
    engine, cases = run([stream((), at_end=[vehicle(1, LISTED)])])
    assert len(cases) == 1
    assert engine.counts.vehicles == 1


def test_outcomes_are_counted_by_vehicle() -> None:
    engine, cases = run(
        [stream((vehicle(1, OTHER), vehicle(2, LISTED, posterior=0.6), vehicle(3, None)))]
    )
    assert cases == []
    assert engine.counts.outcomes == {
        ReadOutcome.READ: 1,
        ReadOutcome.AMBIGUOUS: 1,
        ReadOutcome.UNREADABLE: 1,
    }


def test_p7_the_scene_parser_is_asked_for_offences_only(tmp_path: Path) -> None:
    """Nothing is added to the path of a frame: 40 vehicles pass, and one of them is listed."""
    parser = CountingParser(colour_parser(tmp_path))
    parties = make_parties(tmp_path, authority="police")
    maker = EvidenceMaker(
        policy_sha256="0" * 64,
        box_keys=parties.box,
        authorities={"police": parties.authority_public},
        payload_cap_bytes=64 * 1024,
        random_bytes=os.urandom,
        encode=encode_jpeg,
        parser=parser,
    )
    made: list[SealedHit] = []

    def store(case: EvidenceCase) -> SealedHit:
        made.append(maker.make(case.vehicle, case.offence, case.epoch, len(made)))
        return made[-1]

    passing = [(vehicle(n, OTHER),) for n in range(1, 41)]
    rules = [replace(HOTLIST, reveal=RevealLevel.VEHICLE)]
    run([stream(*passing)], rules, store=store)
    assert (parser.asked, made) == (0, [])

    engine, _ = run([stream(*passing, (vehicle(41, LISTED),))], rules, store=store)
    assert (engine.counts.vehicles, len(made), parser.asked) == (41, 1, 1)


def test_equal_numbers_in_two_streams_are_two_vehicles() -> None:
    engine, cases = run(
        [
            stream((vehicle(1, LISTED, final=False),), (vehicle(1, LISTED),)),
            stream((vehicle(1, LISTED),)),
        ]
    )
    assert len(cases) == 2
    assert engine.counts.vehicles == 2


def test_tokens_of_one_plate_differ_between_epochs_and_matching_goes_on() -> None:
    sightings = [(vehicle(n, LISTED),) for n in range(1, 4)]
    engine, cases = run([stream(*sightings)], [HOTLIST], epoch_s=1.0)
    assert len({case.offence.candidate.token.value for case in cases}) == 3
    assert [case.epoch for case in cases] == [0, 1, 2]
    assert engine.counts.with_hit == 3


def test_epochs_continue_from_one_stream_to_the_next() -> None:
    one = stream(*[()] * 11)
    two = stream((), (vehicle(1, LISTED),))
    _, cases = run([one, two], [HOTLIST], epoch_s=10.5)
    assert [case.epoch for case in cases] == [1]


def test_the_first_analysed_frame_of_a_stream_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="edge.box.engine"):
        run([stream((), (), ()), stream((vehicle(1, LISTED),))])
    # The same line with and without traffic.
    assert caplog.messages == ["camera cam-1: the first frame is analysed"] * 2


def test_a_broken_stream_is_reported_after_the_others_have_run() -> None:
    failure = CameraError("bad.mp4: no frame can be decoded")
    broken = stream(camera=ScriptedCamera(0, failure=failure))
    good = stream((vehicle(1, LISTED),))
    with pytest.raises(CameraError, match=r"bad\.mp4"):
        run([broken, good])
    assert good.analysed == 1


def test_a_case_that_cannot_be_stored_stops_the_run() -> None:
    def refuse(case: EvidenceCase) -> SealedHit:
        raise OutboxError("the outbox is full")

    chain = SaltChain("site", "box", bytes)
    worker = EvidenceWorker(refuse)
    worker.start()
    endless = stream(*[(vehicle(n, LISTED),) for n in range(1, 200)])
    engine = Engine(
        [endless],
        RuleBook([HOTLIST], chain, IN_CLEAR, 900, COMPETENCES),
        worker,
    )
    with pytest.raises(OutboxError, match="full"):
        engine.run(realtime=False)
    assert endless.analysed < 199
    with pytest.raises(OutboxError, match="full"):
        worker.close()


def test_in_real_time_the_cameras_run_concurrently() -> None:
    streams = [
        Stream(ScriptedCamera(1, name=name), name, ScriptedWatcher([(vehicle(1, LISTED),)], []))
        for name in ("cam-1", "cam-2")
    ]
    engine, cases = run(streams, [HOTLIST], realtime=True)
    assert len(cases) == 2
    assert engine.counts.vehicles == 2


# --- shut -------------------------------------------------------------------------------------

SUNSET = PolicyError("the policy ended", code="E_SUNSET")


class StalledCamera(ScriptedCamera):
    """A camera that gives some frames and then none until the test releases it."""

    def __init__(self, frames: int) -> None:
        super().__init__(frames)
        self.let_go = threading.Event()

    def frames(self) -> Iterator[Frame]:
        yield from super().frames()
        self.let_go.wait(30)


def test_p11_a_shut_engine_accepts_no_frame_and_judges_no_vehicle_in_view() -> None:
    camera = StalledCamera(3)
    seen_late = vehicle(1, LISTED)
    one = stream(at_end=[seen_late], camera=camera)
    cases: list[EvidenceCase] = []

    def store(case: EvidenceCase) -> SealedHit:
        cases.append(case)
        return SealedHit("0" * 32, b"", 0)

    worker = EvidenceWorker(store)
    worker.start()
    chain = SaltChain("site", "box", os.urandom)
    rule_book = RuleBook([HOTLIST], chain, IN_CLEAR, 900, COMPETENCES)
    engine = Engine([one], rule_book, worker, on_frame=lambda _index: engine.shut(SUNSET))

    started = time.monotonic()
    with pytest.raises(PolicyError) as caught:
        engine.run(realtime=False)
    camera.let_go.set()
    worker.close()

    assert caught.value is SUNSET
    assert time.monotonic() - started < 5
    assert one.analysed == 1
    assert cases == []
    assert engine.counts.vehicles == 0


def test_p17_a_shut_engine_closes_its_cameras_while_a_frame_is_still_analysed() -> None:
    closed, let_go = threading.Event(), threading.Event()

    class Closing(ScriptedCamera):
        def close(self) -> None:
            closed.set()

    class Busy(ScriptedWatcher):
        def observe(self, frame: Frame) -> tuple[VehicleSeen, ...]:
            engine.shut(SUNSET)
            assert let_go.wait(30)
            return ()

    engine = Engine(
        [Stream(Closing(1), "clip", Busy([], []))],
        RuleBook([HOTLIST], SaltChain("s", "b", os.urandom), IN_CLEAR, 900, COMPETENCES),
        EvidenceWorker(lambda _case: NO_HIT),
    )

    def run_until_shut() -> None:
        with pytest.raises(PolicyError):
            engine.run(realtime=True)

    running = threading.Thread(target=run_until_shut)
    running.start()
    try:
        assert closed.wait(5)
    finally:
        let_go.set()
        running.join()


def test_p11_a_shut_engine_opens_no_source() -> None:
    opened = []

    class Watched(ScriptedCamera):
        def frames(self) -> Iterator[Frame]:
            opened.append(self.name)
            return super().frames()

    streams = [stream(camera=Watched(2, name="cam-1")), stream(camera=Watched(2, name="cam-1"))]
    rule_book = RuleBook(
        [HOTLIST],
        SaltChain("s", "b", os.urandom),
        IN_CLEAR,
        900,
        COMPETENCES,
    )
    for realtime in (False, True):
        worker = EvidenceWorker(lambda _case: SealedHit("0" * 32, b"", 0))
        engine = Engine(streams, rule_book, worker)
        engine.shut(SUNSET)
        with pytest.raises(PolicyError):
            engine.run(realtime=realtime)
    assert opened == []


def test_p11_a_shut_engine_does_not_continue_with_the_next_file_and_clears_its_watchers() -> None:
    opened: list[str] = []

    class Watched(ScriptedCamera):
        def frames(self) -> Iterator[Frame]:
            opened.append(str(self.expected_frames))
            return super().frames()

    class Emptied(ScriptedWatcher):
        finished = 0

        def finish(self) -> tuple[VehicleSeen, ...]:
            self.finished += 1
            return super().finish()

    watchers = [Emptied([], [vehicle(1, LISTED)]) for _ in range(2)]
    streams = [
        Stream(Watched(count), "clip", watcher)
        for count, watcher in zip((500, 2), watchers, strict=True)
    ]
    rule_book = RuleBook(
        [HOTLIST],
        SaltChain("s", "b", os.urandom),
        IN_CLEAR,
        900,
        COMPETENCES,
    )
    worker = EvidenceWorker(lambda _case: SealedHit("0" * 32, b"", 0))
    engine = Engine(streams, rule_book, worker, on_frame=lambda _index: engine.shut(SUNSET))
    with pytest.raises(PolicyError):
        engine.run(realtime=True)

    assert opened == ["500"]
    assert [one.finished for one in watchers] == [1, 1]
    assert engine.counts.vehicles == 0
