"""Collects a box's counts: figures of cameras, traffic and time, and the summary of a run."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.adapters.cameras.camera_status import CameraStatus
from edge.adapters.cameras.guarded_camera import GuardedCamera
from edge.adapters.host.metrics import CameraFigures, RuleFigures
from edge.box.engine import Stream, VehicleCounts
from edge.box.evidence_worker import EvidenceCounts
from edge.box.summary import RunSummary, StreamSummary
from edge.box.traffic import TrafficTotals
from edge.pipeline.rule_book import ReadOutcome, RuleBook
from edge.site.settings import Site

STAGES = ("decode", "attend", "detect", "read", "track", "judge", "evidence")
"""The stages of the pipeline whose time is measured."""


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Wall time and processor time since it was made, seconds."""

    _wall_s: float = field(default_factory=time.perf_counter)
    _cpu_s: float = field(default_factory=time.process_time)

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._wall_s

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu_s


def camera_figures(streams: Sequence[Stream]) -> list[CameraFigures]:
    """The figures of each camera; a camera's recordings count together."""
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
                opens_at=next((one.opens_at for one in statuses if one and one.opens_at), None),
                substream=next(
                    (one.substream.works for one in statuses if one and one.substream), None
                ),
            )
        )
    return figures


def rule_figures(rules: RuleBook) -> list[RuleFigures]:
    """Which rules make no hits, and why."""
    return [
        RuleFigures(name, name in rules.stopped, name in rules.without_permits)
        for name in rules.rule_ids
    ]


def _live_status(stream: Stream) -> CameraStatus | None:
    return stream.camera.status() if isinstance(stream.camera, GuardedCamera) else None


def _decoded(stream: Stream) -> int:
    """The number of frames that left the decoder, or stayed there because nothing moved."""
    status = _live_status(stream)
    return stream.counts.decoded + (status.unwanted if status is not None else 0)


def _out_of_hours(stream: Stream) -> int:
    return stream.camera.out_of_hours if isinstance(stream.camera, GuardedCamera) else 0


def _opening(stream: Stream) -> str | None:
    """When a live camera that the policy keeps closed opens; None if it is open."""
    status = _live_status(stream)
    opening = None if status is None else status.opens_at
    return None if opening is None else opening.isoformat()


def traffic_totals(
    streams: Sequence[Stream], vehicles: VehicleCounts, evidence: EvidenceCounts, waiting: int
) -> TrafficTotals:
    """The exact counters so far; they must not leave the box.

    Args:
        streams: the sources.
        vehicles: the engine's counts.
        evidence: the evidence worker's counts.
        waiting: hits in the outbox now.
    """
    return TrafficTotals(
        vehicles={each.value: vehicles.outcomes[each] for each in ReadOutcome},
        hits=dict(evidence.by_rule),
        contradicted=dict(evidence.contradicted),
        analysed=sum(stream.analysed for stream in streams),
        dropped=sum(stream.counts.dropped for stream in streams),
        stage_s={stage: ms / 1000 for stage, ms in _stage_ms(streams, vehicles, evidence).items()},
        waiting=waiting,
    )


def _stage_ms(
    streams: Sequence[Stream], vehicles: VehicleCounts, evidence: EvidenceCounts
) -> dict[str, float]:
    """Milliseconds of work by stage."""
    seconds = {"decode": sum(stream.counts.decode_s for stream in streams)}
    for stream in streams:
        for stage, spent in stream.watcher.stage_seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    seconds["judge"] = vehicles.judge_s
    seconds["evidence"] = evidence.busy_s
    return {stage: round(spent * 1000, 1) for stage, spent in seconds.items()}


def run_summary(
    settings: Site,
    streams: Sequence[Stream],
    vehicles: VehicleCounts,
    evidence: EvidenceCounts,
    rule_book: RuleBook,
    *,
    delivered: int,
    kept: int,
    watch: Stopwatch,
) -> RunSummary:
    """The exact counts of a run.

    Args:
        settings: site.yaml.
        streams: the sources.
        vehicles: the engine's counts.
        evidence: the evidence worker's counts.
        rule_book: has the counts of epochs, and of offences outside the authorities' competence.
        delivered: hits that left the outbox.
        kept: hits in the outbox at the end.
        watch: a stopwatch since the start.
    """
    shown = tuple(
        StreamSummary(
            camera=stream.camera.name,
            clip=os.fsencode(stream.clip).decode(errors="replace"),
            frames_decoded=_decoded(stream),
            frames_analysed=stream.analysed,
            frames_dropped=stream.counts.dropped,
            frames_corrupt=stream.counts.corrupt,
            frames_out_of_hours=_out_of_hours(stream),
            closed_until=_opening(stream),
        )
        for stream in streams
    )
    return RunSummary(
        site=settings.site,
        box=settings.box,
        exact=True,
        streams=shown,
        frames_decoded=sum(stream.frames_decoded for stream in shown),
        frames_analysed=sum(stream.analysed for stream in streams),
        frames_dropped=sum(stream.counts.dropped for stream in streams),
        frames_corrupt=sum(stream.frames_corrupt for stream in shown),
        frames_out_of_hours=sum(stream.frames_out_of_hours for stream in shown),
        vehicles=vehicles.vehicles,
        reads={
            "read": vehicles.outcomes[ReadOutcome.READ],
            "ambiguous": vehicles.outcomes[ReadOutcome.AMBIGUOUS],
            "unreadable": vehicles.outcomes[ReadOutcome.UNREADABLE],
        },
        hits=evidence.by_rule.total(),
        hits_by_rule=dict(evidence.by_rule),
        hits_without_picture=evidence.without_picture,
        hits_masked_by_geometry=evidence.vehicle_by_geometry,
        hits_contradicted=evidence.contradicted.total(),
        hits_outside_competence=rule_book.outside_competence,
        non_hits=vehicles.vehicles - vehicles.with_hit,
        epochs=rule_book.epochs_begun,
        delivered=delivered,
        kept=kept,
        stage_ms=_stage_ms(streams, vehicles, evidence),
        cpu_s=round(watch.cpu_s, 3),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        wall_s=round(watch.wall_s, 3),
    )
