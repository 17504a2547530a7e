"""Serves the fleet over TLS with uvicorn, and keeps its certificate and revocation list fresh."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from edge.errors import EdgeError, UsageError
from edge.fleet.enrolling import EnrolmentOffice
from edge.fleet.est_server import PEER, RETRY_S, fleet_app

log = logging.getLogger(__name__)

_UPKEEP_S = 6 * 3600.0
_SECONDS_TO_END = 5


class PeerProtocol(H11Protocol):
    """uvicorn's HTTP protocol; it puts the client's certificate into the scope.

    A client that sends no whole request in time is cut off. Otherwise a stranger could hold all
    places for connections, and no box could enrol or renew.
    """

    ask_s = 30.0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's signature
        found = transport.get_extra_info("ssl_object")
        peer = None if found is None else found.getpeercert(binary_form=True)
        self.app_state = {**self.app_state, PEER: peer}
        super().connection_made(transport)
        self._look = self.loop.call_later(self.ask_s, self._cut_off_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._look.cancel()
        super().connection_lost(exc)

    def _cut_off_slow(self) -> None:
        """Look now and then; only an answer under way may take longer."""
        answering: RequestResponseCycle | None = self.cycle
        if answering is None or answering.more_body or answering.response_complete:
            self.transport.abort()
        else:
            self._look = self.loop.call_later(self.ask_s, self._cut_off_slow)


def serve(
    office: EnrolmentOffice,
    address: str,
    port: int,
    utc: Callable[[], datetime],
    ready: Callable[[str], None],
    retry_s: int = RETRY_S,
) -> None:
    """Serve a fleet until SIGINT or SIGTERM.

    Args:
        office: the fleet.
        address: IP address to listen on.
        port: 0 takes a free one.
        utc: the wall clock.
        ready: called with the server's address once connections are accepted.
        retry_s: after how many seconds a waiting box is told to ask again.

    Raises:
        UsageError: the address cannot be used.
        KeyFileError: a key or a certificate cannot be read or written.
    """
    host = office.fleet.config.host
    office.authority.keep_server_certificate(host, utc())
    office.write_revoked(utc())
    config = uvicorn.Config(
        fleet_app(office, utc, retry_s),
        http=PeerProtocol,
        ssl_certfile=office.authority.server_file,
        ssl_ca_certs=str(office.authority.file),
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
        access_log=False,
        log_config=None,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
        ws="none",
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    ended = threading.Event()
    upkeep = threading.Thread(target=_upkeep, args=(office, utc, config, ended), daemon=True)
    with _bound(address, port) as own:
        upkeep.start()
        ready(f"https://{f'[{host}]' if ':' in host else host}:{own.getsockname()[1]}")
        try:
            uvicorn.Server(config).run(sockets=[own])
        finally:
            ended.set()


def _upkeep(
    office: EnrolmentOffice,
    utc: Callable[[], datetime],
    config: uvicorn.Config,
    ended: threading.Event,
) -> None:
    """Renew the server's certificate and the list of revoked ones, a few times a day."""
    while not ended.wait(_UPKEEP_S):
        try:
            office.write_revoked(utc())
            if office.authority.keep_server_certificate(office.fleet.config.host, utc()):
                assert config.ssl is not None  # noqa: S101 - TLS was configured
                config.ssl.load_cert_chain(office.authority.server_file)
        except (EdgeError, OSError) as error:
            log.warning("the fleet's certificates could not be kept fresh: %s", error)


def _bound(address: str, port: int) -> socket.socket:
    own = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((address, port))
        own.listen(128)
    except OSError as error:
        own.close()
        raise UsageError(
            f"--address, --port: {address} port {port} cannot be used ({error.strerror}); name "
            "another port, or end the program that has it"
        ) from None
    return own
