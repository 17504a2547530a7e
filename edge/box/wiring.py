"""The only place that builds adapters and hands them to the core."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import resource
import signal
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from edge.adapters.broker.mqtt import BrokerLink, BrokerOptions, TlsFiles
from edge.adapters.broker.publisher import Publisher, PublisherLimits, Taker
from edge.adapters.broker.topics import BoxTopics
from edge.adapters.cameras.decoder import DecoderRequest
from edge.adapters.cameras.decoder_request import request_for, shown_address
from edge.adapters.cameras.guarded_camera import GuardedCamera, masked_cells
from edge.adapters.cameras.jpeg import encode_jpeg
from edge.adapters.cameras.live_camera import CameraStatus, LiveCamera
from edge.adapters.cameras.recordings import RecordedCamera, open_recordings, recorded_at_of
from edge.adapters.host.cv2_check import check_cv2
from edge.adapters.host.kernel_clock import kernel_clock
from edge.adapters.host.metrics import CameraFigures, Listen, Questions, State, TelemetryServer
from edge.adapters.host.service_manager import ServiceManager
from edge.adapters.host.system import SystemClock, product_version, random_bytes
from edge.adapters.host.thermometers import temperatures
from edge.adapters.models.loading import PlateModels, load_plate_models
from edge.adapters.models.second_look import SecondLook
from edge.adapters.models.weights import Manifest, WeightsInUse
from edge.adapters.state.archive import Archive
from edge.adapters.state.audit_log import AuditTrail, open_box_audit
from edge.adapters.state.keyring import Keyring
from edge.adapters.state.list_store import ListStore, list_reader, site_lists
from edge.adapters.state.outbox import Outbox, OutboxFull
from edge.adapters.state.policy_state import FileDigest, PolicyState, SteadyClock
from edge.adapters.state.state_version import require_known
from edge.adapters.state.statistics import EpochStatistics, StatisticsFile
from edge.adapters.state.suspension_store import SuspensionStore
from edge.box.clock_watch import ClockWatch
from edge.box.engine import Engine, Stream, VehicleCounts
from edge.box.evidence_worker import EvidenceCase, EvidenceWorker
from edge.box.gatekeeper import Gatekeeper
from edge.box.health import STALLED_S, BoxHealth
from edge.box.summary import RunSummary, StreamSummary
from edge.box.traffic import ClosedEpochs, TrafficTotals
from edge.domain.counting import coarse
from edge.errors import (
    CameraError,
    ConfigError,
    EdgeError,
    KeyFileError,
    PolicyError,
    PublishError,
)
from edge.pipeline.attention import Attention
from edge.pipeline.evidence import EvidenceMaker, SealedHit
from edge.pipeline.ports import Camera, Clock, PlateDetector
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.pipeline.watcher import VehicleWatcher, settings_for_threshold
from edge.policy.bundles import MAX_BUNDLE_BYTES
from edge.policy.gate import Condition, GateFacts, refusal
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, PolicySignatures, read_signatures
from edge.policy.suspension import suspension_terms
from edge.privacy.audit import Deleted, EpochClosed, Event, Started, StateChanged, Stopped
from edge.privacy.hit import ReceiptVerifier
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.privacy.pseudonyms import SaltChain
from edge.site import settings as site_yaml
from edge.site.folder import SiteFolder, read_box_folders

FULL_OUTBOX_RETRY_S = 0.05
STAGES = ("decode", "attend", "detect", "read", "track", "judge", "evidence")
SAY_SAFE_S = 3.0
"""How long a box that stays shut tries to say so."""
PACKET_OVERHEAD_BYTES = 1024
HEAR_S = 1.0
"""How long it listens then; what the broker keeps for it comes at once."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What to run: a file or folder, as seen by one camera of the policy."""

    camera: str
    path: Path
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """What to run: the live camera that site.yaml names for a camera of the policy."""

    camera: str


Source = Recording | LiveFeed


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did; `failure` is why it must not count as done, if so."""

    summary: RunSummary
    failure: EdgeError | None


class Reload(KeyboardInterrupt):
    """Raised by a signal's handler: end in order, to be run again with the site's files anew.

    What waits is not waited for, and the service manager is not told of a stop.
    """


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Whom to tell how a run gets on.

    Args:
        on_streams: gets each stream's name and the frames it claims to hold, before the start.
        on_frame: gets the index of the stream that a frame was analysed of.
    """

    on_streams: Callable[[Sequence[tuple[str, int | None]]], None] = lambda _streams: None
    on_frame: Callable[[int], None] = lambda _index: None


