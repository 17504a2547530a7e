"""A real PgBouncer for tests, which gives each transaction another connection of the server."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.brokers import HOST, free_port, wait_until
from tests.support.postgres import PASSWORD, USER, Postgres

PGBOUNCER = shutil.which(
    "pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
)


@contextmanager
def pooled(server: Postgres) -> Iterator[int]:
    """Run PgBouncer in front of a server, pooling by transaction; yields its port."""
    assert PGBOUNCER is not None
    port = free_port()
    # A test's own folder has mode 0700, and PgBouncer refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="pooler") as base:
        folder = Path(base)
        folder.chmod(0o711)
        (folder / "users.txt").write_text(f'"{USER}" "{PASSWORD}"\n', encoding="utf-8")
        lines = [
            "[databases]",
            f"* = host={HOST} port={server.port}",
            "[pgbouncer]",
            f"listen_addr = {HOST}",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = scram-sha-256",
            f"auth_file = {folder}/users.txt",
            "pool_mode = transaction",
            "",
        ]
        settings = folder / "pgbouncer.ini"
        settings.write_text("\n".join(lines), encoding="utf-8")
        for file in folder.iterdir():
            file.chmod(0o644)
        as_user = ["--user=nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [PGBOUNCER, "--quiet", *as_user, str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert wait_until(lambda: _listens(port)), "PgBouncer did not start"
            yield port
        finally:
            process.terminate()
            process.wait(timeout=60)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False
