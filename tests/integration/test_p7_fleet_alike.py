"""P7: one box saw nine vehicles and sealed hits, another nothing: all that is shown is the same."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from edge.adapters.host.system import SystemClock
from edge.adapters.state.audit_log import AuditTrail
from edge.adapters.state.key_files import load_box_keys, load_box_public_keys
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.outbox import Outbox
from edge.box.status_reports import RHYTHM_S, Readings, Running, StatusReports
from edge.desk.accounts import ActingPerson
from edge.desk.boxes import BoxStates
from edge.desk.fleet import fleet
from edge.desk.fleet_metrics import fleet_exposition
from edge.desk.rights import DeskRole
from edge.desk.web.app import desk_app
from edge.domain.counting import coarse
from edge.privacy.audit_events import EpochClosed
from edge.privacy.checkpoints import box_log
from edge.site.folder import load_site_folder
from tests.support.desk_web import OFFICER, SECOND, Web, opened
from tests.support.desks import FIRST, NOW, added, make_desk, terms
from tests.support.fakes import SetClock
from tests.support.publishing import TOMORROW
from tests.support.real_site import make_real_site

VEHICLES = 9
QUARTERS = 4
HIT = b"x" * 90_000


class RunBox:
    """A box with its real files for an hour, in which vehicles pass in each quarter, or none."""

    def __init__(self, base: Path, vehicles: int) -> None:
        self.made = make_real_site(base)
        self.site = load_site_folder(self.made.folder)
        self.keys = load_box_keys(self.made.folder / "keys")
        self.public = load_box_public_keys(self.made.box_public)
        self.clock = SetClock(NOW)
        self.sent: list[tuple[float, str, bytes]] = []
        self._degrees = 45
        self._run(vehicles)

    def _run(self, vehicles: int) -> None:
        settings, state = self.site.settings, self.made.state
        reports = StatusReports(
            self.site,
            self.keys,
            self.clock,
            lambda sent: self._send("status", sent),
            running=Running("ab" * 32),
            readings=Readings(lambda: None, lambda: {"cpu": self._degrees}, self._disk_share),
        )
        name = box_log(settings.site, settings.box)
        with (
            Keyring.open(self.made.folder / "keyring", SystemClock()) as keyring,
            Outbox.open(state, keyring, reserve_mib=8) as outbox,
            AuditTrail.open(
                state, name, self.keys, self.clock.utc, known=[self.keys.public]
            ) as audit,
        ):
            audit.follow(lambda checkpoint: self._send("audit", checkpoint.note()))
            for quarter in range(QUARTERS):
                for look in range(30):
                    self._degrees = 45
                    reports.look()
                    if look < vehicles:
                        self._degrees = 65  # work makes the processor warm for a moment
                        outbox.put(
                            f"{quarter:016x}{look:016x}",
                            "cam-1",
                            "topic",
                            HIT,
                            purpose="wanted-vehicles",
                            receipt_required=False,
                            expires_at=TOMORROW,
                        )
                    self.clock.pass_time(timedelta(seconds=RHYTHM_S / 60))
                    reports.look()
                    self.clock.pass_time(timedelta(seconds=RHYTHM_S / 60))
                seen = coarse(vehicles)
                audit.append(EpochClosed(quarter, vehicles=seen, hits=seen, deleted=seen))

    def _send(self, kind: str, payload: bytes) -> None:
        self.sent.append((self.clock.monotonic(), kind, payload))

    def _disk_share(self, folder: Path) -> float:
        """How much of a disk of 30 MB the files of the state folder take."""
        files = {one.stat().st_ino: one.stat() for one in folder.rglob("*") if one.is_file()}
        return sum(one.st_blocks * 512 for one in files.values()) / 30e6


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunBox, RunBox]:
    base = tmp_path_factory.mktemp("boxes")
    return RunBox(base / "busy", VEHICLES), RunBox(base / "idle", 0)


def unsigned(payload: bytes) -> dict[str, object]:
    """A statement without what differs between any two boxes."""
    content: dict[str, object] = json.loads(payload)
    for name in ("signature", "box_key_id"):
        del content[name]
    policy = content["policy"]
    assert isinstance(policy, dict)
    # The boxes are activated at different moments, with keys of their own.
    assert policy.pop("lease_ends")
    assert policy.pop("sha256")
    return content


def test_p7_two_boxes_of_which_one_saw_nine_vehicles_state_the_same(
    both: tuple[RunBox, RunBox],
) -> None:
    busy, idle = (
        [(at, unsigned(payload)) for at, kind, payload in box.sent if kind == "status"]
        for box in both
    )
    assert len(busy) == QUARTERS, "the rhythm alone decides when a statement is sent"
    assert busy == idle
    assert [one["temperature_c"] for _, one in busy] == [40] * QUARTERS
    assert all(isinstance(one["disk_percent"], int) for _, one in busy)
    sizes = [[(at, payload.count(b"\n")) for at, kind, payload in box.sent if kind == "audit"]
             for box in both]  # fmt: skip
    assert sizes[0] == sizes[1], "no checkpoint comes because of a hit"


MASKED = r"[0-9a-f]{16,64}|in -?[0-9]+ days|edge_anpr_fleet_lease_ends.*"
"""Keys, digests and the end of the lease, which differ between any two boxes."""


def views(desk_folder: Path, box: RunBox) -> dict[str, str]:
    """All that a desk shows that has received what one of the boxes sent."""
    desk = make_desk(desk_folder)
    clock = SetClock(NOW)
    site, name = box.public.site, box.public.box
    with opened(desk, clock.utc) as shared:
        states = BoxStates(shared.database, {(site, name): box.public}, clock.utc)
        states.register()
        begun = box.sent[0][0]
        for at, kind, payload in box.sent:
            clock.now = NOW + timedelta(seconds=at - begun)
            states.take_all([(f"anpr/{site}/{name}/{kind}", payload)])
        added(shared.people, OFFICER, SECOND)
        right = shared.people.propose(ActingPerson(FIRST), terms(SECOND, DeskRole.SUPERVISOR))
        shared.people.approve(ActingPerson(SECOND), right.right_id)
        client = TestClient(desk_app(shared), headers={"accept-language": "en"})
        Web(desk, shared.database, shared.people, NOW, client).log_in()
        found = fleet(shared.database, clock.now)
        shown = {
            "boxes": client.get("/boxes").text,
            "box": client.get(f"/boxes/{site}/{name}").text,
            "figures": client.get("/figures").text,
            "metrics": fleet_exposition(found).decode(),
            "known": repr(found.boxes).replace(found.boxes[0].lease_ends or "-", "lease"),
        }
    token = re.compile(r'name="token" value="[^"]*"')
    return {key: re.sub(MASKED, "…", token.sub("", text)) for key, text in shown.items()}


def test_p7_two_boxes_of_which_one_saw_nine_vehicles_are_shown_alike(
    tmp_path: Path, both: tuple[RunBox, RunBox]
) -> None:
    busy, idle = (views(tmp_path / name, box) for name, box in zip("bi", both, strict=True))

    assert "at least 40 °C" in busy["box"]
    assert 'edge_anpr_fleet_boxes{site="test-street",state="online"} 1' in busy["metrics"]
    for name, content in busy.items():
        assert content == idle[name], name