def require_recorded(source: str | Path, policy: Policy) -> Path:
    """A source as a path, if it is a recording: a regular file or a folder.

    Raises:
        PolicyError: `E_DEMO_KEYS`: an address, a device, a pipe or a socket, and the policy is
            signed with demo keys.
        CameraError: such a source under any policy: site.yaml names those; or nothing is there.
    """
    text = str(source)
    # An address is not repeated: it may hold a password.
    shown = "this address" if "://" in text else text
    if "://" in text:
        raise _live(shown, policy)
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise CameraError(
            f"{path}: no such file or folder; check the source's path", code="E_SOURCE_MISSING"
        ) from None
    except OSError as error:
        raise CameraError(f"{path}: {error.strerror}; check the source's path") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _live(shown, policy)
    return path


def _live(shown: str, policy: Policy) -> EdgeError:
    if policy.demo:
        return PolicyError(
            f"{shown}: the policy is signed with demo keys, which everybody has, so recorded files "
            "and folders are all that is read; name a recording",
            code="E_DEMO_KEYS",
        )
    return CameraError(
        f"{shown}: a live camera is named in site.yaml, as cameras.<name>.live; name a recording "
        "here",
        code="E_SOURCE_LIVE",
    )


def site_sources(site: SiteFolder, cameras: Sequence[str]) -> tuple[Source, ...]:
    """The recordings and live cameras that site.yaml names for these cameras.

    Raises:
        ConfigError: a camera has no source.
        PolicyError: a source is no recording.
    """
    found: list[Source] = []
    for camera in cameras:
        if site.site.cameras[camera].live is not None:
            found.append(LiveFeed(camera))
            continue
        source = site.site.cameras[camera].source
        if source is None:
            raise ConfigError(
                f"{site.folder / 'site.yaml'}: cameras.{camera}.source is missing; "
                "name a recording or a live camera there, or a recording with --source"
            )
        address = source if "://" in source else str(site.resolve(source))
        found.append(Recording(camera, require_recorded(address, site.policy)))
    return tuple(found)


def destroy_expired(site: Path) -> None:
    """Destroy the keys of what has expired: before anything else, whatever the policy is worth.

    A box whose policy is refused does not run, and what waits on it still ends on time.

    Raises:
        EdgeError: a newer version has written to the state folder, the keyring is in use, or a key
            could not be destroyed.
    """
    try:
        folders = read_box_folders(site)
    except ConfigError:
        return  # whoever reads the whole folder next says what is wrong, all at once
    if folders.keyring.exists():
        Keyring.open(folders.keyring, SystemClock()).close()
    # Whoever made the state: what has expired ended above.
    require_known(folders.state)


def require_open(site: SiteFolder, sources: Sequence[Source]) -> None:
    """Ask whether these sources may be run now, and open nothing.

    Raises:
        EdgeError: they may not.
    """
    clock = SystemClock()
    recorded = [camera.started_at for camera in _recordings(_recorded(sources), clock)]
    lists = site_lists(site, _box_keys(site), clock.utc)
    conditions: list[Condition] = [
        _suspension(site),
        _Gate(site, recorded, live=bool(_feeds(sources))),
        partial(_list_refusal, site, lists),
    ]
    Gatekeeper(conditions, clock.utc, lambda _error: None).require_open()


def require_keys(site: SiteFolder) -> bool:
    """See that the box's and the authorities' keys can be used; says whether they are for trying.

    Raises:
        EdgeError: one cannot.
    """
    _authorities(site)
    return _box_keys(site).trial


def reach_broker(site: SiteFolder) -> None:
    """Connect to the broker as the box would, and leave again.

    Raises:
        EdgeError: it cannot be reached, or refuses.
    """
    options = _broker_options(site)
    # With the box's own id a box that runs would lose its connection.
    with BrokerLink.open(replace(options, client_id=f"{options.client_id}-doctor")):
        pass


def open_cameras(site: SiteFolder, sources: Sequence[Source]) -> tuple[Camera, ...]:
    """The first source of each camera, behind the policy's masks and hours. Nothing is opened yet.

    Raises:
        EdgeError: a source is not there.
    """
    clock = SystemClock()
    found: dict[str, Camera] = {}
    recorded = _recordings(_recorded(sources), clock)
    for camera in _cameras(site, recorded, _feeds(sources), clock):
        found.setdefault(camera.name, _guarded(site, camera))
    return tuple(found.values())


def site_models(site: SiteFolder, manifest: Manifest | None = None) -> PlateModels:
    """The networks that site.yaml names, on what it names.

    Raises:
        ModelError: they cannot be had.
    """
    models = site.site.models
    return load_plate_models(
        manifest or Manifest.load(),
        models.detector,
        models.reader,
        provider=models.provider,
        threads=models.threads,
    )


