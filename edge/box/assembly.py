"""Builds the parts of a box and connects them.

This is the only module that knows all parts. It starts none but the renewal of a certificate.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.adapters.broker.options import BrokerOptions
from edge.adapters.broker.publisher import Publisher
from edge.adapters.cameras.place_masks import require_places_masked
from edge.adapters.enrolment.renewing import certificate_ends, renewing
from edge.adapters.host.machine import cpu
from edge.adapters.host.service_manager import long_start
from edge.adapters.host.system import random_bytes
from edge.adapters.models.detector import OnnxPlateDetector
from edge.adapters.models.loading import (
    PlateModels,
    load_plate_models,
    load_scene_parser,
    open_detector,
)
from edge.adapters.models.manifest import Contract, WeightsInUse
from edge.adapters.models.variants import FastestVariant, fastest_detector
from edge.adapters.models.weights import Manifest
from edge.adapters.state.list_store import ListStore, list_reader
from edge.box.delivery import box_topics, broker_options, build_delivery, follow_audit_log
from edge.box.engine import Engine
from edge.box.epochs import EpochRecord
from edge.box.evidence_worker import EvidenceWorker
from edge.box.figures import STAGES
from edge.box.gate import Admission
from edge.box.gatekeeper import Gatekeeper
from edge.box.health import BoxHealth
from edge.box.hit_storage import HitStorage, hit_maker, hit_terms
from edge.box.keys import load_authorities
from edge.box.reporting import box_health
from edge.box.rule_stops import RuleStops
from edge.box.safe_state import SafeState
from edge.box.sources import OpenedSources, camera_setups, open_cameras, open_stream
from edge.box.status_reports import Running, StatusReports
from edge.box.storage import Storage, open_storage, retention
from edge.box.traffic import ClosedEpochs
from edge.pipeline.ports import SceneParser
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.policy.bundles import list_terms
from edge.privacy.keys import AuthorityPublicKeys
from edge.privacy.pseudonyms import SaltChain
from edge.site.folder import SiteFolder
from edge.site.settings import Models


@dataclass(frozen=True, slots=True)
class Loaded:
    """Keys, broker options and networks, loaded before the box's files are opened.

    Attributes:
        authorities: their public keys, by id.
        broker: the broker's address and credentials.
        manifest: the digests of the weights.
        models: the networks that find and read plates.
        scene_parser: the network that says what an offender's picture shows; None if the manifest
            names none.
    """

    authorities: dict[str, AuthorityPublicKeys]
    broker: BrokerOptions
    manifest: Manifest
    models: PlateModels
    scene_parser: SceneParser | None

    @property
    def weights(self) -> WeightsInUse:
        """The names and digests of the weights in use."""
        names = (self.models.detector_weights.entry.name, self.models.reader_weights.entry.name)
        return self.manifest.in_use(*names)


@dataclass(frozen=True, slots=True)
class RunningBox:
    """The connected parts of a box.

    Attributes:
        storage: the box's files, open.
        publisher: delivers hits; its thread is the publisher's.
        rule_book: judges vehicles under the epoch's keys.
        evidence_worker: stores hits; its thread is the evidence thread.
        engine: the pipeline; it runs in the thread that calls `run`.
        health: reports the box's health.
        gatekeeper: checks the conditions every second; its thread is the gatekeeper's.
        epochs: publishes and records closed epochs.
        safe_state: closes the cameras.
        status: publishes signed statements of the box about itself; its thread is its own.
    """

    storage: Storage
    publisher: Publisher
    rule_book: RuleBook
    evidence_worker: EvidenceWorker
    engine: Engine
    health: BoxHealth
    gatekeeper: Gatekeeper
    epochs: EpochRecord
    safe_state: SafeState
    status: StatusReports


def load_parts(site: SiteFolder, manifest: Manifest | None = None, *, live: bool = False) -> Loaded:
    """Load the authorities' keys, the broker's password and the networks.

    Args:
        site: the checked site folder.
        manifest: the manifest of weights; None: the product's own.
        live: whether a live camera is watched. Then the detector's fastest variant on this CPU is
            used; recordings are read with the same weights on every machine.

    Raises:
        EdgeError: one of them cannot be loaded.
    """
    require_places_masked(site)
    authorities = load_authorities(site.rule_authorities, site.policy)
    broker = broker_options(site.settings, site.folder, site.broker_password(os.environ))
    manifest = manifest or Manifest.load()
    settings = site.settings.models
    fastest = fastest_of(settings, manifest, site.state_folder) if live else None
    models = load_models(settings, manifest, fastest)
    parser = load_scene_parser(manifest, settings.threads)
    return Loaded(authorities, broker, manifest, models, parser)


def load_models(
    settings: Models, manifest: Manifest | None = None, fastest: FastestVariant | None = None
) -> PlateModels:
    """Load the networks that site.yaml names, on the provider that it names.

    The service manager is asked to wait while TensorRT builds its engines.

    Args:
        settings: the names and the provider.
        manifest: the manifest of weights; None: the product's own.
        fastest: the detector to use where `settings` names none; None: the manifest's default.

    Raises:
        ModelError: they cannot be loaded.
    """
    status = "loading the networks; TensorRT builds their engines once, which takes minutes"
    slow = settings.provider == "tensorrt"
    with long_start(os.environ, status) if slow else contextlib.nullcontext():
        return load_plate_models(
            manifest or Manifest.load(),
            settings.detector or (fastest.name if fastest is not None else None),
            settings.reader,
            provider=settings.provider,
            threads=settings.threads,
        )


def fastest_of(settings: Models, manifest: Manifest, state_folder: Path) -> FastestVariant | None:
    """The detector's fastest variant on this CPU, measured once and kept in the state folder.

    None where site.yaml names a detector, or where the networks run on an accelerator.

    Raises:
        ModelError: the default weights cannot be loaded.
    """
    if settings.detector is not None or settings.provider != "cpu":
        return None

    def opened(name: str) -> OnnxPlateDetector:
        return open_detector(manifest.find(name, Contract.DETECTOR), threads=settings.threads)

    return fastest_detector(
        manifest,
        manifest.default_detector,
        state_folder,
        opened,
        cpu=cpu(),
        threads=settings.threads,
    )


@contextlib.contextmanager
def assembled(
    site: SiteFolder,
    opened: OpenedSources,
    admission: Admission,
    loaded: Loaded,
    *,
    patience_s: float,
    on_frame: Callable[[int], None],
) -> Iterator[RunningBox]:
    """Open the box's files and build its parts; all are closed when the block ends.

    Args:
        site: the checked site folder.
        opened: the sources.
        admission: the result of the gate's check.
        loaded: keys, broker options and networks.
        patience_s: how long to retry when the outbox is full, seconds.
        on_frame: called after each analysed frame with its stream's index.

    Raises:
        EdgeError: a file cannot be opened, or a live camera is not described in full.
    """
    settings, policy, box_keys = site.settings, site.policy, admission.box_keys
    with contextlib.ExitStack() as cleanup:
        storage = cleanup.enter_context(open_storage(site.box, box_keys, retention(policy)))
        delivery = build_delivery(
            site, loaded.broker, storage, loaded.authorities.values(), box_keys
        )
        cleanup.callback(delivery.receiver.close)
        publisher = delivery.publisher
        cleanup.enter_context(renewing(site.keys_folder, admission.clock.utc, publisher.reconnect))
        follow_audit_log(storage, publisher)
        ListStore(
            storage.folder, box_keys, list_terms(policy), admission.clock.utc, storage.audit.append
        ).forget_others()
        stops = RuleStops(site, storage, publisher)
        chain = SaltChain(settings.site, settings.box, random_bytes)
        cleanup.callback(chain.destroy)
        listed = list_reader(admission.lists, site.trial_list, ended_too=policy.demo)
        rule_book = RuleBook(
            site.rules,
            chain,
            listed,
            policy.epoch_minutes * 60,
            policy.competences(),
            stopped=stops.stopped,
            on_stop=stops.enter,
            # A demo judges a recording by its own day, on which another number was valid.
            permits_asked=(lambda _list: 0) if policy.demo else admission.lists.permits_asked,
        )
        setups = camera_setups(
            settings.cameras, policy, site.camera_password, site.camera_authorities
        )
        cameras = open_cameras(opened, setups, admission.clock)
        streams = [open_stream(setups[camera.name], loaded.models, camera) for camera in cameras]
        traffic = ClosedEpochs(
            (each.value for each in ReadOutcome), (rule.id for rule in site.rules), STAGES
        )
        health = box_health(
            settings,
            streams,
            publisher,
            traffic,
            rule_book,
            epoch_s=policy.epoch_minutes * 60,
            monotonic=admission.clock.monotonic,
            patience_s=patience_s,
            certificate_ends=partial(certificate_ends, site.keys_folder),
        )
        safe_state = SafeState(publisher, storage.audit, health)
        stops.shuts(safe_state.enter)
        hit_storage = HitStorage(
            hit_maker(site, box_keys, loaded.authorities, loaded.scene_parser),
            storage.outbox,
            box_topics(settings, policy),
            partial(hit_terms, policy),
            clock=storage.clock,
            patience_s=patience_s,
            on_full=lambda full: safe_state.enter(full, "outbox-full"),
        )
        evidence_worker = EvidenceWorker(hit_storage.store, safe_state.enter)  # a full disk shuts
        epochs = EpochRecord(publisher, evidence_worker, storage, rule_book, streams, traffic)
        engine = Engine(
            streams,
            rule_book,
            evidence_worker,
            on_frame=on_frame,
            on_epoch=epochs.epoch_closed,
            on_turn=lambda: health.turned(rule_book.epochs_begun),
        )
        safe_state.shuts(engine.shut)
        gatekeeper = Gatekeeper(admission.conditions, admission.clock.utc, safe_state.enter)
        cleanup.callback(gatekeeper.stop)
        now = Running(loaded.weights.sha256(), admission.clock_steps)
        status = StatusReports(
            site, box_keys, admission.clock, publisher.publish_status, running=now
        )
        cleanup.callback(status.stop)
        publisher.follow(status.say)
        yield RunningBox(
            storage=storage,
            publisher=publisher,
            rule_book=rule_book,
            evidence_worker=evidence_worker,
            engine=engine,
            health=health,
            gatekeeper=gatekeeper,
            epochs=epochs,
            safe_state=safe_state,
            status=status,
        )
