"""Plays the demo: a box, a broker and an authority in one process, on a fresh example site."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from edge.adapters.broker.embedded_broker import EmbeddedBroker
from edge.adapters.broker.mqtt import BrokerLink
from edge.adapters.broker.options import BrokerOptions
from edge.adapters.host.system import SystemClock
from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
from edge.adapters.state.key_making import new_authority_keys, new_box_keys
from edge.authority.opening import OpenedFiles, OpenedHit, as_json, open_hit, write_opened
from edge.authority.store import HitStore
from edge.authority.tail import Receiver, Tail
from edge.box import Recording, RunProgress, RunSummary, run_site
from edge.domain.rules import RuleKind
from edge.errors import ConfigError, EdgeError, UsageError
from edge.site.folder import SiteFolder, load_site_folder

CLIPS = {"school-street": "street_day.mp4", "one-way": "wrong_way.mp4"}
"""What each camera of the demo's site has recorded."""

SETTLE_S = 20.0
"""How long to wait for the last hit to reach the authority."""

SHOWN_BYTES = 700
"""How many bytes of a message the page shows."""

REASONS = {
    RuleKind.HOTLIST: "on the alert list",
    RuleKind.PERMIT_ZONE: "no permit, within the hours",
    RuleKind.WRONG_WAY: "against the one-way direction",
}


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """What the broker saw of one message: topic, size in bytes, and how its content begins."""

    topic: str
    size: int
    start: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A hit after the authority has opened it."""

    opened: OpenedHit = field(repr=False)
    files: OpenedFiles
    plate: str = field(repr=False)
    why: str


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What each side saw.

    Attributes:
        folder: everything that the demo has written.
        clips: the recording of each camera.
        page: the HTML page that shows the result.
    """

    folder: Path
    clips: Mapping[str, Path]
    summary: RunSummary
    opened: tuple[Opened, ...]
    messages: tuple[BrokerMessage, ...]
    failure: EdgeError | None

    @property
    def page(self) -> Path:
        return self.folder / "demo.html"

    def as_json(self) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "page": str(self.page),
            "vehicles": self.summary.vehicles,
            "hits": self.summary.hits,
            "non_hits": self.summary.non_hits,
            "opened": [
                {
                    "rule": one.opened.hit.rule,
                    "plate": one.plate,
                    "why": one.why,
                    "posterior": one.opened.hit.posterior,
                    "images": [str(path) for path in one.files.pictures],
                    "document": str(one.files.document),
                }
                for one in self.opened
            ],
            "broker_messages": [{"topic": one.topic, "bytes": one.size} for one in self.messages],
        }


@dataclass(frozen=True, slots=True)
class StreetRun:
    """One run of both clips through the demo's site, with what the broker saw of it.

    Attributes:
        clips: the recording of each camera.
        failure: what went wrong after the start.
    """

    clips: Mapping[str, Path]
    summary: RunSummary
    messages: tuple[BrokerMessage, ...]
    failure: EdgeError | None


def play(folder: Path, progress: RunProgress) -> DemoResult:
    """Run both clips through the demo site and open what the authority got.

    Args:
        folder: a new folder for everything that is made.
        progress: callbacks for progress bars.

    Raises:
        EdgeError: something could not start. What fails later is in the result's `failure`.
    """
    site = demo_site(folder)
    boxes = load_all_box_public_keys(site.keys_folder)
    keys = load_authority_private_keys(folder / "authority" / "keys")
    store_folder = folder / "authority" / "hits"

    @contextmanager
    def receiver() -> Iterator[Receiver]:
        with HitStore.open(store_folder, create=True) as store:
            yield Receiver(store, boxes, keys, SystemClock().utc)

    ran = run_street(site, progress, receiver)
    opened = []
    reasons = {rule.id: REASONS[rule.kind] for rule in site.rules}
    with HitStore.open(store_folder) as store:
        for stored in store.hits():
            one = open_hit(store.payload(stored.hit_id), boxes, keys)
            files = write_opened(one, folder / "authority" / "opened")
            plate = str(as_json(one)["plate"])
            opened.append(Opened(one, files, plate, reasons[one.hit.rule]))
    return DemoResult(folder, ran.clips, ran.summary, tuple(opened), ran.messages, ran.failure)