def run_site(
    site: SiteFolder,
    sources: Sequence[Source],
    *,
    realtime: bool = False,
    drain_s: float = 10.0,
    manifest: Manifest | None = None,
    progress: RunProgress | None = None,
) -> RunResult:
    """Run sources through a site's rules and deliver the hits; with a live one it never ends.

    Args:
        site: the checked site folder.
        sources: what to run, at least one.
        realtime: keep to the recordings' own pace and drop frames that come too fast; so it is
            whenever a source is live.
        drain_s: how long to wait at the end for hits to be delivered, in seconds.
        manifest: the weights; the product's own when left out.
        progress: whom to tell how it gets on.

    Raises:
        EdgeError: the box could not start. What goes wrong later is in the result's
            `failure`, beside the counts so far.
    """
    progress = progress or RunProgress()
    check_cv2()
    recorded = tuple(_recordings(_recorded(sources), SystemClock()))
    feeds = _feeds(sources)
    clock = _clock_of(site)
    gate = _Gate(site, [camera.started_at for camera in recorded], live=bool(feeds))
    conditions: list[Condition] = [_suspension(site), gate]
    if feeds:
        conditions.append(ClockWatch(SystemClock()))
    _require_open(site, conditions, clock)
    models = site.site.models
    box_keys = _box_keys(site)
    lists = site_lists(site, box_keys, clock.utc)
    conditions.append(partial(_list_refusal, site, lists))
    _require_open(site, conditions, clock)
    authorities = _authorities(site)
    broker = _broker_options(site)
    manifest = manifest or Manifest.load()
    eyes = site_models(site, manifest)
    if box_keys.trial:
        log.warning("%s: these are trial keys; never use them at a real site", site.keys_folder)
    with contextlib.ExitStack() as cleanup:
        storage = cleanup.enter_context(_storage(site, box_keys))
        publisher = _publisher(site, broker, storage, authorities)
        site_lists(site, box_keys, clock.utc, storage.audit.append).forget_others()
        chain = SaltChain(site.site.site, site.site.box, random_bytes)
        cleanup.callback(chain.destroy)
        rule_book = RuleBook(
            site.rules,
            chain,
            list_reader(site, lists),
            site.policy.epoch_minutes * 60,
            site.policy.competences(),
        )
        desk = EvidenceWorker(_store(site, storage, publisher, box_keys, authorities, drain_s))
        cameras = _cameras(site, recorded, feeds, clock)
        streams = tuple(_stream(site, eyes, camera) for camera in cameras)
        traffic = ClosedEpochs(
            (each.value for each in ReadOutcome), (rule.id for rule in site.rules), STAGES
        )
        record = _EpochRecord(publisher, desk, storage, rule_book)
        condition = _condition(site, streams, publisher, traffic, clock, drain_s)

        def on_epoch(counts: VehicleCounts) -> None:
            record.epoch_closed(counts)
            traffic.close(_totals(engine, desk, storage.outbox))

        engine = Engine(
            streams,
            rule_book,
            desk,
            on_frame=progress.on_frame,
            on_epoch=on_epoch,
            on_turn=lambda: condition.turned(rule_book.epochs_begun),
        )

        def on_refusal(error: EdgeError) -> None:
            engine.shut(error)
            condition.enter("safe", error.code)
            publisher.set_availability("safe", error.code)
            _record(storage.audit, StateChanged("safe", error.code))

        gatekeeper = Gatekeeper(conditions, clock.utc, on_refusal)
        cleanup.callback(gatekeeper.stop)
        progress.on_streams([(stream.clip, stream.camera.expected_frames) for stream in streams])
        storage.keep(site, gate.signatures, manifest.in_use(models.detector, models.reader))
        gatekeeper.start()
        cleanup.enter_context(_telling(site, condition, gatekeeper, publisher))
        return _run(
            site,
            engine,
            desk,
            storage,
            publisher,
            condition,
            on_epoch,
            rule_book,
            realtime or bool(feeds),
            drain_s,
        )


@dataclass(frozen=True, slots=True)
class _Storage:
    """What lies on the box's disks, opened. Its clock judges retention."""

    keyring: Keyring
    outbox: Outbox
    audit: AuditTrail
    archive: Archive
    statistics: StatisticsFile

    @property
    def clock(self) -> Clock:
        return self.keyring.clock

    def keep(self, site: SiteFolder, signatures: PolicySignatures, weights: WeightsInUse) -> None:
        """Record under what the box starts, before it looks at anything.

        Raises:
            EdgeError: it cannot be recorded.
        """
        self.archive.keep_policy(site.policy, signatures.text().encode())
        self.archive.keep_weights(weights)
        self.audit.append(Started(product_version(), site.policy_sha256, weights.sha256()))


