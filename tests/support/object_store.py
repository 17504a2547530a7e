"""A real S3 server for tests: moto's, as a process of its own on a free port."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from tests.support.brokers import HOST, free_port, wait_until

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "only", "AWS_SECRET_ACCESS_KEY": "for-tests"}


@dataclass(frozen=True)
class ObjectServer:
    """A running server; the environment must hold `CREDENTIALS`."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=f"http://{HOST}:{self.port}", region_name="eu-1")

    def address(self, bucket: str) -> str:
        return f"s3://{bucket}/hits?endpoint=http://{HOST}:{self.port}&region=eu-1"

    def new_bucket(self, name: str, *, versions: bool = False) -> str:
        """The address of a new bucket."""
        self.client.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-1"}
        )
        if versions:
            self.client.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        return self.address(name)


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A server that runs until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return True
        return False

    try:
        assert wait_until(listens)
        yield ObjectServer(port, process)
    finally:
        process.kill()
        process.wait(timeout=60)
