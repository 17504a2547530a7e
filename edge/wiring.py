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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from edge.adapters.cv2_check import check_cv2
from edge.adapters.guarded_camera import GuardedCamera
from edge.adapters.jpeg import encode_jpeg
from edge.adapters.kernel_clock import kernel_clock
from edge.adapters.metrics import CameraFigures, Listen, Questions, State, TelemetryServer
from edge.adapters.mqtt import BrokerLink, BrokerOptions, TlsFiles
from edge.adapters.onnx.eyes import Eyes, load_eyes
from edge.adapters.outbox import Outbox, OutboxFull
from edge.adapters.policy_state import FileDigest, PolicyState, SteadyClock
from edge.adapters.publisher import Publisher, PublisherLimits
from edge.adapters.second_look import SecondLook
from edge.adapters.service import ServiceManager
from edge.adapters.system import SystemClock, product_version, random_bytes
from edge.adapters.thermometers import temperatures
from edge.adapters.topics import BoxTopics
from edge.adapters.video import RecordedCamera, open_recordings, recorded_at_of
from edge.adapters.weights import Manifest
from edge.errors import (
    CameraError,
    ConfigError,
    EdgeError,
    KeyFileError,
    PolicyError,
    PublishError,
)
from edge.pipeline.evidence import EvidenceMaker, SealedHit
from edge.pipeline.ports import Camera, Clock, PlateDetector
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.pipeline.watcher import VehicleWatcher
from edge.policy import site as site_yaml
from edge.policy.gate import Facts, refusal
from edge.policy.model import Policy
from edge.policy.signatures import SIGNATURES_FILE, read_signatures
from edge.policy.site_folder import SiteFolder
from edge.privacy.hit import ReceiptVerifier
from edge.privacy.keys import AuthorityPublicKeys, BoxKeys
from edge.privacy.pseudonyms import SaltChain
from edge.runtime.engine import Engine, Stream, VehicleCounts
from edge.runtime.evidence_desk import Case, EvidenceDesk
from edge.runtime.gatekeeper import Gatekeeper
from edge.runtime.health import STALLED_S, Health
from edge.runtime.summary import RunSummary, StreamSummary
from edge.runtime.traffic import ClosedEpochs, Totals

FULL_OUTBOX_RETRY_S = 0.05
STAGES = ("decode", "detect", "read", "track", "judge", "evidence")
SAY_SAFE_S = 3.0
"""How long a box that stays shut tries to say so."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What to run: a file or folder, as seen by one camera of the policy."""

    camera: str
    path: Path
    recorded_at: datetime | None = None


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
        CameraError: such a source under any policy: this version reads none; or nothing is there.
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
        f"{shown}: this version reads recorded files and folders only; name a recording",
        code="E_SOURCE_LIVE",
    )


def site_recordings(site: SiteFolder, cameras: Sequence[str]) -> tuple[Recording, ...]:
    """The recordings that site.yaml names for these cameras.

    Raises:
        ConfigError: a camera has no source.
        PolicyError: a source is no recording.
    """
    found = []
    for camera in cameras:
        source = site.site.cameras[camera].source
        if source is None:
            raise ConfigError(
                f"{site.folder / 'site.yaml'}: cameras.{camera}.source is missing; "
                "name a recording there or with --source"
            )
        address = source if "://" in source else str(site.resolve(source))
        found.append(Recording(camera, require_recorded(address, site.policy)))
    return tuple(found)


def require_open(site: SiteFolder, recordings: Sequence[Recording]) -> None:
    """Ask the gate whether these recordings may be run, and open nothing.

    Raises:
        EdgeError: they may not.
    """
    clock = SystemClock()
    recorded = [camera.started_at for camera in _sources(recordings, clock)]
    refused = _Gate(site, recorded)(clock.utc())
    if refused is not None:
        raise refused


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


def open_cameras(site: SiteFolder, recordings: Sequence[Recording]) -> tuple[Camera, ...]:
    """The first source of each camera, behind the policy's masks and hours. Nothing is opened yet.

    Raises:
        EdgeError: a source is not there.
    """
    found: dict[str, Camera] = {}
    for camera in _sources(recordings, SystemClock()):
        found.setdefault(camera.name, _guarded(site, camera))
    return tuple(found.values())


