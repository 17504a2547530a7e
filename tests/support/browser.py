"""A real headless Chromium, controlled over two pipes with the DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium takes commands on descriptor 3 and answers on 4.
_LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


class Browser:
    """One tab.

    Attributes:
        requests: every address that it asked for since the page was opened.
        blocked: those that the page's own content security policy did not let out.
        log: what the browser complained of.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        self._asked: dict[str, str] = {}
        self.blocked: list[str] = []
        self.log: list[str] = []

    @property
    def requests(self) -> list[str]:
        return list(self._asked.values())

    def open(self, url: str) -> None:
        """Load a page and wait until all of it is there."""
        if self._session is None:
            target = self.send("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
                "sessionId"
            ]
            for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
                self.send(f"{domain}.enable")
            self.size(1280, 900)
        else:
            # Another fragment of the same page would not load it anew.
            self._load("about:blank")
        self._asked.clear()
        self.blocked.clear()
        self.log.clear()
        self._load(url)

    @contextmanager
    def another(self) -> Iterator[None]:
        """Use another tab of the same window until the block ends."""
        before, self._session = self._session, None
        try:
            yield
        finally:
            self._session = before

    def size(self, width: int, height: int) -> None:
        """Set the window's size, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, scheme: str = "light", kind: str = "screen") -> None:
        """Pretend that the reader prefers light or dark, or prints."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=kind, features=features)

    def press(self, key: str) -> None:
        """Press a key."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}[key]
        text = {"Enter": "\r", " ": " "}.get(key)
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        if text is not None:
            pressed["text"] = text
        self.send("Input.dispatchKeyEvent", type="keyDown", **pressed)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def authenticator(self) -> str:
        """Plug in an authenticator that has verified its person; returns its id."""
        self.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        made = self.send("WebAuthn.addVirtualAuthenticator", options=options)
        return str(made["authenticatorId"])

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def picture(self, selector: str | None = None, scale: float = 1) -> bytes:
        """A PNG of the whole page, or of one element."""
        box = self.value(
            "(() => { const one = document.documentElement; return {x: 0, y: 0, "
            "width: one.clientWidth, height: one.scrollHeight} })()"
            if selector is None
            else f"(() => {{ const box = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return {x: box.x + scrollX, y: box.y + scrollY, "
            "width: box.width, height: box.height} })()"
        )
        shot = self.send(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=True,
            clip={**box, "scale": scale},
        )
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        """The page as a PDF, printed on A4."""
        printed = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(printed["data"])

    def accessible(self) -> list[dict[str, Any]]:
        """The accessibility tree: role, name and level of every node."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            {
                "role": node["role"]["value"],
                "name": node.get("name", {}).get("value", ""),
                **{one["name"]: one["value"].get("value") for one in node.get("properties", ())},
            }
            for node in nodes
            if not node["ignored"]
        ]

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._notice(answer)

    def _load(self, url: str) -> None:
        self._events.clear()
        self.send("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._notice(self._receive())

    def _notice(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event["method"] == "Network.requestWillBeSent":
            self._asked[event["params"]["requestId"]] = event["params"]["request"]["url"]
        elif event["method"] == "Network.loadingFailed":
            if event["params"].get("blockedReason") == "csp":
                self.blocked.append(self._asked.pop(event["params"]["requestId"]))
        elif event["method"] == "Log.entryAdded":
            self.log.append(event["params"]["entry"]["text"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._answers, 1 << 20)
            if not piece:
                raise AssertionError("Chromium has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium with a new profile; it ends with the block."""
    assert CHROMIUM is not None
    for_it, commands = os.pipe()
    answers, from_it = os.pipe()
    # Above 3 and 4, so that neither overwrites the other.
    its = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (for_it, from_it)]
    flags = (*FLAGS, f"--user-data-dir={profile}", "about:blank")
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, *map(str, its), CHROMIUM, *flags],
        pass_fds=its,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for one in (for_it, from_it, *its):
        os.close(one)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        process.terminate()
        process.wait(timeout=60)
        os.close(answers)
