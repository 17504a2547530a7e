"""`edge-anpr demo`: the main job in one command, with a real broker and both sides."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.run import progress_bars
from edge.domain.rules import RuleKind
from edge.errors import ConfigError, EdgeError, UsageError

if TYPE_CHECKING:
    from edge.authority.opening import OpenedFiles, OpenedHit
    from edge.box.summary import RunSummary
    from edge.box.wiring import RunProgress
    from edge.privacy.keys import AuthorityPrivateKeys, BoxPublicKeys
    from edge.site.folder import SiteFolder

CLIPS = {"school-street": "street_day.mp4", "one-way": "wrong_way.mp4"}
"""What each camera of the demo's site has recorded."""

SETTLE_S = 20.0
"""How long to wait for the last hit to reach the authority."""

REASONS = {
    RuleKind.HOTLIST: "on the alert list",
    RuleKind.PERMIT_ZONE: "no permit, within the hours",
    RuleKind.WRONG_WAY: "against the one-way direction",
}


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for all that the demo makes; else a temporary one."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
) -> None:
    """Show the whole product on a bundled clip: box, broker and authority on this machine.

    A street is filmed for some seconds. Vehicles that fire a rule reach the authority as
    sealed hits; of everyone else a counter is left. Nothing leaves this machine.
    """
    folder = _new_folder(out)
    with progress_bars(visible=not as_json and sys.stderr.isatty()) as progress:
        result = _play(folder, progress)
    if result.failure is not None:
        raise result.failure
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        _show(result)


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """What the broker saw of one message."""

    topic: str
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A hit after the authority has opened it."""

    opened: OpenedHit = field(repr=False)
    files: OpenedFiles
    plate: str = field(repr=False)
    why: str


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What each side saw."""

    folder: Path
    summary: RunSummary
    opened: tuple[Opened, ...]
    messages: tuple[BrokerMessage, ...]
    failure: EdgeError | None

    def as_json(self) -> dict[str, object]:
        return {
            "schema": "edge-anpr/demo/1",
            "folder": str(self.folder),
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


def _play(folder: Path, progress: RunProgress) -> DemoResult:
    from edge.adapters.broker.embedded_broker import EmbeddedBroker
    from edge.adapters.state.key_files import load_all_box_public_keys, load_authority_private_keys
    from edge.authority.opening import as_json, open_hit, write_opened
    from edge.authority.store import HitStore
    from edge.box.wiring import Recording, run_site

    site = _site(folder)
    clips = _bundled("clips", "tests/fixtures/clips")
    recordings = [Recording(camera, clips / clip) for camera, clip in CLIPS.items()]
    boxes = load_all_box_public_keys(site.keys_folder)
    keys = load_authority_private_keys(folder / "authority" / "keys")
    store_folder = folder / "authority" / "hits"
    with (
        EmbeddedBroker() as broker,
        _listening(broker.port) as messages,
        _receiving(broker.port, store_folder, boxes, keys),
    ):
        result = run_site(
            _at_port(site, broker.port), recordings, drain_s=SETTLE_S, progress=progress
        )
    opened = []
    reasons = {rule.id: REASONS[rule.kind] for rule in site.rules}
    with HitStore.open(store_folder) as store:
        for stored in store.hits():
            one = open_hit(store.payload(stored.hit_id), boxes, keys)
            files = write_opened(one, folder / "authority" / "opened")
            plate = str(as_json(one)["plate"])
            opened.append(Opened(one, files, plate, reasons[one.hit.rule]))
    return DemoResult(folder, result.summary, tuple(opened), tuple(messages), result.failure)


# --- the stage ------------------------------------------------------------------------------


def _new_folder(out: Path | None) -> Path:
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
    """A folder that the wheel carries, or that the checkout has elsewhere."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data" / packaged, package.parent / checked_out):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{package / '_data' / packaged}: missing; install the package again")


def _site(folder: Path) -> SiteFolder:
    """A copy of the example site with fresh keys, the authority's private ones elsewhere."""
    from edge.adapters.state.key_making import new_authority_keys, new_box_keys
    from edge.site.folder import load_site_folder

    site = folder / "box"
    shutil.copytree(_bundled("config", "config") / "demo", site)
    loaded = load_site_folder(site)
    now = datetime.now(timezone.utc)
    new_box_keys(loaded.keys_folder, loaded.site.site, loaded.site.box, now, trial=True)
    for authority in loaded.policy.authorities:
        public = new_authority_keys(folder / "authority" / "keys", authority, now, trial=True)
        shutil.copy(public, loaded.authority_keys(authority))
    return loaded


def _at_port(site: SiteFolder, port: int) -> SiteFolder:
    broker = site.site.broker.model_copy(update={"host": "127.0.0.1", "port": port})
    return replace(site, site=site.site.model_copy(update={"broker": broker}))


@contextmanager
def _listening(port: int) -> Iterator[list[BrokerMessage]]:
    """All that the broker passes on, as a curious operator of it would note."""
    from edge.adapters.broker.mqtt import BrokerLink, BrokerOptions

    seen: list[BrokerMessage] = []

    def listen(ready: threading.Event, stopped: threading.Event) -> None:
        with BrokerLink.open(BrokerOptions("127.0.0.1", port, "demo-operator")) as link:
            link.subscribe(["#"])
            ready.set()
            while not stopped.is_set():
                message = link.receive(0.1)
                if message is not None:
                    link.acknowledge(message)
                    seen.append(BrokerMessage(message.topic, len(message.payload)))

    with _thread("demo-operator", listen):
        yield seen


@contextmanager
def _receiving(
    port: int,
    store_folder: Path,
    boxes: Mapping[tuple[str, str], BoxPublicKeys],
    keys: AuthorityPrivateKeys,
) -> Iterator[None]:
    """The authority: stores what comes, still sealed, and sends receipts."""
    from edge.adapters.broker.mqtt import BrokerOptions
    from edge.adapters.host.system import SystemClock
    from edge.authority.store import HitStore
    from edge.authority.tail import Receiver, Tail

    def receive(ready: threading.Event, stopped: threading.Event) -> None:
        with HitStore.open(store_folder, create=True) as store:
            receiver = Receiver(store, boxes, keys, SystemClock().utc)
            tail = Tail(BrokerOptions("127.0.0.1", port, "demo-authority"), receiver)
            # It has subscribed long before the box has loaded its weights.
            ready.set()
            tail.run(cancelled=stopped.is_set)

    with _thread("demo-authority", receive):
        yield


@contextmanager
def _thread(name: str, work: Callable[[threading.Event, threading.Event], None]) -> Iterator[None]:
    """Run `work(ready, stopped)` in a thread from its being ready until the block's end."""
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
        stopped.wait(0.3)  # what is still on its way
        stopped.set()
        thread.join()
    if failures:
        raise failures[0]


# --- what is shown --------------------------------------------------------------------------


def _show(result: DemoResult) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    summary = result.summary
    console.rule("what passed")
    console.print(
        f"{summary.frames_analysed} frames, [bold]{summary.vehicles} vehicles[/bold]: "
        f"{summary.hits} hits, {summary.non_hits} of which only this number is left."
    )
    console.rule("what the broker saw")
    seen = Table("topic", "messages", "bytes each")
    for topic, count in Counter(message.topic for message in result.messages).items():
        sizes = sorted({one.size for one in result.messages if one.topic == topic})
        spread = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        seen.add_row(topic, str(count), spread)
    console.print(seen)
    console.print("No plate and no picture: each hit is sealed to the authority's key.")
    console.rule("what the authority saw when it opened them")
    hits = Table("rule", "why", "plate", "certainty", "pictures")
    for one in result.opened:
        hit = one.opened.hit
        hits.add_row(
            hit.rule,
            one.why,
            one.plate,
            f"{hit.posterior:.1%}",
            ", ".join(path.name for path in one.files.pictures) or "none",
        )
    console.print(hits)
    console.print("A person checks each of them before anything follows from it.")
    for one in result.opened:
        for path in one.files.pictures:
            console.print(str(path), soft_wrap=True, highlight=False)
    console.rule("what is left of everyone else")
    console.print(f"A counter: {summary.non_hits}.")
    console.print(
        f"\nEverything is in {result.folder}; delete that folder when you have seen it.",
        soft_wrap=True,
        highlight=False,
    )
