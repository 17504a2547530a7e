"""`edge-anpr doctor` on a complete site: its findings and its exit status."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import yaml

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.models.weights import Manifest
from edge.domain.schedule import DAYS
from tests.e2e.test_live_run import LOGIN, PASSWORD, activate, live_site
from tests.support.brokers import HOST, TestAuthority, free_port, tcp_server
from tests.support.colour_parser import manifest_with_colour_parser
from tests.support.live_cameras import NEEDS_RTSP, RtspServer, has_rtsp_server, looped
from tests.support.product import CLIPS, product, verb
from tests.support.shared_material import needs_shared
from tests.support.sites import make_site, policy, site, write_yaml
from tests.support.substreams import SMALL, filmed

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


def test_doctor_times_the_variants_of_the_detector_once_and_an_override_ends_the_choice(
    tmp_path: Path,
) -> None:
    made = make_site(tmp_path, port=1)
    record = made.folder / "state" / "variants.json"

    def weights() -> Any:
        done = product("doctor", "--site", made.folder, "--skip", "broker", "--json")
        return findings(done.json).get("weights")

    first = weights()
    measured = record.read_bytes()

    assert set(first["figures"]) == {"embedded-detector_ms", "embedded-detector-float_ms"}
    assert "is used on this CPU" in first["text"]
    assert weights() == first
    assert record.read_bytes() == measured

    settings = site()
    settings["models"]["detector"] = "embedded-detector-float"
    write_yaml(made.folder / "site.yaml", settings)

    named = weights()
    assert named["text"].startswith("embedded-detector-float is used, because `models.detector` ")
    assert not named.get("figures")


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_doctor_says_that_a_box_would_not_start_without_its_scene_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    made = make_site(tmp_path, port=1)
    manifest_with_colour_parser(tmp_path)
    file = tmp_path / "colours.onnx"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    listed = Manifest.load(tmp_path / "manifest.toml")
    monkeypatch.setattr(Manifest, "load", lambda: listed)

    done = verb("doctor", "--site", made.folder, "--skip", "broker", "--json")

    speed = findings(done.json)["speed"]
    assert speed["state"] == "bad"
    assert "colours.onnx" in speed["text"]
    assert done.json["able"] is False


def test_p10_doctor_names_a_key_for_the_broker_that_others_can_read(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    issued = TestAuthority(made.folder, "ca").issue("box-1")
    settings = site(port=1)
    settings["broker"]["tls"] = {
        "ca": "ca.pem", "certificate": issued.certificate.name, "key": issued.key.name
    }  # fmt: skip
    write_yaml(made.folder / "site.yaml", settings)
    words: list[str | Path] = ["doctor", "--site", made.folder, "--json"]
    words += [one for step in ("clock", "speed", "cameras") for one in ("--skip", step)]

    assert "nothing listens there" in findings(verb(*words).json)["broker"]["text"]
    issued.key.chmod(0o644)

    broker = findings(verb(*words).json)["broker"]
    assert broker["state"] == "bad"
    assert f"chmod 600 {issued.key}" in broker["text"]


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


def test_doctor_examines_the_policy_without_a_camera_too(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    (made.folder / "policy.signatures.json").unlink()
    steps = ["clock", "machine", "keys", "broker", "speed"]

    without = product(
        "doctor", "--site", made.folder, *(f"--skip={x}" for x in (*steps, "cameras"))
    )
    no_source = product("doctor", "--site", made.folder, *(f"--skip={x}" for x in steps))

    assert without.status == no_source.status == 3
    for done in (without, no_source):
        assert "✗ policy: " in done.out
        assert "the policy is not signed" in done.out
    assert "✗ source: " not in without.out
    assert "1 of 7 findings is bad (policy)" in without.err
    assert "✗ source: " in no_source.out
    assert "cameras.cam-1.source is missing" in no_source.out
    assert "2 of 8 findings are bad (source, policy)" in no_source.err


def test_doctor_does_not_blame_a_camera_that_the_policy_keeps_closed(tmp_path: Path) -> None:
    closed = policy()
    later = datetime.now(timezone.utc) + timedelta(days=3)
    hours = {"weekly": {DAYS[later.weekday()]: ["08:00-08:01"]}}
    closed["cameras"]["cam-1"]["hours"] = hours
    made = live_site(tmp_path, f"rtsp://{HOST}:{free_port()}/x")
    write_yaml(made.folder / "policy.yaml", closed)
    activate(made, tmp_path)

    done = product(
        "doctor", "--site", made.folder, "--skip", "speed", "--skip", "broker", env=PASSWORD
    )

    assert "- camera cam-1: closed by the policy until 2" in done.out
    assert "✗ camera" not in done.out
    if done.status == 0:  # else the machine itself has a problem
        assert "Not examined: broker, camera cam-1, speed." in done.out


@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_doctor_ends_when_a_live_camera_is_unreachable(kind: str, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker, tcp_server(None, close=False) as silent:
        port = silent if kind == "silent" else free_port()
        made = live_site(tmp_path, f"rtsp://{HOST}:{port}/x", port=broker.port)
        activate(made, tmp_path)
        done = product(
            "doctor", "--site", made.folder, "--skip", "speed", "--json",
            env=PASSWORD, timeout_s=120,
        )  # fmt: skip
    found = findings(done.json)

    assert found["policy"]["state"] == "good", found
    camera = found["camera cam-1"]
    assert camera["state"] == "bad"
    assert (
        camera["code"]
        == {
            "refused": "E_CAMERA_UNREACHABLE",
            "silent": "E_CAMERA_SILENT",
        }[kind]
    )
    assert found["speed"]["state"] == "skipped"


@pytest.mark.skipif(not has_rtsp_server(), reason=NEEDS_RTSP)
def test_doctor_examines_both_streams_of_a_live_camera(tmp_path: Path) -> None:
    street = [CLIPS / "street_day.mp4"]
    main_film = looped(filmed(street, tmp_path / "1.ts", (1280, 720)), tmp_path / "main.ts", 2)
    small_film = looped(filmed(street, tmp_path / "2.ts", SMALL), tmp_path / "small.ts", 2)
    with (
        EmbeddedBroker() as broker,
        RtspServer(main_film, LOGIN) as main,
        RtspServer(small_film, LOGIN) as small,
    ):
        made = live_site(tmp_path, main.url, port=broker.port)
        content = yaml.safe_load((made.folder / "site.yaml").read_text())
        content["cameras"]["cam-1"]["live"]["substream"] = small.url
        write_yaml(made.folder / "site.yaml", content)
        activate(made, tmp_path)
        done = product(
            "doctor", "--site", made.folder, "--skip", "speed", "--json",
            env=PASSWORD, timeout_s=180,
        )  # fmt: skip
    found = findings(done.json)

    assert found["camera cam-1"]["text"].startswith("1280 x 720"), found["camera cam-1"]
    assert found["substream cam-1"]["state"] == "good", found["substream cam-1"]
    assert found["substream cam-1"]["figures"]["width"] == SMALL[0]
    assert LOGIN[1] not in done.out


def test_each_step_of_doctor_can_be_skipped(tmp_path: Path) -> None:
    made = make_site(tmp_path, port=1)
    steps = ["clock", "machine", "keys", "broker", "speed", "cameras"]

    done = product("doctor", "--site", made.folder, *(f"--skip={step}" for step in steps))
    unknown = product("doctor", "--site", made.folder, "--skip", "spead")

    assert [line for line in done.out.splitlines() if line.startswith("-")] == [
        f"- {step}: not examined, as --skip says" for step in steps
    ]
    assert done.status == 0
    assert "✓ policy: " in done.out
    assert "Not examined: broker, cameras, clock" in done.out
    assert unknown.status == 2
    assert "the steps: clock, machine, keys, broker, speed, cameras" in unknown.err


@pytest.mark.parametrize(("turn", "state"), [(0, None), (1, "bad")])
def test_doctor_says_that_a_camera_is_mounted_sideways_or_upside_down(
    turn: int, state: str | None, tmp_path: Path
) -> None:
    clip = tmp_path / "turned.mp4"
    with av.open(str(CLIPS / "street_day.mp4")) as source, av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        for index, frame in enumerate(islice(source.decode(video=0), 75)):
            pixels = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="bgr24"), -turn))
            if index == 0:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "ultrafast", "crf": "16"}
            picture = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    made = make_site(tmp_path, port=1)

    done = product(
        "doctor", "--site", made.folder, "--source", clip, "--skip", "speed", "--skip", "broker",
        "--recorded-at", "2026-03-10T08:25:00+01:00", "--json",
    )  # fmt: skip
    found = findings(done.json)

    assert found["camera cam-1"]["state"] == "good"
    assert found.get("picture cam-1", {}).get("state") == state
    if state is not None:
        assert found["picture cam-1"]["figures"] == {"turn_degrees": 90 * turn}