@contextlib.contextmanager
def _storage(site: SiteFolder, box_keys: BoxKeys) -> Iterator[_Storage]:
    with (
        Keyring.open(site.keyring_folder, SystemClock()) as keyring,
        Outbox.open(site.state_folder, keyring, reserve_mib=site.site.outbox.reserve_mib) as outbox,
        open_box_audit(site.box, box_keys) as audit,
    ):
        outbox.shorten({name: _retention(site, name) for name in site.policy.purposes})
        if outbox.unreadable:
            audit.append(Deleted("unreadable", None, coarse(outbox.unreadable)))
        statistics = StatisticsFile(site.state_folder)
        statistics.prune(keyring.clock.utc())
        yield _Storage(keyring, outbox, audit, Archive(site.state_folder), statistics)


def _run(  # noqa: PLR0913 - the last step of the wiring holds all the wires
    site: SiteFolder,
    engine: Engine,
    desk: EvidenceWorker,
    storage: _Storage,
    publisher: Publisher,
    condition: BoxHealth,
    on_epoch: Callable[[VehicleCounts], None],
    rule_book: RuleBook,
    realtime: bool,  # noqa: FBT001
    drain_s: float,
) -> RunResult:
    wall, cpu = time.perf_counter(), time.process_time()
    failure: EdgeError | None = None
    outbox = storage.outbox
    waiting_before = outbox.depth()
    interrupted: KeyboardInterrupt | None = None
    publisher.start()
    desk.start()
    condition.enter("online", "online")
    try:
        try:
            try:
                engine.run(realtime=realtime)
            finally:
                rule_book.forget()
                # Also when interrupted: what was judged is stored, however often one asks.
                with _signals_held():
                    desk.close()
        except EdgeError as error:
            failure = error
        except KeyboardInterrupt as stop:
            interrupted = stop
        if not isinstance(interrupted, Reload):
            condition.enter("stopping", "stopped" if failure is None else failure.code)
        try:
            on_epoch(engine.counts)
        except EdgeError as error:
            failure = failure or error
        # Whoever stops the box waits for what can still be delivered, not for a broker.
        if interrupted is None or (
            publisher.state.connected and not isinstance(interrupted, Reload)
        ):
            publisher.drain(drain_s)
        ending = publisher.state
    finally:
        with _signals_held():
            unrecorded = _record(storage.audit, Stopped(_how(failure, interrupted)))
            publisher.stop()
    if interrupted is not None:
        raise interrupted
    failure = failure or unrecorded
    kept = outbox.depth()
    if failure is None and kept:
        failure = _kept(kept, ending.problem, site)
    elif failure is None and not ending.connected:
        failure = ending.problem
    delivered = waiting_before + desk.counts.by_rule.total() - kept
    summary = _summary(
        site, engine, desk, rule_book, delivered=delivered, kept=kept, wall=wall, cpu=cpu
    )
    return RunResult(summary, failure)


def _how(failure: EdgeError | None, interrupted: KeyboardInterrupt | None) -> str:
    """How a run ended, in the audit log's one word."""
    if failure is not None:
        return failure.code
    return "end" if interrupted is None else "interrupted"


def _summary(
    site: SiteFolder,
    engine: Engine,
    desk: EvidenceWorker,
    rule_book: RuleBook,
    *,
    delivered: int,
    kept: int,
    wall: float,
    cpu: float,
) -> RunSummary:
    """What a run did; `wall` and `cpu` are what their clocks showed when it began, in seconds."""
    streams = tuple(
        StreamSummary(
            camera=stream.camera.name,
            clip=os.fsencode(stream.clip).decode(errors="replace"),
            frames_decoded=_decoded(stream),
            frames_analysed=stream.analysed,
            frames_dropped=stream.counts.dropped,
            frames_corrupt=stream.counts.corrupt,
            frames_out_of_hours=_out_of_hours(stream),
        )
        for stream in engine.streams
    )
    return RunSummary(
        site=site.site.site,
        box=site.site.box,
        streams=streams,
        frames_decoded=sum(stream.frames_decoded for stream in streams),
        frames_analysed=sum(stream.frames_analysed for stream in streams),
        frames_dropped=sum(stream.frames_dropped for stream in streams),
        frames_corrupt=sum(stream.frames_corrupt for stream in streams),
        frames_out_of_hours=sum(stream.frames_out_of_hours for stream in streams),
        vehicles=engine.counts.vehicles,
        reads={
            "read": engine.counts.outcomes[ReadOutcome.READ],
            "ambiguous": engine.counts.outcomes[ReadOutcome.AMBIGUOUS],
            "unreadable": engine.counts.outcomes[ReadOutcome.UNREADABLE],
        },
        hits=desk.counts.by_rule.total(),
        hits_by_rule=dict(desk.counts.by_rule),
        hits_without_picture=desk.counts.without_picture,
        hits_outside_competence=rule_book.outside_competence,
        non_hits=engine.counts.vehicles - engine.counts.with_hit,
        epochs=rule_book.epochs_begun,
        delivered=delivered,
        kept=kept,
        stage_ms=_stage_ms(engine, desk),
        cpu_s=round(time.process_time() - cpu, 3),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        wall_s=round(time.perf_counter() - wall, 3),
    )


