"""Health needs progress, and a final state is never left."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edge.adapters.host.metrics import CameraFigures, RuleFigures, exposition
from edge.box.health import BoxHealth
from edge.box.traffic import ClosedEpochs


class Box:
    """A box whose clock and parts the test controls."""

    def __init__(self) -> None:
        self.now = 100.0
        self.up = True
        self.opens_at: datetime | None = None
        self.substream: bool | None = None
        self.connected = True
        self.problems: tuple[str, ...] = ()
        self.rule = RuleFigures("zone", stopped=False, without_permits=False)
        self.health = BoxHealth(
            version="1",
            site="street",
            box="box-1",
            traffic=ClosedEpochs(["read"], ["stolen"], ["detect"]),
            cameras=lambda: [
                CameraFigures("cam-1", 5, 0, 1, self.up, self.opens_at, self.substream)
            ],
            broker=lambda: (self.connected, 2),
            rules=lambda: [self.rule],
            epoch_s=900,
            monotonic=lambda: self.now,
            clock=lambda: None,
            temperatures=dict,
            stalled_s=20,
            broker_problems=lambda: self.problems,
        )


@pytest.fixture
def box() -> Box:
    return Box()


def test_a_box_is_ready_once_it_is_online_and_its_cameras_give_frames(box: Box) -> None:
    assert box.health.ready().reason == "starting"

    box.health.enter("online", "online")

    assert box.health.ready().holds
    box.up = False
    assert box.health.ready().reason == "camera-away"
    assert box.health.healthy().holds, "a camera that is away is no reason to be restarted"


def test_a_box_says_until_when_a_camera_is_closed(box: Box) -> None:
    box.opens_at = datetime(2026, 11, 30, 8, 15, tzinfo=ZoneInfo("Europe/Brussels"))
    box.health.enter("online", "online")

    assert box.health.ready().holds
    told = "online; 0 of 1 camera gives frames; broker reached"
    assert box.health.status() == f"{told}; cam-1 closed until 2026-11-30 08:15 CET"
    assert (
        'edge_anpr_camera_opens_timestamp_seconds{camera="cam-1"} 1.7960229e+09'
        in exposition(box.health.figures()).decode()
    )


@pytest.mark.parametrize(
    ("substream", "told", "metric"),
    [
        (None, "", None),
        (True, "", 'edge_anpr_camera_substream{camera="cam-1"} 1.0'),
        (False, "; without substream: cam-1", 'edge_anpr_camera_substream{camera="cam-1"} 0.0'),
    ],
)
def test_a_box_says_which_camera_is_not_watched_through_its_substream(
    box: Box, substream: bool | None, told: str, metric: str | None
) -> None:
    box.substream = substream
    box.health.enter("online", "online")

    assert box.health.ready().holds, "the main stream is watched instead"
    assert box.health.status() == f"online; 1 of 1 camera gives frames; broker reached{told}"
    shown = exposition(box.health.figures()).decode()
    assert metric in shown if metric else "camera_substream" not in shown


def test_a_stalled_pipeline_is_unhealthy(box: Box) -> None:
    box.health.enter("online", "online")
    box.health.turned(1)
    box.now += 19
    assert box.health.healthy().holds

    box.now += 2

    assert box.health.healthy().reason == "stalled"
    assert box.health.ready().reason == "stalled"
    box.health.turned(1)
    assert box.health.healthy().holds


def test_a_thread_that_has_ended_is_unhealthy(box: Box) -> None:
    alive = True
    box.health.watch("gatekeeper", lambda: alive)
    box.health.enter("online", "online")
    assert box.health.healthy().holds

    alive = False

    assert box.health.healthy().reason == "gatekeeper-ended"


def test_the_safe_state_lasts_until_the_box_ends(box: Box) -> None:
    seen: list[str] = []
    box.health.follow(seen.append)
    box.health.enter("online", "online")

    box.health.enter("safe", "E_SUNSET")
    box.health.enter("stopping", "stopped")
    box.health.enter("online", "online")

    assert seen == ["online", "safe"]
    assert box.health.ready().reason == "E_SUNSET"
    assert box.health.healthy().holds, "restarting it would open nothing"


def test_the_age_of_the_salt_restarts_with_each_epoch(box: Box) -> None:
    assert box.health.figures().key_age_s is None

    box.health.turned(1)
    box.now += 10
    box.health.turned(1)
    assert box.health.figures().key_age_s == 10

    box.health.turned(2)
    box.now += 3
    assert box.health.figures().key_age_s == 3


def test_the_status_line_contains_no_traffic_counts(box: Box) -> None:
    box.health.enter("online", "online")
    box.connected = False

    assert box.health.status() == "online; 1 of 1 camera gives frames; broker away"


def test_the_status_line_and_the_metrics_name_what_the_broker_refuses(box: Box) -> None:
    box.health.enter("online", "online")
    assert b"edge_anpr_broker_problem{" not in exposition(box.health.figures())

    box.problems = ("audit-refused", "client-id-shared")

    shown = "online; 1 of 1 camera gives frames; broker reached, audit-refused, client-id-shared"
    assert box.health.status() == shown
    metrics = exposition(box.health.figures()).decode()
    assert 'edge_anpr_broker_problem{problem="audit-refused"} 1.0' in metrics
    assert 'edge_anpr_broker_problem{problem="client-id-shared"} 1.0' in metrics
    assert box.health.ready().holds, "hits are made and delivered all the same"


def test_p11_a_rule_that_makes_no_hits_is_in_the_status_line_and_in_the_figures(box: Box) -> None:
    box.health.enter("online", "online")
    before = "online; 1 of 1 camera gives frames; broker reached"

    box.rule = RuleFigures("zone", stopped=False, without_permits=True)
    assert box.health.status() == f"{before}; too few permits left: zone"
    box.rule = RuleFigures("zone", stopped=True, without_permits=False)
    assert box.health.status() == f"{before}; E_HIT_SHARE, stopped: zone"
    assert box.health.figures().rules == (box.rule,)
    assert box.health.ready().holds, "its other rules go on"
