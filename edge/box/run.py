"""Runs a box, from the check of all conditions to the delivery of the last hit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.broker.publisher import PublisherState
from edge.adapters.host.cv2_check import check_cv2
from edge.adapters.host.system import SystemClock, product_version
from edge.adapters.models.manifest import WeightsInUse
from edge.adapters.models.weights import Manifest
from edge.box.assembly import RunningBox, assembled, load_parts
from edge.box.delivery import hits_kept
from edge.box.figures import Stopwatch, run_summary
from edge.box.gate import admit
from edge.box.interruptions import Reload, signals_noted
from edge.box.keys import keys_of, require_separate_keys
from edge.box.reporting import health_reported
from edge.box.safe_state import RefusalAnnouncer
from edge.box.sources import Source, find_sources
from edge.box.storage import Storage, record
from edge.box.summary import RunSummary
from edge.errors import EdgeError, InternalError
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures
from edge.privacy.audit_events import Started, Stopped
from edge.privacy.keys import BoxKeys
from edge.site.folder import SiteFolder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run; `failure` is why it was not successful, or None."""

    summary: RunSummary
    failure: EdgeError | None


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Progress callbacks.

    Args:
        on_streams: called before the start with each stream's name and its number of frames, if
            the recording states it.
        on_frame: called with a stream's index after each analysed frame of it.
        analysing: returns a context that is entered when the start is over, and left when no more
            frames are analysed. Only in it a signal handler may raise `Reload`.
    """

    on_streams: Callable[[Sequence[tuple[str, int | None]]], None] = lambda _streams: None
    on_frame: Callable[[int], None] = lambda _index: None
    analysing: Callable[[], AbstractContextManager[None]] = nullcontext


class RunInterrupted(KeyboardInterrupt):
    """Raised at the end of a run that Ctrl-C or SIGTERM stopped, after a clean stop."""

    def __init__(self, summary: RunSummary) -> None:
        super().__init__()
        self.summary = summary


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
        realtime: run recordings at their own pace and drop frames that come too fast, as always
            with live sources.
        drain_s: how long to wait at the end for hits to be delivered, seconds.
        manifest: the manifest of weights; None: the product's own.
        progress: progress callbacks.

    Raises:
        EdgeError: the box could not start. Later errors are in the result's `failure`, with
            the counts so far.
        RunInterrupted: Ctrl-C or SIGTERM stopped the run; it holds the counts so far.
    """
    progress = progress or RunProgress()
    announce = RefusalAnnouncer(site)
    try:
        check_cv2()
        opened = find_sources(sources, SystemClock())
        admission = admit(site, opened, announce)
        loaded = load_parts(site, manifest, live=bool(opened.live))
        require_separate_keys(site.policy, keys_of(admission.box_keys, loaded.authorities))
        _warn_of_trial_keys(admission.box_keys, site.keys_folder)
        with assembled(
            site, opened, admission, loaded, patience_s=drain_s, on_frame=progress.on_frame
        ) as box:
            progress.on_streams(
                [(one.clip, one.camera.expected_frames) for one in box.engine.streams]
            )
            if opened.live:
                box.storage.outbox.require_room(site.settings.broker.payload_cap_kib * 1024)
            _record_start(box.storage, site.policy, admission.signatures, loaded.weights)
            box.gatekeeper.start()
            _watch_threads(box)
            with health_reported(box.health, site.settings.telemetry):
                run = _Run(box, site, realtime=realtime or opened.live, drain_s=drain_s)
                return run.to_the_end(progress.analysing)
    except EdgeError as refused:
        # What goes wrong after the start is in the result.
        announce(refused)
        raise


def _warn_of_trial_keys(box_keys: BoxKeys, keys_folder: Path) -> None:
    if box_keys.trial:
        log.warning("%s: these are trial keys; never use them at a real site", keys_folder)


def _record_start(
    storage: Storage, policy: Policy, signatures: PolicySignatures, weights: WeightsInUse
) -> None:
    """Record the policy and weights of this run, before any frame is analysed.

    Raises:
        EdgeError: they cannot be recorded.
    """
    storage.archive.keep_policy(policy, signatures.text().encode())
    storage.archive.keep_weights(weights)
    storage.audit.append(Started(product_version(), policy.sha256(), weights.sha256()))


def _watch_threads(box: RunningBox) -> None:
    """Let health report a failure when one of these threads ends."""
    box.health.watch("evidence", box.evidence_worker.is_alive)
    box.health.watch("gatekeeper", box.gatekeeper.is_alive)
    box.health.watch("publisher", box.publisher.is_alive)