def _record(audit: AuditTrail, event: Event) -> EdgeError | None:
    """Enter how the box ends or shuts; what keeps it from doing so is returned, not raised."""
    try:
        audit.append(event)
    except EdgeError as error:
        log.warning("%s", error)
        return error
    return None


def _out_of_hours(stream: Stream) -> int:
    return stream.camera.out_of_hours if isinstance(stream.camera, GuardedCamera) else 0


def _condition(
    site: SiteFolder,
    streams: Sequence[Stream],
    publisher: Publisher,
    traffic: ClosedEpochs,
    clock: Clock,
    patience_s: float,
) -> BoxHealth:
    """What the box knows of itself, from all its parts."""

    def broker() -> tuple[bool, int]:
        state = publisher.state
        return state.connected, state.connections

    return BoxHealth(
        version=product_version(),
        site=site.site.site,
        box=site.site.box,
        traffic=traffic,
        cameras=lambda: _camera_figures(streams),
        broker=broker,
        epoch_s=site.policy.epoch_minutes * 60,
        monotonic=clock.monotonic,
        clock=kernel_clock,
        temperatures=temperatures,
        # A full outbox is waited for; that is no standstill.
        stalled_s=STALLED_S + patience_s,
    )


def _camera_figures(streams: Sequence[Stream]) -> list[CameraFigures]:
    """One for each camera, whose recordings count together; a live one says how it is itself."""
    figures = []
    for name in dict.fromkeys(stream.camera.name for stream in streams):
        own = [stream for stream in streams if stream.camera.name == name]
        counts = [stream.counts for stream in own]
        statuses = [_live_status(stream) for stream in own]
        figures.append(
            CameraFigures(
                name,
                frames=sum(map(_decoded, own)),
                corrupt=sum(one.corrupt for one in counts),
                connections=sum(
                    one.decoded > 0 if status is None else status.connections
                    for one, status in zip(counts, statuses, strict=True)
                ),
                up=any(
                    one.decoded > 0 if status is None else status.works
                    for one, status in zip(counts, statuses, strict=True)
                ),
            )
        )
    return figures


def _decoded(stream: Stream) -> int:
    """Frames that came out of the decoder, or that nobody wanted out."""
    status = _live_status(stream)
    return stream.counts.decoded + (status.unwanted if status is not None else 0)


def _live_status(stream: Stream) -> CameraStatus | None:
    return stream.camera.status() if isinstance(stream.camera, GuardedCamera) else None


@contextlib.contextmanager
def _telling(
    site: SiteFolder, condition: BoxHealth, gatekeeper: Gatekeeper, publisher: Publisher
) -> Iterator[None]:
    """The service manager and the telemetry's listeners are told, until the block ends."""
    condition.watch("gatekeeper", gatekeeper.is_alive)
    condition.watch("publisher", publisher.is_alive)
    with contextlib.ExitStack() as cleanup:
        if site.site.telemetry is not None:
            questions = Questions(condition.figures, condition.healthy, condition.ready)
            cleanup.enter_context(
                TelemetryServer(Listen.parse(site.site.telemetry.listen), questions)
            )
        service = ServiceManager(os.environ, lambda: condition.healthy().holds, condition.status)

        def on_state(state: State) -> None:
            if state == "online":
                service.ready()
            elif state == "stopping":
                service.stopping()

        condition.follow(on_state)
        cleanup.enter_context(service)
        yield


def _totals(engine: Engine, desk: EvidenceWorker, outbox: Outbox) -> TrafficTotals:
    return TrafficTotals(
        vehicles={each.value: engine.counts.outcomes[each] for each in ReadOutcome},
        hits=dict(desk.counts.by_rule),
        analysed=sum(stream.analysed for stream in engine.streams),
        dropped=sum(stream.counts.dropped for stream in engine.streams),
        stage_s={stage: ms / 1000 for stage, ms in _stage_ms(engine, desk).items()},
        waiting=outbox.depth(),
    )