def site_eyes(site: SiteFolder) -> Eyes:
    """The networks that site.yaml names, on what it names.

    Raises:
        ModelError: they cannot be had.
    """
    models = site.site.models
    return load_eyes(
        Manifest.load(),
        models.detector,
        models.reader,
        provider=models.provider,
        threads=models.threads,
    )


def run_site(
    site: SiteFolder,
    recordings: Sequence[Recording],
    *,
    realtime: bool = False,
    drain_s: float = 10.0,
    manifest: Manifest | None = None,
    progress: RunProgress | None = None,
) -> RunResult:
    """Run recordings through a site's rules and deliver the hits.

    Args:
        site: the checked site folder.
        recordings: what to run, at least one.
        realtime: keep to the recordings' own pace and drop frames that come too fast.
        drain_s: how long to wait at the end for hits to be delivered, in seconds.
        manifest: the weights; the product's own when left out.
        progress: whom to tell how it gets on.

    Raises:
        EdgeError: the box could not start. What goes wrong later is in the result's
            `failure`, beside the counts so far.
    """
    progress = progress or RunProgress()
    check_cv2()
    recorded = tuple(_sources(recordings, SystemClock()))
    clock: Clock = SystemClock()
    if not site.policy.demo:
        clock = SteadyClock(clock, site.state_folder)
    gate = _Gate(site, [camera.started_at for camera in recorded])
    refused = gate(clock.utc())
    if refused is not None:
        if not site.policy.demo:
            _say_safe(site, refused, clock)
        raise refused
    models = site.site.models
    box_keys = _box_keys(site)
    authorities = _authorities(site)
    broker = _broker_options(site)
    eyes = load_eyes(
        manifest or Manifest.load(),
        models.detector,
        models.reader,
        provider=models.provider,
        threads=models.threads,
    )
    if box_keys.trial:
        log.warning("%s: these are trial keys; never use them at a real site", site.keys_folder)
    with contextlib.ExitStack() as cleanup:
        outbox = cleanup.enter_context(
            Outbox.open(site.state_folder, reserve_mib=site.site.outbox.reserve_mib)
        )
        publisher = _publisher(site, broker, outbox, authorities, clock)
        chain = SaltChain(site.site.site, site.site.box, random_bytes)
        cleanup.callback(chain.destroy)
        rule_book = RuleBook(
            site.rules,
            chain,
            site.read_list,
            site.policy.epoch_minutes * 60,
            site.policy.competences(),
        )
        desk = EvidenceDesk(_store(site, outbox, publisher, box_keys, authorities, clock, drain_s))
        streams = tuple(_stream(site, eyes, camera) for camera in recorded)
        traffic = ClosedEpochs(
            (each.value for each in ReadOutcome), (rule.id for rule in site.rules), STAGES
        )
        health = _Health(publisher, desk, outbox)
        condition = _condition(site, streams, publisher, traffic, clock, drain_s)

        def on_epoch(counts: VehicleCounts) -> None:
            health.epoch_closed(counts)
            traffic.close(_totals(engine, desk, outbox))

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

        gatekeeper = Gatekeeper([gate], clock.utc, on_refusal)
        cleanup.callback(gatekeeper.stop)
        gatekeeper.start()
        condition.watch("gatekeeper", gatekeeper.is_alive)
        condition.watch("publisher", publisher.is_alive)
        cleanup.enter_context(_telling(site, condition))
        progress.on_streams([(stream.clip, stream.camera.expected_frames) for stream in streams])
        return _run(
            site,
            engine,
            desk,
            outbox,
            publisher,
            condition,
            on_epoch,
            rule_book,
            realtime,
            drain_s,
        )