class _Run:
    """One run of an assembled box."""

    def __init__(
        self, box: RunningBox, site: SiteFolder, *, realtime: bool, drain_s: float
    ) -> None:
        self._box = box
        self._settings = site.settings
        self._exact = site.policy.demo  # such a policy reads recordings only
        self._realtime = realtime
        self._drain_s = drain_s
        self._watch = Stopwatch()
        self._waiting_before = box.storage.outbox.depth()
        self._failure: EdgeError | None = None
        self._interruption: KeyboardInterrupt | None = None

    def to_the_end(self, analysing: Callable[[], AbstractContextManager[None]]) -> RunResult:
        """Start, analyse until the sources end, close the epoch, deliver, stop.

        Raises:
            RunInterrupted: Ctrl-C or SIGTERM stopped it.
            Reload: it is to run again with reloaded site files.
        """
        try:
            self._start()
            self._analyse(analysing)
            self._close_epoch()
            ending = self._deliver()
        except BaseException as crash:
            self._fault(crash)
            raise
        finally:
            unrecorded = self._stop()
        return self._result(ending, unrecorded)

    def _fault(self, crash: BaseException) -> None:
        """Report an error that no part of the box expects; its text could quote a plate."""
        if isinstance(crash, KeyboardInterrupt):
            self._interruption = self._interruption or crash
            return
        code = "E_MEMORY" if isinstance(crash, MemoryError) else InternalError.default_code
        self._failure = InternalError(f"the run ended by {type(crash).__name__}", code=code)
        self._box.safe_state.enter(self._failure)

    def _start(self) -> None:
        self._box.publisher.start()
        self._box.status.start()
        self._box.evidence_worker.start()
        self._box.health.enter("online", "online")

    def _analyse(self, analysing: Callable[[], AbstractContextManager[None]]) -> None:
        box = self._box
        noted: Sequence[int] = ()
        try:
            try:
                with analysing():
                    box.engine.run(realtime=self._realtime)
            finally:
                box.rule_book.forget()
                # Judged offences are stored, even if the run is interrupted several times.
                with signals_noted() as noted:
                    box.evidence_worker.close()
        except EdgeError as error:
            self._failure = error
        except KeyboardInterrupt as interruption:
            self._interruption = interruption
        self._heed(noted)
        if not isinstance(self._interruption, Reload):
            box.health.enter("stopping", "stopped" if self._failure is None else self._failure.code)

    def _close_epoch(self) -> None:
        try:
            self._box.epochs.epoch_closed(self._box.engine.counts)
        except EdgeError as error:
            self._failure = self._failure or error

    def _deliver(self) -> PublisherState:
        """Wait for hits to be delivered; returns the publisher's state after that.

        After an interruption it waits only if the broker is connected.
        """
        publisher = self._box.publisher
        if self._interruption is None or (
            publisher.state.connected and not isinstance(self._interruption, Reload)
        ):
            publisher.drain(self._drain_s)
        return publisher.state

    def _stop(self) -> EdgeError | None:
        """Record the stop and end the publisher; returns why it could not be recorded."""
        with signals_noted() as noted:
            unrecorded = record(self._box.storage.audit, Stopped(self._how_it_ended()))
            self._box.status.stop()
            self._box.publisher.stop()
        self._heed(noted)
        return unrecorded

    def _heed(self, noted: Sequence[int]) -> None:
        """Stop after Ctrl-C or SIGTERM, also where the site's files were to be reloaded."""
        if noted and isinstance(self._interruption, Reload):
            self._interruption = KeyboardInterrupt()

    def _how_it_ended(self) -> str:
        """How the run ended, as the audit log's one word."""
        if self._failure is not None:
            return self._failure.code
        return "end" if self._interruption is None else "interrupted"

    def _result(self, ending: PublisherState, unrecorded: EdgeError | None) -> RunResult:
        if isinstance(self._interruption, Reload):
            raise self._interruption
        kept = self._box.storage.outbox.depth()
        summary = self._summary(kept)
        if self._interruption is not None:
            raise RunInterrupted(summary) from self._interruption
        failure = self._failure or unrecorded
        if failure is None and kept:
            state_folder = self._box.storage.folder
            failure = hits_kept(summary.kept, ending.problem, self._settings, state_folder)
        elif failure is None and not ending.connected:
            failure = ending.problem
        return RunResult(summary, failure)

    def _summary(self, kept: int) -> RunSummary:
        box = self._box
        hits = box.evidence_worker.counts.by_rule.total()
        summary = run_summary(
            self._settings,
            box.engine.streams,
            box.engine.counts,
            box.evidence_worker.counts,
            box.rule_book,
            delivered=self._waiting_before + hits - kept,
            kept=kept,
            watch=self._watch,
        )
        return summary if self._exact else summary.coarsened(box.rule_book.rule_ids)