def _stage_ms(engine: Engine, desk: EvidenceWorker) -> dict[str, float]:
    seconds = {"decode": sum(stream.counts.decode_s for stream in engine.streams)}
    for stream in engine.streams:
        for stage, spent in stream.watcher.stage_seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    seconds["judge"] = engine.judge_s
    seconds["evidence"] = desk.counts.busy_s
    return {stage: round(spent * 1000, 1) for stage, spent in seconds.items()}


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and the service manager's stop are passed over until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kept(kept: int, problem: EdgeError | None, site: SiteFolder) -> PublishError:
    broker = site.site.broker
    why = (
        problem.message
        if problem is not None
        else (
            f"broker {broker.host}:{broker.port}: the authority's receipts have not come; "
            "check that `edge-anpr hits tail` runs there"
        )
    )
    hits = "1 hit is" if kept == 1 else f"{kept} hits are"
    return PublishError(
        f"{hits} kept in {site.state_folder} and the next run delivers what is left ({why})",
        code="E_HITS_KEPT",
    )


def _clock_of(site: SiteFolder) -> Clock:
    """The wall clock, which under a policy that was really signed is never turned back."""
    clock = SystemClock()
    return clock if site.policy.demo else SteadyClock(clock, site.state_folder)


def _recorded(sources: Sequence[Source]) -> list[Recording]:
    return [one for one in sources if isinstance(one, Recording)]


def _feeds(sources: Sequence[Source]) -> list[str]:
    """The cameras whose live feeds are among the sources."""
    return [one.camera for one in sources if isinstance(one, LiveFeed)]


def _cameras(
    site: SiteFolder, recorded: Iterable[RecordedCamera], feeds: Sequence[str], clock: Clock
) -> tuple[RecordedCamera | LiveCamera, ...]:
    return (*recorded, *(_live_camera(site, name, clock) for name in feeds))


def _recordings(recordings: Sequence[Recording], clock: Clock) -> Iterator[RecordedCamera]:
    for recording in recordings:
        yield from open_recordings(
            recording.path,
            camera=recording.camera,
            started_at=_when(recording.recorded_at, clock),
        )


def _when(recorded_at: datetime | None, clock: Clock) -> Callable[[Path], datetime]:
    """When a recording was made: as told, else as its sidecar says, else now."""

    def when(path: Path) -> datetime:
        return recorded_at or recorded_at_of(path) or clock.utc()

    return when


def _box_keys(site: SiteFolder) -> BoxKeys:
    keys = BoxKeys.load(site.keys_folder)
    if (keys.site, keys.box) != (site.site.site, site.site.box):
        raise KeyFileError(
            f"{site.keys_folder}: these are the keys of box {keys.box} at {keys.site}, not of "
            f"{site.site.box} at {site.site.site}; make this box its own with `edge-anpr keys new`"
        )
    return keys


class _Gate:
    """The gate with its facts: those that may change are looked up at each asking."""

    def __init__(self, site: SiteFolder, recorded_at: Sequence[datetime], *, live: bool) -> None:
        self._state = PolicyState(site.state_folder)
        self.signatures = read_signatures(site.folder / SIGNATURES_FILE)
        self._dpia = FileDigest(site.resolve(site.policy.dpia.file))
        self._facts = GateFacts(
            policy=site.policy,
            signatures=self.signatures,
            box=site.site.box,
            dpia_sha256=None,
            history=() if site.policy.demo else self._state.history(),
            recorded_at=tuple(recorded_at),
            live=live,
            # Of an authority's public key nobody can tell; the box's own key says it.
            trial_keys=live and not site.policy.demo and _box_keys(site).trial,
        )

    def __call__(self, now: datetime) -> EdgeError | None:
        try:
            in_force = None if self._facts.policy.demo else self._state.in_force()
        except EdgeError as error:
            return error
        facts = replace(self._facts, dpia_sha256=self._dpia.sha256(), in_force=in_force)
        return refusal(facts, now)


def _suspension(site: SiteFolder) -> Condition:
    """No camera is open while an order to suspend is in force, or nobody can tell."""
    store = SuspensionStore(site.state_folder)

    def condition(_now: datetime) -> EdgeError | None:
        try:
            suspended = store.load().suspended
        except EdgeError as error:
            return error
        if not suspended:
            return None
        return PolicyError(
            "the box is suspended by a signed order; it opens again with an order of the same key "
            "that a controller has signed too: `edge-anpr suspend status` says whose",
            code="E_SUSPENDED",
        )

    return condition


def _list_refusal(site: SiteFolder, lists: ListStore, _now: datetime) -> EdgeError | None:
    """Why a list that some rule reads is not in order, or None."""
    for list_id in sorted({rule.list_id for rule in site.rules if rule.list_id is not None}):
        if not lists.has(list_id) and site.may_be_clear(list_id):
            continue  # it was read when the site folder was
        fault = lists.fault(list_id)
        if fault is not None:
            return fault
    return None


