"""Timestamps in documents: UTC with milliseconds, in one spelling only."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated

from pydantic import AfterValidator, Field

UTC_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def utc_text(moment: datetime) -> str:
    """A moment as `2026-11-30T07:16:05.123Z`; digits beyond milliseconds are cut off.

    Raises:
        ValueError: the moment is naive.
    """
    if moment.utcoffset() is None:
        message = "a moment without a time zone"
        raise ValueError(message)
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970; a `datetime`'s own timestamp is a rounded fraction.

    Raises:
        TypeError: the moment is naive.
    """
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_utc(text: str) -> datetime:
    """Read a timestamp that `utc_text` has written.

    Raises:
        ValueError: another spelling, or a moment that does not exist.
    """
    if not re.fullmatch(UTC_PATTERN, text, re.ASCII):
        message = "a moment is written as 2026-11-30T07:16:05.123Z"
        raise ValueError(message)
    # Python 3.10 reads no "Z".
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)


def _valid(text: str) -> str:
    parse_utc(text)
    return text


UtcText = Annotated[str, Field(pattern=UTC_PATTERN), AfterValidator(_valid)]
"""A field of a document that holds a moment as `utc_text` writes it."""
