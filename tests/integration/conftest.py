"""Fixtures that several integration tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.publisher import PublisherLimits
from edge.authority.store import HitStore
from tests.support.brokers import MOSQUITTO, Broker, Mosquitto
from tests.support.disks import small_tmpfs
from tests.support.parties import Parties, make_parties
from tests.support.publishing import LIMITS, Box
from tests.support.retention import Disk

needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)


@pytest.fixture(
    params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)],
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A running broker: the embedded one, then mosquitto."""
    kind: Broker = EmbeddedBroker() if request.param == "embedded" else Mosquitto(tmp_path)
    kind.start()
    yield kind
    kind.stop()


@pytest.fixture
def open_box(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Opens boxes with one state folder, and closes them at the end."""
    with ExitStack() as stack:

        def make(broker: Broker, limits: PublisherLimits = LIMITS) -> Box:
            box = Box(tmp_path, broker, limits)
            stack.callback(box.close)
            return box

        yield make


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    """A box and an authority with new keys."""
    return make_parties(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HitStore]:
    """An authority's empty store."""
    with HitStore.open(tmp_path / "store", create=True) as opened:
        yield opened


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 14 MiB."""
    with small_tmpfs(tmp_path / "disk", "14m") as place:
        yield place