def _require_open(site: SiteFolder, conditions: Sequence[Condition], clock: Clock) -> None:
    """Raise what keeps the cameras shut, unless the broker has what opens them.

    An order to resume, or a list, may lie there for a box that was away.
    """
    gate = Gatekeeper(conditions, clock.utc, lambda _error: None)
    refused = gate.refusal()
    if refused is not None and (not site.policy.demo or refused.code == "E_SUSPENDED"):
        _say_safe(site, refused)
    gate.require_open()


def _say_safe(site: SiteFolder, refused: EdgeError) -> None:
    """Record and tell the world why the box stays shut, deliver what was left, and listen."""
    try:
        with _storage(site, _box_keys(site)) as storage:
            storage.audit.append(StateChanged("safe", refused.code))
            publisher = _publisher(site, _broker_options(site), storage, _authorities(site))
            publisher.set_availability("safe", refused.code)
            publisher.start()
            deadline = storage.clock.monotonic() + SAY_SAFE_S
            while not publisher.state.connected and storage.clock.monotonic() < deadline:
                time.sleep(FULL_OUTBOX_RETRY_S)
            if publisher.state.connected:
                time.sleep(HEAR_S)
            publisher.stop()
    except EdgeError as error:
        log.warning("the refusal could not be recorded or told to the broker: %s", error)


def _authorities(site: SiteFolder) -> dict[str, AuthorityPublicKeys]:
    return {
        authority: AuthorityPublicKeys.load(site.authority_keys(authority), authority=authority)
        for authority in sorted({rule.authority for rule in site.rules})
    }


def _live_camera(site: SiteFolder, name: str, clock: Clock) -> LiveCamera:
    live = site.site.cameras[name].live
    if live is None:
        raise ConfigError(f"{site.folder / 'site.yaml'}: cameras.{name}.live is missing; add it")

    def order() -> DecoderRequest:
        password = site.camera_password(name, os.environ)
        return request_for(live, password, site.camera_authorities(name))

    order()  # a password or an authority that is not there is said before anything starts
    return LiveCamera(
        name,
        shown_address(live),
        order,
        clock=clock,
        jitter=random.random,
        open_at=site.policy.cameras[name].hours.schedule(site.policy.zone).is_active,
    )


def _stream(site: SiteFolder, eyes: PlateModels, camera: RecordedCamera | LiveCamera) -> Stream:
    detector = _looking_twice(eyes.detector, site.site.cameras[camera.name].second_look)
    attention = Attention()
    if isinstance(camera, LiveCamera):
        masks = site.policy.cameras[camera.name].privacy_masks
        camera.ask(lambda cells, now_s: attention.selects(masked_cells(cells, masks), now_s))
    return Stream(
        camera=_guarded(site, camera),
        clip=camera.clip,
        watcher=VehicleWatcher(
            camera.name,
            detector,
            eyes.reader,
            settings_for_threshold(eyes.threshold),
            attention=attention,
        ),
        live=isinstance(camera, LiveCamera),
    )


def _guarded(site: SiteFolder, camera: RecordedCamera | LiveCamera) -> GuardedCamera:
    settings = site.policy.cameras[camera.name]
    return GuardedCamera(camera, settings.hours.schedule(site.policy.zone), settings.privacy_masks)


def _looking_twice(detector: PlateDetector, look: site_yaml.SecondLook) -> PlateDetector:
    if isinstance(look, site_yaml.NoSecondLook):
        return detector
    return SecondLook(detector, look)


def _broker_options(site: SiteFolder) -> BrokerOptions:
    broker = site.site.broker
    tls = site.tls
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"edge-anpr-{site.site.site}-{site.site.box}",
        username=broker.username,
        password=site.broker_password(os.environ),
        tls=None if tls is None else TlsFiles(tls.ca, tls.certificate, tls.key),
        largest_packet_bytes=MAX_BUNDLE_BYTES + PACKET_OVERHEAD_BYTES,
    )


def _publisher(
    site: SiteFolder,
    options: BrokerOptions,
    storage: _Storage,
    authorities: Mapping[str, AuthorityPublicKeys],
) -> Publisher:
    broker = site.site.broker
    publisher = Publisher(
        storage.outbox,
        options,
        _topics(site),
        ReceiptVerifier(authorities.values(), storage.outbox.find),
        clock=storage.clock,
        jitter=random.random,
        limits=PublisherLimits(
            payload_cap_bytes=broker.payload_cap_kib * 1024,
            message_expiry_s=broker.message_expiry_s,
        ),
        takers=_takers(site, storage),
    )
    storage.audit.follow(lambda checkpoint: publisher.publish_checkpoint(checkpoint.note()))
    return publisher


def _retention(site: SiteFolder, purpose: str) -> timedelta:
    return timedelta(hours=site.policy.purposes[purpose].retention_hours)


