"""A small product for tests of updates: a wheel named as ours, whose box only says how it is."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

VERSION, STATE, REASON = {version!r}, {state!r}, {reason!r}


class Box(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({{"reason": REASON}})
        if self.path == "/metrics":
            body = (
                'edge_anpr_build_info{{box="b",site="s",version="%s"}} 1.0\\n' % VERSION
                + 'edge_anpr_state{{state="%s"}} 1.0\\n' % STATE
            )
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def main():
    if sys.argv[1:] == ["--version"]:
        print("edge-anpr", VERSION)
        return
    HTTPServer.allow_reuse_address = True
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Box).serve_forever()
"""


def dummy_wheel(
    folder: Path, version: str, *, says: str | None = None, reason: str = "online"
) -> Path:
    """A wheel of the dummy.

    Args:
        folder: where it is written.
        version: of the wheel.
        says: the version that the program says; None: the same.
        reason: `online`, or why its box is safe.
    """
    state = "online" if reason == "online" else "safe"
    program = PROGRAM.format(version=says or version, state=state, reason=reason)
    info = f"edge_anpr-{version}.dist-info"
    files = {
        "dummy_box.py": program,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edge-anpr\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-anpr = dummy_box:main\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record += f"{name},sha256={digest.rstrip('=')},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    wheel = folder / f"edge_anpr-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return wheel


def dummy_version(releases: Path, version: str, *, reason: str = "online") -> None:
    """A version of the dummy that was installed by hand; for `reason` see `dummy_wheel`."""
    program = releases / version / "bin" / "edge-anpr"
    program.parent.mkdir(parents=True)
    state = "online" if reason == "online" else "safe"
    code = PROGRAM.format(version=version, state=state, reason=reason)
    program.write_text(f"#!{sys.executable}\n{code}\nmain()\n")
    program.chmod(0o755)
    (releases / version / "complete").touch()


@dataclass
class ProcessService:
    """A service whose process is the program that `current` names, with real signals."""

    program: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def is_stopped(self) -> bool:
        return self.process is None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
            self.process = None

    def start(self) -> None:
        if self.process is None:
            binary = self.program / "current" / "bin" / "edge-anpr"
            self.process = subprocess.Popen([binary, str(self.port)])


def fake_systemctl(folder: Path) -> Path:
    """A program `systemctl` that only writes down what it was asked; returns that file."""
    asked = folder / "asked"
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    program.chmod(0o755)
    return asked


def path_with(folder: Path) -> str:
    """PATH with a folder before all others."""
    return f"{folder}:{os.environ['PATH']}"
