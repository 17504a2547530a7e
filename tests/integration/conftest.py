from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from tests.support.brokers import MOSQUITTO, Broker, Mosquitto

needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)


@pytest.fixture(
    params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)],
)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """Each of the two brokers, running."""
    kind: Broker = EmbeddedBroker() if request.param == "embedded" else Mosquitto(tmp_path)
    kind.start()
    yield kind
    kind.stop()
