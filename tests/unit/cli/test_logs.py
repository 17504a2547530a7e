"""Logs and refusals on standard error: for a person, or one JSON object a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.product import environment, product

SECRET = "1ABC123"

LOGGING = f"""\
import logging, sys
import edge.cli

@edge.cli.app.command()
def speak() -> None:
    logging.getLogger("edge.test").warning("camera %s is away", "cam-1")
    try:
        raise ValueError("{SECRET}")
    except ValueError:
        logging.getLogger("edge.test").exception("it failed")
    raise KeyError("{SECRET}")

edge.cli.main(["--log-format", sys.argv[1], "speak"])
"""


def spoken(log_format: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, log_format],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_each_line_is_one_json_object() -> None:
    entries = [json.loads(line) for line in spoken("json").splitlines()]

    assert [entry["level"] for entry in entries] == ["warning", "error", "error"]
    assert entries[0]["message"] == "camera cam-1 is away"
    assert entries[0]["logger"] == "edge.test"
    assert entries[0]["time"].endswith("Z")
    assert entries[1]["exception"] == "ValueError"
    assert entries[2]["code"] == "E_INTERNAL"


def test_no_log_format_contains_an_exceptions_text() -> None:
    for log_format in ("json", "console"):
        assert SECRET not in spoken(log_format)
    assert "camera cam-1 is away" in spoken("console")


LIBRARIES = f"""\
import logging
import edge.cli

@edge.cli.app.command()
def speak() -> None:
    for name in ("botocore.auth", "sqlalchemy.engine.Engine", "urllib3", "edge.test"):
        logging.getLogger(name).debug("{SECRET}" if name != "edge.test" else "PUBACK for a hit")
        logging.getLogger(name).info("{SECRET}" if name != "edge.test" else "connected")
    logging.getLogger("botocore.auth").warning("the clock is wrong")

edge.cli.main(["--log-level", "debug", "speak"])
"""


def test_p8_of_libraries_only_warnings_are_logged_at_any_level() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARIES],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    said = [line.rpartition(": ")[2] for line in done.stderr.splitlines()]
    assert said == ["PUBACK for a hit", "connected", "the clock is wrong"]


def test_a_refusal_is_json_as_well(tmp_path: Path) -> None:
    done = product("--log-format", "json", "run", "--site", tmp_path)

    entry = json.loads(done.err)
    assert done.status == 3
    assert entry["code"] == "E_CONFIG"
    assert "policy.yaml" in entry["message"]
