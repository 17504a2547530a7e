"""`edge-anpr doctor` on a complete site: its findings and its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from tests.support.product import CLIPS, product
from tests.support.shared_material import needs_shared
from tests.support.sites import make_site, policy

pytestmark = needs_shared


def findings(report: Any) -> dict[str, Any]:
    assert report["schema"] == "edge-anpr/doctor/1"
    return {finding["about"]: finding for finding in report["findings"]}


def test_doctor_checks_a_site_with_a_recording_from_clock_to_plates(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        made = make_site(tmp_path, port=broker.port)
        done = product(
            "doctor", "--site", made.folder, "--source", CLIPS / "wrong_way.mp4",
            "--stills", tmp_path / "stills", "--json",
        )  # fmt: skip
    found = findings(done.json)

    assert {"clock", "disk", "swap", "core dumps", "keys", "broker", "speed", "policy"} < set(found)
    assert found["broker"]["state"] == "good"
    assert found["keys"]["state"] == "warning", "trial keys"
    assert found["policy"]["state"] == "good"
    assert found["core dumps"]["state"] == "good"
    assert found["camera cam-1"]["figures"]["per_second"] == pytest.approx(15, abs=0.1)
    assert found["speed"]["figures"]["detect_ms"] > 0
    assert done.json["able"] is (done.status == 0)
    assert done.status == (3 if any(one["state"] == "bad" for one in found.values()) else 0)
    still = cv2.imread(str(tmp_path / "stills" / "cam-1.jpg"))
    assert still is not None
    assert still.shape == (720, 1280, 3)


def test_each_failed_check_prints_one_line_and_doctor_ends_with_status_3(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    (made.folder / "keys" / "police-zone.public.json").unlink()

    done = product("doctor", "--site", made.folder, "--source", CLIPS / "wrong_way.mp4")

    assert done.status == 3
    assert "✗ broker: broker 127.0.0.1:1: nothing listens there" in done.out
    assert "✗ keys: " in done.out
    assert len(done.error_lines) == 1
    assert done.error_lines[0].startswith("error: E_DOCTOR: ")


def test_doctor_opens_no_camera_that_run_would_refuse(tmp_path: Path) -> None:
    late = policy()
    late["activation"]["sunset"] = "2026-01-06"
    made = make_site(tmp_path, port=1, policy_yaml=late)

    done = product(
        "doctor", "--site", made.folder, "--source", CLIPS / "wrong_way.mp4",
        "--recorded-at", "2026-03-10T08:25:00+01:00", "--stills", tmp_path / "stills", "--json",
    )  # fmt: skip
    found = findings(done.json)

    assert found["policy"]["code"] == "E_SUNSET"
    assert found["cameras"]["state"] == "skipped"
    assert not any(about.startswith(("camera ", "still ")) for about in found)
    assert not (tmp_path / "stills").exists()
