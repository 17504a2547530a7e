"""A box states what it is at the start, on changes and at a fixed rhythm, whatever passes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.host.kernel_clock import KernelClock
from edge.adapters.state.key_files import load_box_keys, load_box_public_keys
from edge.adapters.state.last_update import UPDATE_NAME, LastUpdate
from edge.adapters.state.list_counters import COUNTERS_NAME, LastBundle, ListCounters
from edge.adapters.state.status_counter import STATUS_COUNTER_NAME
from edge.box.status_reports import RHYTHM_S, Readings, Running, StatusReports
from edge.errors import OutboxError
from edge.privacy.box_status import BoxStatus, verified_status
from edge.site.folder import SiteFolder, load_site_folder
from tests.support.fakes import SetClock
from tests.support.real_site import RealSite, make_real_site

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RealSite:
    return make_real_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def site(made: RealSite) -> SiteFolder:
    return load_site_folder(made.folder)


class Machine:
    """What a test sets: temperatures, disk and kernel clock."""

    def __init__(self) -> None:
        self.degrees: dict[str, int] = {"cpu": 45, "board": 30}
        self.used = 0.377
        self.kernel: KernelClock | None = KernelClock(True, 0.0, 0.1)
        self.steps = 0

    def readings(self) -> Readings:
        return Readings(lambda: self.kernel, lambda: self.degrees, lambda _folder: self.used)


class Reported:
    """The reports of a box, one look at a time, with all statements that it published."""

    def __init__(self, made: RealSite, site: SiteFolder) -> None:
        self.clock, self.machine = SetClock(NOW), Machine()
        self.public = load_box_public_keys(made.box_public)
        self.sent: list[BoxStatus] = []
        self.reports = StatusReports(
            site,
            load_box_keys(made.folder / "keys"),
            self.clock,
            self.take,
            running=Running("ab" * 32, lambda: self.machine.steps),
            readings=self.machine.readings(),
            look_s=60,
        )

    def take(self, payload: bytes) -> None:
        self.sent.append(verified_status(payload, self.public, self.clock.now))

    def after(self, seconds: float) -> list[BoxStatus]:
        """What is published by a look so many seconds later."""
        self.clock.pass_time(timedelta(seconds=seconds))
        before = len(self.sent)
        self.reports.look()
        return self.sent[before:]


@pytest.fixture
def box(made: RealSite, site: SiteFolder) -> Reported:
    for name in (UPDATE_NAME, COUNTERS_NAME, STATUS_COUNTER_NAME):
        (made.state / name).unlink(missing_ok=True)
    return Reported(made, site)


def test_the_first_statement_names_all_that_is_in_use(
    box: Reported, made: RealSite, site: SiteFolder
) -> None:
    last = LastBundle(counter=41, sha256="ab" * 32)
    counters = ListCounters(lists={"stolen": last, "no-longer-named": last})
    (made.state / COUNTERS_NAME).write_bytes(counters.to_bytes())
    last_update = LastUpdate(target="9.9.9", outcome="rolled-back", at="2026-11-29T12:00:00.000Z")
    (made.state / UPDATE_NAME).write_bytes(last_update.to_bytes())

    (said,) = box.after(0)

    assert (said.site, said.box) == (site.settings.site, site.settings.box)
    assert (said.state, said.reason, said.said) == ("online", "running", NOW)
    assert said.weights_sha256 == "ab" * 32
    assert said.policy is not None
    assert (said.policy.sha256, said.policy.version) == (site.policy_sha256, site.policy.version)
    assert (
        said.policy.lease_ends
        == json.loads((made.state / "activation.json").read_text())["activation"]["lease"][
            "expires_at"
        ]
    )
    assert [(one.list_, one.counter) for one in said.lists] == [("stolen", 41)]
    assert (said.clock.synchronised, said.clock.steps) == (True, "none")
    assert (said.temperature_c, said.disk_percent) == (40, 30)
    assert said.update is not None
    assert (said.update.target, said.update.outcome) == ("9.9.9", "rolled-back")


def test_p7_the_rhythm_is_fixed_whatever_happens_in_between(box: Reported) -> None:
    """Nine minutes of changes move no statement of the rhythm."""
    box.after(0)
    assert box.after(RHYTHM_S - 1) == []
    box.reports.say("online", "E_HIT_SHARE")
    assert len(box.after(0.5)) == 1, "a change is said at once"
    assert box.after(0.1) == []
    assert len(box.after(0.4)) == 1, "and the next statement of the rhythm still comes on time"
    assert len(box.after(5 * RHYTHM_S)) == 1, "a box that slept says it once"
    assert box.after(RHYTHM_S - 1) == []


CHANGES: dict[str, Callable[[Reported, RealSite], Any]] = {
    "state": lambda box, _: box.reports.say("safe", "E_SUSPENDED"),
    "clock": lambda box, _: setattr(box.machine, "kernel", None),
    "step": lambda box, _: setattr(box.machine, "steps", 1),
    "list": lambda _, made: (made.state / COUNTERS_NAME).write_bytes(
        ListCounters(lists={"stolen": LastBundle(counter=1, sha256="ab" * 32)}).to_bytes()
    ),
    "update": lambda _, made: (made.state / UPDATE_NAME).write_bytes(
        LastUpdate(target="2.0", outcome="failed", at="2026-11-29T12:00:00.000Z").to_bytes()
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_said_at_the_next_look(box: Reported, made: RealSite, what: str) -> None:
    (before,) = box.after(0)
    CHANGES[what](box, made)
    (after,) = box.after(1)
    assert after.counter == before.counter + 1
    assert box.after(1) == []


def test_p7_temperature_and_disk_never_cause_a_statement(box: Reported) -> None:
    box.after(0)
    box.machine.degrees, box.machine.used = {"cpu": 95}, 0.99
    assert box.after(1) == []
    assert box.after(RHYTHM_S - 2) == []
    (late,) = box.after(1)
    assert (late.temperature_c, late.disk_percent) == (90, 90)


def test_p7_a_short_work_warms_no_statement(box: Reported) -> None:
    """The lowest reading of an interval counts, so a vehicle that passes does not show."""
    box.after(0)
    box.machine.degrees = {"cpu": 55}
    box.after(30)
    box.machine.degrees = {"cpu": 45}
    box.after(30)
    box.machine.degrees = {"cpu": 55}
    (said,) = box.after(RHYTHM_S - 60)
    assert said.temperature_c == 40
    (hot,) = box.after(RHYTHM_S)
    assert hot.temperature_c == 50, "an interval that was warm throughout shows"


def test_the_counter_rises_over_restarts_and_after_it_was_lost(
    box: Reported, made: RealSite, site: SiteFolder
) -> None:
    (first,) = box.after(0)
    assert first.counter == int(NOW.timestamp())
    again = Reported(made, site)
    (second,) = again.after(0)
    assert second.counter == first.counter + 1
    for lost in (b"", b"{}", b'{"schema":"edge-anpr/status-counter/1","counter":"7"}'):
        (made.state / STATUS_COUNTER_NAME).write_bytes(lost)
        later = Reported(made, site)
        later.clock.pass_time(timedelta(hours=1))
        (third,) = later.after(0)
        assert third.counter > second.counter


def test_a_disk_that_takes_no_counter_sends_no_statement_and_the_next_look_tries_again(
    box: Reported, made: RealSite
) -> None:
    (made.state / STATUS_COUNTER_NAME).mkdir()
    with pytest.raises(OutboxError):
        box.after(0)
    assert box.sent == []
    (made.state / STATUS_COUNTER_NAME).rmdir()
    assert len(box.after(1)) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema":"edge-anpr/last-update/2"}'])
def test_an_update_file_that_is_not_understood_says_nothing(
    box: Reported, made: RealSite, content: bytes
) -> None:
    (made.state / UPDATE_NAME).write_bytes(content)
    (said,) = box.after(0)
    assert said.update is None


def test_nothing_known_of_a_machine_is_no_fault(box: Reported) -> None:
    def lost(_folder: Path) -> float:
        raise OSError

    box.machine.degrees, box.machine.kernel = {}, None
    box.machine.readings = lambda: Readings(lambda: None, dict, lost)  # type: ignore[method-assign]
    box.reports._readings = box.machine.readings()
    (said,) = box.after(0)
    assert (said.temperature_c, said.disk_percent, said.clock.synchronised) == (None, None, None)


def test_the_thread_says_the_last_state_before_it_ends(made: RealSite, site: SiteFolder) -> None:
    box = Reported(made, site)
    told = threading.Event()
    take = box.take

    def taken(payload: bytes) -> None:
        take(payload)
        told.set()

    box.reports._publish = taken
    box.reports.start()
    assert told.wait(10)
    box.reports.say("safe", "E_CLOCK")
    box.reports.stop()
    box.reports.stop()
    assert [one.reason for one in box.sent][-1] == "E_CLOCK"