def run_street(
    site: SiteFolder,
    progress: RunProgress,
    receiver: Callable[[], AbstractContextManager[Receiver]],
) -> StreetRun:
    """Run both clips through the site over a real broker; the authority receives meanwhile.

    Args:
        site: made by `demo_site`.
        progress: callbacks for progress bars.
        receiver: opens what stores the hits; it is called in a thread of the authority.

    Raises:
        EdgeError: something could not start.
    """
    clips = _bundled("clips", "tests/fixtures/clips")
    recorded = {camera: clips / clip for camera, clip in CLIPS.items()}
    recordings = [Recording(camera, path) for camera, path in recorded.items()]
    with (
        EmbeddedBroker() as broker,
        _listening(broker.port) as messages,
        _receiving(broker.port, receiver),
    ):
        result = run_site(
            _at_port(site, broker.port), recordings, drain_s=SETTLE_S, progress=progress
        )
    return StreetRun(recorded, result.summary, tuple(messages), result.failure)


# --- setup ----------------------------------------------------------------------------------


def new_folder(out: Path | None) -> Path:
    """A new folder for the demo, readable by this user alone; a temporary one without `out`.

    Raises:
        UsageError: `out` exists already.
        ConfigError: it cannot be made.
    """
    if out is None:
        return Path(tempfile.mkdtemp(prefix="edge-anpr-demo-"))
    try:
        out.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise UsageError(f"{out}: exists already; name a new folder with --out") from None
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}; name another folder with --out") from error
    return out.resolve()


def _bundled(packaged: str, checked_out: str) -> Path:
    """The path of a bundled folder: in the installed package, or elsewhere in a checkout."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "_data" / packaged, package.parent / checked_out):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{package / '_data' / packaged}: missing; install the package again")


def demo_site(folder: Path) -> SiteFolder:
    """A copy of the example site with fresh keys, the authority's private ones elsewhere."""
    site = folder / "box"
    shutil.copytree(_bundled("config", "config") / "demo", site)
    loaded = load_site_folder(site)
    now = datetime.now(timezone.utc)
    new_box_keys(loaded.keys_folder, loaded.settings.site, loaded.settings.box, now, trial=True)
    for authority in loaded.policy.authorities:
        public = new_authority_keys(folder / "authority" / "keys", authority, now, trial=True)
        shutil.copy(public, loaded.authority_keys(authority))
    return loaded


def _at_port(site: SiteFolder, port: int) -> SiteFolder:
    broker = site.settings.broker.model_copy(update={"host": "127.0.0.1", "port": port})
    return replace(site, settings=site.settings.model_copy(update={"broker": broker}))


@contextmanager
def _listening(port: int) -> Iterator[list[BrokerMessage]]:
    """Yield a list to which every message on the broker is added, as its operator could do."""
    seen: list[BrokerMessage] = []

    def listen(ready: threading.Event, stopped: threading.Event) -> None:
        with BrokerLink.open(BrokerOptions("127.0.0.1", port, "demo-operator")) as link:
            link.subscribe(["#"])
            ready.set()
            while not stopped.is_set():
                message = link.receive(0.1)
                if message is not None:
                    link.acknowledge(message)
                    payload = message.payload
                    start = payload[:SHOWN_BYTES].decode("ascii", "replace")
                    seen.append(BrokerMessage(message.topic, len(payload), start))

    with _thread("demo-operator", listen):
        yield seen


@contextmanager
def _receiving(
    port: int, receiver: Callable[[], AbstractContextManager[Receiver]]
) -> Iterator[None]:
    """The authority: stores what comes, still sealed, and sends receipts."""

    def receive(ready: threading.Event, stopped: threading.Event) -> None:
        with receiver() as own:
            tail = Tail(BrokerOptions("127.0.0.1", port, "demo-authority"), own)
            # The subscription is made long before the box has loaded its weights.
            ready.set()
            tail.run(cancelled=stopped.is_set)

    with _thread("demo-authority", receive):
        yield


@contextmanager
def _thread(name: str, work: Callable[[threading.Event, threading.Event], None]) -> Iterator[None]:
    """Run `work(ready, stopped)` in a thread; wait until it is ready, stop it after the block."""
    ready, stopped = threading.Event(), threading.Event()
    failures: list[EdgeError] = []

    def body() -> None:
        try:
            work(ready, stopped)
        except EdgeError as error:
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        stopped.wait(0.3)  # time for messages in transit
        stopped.set()
        thread.join()
    if failures:
        raise failures[0]
