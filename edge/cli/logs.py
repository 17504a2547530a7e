"""Logs and errors on standard error, as lines of text or as one JSON object per line."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from edge.errors import EdgeError
from edge.formats.problems import MistakesError

ERROR_SCHEMA = "edge-anpr/error/1"

ExcInfo: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None]"


class LogFormat(str, Enum):
    """The format of log lines."""

    CONSOLE = "console"
    JSON = "json"


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message.

    An exception appears with its type and place, without its text, which could quote a plate or
    a key.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry |= {"exception": type(record.exc_info[1]).__name__}
        return json.dumps(entry, ensure_ascii=False)


class _Console(logging.Formatter):
    """A line of text; an exception appears with its type only, as in JSON."""

    def formatException(self, ei: ExcInfo | tuple[None, None, None]) -> str:  # noqa: N802
        return ei[0].__name__ if ei[0] is not None else ""


def set_up(level: str, chosen: LogFormat) -> None:
    """Send logs of this level and above to standard error; of libraries, warnings and above.

    What a library says below that is its own: botocore logs each request with the token that it
    is signed with.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines()
        if chosen is LogFormat.JSON
        else _Console("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    handler.addFilter(_is_ours_or_warns)
    logging.basicConfig(level=level, handlers=[handler])


def _is_ours_or_warns(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] == "edge"


@dataclass(slots=True)
class _ErrorStyle:
    """Whether this process was asked for JSON (`--json`)."""

    as_json: bool = False


_STYLE = _ErrorStyle()


def errors_as_json(wanted: bool) -> None:
    """Print errors as `edge-anpr/error/1` from now on, or as lines for a person."""
    _STYLE.as_json = wanted


def print_error(error: EdgeError) -> None:
    """Print an error on standard error, on one line.

    It is `error: E_CODE: message`, or one JSON object after `--json` or `--log-format json`.
    """
    message = error.in_one_line() if isinstance(error, MistakesError) else error.message
    logs_json = any(isinstance(one.formatter, JsonLines) for one in logging.getLogger().handlers)
    if not (_STYLE.as_json or logs_json):
        _write(f"error: {error.code}: {message}\n")
        return
    entry: dict[str, object] = {}
    if _STYLE.as_json:
        entry["schema"] = ERROR_SCHEMA
    if logs_json:
        now = _moment(datetime.now(timezone.utc).timestamp())
        entry |= {"time": now, "level": "error", "logger": "edge"}
    entry |= {"code": error.code, "message": message}
    if _STYLE.as_json:
        entry["exit_status"] = int(error.exit_code)
    _write(json.dumps(entry, ensure_ascii=False) + "\n")


def _write(line: str) -> None:
    """Write to standard error; where that cannot be written, the exit status still says it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line)


def place_of(error: BaseException | None) -> str:
    """Where an exception was raised: file names and lines, innermost first."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames[-6:]))


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
