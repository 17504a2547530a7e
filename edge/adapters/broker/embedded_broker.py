"""Runs an MQTT broker for the demo and the tests: rumqttd from the wheel `iotcore`.

By default it would listen on every interface, accept at most 20 KiB and not support MQTT 5. The
configuration written here makes it an MQTT 5 broker on loopback.

Supported, and checked by tests: retained messages, last will, QoS 1, message expiry, and persistent
sessions that queue messages while the subscriber is away and deliver unacknowledged ones again.

Not supported: TLS, passwords and versions of MQTT before 5. Everything is kept in memory, so a
restart loses sessions, queues and retained messages. The broker announces no maximum packet size
and closes the connection when a packet is too large. Without a subscriber it acknowledges with
"success" instead of "no matching subscribers".
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from typing_extensions import Self

from edge.errors import ConfigError, PublishError

HOST = "127.0.0.1"
_READY_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_PAYLOAD_CAP_BYTES = 1024 * 1024

# rumqttd keeps messages in segments of this size. With small segments it drops messages that are
# queued for a session that is away.
_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "loopback"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = {payload_cap}
max_inflight_count = 100
dynamic_filters = true
"""

# The child ends when its standard input does, so that it never outlives this process.
_CHILD = """\
import os, sys, threading
from iotcore import IotCoreBroker

def leave():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=leave, daemon=True).start()
IotCoreBroker(config_path=sys.argv[1]).run_forever()
"""


class EmbeddedBroker:
    """An MQTT 5 broker on loopback, in a process of its own; use it as a context manager.

    Args:
        port: 0 selects a free one.
        payload_cap_bytes: the largest payload that it accepts.

    Raises:
        ConfigError: the wheel `iotcore` is not installed.
        PublishError: it did not start to listen.
    """

    host = HOST

    def __init__(self, *, port: int = 0, payload_cap_bytes: int = _PAYLOAD_CAP_BYTES) -> None:
        self.port = port
        self._payload_cap_bytes = payload_cap_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker and wait until it listens."""
        try:
            import iotcore  # noqa: F401, PLC0415 - an extra; the child needs it
        except ImportError as error:
            raise ConfigError(
                "the embedded broker is not installed; run `pip install 'edge-anpr[demo]'`"
            ) from error
        self.port = self.port or _free_port()
        folder = self._cleanup.enter_context(
            tempfile.TemporaryDirectory(prefix="edge-anpr-broker-")
        )
        configuration = Path(folder) / "rumqttd.toml"
        configuration.write_text(
            _CONFIGURATION.format(host=HOST, port=self.port, payload_cap=self._payload_cap_bytes),
            encoding="utf-8",
        )
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, a program of ours
            [sys.executable, "-I", "-c", _CHILD, str(configuration)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker and free the port; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._cleanup.close()

    def kill(self) -> None:
        """Kill the broker, which sends no DISCONNECT; for tests of a lost connection."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 0.5):
                return
            time.sleep(0.02)
        raise PublishError(
            f"the embedded broker did not start on {HOST}:{self.port}; check that the port is free"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
