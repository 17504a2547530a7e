"""P1: a fault during a run closes the cameras, and is published and recorded as a fault."""

from __future__ import annotations

import json
import logging
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.state.audit_log import FILE_NAME, read_log
from edge.box import Recording, RunProgress, run_site
from edge.formats.timestamps import parse_utc
from edge.privacy.audit_events import StateChanged, Stopped
from edge.site.folder import load_site_folder
from tests.support.brokers import wait_until
from tests.support.message_recorder import MessageRecorder
from tests.support.product import CLIPS
from tests.support.sites import CAMERA, MadeSite, make_site

LISTED = "1DLK482"
CLIP = Recording(CAMERA, CLIPS / "street_day.mp4", parse_utc("2026-03-10T07:25:00.000Z"))


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def made(tmp_path: Path, broker: EmbeddedBroker) -> MadeSite:
    return make_site(tmp_path, stolen=[LISTED], port=broker.port)


def said(recorder: MessageRecorder) -> list[tuple[str, str]]:
    messages = [json.loads(one.payload) for one in recorder.of_kind("availability")]
    return [(one["state"], one["reason"]) for one in messages]


def test_p1_a_crash_is_recorded_and_published_as_a_fault_without_its_text(
    made: MadeSite, broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(_index: int) -> None:
        raise RuntimeError(LISTED)

    caplog.set_level(logging.DEBUG)
    site = load_site_folder(made.folder)
    with MessageRecorder(broker.port) as recorder:
        with pytest.raises(RuntimeError):
            run_site(site, [CLIP], progress=RunProgress(on_frame=crash), drain_s=0)
        assert wait_until(lambda: ("safe", "E_INTERNAL") in said(recorder))
        assert said(recorder)[-1] == ("safe", "E_INTERNAL")
    events = [entry.event for entry in read_log(made.state).entries]
    assert StateChanged("safe", "E_INTERNAL") in events
    assert events[-1] == Stopped("E_INTERNAL")
    assert LISTED not in caplog.text
    assert LISTED.encode() not in (made.state / FILE_NAME).read_bytes()


def test_p1_a_hit_that_cannot_be_stored_shuts_the_box_until_storing_works_again(
    made: MadeSite, broker: EmbeddedBroker
) -> None:
    """After the first frame the outbox cannot be written: its pages lie beyond this limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def forbid_large_files(_index: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))

    site = load_site_folder(made.folder)
    with MessageRecorder(broker.port) as recorder:
        try:
            done = run_site(
                site, [CLIP], progress=RunProgress(on_frame=forbid_large_files), drain_s=0
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert done.failure is not None
        code = done.failure.code
        assert wait_until(lambda: ("safe", code) in said(recorder)), said(recorder)
        assert said(recorder)[-1] == ("safe", code)
        events = [entry.event for entry in read_log(made.state).entries]
        assert StateChanged("safe", code) in events

        again = run_site(site, [CLIP], drain_s=0)
        assert wait_until(lambda: said(recorder)[-1][0] == "offline")
    assert again.summary.hits == 1
