"""The fleet's server against clients that send slowly, nothing, or nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timezone
from pathlib import Path

import pytest
import uvicorn
from uvicorn.server import ServerState

from edge.fleet.est_server import fleet_app
from edge.fleet.serving import PeerProtocol
from edge.formats.enrolment import RequestError, parse_request
from tests.support.fleets import enrol_by_hand, make_test_fleet
from tests.support.sites import SITE

WHOLE = b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: fleet\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        WHOLE,
        b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: f\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_a_client_that_sends_no_whole_request_is_cut_off(tmp_path: Path, sent: bytes) -> None:
    office = make_test_fleet(tmp_path).office
    app = fleet_app(office, lambda: datetime.now(timezone.utc))
    config = uvicorn.Config(app, http=PeerProtocol, lifespan="off", log_config=None)
    config.load()

    class Impatient(PeerProtocol):
        ask_s = 0.05

    async def ask() -> bytes:
        loop, state = asyncio.get_running_loop(), ServerState()
        server = await loop.create_server(
            lambda: Impatient(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        async with server:
            address = server.sockets[0].getsockname()[:2]
            answer, slow = await asyncio.open_connection(*address)
            slow.write(sent)
            with contextlib.suppress(ConnectionError):
                assert await answer.read() == b""
            slow.close()
            reader, writer = await asyncio.open_connection(*address)
            writer.write(WHOLE + b"\r\n")
            first = await reader.readline()
            writer.close()
            return first

    assert asyncio.run(ask()) == b"HTTP/1.1 200 OK\r\n"


def test_a_request_of_an_unknown_version_is_refused_in_one_line(tmp_path: Path) -> None:
    made = bytearray(enrol_by_hand(tmp_path / "box", SITE, "box-1"))
    made[made.index(bytes([2, 1, 0])) + 2] = 7
    with pytest.raises(RequestError, match="not a request of a box"):
        parse_request(bytes(made))
