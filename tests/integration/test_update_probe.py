"""What the updater hears of a real box: over HTTP, or from its log when it was refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.adapters.state.audit_log import open_box_audit
from edge.adapters.state.key_files import load_box_keys
from edge.privacy.audit_events import StateChanged, Stopped
from edge.site.folder import load_site_folder
from edge.updates.journal import HealthHeard
from edge.updates.ports import MetricsProbe
from tests.integration.test_metrics import watched_street
from tests.support.sites import make_site

NOBODY = 1


def test_a_running_box_says_its_version_state_and_reason(tmp_path: Path) -> None:
    with watched_street([]) as (port, health):
        probe = MetricsProbe("127.0.0.1", port, tmp_path)
        heard = probe()
        assert heard is not None
        assert (heard.state, heard.reason) == ("online", "online")
        assert heard.version == health.figures().version
        health.enter("safe", "E_CLOCK")
        heard = probe()
        assert heard is not None
        assert (heard.state, heard.reason) == ("safe", "E_CLOCK")
    assert probe() is None


def test_a_box_that_was_refused_is_heard_through_its_audit_log(tmp_path: Path) -> None:
    site = load_site_folder(make_site(tmp_path).folder)
    probe = MetricsProbe("127.0.0.1", NOBODY, site.box.state)
    assert probe() is None
    with open_box_audit(site.box, load_box_keys(site.keys_folder)) as trail:
        trail.append(StateChanged("safe", "E_LEASE"))
        assert probe() == HealthHeard(state="safe", reason="E_LEASE")
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        assert probe(later) is None  # it says nothing of a start after that
        assert probe(later - timedelta(hours=2)) is not None
        trail.append(Stopped("interrupted"))
        assert probe() is None
