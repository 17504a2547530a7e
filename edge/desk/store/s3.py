"""Payloads of hits in an object store that speaks the protocol of Amazon S3.

The address is `s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION`; prefix, endpoint and
region may be left out. Keys come from where boto3 looks for them: environment variables,
`~/.aws/credentials` or the machine's role.

A bucket that keeps versions is refused: a delete would leave the old version there.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from edge.desk.store.payloads import LARGEST_BYTES, is_key, unusable
from edge.errors import ConfigError

_MOST_DELETED = 1000
"""Objects in one DeleteObjects request, by the protocol."""


class S3Payloads:
    """Payloads as objects of one bucket.

    Args:
        bucket: its name; it must exist and keep no versions.
        prefix: what all keys begin with; empty: nothing.
        query: `endpoint` and `region`, as in a URL.

    Raises:
        ConfigError: the query has other fields, or boto3 is not installed.
        OutboxError: `E_PAYLOADS`: the bucket cannot be used, or keeps versions.
    """

    def __init__(self, bucket: str, prefix: str, query: str) -> None:
        given = parse_qs(query)
        if not given.keys() <= {"endpoint", "region"}:
            raise ConfigError("payloads: after s3://BUCKET/PREFIX only endpoint and region follow")
        try:
            import boto3  # noqa: PLC0415 - an extra
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError:
            raise ConfigError("payloads in S3 need `pip install 'edge-anpr[s3]'`") from None
        self.place = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._failures = (BotoCoreError, ClientError, ValueError)
        with self._told():
            self._client: Any = boto3.client(
                "s3",
                endpoint_url=given.get("endpoint", [None])[0],
                region_name=given.get("region", ["us-east-1"])[0],
                config=Config(
                    connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}
                ),
            )
            versions = self._client.get_bucket_versioning(Bucket=bucket).get("Status")
        if versions is not None:
            raise unusable(
                self.place,
                "the bucket keeps versions, so deleted hits would stay; use one that never did",
            )

    def put(self, key: str, payload: bytes) -> None:
        with self._told():
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=payload)

    def get(self, key: str) -> bytes | None:
        with self._told():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            except self._client.exceptions.NoSuchKey:
                return None
            content = answer["Body"].read(LARGEST_BYTES + 1)
        return bytes(content)

    def delete(self, keys: Iterable[str]) -> None:
        rest = iter(keys)
        while some := [{"Key": self._prefix + key} for key in islice(rest, _MOST_DELETED)]:
            with self._told():
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": some, "Quiet": True}
                )
            failed = answer.get("Errors", [])
            if failed:
                raise unusable(self.place, f"{len(failed)} were not deleted: {failed[0]['Code']}")

    def keys(self, desk: str) -> Iterator[str]:
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}{desk}/"
            )
            for page in pages:
                for one in page.get("Contents", []):
                    key = one["Key"].removeprefix(self._prefix)
                    if is_key(key):
                        yield key

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the library's errors into one line, without a header or a key of the store."""
        try:
            yield
        except self._failures as error:
            answer: Any = getattr(error, "response", {})
            why = answer.get("Error", {}).get("Code") or type(error).__name__
            raise unusable(
                self.place, f"{why}; check endpoint, bucket and the rights of its key"
            ) from None