def _run(  # noqa: PLR0913 - the last step of the wiring holds all the wires
    site: SiteFolder,
    engine: Engine,
    desk: EvidenceDesk,
    outbox: Outbox,
    publisher: Publisher,
    condition: Health,
    on_epoch: Callable[[VehicleCounts], None],
    rule_book: RuleBook,
    realtime: bool,  # noqa: FBT001
    drain_s: float,
) -> RunResult:
    wall, cpu = time.perf_counter(), time.process_time()
    failure: EdgeError | None = None
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
        on_epoch(engine.counts)
        # Whoever stops the box waits for what can still be delivered, not for a broker.
        if interrupted is None or (
            publisher.state.connected and not isinstance(interrupted, Reload)
        ):
            publisher.drain(drain_s)
        ending = publisher.state
    finally:
        publisher.stop()
    if interrupted is not None:
        raise interrupted
    kept = outbox.depth()
    if failure is None and kept:
        failure = _kept(kept, ending.problem, site)
    elif failure is None and not ending.connected:
        failure = ending.problem
    hits = desk.counts.by_rule.total()
    streams = tuple(
        StreamSummary(
            camera=stream.camera.name,
            clip=os.fsencode(stream.clip).decode(errors="replace"),
            frames_decoded=stream.counts.decoded,
            frames_analysed=stream.analysed,
            frames_dropped=stream.counts.dropped,
            frames_corrupt=stream.counts.corrupt,
            frames_out_of_hours=_out_of_hours(stream),
        )
        for stream in engine.streams
    )
    summary = RunSummary(
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
        hits=hits,
        hits_by_rule=dict(desk.counts.by_rule),
        hits_without_picture=desk.counts.without_picture,
        hits_outside_competence=rule_book.outside_competence,
        non_hits=engine.counts.vehicles - engine.counts.with_hit,
        epochs=rule_book.epochs_begun,
        delivered=waiting_before + hits - kept,
        kept=kept,
        stage_ms=_stage_ms(engine, desk),
        cpu_s=round(time.process_time() - cpu, 3),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        wall_s=round(time.perf_counter() - wall, 3),
    )
    return RunResult(summary, failure)


def _out_of_hours(stream: Stream) -> int:
    return stream.camera.out_of_hours if isinstance(stream.camera, GuardedCamera) else 0


def _condition(
    site: SiteFolder,
    streams: Sequence[Stream],
    publisher: Publisher,
    traffic: ClosedEpochs,
    clock: Clock,
    patience_s: float,
) -> Health:
    """What the box knows of itself, from all its parts."""

    def broker() -> tuple[bool, int]:
        state = publisher.state
        return state.connected, state.connections

    return Health(
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
    """One for each camera, whose recordings count together."""
    figures = []
    for name in dict.fromkeys(stream.camera.name for stream in streams):
        counts = [stream.counts for stream in streams if stream.camera.name == name]
        figures.append(
            CameraFigures(
                name,
                frames=sum(one.decoded for one in counts),
                corrupt=sum(one.corrupt for one in counts),
                connections=sum(one.decoded > 0 for one in counts),
                up=any(one.decoded for one in counts),
            )
        )
    return figures


@contextlib.contextmanager
def _telling(site: SiteFolder, condition: Health) -> Iterator[None]:
    """The service manager and the telemetry's listeners are told, until the block ends."""
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


def _totals(engine: Engine, desk: EvidenceDesk, outbox: Outbox) -> Totals:
    return Totals(
        vehicles={each.value: engine.counts.outcomes[each] for each in ReadOutcome},
        hits=dict(desk.counts.by_rule),
        analysed=sum(stream.analysed for stream in engine.streams),
        dropped=sum(stream.counts.dropped for stream in engine.streams),
        stage_s={stage: ms / 1000 for stage, ms in _stage_ms(engine, desk).items()},
        waiting=outbox.depth(),
    )


def _stage_ms(engine: Engine, desk: EvidenceDesk) -> dict[str, float]:
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


def _sources(recordings: Sequence[Recording], clock: Clock) -> Iterator[RecordedCamera]:
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

    def __init__(self, site: SiteFolder, recorded_at: Sequence[datetime]) -> None:
        self._state = PolicyState(site.state_folder)
        self._dpia = FileDigest(site.resolve(site.policy.dpia.file))
        self._facts = Facts(
            policy=site.policy,
            signatures=read_signatures(site.folder / SIGNATURES_FILE),
            box=site.site.box,
            dpia_sha256=None,
            history=() if site.policy.demo else self._state.history(),
            recorded_at=tuple(recorded_at),
        )

    def __call__(self, now: datetime) -> EdgeError | None:
        try:
            in_force = None if self._facts.policy.demo else self._state.in_force()
        except EdgeError as error:
            return error
        facts = replace(self._facts, dpia_sha256=self._dpia.sha256(), in_force=in_force)
        return refusal(facts, now)


def _say_safe(site: SiteFolder, refused: EdgeError, clock: Clock) -> None:
    """Tell the world why the box stays shut, and deliver what was left; the refusal stands."""
    try:
        with Outbox.open(site.state_folder, reserve_mib=site.site.outbox.reserve_mib) as outbox:
            publisher = _publisher(site, _broker_options(site), outbox, _authorities(site), clock)
            publisher.set_availability("safe", refused.code)
            publisher.start()
            deadline = clock.monotonic() + SAY_SAFE_S
            while not publisher.state.connected and clock.monotonic() < deadline:
                time.sleep(FULL_OUTBOX_RETRY_S)
            publisher.stop()
    except EdgeError as error:
        log.warning("the broker could not be told that the box is safe: %s", error)


def _authorities(site: SiteFolder) -> dict[str, AuthorityPublicKeys]:
    return {
        authority: AuthorityPublicKeys.load(site.authority_keys(authority), authority=authority)
        for authority in sorted({rule.authority for rule in site.rules})
    }


def _stream(site: SiteFolder, eyes: Eyes, camera: RecordedCamera) -> Stream:
    guarded = _guarded(site, camera)
    detector = _looking_twice(eyes.detector, site.site.cameras[camera.name].second_look)
    return Stream(
        camera=guarded,
        clip=camera.clip,
        watcher=VehicleWatcher(camera.name, detector, eyes.reader),
    )


def _guarded(site: SiteFolder, camera: RecordedCamera) -> GuardedCamera:
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
    )