def _topics(site: SiteFolder) -> BoxTopics:
    return BoxTopics(
        site.site.site,
        site.site.box,
        frozenset(site.policy.cameras),
        frozenset(site.policy.lists),
        home_assistant=site.site.broker.home_assistant,
    )


def _takers(site: SiteFolder, storage: _Storage) -> dict[str, Taker]:
    """What comes by MQTT, beside receipts: lists and orders."""
    topics = _topics(site)
    terms = suspension_terms(site.policy, site.site.box)
    record = storage.audit.append
    suspensions = SuspensionStore(site.state_folder, record)
    lists = site_lists(site, _box_keys(site), storage.clock.utc, record)

    def take_list(list_id: str, payload: bytes) -> None:
        facts = lists.install(payload, list_id=list_id)
        log.info("list %s, counter %d, is in force from the next epoch", list_id, facts.counter)

    takers: dict[str, Taker] = {
        topics.bundle(list_id): partial(take_list, list_id) for list_id in topics.lists
    }
    takers[topics.command] = lambda payload: suspensions.take(payload, terms)
    return takers


def _store(
    site: SiteFolder,
    storage: _Storage,
    publisher: Publisher,
    box_keys: BoxKeys,
    authorities: dict[str, AuthorityPublicKeys],
    patience_s: float,
) -> Callable[[EvidenceCase], SealedHit]:
    """What the evidence thread does with a case: make a hit and put it in the outbox."""
    outbox, clock = storage.outbox, storage.clock
    topics = _topics(site)
    maker = EvidenceMaker(
        site=site.site.site,
        box=site.site.box,
        policy_sha256=site.policy_sha256,
        box_keys=box_keys,
        authorities=authorities,
        payload_cap_bytes=site.site.broker.payload_cap_kib * 1024,
        random_bytes=random_bytes,
        encode=encode_jpeg,
    )

    def store(case: EvidenceCase) -> SealedHit:
        rule = case.offence.rule
        hit = maker.make(case.vehicle, case.offence, case.epoch, outbox.next_counter())
        retention = _retention(site, rule.purpose)
        deadline = clock.monotonic() + patience_s
        while True:
            try:
                outbox.put(
                    hit.hit_id,
                    case.vehicle.camera,
                    topics.hit(case.vehicle.camera),
                    hit.payload,
                    purpose=rule.purpose,
                    receipt_required=site.policy.authorities[rule.authority].receipts == "required",
                    expires_at=clock.utc() + retention,
                )
            except OutboxFull:
                # A recording runs faster than a broker takes hits: give it time, then stop.
                if clock.monotonic() >= deadline:
                    publisher.set_availability("safe", "outbox-full")
                    _record(storage.audit, StateChanged("safe", "outbox-full"))
                    raise
                time.sleep(FULL_OUTBOX_RETRY_S)
                continue
            return hit

    return store


class _EpochRecord:
    """What is left of an epoch when it has closed: coarse counts, published and put down.

    Each epoch leaves the same messages and lines, however many vehicles passed.
    """

    def __init__(
        self, publisher: Publisher, desk: EvidenceWorker, storage: _Storage, rule_book: RuleBook
    ) -> None:
        self._publisher = publisher
        self._desk = desk
        self._storage = storage
        self._rule_book = rule_book
        self._epoch = rule_book.epoch
        self._vehicles: Counter[str] = Counter()
        self._hits: Counter[str] = Counter()
        self._deleted = 0

    def epoch_closed(self, counts: VehicleCounts) -> None:
        """Tell the epoch that has just ended.

        Raises:
            EdgeError: it could not be put down; the box must not go on.
        """
        now, outbox = self._storage.clock.utc(), self._storage.outbox
        outbox.delete_expired(now)
        vehicles = Counter({each.value: counts.outcomes[each] for each in ReadOutcome})
        hits = Counter(self._desk.counts.by_rule)
        deleted = outbox.expired + outbox.unreadable
        new_vehicles = {name: vehicles[name] - self._vehicles[name] for name in vehicles}
        new_hits = {rule: hits[rule] - self._hits[rule] for rule in self._rule_book.rule_ids}
        all_vehicles, all_hits = sum(new_vehicles.values()), sum(new_hits.values())
        self._publisher.publish_health(
            {"vehicles": all_vehicles, "hits": all_hits, "outbox": outbox.depth()}
        )
        self._storage.audit.append(
            EpochClosed(
                self._epoch,
                vehicles=coarse(all_vehicles),
                hits=coarse(all_hits),
                deleted=coarse(deleted - self._deleted),
            )
        )
        self._storage.statistics.append(EpochStatistics.of(now, new_vehicles, new_hits))
        self._vehicles, self._hits, self._deleted = vehicles, hits, deleted
        self._epoch = self._rule_book.epoch
