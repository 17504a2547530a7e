"""P8 over the real process: the plates of a list are never in the memory of a running box."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.state.audit_log import read_log
from edge.errors import EdgeError
from edge.privacy.audit_events import Started
from tests.support.brokers import wait_until
from tests.support.live_cameras import looped
from tests.support.memory import is_in_memory
from tests.support.product import CLIPS, environment, verb
from tests.support.real_site import make_real_site
from tests.support.sites import BOX, SITE, make_site

# The product marks its own process so that only root may read its memory; this one is not marked.
PROGRAM = "import sys; from edge.cli import execute; sys.exit(execute(sys.argv[1:]))"
TOPIC = BoxTopics(SITE, BOX, frozenset(), frozenset({"stolen"})).bundle("stolen")


def started(state: Path) -> bool:
    try:
        return any(isinstance(entry.event, Started) for entry in read_log(state).entries)
    except EdgeError:
        return False


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes of the street."""
    return looped(CLIPS / "street_day.mp4", tmp_path_factory.mktemp("clip") / "clip.ts", 60)


@pytest.mark.parametrize("source", ["a bundle", "a bundle over MQTT", "a file in clear"])
def test_p8_listed_plates_of_vehicles_that_do_not_pass_are_not_in_memory(
    source: str, clip: Path, tmp_path: Path
) -> None:
    start = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(7))
    plates = [f"{start}-{number:02}" for number in range(40)]
    with EmbeddedBroker() as broker:
        if source == "a file in clear":
            folder = make_site(tmp_path, stolen=plates, port=broker.port).folder
        else:
            made = make_real_site(tmp_path, port=broker.port)
            folder = made.folder
            assert verb(*made.build(made.csv(plates))).status == 0
            bundle = tmp_path / "stolen.bundle"
            if source == "a bundle":
                assert verb("lists", "install", bundle, "--site", folder).status == 0
            else:
                with BrokerLink.open(BrokerOptions("127.0.0.1", broker.port, "office")) as link:
                    link.publish(TOPIC, bundle.read_bytes(), retain=True)
        arguments = ["run", "--site", folder, "--source", clip, "--realtime", "--drain", "0"]
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as box:
            try:
                running = wait_until(lambda: started(folder / "state"), 90)
                time.sleep(3)  # the first epoch begins with the first frame
                found = running and is_in_memory(box.pid, start)
                alive = box.poll() is None
                box.send_signal(signal.SIGTERM)
                _, err = box.communicate(timeout=60)
            finally:
                box.kill()
    assert running
    assert alive, err
    assert not found