def _publisher(
    site: SiteFolder,
    options: BrokerOptions,
    outbox: Outbox,
    authorities: Mapping[str, AuthorityPublicKeys],
    clock: Clock,
) -> Publisher:
    broker = site.site.broker
    return Publisher(
        outbox,
        options,
        BoxTopics(site.site.site, site.site.box, frozenset(site.policy.cameras)),
        ReceiptVerifier(authorities.values(), outbox.find),
        clock=clock,
        jitter=random.random,
        limits=PublisherLimits(
            payload_cap_bytes=broker.payload_cap_kib * 1024,
            message_expiry_s=broker.message_expiry_s,
        ),
    )


def _store(
    site: SiteFolder,
    outbox: Outbox,
    publisher: Publisher,
    box_keys: BoxKeys,
    authorities: dict[str, AuthorityPublicKeys],
    clock: Clock,
    patience_s: float,
) -> Callable[[Case], SealedHit]:
    """What the evidence thread does with a case: make a hit and put it in the outbox."""
    topics = BoxTopics(site.site.site, site.site.box, frozenset(site.policy.cameras))
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

    def store(case: Case) -> SealedHit:
        rule = case.offence.rule
        hit = maker.make(case.vehicle, case.offence, case.epoch, outbox.next_counter())
        retention = timedelta(hours=site.policy.purposes[rule.purpose].retention_hours)
        deadline = clock.monotonic() + patience_s
        while True:
            try:
                outbox.put(
                    hit.hit_id,
                    case.vehicle.camera,
                    topics.hit(case.vehicle.camera),
                    hit.payload,
                    receipt_required=site.policy.authorities[rule.authority].receipts == "required",
                    expires_at=clock.utc() + retention,
                )
            except OutboxFull:
                # A recording runs faster than a broker takes hits: give it time, then stop.
                if clock.monotonic() >= deadline:
                    publisher.set_availability("safe", "outbox-full")
                    raise
                time.sleep(FULL_OUTBOX_RETRY_S)
                continue
            return hit

    return store


class _Health:
    """Publishes what changed in an epoch when it has closed; the publisher makes it coarse."""

    def __init__(self, publisher: Publisher, desk: EvidenceDesk, outbox: Outbox) -> None:
        self._publisher = publisher
        self._desk = desk
        self._outbox = outbox
        self._vehicles = 0
        self._hits = 0

    def epoch_closed(self, counts: VehicleCounts) -> None:
        hits = self._desk.counts.by_rule.total()
        self._publisher.publish_health(
            {
                "vehicles": counts.vehicles - self._vehicles,
                "hits": hits - self._hits,
                "outbox": self._outbox.depth(),
            }
        )
        self._vehicles, self._hits = counts.vehicles, hits
